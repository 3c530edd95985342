//! Kernel families by size. Criterion's element rate is in floating-point operations where a family multiplies (two for
//! each multiply-add), else in elements; the machine's own limit is printed first.

mod peak;

use azuraforge::backend::{GruArgs, LstmArgs};
use azuraforge::ops::{Attend, ConvOptions, Padding, PoolOptions, attention, gru, lstm};
use azuraforge::rng::Stream;
use azuraforge::{Cx, Result, Tensor};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn numbers(shape: &[usize]) -> Tensor {
    let stream = Stream::new(2, "data");
    let values: Vec<f32> =
        (0..shape.iter().product()).map(|i| 0.2 * stream.uniform(i) as f32 - 0.1).collect();
    Tensor::new(&values, shape).expect("as many numbers as the shape has")
}

/// Forward alone, and forward with backward into every operand: three times the operations.
fn both(
    c: &mut Criterion,
    name: &str,
    operations: usize,
    operands: &[Tensor],
    run: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let mut group = c.benchmark_group(name);
    group.sample_size(20);
    group.throughput(Throughput::Elements(operations as u64));
    group.bench_function("forward", |b| b.iter(|| run(operands).expect("operands fit")));
    group.throughput(Throughput::Elements(3 * operations as u64));
    group.bench_function("forward_backward", |b| {
        b.iter(|| {
            let cx = Cx::train(0, 0);
            let leaves: Vec<Tensor> = operands.iter().map(|t| cx.track(t).expect("float operands")).collect();
            let result = run(&leaves).expect("operands fit");
            result.backward_from(result.detach(), cx).expect("everything is tracked")
        });
    });
    group.finish();
}

/// Bytes that are read and written at least: criterion's byte rate stands beside the memory's.
fn passes(
    c: &mut Criterion,
    name: &str,
    [forward, with_backward]: [usize; 2],
    operands: &[Tensor],
    run: impl Fn(&[Tensor]) -> Result<Tensor>,
) {
    let mut group = c.benchmark_group(name);
    group.sample_size(20);
    group.throughput(Throughput::Bytes(4 * forward as u64));
    group.bench_function("forward", |b| b.iter(|| run(operands).expect("operands fit")));
    group.throughput(Throughput::Bytes(4 * with_backward as u64));
    group.bench_function("forward_backward", |b| {
        b.iter(|| {
            let cx = Cx::train(0, 0);
            let leaves: Vec<Tensor> = operands.iter().map(|t| cx.track(t).expect("float operands")).collect();
            let result = run(&leaves).expect("operands fit");
            result.backward_from(result.detach(), cx).expect("everything is tracked")
        });
    });
    group.finish();
}

/// Normalisation, classes, attention and embedding.
fn families(c: &mut Criterion) {
    let (weight, bias) = (numbers(&[32]), numbers(&[32]));
    let image = numbers(&[64, 32, 28, 28]);
    let turned = numbers(&[64, 28, 28, 32]).permute(&[0, 3, 1, 2]).expect("an order of four dimensions");
    // The moments read x, the result reads it again and is written; the sums read x and the gradient, the gradient of x both.
    let moved = |count: usize| [3 * count, 8 * count];
    for (name, x) in [("rows", image), ("channels_last", turned)] {
        let operands = [x, weight.clone(), bias.clone()];
        let norm = |t: &[Tensor]| Ok(t[0].batch_norm(Some(&t[1]), Some(&t[2]), 1e-5)?.y);
        passes(c, &format!("batch_norm/64x32x28x28_{name}"), moved(operands[0].count()), &operands, norm);
        let norm = |t: &[Tensor]| t[0].group_norm(4, Some(&t[1]), Some(&t[2]), 1e-5);
        passes(c, &format!("group_norm/64x32x28x28_{name}"), moved(operands[0].count()), &operands, norm);
    }
    let operands = [numbers(&[64, 168, 128]), numbers(&[128]), numbers(&[128])];
    // A row stays in the nearest cache: it is read and written once a pass.
    let rows = [2, 5].map(|passes| passes * operands[0].count());
    passes(c, "layer_norm/64x168x128", rows, &operands, |t| {
        t[0].layer_norm(1, Some(&t[1]), Some(&t[2]), 1e-5)
    });
    for [rows, classes] in [[512, 1000], [64, 10]] {
        let target: Vec<i64> = (0..rows).map(|row| (row * 7 % classes) as i64).collect();
        let target = Tensor::new(&target, &[rows]).expect("a class a row");
        let moved = [1, 3].map(|passes| passes * rows * classes);
        passes(c, &format!("cross_entropy/{rows}x{classes}"), moved, &[numbers(&[rows, classes])], |t| {
            t[0].cross_entropy(&target)
        });
    }
    let [batch, heads, time, dim] = [8, 4, 168, 32];
    // As layers part heads: a view.
    let part =
        || numbers(&[batch, time, heads, dim]).permute(&[0, 2, 1, 3]).expect("an order of four dimensions");
    for (name, causal) in [("all", false), ("causal", true)] {
        let how = Attend { causal, ..Attend::default() };
        let seen = if causal { time * (time + 1) / 2 } else { time * time };
        let operations = 2 * 2 * batch * heads * seen * dim;
        both(c, &format!("attention/8x4x168x32_{name}"), operations, &[part(), part(), part()], |t| {
            attention(&t[0], &t[1], &t[2], &how)
        });
    }
    let (rows, width, count) = (10_000, 128, 64 * 168);
    let index: Vec<i64> = (0..count).map(|i| (i * 7919 % rows) as i64).collect();
    let index = Tensor::new(&index, &[64, 168]).expect("as many as the shape has");
    let moved = [2 * count * width, (2 + 3) * count * width + rows * width];
    passes(c, "embedding/10000x128", moved, &[numbers(&[rows, width])], |t| t[0].embedding(&index, None));
}

