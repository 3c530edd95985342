//! Optimizers, groups of parameters, clipping, accumulation and averages of weights. The file
//! `golden/optimizers.safetensors` holds what `golden/make_optimizers.py` computed with PyTorch, and Lion by its paper.

#![allow(clippy::unwrap_used)]

use forge_core::nn::{Activation, Dropout, Init, Linear, Module, Sequential};
use forge_core::optim::{Adam, Ema, Group, Lion, Optimizer, RmsProp, Schedule, Scheduled, Sgd};
use forge_core::rng::Stream;
use forge_core::{Cx, DType, Device, Grads, Param, Parameters, Tensor, checkpoint, parameters};
use std::path::Path;

type Named = Vec<(String, Tensor)>;

fn golden() -> Named {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    checkpoint::load(&folder.join("optimizers.safetensors")).unwrap().tensors
}

fn under(golden: &Named, prefix: &str) -> Named {
    let strip = |(n, t): &(String, Tensor)| Some((n.strip_prefix(prefix)?.to_owned(), t.clone()));
    golden.iter().filter_map(strip).collect()
}

fn mlp() -> Sequential {
    let init = Init::new(0);
    Sequential::new()
        .with("hidden", Linear::new(&init.within("hidden"), 6, 16).unwrap())
        .with("act", Activation::tanh())
        .with("head", Linear::new(&init.within("head"), 16, 2).unwrap())
}

fn rules() -> Vec<(&'static str, Box<dyn Optimizer>)> {
    let bias = Group::new().decay(0.0);
    let slow = Group::new().rate(0.1);
    // A schedule that stays where it is: groups take their share of whatever rate it gives.
    let grouped = Adam::new(0.01).decay(0.1).group("*.bias", bias).group("hidden.*", slow);
    vec![
        ("rmsprop", Box::new(RmsProp::new(0.01))),
        ("rmsprop_alpha", Box::new(RmsProp::new(0.01).alpha(0.9).eps(1e-4))),
        ("rmsprop_momentum", Box::new(RmsProp::new(0.003).momentum(0.9))),
        ("rmsprop_centered", Box::new(RmsProp::new(0.01).centered(true))),
        ("rmsprop_all", Box::new(RmsProp::new(0.003).momentum(0.5).centered(true).decay(0.01))),
        ("lion", Box::new(Lion::new(0.003))),
        ("lion_decay", Box::new(Lion::new(0.003).betas(0.95, 0.98).decay(1.0))),
        ("groups", Box::new(Scheduled::new(Box::new(grouped), Schedule::Constant))),
        ("frozen", Box::new(Adam::new(0.01))),
        ("clip_value", Box::new(Sgd::new(0.1))),
        ("ema", Box::new(Sgd::new(0.1))),
    ]
}

/// Losses before each of 50 steps, and the last weights; of `ema`, their average.
fn train(golden: &Named, rule: &str, optimizer: &mut dyn Optimizer, dtype: DType) -> (Vec<f64>, Named) {
    let mut model = mlp();
    model.convert(dtype, &Device::cpu()).unwrap();
    model.load_values(&under(golden, "start.")).unwrap();
    let data = |name: &str| golden.iter().find(|(n, _)| n == name).unwrap().1.to_dtype(dtype).unwrap();
    let (x, y) = (data("x"), data("y"));
    if rule == "frozen" {
        assert_eq!(model.freeze("hidden.*", true).unwrap(), 2);
    }
    let mut ema = Ema::new(0.9).unwrap();
    let mut losses = Vec::new();
    for step in 0..50 {
        let cx = Cx::train(0, step);
        let loss = model.forward(&cx, &x).unwrap().mse(&y).unwrap();
        losses.push(loss.item().unwrap());
        let mut grads = loss.backward(cx).unwrap();
        if rule == "clip_value" {
            grads.clip_value(0.05).unwrap();
        }
        optimizer.step(&mut model, &grads).unwrap();
        ema.update(&model).unwrap();
    }
    if rule == "ema" {
        ema.swap(&mut model).unwrap();
    }
    (losses, model.named_values())
}

fn apart(found: &Named, wanted: &Named) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let of_one = |(name, t): &(String, Tensor)| {
        let wanted = wanted.iter().find(|(n, _)| n == name).unwrap().1.to_f64_vec().unwrap();
        let top = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        t.to_f64_vec().unwrap().iter().zip(&wanted).fold(0.0f64, |m, (a, b)| m.max((a - b).abs())) / top
    };
    found.iter().map(of_one).fold(0.0, f64::max)
}

