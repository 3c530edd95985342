//! Training 2 N epochs, and training N, saving, loading in a new learner and training N more, give the same bits.

#![allow(clippy::unwrap_used)]

use forge_core::data::TensorDataset;
use forge_core::history::{EpochRecord, FitHistory, StopReason};
use forge_core::learn::{
    Callback, CallbackState, EarlyStopping, Flow, Goal, Learner, ModelCheckpoint, Outlet, ReduceOnPlateau,
    Snapshot, State,
};
use forge_core::nn::{Dropout, Init, LastStep, Linear, Lstm, Sequential};
use forge_core::optim::{Adam, Ema, Group, Lion, Optimizer, Plateau, RmsProp, Schedule, Scheduled, Sgd};
use forge_core::rng::Stream;
use forge_core::{Parameters, Tensor, checkpoint};
use serde_json::{Value, json};
use std::path::Path;

/// Dropout between the layers and before the head, so that a random stream that starts anew would show.
fn model() -> Sequential {
    let init = Init::new(3);
    Sequential::new()
        .with("lstm", Lstm::new(&init.within("lstm"), 2, 6, 2, 0.2).unwrap())
        .with("last", LastStep)
        .with("dropout", Dropout::new(0.1).unwrap())
        .with("head", Linear::new(&init.within("head"), 6, 1).unwrap())
}

/// Noise that cannot be learnt: the validation loss has its best early, and early stopping its say.
fn data(name: &str, samples: usize) -> TensorDataset {
    let stream = Stream::new(5, name);
    let x: Vec<f32> = (0..samples * 5 * 2).map(|i| stream.normal(i) as f32).collect();
    let y: Vec<f32> = (0..samples).map(|i| stream.normal((1 << 20) + i) as f32).collect();
    let x = Tensor::new(&x, &[samples, 5, 2]).unwrap();
    TensorDataset::new(x, Tensor::new(&y, &[samples, 1]).unwrap()).unwrap()
}

fn optimizers() -> Vec<(&'static str, Box<dyn Optimizer>)> {
    vec![
        ("adam", Box::new(Adam::new(0.02))),
        ("sgd", Box::new(Sgd::new(0.05))),
        ("nesterov", Box::new(Sgd::new(0.05).momentum(0.9).nesterov(true))),
    ]
}

/// Halves the learning rate every third epoch, and puts odd numbers among the metrics.
#[derive(Default)]
struct Halving {
    seen: u64,
}

impl Callback for Halving {
    fn epoch_end(&mut self, state: &mut State<'_>) -> forge_core::Result<Flow> {
        self.seen += 1;
        if self.seen.is_multiple_of(3) {
            state.optimizer.set_learning_rate(state.optimizer.learning_rate() * 0.5);
        }
        for (name, value) in [("odd.nan", f64::NAN), ("odd.inf", f64::INFINITY), ("odd.third", 1.0 / 3.0)] {
            state.record.metrics.push((name.into(), value));
        }
        Ok(Flow::Continue)
    }

    fn state(&self) -> CallbackState {
        CallbackState { values: json!({"seen": self.seen}), tensors: Vec::new() }
    }

    fn load_state(&mut self, state: CallbackState) -> forge_core::Result<()> {
        self.seen = state.values["seen"].as_u64().unwrap();
        Ok(())
    }
}

fn learner(epochs: usize, patience: usize, folder: &Path) -> Learner {
    Learner::new("resume")
        .epochs(epochs)
        .batch_size(8)
        .seed(11)
        .clip_norm(1.0)
        .monitor("val.loss")
        .fingerprint("noise")
        .callback(Halving::default())
        .callback(ModelCheckpoint::new(folder, "val.loss"))
        .callback(EarlyStopping::new("val.loss", patience))
}

fn fit(learner: Learner, optimizer: &mut dyn Optimizer) -> (Vec<Vec<u32>>, FitHistory) {
    let mut model = model();
    let (train, val) = (data("train", 20), data("val", 12));
    let history = learner.fit(&mut model, optimizer, &train, Some(&val)).unwrap();
    (bits(&model.named_values()), history)
}

fn bits(tensors: &[(String, Tensor)]) -> Vec<Vec<u32>> {
    tensors.iter().map(|(_, t)| t.to_vec::<f32>().unwrap().iter().map(|v| v.to_bits()).collect()).collect()
}

/// A history as text with every bit of its numbers, without the seconds.
fn exactly(history: &FitHistory) -> String {
    let epoch = |e: &EpochRecord| {
        let metrics: Vec<(&String, u64)> = e.metrics.iter().map(|(n, v)| (n, v.to_bits())).collect();
        format!("{} {} {:x} {metrics:?}", e.epoch, e.step, e.learning_rate.to_bits())
    };
    let epochs: Vec<String> = history.epochs.iter().map(epoch).collect();
    format!("{epochs:#?} {:?} {:?} {}", history.best_epoch, history.stop, history.parameters)
}

