//! Models learn: every parameter moves, the loss falls, a known map is found, and noise is not learnt.

#![allow(clippy::unwrap_used)]

use forge_core::data::{Dataset, TensorDataset};
use forge_core::history::{Event, StopReason};
use forge_core::learn::{EarlyStopping, Learner, ModelCheckpoint, predict};
use forge_core::nn::{Activation, Dropout, Flatten, Init, LastStep, Linear, Lstm, Module, Sequential};
use forge_core::optim::{Adam, Optimizer, Schedule, Scheduled, Sgd};
use forge_core::rng::Stream;
use forge_core::{Cx, Device, Parameters, Tensor, checkpoint};
use std::sync::{Arc, Mutex};

/// Every kind of model that a spec can ask for. A new kind belongs here: nothing skips this.
fn models() -> Vec<(&'static str, Sequential)> {
    let init = Init::new(3);
    let head = |inputs| Linear::new(&init.within("head"), inputs, 2).unwrap();
    vec![
        ("linear", Sequential::new().with("flatten", Flatten).with("head", head(12 * 3))),
        (
            "mlp",
            Sequential::new()
                .with("flatten", Flatten)
                .with("hidden", Linear::new(&init.within("hidden"), 12 * 3, 16).unwrap())
                .with("act", Activation::tanh())
                .with("dropout", Dropout::new(0.1).unwrap())
                .with("head", head(16)),
        ),
        (
            "lstm",
            Sequential::new()
                .with("lstm", Lstm::new(&init.within("lstm"), 3, 8, 1, 0.0).unwrap())
                .with("last", LastStep)
                .with("head", head(8)),
        ),
        (
            "lstm of two layers",
            Sequential::new()
                .with("lstm", Lstm::new(&init.within("lstm"), 3, 8, 2, 0.2).unwrap())
                .with("last", LastStep)
                .with("head", head(8)),
        ),
    ]
}

/// Sequences `[64, 12, 3]` of noise and two targets that depend on their last steps.
fn sequences(shuffled: bool) -> TensorDataset {
    let stream = Stream::new(5, "sequences");
    let x: Vec<f32> = (0..64 * 12 * 3).map(|i| stream.uniform(i) as f32 - 0.5).collect();
    let order = if shuffled { Stream::new(6, "labels").permutation(64) } else { (0..64).collect() };
    let y: Vec<f32> = order
        .iter()
        .flat_map(|s| {
            let last = &x[(s * 12 + 11) * 3..][..3];
            [last[0] + last[1], last[2] - 0.5 * x[(s * 12 + 10) * 3]]
        })
        .collect();
    TensorDataset::new(Tensor::new(&x, &[64, 12, 3]).unwrap(), Tensor::new(&y, &[64, 2]).unwrap()).unwrap()
}

#[test]
fn every_parameter_of_every_model_moves_and_the_loss_falls() {
    for (name, mut model) in models() {
        let before = model.named_values();
        let data = sequences(false);
        let fit = |epochs: usize, model: &mut Sequential, adam: &mut Adam| {
            Learner::new(name).epochs(epochs).batch_size(16).fit(model, adam, &data, None).unwrap()
        };
        let mut adam = Adam::new(0.01);
        let first = fit(1, &mut model, &mut adam).curve("train.loss")[0].1;
        for ((path, old), (_, new)) in before.iter().zip(&model.named_values()) {
            let moved = |(a, b): (&f64, &f64)| a != b;
            let (old, new) = (old.to_f64_vec().unwrap(), new.to_f64_vec().unwrap());
            let still = old.iter().zip(&new).filter(|p| !moved(*p)).count();
            assert_eq!(
                still,
                0,
                "{name}: {still} of {} elements of {path} did not move in one epoch",
                old.len()
            );
        }
        let last = fit(30, &mut model, &mut adam).curve("train.loss").last().unwrap().1;
        assert!(last < 0.5 * first, "{name}: the loss went from {first} to {last}");
    }
}

#[test]
fn one_batch_is_learnt_by_heart() {
    for (name, mut model) in models().into_iter().filter(|(n, _)| matches!(*n, "linear" | "lstm")) {
        let data = sequences(false);
        let batch = data.batch(&(0..8).collect::<Vec<_>>(), &Device::cpu()).unwrap();
        let one = TensorDataset::new(batch.x, batch.y).unwrap();
        let history = Learner::new(name)
            .epochs(400)
            .batch_size(8)
            .fit(&mut model, &mut Adam::new(0.02), &one, None)
            .unwrap();
        let loss = history.curve("train.loss").last().unwrap().1;
        assert!(loss < 1e-4, "{name}: {loss}");
    }
}

