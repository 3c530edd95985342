//! The CPU's own families against the composed ones: the same results and gradients, over sizes that meet every panel,
//! tile and tail, in both element types and the instruction set that `FORGE_SIMD` chooses.

#![allow(clippy::unwrap_used)]

use forge_core::backend::{
    Composed, Conv, ConvArgs, GruArgs, GruOut, LstmArgs, LstmOut, Parts, Pool, PoolArgs, PoolKind, Rnn,
    Unary, UnaryKind, Window,
};
use forge_core::rng::Stream;
use forge_core::{DType, Device, Tensor};

fn random(shape: &[usize], dtype: DType, name: &str) -> Tensor {
    let stream = Stream::new(7, name);
    let count: usize = shape.iter().product();
    // Weights as layers start with them: large ones make a sequence chaotic, and rounding grows from step to step.
    let size = if name.starts_with('w') { 1.0 / (shape[1] as f64).sqrt() } else { 0.8 };
    let values: Vec<f64> = (0..count).map(|i| size * (2.0 * stream.uniform(i) - 1.0)).collect();
    Tensor::new(&values, shape).unwrap().to_dtype(dtype).unwrap()
}

/// Relative to the largest element.
fn assert_close(what: &str, found: &Tensor, wanted: &Tensor) {
    assert_eq!(found.shape(), wanted.shape(), "{what}: shape");
    let (f, w) = (found.to_f64_vec().unwrap(), wanted.to_f64_vec().unwrap());
    let top = w.iter().fold(1e-3, |m: f64, v| m.max(v.abs()));
    let limit = top * if found.dtype() == DType::F32 { 2e-5 } else { 1e-12 };
    for (i, (a, b)) in f.iter().zip(&w).enumerate() {
        assert!((a - b).abs() <= limit, "{what}, element {i}: {a} for {b} (limit {limit:e})");
    }
}

fn both_close(what: &str, found: &Option<Tensor>, wanted: &Option<Tensor>) {
    match (found, wanted) {
        (Some(f), Some(w)) => assert_close(what, f, w),
        (f, w) => assert_eq!(f.is_some(), w.is_some(), "{what}"),
    }
}

/// `[batch, time, features, hidden]`
const SIZES: [[usize; 4]; 12] = [
    [1, 1, 1, 1],
    [1, 7, 1, 5],
    [3, 4, 2, 16],
    [7, 2, 3, 17],
    [8, 5, 33, 32],
    [9, 3, 5, 50],
    [17, 40, 4, 13],
    [70, 3, 1, 23],
    [5, 70, 70, 66],
    [2, 3, 1, 130],
    // Weights that are too deep for the nearest cache.
    [9, 2, 180, 170],
    // Several groups in a shard, and more to keep than a cache holds.
    [270, 26, 3, 35],
];

/// No gradient of some operands, and none arriving at some results.
const NEEDS: [u32; 4] = [0b111_1111, 0b000_1000, 0b111_0001, 0b000_0110];

