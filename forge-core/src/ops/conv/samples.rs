//! What `conv1d` and `conv2d` are checked with.

use super::{ConvOptions, Padding, convolve};
use crate::backend::{Unary, UnaryKind, reference};
use crate::ops::sample::{ErrorSample, Input, Sample, sample};
use crate::{Result, Tensor};

/// A sample of the operands' shapes with and without a bias.
fn sample2d(x: &[usize], weight: &[usize], bias: bool, options: ConvOptions<2>) -> Sample {
    sample2d_as(x, weight, bias, options, options)
}

/// A sample of `options` of which the oracle takes `plainly`.
fn sample2d_as(
    x: &[usize],
    weight: &[usize],
    bias: bool,
    options: ConvOptions<2>,
    plainly: ConvOptions<2>,
) -> Sample {
    let kernel = [weight[2], weight[3]];
    let mut inputs = vec![Input::new(x), Input::new(weight)];
    inputs.extend(bias.then(|| Input::new(&weight[..1])));
    sample!(
        format!("{x:?} by {weight:?}, {options:?}"),
        inputs,
        |t| t[0].conv2d(&t[1], t.get(2), &options)?,
        |r| {
            let window = plainly.window("conv2d", kernel)?;
            let y = reference::conv2d(&r[0], &r[1], r.get(2), &window, options.groups);
            options.activation.map_or(y.clone(), |op| reference::unary(op, &y))
        }
    )
}

pub fn samples2d() -> Vec<Sample> {
    let plain = ConvOptions::default();
    let uneven = Padding::Zeros([[2, 0], [1, 3]]);
    let tanh = Some(Unary::new(UnaryKind::Tanh));
    let square = Some(Unary::new(UnaryKind::Square));
    vec![
        sample2d(&[1, 1, 1, 1], &[1, 1, 1, 1], true, plain),
        sample2d(&[2, 3, 5, 4], &[4, 3, 3, 2], true, plain),
        sample2d(&[0, 2, 4, 4], &[3, 2, 3, 3], true, plain),
        // The last rows and columns are under no kernel: (8 - 3) and (6 - 3) are no multiples of the strides.
        sample2d(&[2, 2, 8, 6], &[2, 2, 3, 3], false, ConvOptions { stride: [2, 2], ..plain }),
        // Strides, dilations, paddings and kernel sizes that all differ, so that none can stand for another.
        sample2d(
            &[1, 2, 9, 8],
            &[2, 2, 3, 2],
            true,
            ConvOptions { stride: [2, 3], dilation: [1, 2], padding: uneven, ..plain },
        ),
        sample2d(&[1, 2, 7, 6], &[2, 2, 2, 3], true, ConvOptions { dilation: [3, 2], ..plain }),
        // More than one channel of either kind in a group, and as many groups as channels.
        sample2d(&[2, 4, 4, 3], &[6, 2, 2, 2], true, ConvOptions { groups: 2, ..plain }),
        sample2d(
            &[1, 3, 5, 5],
            &[6, 1, 3, 3],
            true,
            ConvOptions { groups: 3, stride: [2, 1], padding: Padding::all(1), ..plain },
        ),
        // 2 (3 - 1) zeros around rows, and of the 4 - 1 around columns the last behind.
        sample2d_as(
            &[1, 2, 4, 5],
            &[2, 2, 3, 4],
            true,
            ConvOptions { padding: Padding::Same, dilation: [2, 1], ..plain },
            ConvOptions { padding: Padding::Zeros([[2, 2], [1, 2]]), dilation: [2, 1], ..plain },
        ),
        sample2d(&[2, 2, 4, 4], &[3, 2, 3, 3], true, ConvOptions { activation: tanh, ..plain }),
        sample2d(&[2, 2, 5, 4], &[4, 1, 3, 2], true, ConvOptions { groups: 2, stride: [2, 1], ..plain })
            .turned(),
        sample2d(&[1, 2, 4, 4], &[4, 1, 2, 2], true, ConvOptions { groups: 2, activation: square, ..plain }),
    ]
}