#[test]
fn a_linear_map_is_recovered() {
    let stream = Stream::new(8, "map");
    let x: Vec<f64> = (0..200 * 3).map(|i| stream.normal(i)).collect();
    let map = [[1.5, -2.0, 0.25], [0.0, 3.0, -1.0]];
    let y: Vec<f64> = x
        .chunks(3)
        .flat_map(|x| map.map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum::<f64>() + 0.7))
        .collect();
    let data =
        TensorDataset::new(Tensor::new(&x, &[200, 3]).unwrap(), Tensor::new(&y, &[200, 2]).unwrap()).unwrap();
    let mut model = Linear::new(&Init::new(0).dtype(forge_core::DType::F64), 3, 2).unwrap();
    let mut sgd = Sgd::new(0.05).momentum(0.9).nesterov(true);
    Learner::new("map").epochs(40).batch_size(20).fit(&mut model, &mut sgd, &data, None).unwrap();
    let found = model.named_values();
    for (w, t) in found[0].1.to_f64_vec().unwrap().iter().zip(map.as_flattened()) {
        assert!((w - t).abs() < 1e-6, "{w} for {t}");
    }
    assert!(found[1].1.to_f64_vec().unwrap().iter().all(|b| (b - 0.7).abs() < 1e-6));
}

/// With shuffled targets there is nothing to learn, so on unseen data the mean must not be beaten.
#[test]
fn shuffled_targets_are_not_learnt() {
    let test_loss = |shuffled: bool| {
        let data = sequences(shuffled);
        let rows = |range: std::ops::Range<usize>| {
            let batch = data.batch(&range.collect::<Vec<_>>(), &Device::cpu()).unwrap();
            TensorDataset::new(batch.x, batch.y).unwrap()
        };
        let (train, test) = (rows(0..48), rows(48..64));
        let mut model = models().remove(2).1;
        Learner::new("control")
            .epochs(60)
            .batch_size(16)
            .fit(&mut model, &mut Adam::new(0.01), &train, None)
            .unwrap();
        let truth = test.batch(&(0..16).collect::<Vec<_>>(), &Device::cpu()).unwrap().y;
        let loss = predict(&model, &test, 16, &Device::cpu()).unwrap().mse(&truth).unwrap().item().unwrap();
        let mean = truth
            .mean(&[0], true)
            .unwrap()
            .expand(truth.shape())
            .unwrap()
            .mse(&truth)
            .unwrap()
            .item()
            .unwrap();
        loss / mean
    };
    let (real, control) = (test_loss(false), test_loss(true));
    assert!(real < 0.3, "the model did not learn: {real}");
    assert!(control > 0.9, "shuffled targets were learnt: {control}");
}