#[test]
fn lstm_is_the_composed_one() {
    for dtype in [DType::F64, DType::F32] {
        for (n, sizes) in SIZES.into_iter().enumerate() {
            let [batch, time, features, hidden] = sizes;
            let t = |shape: &[usize], name: &str| random(shape, dtype, name);
            let args = LstmArgs {
                // A view, so that operands need not lie in order.
                x: t(&[time, batch, features], "x").permute(&[1, 0, 2]).unwrap(),
                h0: t(&[batch, hidden], "h0"),
                c0: t(&[batch, hidden], "c0"),
                w_ih: t(&[4 * hidden, features], "w_ih"),
                w_hh: t(&[4 * hidden, hidden], "w_hh"),
                b_ih: t(&[4 * hidden], "b_ih"),
                b_hh: t(&[4 * hidden], "b_hh"),
                lengths: None,
                reverse: n % 2 == 1,
            };
            let cpu = Device::cpu();
            let (out, saved) = cpu.rnn().lstm(&args, true).unwrap();
            let (wanted, wanted_saved) = Composed.lstm(&args, true).unwrap();
            let what = format!("lstm {sizes:?} {dtype}");
            for (name, f, w) in
                [("y", &out.y, &wanted.y), ("h_n", &out.h_n, &wanted.h_n), ("c_n", &out.c_n, &wanted.c_n)]
            {
                assert_close(&format!("{what} {name}"), f, w);
            }
            let (inferred, nothing) = cpu.rnn().lstm(&args, false).unwrap();
            assert!(nothing.is_none());
            assert_eq!(
                inferred.y.host().unwrap(),
                out.y.host().unwrap(),
                "{what}: inference gives the same bits"
            );
            assert_eq!(
                inferred.c_n.host().unwrap(),
                out.c_n.host().unwrap(),
                "{what}: inference gives the same bits"
            );
            let mask = NEEDS[n % NEEDS.len()];
            let needs = std::array::from_fn(|i| mask >> i & 1 == 1);
            let grads = LstmOut {
                y: (n % 3 != 1).then(|| t(&[batch, time, hidden], "dy")),
                h_n: (n % 3 != 2).then(|| t(&[batch, hidden], "dh")),
                c_n: (n % 2 == 0).then(|| t(&[batch, hidden], "dc")),
            };
            let found = cpu.rnn().lstm_backward(&args, saved.unwrap(), grads.clone(), &needs).unwrap();
            let wanted = Composed.lstm_backward(&args, wanted_saved.unwrap(), grads, &needs).unwrap();
            for (i, (f, w)) in found.iter().zip(&wanted).enumerate() {
                both_close(&format!("{what}, gradient {i}"), f, w);
            }
        }
    }
}

#[test]
fn gru_is_the_composed_one() {
    for dtype in [DType::F64, DType::F32] {
        for (n, sizes) in SIZES.into_iter().enumerate() {
            let [batch, time, features, hidden] = sizes;
            let t = |shape: &[usize], name: &str| random(shape, dtype, name);
            let args = GruArgs {
                x: t(&[batch, time, features], "x"),
                h0: t(&[batch, hidden], "h0"),
                w_ih: t(&[3 * hidden, features], "w_ih"),
                w_hh: t(&[3 * hidden, hidden], "w_hh"),
                b_ih: t(&[3 * hidden], "b_ih"),
                b_hh: t(&[3 * hidden], "b_hh"),
                lengths: None,
                reverse: n % 2 == 1,
            };
            let cpu = Device::cpu();
            let (out, saved) = cpu.rnn().gru(&args, true).unwrap();
            let (wanted, wanted_saved) = Composed.gru(&args, true).unwrap();
            let what = format!("gru {sizes:?} {dtype}");
            assert_close(&format!("{what} y"), &out.y, &wanted.y);
            assert_close(&format!("{what} h_n"), &out.h_n, &wanted.h_n);
            let inferred = cpu.rnn().gru(&args, false).unwrap().0;
            assert_eq!(
                inferred.y.host().unwrap(),
                out.y.host().unwrap(),
                "{what}: inference gives the same bits"
            );
            let mask = NEEDS[n % NEEDS.len()];
            let needs = std::array::from_fn(|i| mask >> i & 1 == 1);
            let grads = GruOut {
                y: (n % 3 != 1).then(|| t(&[batch, time, hidden], "dy")),
                h_n: (n % 3 != 2).then(|| t(&[batch, hidden], "dh")),
            };
            let found = cpu.rnn().gru_backward(&args, saved.unwrap(), grads.clone(), &needs).unwrap();
            let wanted = Composed.gru_backward(&args, wanted_saved.unwrap(), grads, &needs).unwrap();
            for (i, (f, w)) in found.iter().zip(&wanted).enumerate() {
                both_close(&format!("{what}, gradient {i}"), f, w);
            }
        }
    }
}

