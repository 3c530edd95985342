//! `conv1d` and `conv2d`: convolutions, with bias and activation as one node of the tape.

mod samples;

use super::image::{check_count, check_positive, check_rank, lower, raise, rows_and_columns};
use super::pool::PoolOptions;
use super::sample::Operation;
use crate::autograd::{Backward, Incoming, Outgoing, record};
use crate::backend::{ConvArgs, Parts, Saved, Unary, UnaryKind, Window};
use crate::profile::{self, Call, bilinear, count};
use crate::{Error, Result, Tensor};

/// What a convolution does at the edges of its operand.
///
/// ```
/// use forge_core::{ops::{ConvOptions, Padding}, Tensor};
/// let (x, kernel) = (Tensor::new(&[1.0f32, 2.0, 3.0], &[1, 1, 3])?, Tensor::new(&[1.0f32; 2], &[1, 1, 2])?);
/// let padded = |padding| x.conv1d(&kernel, None, &ConvOptions { padding, ..ConvOptions::default() })?.to_vec::<f32>();
/// assert_eq!(padded(Padding::all(0))?, [3.0, 5.0]);
/// assert_eq!(padded(Padding::all(1))?, [1.0, 3.0, 5.0, 3.0]);
/// assert_eq!(padded(Padding::Same)?, [3.0, 5.0, 3.0]); // of an even kernel, the odd zero comes last
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding<const D: usize> {
    /// As many zeros as make the result as large as the operand; of an odd number, the last goes behind. Stride 1 only.
    Same,
    /// Zeros before the first and after the last element of each dimension.
    Zeros([[usize; 2]; D]),
}

impl<const D: usize> Padding<D> {
    /// `n` zeros on every side.
    pub fn all(n: usize) -> Self {
        Padding::Zeros([[n; 2]; D])
    }
}

/// The settings of a convolution over `D` dimensions. The default is PyTorch's: stride and dilation 1, no padding, one
/// group, no activation.
///
/// See [`Tensor::conv1d`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvOptions<const D: usize> {
    /// Elements from one place of the kernel to the next.
    pub stride: [usize; D],
    /// Zeros around the operand.
    pub padding: Padding<D>,
    /// Elements of the operand from one element of the kernel to the next. Yu and Koltun, ICLR 2016.
    pub dilation: [usize; D],
    /// Parts that both lists of channels are cut into, each result seeing its own part only.
    pub groups: usize,
    /// Applied to the result, in the same node.
    pub activation: Option<Unary>,
}

impl<const D: usize> Default for ConvOptions<D> {
    fn default() -> Self {
        ConvOptions {
            stride: [1; D],
            padding: Padding::all(0),
            dilation: [1; D],
            groups: 1,
            activation: None,
        }
    }
}

impl<const D: usize> ConvOptions<D> {
    /// The window of a kernel of these sizes.
    pub(super) fn window(&self, op: &'static str, kernel: [usize; D]) -> Result<Window> {
        check_positive(op, "kernel", kernel)?;
        check_positive(op, "stride", self.stride)?;
        check_positive(op, "dilation", self.dilation)?;
        let padding = match self.padding {
            Padding::Zeros(padding) => padding,
            Padding::Same if self.stride != [1; D] => {
                return Err(Error::argument(
                    op,
                    format!(
                        "padding `same` needs stride 1, not {:?}; say how many zeros each side gets",
                        self.stride
                    ),
                ));
            }
            Padding::Same => std::array::from_fn(|d| {
                let total = self.dilation[d].saturating_mul(kernel[d] - 1);
                [total / 2, total - total / 2]
            }),
        };
        Ok(Window {
            kernel: rows_and_columns(kernel, 1),
            stride: rows_and_columns(self.stride, 1),
            dilation: rows_and_columns(self.dilation, 1),
            padding: rows_and_columns(padding, [0; 2]),
        })
    }
}

/// Which of the family's methods.
enum ConvKind {
    Plain,
    MaxPool(Parts),
    Transposed,
}

/// What the backward of each kind keeps.
struct ConvBackward<const D: usize> {
    args: ConvArgs,
    saved: Saved,
    kind: ConvKind,
}

impl<const D: usize> Backward for ConvBackward<D> {
    fn backward(self, incoming: Incoming<'_>, outgoing: &mut Outgoing<'_>) -> Result<()> {
        let grad = raise(&incoming.one()?)?;
        let with_bias = self.args.bias.is_some();
        let needs = std::array::from_fn(|i| (i < 2 || with_bias) && outgoing.wants(i));
        let device = grad.device().clone();
        let (conv, args, saved) = (device.conv(), &self.args, self.saved);
        let grads = match &self.kind {
            ConvKind::Plain => conv.conv_backward(args, saved, grad, &needs)?,
            ConvKind::MaxPool(parts) => conv.conv_max_pool_backward(args, parts, saved, grad, &needs)?,
            ConvKind::Transposed => conv.conv_transpose_backward(args, saved, grad, &needs)?,
        };
        for (i, grad) in grads.into_iter().enumerate() {
            if let (Some(grad), true) = (grad, needs[i]) {
                outgoing.send(i, lower::<D>(grad)?)?;
            }
        }
        Ok(())
    }
}

