//! Convolutions summed by tiles of two by two places: how they round, and where what is not a number goes. Their values are
//! tested in `families.rs`.

#![allow(clippy::unwrap_used)]

use forge_core::backend::{Composed, Conv, ConvArgs, Window};
use forge_core::rng::Stream;
use forge_core::{DType, Device, Tensor};

/// Of f32 numbers, whatever the type.
fn random(shape: &[usize], dtype: DType, name: &str) -> Tensor {
    let stream = Stream::new(7, name);
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|i| 2.0 * stream.uniform(i) as f32 - 1.0).collect();
    Tensor::new(&values, shape).unwrap().to_dtype(dtype).unwrap()
}

/// Three by three, with a zero on every side.
fn around(x: Tensor, weight: Tensor) -> ConvArgs {
    let (kernel, output) = ([3, 3], [x.shape()[2], x.shape()[3]]);
    let window = Window { kernel, stride: [1, 1], dilation: [1, 1], padding: [[1; 2]; 2] };
    ConvArgs { x, weight, bias: None, window, groups: 1, output, activation: None }
}

/// Sums by tiles round as sums one by one do, beside the same in f64.
#[test]
fn a_convolution_by_tiles_rounds_as_a_direct_one() {
    let args = |dtype| around(random(&[4, 64, 16, 16], dtype, "x"), random(&[64, 64, 3, 3], dtype, "weight"));
    let all = |conv: &dyn Conv, dtype: DType| {
        let (y, saved) = conv.conv(&args(dtype), true).unwrap();
        let grad = random(&[4, 64, 16, 16], dtype, "grad");
        let [dx, dw, _] =
            conv.conv_backward(&args(dtype), saved.unwrap(), grad, &[true, true, false]).unwrap();
        [y, dx.unwrap(), dw.unwrap()].map(|t| t.to_f64_vec().unwrap())
    };
    let exact = all(&Composed, DType::F64);
    let [by_tiles, direct] =
        [all(Device::cpu().conv(), DType::F32), all(&Composed, DType::F32)].map(|found| {
            let error = |(found, exact): (&Vec<f64>, &Vec<f64>)| {
                let squares: f64 = found.iter().zip(exact).map(|(a, b)| (a - b).powi(2)).sum();
                let all: f64 = exact.iter().map(|b| b.powi(2)).sum();
                (squares / all).sqrt()
            };
            found.iter().zip(&exact).map(error).collect::<Vec<_>>()
        });
    for (what, (found, direct)) in ["y", "dx", "dw"].into_iter().zip(by_tiles.into_iter().zip(direct)) {
        assert!(found <= 2.0 * direct, "{what}: {found:e} by tiles, {direct:e} directly");
    }
}

/// What is not a number reaches the places that see it, and no other.
#[test]
fn nan_reaches_the_places_that_see_it() {
    for (y, x) in (0..6).flat_map(|y| (0..7).map(move |x| (y, x))) {
        let mut pixels = vec![1.0f32; 2 * 6 * 7 * 24];
        // In the second image, in the last channel.
        pixels[((6 + y) * 7 + x) * 24 + 23] = f32::NAN;
        let pixels = Tensor::new(&pixels, &[2, 6, 7, 24]).unwrap().permute(&[0, 3, 1, 2]).unwrap();
        let args = around(pixels, random(&[24, 24, 3, 3], DType::F32, "weight"));
        let all = Device::cpu().conv().conv(&args, false).unwrap().0.to_f64_vec().unwrap();
        for (i, value) in all.into_iter().enumerate() {
            let (image, row, column) = (i / (24 * 42), i / 7 % 6, i % 7);
            let seen = image == 1 && row.abs_diff(y) <= 1 && column.abs_diff(x) <= 1;
            assert_eq!(
                value.is_nan(),
                seen,
                "at {y}, {x}: image {image}, row {row}, column {column}: {value}"
            );
        }
    }
}

/// A sample gives the same bits alone as among others.
#[test]
fn the_batch_does_not_change_a_sample() {
    for size in [5, 8, 17, 23] {
        let (x, weight) =
            (random(&[19, 24, size, size], DType::F32, "x"), random(&[33, 24, 3, 3], DType::F32, "w"));
        let conv = |x: Tensor| Device::cpu().conv().conv(&around(x, weight.clone()), false).unwrap().0;
        let all = conv(x.clone());
        for n in [0, 7, 18] {
            let (alone, among) = (conv(x.narrow(0, n, 1).unwrap()), all.narrow(0, n, 1).unwrap());
            assert_eq!(alone.host().unwrap(), among.host().unwrap(), "sample {n}, {size} x {size}");
        }
    }
}