/// An image as layers hand it on: row by row, or channels last.
fn image(shape: [usize; 4], dtype: DType, name: &str, channels_last: bool) -> Tensor {
    let [n, c, h, w] = shape;
    if channels_last {
        return random(&[n, h, w, c], dtype, name).permute(&[0, 3, 1, 2]).unwrap();
    }
    random(&shape, dtype, name)
}

/// Batch, groups, channels of one group in and out, image, window.
type ConvCase = (usize, usize, [usize; 2], [usize; 2], Window);

/// Kernel, stride, dilation, padding.
fn window(kernel: [usize; 2], stride: [usize; 2], dilation: [usize; 2], padding: [[usize; 2]; 2]) -> Window {
    Window { kernel, stride, dilation, padding }
}

/// Channels that fill several blocks of registers, leave tails or are alone; rows of the kernel as stretches or elements.
fn conv_cases() -> [ConvCase; 17] {
    let even = |n: usize| [[n; 2]; 2];
    [
        (1, 1, [1, 1], [1, 1], window([1, 1], [1, 1], [1, 1], even(0))),
        (17, 1, [3, 70], [9, 8], window([3, 3], [1, 1], [1, 1], even(1))),
        (1, 1, [66, 5], [7, 6], window([3, 3], [2, 2], [1, 1], [[1, 0], [2, 1]])),
        (2, 3, [2, 3], [8, 9], window([3, 2], [2, 1], [1, 2], [[0, 1], [1, 0]])),
        (17, 2, [35, 33], [6, 5], window([3, 3], [1, 1], [2, 2], even(2))),
        (3, 5, [1, 1], [6, 7], window([3, 3], [1, 1], [1, 1], even(1))),
        (2, 1, [130, 67], [4, 3], window([1, 1], [1, 1], [1, 1], even(0))),
        (1, 1, [4, 20], [12, 11], window([2, 3], [2, 2], [2, 2], [[3, 1], [0, 2]])),
        (9, 1, [2, 2], [1, 40], window([1, 5], [1, 3], [1, 1], [[0, 0], [4, 0]])),
        (3, 1, [96, 80], [4, 4], window([3, 3], [1, 1], [1, 1], even(0))),
        // Columns of the kernel beside each other in two registers.
        (9, 1, [7, 26], [6, 9], window([3, 3], [1, 1], [1, 1], even(1))),
        (9, 1, [1, 20], [9, 8], window([3, 3], [2, 1], [2, 1], even(1))), // all rows of the kernel at once
        // By tiles: several images in a block, or blocks of an image with odd ends; windows that begin far outside, or within.
        (17, 1, [66, 34], [7, 6], window([3, 3], [1, 1], [1, 1], [[2, 0], [1, 3]])),
        (9, 1, [40, 130], [8, 10], window([3, 3], [1, 1], [1, 1], even(0))),
        (2, 1, [33, 70], [23, 25], window([3, 3], [1, 1], [1, 1], even(1))),
        (5, 1, [24, 25], [6, 7], window([3, 3], [1, 1], [1, 1], even(3))),
        // A kernel that lies wholly in the padding at some places.
        (2, 1, [3, 9], [3, 3], window([2, 2], [1, 2], [1, 1], even(3))),
    ]
}

