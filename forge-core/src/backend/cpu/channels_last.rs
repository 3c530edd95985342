//! Images with channels side by side: how the kernels of convolutions and pooling read and write them.

use super::scratch::Scratch;
use super::simd::Float;
use super::turn::{Turn, pays};
use super::{elements, elements_mut};
use crate::layout::Dims;
use crate::{Result, Tensor};

/// The elements of `[batch, channels, height, width]` with their strides, in any order.
#[derive(Clone, Copy)]
pub struct Image<'a, T> {
    elements: &'a [T],
    offset: usize,
    /// Of batch, channels, height, width.
    strides: [usize; 4],
    shape: [usize; 4],
}

impl<'a, T: Float> Image<'a, T> {
    /// Over a tensor of four dimensions.
    pub fn of(op: &'static str, tensor: &'a Tensor) -> Result<Self> {
        let (arg, s, t) = (tensor.arg(), tensor.shape(), tensor.layout().strides());
        Ok(Image {
            elements: elements(op, arg.memory)?,
            offset: arg.layout.offset(),
            strides: [t[0], t[1], t[2], t[3]],
            shape: [s[0], s[1], s[2], s[3]],
        })
    }

    /// All elements in the order batch, height, width, channels, if they lie so already.
    pub fn whole(&self) -> Option<&'a [T]> {
        let [batch, channels, height, width] = self.shape;
        let wanted = [height * width * channels, 1, width * channels, channels];
        let same = (0..4).all(|d| self.shape[d] <= 1 || self.strides[d] == wanted[d]);
        let count = batch * channels * height * width;
        if same { self.elements.get(self.offset..self.offset + count) } else { None }
    }

    /// Copies one row of an image to `out`, `[width, channels]`.
    pub fn row(&self, image: usize, y: usize, out: &mut [T]) {
        let [of_image, _, of_row, _] = self.strides;
        self.pixels(self.offset + image * of_image + y * of_row, self.shape[3], out);
    }

    /// Copies a whole image to `out`, `[height, width, channels]`.
    pub fn image(&self, image: usize, out: &mut [T]) {
        let ([_, channels, height, width], [of_image, _, of_row, of_pixel]) = (self.shape, self.strides);
        if height <= 1 || of_row == width * of_pixel {
            return self.pixels(self.offset + image * of_image, height * width, out);
        }
        for (y, row) in out.chunks_exact_mut((width * channels).max(1)).enumerate() {
            self.row(image, y, row);
        }
    }

    /// Copies so many pixels, as far apart as those of a row are.
    fn pixels(&self, start: usize, count: usize, out: &mut [T]) {
        let (channels, [_, of_channel, _, of_pixel]) = (self.shape[1], self.strides);
        if of_channel == 1 || channels == 1 {
            if of_pixel == channels || count <= 1 {
                out.copy_from_slice(&self.elements[start..start + count * channels]);
            } else {
                for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
                    let from = start + x * of_pixel;
                    pixel.copy_from_slice(&self.elements[from..from + channels]);
                }
            }
            return;
        }
        if of_pixel == 1 && pays(count, channels) {
            let from = &self.elements[start..=start + (channels - 1) * of_channel + count - 1];
            assert!(out.len() == count * channels, "room for other pixels");
            return T::dispatch(&Turn {
                rows: count,
                columns: channels,
                padded: channels,
                from: from.as_ptr(),
                from_step: of_channel,
                to: out.as_mut_ptr(),
                to_step: channels,
                factor: None,
            });
        }
        for c in 0..channels {
            let from = start + c * of_channel;
            for (x, pixel) in out.chunks_exact_mut(channels).enumerate() {
                pixel[c] = self.elements[from + x * of_pixel];
            }
        }
    }

    /// Copies an image to the middle of `out`, `[height, width, channels]` with margins that become 0.
    pub fn padded(&self, image: usize, [top, left]: [usize; 2], padded_width: usize, out: &mut [T]) {
        let [_, channels, height, width] = self.shape;
        let row = padded_width * channels;
        for (i, out) in out.chunks_exact_mut(row.max(1)).enumerate() {
            let (before, after) = (left * channels, (left + width) * channels);
            if i < top || i >= top + height {
                out.fill(T::default());
                continue;
            }
            out[..before].fill(T::default());
            out[after..].fill(T::default());
            self.row(image, i - top, &mut out[before..after]);
        }
    }
}

/// A new tensor of logical shape `[batch, channels, height, width]` whose channels lie side by side, filled by `write`
/// in the order batch, height, width, channels.
pub fn build<T: Float>(
    like: &Tensor,
    [batch, channels, height, width]: [usize; 4],
    write: impl FnOnce(&mut [T]) -> Result<()>,
) -> Result<Tensor> {
    let device = like.device().clone();
    let dims = Dims::filled(&[batch, height, width, channels]);
    let stored = Tensor::build(&device, T::DTYPE, dims, |out| write(elements_mut("image", out)?))?;
    stored.permute(&[0, 3, 1, 2])
}

/// Elements that are borrowed from a tensor, or a copy in another order.
pub enum Pixels<'a, T: Float> {
    Borrowed(&'a [T]),
    Copied(Scratch<T>),
}

impl<T: Float> Pixels<'_, T> {
    /// The elements.
    pub fn as_ref(&self) -> &[T] {
        match self {
            Pixels::Borrowed(elements) => elements,
            Pixels::Copied(scratch) => scratch.as_ref(),
        }
    }
}