/// What `last.json` says, without the seconds.
fn memory(folder: &Path) -> Value {
    let mut text: Value = serde_json::from_slice(&std::fs::read(folder.join("last.json")).unwrap()).unwrap();
    text["history"]["seconds"] = Value::Null;
    for epoch in text["history"]["epochs"].as_array_mut().unwrap() {
        epoch["seconds"] = Value::Null;
    }
    text
}

#[test]
fn training_on_after_a_load_gives_the_bits_of_training_through() {
    let mut stopped = 0;
    for patience in [1, 2, 100] {
        for (name, mut through) in optimizers() {
            let whole = tempfile::tempdir().unwrap();
            let (weights, history) = fit(learner(10, patience, whole.path()), &mut *through);
            for first in 1..=10 {
                let folder = tempfile::tempdir().unwrap();
                let optimizer = || optimizers().into_iter().find(|(n, _)| *n == name).unwrap().1;
                fit(learner(first, patience, folder.path()), &mut *optimizer());
                let second = learner(10, patience, folder.path()).resume(folder.path()).unwrap();
                let (resumed, again) = fit(second, &mut *optimizer());
                let case = format!("{name}, patience {patience}, {first} epochs first");
                assert_eq!(resumed, weights, "{case}: weights");
                assert_eq!(exactly(&again), exactly(&history), "{case}: history");
                assert_eq!(memory(folder.path()), memory(whole.path()), "{case}: what callbacks remember");
                let best = |folder: &Path| std::fs::read(folder.join("best.safetensors")).unwrap();
                assert_eq!(best(folder.path()), best(whole.path()), "{case}: best.safetensors");
                let last = |folder: &Path| {
                    let s = Snapshot::load(folder).unwrap().unwrap();
                    let kept: Vec<_> = s.callbacks.iter().map(|c| bits(&c.tensors)).collect();
                    (bits(&s.weights), bits(&s.moments), kept)
                };
                assert_eq!(last(folder.path()), last(whole.path()), "{case}: last.safetensors");
            }
            stopped += usize::from(matches!(history.stop, StopReason::Callback { .. }));
        }
    }
    assert!((2..=6).contains(&stopped), "early stopping had its say in {stopped} of 9 trainings");
}

#[test]
fn a_kill_between_the_files_of_a_checkpoint_changes_nothing() {
    let whole = tempfile::tempdir().unwrap();
    let (weights, history) = fit(learner(6, 100, whole.path()), &mut Adam::new(0.02));
    let (folder, earlier) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for epochs in [2, 3] {
        let from = if epochs == 2 { earlier.path() } else { folder.path() };
        fit(learner(epochs, 100, from), &mut Adam::new(0.02));
    }
    // The best weights are those of epoch 3, the snapshot is that of epoch 2: killed in between.
    std::fs::copy(earlier.path().join("last.safetensors"), folder.path().join("last.safetensors")).unwrap();
    let (resumed, again) =
        fit(learner(6, 100, folder.path()).resume(folder.path()).unwrap(), &mut Adam::new(0.02));
    assert_eq!((resumed, exactly(&again)), (weights, exactly(&history)));
    let best = |folder: &Path| std::fs::read(folder.join("best.safetensors")).unwrap();
    assert_eq!(best(folder.path()), best(whole.path()));
}

#[test]
fn a_best_value_that_is_not_finite_survives() {
    let mut stop = EarlyStopping::new("val.loss", 3).goal(Goal::Minimize);
    let state = CallbackState { values: json!({"best": "inf", "waited": 2}), tensors: Vec::new() };
    stop.load_state(state).unwrap();
    assert_eq!(stop.state().values["best"], "inf");
    assert_eq!(stop.state().values["waited"], 2);
    let foreign = CallbackState { values: json!({"seen": 1}), tensors: Vec::new() };
    let error = stop.load_state(foreign).unwrap_err().to_string();
    assert!(error.contains("no state of early stopping"), "{error}");
}

