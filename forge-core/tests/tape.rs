//! What the tape promises: no silent loss of a gradient, and no limit on depth.

#![allow(clippy::unwrap_used)]

use forge_core::nn::{Dropout, Init, Linear, Module};
use forge_core::optim::{Optimizer, Sgd};
use forge_core::{Cx, DType, Device, Param, Parameters, Tensor, parameters};

fn one(value: f32) -> Tensor {
    Tensor::new(&[value], &[1]).unwrap()
}

#[test]
fn a_loss_that_no_parameter_reaches_is_an_error() {
    let cx = Cx::train(0, 0);
    let error = one(1.0).mse(&one(2.0)).unwrap().backward(cx).err().unwrap().to_string();
    assert!(error.contains("depends on no parameter") && error.contains("cx.param"), "{error}");
    let layer = Linear::new(&Init::new(0), 1, 1).unwrap();
    let cx = Cx::infer();
    let y = layer.forward(&cx, &Tensor::new(&[1f32], &[1, 1]).unwrap()).unwrap();
    let error = y.backward(cx).err().unwrap().to_string();
    assert!(error.contains("Cx::infer()"), "{error}");
}

#[test]
fn two_contexts_and_a_consumed_one_are_errors() {
    let (a, b) = (Cx::train(0, 0), Cx::train(0, 0));
    let (x, y) = (a.track(&one(1.0)).unwrap(), b.track(&one(2.0)).unwrap());
    let error = (&x * &y).unwrap_err().to_string();
    assert_eq!(
        error,
        "mul: its operands are tracked by two different contexts; run the whole forward pass with one `Cx`"
    );
    let z = (&x * &x).unwrap();
    z.backward(a).unwrap();
    let error = (&z * &z).unwrap_err().to_string();
    assert!(error.starts_with("mul: the tape of this value was already consumed by `backward`"), "{error}");
    assert!(y.backward(Cx::train(0, 0)).err().unwrap().to_string().contains("another context"));
}

#[test]
fn a_loss_of_many_numbers_is_an_error() {
    let cx = Cx::train(0, 0);
    let x = cx.track(&Tensor::new(&[1f32, 2.0], &[2]).unwrap()).unwrap();
    let error = x.backward(cx).err().unwrap().to_string();
    assert_eq!(error, "backward: the loss must be one number, not [2]; reduce it with `.mean_all()`");
}

#[test]
fn a_million_nodes_neither_overflow_the_stack_nor_lose_the_gradient() {
    let cx = Cx::train(0, 0);
    let x = cx.track(&Tensor::new(&[1f64], &[1]).unwrap()).unwrap();
    let mut y = x.clone();
    for _ in 0..1_000_000 {
        y = y.add_scalar(1e-6).unwrap();
    }
    let grads = y.backward(cx).unwrap();
    assert_eq!(grads.wrt(&x).unwrap().item().unwrap(), 1.0);
}

struct Tied {
    weight: Param,
}
parameters!(Tied { weight });

#[test]
fn a_weight_used_twice_has_one_gradient_and_a_frozen_one_has_none() {
    let mut model = Tied { weight: Param::new(one(3.0)) };
    let cx = Cx::train(0, 0);
    let y = (&cx.param(&model.weight) * &cx.param(&model.weight)).unwrap();
    let grads = y.backward(cx).unwrap();
    assert_eq!(grads.of(&model.weight).unwrap().item().unwrap(), 6.0);
    // The step must see the gradient of the value that forward used, and the next forward the new value.
    Sgd::new(0.5).step(&mut model, &grads).unwrap();
    assert_eq!(Cx::infer().param(&model.weight).item().unwrap(), 0.0);
    model.weight.freeze(true);
    assert!(!Cx::train(0, 0).param(&model.weight).is_tracked());
    assert_eq!(model.parameter_count(), 0);
}

#[test]
fn a_snapshot_does_not_change_when_the_optimizer_steps() {
    let mut model = Tied { weight: Param::new(one(3.0)) };
    let before = model.weight.snapshot();
    let cx = Cx::train(0, 0);
    let grads = (&cx.param(&model.weight) * 2.0).unwrap().backward(cx).unwrap();
    Sgd::new(1.0).step(&mut model, &grads).unwrap();
    assert_eq!((before.item().unwrap(), model.weight.snapshot().item().unwrap()), (3.0, 1.0));
}

