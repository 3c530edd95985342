//! What a profile says of work whose calls, floating-point operations and bytes are known beforehand.

#![allow(clippy::unwrap_used)]

use forge_core::backend::{GruArgs, LstmArgs};
use forge_core::data::TensorDataset;
use forge_core::history::{CellProfile, Cost, Profile, ProfileRow, RunProfile};
use forge_core::learn::{Callback, EarlyStopping, Flow, Learner, State, predict};
use forge_core::nn::{
    Activation, Conv2d, Flatten, Init, LastStep, Linear, Lstm, MaxPool2d, Module, Sequential,
};
use forge_core::ops::{self, Attend, ConvOptions, ConvTransposeOptions, PoolOptions};
use forge_core::optim::Adam;
use forge_core::profile::Profiler;
use forge_core::rng::Stream;
use forge_core::{Cx, DType, Device, Parameters, Result, Tensor};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// One profiler at a time, and no tensors of other tests meanwhile.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn noise(shape: &[usize]) -> Tensor {
    let noise = Stream::new(3, "profile");
    let count = shape.iter().product();
    Tensor::new(&(0..count).map(|i| 0.3 * noise.normal(i) as f32).collect::<Vec<_>>(), shape).unwrap()
}

fn row<'a>(profile: &'a Profile, stage: &str, layer: &str, operation: &str) -> &'a ProfileRow {
    let found = |row: &&ProfileRow| (&*row.stage, &*row.layer, &*row.operation) == (stage, layer, operation);
    profile
        .rows
        .iter()
        .find(found)
        .unwrap_or_else(|| panic!("no {stage}/{layer}/{operation} in {:#?}", profile.rows))
}

fn work(cost: Cost) -> (u64, f64, f64) {
    (cost.calls, cost.flops, cost.bytes)
}

fn image_model() -> Sequential {
    let init = Init::new(1);
    Sequential::new()
        .with("conv", Conv2d::new(&init.within("conv"), 3, 8, [3, 3], ConvOptions::default()).unwrap())
        .with("relu", Activation::relu())
        .with("pool", MaxPool2d::new(PoolOptions::new([2, 2])))
        .with("flat", Flatten)
        .with("head", Linear::new(&init.within("head"), 8 * 3 * 3, 5).unwrap())
}

#[test]
fn a_known_model_has_the_calls_and_flops_that_its_shapes_say() {
    let _alone = alone();
    let model = image_model();
    let (x, y) = (noise(&[4, 3, 8, 8]), noise(&[4, 5]));
    let mut profiler = Profiler::start().unwrap();
    for step in 0..3 {
        let cx = Cx::train(0, step);
        model.forward(&cx, &x).unwrap().mse(&y).unwrap().backward(cx).unwrap();
    }
    let profile = profiler.lap();

    // [4, 3, 8, 8] and a kernel of 3 by 3 compute [4, 8, 6, 6], of which the fused pooling keeps a quarter; x wants no
    // gradient.
    let (outputs, kernel) = (4.0 * 8.0 * 36.0, 27.0);
    let conv = row(&profile, "", "conv", "conv2d + relu + max_pool");
    let (x_bytes, w_bytes, y_bytes) = (4.0 * 768.0, 4.0 * (8.0 * 27.0 + 8.0), outputs);
    assert_eq!(work(conv.forward), (3, 3.0 * 2.0 * outputs * kernel, 3.0 * (x_bytes + w_bytes + y_bytes)));
    let backward = y_bytes + x_bytes + w_bytes + w_bytes;
    assert_eq!(work(conv.backward), (3, 3.0 * 2.0 * outputs * kernel, 3.0 * backward));
    // Here x wants its gradient, too.
    let head = row(&profile, "", "head", "linear");
    let product = 2.0 * 4.0 * 72.0 * 5.0;
    assert_eq!((head.forward.flops, head.backward.flops), (3.0 * product, 3.0 * 2.0 * product));
    assert!(head.forward.gflops().unwrap() > 0.0);
    // The loss is outside layers, and a linear layer's own transpose is part of it.
    assert_eq!(row(&profile, "", "", "square").forward.calls, 3);
    assert!(!profile.rows.iter().any(|r| r.layer == "head" && !["", "linear"].contains(&&*r.operation)));

    // Without gradients the same, forward only.
    model.forward(&Cx::infer(), &x).unwrap();
    let infer = profiler.lap();
    let conv = row(&infer, "", "conv", "conv2d + relu + max_pool");
    assert_eq!((conv.forward.calls, conv.forward.flops), (1, 2.0 * outputs * kernel));
    assert_eq!(conv.backward, Cost::default());
    assert_eq!(row(&infer, "", "head", "linear").forward.flops, product);

    // Bound by memory: [4, 3, 8, 8] to [4, 3, 4, 4].
    x.max_pool2d(&PoolOptions::new([2, 2])).unwrap();
    let pooled = profiler.finish();
    let pool = row(&pooled, "", "", "max_pool2d");
    assert_eq!(work(pool.forward), (1, 0.0, x_bytes + x_bytes / 4.0));
    assert!(pool.forward.gflops().is_none() && pool.forward.gigabytes().unwrap() > 0.0);
}

