//! Weights that a layer keeps in its kernel's order between predictions are those of the parameters, whoever wrote them.

#![allow(clippy::unwrap_used)]

use forge_core::nn::{Conv1d, Gru, Init, LastStep, Linear, Lstm, Module, Sequential};
use forge_core::ops::{ConvOptions, Padding};
use forge_core::optim::{Adam, Ema, Optimizer};
use forge_core::{Cx, DType, Device, Param, Parameters, Tensor};

fn model(seed: u64) -> Sequential {
    let init = Init::new(seed);
    let same = ConvOptions { padding: Padding::Same, ..ConvOptions::default() };
    Sequential::new()
        .with("conv", Conv1d::new(&init.within("conv"), 5, 5, [3], same).unwrap())
        .with("lstm", Lstm::new(&init.within("lstm"), 3, 10, 1, 0.0).unwrap())
        .with("gru", Gru::new(&init.within("gru"), 10, 7, 1, 0.0).unwrap())
        .with("last", LastStep)
        .with("head", Linear::new(&init.within("head"), 7, 2).unwrap())
}

fn x() -> Tensor {
    let values: Vec<f32> = (0..5 * 3).map(|i| (i as f32 * 0.7).sin()).collect();
    Tensor::new(&values, &[1, 5, 3]).unwrap()
}

fn predict(model: &Sequential) -> Vec<f32> {
    model.forward(&Cx::infer(), &x()).unwrap().to_vec().unwrap()
}

/// What a model predicts that has the same weights and has never predicted before.
fn afresh(model: &Sequential) -> Vec<f32> {
    let mut fresh = self::model(99);
    let copies = model
        .named_values()
        .into_iter()
        .map(|(name, value)| (name, Tensor::new(&value.to_vec::<f32>().unwrap(), value.shape()).unwrap()));
    fresh.load_values(&copies.collect::<Vec<_>>()).unwrap();
    predict(&fresh)
}

/// The predictions before and after a change of the weights, which must differ, and be those of the weights.
fn changed(model: &mut Sequential, what: &str, change: impl FnOnce(&mut Sequential)) {
    let before = predict(model);
    assert_eq!(before, predict(model), "before {what}");
    assert_eq!(before, afresh(model), "before {what}");
    change(model);
    assert_ne!(predict(model), before, "{what}");
    assert_eq!(predict(model), afresh(model), "after {what}");
}

fn step(model: &mut Sequential, adam: &mut Adam) {
    let cx = Cx::train(0, 0);
    let grads = model.forward(&cx, &x()).unwrap().square().unwrap().sum_all().unwrap().backward(cx).unwrap();
    adam.step(model, &grads).unwrap();
}

#[test]
fn a_step_of_the_optimizer_a_load_and_a_conversion_are_seen() {
    let mut model = model(1);
    let mut adam = Adam::new(0.1);
    changed(&mut model, "a step", |m| step(m, &mut adam));
    changed(&mut model, "a second step", |m| step(m, &mut adam));
    let best = model.named_values();
    changed(&mut model, "a step away from the best", |m| step(m, &mut adam));
    changed(&mut model, "restoring the best", |m| m.load_values(&best).unwrap());
    changed(&mut model, "loading others", |m| m.load_values(&self::model(2).named_values()).unwrap());
    let single = predict(&model);
    model.convert(DType::F64, &Device::cpu()).unwrap();
    let double = model.forward(&Cx::infer(), &x().to_dtype(DType::F64).unwrap()).unwrap();
    for (a, b) in single.iter().zip(double.to_f64_vec().unwrap()) {
        assert!((f64::from(*a) - b).abs() < 1e-5);
    }
}

/// The layer that packs keeps the four weights under one of them: a change of any must be seen.
#[test]
fn one_weight_that_is_written_in_place_is_enough() {
    let recurrent = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        .iter()
        .flat_map(|name| ["lstm", "gru"].map(|layer| format!("{layer}.{name}*")));
    for name in recurrent.chain(["conv.weight".into(), "conv.bias".into()]) {
        let mut model = model(3);
        let mut adam = Adam::new(0.1);
        changed(&mut model, &name, |m| {
            m.freeze("*", true).unwrap();
            m.freeze(&name, false).unwrap();
            step(m, &mut adam);
        });
    }
}