fn kernels(c: &mut Criterion) {
    azuraforge::set_threads(1);
    println!("{}", peak::words());
    for [m, k, n] in [[1024, 1024, 1024], [64, 256, 128], [32, 64, 16]] {
        let operands = [numbers(&[m, k]), numbers(&[k, n])];
        both(c, &format!("matmul/{m}x{k}x{n}"), 2 * m * k * n, &operands, |t| t[0].matmul(&t[1]));
    }
    for [batch, time, features, hidden] in [[32, 60, 1, 50], [32, 60, 5, 64], [64, 168, 128, 128]] {
        let operands = |gates: usize| {
            vec![
                numbers(&[batch, time, features]),
                numbers(&[batch, hidden]),
                numbers(&[gates * hidden, features]),
                numbers(&[gates * hidden, hidden]),
                numbers(&[gates * hidden]),
                numbers(&[gates * hidden]),
                numbers(&[batch, hidden]),
            ]
        };
        let operations = |gates: usize| 2 * batch * time * gates * hidden * (features + hidden);
        both(c, &format!("lstm/{batch}x{time}x{features}x{hidden}"), operations(4), &operands(4), |t| {
            let [x, h0, w_ih, w_hh, b_ih, b_hh, c0] = [0, 1, 2, 3, 4, 5, 6].map(|i| t[i].clone());
            Ok(lstm(&LstmArgs { x, h0, c0, w_ih, w_hh, b_ih, b_hh, lengths: None, reverse: false })?.y)
        });
        both(c, &format!("gru/{batch}x{time}x{features}x{hidden}"), operations(3), &operands(3)[..6], |t| {
            let [x, h0, w_ih, w_hh, b_ih, b_hh] = [0, 1, 2, 3, 4, 5].map(|i| t[i].clone());
            Ok(gru(&GruArgs { x, h0, w_ih, w_hh, b_ih, b_hh, lengths: None, reverse: false })?.y)
        });
    }
    for [batch, channels, size, out] in [[64, 1, 28, 32], [64, 32, 14, 64], [16, 128, 16, 128]] {
        let operands =
            [numbers(&[batch, channels, size, size]), numbers(&[out, channels, 3, 3]), numbers(&[out])];
        let around = ConvOptions { padding: Padding::all(1), ..ConvOptions::default() };
        let operations = 2 * batch * size * size * out * channels * 9;
        both(c, &format!("conv2d/{batch}x{channels}x{size}x{out}"), operations, &operands, |t| {
            t[0].conv2d(&t[1], Some(&t[2]), &around)
        });
    }
    let image = [numbers(&[64, 32, 28, 28])];
    both(c, "max_pool2d/64x32x28", 64 * 32 * 28 * 28, &image, |t| t[0].max_pool2d(&PoolOptions::new([2, 2])));
    families(c);
    let plane = [numbers(&[512, 512])];
    for (name, run) in [
        ("exp", Tensor::exp as fn(&Tensor) -> Result<Tensor>),
        ("sigmoid", Tensor::sigmoid),
        ("tanh", Tensor::tanh),
        ("relu", Tensor::relu),
        ("silu", Tensor::silu),
        ("gelu", Tensor::gelu),
        ("erf", Tensor::erf),
        ("sin", Tensor::sin),
        ("log1p", Tensor::log1p),
    ] {
        both(c, &format!("map/{name}"), 512 * 512, &plane, |t| run(&t[0]));
    }
    both(c, "softmax/512x512", 512 * 512, &plane, |t| t[0].softmax(1));
    both(c, "sum/512x512", 512 * 512, &plane, |t| t[0].sum_all()?.reshape(&[1]));
}

criterion_group!(benches, kernels);
criterion_main!(benches);
