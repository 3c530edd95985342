//! Convolutions as a sum of matrix products, one for each element of the kernel: under element (i, j) lies, at every
//! place of the kernel, one pixel, and those pixels are a strided view of the padded image.

use super::activation;
use crate::backend::{ConvArgs, Gemm, Parts, PoolArgs, PoolKind, Saved, Window};
use crate::layout::{Dims, Layout};
use crate::{Result, Tensor};

/// The sizes of a convolution: from images to places of the kernel, or back.
struct Sizes {
    window: Window,
    batch: usize,
    groups: usize,
    /// Height and width of the image that the kernel slides over, without padding.
    image: [usize; 2],
    /// Channels of the image in one group.
    image_channels: usize,
    places: [usize; 2],
    /// Channels of one group at a place.
    place_channels: usize,
}

impl Sizes {
    fn new(args: &ConvArgs, image: [usize; 2], places: [usize; 2]) -> Self {
        let (weight, groups) = (args.weight.shape(), args.groups);
        Sizes {
            window: args.window,
            batch: args.x.shape()[0],
            groups,
            image,
            image_channels: weight[1],
            places,
            place_channels: weight[0] / groups,
        }
    }

    /// Row-major `[batch, height, width, groups, channels]` of the padded image.
    fn padded(&self) -> Layout {
        let [height, width] = self.window.padded(self.image);
        Layout::contiguous(Dims::filled(&[self.batch, height, width, self.groups, self.image_channels]))
    }

    /// The image within the padded one.
    fn inside(&self) -> Result<Layout> {
        let [top, left] = self.window.padding.map(|side| side[0]);
        self.padded().slice("conv", 1, top, self.image[0], 1)?.slice("conv", 2, left, self.image[1], 1)
    }

    /// The pixels under one element of the kernel: `[groups, batch, rows, columns, channels]` of the padded image.
    fn under(&self, element: [usize; 2]) -> Result<Layout> {
        let mut layout = self.padded();
        for (d, at) in element.into_iter().enumerate() {
            let start = at * self.window.dilation[d];
            layout = layout.slice("conv", 1 + d, start, self.places[d], self.window.stride[d])?;
        }
        layout.permute("conv", &[3, 0, 1, 2, 4])
    }

    fn rows(&self) -> usize {
        self.batch * self.places[0] * self.places[1]
    }

    /// The padded image, with pixels as rows.
    fn pad(&self, image: &Tensor) -> Result<Tensor> {
        let [height, width] = self.image;
        let pixels = image
            .reshape(&[self.batch, self.groups, self.image_channels, height, width])?
            .permute(&[0, 3, 4, 1, 2])?;
        let device = image.device().clone();
        let (inside, shape) = (self.inside()?, *self.padded().shape());
        Tensor::build(&device, image.dtype(), shape, |out| {
            if self.inside()?.shape() != &shape {
                device.fill(out, 0.0)?;
            }
            device.copy(pixels.arg(), out, &inside)
        })
    }

    /// `[groups, rows, channels]`: what lies under one element of the kernel, a row for each place.
    fn pixels(&self, padded: &Tensor, element: [usize; 2]) -> Result<Tensor> {
        padded.view(self.under(element)?).reshape(&[self.groups, self.rows(), self.image_channels])
    }

    /// `[batch, channels, rows, columns]` as `[groups, rows, channels]`.
    fn by_place(&self, x: &Tensor) -> Result<Tensor> {
        let [rows, cols] = self.places;
        x.reshape(&[self.batch, self.groups, self.place_channels, rows, cols])?
            .permute(&[1, 0, 3, 4, 2])?
            .reshape(&[self.groups, self.rows(), self.place_channels])
    }

    /// `[groups, place channels, image channels]`: the weights of one element of the kernel.
    fn weight(&self, weight: &Tensor, [i, j]: [usize; 2]) -> Result<Tensor> {
        let shape = [self.groups, self.place_channels, self.image_channels];
        weight.narrow(2, i, 1)?.narrow(3, j, 1)?.reshape(&shape)
    }

    /// The convolution: images to places.
    fn gather(&self, image: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (device, padded) = (image.device().clone(), self.pad(image)?);
        let shape = Dims::filled(&[self.groups, self.rows(), self.place_channels]);
        let y = Tensor::build(&device, image.dtype(), shape, |out| {
            // Products are added to the bias, or the first one overwrites.
            let mut beta = 0.0;
            if let Some(bias) = bias {
                let rows = bias.reshape(&[self.groups, 1, self.place_channels])?.expand(&shape)?;
                device.copy(rows.arg(), out, &Layout::contiguous(shape))?;
                beta = 1.0;
            }
            for element in self.window.elements() {
                let a = self.pixels(&padded, element)?;
                let b = self.weight(weight, element)?.transpose()?;
                let gemm = Gemm { a: a.arg(), b: b.arg(), alpha: 1.0, beta, bias: None, activation: None };
                device.gemm(gemm, out)?;
                beta = 1.0;
            }
            Ok(())
        })?;
        let [rows, cols] = self.places;
        y.reshape(&[self.groups, self.batch, rows, cols, self.place_channels])?
            .permute(&[1, 0, 4, 2, 3])?
            .reshape(&[self.batch, self.groups * self.place_channels, rows, cols])
    }

