//! Where the time of a training loop goes: a small image network and its profile, on the terminal and as a report.
//!
//!     cargo run --release --example profile

use azuraforge::history::{Notebook, RunProfile};
use azuraforge::nn::{Conv2d, MaxPool2d};
use azuraforge::ops::{ConvOptions, PoolOptions};
use azuraforge::prelude::*;
use azuraforge::profile::Profiler;
use azuraforge::report::{Report, profile_summary, profile_table};
use azuraforge::rng::Stream;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let init = Init::new(1);
    let mut model = Sequential::new()
        .with("conv", Conv2d::new(&init.within("conv"), 1, 16, [3, 3], ConvOptions::default())?)
        .with("relu", Activation::relu())
        .with("pool", MaxPool2d::new(PoolOptions::new([2, 2])))
        .with("flat", Flatten)
        .with("hidden", Linear::new(&init.within("hidden"), 16 * 13 * 13, 64)?)
        .with("tanh", Activation::tanh())
        .with("head", Linear::new(&init.within("head"), 64, 10)?);
    let noise = Stream::new(2, "images");
    let pixels: Vec<f32> = (0..64 * 28 * 28).map(|i| noise.normal(i) as f32).collect();
    let classes: Vec<i64> = (0..64).map(|i| i % 10).collect();
    let (x, y) = (Tensor::new(&pixels, &[64, 1, 28, 28])?, Tensor::new(&classes, &[64])?);
    let mut adam = Adam::new(0.001);

    let profiler = Profiler::start()?;
    for step in 0..30 {
        let cx = Cx::train(0, step);
        let loss = model.forward(&cx, &x)?.cross_entropy(&y)?;
        let grads = loss.backward(cx)?;
        adam.step(&mut model, &grads)?;
    }
    let profile = RunProfile::from(profiler.finish());

    println!("{}", profile_summary(&profile));
    let table = profile_table(&profile, 10);
    for row in std::iter::once(&table.head).chain(&table.rows) {
        println!("{:10} {:8} {:18} {:>9} {:>8} {:>8}", row[1], row[2], row[3], row[4], row[5], row[9]);
    }
    let mut notebook = Notebook::new("A loop of one's own");
    notebook.profile = Some(profile);
    let path = std::env::temp_dir().join("profile.html");
    Report::from(notebook).write(&path)?;
    println!("{}", path.display());
    Ok(())
}
