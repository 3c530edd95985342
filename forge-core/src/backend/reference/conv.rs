//! Convolutions, straight from their definitions.

use super::Array;
use crate::backend::{Scalar, Window};

/// The pixel of the image under element `element` of the kernel at place `place`, if it is not padding.
fn pixel(window: &Window, image: [usize; 2], place: [usize; 2], element: [usize; 2]) -> Option<[usize; 2]> {
    let along = |d: usize| {
        let at = place[d] * window.stride[d] + element[d] * window.dilation[d];
        at.checked_sub(window.padding[d][0]).filter(|&i| i < image[d])
    };
    Some([along(0)?, along(1)?])
}

/// y\[n, o, i, j\] = b\[o\] + Σ w\[o, c, p, q\] x\[n, c′, i s + p d - pad, j s + q d - pad\], with c′ the channel c of o's
/// group: a cross-correlation, as every framework means by convolution.
pub fn conv2d<S: Scalar>(
    x: &Array<S>,
    weight: &Array<S>,
    bias: Option<&Array<S>>,
    window: &Window,
    groups: usize,
) -> Array<S> {
    let image = [x.shape[2], x.shape[3]];
    let channels = weight.shape[1];
    let places: [usize; 2] = std::array::from_fn(|d| {
        let padded = image[d] + window.padding[d][0] + window.padding[d][1];
        (padded - window.dilation[d] * (window.kernel[d] - 1) - 1) / window.stride[d] + 1
    });
    Array::build(&[x.shape[0], weight.shape[0], places[0], places[1]], |at| {
        let first = at[1] / (weight.shape[0] / groups) * channels;
        let mut total = S::zero();
        for c in 0..channels {
            for p in 0..window.kernel[0] {
                for q in 0..window.kernel[1] {
                    if let Some([i, j]) = pixel(window, image, [at[2], at[3]], [p, q]) {
                        total = total + weight.at(&[at[1], c, p, q]) * x.at(&[at[0], first + c, i, j]);
                    }
                }
            }
        }
        bias.map_or(total, |b| total + b.at(&[at[1]]))
    })
}

/// Each element of `x` adds the kernel, scaled by it, to the image of size `output` around its place.
pub fn conv_transpose2d<S: Scalar>(
    x: &Array<S>,
    weight: &Array<S>,
    bias: Option<&Array<S>>,
    window: &Window,
    groups: usize,
    output: [usize; 2],
) -> Array<S> {
    let (in_group, out_group) = (x.shape[1] / groups, weight.shape[1]);
    let mut y = Array::build(&[x.shape[0], groups * out_group, output[0], output[1]], |_| S::zero());
    let add = Array::build(&x.shape, |at| {
        for c in 0..out_group {
            for p in 0..window.kernel[0] {
                for q in 0..window.kernel[1] {
                    let Some([i, j]) = pixel(window, output, [at[2], at[3]], [p, q]) else { continue };
                    let channel = at[1] / in_group * out_group + c;
                    let flat = ((at[0] * y.shape[1] + channel) * output[0] + i) * output[1] + j;
                    y.data[flat] = y.data[flat] + x.at(at) * weight.at(&[at[1], c, p, q]);
                }
            }
        }
        S::zero()
    });
    drop(add);
    if let Some(bias) = bias {
        y = Array::build(&y.shape.clone(), |at| y.at(at) + bias.at(&[at[1]]));
    }
    y
}
