//! `max_pool` and `avg_pool`: the largest or the mean element under a sliding kernel.

use super::image::{check_count, check_positive, check_rank, lower, raise, rows_and_columns};
use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::reference::{self, Array};
use crate::backend::{Parts, PoolArgs, PoolKind, Saved, Scalar, Window};
use crate::{Error, Result, Tensor, profile};

/// The settings of pooling over `D` dimensions.
///
/// ```
/// use forge_core::{ops::PoolOptions, Tensor};
/// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0], &[1, 1, 5])?;
/// let pairs = PoolOptions::new([2]);
/// assert_eq!(x.max_pool1d(&pairs)?.to_vec::<f32>()?, [2.0, 4.0]); // the last element is left over
/// assert_eq!(x.max_pool1d(&PoolOptions { ceil: true, ..pairs.clone() })?.to_vec::<f32>()?, [2.0, 4.0, 5.0]);
/// assert_eq!(x.max_pool1d(&PoolOptions { stride: [1], ..pairs })?.to_vec::<f32>()?, [2.0, 3.0, 4.0, 5.0]);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolOptions<const D: usize> {
    /// Elements of the kernel.
    pub kernel: [usize; D],
    /// Elements from one place of the kernel to the next.
    pub stride: [usize; D],
    /// Elements that the operand is thought to have before its first and after its last: never a maximum, and 0 in a sum.
    pub padding: [[usize; 2]; D],
    /// Elements of the operand from one element of the kernel to the next.
    pub dilation: [usize; D],
    /// Whether the number of places is rounded up, so that the last kernels may reach beyond the padding. None of them
    /// begins there.
    pub ceil: bool,
    /// Whether a mean is taken over padding, too; a maximum does not ask.
    pub count_padding: bool,
}

impl<const D: usize> PoolOptions<D> {
    /// A kernel whose places touch; the other settings are PyTorch's defaults.
    pub fn new(kernel: [usize; D]) -> Self {
        PoolOptions {
            kernel,
            stride: kernel,
            padding: [[0; 2]; D],
            dilation: [1; D],
            ceil: false,
            count_padding: true,
        }
    }

    /// The window and the number of its places over an image.
    fn sliding(&self, op: &'static str, image: [usize; 2]) -> Result<(Window, [usize; 2])> {
        check_positive(op, "kernel", self.kernel)?;
        check_positive(op, "stride", self.stride)?;
        check_positive(op, "dilation", self.dilation)?;
        let window = Window {
            kernel: rows_and_columns(self.kernel, 1),
            stride: rows_and_columns(self.stride, 1),
            dilation: rows_and_columns(self.dilation, 1),
            padding: rows_and_columns(self.padding, [0; 2]),
        };
        let no_place = || {
            Error::shape(
                op,
                format!(
                    "a kernel over {:?} elements does not fit {:?} with padding {:?}",
                    &window.extent()[2 - D..],
                    &image[2 - D..],
                    &window.padding[2 - D..]
                ),
            )
        };
        let mut places = window.places(image).ok_or_else(no_place)?;
        if (0..2).any(|d| window.padding[d].iter().any(|&p| p > window.extent()[d] / 2)) {
            return Err(Error::argument(
                op,
                format!(
                    "padding {:?} is more than half of the {:?} elements that the kernel covers",
                    &window.padding[2 - D..],
                    &window.extent()[2 - D..]
                ),
            ));
        }
        check_count(op, &window.padded(image))?;
        for d in 0..2 {
            let (padded, stride) = (window.padded(image)[d], window.stride[d]);
            let more = !(padded - window.extent()[d]).is_multiple_of(stride);
            // PyTorch's rule: the place that is rounded up to must begin before the padding behind.
            if self.ceil && more && places[d] * stride < image[d] + window.padding[d][0] {
                places[d] += 1;
            }
        }
        let parts = Parts::Sliding { window, places };
        if (0..2).any(|d| parts.spans(d, image[d]).any(|span| span.len == 0)) {
            return Err(Error::shape(
                op,
                format!(
                    "with padding {:?}, some kernels over {:?} elements hold nothing of {:?}",
                    &window.padding[2 - D..],
                    &window.extent()[2 - D..],
                    &image[2 - D..]
                ),
            ));
        }
        Ok((window, places))
    }
}