#[test]
fn conv_is_the_composed_one() {
    for dtype in [DType::F64, DType::F32] {
        for (n, (batch, groups, [ins, outs], size, window)) in conv_cases().into_iter().enumerate() {
            for channels_last in [false, true] {
                let output = window.places(size).unwrap();
                let [kernel_rows, kernel_columns] = window.kernel;
                let weight = random(&[groups * outs, ins, kernel_rows, kernel_columns], dtype, "weight");
                let args = ConvArgs {
                    x: image([batch, groups * ins, size[0], size[1]], dtype, "x", channels_last),
                    weight,
                    bias: (n % 3 != 2).then(|| random(&[groups * outs], dtype, "bias")),
                    window,
                    groups,
                    output,
                    activation: (n % 2 == 1).then(|| Unary::new(UnaryKind::Relu)),
                };
                let what = format!("conv, case {n}, {dtype}, channels last {channels_last}");
                let cpu = Device::cpu();
                let (y, saved) = cpu.conv().conv(&args, true).unwrap();
                let (wanted, wanted_saved) = Composed.conv(&args, true).unwrap();
                assert_close(&what, &y, &wanted);
                let inferred = cpu.conv().conv(&args, false).unwrap().0;
                assert_eq!(
                    inferred.host().unwrap(),
                    y.host().unwrap(),
                    "{what}: inference gives the same bits"
                );
                let needs =
                    [[true; 3], [true, false, false], [false, true, true], [false, false, true]][n % 4];
                // Arrives row by row where the operand is channels last, and the other way about.
                let grad = image([batch, groups * outs, output[0], output[1]], dtype, "grad", !channels_last);
                let found = cpu.conv().conv_backward(&args, saved.unwrap(), grad.clone(), &needs).unwrap();
                let wanted = Composed.conv_backward(&args, wanted_saved.unwrap(), grad, &needs).unwrap();
                for (i, need) in needs.into_iter().enumerate() {
                    if need && (i < 2 || args.bias.is_some()) {
                        both_close(&format!("{what}, gradient {i}"), &found[i], &wanted[i]);
                    }
                }
            }
        }
    }
}

#[test]
fn the_fused_relu_of_conv_lets_nan_through() {
    for dtype in [DType::F64, DType::F32] {
        let x = Tensor::new(&[-1.0, f64::NAN, 2.0], &[1, 1, 1, 3]).unwrap().to_dtype(dtype).unwrap();
        let args = ConvArgs {
            x,
            weight: Tensor::full(1.0, &[1, 1, 1, 1], dtype, &Device::cpu()).unwrap(),
            bias: None,
            window: window([1, 1], [1, 1], [1, 1], [[0; 2]; 2]),
            groups: 1,
            output: [1, 3],
            activation: Some(Unary::new(UnaryKind::Relu)),
        };
        let cpu = Device::cpu();
        let (y, saved) = cpu.conv().conv(&args, true).unwrap();
        let values = y.to_f64_vec().unwrap();
        assert!(values[0] == 0.0 && values[1].is_nan() && values[2] == 2.0, "{values:?}");
        let grad = Tensor::full(3.0, &[1, 1, 1, 3], dtype, &cpu).unwrap();
        let [dx, ..] = cpu.conv().conv_backward(&args, saved.unwrap(), grad, &[true, false, false]).unwrap();
        let slopes = dx.unwrap().to_f64_vec().unwrap();
        assert!(slopes[0] == 0.0 && slopes[1].is_nan() && slopes[2] == 3.0, "{slopes:?}");
    }
}

fn pool_cases() -> Vec<([usize; 4], Parts)> {
    let sliding = |size: [usize; 4], window: Window, more: [usize; 2]| {
        let [rows, columns] = window.places([size[2], size[3]]).unwrap();
        (size, Parts::Sliding { window, places: [rows + more[0], columns + more[1]] })
    };
    let none = [[0; 2]; 2];
    vec![
        sliding([1, 1, 1, 1], window([1, 1], [1, 1], [1, 1], none), [0, 0]),
        sliding([17, 5, 6, 7], window([2, 2], [2, 2], [1, 1], none), [0, 0]),
        sliding([1, 70, 9, 8], window([3, 3], [2, 2], [1, 1], [[1, 1], [1, 0]]), [0, 0]),
        sliding([3, 66, 8, 9], window([3, 2], [1, 2], [2, 3], [[2, 0], [0, 1]]), [0, 0]),
        // Rounded up: the last places reach beyond the padding.
        sliding([2, 17, 6, 8], window([3, 3], [2, 2], [1, 1], none), [1, 1]),
        // More elements than a small number counts, such as 255.
        sliding([2, 3, 40, 31], window([17, 18], [5, 6], [1, 1], [[8, 8], [9, 9]]), [0, 0]),
        ([1, 67, 7, 5], Parts::Adaptive([3, 2])),
        ([17, 2, 5, 9], Parts::Adaptive([4, 9])),
        ([2, 9, 3, 4], Parts::Adaptive([5, 6])),
    ]
}

