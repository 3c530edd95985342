//! Training against PyTorch: the files in `golden/` hold what its scripts computed.

#![allow(clippy::unwrap_used)]

use forge_core::nn::{
    Activation, Flatten, Gru, Init, LastStep, Linear, Lstm, Module, PositionalEncoding, Sequential,
};
use forge_core::nn::{AdaptiveAvgPool2d, BatchNorm, Conv2d, MaxPool2d};
use forge_core::nn::{TransformerEncoder, TransformerEncoderLayer};
use forge_core::ops::{ConvOptions, Padding, PoolOptions};
use forge_core::optim::{Adam, Optimizer, Plateau, Schedule, Scheduled, Sgd};
use forge_core::{Cx, DType, Device, Parameters, Tensor, checkpoint};
use std::path::Path;

struct Golden(Vec<(String, Tensor)>);

impl Golden {
    fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        Golden(checkpoint::load(&folder.join(format!("{name}.safetensors"))).unwrap().tensors)
    }

    fn tensor(&self, name: &str) -> &Tensor {
        &self.0.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no golden tensor {name}")).1
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.tensor(name).to_f64_vec().unwrap()
    }

    /// The tensors under a prefix, by the rest of their names.
    fn under(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let strip = |(n, t): &(String, Tensor)| Some((n.strip_prefix(prefix)?.to_owned(), t.clone()));
        self.0.iter().filter_map(strip).collect()
    }
}

fn mlp() -> Sequential {
    let init = Init::new(0);
    Sequential::new()
        .with("hidden", Linear::new(&init, 6, 16).unwrap())
        .with("act", Activation::tanh())
        .with("head", Linear::new(&init, 16, 2).unwrap())
}

fn lstm() -> Sequential {
    let init = Init::new(0);
    Sequential::new()
        .with("lstm", Lstm::new(&init, 3, 8, 2, 0.0).unwrap())
        .with("last", LastStep)
        .with("head", Linear::new(&init, 8, 2).unwrap())
}

fn cnn() -> Sequential {
    let init = Init::new(0);
    let around = ConvOptions { padding: Padding::all(1), ..ConvOptions::default() };
    let grouped = ConvOptions { groups: 2, ..around };
    Sequential::new()
        .with("conv1", Conv2d::new(&init, 1, 4, [3, 3], around).unwrap().without_bias())
        .with("bn1", BatchNorm::new(&init, 4).unwrap())
        .with("act", Activation::relu())
        .with("pool", MaxPool2d::new(PoolOptions::new([2, 2])))
        .with("conv2", Conv2d::new(&init, 4, 6, [3, 3], grouped).unwrap())
        .with("act", Activation::relu())
        .with("bn2", BatchNorm::new(&init, 6).unwrap())
        .with("mean", AdaptiveAvgPool2d::new([2, 2]))
        .with("flatten", Flatten)
        .with("head", Linear::new(&init, 24, 2).unwrap())
}

fn gru() -> Sequential {
    let init = Init::new(0);
    Sequential::new()
        .with("gru", Gru::new(&init, 3, 8, 2, 0.0).unwrap())
        .with("last", LastStep)
        .with("head", Linear::new(&init, 8, 2).unwrap())
}

fn transformer() -> Sequential {
    let init = Init::new(0);
    let layer = |init: &Init| Ok(TransformerEncoderLayer::new(init, 8, 2, 16, 0.0).unwrap().norm_first(true));
    let encoder = TransformerEncoder::new(&init, 2, layer).unwrap().with_norm(&init, 8).unwrap();
    Sequential::new()
        .with("embed", Linear::new(&init, 3, 8).unwrap())
        .with("position", PositionalEncoding::new(8, 12, 0.0).unwrap())
        .with("encoder", encoder)
        .with("last", LastStep)
        .with("head", Linear::new(&init, 8, 2).unwrap())
}

type Build = fn() -> Sequential;

const MODELS: [(&str, Build); 5] =
    [("mlp", mlp), ("lstm", lstm), ("gru", gru), ("transformer", transformer), ("cnn", cnn)];