struct PoolBackward<const D: usize> {
    args: PoolArgs,
    saved: Saved,
}

impl<const D: usize> Backward for PoolBackward<D> {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let grad = raise(&incoming.one()?)?;
        let device = grad.device().clone();
        outgoing.send(0, lower::<D>(device.pool().pool_backward(&self.args, self.saved, grad)?)?)
    }
}

/// Pooling over the parts that `parts` makes of height and width.
pub fn pool<const D: usize>(
    op: &'static str,
    x: &Tensor,
    kind: PoolKind,
    parts: impl FnOnce([usize; 2]) -> Result<Parts>,
) -> Result<Tensor> {
    let _operation = profile::operation(op, None);
    check_rank::<D>(op, x)?;
    x.check_alike(op, x)?;
    let raised = raise(&x.detach())?;
    let image = [raised.shape()[2], raised.shape()[3]];
    if image.contains(&0) {
        return Err(Error::shape(op, format!("{:?} has no element to take", x.shape())));
    }
    let args = PoolArgs { x: raised, kind, parts: parts(image)? };
    let (y, saved) = x.device().pool().pool(&args, x.is_tracked())?;
    let y = lower::<D>(y)?;
    let Some(saved) = saved else {
        profile::done(op, &[x], std::slice::from_ref(&y));
        return Ok(y);
    };
    let [y] = record(op, &[x], [y], |_| PoolBackward::<D> { args, saved })?;
    Ok(y)
}

/// `op` names it in errors.
pub fn slide<const D: usize>(
    op: &'static str,
    x: &Tensor,
    kind: PoolKind,
    options: &PoolOptions<D>,
) -> Result<Tensor> {
    pool::<D>(op, x, kind, |image| options.parts(op, image))
}

impl<const D: usize> PoolOptions<D> {
    /// The parts of an image; `op` names it in errors.
    pub(crate) fn parts(&self, op: &'static str, image: [usize; 2]) -> Result<Parts> {
        let (window, places) = self.sliding(op, image)?;
        Ok(Parts::Sliding { window, places })
    }

    /// The mean that the settings say.
    pub(crate) fn average(&self) -> PoolKind {
        PoolKind::Average { count_padding: self.count_padding }
    }
}

impl Tensor {
    /// The largest element under the kernel at each of its places: `[batch, channels, length]` → `[batch, channels,
    /// places]`. The gradient goes to the first of equal ones. As PyTorch's `max_pool1d`.
    ///
    /// ```
    /// use forge_core::{ops::PoolOptions, Tensor};
    /// let x = Tensor::new(&[1.0f32, 9.0, 3.0, -4.0], &[1, 1, 4])?;
    /// assert_eq!(x.max_pool1d(&PoolOptions::new([2]))?.to_vec::<f32>()?, [9.0, 3.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the kernel fits nowhere, or somewhere lies wholly in the padding.
    pub fn max_pool1d(&self, options: &PoolOptions<1>) -> Result<Tensor> {
        slide("max_pool1d", self, PoolKind::Max, options)
    }

    /// The largest element under the kernel at each of its places: `[batch, channels, height, width]` → `[batch,
    /// channels, rows, columns]`. The gradient goes to the first of equal ones, row by row. As PyTorch's `max_pool2d`.
    ///
    /// ```
    /// use forge_core::{ops::PoolOptions, Tensor};
    /// let x = Tensor::new(&[1.0f32, 2.0, 5.0, 3.0], &[1, 1, 2, 2])?;
    /// assert_eq!(x.max_pool2d(&PoolOptions::new([2, 2]))?.to_vec::<f32>()?, [5.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the kernel fits nowhere, or somewhere lies wholly in the padding.
    pub fn max_pool2d(&self, options: &PoolOptions<2>) -> Result<Tensor> {
        slide("max_pool2d", self, PoolKind::Max, options)
    }