#[test]
fn the_same_seed_gives_the_same_bits() {
    let run = |seed| {
        let mut model = models().remove(3).1;
        let learner = Learner::new("run").seed(seed).epochs(2).batch_size(16);
        learner.fit(&mut model, &mut Adam::new(0.01), &sequences(false), None).unwrap();
        model.named_values().into_iter().map(|(_, t)| t.to_vec::<f32>().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn early_stopping_keeps_the_best_weights_and_says_why() {
    let data = sequences(true);
    let rows = |range: std::ops::Range<usize>| {
        let batch = data.batch(&range.collect::<Vec<_>>(), &Device::cpu()).unwrap();
        TensorDataset::new(batch.x, batch.y).unwrap()
    };
    let (train, val) = (rows(0..48), rows(48..64));
    let folder = tempfile::tempdir().unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let heard = events.clone();
    let mut model = models().remove(0).1;
    let history = Learner::new("stop")
        .epochs(200)
        .batch_size(16)
        .callback(ModelCheckpoint::new(folder.path(), "val.loss"))
        .callback(EarlyStopping::new("val.loss", 3))
        .listener(move |e: &Event| heard.lock().unwrap().push(e.clone()))
        .fit(&mut model, &mut Adam::new(0.02), &train, Some(&val))
        .unwrap();
    assert_eq!(history.stop, StopReason::Callback { message: "no better val.loss for 3 epochs".into() });
    let curve = history.curve("val.loss");
    let (best, lowest) = curve.iter().copied().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
    assert_eq!(history.best_epoch, Some(best));
    assert_eq!(curve.len(), best + 4);
    let truth = val.batch(&(0..16).collect::<Vec<_>>(), &Device::cpu()).unwrap();
    let loss = model.forward(&Cx::infer(), &truth.x).unwrap().mse(&truth.y).unwrap().item().unwrap();
    assert!((loss - lowest).abs() < 1e-12, "restored {loss}, best {lowest}");
    let saved = checkpoint::load(&folder.path().join("best.safetensors")).unwrap();
    assert_eq!(saved.notes["epoch"], best.to_string());
    let mut fresh = models().remove(0).1;
    fresh.load_values(&saved.tensors).unwrap();
    let again = fresh.forward(&Cx::infer(), &truth.x).unwrap();
    assert_eq!(
        again.to_vec::<f32>().unwrap(),
        model.forward(&Cx::infer(), &truth.x).unwrap().to_vec::<f32>().unwrap()
    );
    let events = events.lock().unwrap();
    assert!(matches!(events.first(), Some(Event::TrainBegin { steps_per_epoch: 3, .. })));
    assert!(matches!(events.last(), Some(Event::TrainEnd { .. })));
    assert_eq!(events.iter().filter(|e| matches!(e, Event::EpochEnd { .. })).count(), curve.len());
}

#[test]
fn a_diverging_run_stops_with_the_step() {
    let mut model = models().remove(0).1;
    let history =
        Learner::new("diverges").epochs(50).fit(&mut model, &mut Sgd::new(1e6), &sequences(false), None);
    let error = history.unwrap_err();
    assert!(matches!(error.kind(), forge_core::ErrorKind::NotFinite { .. }), "{error}");
    assert!(error.to_string().contains("at step"), "{error}");
}

/// The optimizer's state goes through a file and training goes on to the bit, even if names come back sorted.
#[test]
fn a_saved_optimizer_goes_on_to_the_bit() {
    let data = sequences(false);
    let step = |model: &mut Sequential, adam: &mut Adam, seeds: std::ops::Range<u64>| {
        for s in seeds {
            let batch = data.batch(&(0..16).collect::<Vec<_>>(), &Device::cpu()).unwrap();
            let cx = Cx::train(4, s);
            let loss = model.forward(&cx, &batch.x).unwrap().mse(&batch.y).unwrap();
            let grads = loss.backward(cx).unwrap();
            adam.step(model, &grads).unwrap();
        }
    };
    let bits =
        |m: &Sequential| m.named_values().iter().map(|(_, t)| t.to_vec::<f32>().unwrap()).collect::<Vec<_>>();
    let (mut straight, mut adam) = (models().remove(3).1, Adam::new(0.01));
    step(&mut straight, &mut adam, 0..6);
    let (mut first, mut adam) = (models().remove(3).1, Adam::new(0.01));
    step(&mut first, &mut adam, 0..3);
    let folder = tempfile::tempdir().unwrap();
    let (weights, moments) = (folder.path().join("w"), folder.path().join("m"));
    checkpoint::save(&weights, &first.named_values(), &[]).unwrap();
    checkpoint::save(&moments, &adam.state(), &[]).unwrap();
    let (mut second, mut adam) = (models().remove(3).1, Adam::new(0.01));
    second.load_values(&checkpoint::load(&weights).unwrap().tensors).unwrap();
    adam.load_state(&checkpoint::load(&moments).unwrap().tensors, 3).unwrap();
    step(&mut second, &mut adam, 3..6);
    assert_eq!(bits(&second), bits(&straight));
}

/// The rate of the step that follows the last one is 0 here: no step was ever taken with it.
#[test]
fn an_epoch_records_the_learning_rate_that_its_last_step_used() {
    let (data, (_, mut model)) = (sequences(false), models().swap_remove(0));
    let schedule = Schedule::Cosine { total: 8, warmup: 0, floor: 0.0 };
    let mut sgd = Scheduled::new(Box::new(Sgd::new(0.1)), schedule);
    let learner = Learner::new("linear").epochs(2).batch_size(16);
    let history = learner.fit(&mut model, &mut sgd, &data, None).unwrap();
    assert_eq!((sgd.steps(), sgd.learning_rate()), (8, 0.0));
    let at = |step: f64| 0.05 * (1.0 + (std::f64::consts::PI * step / 8.0).cos());
    for (epoch, step) in history.epochs.iter().zip([3.0, 7.0]) {
        assert!((epoch.learning_rate - at(step)).abs() < 1e-15, "{}", epoch.learning_rate);
    }
}