#[test]
fn every_rule_counts_what_the_definition_multiplies() {
    let _alone = alone();
    let cx = Cx::train(0, 0);
    let leaf = |shape: &[usize]| cx.track(&noise(shape)).unwrap();
    let profiler = Profiler::start().unwrap();
    let mut loss: Vec<Tensor> = Vec::new();
    // batch 2, 5 steps, 3 features, 4 states
    let out = ops::lstm(&LstmArgs {
        x: noise(&[2, 5, 3]),
        h0: noise(&[2, 4]),
        c0: noise(&[2, 4]),
        w_ih: leaf(&[16, 3]),
        w_hh: leaf(&[16, 4]),
        b_ih: leaf(&[16]),
        b_hh: leaf(&[16]),
        lengths: None,
        reverse: false,
    });
    loss.push(out.unwrap().y);
    let out = ops::gru(&GruArgs {
        x: leaf(&[2, 5, 3]),
        h0: noise(&[2, 4]),
        w_ih: leaf(&[12, 3]),
        w_hh: leaf(&[12, 4]),
        b_ih: leaf(&[12]),
        b_hh: leaf(&[12]),
        lengths: None,
        reverse: false,
    });
    loss.push(out.unwrap().y);
    // batch 2, heads 3, 4 queries of 6 numbers, 5 keys, values of 7 numbers
    let (q, k, v) = (leaf(&[2, 3, 4, 6]), leaf(&[2, 3, 5, 6]), leaf(&[2, 3, 5, 7]));
    loss.push(ops::attention(&q, &k, &v, &Attend::default()).unwrap());
    loss.push(leaf(&[2, 3, 4]).matmul(&noise(&[4, 5])).unwrap());
    let (x, weight) = (leaf(&[2, 3, 4, 4]), leaf(&[3, 5, 2, 2]));
    loss.push(x.conv_transpose2d(&weight, None, &ConvTransposeOptions::default()).unwrap());
    loss.push(
        leaf(&[2, 4, 9])
            .conv1d(&leaf(&[6, 2, 3]), None, &ConvOptions { groups: 2, ..Default::default() })
            .unwrap(),
    );
    loss.push(leaf(&[2, 3, 4]).permute(&[2, 0, 1]).unwrap());
    let sums: Vec<Tensor> = loss.iter().map(|t| t.square().unwrap().sum_all().unwrap()).collect();
    let all = Tensor::stack(&sums.iter().collect::<Vec<_>>(), 0).unwrap().sum_all().unwrap();
    all.backward(cx).unwrap();
    let profile = profiler.finish();

    let flops = |name: &str| {
        let row = row(&profile, "", "", name);
        assert_eq!((row.forward.calls, row.backward.calls), (1, 1), "{name}");
        (row.forward.flops, row.backward.flops)
    };
    let (input, recurrent) = (2.0 * 10.0 * 48.0, 2.0 * 10.0 * 64.0);
    // Of the weights and the state; x wants none.
    assert_eq!(flops("lstm"), (input + recurrent, input + 2.0 * recurrent));
    let (input, recurrent) = (2.0 * 10.0 * 36.0, 2.0 * 10.0 * 48.0);
    assert_eq!(flops("gru"), (input + recurrent, 2.0 * (input + recurrent)));
    let (scores, values) = (2.0 * 6.0 * 4.0 * 5.0 * 6.0, 2.0 * 6.0 * 4.0 * 5.0 * 7.0);
    assert_eq!(flops("attention"), (scores + values, 2.0 * (scores + values)));
    assert_eq!(flops("matmul"), (2.0 * 6.0 * 5.0 * 4.0, 2.0 * 6.0 * 5.0 * 4.0));
    let product = 2.0 * 96.0 * 20.0;
    assert_eq!(flops("conv_transpose2d"), (product, 2.0 * product));
    // [2, 6, 7] places, each of 2 channels by 3.
    assert_eq!(flops("conv1d"), (2.0 * 84.0 * 6.0, 2.0 * 2.0 * 84.0 * 6.0));
    // A view moves nothing.
    let view = row(&profile, "", "", "permute");
    assert_eq!((view.forward.bytes, view.forward.calls), (0.0, 1));
    // What attention is made of on this device has no rows.
    assert!(!profile.rows.iter().any(|row| row.operation == "softmax"), "{:#?}", profile.rows);
}