fn optimizers() -> Vec<(&'static str, Box<dyn Optimizer>)> {
    vec![
        ("sgd", Box::new(Sgd::new(0.1))),
        ("momentum", Box::new(Sgd::new(0.05).momentum(0.9))),
        ("nesterov", Box::new(Sgd::new(0.05).momentum(0.9).nesterov(true))),
        ("sgd_decay", Box::new(Sgd::new(0.05).momentum(0.9).decay(0.01))),
        ("adam", Box::new(Adam::new(0.01))),
        ("adamw", Box::new(Adam::new(0.01).decay(0.1))),
    ]
}

struct Trajectory {
    losses: Vec<f64>,
    first: Vec<(String, Tensor)>,
    last: Vec<(String, Tensor)>,
}

fn train(golden: &Golden, build: Build, optimizer: &mut dyn Optimizer, dtype: DType) -> Trajectory {
    let mut model = build();
    model.convert(dtype, &Device::cpu()).unwrap();
    model.load_values(&golden.under("start.")).unwrap();
    let [x, y] = ["x", "y"].map(|name| golden.tensor(name).to_dtype(dtype).unwrap());
    let (mut losses, mut first) = (Vec::new(), Vec::new());
    for step in 0..50 {
        let cx = Cx::train(0, step);
        let loss = model.forward(&cx, &x).unwrap().mse(&y).unwrap();
        losses.push(loss.item().unwrap());
        let grads = loss.backward(cx).unwrap();
        if step == 0 {
            model.visit(&mut String::new(), &mut |name, param| {
                if !param.is_buffer() {
                    first.push((name.to_owned(), grads.of(param).unwrap().clone()));
                }
            });
        }
        optimizer.step(&mut model, &grads).unwrap();
    }
    Trajectory { losses, first, last: model.named_values() }
}

/// The largest difference between tensors of equal names, relative to the largest element of each.
fn worst(found: &[(String, Tensor)], wanted: &[(String, Tensor)]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let of_one = |(name, t): &(String, Tensor)| {
        let wanted = &wanted.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1;
        assert_eq!(t.shape(), wanted.shape(), "{name}");
        let wanted = wanted.to_f64_vec().unwrap();
        let top = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let apart =
            t.to_f64_vec().unwrap().iter().zip(&wanted).fold(0.0f64, |m, (a, b)| m.max((a - b).abs()));
        apart / top
    };
    found.iter().map(of_one).fold(0.0, f64::max)
}

fn relative(a: f64, b: f64) -> f64 {
    (a - b).abs() / b.abs()
}

#[test]
fn training_in_f64_is_pytorchs() {
    for (name, build) in MODELS {
        let golden = Golden::load(name);
        for (rule, mut optimizer) in optimizers() {
            let ours = train(&golden, build, &mut *optimizer, DType::F64);
            let gradient = worst(&ours.first, &golden.under("grad."));
            let losses = golden.values(&format!("losses.{rule}"));
            let loss = ours.losses.iter().zip(&losses).map(|(a, b)| relative(*a, *b)).fold(0.0, f64::max);
            let weights = worst(&ours.last, &golden.under(&format!("final.{rule}.")));
            println!("{name} {rule} f64: gradient {gradient:.1e}, losses {loss:.1e}, weights {weights:.1e}");
            assert_eq!(losses.len(), ours.losses.len());
            assert!(gradient < 1e-10, "{name} {rule}: gradient of the first step, {gradient:e}");
            assert!(loss < 1e-8, "{name} {rule}: losses, {loss:e}");
            assert!(weights < 1e-8, "{name} {rule}: last weights, {weights:e}");
            assert!(losses[49] < losses[0], "{name} {rule} learns nothing");
        }
    }
}

/// Trajectories part by rounding, so after ten steps the measure is how far apart PyTorch's own f32 runs are.
#[test]
fn training_in_f32_is_pytorchs_within_its_own_rounding() {
    for (name, build) in MODELS {
        let golden = Golden::load(name);
        for (rule, mut optimizer) in optimizers() {
            let ours = train(&golden, build, &mut *optimizer, DType::F32);
            let gradient = worst(&ours.first, &golden.under("grad."));
            assert!(gradient < 1e-5, "{name} {rule}: gradient of the first step, {gradient:e}");
            let exact = golden.values(&format!("losses.{rule}"));
            let variants = golden.values(&format!("f32.{rule}"));
            let mut spread: f64 = 0.0;
            let (mut early, mut late) = (0.0f64, 0.0f64);
            for (t, (&ours, &exact)) in ours.losses.iter().zip(&exact).enumerate() {
                let theirs = || variants.iter().skip(t).step_by(50).copied().chain([exact]);
                let (low, high) = (theirs().fold(exact, f64::min), theirs().fold(exact, f64::max));
                // Once apart, runs do not come together again but by chance.
                spread = spread.max(high - low);
                let middle = 0.5 * (low + high);
                if t < 10 {
                    early = early.max(relative(ours, exact));
                    assert!(relative(ours, exact) < 1e-4, "{name} {rule}: loss {t} is {ours}, not {exact}");
                }
                late = late.max((ours - middle).abs() / spread);
                assert!(
                    (ours - middle).abs() <= 2.0 * spread,
                    "{name} {rule}: loss {t} is {ours}, PyTorch's runs lie in {low}..{high}"
                );
            }
            println!("{name} {rule} f32: gradient {gradient:.1e}, 10 losses {early:.1e}, {late:.2} spreads");
        }
    }
}