#[test]
fn a_snapshot_of_another_training_is_refused_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    fit(learner(1, 3, folder.path()), &mut Adam::new(0.02));
    let refused = |learner: Learner| {
        let learner = learner.resume(folder.path()).unwrap();
        learner.fit(&mut model(), &mut Adam::new(0.02), &data("train", 20), None).unwrap_err().to_string()
    };
    let error = refused(learner(2, 3, folder.path()).fingerprint("other data"));
    assert!(error.contains("made with other data or parameters"), "{error}");
    let error = refused(Learner::new("bare").fingerprint("noise"));
    assert!(error.contains("has 3 callbacks, this learner 0"), "{error}");

    let path = folder.path().join("last.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let error = Snapshot::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("not a whole safetensors file"), "{error}");
    checkpoint::save(&path, &model().named_values(), &[]).unwrap();
    let error = Snapshot::load(folder.path()).unwrap_err().to_string();
    assert!(error.contains("holds no training to go on with"), "{error}");
    std::fs::remove_file(&path).unwrap();
    assert!(Snapshot::load(folder.path()).unwrap().is_none());
}

#[test]
fn an_interrupted_epoch_is_repeated_from_its_beginning() {
    let whole = tempfile::tempdir().unwrap();
    let (weights, history) = fit(learner(5, 100, whole.path()), &mut Adam::new(0.02));
    let folder = tempfile::tempdir().unwrap();
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    // The loss raises the flag in the second step of the third epoch: 3 steps an epoch and a validation batch or two.
    let (raise, steps) = (flag.clone(), std::sync::atomic::AtomicUsize::new(0));
    let counting = move |p: &Tensor, t: &Tensor| {
        if steps.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 2 * (3 + 2) + 1 {
            raise.store(true, std::sync::atomic::Ordering::Relaxed);
        }
        p.mse(t)
    };
    let (_, stopped) =
        fit(learner(5, 100, folder.path()).loss(counting).interrupt(flag), &mut Adam::new(0.02));
    assert_eq!((stopped.stop, stopped.epochs.len()), (StopReason::Interrupted, 2));
    let (resumed, again) =
        fit(learner(5, 100, folder.path()).resume(folder.path()).unwrap(), &mut Adam::new(0.02));
    assert_eq!((resumed, exactly(&again)), (weights, exactly(&history)));
}

#[test]
fn a_learning_rate_goes_on_where_it_was() {
    let schedule = Schedule::Cosine { total: 30, warmup: 7, floor: 0.1 };
    let cosine = || Box::new(Scheduled::new(Box::new(Adam::new(0.02)), schedule)) as Box<dyn Optimizer>;
    let plain = || Box::new(Adam::new(0.02)) as Box<dyn Optimizer>;
    let plateau = || ReduceOnPlateau::new("val.loss", Plateau::new(0, 0.5).unwrap());
    for (name, optimizer) in [("cosine", &cosine as &dyn Fn() -> Box<dyn Optimizer>), ("plateau", &plain)] {
        let with_rule = |epochs: usize, folder: &Path| {
            let learner = Learner::new(name).epochs(epochs).batch_size(8).seed(11);
            let learner = if name == "plateau" { learner.callback(plateau()) } else { learner };
            learner.callback(ModelCheckpoint::new(folder, "val.loss"))
        };
        let whole = tempfile::tempdir().unwrap();
        let (weights, history) = fit(with_rule(10, whole.path()), &mut *optimizer());
        let rates: Vec<f64> = history.epochs.iter().map(|e| e.learning_rate).collect();
        assert!(rates[9] < 0.6 * 0.02, "{name}: the rate did not fall: {rates:?}");
        for first in 1..10 {
            let folder = tempfile::tempdir().unwrap();
            fit(with_rule(first, folder.path()), &mut *optimizer());
            let second = with_rule(10, folder.path()).resume(folder.path()).unwrap();
            let (resumed, again) = fit(second, &mut *optimizer());
            assert_eq!(resumed, weights, "{name}, {first} epochs first");
            assert_eq!(exactly(&again), exactly(&history), "{name}, {first} epochs first");
        }
    }
}

type Rule = fn() -> Box<dyn Optimizer>;
type Adorn = fn(Learner) -> Learner;

/// What a training may have besides, each with the optimizer that it is tried with.
fn extras() -> Vec<(&'static str, Rule, Adorn)> {
    vec![
        ("rmsprop", || Box::new(RmsProp::new(0.01)), |l| l),
        ("rmsprop with all", || Box::new(RmsProp::new(0.01).momentum(0.9).centered(true).decay(0.01)), |l| l),
        ("lion", || Box::new(Lion::new(0.003).decay(0.1)), |l| l),
        (
            "groups",
            || {
                let adam = Adam::new(0.02).decay(0.1).group("*bias*", Group::new().decay(0.0));
                Box::new(adam.group("head.*", Group::new().rate(0.1)))
            },
            |l| l,
        ),
        ("parts", || Box::new(Adam::new(0.02)), |l| l.batch_size(3).accumulate(2).clip_value(0.05)),
        ("average", || Box::new(Sgd::new(0.1)), |l| l.ema(Ema::new(0.8).unwrap())),
        (
            "all of it",
            || Box::new(Scheduled::new(Box::new(Lion::new(0.01)), Schedule::Step { every: 5, factor: 0.7 })),
            |l| l.batch_size(3).accumulate(4).prefetch(2).ema(Ema::new(0.9).unwrap()),
        ),
    ]
}