/// Attention's gradients by one operand at a time: what the values' gradient asks for is not what the scores' does.
#[test]
fn attention_counts_only_the_products_of_wanted_gradients() {
    let _alone = alone();
    let (q, k, v) = (noise(&[2, 3, 4, 6]), noise(&[2, 3, 5, 6]), noise(&[2, 3, 5, 7]));
    let (scores, values) = (2.0 * 6.0 * 4.0 * 5.0 * 6.0, 2.0 * 6.0 * 4.0 * 5.0 * 7.0);
    for (wanted, flops) in [(0, values + scores), (1, values + scores), (2, values)] {
        let cx = Cx::train(0, 0);
        let mut all = [q.clone(), k.clone(), v.clone()];
        all[wanted] = cx.track(&all[wanted]).unwrap();
        let profiler = Profiler::start().unwrap();
        let y = ops::attention(&all[0], &all[1], &all[2], &Attend::default()).unwrap();
        y.sum_all().unwrap().backward(cx).unwrap();
        let profile = profiler.finish();
        let row = row(&profile, "", "", "attention");
        assert_eq!((row.forward.flops, row.backward.flops), (scores + values, flops), "operand {wanted}");
    }
}

/// A recurrent layer's gradients by one operand at a time: any of them needs the state's, through the recurrent weights.
#[test]
fn recurrent_layers_count_only_the_products_of_wanted_gradients() {
    let _alone = alone();
    // batch 2, 5 steps, 3 features, 4 states
    let (input, recurrent) = (2.0 * 10.0 * 36.0, 2.0 * 10.0 * 48.0);
    let shapes: [&[usize]; 6] = [&[2, 5, 3], &[2, 4], &[12, 3], &[12, 4], &[12], &[12]];
    let backward = [recurrent + input, recurrent, recurrent + input, 2.0 * recurrent, recurrent, recurrent];
    for (wanted, backward) in backward.into_iter().enumerate() {
        let cx = Cx::train(0, 0);
        let mut all = shapes.map(noise);
        all[wanted] = cx.track(&all[wanted]).unwrap();
        let [x, h0, w_ih, w_hh, b_ih, b_hh] = all;
        let profiler = Profiler::start().unwrap();
        let out =
            ops::gru(&GruArgs { x, h0, w_ih, w_hh, b_ih, b_hh, lengths: None, reverse: false }).unwrap();
        out.y.sum_all().unwrap().backward(cx).unwrap();
        let profile = profiler.finish();
        let row = row(&profile, "", "", "gru");
        assert_eq!(
            (row.forward.flops, row.backward.flops),
            (input + recurrent, backward),
            "operand {wanted}"
        );
    }
}

/// Of one matrix for a whole batch, there is one gradient, and never a batch of them that is summed.
#[test]
fn the_gradient_of_a_shared_matrix_is_one_product() {
    let _alone = alone();
    let cx = Cx::train(0, 0);
    let (x, shared) = (noise(&[64, 1, 32]), cx.track(&noise(&[32, 32])).unwrap());
    let profiler = Profiler::start().unwrap();
    x.matmul(&shared).unwrap().sum_all().unwrap().backward(cx).unwrap();
    let profile = profiler.finish();
    let each = 4 * 32 * 32;
    assert!(row(&profile, "", "", "matmul").allocated_bytes < 16 * each, "64 gradients are {}", 64 * each);
}