#[test]
fn trajectories_are_those_of_pytorch_and_of_the_paper() {
    let golden = golden();
    for (dtype, steps, tolerance) in [(DType::F64, 50, 1e-10), (DType::F32, 10, 1e-4)] {
        for (rule, mut optimizer) in rules() {
            let (losses, weights) = train(&golden, rule, &mut *optimizer, dtype);
            let wanted = under(&golden, &format!("losses.{rule}")).remove(0).1.to_f64_vec().unwrap();
            assert_eq!(wanted.len(), losses.len());
            let loss = losses.iter().zip(&wanted).take(steps).map(|(a, b)| ((a - b) / b).abs());
            let loss = loss.fold(0.0, f64::max);
            assert!(loss < tolerance, "{rule}, {dtype}: losses are {loss:e} apart");
            assert!(wanted[49] < wanted[0], "{rule} learns nothing");
            if dtype == DType::F64 {
                let weights = apart(&weights, &under(&golden, &format!("final.{rule}.")));
                assert!(weights < 1e-9, "{rule}: last weights are {weights:e} apart");
            }
        }
    }
}

#[test]
fn a_pattern_that_fits_nothing_is_an_error_that_names_the_parameters() {
    let mut model = mlp();
    let cx = Cx::train(0, 0);
    let x = Tensor::new(&[0.5f32; 6], &[1, 6]).unwrap();
    let grads = model.forward(&cx, &x).unwrap().square().unwrap().sum_all().unwrap().backward(cx).unwrap();
    let mut adam = Adam::new(0.1).group("*.gain", Group::new().decay(0.0));
    let error = adam.step(&mut model, &grads).unwrap_err().to_string();
    let names = "there are hidden.weight, hidden.bias, head.weight, head.bias";
    assert_eq!(error, format!("group: `*.gain` fits no parameter; {names}"));
    assert_eq!(adam.steps(), 0);
    let error = model.freeze("body.*", true).unwrap_err().to_string();
    assert_eq!(error, format!("freeze: `body.*` fits no parameter; {names}"));
}

/// Moments of a loaded state are in the order of the file; groups go by name.
#[test]
fn groups_and_moments_go_by_name_after_a_load() {
    let golden = golden();
    let build = || Adam::new(0.01).decay(0.1).group("head.*", Group::new().rate(0.0).decay(0.0));
    let mut first = build();
    let (_, weights) = train(&golden, "groups", &mut first, DType::F64);
    let start = under(&golden, "start.");
    let of = |all: &Named, name: &str| all.iter().find(|(n, _)| n == name).unwrap().1.to_f64_vec().unwrap();
    assert_eq!(of(&weights, "head.weight"), of(&start, "head.weight"));
    assert_ne!(of(&weights, "hidden.weight"), of(&start, "hidden.weight"));
    let mut state = first.state();
    state.reverse();
    let mut second = build();
    second.load_state(&state, first.steps()).unwrap();
    let (_, mut through) = train(&golden, "groups", &mut first, DType::F64);
    let (_, mut again) = train(&golden, "groups", &mut second, DType::F64);
    through.sort_by(|a, b| a.0.cmp(&b.0));
    again.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(apart(&through, &again), 0.0);
    let error = Lion::new(0.1).load_state(&state, 3).unwrap_err().to_string();
    assert!(error.contains("8 tensors for 4 parameters of 1 moments"), "{error}");
    let error = second.load_state(&state[..7], 3).unwrap_err().to_string();
    assert!(error.contains("the optimizer's state"), "{error}");
}

/// A layer with a buffer that counts the passes and keeps a running mean of its input, as a batch norm does.
struct Running {
    gain: Param,
    mean: Param,
}
parameters!(Running { gain, mean });

impl Running {
    fn pass(&self, part: usize, x: &Tensor) -> Grads {
        let cx = Cx::train(3, 0).part(part);
        let seen = x.sum_all().unwrap().mul_scalar(1.0 / x.count() as f64).unwrap().reshape(&[1]).unwrap();
        let mean = ((&self.mean.snapshot() * 0.9).unwrap() + (&seen * 0.1).unwrap()).unwrap();
        cx.update(&self.mean, &mean).unwrap();
        let y = (x * &cx.param(&self.gain)).unwrap();
        y.square().unwrap().mean_all().unwrap().backward(cx).unwrap()
    }
}