#[test]
fn an_error_names_the_layer() {
    let init = Init::new(0);
    let model = forge_core::nn::Sequential::new().with("head", Linear::new(&init, 12, 1).unwrap());
    let error = model.forward(&Cx::infer(), &Tensor::new(&[0f32; 320], &[32, 10]).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "head: linear: x of [32, 10] for a weight of [1, 12]: in features differ");
}

#[test]
fn dropout_repeats_with_its_seed_and_step_and_keeps_the_mean() {
    let layer = Dropout::new(0.25).unwrap();
    let x = Tensor::full(1.0, &[100_000], forge_core::DType::F32, &Device::cpu()).unwrap();
    let draw = |seed, step| layer.forward(&Cx::train(seed, step), &x).unwrap().to_vec::<f32>().unwrap();
    assert_eq!(draw(1, 5), draw(1, 5));
    assert_ne!(draw(1, 5), draw(1, 6));
    assert_ne!(draw(1, 5), draw(2, 5));
    let kept = draw(1, 5).iter().filter(|v| **v != 0.0).count() as f64 / 1e5;
    // Five standard errors of a share of 0.75.
    assert!((kept - 0.75).abs() < 5.0 * (0.75 * 0.25 / 1e5f64).sqrt(), "{kept}");
    assert!(draw(1, 5).iter().all(|v| *v == 0.0 || (*v - 1.0 / 0.75).abs() < 1e-6));
    assert_eq!(layer.forward(&Cx::infer(), &x).unwrap().to_vec::<f32>().unwrap()[7], 1.0);
}

struct Counted {
    weight: Param,
    seen: Param,
}
parameters!(Counted { weight, seen });

#[test]
fn a_buffer_is_written_by_the_step_and_by_nothing_before() {
    let mut model = Counted { weight: Param::new(one(2.0)), seen: Param::buffer(one(0.0)) };
    assert_eq!(model.parameter_count(), 1);
    model.seen.freeze(false);
    let mut sgd = Sgd::new(0.5).momentum(0.9);
    for step in 0..3 {
        let cx = Cx::train(0, step);
        let loss = cx.param(&model.weight).square().unwrap().sum_all().unwrap();
        cx.update(&model.seen, &model.seen.snapshot().add_scalar(5.0).unwrap()).unwrap();
        cx.update(&model.seen, &model.seen.snapshot().add_scalar(1.0).unwrap()).unwrap();
        let grads = loss.backward(cx).unwrap();
        assert_eq!(model.seen.snapshot().item().unwrap(), step as f64);
        sgd.step(&mut model, &grads).unwrap();
        assert_eq!(model.seen.snapshot().item().unwrap(), step as f64 + 1.0, "the last value asked for");
    }
    assert_eq!(sgd.state().len(), 1, "the velocity of the weight alone");
    let names: Vec<String> = model.named_values().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["weight", "seen"]);
    Cx::infer().update(&model.seen, &one(9.0)).unwrap();
    let error = Cx::train(0, 9).update(&model.weight, &one(9.0)).unwrap_err().to_string();
    assert!(error.contains("a weight of [1]; only a buffer"), "{error}");
}

/// A conversion would end the way of the gradient; it says so instead of giving a value that no tape knows.
#[test]
fn a_cast_of_a_tracked_value_is_refused() {
    let cx = Cx::train(0, 0);
    let x = cx.track(&Tensor::new(&[1.0f32, 2.0], &[2]).unwrap()).unwrap();
    let error = x.to_dtype(DType::F64).unwrap_err().to_string();
    assert_eq!(error, "to_dtype: conversions are not differentiated; call `.detach()` first");
    let error = x.to_device(&Device::cpu()).unwrap_err().to_string();
    assert_eq!(error, "to_device: conversions are not differentiated; call `.detach()` first");
    assert!(!x.detach().to_dtype(DType::F64).unwrap().is_tracked());
}