/// One weight may be that of convolutions whose order of it differs.
#[test]
fn groups_that_share_a_weight_do_not_share_its_order() {
    let values = |count: usize| (0..count).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
    let weight = || Tensor::new(&values(24), &[4, 2, 3]).unwrap();
    let shared = weight();
    for groups in [1, 2, 1, 2] {
        let x = Tensor::new(&values(10 * groups), &[1, 2 * groups, 5]).unwrap();
        let options = ConvOptions { groups, ..ConvOptions::default() };
        let of = |w: &Tensor| x.conv1d(w, None, &options).unwrap().to_vec::<f32>().unwrap();
        assert_eq!(of(&shared), of(&weight()), "{groups} groups");
    }
}

#[test]
fn averaged_weights_and_back() {
    let mut model = model(4);
    let mut adam = Adam::new(0.1);
    let mut ema = Ema::new(0.5).unwrap();
    for _ in 0..3 {
        step(&mut model, &mut adam);
        ema.update(&model).unwrap();
    }
    let trained = predict(&model);
    changed(&mut model, "the average", |m| ema.swap(m).unwrap());
    changed(&mut model, "the weights again", |m| ema.swap(m).unwrap());
    assert_eq!(predict(&model), trained);
}

/// A step between forward and backward writes to a copy: backward goes through the weights of its forward, and a
/// prediction through the new ones.
#[test]
fn a_step_between_forward_and_backward() {
    let gradients = |between: bool| {
        let mut model = model(5);
        let mut adam = Adam::new(0.1);
        predict(&model);
        let cx = Cx::train(0, 0);
        let loss = model.forward(&cx, &x()).unwrap().square().unwrap().sum_all().unwrap();
        if between {
            changed(&mut model, "a step in between", |m| step(m, &mut adam));
        }
        let grads = loss.backward(cx).unwrap();
        let mut all = Vec::new();
        model.visit(&mut String::new(), &mut |_, p: &Param| {
            all.push(grads.of(p).unwrap().to_vec::<f32>().unwrap())
        });
        all
    };
    assert_eq!(gradients(false), gradients(true));
}

/// One tensor as the weight of two layers of different sizes of operands: what is kept for one is not taken for the other.
#[test]
fn a_tied_weight_serves_both() {
    use forge_core::backend::LstmArgs;
    let noise = |shape: &[usize], k: f32| {
        let count: usize = shape.iter().product();
        Tensor::new(&(0..count).map(|i| (i as f32 * k).sin()).collect::<Vec<_>>(), shape).unwrap()
    };
    let state = noise(&[1, 4], 0.3);
    let (w_hh, bias) = (noise(&[16, 4], 0.9), noise(&[16], 0.2));
    let args = |w_ih: &Tensor, features: usize| LstmArgs {
        x: noise(&[1, 6, features], 0.5),
        h0: state.clone(),
        c0: state.clone(),
        w_ih: w_ih.clone(),
        w_hh: w_hh.clone(),
        b_ih: bias.clone(),
        b_hh: bias.clone(),
        lengths: None,
        reverse: false,
    };
    let run = |args: &LstmArgs| forge_core::ops::lstm(args).unwrap().y.to_vec::<f32>().unwrap();
    let (narrow, wide) = (args(&noise(&[16, 2], 0.8), 2), args(&noise(&[16, 4], 0.4), 4));
    let tied = args(&w_hh, 4);
    let alone = |args: &LstmArgs| {
        let w_hh = noise(&[16, 4], 0.9);
        run(&LstmArgs { w_hh, ..args.clone() })
    };
    for args in [&narrow, &wide, &tied, &narrow, &tied, &wide] {
        assert_eq!(run(args), alone(args));
    }
}