#[test]
fn micro_batches_give_the_gradients_of_one_batch_and_buffers_go_through_them_in_order() {
    let noise = Stream::new(2, "micro");
    let values: Vec<f64> = (0..24).map(|i| noise.normal(i)).collect();
    let build = || Running {
        gain: Param::new(Tensor::new(&[0.7f64], &[1]).unwrap()),
        mean: Param::buffer(Tensor::new(&[0.0f64], &[1]).unwrap()),
    };
    let whole = build();
    let one = whole.pass(0, &Tensor::new(&values, &[24]).unwrap());
    let gradient = one.of(&whole.gain).unwrap().item().unwrap();
    let mut model = build();
    let mut sum: Option<Grads> = None;
    let mut mean = 0.0;
    for (part, values) in values.chunks(8).enumerate() {
        let grads = model.pass(part, &Tensor::new(values, &[8]).unwrap());
        grads.write_buffers(&mut model).unwrap();
        mean = 0.9 * mean + 0.1 * values.iter().sum::<f64>() / 8.0;
        match &mut sum {
            None => sum = Some(grads),
            Some(sum) => sum.add(grads).unwrap(),
        }
    }
    let mut sum = sum.unwrap();
    sum.scale(1.0 / 3.0).unwrap();
    let summed = sum.of(&model.gain).unwrap().item().unwrap();
    assert!((summed / gradient - 1.0).abs() < 1e-14, "{summed} {gradient}");
    Sgd::new(0.5).step(&mut model, &sum).unwrap();
    let (gain, seen) = (model.gain.snapshot().item().unwrap(), model.mean.snapshot().item().unwrap());
    assert!((gain - (0.7 - 0.5 * gradient)).abs() < 1e-14, "{gain}");
    assert!((seen - mean).abs() < 1e-15, "{seen} {mean}");
}