fn series_model() -> Sequential {
    let init = Init::new(1);
    Sequential::new()
        .with("lstm", Lstm::new(&init.within("lstm"), 2, 16, 2, 0.1).unwrap())
        .with("last", LastStep)
        .with("head", Linear::new(&init.within("head"), 16, 1).unwrap())
}

/// Predicts at the end of each epoch, as metrics do.
struct Predicts(TensorDataset);

impl Callback for Predicts {
    fn epoch_end(&mut self, state: &mut State<'_>) -> Result<Flow> {
        predict(state.model, &self.0, 16, &Device::cpu())?;
        Ok(Flow::Continue)
    }
}

fn data() -> TensorDataset {
    TensorDataset::new(noise(&[40, 12, 2]), noise(&[40, 1])).unwrap()
}

/// Two epochs of three batches.
fn fit(model: &mut Sequential) {
    Learner::new("fit")
        .epochs(2)
        .batch_size(16)
        .clip_norm(1.0)
        .callback(EarlyStopping::new("val.loss", 5))
        .callback(Predicts(data()))
        .fit(model, &mut Adam::new(0.01), &data(), Some(&data()))
        .unwrap();
}

#[test]
fn a_training_is_explained_and_its_times_do_not_exceed_what_has_passed() {
    let _alone = alone();
    let mut model = series_model();
    let clock = Instant::now();
    let profiler = Profiler::start().unwrap();
    fit(&mut model);
    let profile = profiler.finish();
    let wall = clock.elapsed().as_secs_f64();
    let sum: f64 = profile.rows.iter().map(|row| row.total().seconds).sum();
    assert!(profile.seconds <= wall && sum <= profile.seconds, "{sum} of {} in {wall}", profile.seconds);
    assert!((sum + profile.unexplained() - profile.seconds).abs() < 1e-9);
    assert!(profile.rows.iter().all(|row| row.forward.seconds >= 0.0 && row.backward.seconds >= 0.0));

    // Two layers in six steps; validation and prediction take three batches in each of two epochs.
    let calls = |stage: &str, layer: &str, operation: &str| {
        let row = row(&profile, stage, layer, operation);
        (row.forward.calls, row.backward.calls)
    };
    assert_eq!(calls("", "lstm", "lstm"), (12, 12));
    assert_eq!(calls("validation", "lstm", "lstm"), (12, 0));
    assert_eq!(calls("callbacks/prediction", "lstm", "lstm"), (12, 0));
    assert_eq!(calls("", "head", "linear"), (6, 6));
    assert_eq!(calls("optimizer", "", ""), (6, 0));
    assert_eq!(calls("gradients", "", ""), (6, 0));
    assert_eq!(calls("data", "", ""), (6, 0));
    // The end is asked for, too.
    assert_eq!(calls("validation/data", "", ""), (8, 0));
    assert_eq!(calls("loss", "", "square"), (6, 6));
    assert_eq!(calls("validation/loss", "", "square"), (6, 0));
    assert_eq!(calls("callbacks", "", ""), (4, 0));
    let layers = profile.layers();
    let lstm = layers.iter().find(|row| (&*row.stage, &*row.layer) == ("", "lstm")).unwrap();
    assert!(lstm.forward.calls > 12 && lstm.peak_bytes > 0 && lstm.allocated_bytes > 0);
    let by_time = profile.by_time();
    assert!(by_time.windows(2).all(|two| two[0].total().seconds >= two[1].total().seconds));
}

#[test]
fn a_profile_changes_no_bit_of_what_is_trained() {
    let _alone = alone();
    let bits = |model: &Sequential| -> Vec<(String, Vec<u32>)> {
        let bits = |t: Tensor| t.to_vec::<f32>().unwrap().iter().map(|v| v.to_bits()).collect();
        model.named_values().into_iter().map(|(name, t)| (name, bits(t))).collect()
    };
    let (mut with, mut without) = (series_model(), series_model());
    let first = bits(&with);
    let profiler = Profiler::start().unwrap();
    fit(&mut with);
    assert!(!profiler.finish().rows.is_empty());
    fit(&mut without);
    assert_eq!(bits(&with), bits(&without));
    assert_ne!(bits(&with), first);
}