/// That the operands fit each other: `[in channels, out channels]` are those of one group of the weight, `first` the
/// channels in the weight's first dimension.
pub fn check_operands<const D: usize>(
    op: &'static str,
    [x, weight]: [&Tensor; 2],
    bias: Option<&Tensor>,
    groups: usize,
    transposed: bool,
) -> Result<()> {
    check_rank::<D>(op, x)?;
    std::iter::once(weight).chain(bias).try_for_each(|t| x.check_alike(op, t))?;
    let kernel = if D == 1 { "length" } else { "height, width" };
    let order = if transposed { "in channels, out" } else { "out channels, in" };
    if weight.rank() != 2 + D {
        let message = format!("weight is {:?}, not [{order} channels / groups, {kernel}]", weight.shape());
        return Err(Error::shape(op, message));
    }
    check_positive(op, "groups", [groups])?;
    let (first, second) = (weight.shape()[0], weight.shape()[1]);
    if first % groups != 0 || first == 0 || second == 0 {
        return Err(Error::shape(
            op,
            format!("a weight of {:?} cannot be cut into {groups} groups of channels", weight.shape()),
        ));
    }
    let (taken, given) = if transposed { (first, second * groups) } else { (second * groups, first) };
    if x.shape()[1] != taken {
        return Err(Error::shape(
            op,
            format!(
                "x of {:?} has {} channels; a weight of {:?} in {groups} groups takes {taken}",
                x.shape(),
                x.shape()[1],
                weight.shape()
            ),
        ));
    }
    match bias {
        Some(bias) if bias.shape() != [given] => {
            Err(Error::shape(op, format!("a bias of {:?} for {given} channels of the result", bias.shape())))
        }
        _ => Ok(()),
    }
}

/// The operands of a convolution, untracked; `op` names it in errors.
fn arguments<const D: usize>(
    op: &'static str,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvOptions<D>,
) -> Result<ConvArgs> {
    check_operands::<D>(op, [x, weight], bias, options.groups, false)?;
    let kernel = std::array::from_fn(|d| weight.shape()[2 + d]);
    let window = options.window(op, kernel)?;
    let image: [usize; D] = std::array::from_fn(|d| x.shape()[2 + d]);
    let image = rows_and_columns(image, 1);
    let Some(output) = window.places(image) else {
        return Err(Error::shape(
            op,
            format!(
                "a kernel over {:?} elements does not fit {:?} with padding {:?}",
                &window.extent()[2 - D..],
                &image[2 - D..],
                &window.padding[2 - D..]
            ),
        ));
    };
    let [height, width] = window.padded(image);
    check_count(op, &[x.shape()[0], x.shape()[1], height, width])?;
    check_count(op, &[x.shape()[0], weight.shape()[0], output[0], output[1]])?;
    Ok(ConvArgs {
        x: raise(&x.detach())?,
        weight: raise(&weight.detach())?,
        bias: bias.map(Tensor::detach),
        window,
        groups: options.groups,
        output,
        activation: options.activation,
    })
}

/// What runs on the operands x, weight and bias, and its node of the tape.
fn run<const D: usize>(
    op: &'static str,
    [x, weight]: [&Tensor; 2],
    bias: Option<&Tensor>,
    args: ConvArgs,
    kind: ConvKind,
) -> Result<Tensor> {
    let operands = [x, weight, bias.unwrap_or(weight)];
    let operands = &operands[..2 + usize::from(bias.is_some())];
    let keep = operands.iter().any(|t| t.is_tracked());
    let conv = x.device().conv();
    let (y, saved) = match &kind {
        ConvKind::Plain => conv.conv(&args, keep)?,
        ConvKind::MaxPool(parts) => conv.conv_max_pool(&args, parts, keep)?,
        ConvKind::Transposed => conv.conv_transpose(&args, keep)?,
    };
    let y = lower::<D>(y)?;
    let Some(saved) = saved else {
        profile::done(op, operands, std::slice::from_ref(&y));
        return Ok(y);
    };
    let [y] = record(op, operands, [y], |_| ConvBackward::<D> { args, saved, kind })?;
    Ok(y)
}

/// `op` names it in errors.
pub fn convolve<const D: usize>(
    op: &'static str,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvOptions<D>,
) -> Result<Tensor> {
    let _operation = profile::operation(op, options.activation.map(|a| a.kind.name()));
    let args = arguments(op, x, weight, bias, options)?;
    run::<D>(op, [x, weight], bias, args, ConvKind::Plain)
}