#[test]
fn huber_and_quantile_losses_are_pytorchs() {
    let golden = Golden::load("losses");
    let quantiles = golden.values("quantiles");
    let y = golden.tensor("y");
    let check = |input: &str, name: &str, loss: &dyn Fn(&Tensor) -> forge_core::Result<Tensor>| {
        let cx = Cx::train(0, 0);
        let x = cx.track(golden.tensor(input)).unwrap();
        let loss = loss(&x).unwrap();
        let value = loss.item().unwrap();
        assert!(relative(value, golden.values(name)[0]) < 1e-14, "{name}: {value}");
        let grads = loss.backward(cx).unwrap();
        let grad = grads.wrt(&x).unwrap().to_f64_vec().unwrap();
        for (i, (g, w)) in grad.iter().zip(golden.values(&format!("{name}.grad"))).enumerate() {
            assert!((g - w).abs() < 1e-15, "{name}: gradient {i} is {g}, not {w}");
        }
    };
    check("x", "huber", &|x| x.huber(y, 0.75));
    check("z", "pinball", &|z| z.pinball(y, &quantiles));
}

#[test]
fn schedules_are_pytorchs_at_every_step() {
    let golden = Golden::load("schedules");
    let total = 200;
    for (name, schedule) in [
        ("step", Schedule::Step { every: 30, factor: 0.5 }),
        ("cosine", Schedule::Cosine { total, warmup: 0, floor: 0.1 }),
        ("cosine_warmup", Schedule::Cosine { total, warmup: 20, floor: 0.0 }),
        ("one_cycle", Schedule::OneCycle { total }),
    ] {
        let rates = golden.values(name);
        assert_eq!(rates.len() as u64, total);
        // A schedule as an optimizer meets it: after so many steps.
        let mut scheduled = Scheduled::new(Box::new(Sgd::new(0.3)), schedule);
        for (t, &wanted) in rates.iter().enumerate() {
            scheduled.load_state(&[], t as u64).unwrap();
            let found = scheduled.learning_rate();
            // PyTorch computes each rate from the one before, so its rounding adds up.
            assert!(
                (found - wanted).abs() <= 1e-12 * 0.3 + 1e-10 * wanted,
                "{name}, step {t}: {found}, not {wanted}"
            );
        }
        let last = schedule.factor(total);
        assert!((0.0..=rates[199] / 0.3).contains(&last), "{name} rises again after its end: {last}");
        assert!((schedule.factor(10 * total) - schedule.factor(total)).abs() <= last, "{name} after its end");
    }
}

#[test]
fn a_plateau_lowers_the_rate_when_pytorch_does_and_its_state_can_be_saved() {
    let golden = Golden::load("schedules");
    let (metrics, rates) = (golden.values("plateau.metric"), golden.values("plateau"));
    let (mut plateau, mut rate) = (Plateau::new(3, 0.5).unwrap(), 0.3);
    for (epoch, (metric, wanted)) in metrics.iter().zip(&rates).enumerate() {
        plateau = serde_json::from_str(&serde_json::to_string(&plateau).unwrap()).unwrap();
        rate = plateau.next_rate(*metric, rate);
        assert!(relative(rate, *wanted) < 1e-15, "epoch {epoch}: {rate}, not {wanted}");
    }
    assert!(rates[79] < 0.1, "the golden curve never falls");
    let error = Plateau::new(3, 1.5).unwrap_err().to_string();
    assert_eq!(error, "plateau: factor 1.5 is not between 0 and 1");
}
