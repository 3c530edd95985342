//! The workloads that are timed beside other frameworks: models, data and one training step through the public API.
//!
//! W1 LSTM 1 → 50 over 60 steps, batch 32; W1b with 5 → 64, W1g a GRU of that size; W2 two LSTMs 8 → 128 over 168 steps,
//! batch 64; W3 a CNN on 28 × 28 × 1, batch 64; W4 a VGG-like CNN on 32 × 32 × 3, batch 128; W5 DLinear 336 → 96 over 7
//! channels, batch 32; W6 a thousand tracked additions on [32, 64]. Data are random numbers, never zeros.

use azuraforge::nn::{
    Activation, Conv2d, DLinear, Flatten, Gru, Init, LastStep, Linear, Lstm, MaxPool2d, Module, Sequential,
};
use azuraforge::ops::{ConvOptions, Padding, PoolOptions};
use azuraforge::optim::{Adam, Optimizer};
use azuraforge::rng::Stream;
use azuraforge::{Cx, Result, Tensor};

/// The names of all workloads.
pub const NAMES: [&str; 8] = ["w1", "w1b", "w1g", "w2", "w3", "w4", "w5", "w6"];

/// A model with its data and optimizer.
pub struct Workload {
    pub model: Sequential,
    adam: Adam,
    pub x: Tensor,
    pub y: Tensor,
    batch: usize,
    classes: bool,
    additions: bool,
}

/// Batches that a workload goes through in turn.
const BATCHES: usize = 4;

fn numbers(shape: &[usize]) -> Result<Tensor> {
    let stream = Stream::new(2, "data");
    let values: Vec<f32> = (0..shape.iter().product()).map(|i| stream.uniform(i) as f32).collect();
    Tensor::new(&values, shape)
}

fn labels(count: usize) -> Result<Tensor> {
    let stream = Stream::new(3, "labels");
    Tensor::new(&(0..count).map(|i| (10.0 * stream.uniform(i)) as i64).collect::<Vec<_>>(), &[count])
}

impl Workload {
    /// A workload by its name.
    pub fn new(name: &str) -> Result<Self> {
        let init = Init::new(1);
        let recurrent =
            |layer: &dyn Fn(Sequential) -> Result<Sequential>, hidden: usize| -> Result<Sequential> {
                Ok(layer(Sequential::new())?
                    .with("last", LastStep)
                    .with("head", Linear::new(&init.within("head"), hidden, 1)?))
            };
        let lstm = |features: usize, hidden: usize, layers: usize| {
            let add = |m: Sequential| {
                Ok(m.with("lstm", Lstm::new(&init.within("lstm"), features, hidden, layers, 0.0)?))
            };
            recurrent(&add, hidden)
        };
        let series = |model: Sequential, batch: usize, x: [usize; 2], y: &[usize]| -> Result<Workload> {
            let count = BATCHES * batch;
            let x = numbers(&[count, x[0], x[1]])?;
            let y = numbers(&[&[count], y].concat())?;
            Ok(Workload { model, adam: Adam::new(1e-3), x, y, batch, classes: false, additions: false })
        };
        let images = |model: Sequential, batch: usize, x: [usize; 3]| -> Result<Workload> {
            let count = BATCHES * batch;
            let (x, y) = (numbers(&[count, x[0], x[1], x[2]])?, labels(count)?);
            Ok(Workload { model, adam: Adam::new(1e-3), x, y, batch, classes: true, additions: false })
        };
        let conv = |m: Sequential, name: &str, from: usize, to: usize| -> Result<Sequential> {
            let around = ConvOptions { padding: Padding::all(1), ..ConvOptions::default() };
            let layer = Conv2d::new(&init.within(name), from, to, [3, 3], around)?;
            Ok(m.with(name, layer).with("relu", Activation::relu()))
        };
        let halve = |m: Sequential| m.with("pool", MaxPool2d::new(PoolOptions::new([2, 2])));
        match name {
            "w1" => series(lstm(1, 50, 1)?, 32, [60, 1], &[1]),
            "w1b" => series(lstm(5, 64, 1)?, 32, [60, 5], &[1]),
            "w1g" => {
                let add = |m: Sequential| Ok(m.with("gru", Gru::new(&init.within("gru"), 5, 64, 1, 0.0)?));
                series(recurrent(&add, 64)?, 32, [60, 5], &[1])
            }
            "w2" => series(lstm(8, 128, 2)?, 64, [168, 8], &[1]),
            "w3" => {
                let model = halve(conv(halve(conv(Sequential::new(), "c1", 1, 32)?), "c2", 32, 64)?)
                    .with("flatten", Flatten)
                    .with("f1", Linear::new(&init.within("f1"), 3136, 128)?)
                    .with("relu", Activation::relu())
                    .with("f2", Linear::new(&init.within("f2"), 128, 10)?);
                images(model, 64, [1, 28, 28])
            }
            "w4" => {
                let mut model = Sequential::new();
                for (from, to) in [(3, 64), (64, 128), (128, 256)] {
                    model = conv(model, &format!("a{to}"), from, to)?;
                    model = halve(conv(model, &format!("b{to}"), to, to)?);
                }
                let head = Linear::new(&init.within("head"), 4096, 10)?;
                images(model.with("flatten", Flatten).with("head", head), 128, [3, 32, 32])
            }
            "w5" => {
                series(Sequential::new().with("d", DLinear::new(&init, 336, 96, 25)?), 32, [336, 7], &[96, 7])
            }
            "w6" => {
                let mut workload = series(Sequential::new(), 32, [1, 64], &[1, 64])?;
                workload.additions = true;
                Ok(workload)
            }
            _ => {
                Err(azuraforge::Error::other(format!("no workload `{name}`; there are {}", NAMES.join(", "))))
            }
        }
    }

