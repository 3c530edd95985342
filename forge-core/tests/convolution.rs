//! Convolutions over every combination of strides, paddings, dilations and groups that chance comes upon: against naive
//! loops, and as linear maps against their transposes.

#![allow(clippy::unwrap_used)]

mod composed;

use forge_core::backend::Window;
use forge_core::backend::reference::{self, Array};
use forge_core::ops::{ConvOptions, ConvTransposeOptions, Padding};
use forge_core::rng::Stream;
use forge_core::{Cx, Device, Tensor};
use proptest::prelude::*;

fn random(shape: &[usize], name: &str) -> Array<f64> {
    let stream = Stream::new(3, name);
    let count: usize = shape.iter().product();
    Array { shape: shape.to_vec(), data: (0..count).map(|i| 2.0 * stream.uniform(i) - 1.0).collect() }
}

/// ⟨a, b⟩ and the sum of its terms' sizes.
fn inner(a: &[f64], b: &[f64]) -> (f64, f64) {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).fold((0.0, 0.0), |(sum, size), (x, y)| (sum + x * y, size + (x * y).abs()))
}

fn assert_close(what: &str, found: &Tensor, wanted: &Array<f64>) {
    assert_eq!(found.shape(), wanted.shape, "{what}");
    let top = wanted.data.iter().fold(1.0f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.to_f64_vec().unwrap().iter().zip(&wanted.data).enumerate() {
        assert!((a - b).abs() <= 1e-13 * top, "{what}: element {i} is {a}, not {b}");
    }
}

#[derive(Clone, Debug)]
struct Case {
    batch: usize,
    groups: usize,
    /// Channels of one group, in and out.
    channels: [usize; 2],
    image: [usize; 2],
    window: Window,
    /// The CPU, or the device whose families are composed.
    device: Device,
}

fn pair<T: std::fmt::Debug>(of: impl Strategy<Value = T>) -> impl Strategy<Value = [T; 2]> {
    proptest::array::uniform2(of)
}

fn case() -> impl Strategy<Value = Case> {
    let window = (pair(1usize..4), pair(1usize..4), pair(1usize..4), pair(pair(0usize..4)));
    let sizes = (1usize..3, 1usize..4, pair(1usize..4), pair(0usize..7), any::<bool>());
    (window, sizes).prop_map(
        |((kernel, stride, dilation, padding), (batch, groups, channels, spare, composed))| {
            let window = Window { kernel, stride, dilation, padding };
            // The smallest image that the kernel fits, and some more.
            let image = std::array::from_fn(|d| {
                let least = window.extent()[d].saturating_sub(padding[d][0] + padding[d][1]).max(1);
                least + spare[d]
            });
            let device = if composed { Device::new(composed::Composed::default()) } else { Device::cpu() };
            Case { batch, groups, channels, image, window, device }
        },
    )
}

impl Case {
    fn tensor(&self, a: &Array<f64>) -> Tensor {
        Tensor::from_vec(a.data.clone(), &a.shape, &self.device).unwrap()
    }

    fn x(&self) -> Array<f64> {
        random(&[self.batch, self.groups * self.channels[0], self.image[0], self.image[1]], "x")
    }

    fn weight(&self) -> Array<f64> {
        let [rows, cols] = self.window.kernel;
        random(&[self.groups * self.channels[1], self.channels[0], rows, cols], "weight")
    }

    fn options(&self) -> ConvOptions<2> {
        let Window { stride, dilation, padding, .. } = self.window;
        ConvOptions {
            stride,
            dilation,
            padding: Padding::Zeros(padding),
            groups: self.groups,
            ..ConvOptions::default()
        }
    }

    /// The options of the transpose that gives an image of this size back, where such options exist.
    fn transpose(&self) -> Option<ConvTransposeOptions> {
        let Window { stride, dilation, padding, .. } = self.window;
        let places = self.window.places(self.image)?;
        let output_padding: [usize; 2] = std::array::from_fn(|d| {
            self.window.padded(self.image)[d] - self.window.extent()[d] - (places[d] - 1) * stride[d]
        });
        assert!((0..2).all(|d| output_padding[d] < stride[d]));
        Some(ConvTransposeOptions {
            stride,
            padding,
            output_padding,
            dilation,
            groups: self.groups,
            ..ConvTransposeOptions::default()
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_convolution_is_that_of_naive_loops(case in case()) {
        let (x, w) = (case.x(), case.weight());
        let bias = random(&w.shape[..1], "bias");
        let y = case.tensor(&x).conv2d(&case.tensor(&w), Some(&case.tensor(&bias)), &case.options()).unwrap();
        let wanted = reference::conv2d(&x, &w, Some(&bias), &case.window, case.groups);
        assert_close("conv2d", &y, &wanted);
    }

    /// ⟨Ax, y⟩ = ⟨x, Aᵀy⟩ for A as a map of images and as a map of weights, with Aᵀ from the tape; and the transposed
    /// convolution is the same Aᵀ.
    #[test]
    fn gradients_and_transpose_are_adjoint(case in case()) {
        let (x, w) = (case.x(), case.weight());
        let cx = Cx::train(0, 0);
        let (leaf, weight) = (cx.track(&case.tensor(&x)).unwrap(), cx.track(&case.tensor(&w)).unwrap());
        let ax = leaf.conv2d(&weight, None, &case.options()).unwrap();
        let y = random(ax.shape(), "y");
        let (left, size) = inner(&ax.to_f64_vec().unwrap(), &y.data);
        let grads = ax.backward_from(case.tensor(&y), cx).unwrap();
        let dx = grads.wrt(&leaf).unwrap().to_f64_vec().unwrap();
        let dw = grads.wrt(&weight).unwrap().to_f64_vec().unwrap();
        for (name, right) in [("x", inner(&x.data, &dx)), ("weight", inner(&w.data, &dw))] {
            let limit = 1e-13 * size.max(right.1);
            prop_assert!((left - right.0).abs() <= limit, "{}: {} is not {}", name, left, right.0);
        }
        let options = case.transpose().unwrap();
        let back = case.tensor(&y).conv_transpose2d(&case.tensor(&w), None, &options).unwrap();
        assert_close("transpose", &back, &Array { shape: x.shape.clone(), data: dx });
    }

    /// The same for the transposed convolution, with sizes of results that no convolution came from.
    #[test]
    fn a_transpose_is_that_of_naive_loops_and_adjoint_to_its_gradients(
        case in case(), spare in pair(0usize..3),
    ) {
        let [ins, outs] = case.channels;
        let x = random(&[case.batch, case.groups * ins, case.image[0], case.image[1]], "x");
        let w = random(&[case.groups * ins, outs, case.window.kernel[0], case.window.kernel[1]], "weight");
        let mut options = case.transpose().unwrap();
        options.output_padding =
            std::array::from_fn(|d| spare[d].min(options.stride[d].max(options.dilation[d]) - 1));
        let output: [usize; 2] = std::array::from_fn(|d| {
            let full = (case.image[d] - 1) * options.stride[d] + case.window.extent()[d] + options.output_padding[d];
            full.saturating_sub(options.padding[d][0] + options.padding[d][1])
        });
        prop_assume!(output[0] > 0 && output[1] > 0);
        let cx = Cx::train(0, 0);
        let (leaf, weight) = (cx.track(&case.tensor(&x)).unwrap(), cx.track(&case.tensor(&w)).unwrap());
        let ax = leaf.conv_transpose2d(&weight, None, &options).unwrap();
        let wanted = reference::conv_transpose2d(&x, &w, None, &case.window, case.groups, output);
        assert_close("conv_transpose2d", &ax, &wanted);
        let y = random(ax.shape(), "y");
        let (left, size) = inner(&wanted.data, &y.data);
        let grads = ax.backward_from(case.tensor(&y), cx).unwrap();
        let dx = grads.wrt(&leaf).unwrap().to_f64_vec().unwrap();
        let dw = grads.wrt(&weight).unwrap().to_f64_vec().unwrap();
        for (name, right) in [("x", inner(&x.data, &dx)), ("weight", inner(&w.data, &dw))] {
            let limit = 1e-13 * size.max(right.1);
            prop_assert!((left - right.0).abs() <= limit, "{}: {} is not {}", name, left, right.0);
        }
    }
}
