//! The CPU's own families against the composed ones: the same results and gradients, over sizes that meet every panel,
//! tile and tail, in both element types. `FORGE_SIMD` chooses the instruction set; the harness of `operations.rs` runs
//! through the same kernels.

#![allow(clippy::unwrap_used)]

use forge_core::backend::{Composed, GruArgs, GruOut, LstmArgs, LstmOut, Rnn};
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
const SIZES: [[usize; 4]; 10] = [
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