/// Parts of the places of a convolution: in tiles, overlapping with a dilation and padding, and of unlike sizes.
fn parts_of(places: [usize; 2]) -> Vec<Parts> {
    let of = |window: Window| window.places(places).map(|places| Parts::Sliding { window, places });
    let whole = [[0; 2]; 2];
    let mut all = vec![Parts::Adaptive([2, 1])];
    all.extend(of(window([2, 2], [2, 2], [1, 1], whole)));
    all.extend(of(window([2, 3], [1, 2], [2, 1], [[1, 0], [1, 1]])));
    all
}

#[test]
fn conv_with_max_pool_is_the_composed_convolution_and_then_the_composed_pooling() {
    let mut met = 0;
    for dtype in [DType::F64, DType::F32] {
        for (n, (batch, groups, [ins, outs], size, window)) in conv_cases().into_iter().enumerate() {
            let output = window.places(size).unwrap();
            for (p, parts) in parts_of(output).into_iter().enumerate() {
                let args = ConvArgs {
                    x: image([batch, groups * ins, size[0], size[1]], dtype, "x", p % 2 == 0),
                    weight: random(
                        &[groups * outs, ins, window.kernel[0], window.kernel[1]],
                        dtype,
                        "weight",
                    ),
                    bias: (n % 3 != 2).then(|| random(&[groups * outs], dtype, "bias")),
                    window,
                    groups,
                    output,
                    // The last is not done in the same pass.
                    activation: [None, Some(UnaryKind::Relu), Some(UnaryKind::Tanh)][(n + p) % 3]
                        .map(Unary::new),
                };
                let what = format!("conv with max pool, case {n}, {dtype}, parts {p}");
                let cpu = Device::cpu();
                let (y, saved) = cpu.conv().conv_max_pool(&args, &parts, true).unwrap();
                let (x, conv_saved) = Composed.conv(&args, true).unwrap();
                let pool = PoolArgs { x, kind: PoolKind::Max, parts };
                let (wanted, pool_saved) = Composed.pool(&pool, true).unwrap();
                assert_close(&what, &y, &wanted);
                let inferred = cpu.conv().conv_max_pool(&args, &parts, false).unwrap();
                assert!(inferred.1.is_none());
                assert_eq!(inferred.0.host().unwrap(), y.host().unwrap(), "{what}: the same bits");
                let needs =
                    [[true; 3], [true, false, false], [false, true, true], [false, false, true]][n % 4];
                let [rows, columns] = parts.counts();
                let grad = image([batch, groups * outs, rows, columns], dtype, "grad", p % 2 == 1);
                let found = cpu
                    .conv()
                    .conv_max_pool_backward(&args, &parts, saved.unwrap(), grad.clone(), &needs)
                    .unwrap();
                let grad = Composed.pool_backward(&pool, pool_saved.unwrap(), grad).unwrap();
                let wanted = Composed.conv_backward(&args, conv_saved.unwrap(), grad, &needs).unwrap();
                for (i, need) in needs.into_iter().enumerate() {
                    if need && (i < 2 || args.bias.is_some()) {
                        both_close(&format!("{what}, gradient {i}"), &found[i], &wanted[i]);
                        met += 1;
                    }
                }
            }
        }
    }
    assert!(met > 80, "{met} gradients");
}