#[test]
fn gradients_of_parameters_that_took_part_once_are_added_too() {
    let model = mlp();
    let x = Tensor::new(&[0.5f32; 6], &[1, 6]).unwrap();
    let pass = |of: &dyn Fn(&Cx) -> Tensor| {
        let cx = Cx::train(0, 0);
        of(&cx).square().unwrap().sum_all().unwrap().backward(cx).unwrap()
    };
    let mut names = Vec::new();
    model.visit(&mut String::new(), &mut |name, param| names.push((name.to_owned(), param)));
    let head = names.iter().find(|(n, _)| n == "head.bias").unwrap().1;
    let mut sum = pass(&|cx| cx.param(head));
    let alone = sum.of(head).unwrap().to_vec::<f32>().unwrap();
    let all = pass(&|cx| model.forward(cx, &x).unwrap());
    let expected: Vec<Vec<f32>> =
        names.iter().map(|(_, p)| all.of(p).unwrap().to_vec::<f32>().unwrap()).collect();
    sum.add(all).unwrap();
    for ((name, param), expected) in names.iter().zip(expected) {
        let found = sum.of(param).unwrap().to_vec::<f32>().unwrap();
        let extra = |i: usize| if name == "head.bias" { alone[i] } else { 0.0 };
        let expected: Vec<f32> = expected.iter().enumerate().map(|(i, g)| g + extra(i)).collect();
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn parts_of_a_step_draw_random_numbers_of_their_own() {
    let dropout = Dropout::new(0.5).unwrap();
    let x = Tensor::full(1.0, &[64], DType::F32, &Device::cpu()).unwrap();
    let draw = |cx: Cx| dropout.forward(&cx, &x).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(draw(Cx::train(1, 5)), draw(Cx::train(1, 5).part(0)));
    assert_ne!(draw(Cx::train(1, 5).part(1)), draw(Cx::train(1, 5)));
    assert_ne!(draw(Cx::train(1, 5).part(1)), draw(Cx::train(1, 5).part(2)));
    assert_eq!(draw(Cx::train(1, 5).part(2)), draw(Cx::train(1, 5).part(2)));
}

#[test]
fn clipping_by_value_bounds_every_element_and_writes_nothing_that_is_shared() {
    let model = mlp();
    let x = Tensor::new(&[5.0f32; 6], &[1, 6]).unwrap();
    let cx = Cx::train(0, 0);
    let mut grads =
        model.forward(&cx, &x).unwrap().square().unwrap().sum_all().unwrap().backward(cx).unwrap();
    let weight = {
        let mut found = None;
        model.visit(&mut String::new(), &mut |_, param| found = found.or(Some(param)));
        found.unwrap()
    };
    let shared = grads.of(weight).unwrap().clone();
    let before = shared.to_vec::<f32>().unwrap();
    grads.clip_value(0.1).unwrap();
    let after = grads.of(weight).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(after, before.iter().map(|g| g.clamp(-0.1, 0.1)).collect::<Vec<_>>());
    assert_ne!(after, before, "nothing was there to clip");
    assert_eq!(shared.to_vec::<f32>().unwrap(), before);
    for limit in [0.0, -1.0, f64::NAN] {
        assert!(grads.clip_value(limit).unwrap_err().to_string().contains("is not above 0"));
    }
}

#[test]
fn an_average_swaps_in_and_out_to_the_bit_and_leaves_buffers_alone() {
    let mut model = Running {
        gain: Param::new(Tensor::new(&[1.0f64], &[1]).unwrap()),
        mean: Param::buffer(Tensor::new(&[0.0f64], &[1]).unwrap()),
    };
    let (mut ema, mut sgd) = (Ema::new(0.5).unwrap(), Sgd::new(0.1));
    ema.swap(&mut model).unwrap();
    assert_eq!(model.gain.snapshot().item().unwrap(), 1.0, "nothing was averaged yet");
    let x = Tensor::new(&[1.0f64, 2.0], &[2]).unwrap();
    let mut average = f64::NAN;
    for step in 0..4 {
        let grads = model.pass(0, &x);
        sgd.step(&mut model, &grads).unwrap();
        ema.update(&model).unwrap();
        let weight = model.gain.snapshot().item().unwrap();
        average = if step == 0 { weight } else { 0.5 * average + 0.5 * weight };
    }
    let (weight, mean) = (model.gain.snapshot().item().unwrap(), model.mean.snapshot().item().unwrap());
    ema.swap(&mut model).unwrap();
    assert_eq!(model.gain.snapshot().item().unwrap(), average);
    assert_eq!(model.mean.snapshot().item().unwrap(), mean);
    ema.swap(&mut model).unwrap();
    assert_eq!(model.gain.snapshot().item().unwrap(), weight);
    assert!(weight != average && mean != 0.0);

    assert!(Ema::new(1.0).unwrap_err().to_string().contains("is not in [0, 1)"));
    assert!(ema.update(&mlp()).unwrap_err().to_string().contains("not those that were averaged"));
    let error = Ema::new(0.5).unwrap().load_state(&ema.state(), &mlp()).unwrap_err().to_string();
    assert!(error.contains("not the averages of this model"), "{error}");
}

#[test]
fn values_load_all_or_none_and_leniently_with_what_did_not_match() {
    let mut model = mlp();
    let before = model.named_values();
    let values: Named = mlp().named_values().into_iter().map(|(n, t)| (n, (&t + &t).unwrap())).collect();
    let mut other = values.clone();
    other[3].0 = "tail.bias".into();
    let error = model.load_values(&other).unwrap_err().to_string();
    assert_eq!(error, "no value for the parameters head.bias; values that no parameter takes: tail.bias");
    assert_eq!(apart(&model.named_values(), &before), 0.0, "a load that failed changed something");
    let found = model.load_matching(&other).unwrap();
    assert_eq!(
        (found.missing, found.unexpected),
        (vec!["head.bias".to_owned()], vec!["tail.bias".to_owned()])
    );
    assert_eq!(apart(&model.named_values()[..3].to_vec(), &values[..3].to_vec()), 0.0);
    assert_eq!(apart(&model.named_values()[3..].to_vec(), &before[3..].to_vec()), 0.0);
    let mut turned = values.clone();
    turned[2].1 = turned[2].1.transpose().unwrap();
    for lenient in [false, true] {
        let mut model = mlp();
        let loaded =
            if lenient { model.load_matching(&turned).map(|_| ()) } else { model.load_values(&turned) };
        let error = loaded.unwrap_err().to_string();
        assert_eq!(error, "head.weight: set: a value of [16, 2] for a parameter of [2, 16]");
        assert_eq!(apart(&model.named_values(), &before), 0.0);
    }
}