pub fn samples1d() -> Vec<Sample> {
    let plain = ConvOptions::default();
    let cases: [(&[usize], &[usize], bool, ConvOptions<1>); 6] = [
        (&[1, 1, 3], &[1, 1, 3], true, plain),
        (&[2, 3, 9], &[4, 3, 2], true, ConvOptions { stride: [3], dilation: [2], ..plain }),
        // Three elements behind the last place.
        (&[1, 2, 11], &[2, 2, 4], true, ConvOptions { stride: [4], ..plain }),
        (&[2, 4, 7], &[2, 2, 3], false, ConvOptions { groups: 2, padding: Padding::Same, ..plain }),
        (
            &[1, 2, 6],
            &[3, 2, 3],
            true,
            ConvOptions { padding: Padding::Zeros([[3, 1]]), stride: [2], ..plain },
        ),
        // A causal convolution: zeros in front only. van den Oord and others, WaveNet, 2016.
        (
            &[1, 2, 6],
            &[2, 2, 2],
            true,
            ConvOptions { padding: Padding::Zeros([[4, 0]]), dilation: [4], ..plain },
        ),
    ];
    cases
        .into_iter()
        .map(|(x, weight, bias, options)| {
            let kernel = [weight[2]];
            let mut inputs = vec![Input::new(x), Input::new(weight)];
            inputs.extend(bias.then(|| Input::new(&weight[..1])));
            sample!(
                format!("{x:?} by {weight:?}, {options:?}"),
                inputs,
                |t| t[0].conv1d(&t[1], t.get(2), &options)?,
                |r| {
                    let row = |a: &[usize]| [a[0], a[1], 1, a[2]];
                    let window = options.window("conv1d", kernel)?;
                    let (x, w) = (&r[0], &r[1]);
                    let (x, w) =
                        (reference::reshape(x, &row(&x.shape)), reference::reshape(w, &row(&w.shape)));
                    let y = reference::conv2d(&x, &w, r.get(2), &window, options.groups);
                    reference::reshape(&y, &[y.shape[0], y.shape[1], y.shape[3]])
                }
            )
        })
        .collect()
}

/// A convolution of zeros of these shapes.
fn zeros<const D: usize>(
    shapes: [&'static [usize]; 2],
    bias: Option<usize>,
    options: ConvOptions<D>,
) -> impl Fn() -> Result<Tensor> {
    move || {
        let zeros = |s: &[usize]| Tensor::zeros(s, crate::DType::F32, &crate::Device::cpu());
        let bias = bias.map(|n| zeros(&[n])).transpose()?;
        let op = if D == 1 { "conv1d" } else { "conv2d" };
        convolve(op, &zeros(shapes[0])?, &zeros(shapes[1])?, bias.as_ref(), &options)
    }
}

pub fn errors1d() -> Vec<ErrorSample> {
    let plain = ConvOptions::<1>::default();
    let strided = ConvOptions { stride: [2], padding: Padding::Same, ..plain };
    vec![
        ErrorSample::new(
            "conv1d: x is [2, 3], not [batch, channels, length]",
            zeros([&[2, 3], &[1, 3, 1]], None, plain),
        ),
        ErrorSample::new(
            "conv1d: a kernel over [5] elements does not fit [2] with padding [[0, 0]]",
            zeros([&[2, 3, 2], &[1, 3, 3]], None, ConvOptions { dilation: [2], ..plain }),
        ),
        ErrorSample::new(
            "conv1d: padding `same` needs stride 1, not [2]; say how many zeros each side gets",
            zeros([&[2, 3, 8], &[1, 3, 3]], None, strided),
        ),
    ]
}

pub fn errors2d() -> Vec<ErrorSample> {
    let plain = ConvOptions::<2>::default();
    let image: &[usize] = &[2, 4, 8, 8];
    let huge = ConvOptions { padding: Padding::all(usize::MAX / 2), ..plain };
    vec![
        ErrorSample::new(
            "conv2d: weight is [4, 4, 3], not [out channels, in channels / groups, height, width]",
            zeros([image, &[4, 4, 3]], None, plain),
        ),
        ErrorSample::new(
            "conv2d: x of [2, 4, 8, 8] has 4 channels; a weight of [6, 3, 3, 3] in 1 groups takes 3",
            zeros([image, &[6, 3, 3, 3]], None, plain),
        ),
        ErrorSample::new(
            "conv2d: a weight of [5, 2, 3, 3] cannot be cut into 2 groups of channels",
            zeros([image, &[5, 2, 3, 3]], None, ConvOptions { groups: 2, ..plain }),
        ),
        ErrorSample::new(
            "conv2d: a weight of [6, 0, 3, 3] cannot be cut into 1 groups of channels",
            zeros([&[2, 0, 8, 8], &[6, 0, 3, 3]], None, plain),
        ),
        ErrorSample::new(
            "conv2d: a weight of [0, 4, 3, 3] cannot be cut into 1 groups of channels",
            zeros([image, &[0, 4, 3, 3]], None, plain),
        ),
        ErrorSample::new(
            "conv2d: a bias of [4] for 6 channels of the result",
            zeros([image, &[6, 4, 3, 3]], Some(4), plain),
        ),
        ErrorSample::new(
            "conv2d: stride [1, 0] must be at least 1 everywhere",
            zeros([image, &[6, 4, 3, 3]], None, ConvOptions { stride: [1, 0], ..plain }),
        ),
        ErrorSample::new(
            "conv2d: [2, 4, 18446744073709551615, 18446744073709551615] are more elements than any memory holds",
            zeros([image, &[6, 4, 3, 3]], None, huge),
        ),
    ]
}