/// Two for each element of the convolution, pooled or not, and of the part of the weight that makes its channel; padding
/// counts.
pub fn flops(call: &Call) -> [f64; 2] {
    let kernel = call.operand(1).get(1..).map_or(0.0, count);
    bilinear(call, 2.0 * call.computed() * kernel)
}

/// The largest of each part of a convolution, as one node; `ops` name the two in errors.
pub fn convolve_max_pool<const D: usize>(
    ops: [&'static str; 2],
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &ConvOptions<D>,
    pool: &PoolOptions<D>,
) -> Result<Tensor> {
    let fused = match options.activation.map(|a| a.kind) {
        None => "max_pool",
        Some(UnaryKind::Relu) => "relu + max_pool",
        Some(_) => "activation + max_pool",
    };
    let _operation = profile::operation(ops[0], Some(fused));
    let args = arguments(ops[0], x, weight, bias, options)?;
    let [rows, columns] = args.output;
    profile::computes(&[x.shape()[0], weight.shape()[0], rows, columns]);
    let parts = pool.parts(ops[1], args.output)?;
    run::<D>(ops[0], [x, weight], bias, args, ConvKind::MaxPool(parts))
}

/// A transposed convolution of what [`check_operands`] found to fit.
pub fn convolve_transposed(
    op: &'static str,
    operands: [&Tensor; 2],
    bias: Option<&Tensor>,
    args: ConvArgs,
) -> Result<Tensor> {
    run::<2>(op, operands, bias, args, ConvKind::Transposed)
}

impl Tensor {
    /// The cross-correlation of `[batch, in channels, length]` with a weight of `[out channels, in channels / groups,
    /// kernel]` and a bias of `[out channels]`: `[batch, out channels, places]`. As PyTorch's `conv1d`.
    ///
    /// `y[n, o, i] = b[o] + Σ w[o, c, k] x[n, c, i stride + k dilation - padding]`
    ///
    /// ```
    /// use forge_core::{ops::ConvOptions, Tensor};
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0, 5.0], &[1, 1, 5])?;
    /// let (weight, bias) = (Tensor::new(&[-1.0f32, 1.0], &[1, 1, 2])?, Tensor::new(&[10.0f32], &[1])?);
    /// let apart = ConvOptions { dilation: [2], stride: [2], ..ConvOptions::default() };
    /// assert_eq!(x.conv1d(&weight, Some(&bias), &apart)?.to_vec::<f32>()?, [12.0, 12.0]); // 3 - 1 and 5 - 3
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not fit each other, or the kernel fits nowhere.
    pub fn conv1d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions<1>) -> Result<Tensor> {
        convolve("conv1d", self, weight, bias, options)
    }

    /// The cross-correlation of `[batch, in channels, height, width]` with a weight of `[out channels, in channels /
    /// groups, height, width]` and a bias of `[out channels]`: `[batch, out channels, rows, columns]`, where a dimension
    /// of n elements gives (n + padding - dilation (kernel - 1) - 1) / stride + 1 places, rounded down. As PyTorch's
    /// `conv2d`.
    ///
    /// `y[n, o, i, j] = b[o] + Σ w[o, c, k, l] x[n, c, i stride + k dilation - padding, j stride + l dilation - padding]`
    ///
    /// On the CPU, a kernel of 3 × 3 with stride and dilation 1, one group and at least 24 channels on both sides goes by tiles
    /// of 2 × 2 places where that saves products (Winograd's algorithm: Lavin and Gray 2016, arXiv:1509.09308). Rounding errors
    /// are of the direct sum's size. An infinity in x may then give NaN at places where the direct sum is infinite.
    ///
    /// ```
    /// use forge_core::{ops::{ConvOptions, Padding}, Tensor};
    /// let x = Tensor::new(&[1.0f32, 2.0, 3.0, 4.0], &[1, 1, 2, 2])?;
    /// let weight = Tensor::new(&[1.0f32; 9], &[1, 1, 3, 3])?;
    /// let same = ConvOptions { padding: Padding::Same, ..ConvOptions::default() };
    /// assert_eq!(x.conv2d(&weight, None, &same)?.to_vec::<f32>()?, [10.0; 4]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes do not fit each other, or the kernel fits nowhere.
    pub fn conv2d(&self, weight: &Tensor, bias: Option<&Tensor>, options: &ConvOptions<2>) -> Result<Tensor> {
        convolve("conv2d", self, weight, bias, options)
    }
}

const FORMULA: &str = "y[n, o, i] = act(b[o] + Σ w[o, c, k] x[n, c, i stride + k dilation - padding])";

pub const CONV1D: Operation =
    Operation { name: "conv1d", formula: FORMULA, samples: samples::samples1d, errors: samples::errors1d };

pub const CONV2D: Operation =
    Operation { name: "conv2d", formula: FORMULA, samples: samples::samples2d, errors: samples::errors2d };