#[test]
fn whatever_a_training_has_besides_it_goes_on_to_the_bit() {
    for (name, rule, adorn) in extras() {
        let whole = tempfile::tempdir().unwrap();
        let (weights, history) = fit(adorn(learner(7, 3, whole.path())), &mut *rule());
        for first in [1, 4] {
            let folder = tempfile::tempdir().unwrap();
            fit(adorn(learner(first, 3, folder.path())), &mut *rule());
            let second = adorn(learner(7, 3, folder.path())).resume(folder.path()).unwrap();
            let (resumed, again) = fit(second, &mut *rule());
            let case = format!("{name}, {first} epochs first");
            assert_eq!(resumed, weights, "{case}: weights");
            assert_eq!(exactly(&again), exactly(&history), "{case}: history");
            let best = |folder: &Path| std::fs::read(folder.join("best.safetensors")).unwrap();
            assert_eq!(best(folder.path()), best(whole.path()), "{case}: best.safetensors");
            let last = |folder: &Path| {
                let s = Snapshot::load(folder).unwrap().unwrap();
                (bits(&s.weights), bits(&s.moments), bits(&s.average))
            };
            assert_eq!(last(folder.path()), last(whole.path()), "{case}: last.safetensors");
        }
    }
}

/// The weights that callbacks saw in the model's place, to be compared with the snapshot's.
struct Sees {
    average: bool,
    seen: Vec<Vec<u32>>,
}

impl Callback for Sees {
    fn epoch_end(&mut self, state: &mut State<'_>) -> forge_core::Result<Flow> {
        self.seen = bits(&state.model.named_values());
        Ok(Flow::Continue)
    }

    fn epoch_recorded(&mut self, snapshot: &Snapshot, _: &Outlet) -> forge_core::Result<()> {
        let expected = if self.average { &snapshot.average } else { &snapshot.weights };
        assert_eq!(self.seen, bits(expected));
        assert_eq!(self.average, self.seen != bits(&snapshot.weights));
        Ok(())
    }
}

#[test]
fn an_average_is_what_is_validated_kept_and_given_and_not_what_is_trained_on() {
    let run = |average: bool, adorn: Adorn| {
        let folder = tempfile::tempdir().unwrap();
        let learner = adorn(Learner::new("average").epochs(5).batch_size(8).seed(11));
        let learner = learner.callback(Sees { average, seen: Vec::new() });
        let (weights, history) =
            fit(learner.callback(ModelCheckpoint::new(folder.path(), "val.loss")), &mut Sgd::new(0.1));
        // Files are in the order of names.
        let names = model().named_values().into_iter().map(|(name, _)| name);
        let mut weights: Vec<_> = names.zip(weights).collect();
        weights.sort();
        let weights: Vec<_> = weights.into_iter().map(|(_, bits)| bits).collect();
        (weights, history, Snapshot::load(folder.path()).unwrap().unwrap())
    };
    let (plain, history, _) = run(false, |l| l);
    let (averaged, again, snapshot) = run(true, |l| l.ema(Ema::new(0.8).unwrap()));
    assert_eq!(bits(&snapshot.weights), plain, "the average found its way into the training");
    assert_eq!(bits(&snapshot.average), averaged);
    assert_eq!(history.curve("train.loss"), again.curve("train.loss"));
    assert!(history.curve("val.loss").iter().zip(again.curve("val.loss")).all(|(a, b)| a.1 != b.1));
    // A decay of 0 averages nothing: all is as without.
    let (same, history_of_0, _) = run(false, |l| l.ema(Ema::new(0.0).unwrap()));
    assert_eq!((same, exactly(&history_of_0)), (plain, exactly(&history)));

    let folder = tempfile::tempdir().unwrap();
    for (first, second, there) in [(true, false, "an average"), (false, true, "no average")] {
        let learner = |with: bool| {
            let learner =
                Learner::new("mixed").epochs(2).callback(ModelCheckpoint::new(folder.path(), "train.loss"));
            if with { learner.ema(Ema::new(0.5).unwrap()) } else { learner }
        };
        fit(learner(first), &mut Sgd::new(0.1));
        let learner = learner(second).resume(folder.path()).unwrap();
        let error =
            learner.fit(&mut model(), &mut Sgd::new(0.1), &data("train", 20), None).unwrap_err().to_string();
        assert!(error.contains(there), "{error}");
    }
}
