//! How the cost of a training step grows: time per sample over the batch, per time step over the length, per
//! multiply-add over sizes that fill no register. One thread; the least of many steps that take turns.
//!
//! `cargo run --release --example growth`

use azuraforge::nn::{Activation, Conv2d, Gru, Init, LastStep, Linear, Lstm, MaxPool2d, Module, Sequential};
use azuraforge::ops::{ConvOptions, Padding, PoolOptions};
use azuraforge::optim::{Adam, Optimizer};
use azuraforge::rng::Stream;
use azuraforge::{Cx, Result, Tensor};
use std::time::Instant;

/// A model with one batch, and how many units of work a step is.
struct Case {
    words: String,
    model: Sequential,
    adam: Adam,
    x: Tensor,
    units: f64,
    nanoseconds: f64,
}

fn numbers(shape: &[usize]) -> Result<Tensor> {
    let stream = Stream::new(2, "data");
    Tensor::new(&(0..shape.iter().product()).map(|i| stream.uniform(i) as f32).collect::<Vec<_>>(), shape)
}

impl Case {
    fn new(words: String, model: Sequential, x: &[usize], units: usize) -> Result<Self> {
        let (x, adam) = (numbers(x)?, Adam::new(1e-3));
        Ok(Case { words, model, adam, x, units: units as f64, nanoseconds: f64::INFINITY })
    }

    fn step(&mut self, number: u64) -> Result<()> {
        let clock = Instant::now();
        let cx = Cx::train(0, number);
        let loss = self.model.forward(&cx, &self.x)?.square()?.mean_all()?;
        let grads = loss.backward(cx)?;
        self.adam.step(&mut self.model, &grads)?;
        self.nanoseconds = self.nanoseconds.min(clock.elapsed().as_secs_f64() * 1e9);
        Ok(())
    }
}

fn recurrent(gru: bool, features: usize, hidden: usize) -> Result<Sequential> {
    let init = Init::new(1);
    let model = if gru {
        Sequential::new().with("gru", Gru::new(&init, features, hidden, 1, 0.0)?)
    } else {
        Sequential::new().with("lstm", Lstm::new(&init, features, hidden, 1, 0.0)?)
    };
    Ok(model.with("last", LastStep).with("head", Linear::new(&init, hidden, 1)?))
}

/// Two convolutions, so that the gradient of an input is a part of it.
fn images(from: usize, to: usize) -> Result<Sequential> {
    let init = Init::new(1);
    let around = ConvOptions { padding: Padding::all(1), ..ConvOptions::default() };
    let mut model = Sequential::new();
    for (name, before) in [("c1", from), ("c2", to)] {
        let layer = Conv2d::new(&init.within(name), before, to, [3, 3], around)?;
        model = model.with(name, layer).with("relu", Activation::relu());
    }
    Ok(model.with("pool", MaxPool2d::new(PoolOptions::new([2, 2]))))
}

/// Prints a table of what a unit costs, beside the first case.
fn table(title: &str, unit: &str, mut cases: Vec<Case>) -> Result<()> {
    for number in 0..12 {
        for case in &mut cases {
            case.step(number)?;
        }
    }
    println!("{title}");
    let first = cases[0].nanoseconds / cases[0].units;
    for case in &cases {
        let cost = case.nanoseconds / case.units;
        println!("  {:28} {cost:10.3} ns {unit} {:6.2} x", case.words, cost / first);
    }
    Ok(())
}

fn main() -> Result<()> {
    azuraforge::set_threads(1);
    let batches = [32, 64, 128, 256, 512, 1024];
    let case = |words: String, model: Result<Sequential>, x: &[usize], units: usize| {
        Case::new(words, model?, x, units)
    };
    let words = |what: &str, size: usize| format!("{what} {size}");
    let all = |cases: Vec<Result<Case>>| cases.into_iter().collect::<Result<Vec<_>>>();

    for (gru, name) in [(false, "LSTM"), (true, "GRU")] {
        let of = batches.map(|b| case(words("batch", b), recurrent(gru, 5, 64), &[b, 60, 5], b));
        table(&format!("{name} 5 → 64, 60 steps, over the batch"), "a sample", all(of.into())?)?;
        let lengths = [32, 128, 512, 2048];
        let of = lengths.map(|t| case(words("length", t), recurrent(gru, 5, 64), &[32, t, 5], t));
        table(&format!("{name} 5 → 64, batch 32, over the length"), "a time step", all(of.into())?)?;
        let work = |hidden: usize| 32 * 60 * 4 * hidden * (hidden + 5);
        let of = [64, 48, 50, 63, 65, 100]
            .map(|h| case(words("hidden", h), recurrent(gru, 5, h), &[32, 60, 5], work(h)));
        table(&format!("{name} 5 → hidden, 60 steps, batch 32"), "a multiply-add", all(of.into())?)?;
    }
    let of = batches.map(|b| case(words("batch", b), images(1, 32), &[b, 1, 28, 28], b));
    table("two convolutions 1 → 32 → 32 on 28 × 28, over the batch", "a sample", all(of.into())?)?;
    let work = |h: usize, w: usize, from: usize, to: usize| 32 * h * w * 9 * (from * to + to * to);
    let of = [[32, 32], [31, 33], [33, 31], [28, 28], [30, 30]]
        .map(|[h, w]| case(format!("image {h} × {w}"), images(32, 32), &[32, 32, h, w], work(h, w, 32, 32)));
    table("two convolutions 32 → 32, batch 32, over the image", "a multiply-add", all(of.into())?)?;
    let channels = [
        [32, 32],
        [3, 32],
        [17, 32],
        [31, 32],
        [33, 32],
        [32, 17],
        [32, 31],
        [32, 33],
        [32, 65],
        [65, 65],
        [5, 5],
    ];
    let of = channels.map(|[from, to]| {
        let words = format!("channels {from} → {to}");
        case(words, images(from, to), &[32, from, 32, 32], work(32, 32, from, to))
    });
    table("two convolutions on 32 × 32, batch 32, over the channels", "a multiply-add", all(of.into())?)
}