#[test]
fn memory_is_counted_where_it_is_taken() {
    let _alone = alone();
    let before = noise(&[64, 64]);
    let mut profiler = Profiler::start().unwrap();
    let a = Tensor::zeros(&[1024, 256], DType::F32, &Device::cpu()).unwrap();
    let b = (&a + &a).unwrap();
    drop((a, before));
    let first = profiler.lap();
    let mib = 1 << 20;
    assert_eq!(first.peak_bytes, 2 * mib);
    let add = row(&first, "", "", "add");
    // The zeros were asked for before the operation, after nothing else: its room is part of it.
    assert_eq!((add.allocated_bytes, add.peak_bytes), (2 * mib, 2 * mib));
    // Held still, less what was older than the profiler.
    let second = profiler.lap();
    assert_eq!((second.allocated_bytes, second.peak_bytes), (0, mib - 4 * 64 * 64));
    drop(b);
    // From another thread, too.
    std::thread::scope(|scope| drop(scope.spawn(|| noise(&[1024, 512])).join().unwrap()));
    let third = profiler.finish();
    assert_eq!(third.peak_bytes, 2 * mib - 4 * 64 * 64);
}

#[test]
fn one_profiler_at_a_time_and_a_tape_outlives_it() {
    let _alone = alone();
    let x = noise(&[3, 3]);
    let profiler = Profiler::start().unwrap();
    let message = Profiler::start().unwrap_err().to_string();
    assert!(message.contains("finish that one first"), "{message}");
    let cx = Cx::train(0, 0);
    let leaf = cx.track(&x).unwrap();
    let loss = leaf.exp().unwrap().sum_all().unwrap();
    profiler.finish();
    let profiler = Profiler::start().unwrap();
    x.sin().unwrap();
    loss.backward(cx).unwrap();
    let profile = profiler.finish();
    assert_eq!(row(&profile, "", "", "sin").backward, Cost::default(), "an earlier profile's derivative");
    assert!(!profile.rows.iter().any(|row| row.operation == "exp"));
    // Other threads are not recorded, and an error inside a layer leaves it.
    let mut profiler = Profiler::start().unwrap();
    std::thread::scope(|scope| scope.spawn(|| noise(&[2]).exp().unwrap()).join().map(drop).unwrap());
    let cx = Cx::infer();
    cx.within("outer", |cx| cx.within("inner", |_| noise(&[2]).linear(&x, &x, None))).unwrap_err();
    x.cos().unwrap();
    let profile = profiler.lap();
    let rows: Vec<(&str, &str)> = profile.rows.iter().map(|r| (&*r.layer, &*r.operation)).collect();
    assert_eq!(rows, [("outer", ""), ("outer.inner", ""), ("", "cos")]);
}

#[test]
fn a_profile_comes_back_from_json_as_it_was() {
    let cost = Cost { calls: 3, seconds: 0.1 + 0.2, flops: 1e12, bytes: 3e9 };
    let row = ProfileRow {
        stage: "validation".into(),
        layer: "a.b".into(),
        operation: "linear + relu".into(),
        forward: cost,
        backward: Cost::default(),
        allocated_bytes: 7,
        peak_bytes: 5,
    };
    let profile = Profile { seconds: 1.0, allocated_bytes: 9, peak_bytes: 8, rows: vec![row] };
    let cell = |id: &str, cpu_seconds, resident_bytes| CellProfile {
        id: id.into(),
        actions: vec!["model".into(), "train".into()],
        cpu_seconds,
        resident_bytes,
        profile: profile.clone(),
    };
    let run = RunProfile::new(2, vec![cell("a", Some(1.5), Some(10)), cell("b", None, Some(20))]);
    assert_eq!((run.seconds, run.cpu_seconds, run.resident_bytes, run.peak_bytes), (2.0, None, Some(20), 8));
    let text = serde_json::to_string(&run).unwrap();
    assert_eq!(serde_json::from_str::<RunProfile>(&text).unwrap(), run);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!(value["cells"][0]["rows"][0]["forward"]["flops"], 1e12);
    // 10⁹ flops in 0.3 s: per 10⁹ and second.
    assert!(
        (cost.gflops().unwrap() - 1e3 / 0.3).abs() < 1e-9 && (cost.gigabytes().unwrap() - 10.0).abs() < 1e-9
    );
}
