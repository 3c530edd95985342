//! One training step of an LSTM forecaster: forward, loss, backward, Adam. W1 is an LSTM 1 → 50 over 60 time
//! steps, batch 32, last step → linear 1, mean squared error; W1b the same with 5 inputs and 64 hidden units.

use azuraforge::nn::{Init, LastStep, Linear, Lstm, Module, Sequential};
use azuraforge::optim::{Adam, Optimizer};
use azuraforge::rng::Stream;
use azuraforge::{Cx, Result, Tensor};
use criterion::{Criterion, criterion_group, criterion_main};

fn step(model: &mut Sequential, adam: &mut Adam, x: &Tensor, y: &Tensor) -> Result<f64> {
    let cx = Cx::train(0, adam.steps());
    let loss = model.forward(&cx, x)?.mse(y)?;
    let value = loss.item()?;
    let grads = loss.backward(cx)?;
    adam.step(model, &grads)?;
    Ok(value)
}

fn build(features: usize, hidden: usize) -> Result<(Sequential, Tensor, Tensor)> {
    let init = Init::new(1);
    let model = Sequential::new()
        .with("lstm", Lstm::new(&init.within("lstm"), features, hidden, 1, 0.0)?)
        .with("last", LastStep)
        .with("head", Linear::new(&init.within("head"), hidden, 1)?);
    let noise = Stream::new(2, "data");
    let draw = |count: usize| (0..count).map(|i| noise.normal(i) as f32).collect::<Vec<_>>();
    Ok((
        model,
        Tensor::new(&draw(32 * 60 * features), &[32, 60, features])?,
        Tensor::new(&draw(32), &[32, 1])?,
    ))
}

fn lstm_step(c: &mut Criterion) {
    for (name, features, hidden) in [("W1", 1, 50), ("W1b", 5, 64)] {
        let (mut model, x, y) = build(features, hidden).expect("a model of these sizes exists");
        let mut adam = Adam::new(1e-3);
        c.bench_function(&format!("lstm_step/{name}"), |b| {
            b.iter(|| step(&mut model, &mut adam, &x, &y).expect("a step on finite data succeeds"));
        });
    }
}

criterion_group!(benches, lstm_step);
criterion_main!(benches);
