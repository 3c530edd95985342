//! The same bits for any number of threads: work large enough that it is shared out (more than a million multiply-adds),
//! forward and backward. What is small is in the harness of `operations.rs`, run twice there.

#![allow(clippy::unwrap_used)]

use forge_core::backend::{GruArgs, LstmArgs};
use forge_core::ops::{self, Attend, ConvOptions, ConvTransposeOptions, Padding, PoolOptions};
use forge_core::rng::Stream;
use forge_core::{Cx, DType, Result, Tensor};

fn random(shape: &[usize], name: &str) -> Tensor {
    let stream = Stream::new(11, name);
    let count: usize = shape.iter().product();
    let values: Vec<f64> = (0..count).map(|i| 0.6 * (2.0 * stream.uniform(i) - 1.0)).collect();
    Tensor::new(&values, shape).unwrap()
}

type Call = dyn Fn(&[Tensor]) -> Result<Vec<Tensor>>;

/// Results and gradients of all operands, as bits.
fn pass(operands: &[Tensor], call: &Call) -> Vec<Vec<u64>> {
    let cx = Cx::train(3, 1);
    let leaves: Vec<Tensor> = operands.iter().map(|t| cx.track(t).unwrap()).collect();
    let results = call(&leaves).unwrap();
    let mut loss: Option<Tensor> = None;
    for (k, y) in results.iter().enumerate() {
        let u = random(y.shape(), &format!("u{k}")).to_dtype(y.dtype()).unwrap();
        let share = (y * &u).unwrap().sum_all().unwrap();
        loss = Some(loss.map_or(share.clone(), |sum| (&sum + &share).unwrap()));
    }
    let grads = loss.unwrap().backward(cx).unwrap();
    let gradients = leaves.iter().map(|leaf| grads.wrt(leaf).unwrap().clone());
    results
        .iter()
        .map(Tensor::detach)
        .chain(gradients)
        .map(|t| t.to_f64_vec().unwrap().into_iter().map(f64::to_bits).collect())
        .collect()
}

fn check(what: &str, shapes: &[&[usize]], call: &Call) {
    for dtype in [DType::F32, DType::F64] {
        let operands: Vec<Tensor> = shapes
            .iter()
            .enumerate()
            .map(|(i, shape)| random(shape, &format!("operand {i}")).to_dtype(dtype).unwrap())
            .collect();
        let mut first: Option<Vec<Vec<u64>>> = None;
        for threads in [1, 2, 8] {
            forge_core::set_threads(threads);
            // The pool is the process's own and another test may set it meanwhile: the bits may not change for that.
            let found = pass(&operands, call);
            match &first {
                None => first = Some(found),
                Some(wanted) => {
                    for (i, (f, w)) in found.iter().zip(wanted).enumerate() {
                        let same = f.iter().zip(w).position(|(a, b)| a != b);
                        assert_eq!(
                            same, None,
                            "{what}, {dtype}: result or gradient {i} with {threads} threads"
                        );
                    }
                }
            }
        }
    }
}

// One test, because the number of threads is one for the process.
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let sizes: [&[usize]; 7] = [&[50, 20, 5], &[50, 24], &[50, 24], &[96, 5], &[96, 24], &[96], &[96]];
    let lstm = |lengths: Option<Vec<usize>>, reverse| {
        move |t: &[Tensor]| {
            let [x, h0, c0, w_ih, w_hh, b_ih, b_hh] = std::array::from_fn(|i| t[i].clone());
            let lengths = lengths.clone().map(Into::into);
            let out = ops::lstm(&LstmArgs { x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths, reverse })?;
            Ok(vec![out.y, out.h_n, out.c_n])
        }
    };
    check("lstm", &sizes, &lstm(None, false));
    let lengths = (0..50).map(|i| 1 + (i * 7) % 20).collect();
    check("lstm of some lengths in reverse", &sizes, &lstm(Some(lengths), true));
    let sizes: [&[usize]; 6] = [&[70, 15, 9], &[70, 33], &[99, 9], &[99, 33], &[99], &[99]];
    check("gru", &sizes, &|t| {
        let [x, h0, w_ih, w_hh, b_ih, b_hh] = std::array::from_fn(|i| t[i].clone());
        let out = ops::gru(&GruArgs { x, h0, w_ih, w_hh, b_ih, b_hh, lengths: None, reverse: false })?;
        Ok(vec![out.y, out.h_n])
    });

    let same = ConvOptions { padding: Padding::all(1), ..ConvOptions::default() };
    let weighted: [&[usize]; 3] = [&[19, 6, 14, 13], &[20, 6, 3, 3], &[20]];
    check("conv2d", &weighted, &move |t| Ok(vec![t[0].conv2d(&t[1], Some(&t[2]), &same)?]));
    let grouped = ConvOptions { stride: [2, 1], dilation: [1, 2], groups: 2, ..same };
    let weighted: [&[usize]; 3] = [&[33, 8, 17, 16], &[20, 4, 3, 3], &[20]];
    check("conv2d in groups", &weighted, &move |t| Ok(vec![t[0].conv2d(&t[1], Some(&t[2]), &grouped)?]));
    let weighted: [&[usize]; 2] = [&[5, 96, 5, 5], &[80, 96, 3, 3]];
    check("conv2d of many channels", &weighted, &move |t| Ok(vec![t[0].conv2d(&t[1], None, &same)?]));
    let weighted: [&[usize]; 3] = [&[11, 32, 21, 22], &[40, 32, 3, 3], &[40]];
    check("conv2d by tiles", &weighted, &move |t| Ok(vec![t[0].conv2d(&t[1], Some(&t[2]), &same)?]));
    let apart = ConvTransposeOptions { stride: [2; 2], ..ConvTransposeOptions::default() };
    let weighted: [&[usize]; 2] = [&[9, 12, 9, 9], &[12, 10, 3, 3]];
    check("conv_transpose2d", &weighted, &move |t| Ok(vec![t[0].conv_transpose2d(&t[1], None, &apart)?]));

    let options = PoolOptions { stride: [2; 2], padding: [[1; 2]; 2], ..PoolOptions::new([3; 2]) };
    let images: [&[usize]; 1] = [&[23, 24, 28, 26]];
    check("max_pool2d", &images, &move |t| Ok(vec![t[0].max_pool2d(&options)?]));
    check("avg_pool2d", &images, &move |t| Ok(vec![t[0].avg_pool2d(&options)?]));
    check("adaptive_avg_pool2d", &images, &|t| Ok(vec![t[0].adaptive_avg_pool2d([5, 7])?]));

    check("matmul", &[&[130, 90], &[90, 140]], &|t| Ok(vec![t[0].matmul(&t[1])?]));
    check("matmul in batches", &[&[6, 60, 61], &[6, 61, 62]], &|t| Ok(vec![t[0].matmul(&t[1])?]));
    check("softmax", &[&[600, 257]], &|t| Ok(vec![t[0].softmax(1)?, t[0].log_softmax(0)?]));
    check("sum", &[&[300, 500]], &|t| Ok(vec![t[0].sum(&[0], false)?, t[0].var(&[1], 1, false)?]));
    check("layer_norm", &[&[400, 300], &[300], &[300]], &|t| {
        Ok(vec![t[0].layer_norm(1, Some(&t[1]), Some(&t[2]), 1e-5)?])
    });
    let heads: [&[usize]; 3] = [&[2, 4, 40, 24], &[2, 4, 41, 24], &[2, 4, 41, 24]];
    check("attention", &heads, &|t| Ok(vec![ops::attention(&t[0], &t[1], &t[2], &Attend::default())?]));
}