    /// The mean under the kernel at each of its places: `[batch, channels, length]` → `[batch, channels, places]`. As
    /// PyTorch's `avg_pool1d`.
    ///
    /// ```
    /// use forge_core::{ops::PoolOptions, Tensor};
    /// let x = Tensor::new(&[1.0f32, 9.0, 3.0, -4.0], &[1, 1, 4])?;
    /// assert_eq!(x.avg_pool1d(&PoolOptions::new([2]))?.to_vec::<f32>()?, [5.0, -0.5]);
    /// let padded = PoolOptions { padding: [[1, 1]], count_padding: false, ..PoolOptions::new([2]) };
    /// assert_eq!(x.avg_pool1d(&padded)?.to_vec::<f32>()?, [1.0, 6.0, -4.0]); // the ends stand alone
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the kernel fits nowhere, or somewhere lies wholly in the padding.
    pub fn avg_pool1d(&self, options: &PoolOptions<1>) -> Result<Tensor> {
        slide("avg_pool1d", self, options.average(), options)
    }

    /// The mean under the kernel at each of its places: `[batch, channels, height, width]` → `[batch, channels, rows,
    /// columns]`. As PyTorch's `avg_pool2d`.
    ///
    /// ```
    /// use forge_core::{ops::PoolOptions, Tensor};
    /// let x = Tensor::new(&[1.0f32, 2.0, 5.0, 4.0], &[1, 1, 2, 2])?;
    /// assert_eq!(x.avg_pool2d(&PoolOptions::new([2, 2]))?.to_vec::<f32>()?, [3.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the kernel fits nowhere, or somewhere lies wholly in the padding.
    pub fn avg_pool2d(&self, options: &PoolOptions<2>) -> Result<Tensor> {
        slide("avg_pool2d", self, options.average(), options)
    }
}

/// The registry's entries.
pub fn operations() -> Vec<Operation> {
    let of = |name, formula, samples, errors| Operation { name, formula, samples, errors };
    let (max, average) = ("max x under the kernel, the first of equal ones", "mean of x under the kernel");
    vec![
        of("max_pool1d", max, || samples1d(true), errors1d),
        of("max_pool2d", max, max_samples2d, errors2d),
        of("avg_pool1d", average, || samples1d(false), Vec::new),
        of("avg_pool2d", average, avg_samples2d, Vec::new),
    ]
}

/// Values so far apart that no finite difference makes two of them change places; any for a mean.
pub fn input(max: bool, shape: &[usize]) -> Input {
    if !max {
        return Input::new(shape);
    }
    let count: usize = shape.iter().product();
    // 37 is prime to the number of elements of every sample, so that each value comes once.
    let values: Vec<f64> = (0..count).map(|i| (i * 37 % count) as f64 / 16.0 - 2.0).collect();
    Input::given(shape, &values)
}

impl PoolOptions<2> {
    /// The window and its places for naive loops, counted one by one: those that end inside, and of those that reach beyond
    /// the padding the one that begins before it, where the place in front of it leaves something.
    fn counted(&self, image: &[usize]) -> (Window, [usize; 2]) {
        let &PoolOptions { kernel, stride, padding, dilation, ceil, .. } = self;
        let places = [0, 1].map(|d| {
            let (inside, extent) = (padding[d][0] + image[d], dilation[d] * (kernel[d] - 1) + 1);
            let all = inside + padding[d][1];
            let is_place = |&start: &usize| {
                start + extent <= all || (ceil && start < inside && start + extent < all + stride[d])
            };
            (0..all).step_by(stride[d]).filter(is_place).count()
        });
        (Window { kernel, stride, dilation, padding }, places)
    }

