//! Kernel families by size. Criterion's element rate is in floating-point operations where a family multiplies (two for
//! each multiply-add), else in elements; the machine's own limit is printed first.

mod peak;

use azuraforge::backend::{GruArgs, LstmArgs};
use azuraforge::ops::{ConvOptions, Padding, PoolOptions, gru, lstm};
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
    let plane = [numbers(&[512, 512])];
    for (name, run) in [
        ("exp", Tensor::exp as fn(&Tensor) -> Result<Tensor>),
        ("sigmoid", Tensor::sigmoid),
        ("tanh", Tensor::tanh),
        ("relu", Tensor::relu),
    ] {
        both(c, &format!("map/{name}"), 512 * 512, &plane, |t| run(&t[0]));
    }
    both(c, "softmax/512x512", 512 * 512, &plane, |t| t[0].softmax(1));
    both(c, "sum/512x512", 512 * 512, &plane, |t| t[0].sum_all()?.reshape(&[1]));
}

criterion_group!(benches, kernels);
criterion_main!(benches);