    /// One step: batch, forward, loss, backward, Adam. Gives the loss.
    pub fn step(&mut self, number: usize) -> Result<f64> {
        let start = number % BATCHES * self.batch;
        let (x, y) = (self.x.narrow(0, start, self.batch)?, self.y.narrow(0, start, self.batch)?);
        let cx = Cx::train(0, number as u64);
        if self.additions {
            let mut sum = cx.track(&x)?;
            for _ in 0..1000 {
                sum = (&sum + &y)?;
            }
            let loss = sum.sum_all()?;
            let value = loss.item()?;
            loss.backward(cx)?;
            return Ok(value);
        }
        let output = self.model.forward(&cx, &x)?;
        let loss = if self.classes { output.cross_entropy(&y)? } else { output.mse(&y)? };
        let value = loss.item()?;
        let grads = loss.backward(cx)?;
        self.adam.step(&mut self.model, &grads)?;
        Ok(value)
    }

    /// The output for one sample; of W6, a thousand untracked additions on [32, 64].
    pub fn infer(&self, number: usize) -> Result<Vec<f32>> {
        if self.additions {
            let (mut sum, y) = (self.x.narrow(0, 0, self.batch)?, self.y.narrow(0, 0, self.batch)?);
            for _ in 0..1000 {
                sum = (&sum + &y)?;
            }
            return sum.to_vec();
        }
        let x = self.x.narrow(0, number % self.x.shape()[0], 1)?;
        self.model.forward(&Cx::infer(), &x)?.to_vec()
    }
}

/// Floating-point operations of a training step's products, a multiply-add counted as two: forward, gradients of the
/// weights, and gradients of the inputs where there is a layer before.
pub fn operations(name: &str) -> f64 {
    let layer = |count: usize, first: bool| 2.0 * count as f64 * if first { 2.0 } else { 3.0 };
    let recurrent = |gates: usize, rows: usize, inputs: usize, hidden: usize, first: bool| {
        layer(rows * gates * hidden * inputs, first) + layer(rows * gates * hidden * hidden, false)
    };
    let conv = |pixels: usize, from: usize, to: usize, first: bool| layer(pixels * from * to * 9, first);
    match name {
        "w1" => recurrent(4, 32 * 60, 1, 50, true),
        "w1b" => recurrent(4, 32 * 60, 5, 64, true),
        "w1g" => recurrent(3, 32 * 60, 5, 64, true),
        "w2" => recurrent(4, 64 * 168, 8, 128, true) + recurrent(4, 64 * 168, 128, 128, false),
        "w3" => {
            let dense = layer(64 * 3136 * 128, false) + layer(64 * 128 * 10, false);
            conv(64 * 28 * 28, 1, 32, true) + conv(64 * 14 * 14, 32, 64, false) + dense
        }
        "w4" => {
            let pixels = |size: usize| 128 * size * size;
            let wide = conv(pixels(32), 3, 64, true) + conv(pixels(32), 64, 64, false);
            let middle = conv(pixels(16), 64, 128, false) + conv(pixels(16), 128, 128, false);
            let narrow = conv(pixels(8), 128, 256, false) + conv(pixels(8), 256, 256, false);
            wide + middle + narrow + layer(128 * 4096 * 10, false)
        }
        // Both maps of the paper are one product here.
        "w5" => layer(32 * 7 * 336 * 96, true),
        _ => 0.0,
    }
}