    /// The largest elements by naive loops.
    pub(super) fn oracle<S: Scalar>(&self, x: &Array<S>) -> Array<S> {
        let (window, places) = self.counted(&x.shape[2..]);
        reference::max_pool2d(x, &window, places)
    }
}

fn oracle<S: Scalar>(max: bool, x: &Array<S>, options: &PoolOptions<2>) -> Array<S> {
    if max {
        return options.oracle(x);
    }
    let (window, places) = options.counted(&x.shape[2..]);
    reference::avg_pool2d(x, &window, places, options.count_padding)
}

fn sample2d(max: bool, input: Input, options: PoolOptions<2>) -> Sample {
    let name = format!("{:?}, {options:?}", input.shape);
    let run = move |x: &Tensor| if max { x.max_pool2d(&options) } else { x.avg_pool2d(&options) };
    sample!(name, vec![input], |x| run(&x[0])?, |r| oracle(max, &r[0], &options))
}

fn max_samples2d() -> Vec<Sample> {
    let of = |shape: &[usize], options| sample2d(true, input(true, shape), options);
    let plain = PoolOptions::new([2, 2]);
    let infinite =
        [f64::NEG_INFINITY, -1.0, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    vec![
        of(&[1, 1, 1, 1], PoolOptions::new([1, 1])),
        of(&[2, 2, 4, 5], plain),
        of(&[2, 3, 4, 6], plain).turned(),
        of(&[0, 2, 4, 4], plain),
        // Kernels that overlap, dilations that differ from strides, paddings that differ from each other.
        of(&[1, 2, 7, 6], PoolOptions { stride: [1, 2], ..PoolOptions::new([3, 2]) }),
        of(
            &[2, 1, 8, 7],
            PoolOptions {
                stride: [2, 1],
                dilation: [1, 3],
                padding: [[1, 0], [1, 2]],
                ..PoolOptions::new([3, 2])
            },
        ),
        of(&[1, 2, 6, 5], PoolOptions { dilation: [2, 2], stride: [1, 1], ..plain }),
        of(&[1, 2, 6, 7], PoolOptions { ceil: true, stride: [3, 2], ..plain }),
        // Kernels that overlap and end with the image: there is nothing to round up.
        of(&[1, 1, 7, 5], PoolOptions { ceil: true, stride: [3, 1], ..PoolOptions::new([4, 2]) }),
        of(
            &[1, 1, 5, 6],
            PoolOptions { ceil: true, padding: [[1; 2]; 2], stride: [3, 4], ..PoolOptions::new([2, 3]) },
        ),
        // Minus infinity is a value like others, also beside padding; of NaN, the sum of gradients would not be smooth.
        sample2d(true, Input::given(&[1, 1, 2, 3], &infinite), PoolOptions { padding: [[1; 2]; 2], ..plain })
            .values_only(),
    ]
}

fn avg_samples2d() -> Vec<Sample> {
    let of = |shape: &[usize], options| sample2d(false, Input::new(shape), options);
    let plain = PoolOptions::new([2, 2]);
    let padded = PoolOptions { padding: [[1, 0], [1, 1]], stride: [2, 1], ..PoolOptions::new([3, 2]) };
    let ceil = PoolOptions { ceil: true, padding: [[1; 2]; 2], stride: [2, 3], ..PoolOptions::new([3, 3]) };
    let infinite = [f64::INFINITY, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    vec![
        of(&[1, 1, 1, 1], PoolOptions::new([1, 1])),
        of(&[2, 2, 4, 5], plain),
        of(&[2, 3, 4, 6], plain).turned(),
        of(&[0, 2, 4, 4], plain),
        of(&[1, 2, 6, 5], padded),
        of(&[1, 2, 6, 5], PoolOptions { count_padding: false, ..padded }),
        // The last kernels reach beyond the padding: what lies there never counts.
        of(&[1, 1, 6, 6], ceil),
        of(&[1, 1, 6, 6], PoolOptions { count_padding: false, ..ceil }),
        of(&[1, 1, 7, 4], PoolOptions { dilation: [2, 1], ..plain }),
        // An infinity stays in its own mean.
        sample2d(false, Input::given(&[1, 1, 2, 4], &infinite), plain).values_only(),
    ]
}

fn samples1d(max: bool) -> Vec<Sample> {
    let cases: [(&[usize], PoolOptions<1>); 4] = [
        (&[1, 1, 3], PoolOptions::new([3])),
        (&[2, 2, 7], PoolOptions { stride: [2], padding: [[1, 0]], ..PoolOptions::new([3]) }),
        (&[1, 2, 9], PoolOptions { dilation: [3], stride: [1], ..PoolOptions::new([2]) }),
        (&[1, 2, 8], PoolOptions { ceil: true, padding: [[1, 1]], ..PoolOptions::new([3]) }),
    ];
    cases
        .into_iter()
        .map(|(shape, options)| {
            let run = move |x: &Tensor| if max { x.max_pool1d(&options) } else { x.avg_pool1d(&options) };
            let row = PoolOptions::<2> {
                kernel: rows_and_columns(options.kernel, 1),
                stride: rows_and_columns(options.stride, 1),
                padding: rows_and_columns(options.padding, [0; 2]),
                dilation: rows_and_columns(options.dilation, 1),
                ceil: options.ceil,
                count_padding: options.count_padding,
            };
            sample!(format!("{shape:?}, {options:?}"), vec![input(max, shape)], |x| run(&x[0])?, |r| {
                let [a, b, length] = [0, 1, 2].map(|d| r[0].shape[d]);
                let y = oracle(max, &reference::reshape(&r[0], &[a, b, 1, length]), &row);
                reference::reshape(&y, &[a, b, y.shape[3]])
            })
        })
        .collect()
}

fn errors1d() -> Vec<ErrorSample> {
    let pool = |shape: &'static [usize], options: PoolOptions<1>| {
        move || Tensor::zeros(shape, crate::DType::F32, &crate::Device::cpu())?.max_pool1d(&options)
    };
    let plain = PoolOptions::new([3]);
    vec![
        ErrorSample::new("max_pool1d: x is [2, 3], not [batch, channels, length]", pool(&[2, 3], plain)),
        ErrorSample::new(
            "max_pool1d: a kernel over [3] elements does not fit [2] with padding [[0, 0]]",
            pool(&[2, 1, 2], plain),
        ),
        ErrorSample::new(
            "max_pool1d: with padding [[2, 2]], some kernels over [4] elements hold nothing of [1]",
            pool(&[2, 1, 1], PoolOptions { padding: [[2, 2]], dilation: [3], ..PoolOptions::new([2]) }),
        ),
    ]
}

fn errors2d() -> Vec<ErrorSample> {
    let pool = |shape: &'static [usize], options: PoolOptions<2>| {
        move || Tensor::zeros(shape, crate::DType::F32, &crate::Device::cpu())?.max_pool2d(&options)
    };
    let plain = PoolOptions::new([3, 3]);
    vec![
        ErrorSample::new(
            "max_pool2d: stride [0, 1] must be at least 1 everywhere",
            pool(&[1, 1, 4, 4], PoolOptions { stride: [0, 1], ..plain }),
        ),
        ErrorSample::new(
            "max_pool2d: padding [[2, 0], [0, 0]] is more than half of the [3, 3] elements that the kernel covers",
            pool(&[1, 1, 4, 4], PoolOptions { padding: [[2, 0], [0, 0]], ..plain }),
        ),
        ErrorSample::new("max_pool2d: [1, 1, 0, 4] has no element to take", pool(&[1, 1, 0, 4], plain)),
    ]
}