    /// The transpose: places to images.
    fn spread(&self, at_places: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
        let (device, a) = (at_places.device().clone(), self.by_place(at_places)?);
        let shape = *self.padded().shape();
        let [rows, cols] = self.places;
        let padded = Tensor::build(&device, at_places.dtype(), shape, |out| {
            match bias {
                Some(bias) => {
                    let pixels = bias.reshape(&[self.groups, self.image_channels])?.expand(&shape)?;
                    device.copy(pixels.arg(), out, &self.padded())?;
                }
                None => device.fill(out, 0.0)?,
            }
            for element in self.window.elements() {
                let share = a.matmul(&self.weight(weight, element)?)?;
                let share = share.reshape(&[self.groups, self.batch, rows, cols, self.image_channels])?;
                device.accumulate(share.arg(), out, &self.under(element)?)?;
            }
            Ok(())
        })?;
        let [height, width] = self.image;
        padded.view(self.inside()?).permute(&[0, 3, 4, 1, 2])?.reshape(&[
            self.batch,
            self.groups * self.image_channels,
            height,
            width,
        ])
    }

    /// The weight's gradient, from both sides of the map.
    fn correlate(&self, image: &Tensor, at_places: &Tensor, weight: &Tensor) -> Result<Tensor> {
        let (device, padded) = (image.device().clone(), self.pad(image)?);
        let a = self.by_place(at_places)?.transpose()?;
        Tensor::build(&device, image.dtype(), *weight.dims(), |out| {
            for [i, j] in self.window.elements() {
                let product = a.matmul(&self.pixels(&padded, [i, j])?)?;
                let to = Layout::contiguous(*weight.dims());
                let to = to.slice("conv", 2, i, 1, 1)?.slice("conv", 3, j, 1, 1)?;
                device.copy(product.reshape(to.shape())?.arg(), out, &to)?;
            }
            Ok(())
        })
    }
}

fn size(x: &Tensor) -> [usize; 2] {
    [x.shape()[2], x.shape()[3]]
}

pub fn forward(args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
    let sizes = Sizes::new(args, size(&args.x), args.output);
    let y = sizes.gather(&args.x, &args.weight, args.bias.as_ref())?;
    activation::forward(args.activation, y, keep)
}

pub fn backward(
    args: &ConvArgs,
    saved: Saved,
    grad: Tensor,
    needs: &[bool; 3],
) -> Result<[Option<Tensor>; 3]> {
    let g = activation::backward(args.activation, saved, grad)?;
    let sizes = Sizes::new(args, size(&args.x), args.output);
    Ok([
        if needs[0] { Some(sizes.spread(&g, &args.weight, None)?) } else { None },
        if needs[1] { Some(sizes.correlate(&args.x, &g, &args.weight)?) } else { None },
        if needs[2] { Some(g.sum(&[0, 2, 3], false)?) } else { None },
    ])
}

/// What a convolution keeps that maxima are taken of.
#[derive(Debug)]
pub struct Pooled {
    conv: Saved,
    pool: Saved,
    /// The operands of the pooling.
    args: PoolArgs,
}

pub fn max_pool_forward(args: &ConvArgs, parts: &Parts, keep: bool) -> Result<(Tensor, Option<Saved>)> {
    let device = args.x.device().clone();
    let (x, conv) = device.conv().conv(args, keep)?;
    let args = PoolArgs { x, kind: PoolKind::Max, parts: *parts };
    let (y, pool) = device.pool().pool(&args, keep)?;
    let saved = conv.zip(pool).map(|(conv, pool)| {
        let bytes = conv.bytes() + pool.bytes() + args.x.count() * args.x.dtype().size();
        Saved::new(Pooled { conv, pool, args }, bytes)
    });
    Ok((y, saved))
}

pub fn max_pool_backward(
    args: &ConvArgs,
    saved: Pooled,
    grad: Tensor,
    needs: &[bool; 3],
) -> Result<[Option<Tensor>; 3]> {
    let device = args.x.device().clone();
    let grad = device.pool().pool_backward(&saved.args, saved.pool, grad)?;
    device.conv().conv_backward(args, saved.conv, grad, needs)
}

pub fn transpose_forward(args: &ConvArgs, keep: bool) -> Result<(Tensor, Option<Saved>)> {
    let sizes = Sizes::new(args, args.output, size(&args.x));
    let y = sizes.spread(&args.x, &args.weight, args.bias.as_ref())?;
    activation::forward(args.activation, y, keep)
}

pub fn transpose_backward(
    args: &ConvArgs,
    saved: Saved,
    grad: Tensor,
    needs: &[bool; 3],
) -> Result<[Option<Tensor>; 3]> {
    let g = activation::backward(args.activation, saved, grad)?;
    let sizes = Sizes::new(args, args.output, size(&args.x));
    Ok([
        if needs[0] { Some(sizes.gather(&g, &args.weight, None)?) } else { None },
        if needs[1] { Some(sizes.correlate(&g, &args.x, &args.weight)?) } else { None },
        if needs[2] { Some(g.sum(&[0, 2, 3], false)?) } else { None },
    ])
}
