//! `conv2d_max_pool2d`: a convolution, its activation and the maxima of the result as one node of the tape.

use super::conv::{ConvOptions, Padding, convolve_max_pool};
use super::pool::PoolOptions;
use super::sample::{ErrorSample, Input, Operation, Sample, sample};
use crate::backend::{Unary, UnaryKind, reference};
use crate::{Result, Tensor};

const OP: &str = "conv2d_max_pool2d";

impl Tensor {
    /// [`Tensor::conv2d`] and then [`Tensor::max_pool2d`], in one pass over memory: the convolution's own result, as large
    /// as all kernels' places together, is never stored. A [`Sequential`](crate::nn::Sequential) does so by itself.
    ///
    /// The largest `act(b[o] + Σ w[o, c, k] x[n, c, i stride + k dilation - padding])` under each place of the pooling's kernel:
    /// `[batch, in channels, height, width]` → `[batch, out channels, rows, columns]`.
    ///
    /// ```
    /// use forge_core::{ops::{ConvOptions, PoolOptions}, Tensor};
    /// let x = Tensor::new(&[1.0f32, 2.0, 5.0, 3.0], &[1, 1, 2, 2])?;
    /// let twice = Tensor::new(&[2.0f32], &[1, 1, 1, 1])?;
    /// let y = x.conv2d_max_pool2d(&twice, None, &ConvOptions::default(), &PoolOptions::new([2, 2]))?;
    /// assert_eq!(y.to_vec::<f32>()?, [10.0]);
    /// # Ok::<(), forge_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the two.
    pub fn conv2d_max_pool2d(
        &self,
        weight: &Tensor,
        bias: Option<&Tensor>,
        options: &ConvOptions<2>,
        pool: &PoolOptions<2>,
    ) -> Result<Tensor> {
        convolve_max_pool([OP, OP], self, weight, bias, options, pool)
    }
}

pub const OPERATION: Operation = Operation {
    name: OP,
    formula: "max act(b[o] + Σ w[o, c, k] x[n, c, i stride + k dilation - padding]) under the pooling's kernel",
    samples,
    errors,
};

fn samples() -> Vec<Sample> {
    let (plain, halve) = (ConvOptions::default(), PoolOptions::new([2, 2]));
    let same = ConvOptions { padding: Padding::Same, ..plain };
    let relu = Some(Unary::new(UnaryKind::Relu));
    let tanh = Some(Unary::new(UnaryKind::Tanh));
    let overlapping = PoolOptions {
        stride: [2, 1],
        dilation: [1, 2],
        padding: [[1, 0], [0, 1]],
        ..PoolOptions::new([3, 2])
    };
    vec![
        of(&[1, 1, 2, 2], &[1, 1, 1, 1], true, plain, halve),
        of(&[2, 3, 6, 5], &[4, 3, 3, 3], true, same, halve),
        of(&[0, 2, 4, 4], &[3, 2, 3, 3], true, plain, halve),
        of(&[2, 2, 6, 6], &[2, 2, 3, 3], true, ConvOptions { activation: relu, ..same }, halve),
        of(&[1, 2, 7, 6], &[3, 2, 2, 3], false, plain, overlapping),
        of(&[1, 2, 9, 8], &[2, 1, 3, 2], true, ConvOptions { groups: 2, stride: [2, 1], ..plain }, halve),
        of(
            &[1, 2, 7, 8],
            &[2, 2, 3, 2],
            true,
            ConvOptions { dilation: [2, 3], activation: relu, ..plain },
            overlapping,
        ),
        of(
            &[1, 2, 5, 5],
            &[2, 2, 2, 2],
            true,
            ConvOptions { activation: tanh, ..plain },
            PoolOptions { ceil: true, ..halve },
        ),
    ]
}

fn of(x: &[usize], weight: &[usize], bias: bool, options: ConvOptions<2>, pool: PoolOptions<2>) -> Sample {
    let kernel = [weight[2], weight[3]];
    // So wide that no finite difference makes two elements of a part change places; narrow enough for tanh.
    let wide = if options.activation.is_some_and(|a| a.kind == UnaryKind::Tanh) { 1.0 } else { 30.0 };
    let input = |shape: &[usize]| Input::within(shape, (-wide, wide));
    let mut inputs = vec![input(x), input(weight)];
    inputs.extend(bias.then(|| input(&weight[..1])));
    sample!(
        format!("{x:?} by {weight:?}, {options:?}, {pool:?}"),
        inputs,
        |t| t[0].conv2d_max_pool2d(&t[1], t.get(2), &options, &pool)?,
        |r| {
            let window = options.window("conv2d", kernel)?;
            let y = reference::conv2d(&r[0], &r[1], r.get(2), &window, options.groups);
            let y = options.activation.map_or(y.clone(), |op| reference::unary(op, &y));
            pool.oracle(&y)
        }
    )
}

fn errors() -> Vec<ErrorSample> {
    let with = |weight: &'static [usize], pool: PoolOptions<2>| {
        move || {
            let zeros = |s: &[usize]| Tensor::zeros(s, crate::DType::F32, &crate::Device::cpu());
            zeros(&[1, 2, 4, 4])?.conv2d_max_pool2d(&zeros(weight)?, None, &ConvOptions::default(), &pool)
        }
    };
    vec![
        ErrorSample::new(
            "conv2d_max_pool2d: a kernel over [5, 5] elements does not fit [4, 4] with padding [[0, 0], [0, 0]]",
            with(&[3, 2, 5, 5], PoolOptions::new([2, 2])),
        ),
        ErrorSample::new(
            "conv2d_max_pool2d: a kernel over [3, 3] elements does not fit [2, 2] with padding [[0, 0], [0, 0]]",
            with(&[3, 2, 3, 3], PoolOptions::new([3, 3])),
        ),
    ]
}