/// NaN is the largest, and gets the gradient; of equal ones the first does; what a relu stops gets none.
#[test]
fn maxima_of_a_convolution_follow_the_conventions_of_max_pool() {
    for dtype in [DType::F64, DType::F32] {
        let x = [1.0, f64::NAN, 3.0, 3.0, -2.0, -1.0, f64::NEG_INFINITY, -5.0];
        let args = ConvArgs {
            x: Tensor::new(&x, &[1, 1, 1, 8]).unwrap().to_dtype(dtype).unwrap(),
            weight: Tensor::full(1.0, &[1, 1, 1, 1], dtype, &Device::cpu()).unwrap(),
            bias: None,
            window: window([1, 1], [1, 1], [1, 1], [[0; 2]; 2]),
            groups: 1,
            output: [1, 8],
            activation: Some(Unary::new(UnaryKind::Relu)),
        };
        let cpu = Device::cpu();
        let parts = Parts::Adaptive([1, 4]);
        let (y, saved) = cpu.conv().conv_max_pool(&args, &parts, true).unwrap();
        let values = y.to_f64_vec().unwrap();
        assert!(values[0].is_nan() && values[1..] == [3.0, 0.0, 0.0], "{values:?}");
        let grad = Tensor::full(2.0, &[1, 1, 1, 4], dtype, &cpu).unwrap();
        let needs = [true, false, false];
        let [dx, ..] =
            cpu.conv().conv_max_pool_backward(&args, &parts, saved.unwrap(), grad, &needs).unwrap();
        let slopes = dx.unwrap().to_f64_vec().unwrap();
        assert!(slopes[1].is_nan() && slopes[0] == 0.0, "{slopes:?}");
        assert_eq!(slopes[2..], [2.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }
}

#[test]
fn conv_transpose_is_the_composed_one() {
    for dtype in [DType::F64, DType::F32] {
        for (n, (batch, groups, [ins, outs], size, window)) in conv_cases().into_iter().enumerate() {
            for channels_last in [false, true] {
                let places = window.places(size).unwrap();
                let args = ConvArgs {
                    x: image([batch, groups * outs, places[0], places[1]], dtype, "x", channels_last),
                    weight: random(
                        &[groups * outs, ins, window.kernel[0], window.kernel[1]],
                        dtype,
                        "weight",
                    ),
                    bias: (n % 3 != 2).then(|| random(&[groups * ins], dtype, "bias")),
                    window,
                    groups,
                    output: size,
                    activation: [None, Some(UnaryKind::Relu), Some(UnaryKind::Tanh)][n % 3].map(Unary::new),
                };
                let what = format!("transpose, case {n}, {dtype}, channels last {channels_last}");
                let cpu = Device::cpu();
                let (y, saved) = cpu.conv().conv_transpose(&args, true).unwrap();
                let (wanted, wanted_saved) = Composed.conv_transpose(&args, true).unwrap();
                assert_close(&what, &y, &wanted);
                let needs =
                    [[true; 3], [true, false, false], [false, true, true], [false, false, true]][n % 4];
                let grad = image([batch, groups * ins, size[0], size[1]], dtype, "grad", !channels_last);
                let found =
                    cpu.conv().conv_transpose_backward(&args, saved.unwrap(), grad.clone(), &needs).unwrap();
                let wanted =
                    Composed.conv_transpose_backward(&args, wanted_saved.unwrap(), grad, &needs).unwrap();
                for (i, need) in needs.into_iter().enumerate() {
                    if need && (i < 2 || args.bias.is_some()) {
                        both_close(&format!("{what}, gradient {i}"), &found[i], &wanted[i]);
                    }
                }
            }
        }
    }
}

/// The same numbers, NaN included.
fn assert_same(what: &str, found: &Tensor, wanted: &Tensor) {
    assert_eq!(found.shape(), wanted.shape(), "{what}: shape");
    let pairs = found.to_f64_vec().unwrap().into_iter().zip(wanted.to_f64_vec().unwrap());
    for (i, (f, w)) in pairs.enumerate() {
        assert!(f == w || (f.is_nan() && w.is_nan()), "{what}, element {i}: {f} for {w}");
    }
}

#[test]
fn pool_is_the_composed_one() {
    let kinds = [
        PoolKind::Max,
        PoolKind::Average { count_padding: true },
        PoolKind::Average { count_padding: false },
    ];
    for dtype in [DType::F64, DType::F32] {
        for (n, (size, parts)) in pool_cases().into_iter().enumerate() {
            for (kind, channels_last) in kinds.into_iter().flat_map(|k| [(k, false), (k, true)]) {
                // Five different numbers, so that there are ties.
                let x = image(size, dtype, "x", channels_last);
                let x = x.mul_scalar(2.5).unwrap().round().unwrap().mul_scalar(0.3).unwrap();
                let args = PoolArgs { x, kind, parts };
                let what = format!("{kind:?}, case {n}, {dtype}, channels last {channels_last}");
                let cpu = Device::cpu();
                let (y, saved) = cpu.pool().pool(&args, true).unwrap();
                let (wanted, wanted_saved) = Composed.pool(&args, true).unwrap();
                match kind {
                    PoolKind::Max => assert_same(&what, &y, &wanted),
                    PoolKind::Average { .. } => assert_close(&what, &y, &wanted),
                }
                let inferred = cpu.pool().pool(&args, false).unwrap().0;
                assert_eq!(
                    inferred.host().unwrap(),
                    y.host().unwrap(),
                    "{what}: inference gives the same bits"
                );
                let [rows, columns] = parts.counts();
                let grad = image([size[0], size[1], rows, columns], dtype, "grad", !channels_last);
                let found = cpu.pool().pool_backward(&args, saved.unwrap(), grad.clone()).unwrap();
                let wanted = Composed.pool_backward(&args, wanted_saved.unwrap(), grad).unwrap();
                assert_close(&format!("{what}, gradient"), &found, &wanted);
            }
        }
    }
}

/// The first NaN of a part is its maximum, and gets the gradient; all -∞ have a maximum, too.
#[test]
fn max_pool_of_nan_is_the_composed_one() {
    for dtype in [DType::F64, DType::F32] {
        let inf = f64::INFINITY;
        let channel = [1.0, f64::NAN, 3.0, f64::NAN, -inf, -inf, -inf, -inf, inf, 5.0, 2.0, f64::NAN];
        // Seventeen channels, so that whole registers and a tail meet each case, rotated.
        let values: Vec<f64> =
            (0..17).flat_map(|c| (0..12).map(move |i| channel[(i + 4 * (c % 3)) % 12])).collect();
        let x = Tensor::new(&values, &[1, 17, 3, 4]).unwrap().to_dtype(dtype).unwrap();
        let parts = Parts::Adaptive([3, 1]);
        let args = PoolArgs { x, kind: PoolKind::Max, parts };
        let cpu = Device::cpu();
        let (y, saved) = cpu.pool().pool(&args, true).unwrap();
        for (i, v) in y.to_f64_vec().unwrap().into_iter().enumerate() {
            let row = (i % 3 + i / 3 % 3) % 3;
            assert!(if row == 1 { v == -inf } else { v.is_nan() }, "{dtype}, part {i}: {v}");
        }
        let (wanted, wanted_saved) = Composed.pool(&args, true).unwrap();
        assert_same("maxima", &y, &wanted);
        assert_same("maxima without positions", &cpu.pool().pool(&args, false).unwrap().0, &wanted);
        let grad = random(&[1, 17, 3, 1], dtype, "grad");
        let found = cpu.pool().pool_backward(&args, saved.unwrap(), grad.clone()).unwrap();
        let wanted = Composed.pool_backward(&args, wanted_saved.unwrap(), grad.clone()).unwrap();
        assert_same("gradient of maxima", &found, &wanted);
        assert_eq!(found.to_f64_vec().unwrap()[1], grad.to_f64_vec().unwrap()[0], "the first NaN");
    }
}
