//! Tensors are let go: what is held after a piece of work is what was held before, on a device of the test's own.

#![allow(clippy::unwrap_used)]

use forge_core::backend::Cpu;
use forge_core::data::TensorDataset;
use forge_core::learn::{EarlyStopping, Learner, predict};
use forge_core::nn::{Dropout, Init, LastStep, Linear, Lstm, Module, Sequential};
use forge_core::optim::{Adam, Ema, Optimizer};
use forge_core::rng::Stream;
use forge_core::{Cx, Device, Result, Tensor};

fn model(device: &Device) -> Sequential {
    let init = Init::new(3).on(device);
    Sequential::new()
        .with("lstm", Lstm::new(&init.within("lstm"), 2, 6, 2, 0.2).unwrap())
        .with("last", LastStep)
        .with("dropout", Dropout::new(0.1).unwrap())
        .with("head", Linear::new(&init.within("head"), 6, 1).unwrap())
}

fn noise(name: &str, shape: &[usize], device: &Device) -> Tensor {
    let stream = Stream::new(5, name);
    let count = shape.iter().product();
    Tensor::from_vec((0..count).map(|i| stream.normal(i) as f32).collect(), shape, device).unwrap()
}

#[test]
fn a_training_gives_back_every_tensor() {
    let device = Device::new(Cpu::new());
    let before = device.handles();
    {
        let data = |name: &str| {
            let (x, y) = (format!("{name} x"), format!("{name} y"));
            TensorDataset::new(noise(&x, &[20, 5, 2], &device), noise(&y, &[20, 1], &device)).unwrap()
        };
        let (mut model, mut adam) = (model(&device), Adam::new(0.01));
        let learner = Learner::new("memory").epochs(3).batch_size(4).device(&device).clip_norm(1.0);
        let learner = learner.callback(EarlyStopping::new("val.loss", 9)).ema(Ema::new(0.9).unwrap());
        let learner = learner.accumulate(2).prefetch(2);
        learner.fit(&mut model, &mut adam, &data("train"), Some(&data("val"))).unwrap();
        assert_eq!(predict(&model, &data("val"), 7, &device).unwrap().shape(), [20, 1]);
        assert!(device.handles() > before, "nothing lived on the device");
    }
    assert_eq!(device.handles(), before, "tensors are still held");
}

#[test]
fn a_step_holds_nothing_that_the_step_before_did_not() {
    let device = Device::new(Cpu::new());
    let (mut model, mut adam) = (model(&device), Adam::new(0.01));
    let (x, y) = (noise("x", &[8, 5, 2], &device), noise("y", &[8, 1], &device));
    let mut step = |number: u64| {
        let cx = Cx::train(0, number);
        let grads = model.forward(&cx, &x).unwrap().mse(&y).unwrap().backward(cx).unwrap();
        adam.step(&mut model, &grads).unwrap();
        drop(grads);
        // Tensors of a pass that fails halfway, and of one that nobody differentiates.
        let wide = Tensor::from_vec(vec![0.5f32; 24], &[1, 8, 3], &device).unwrap();
        assert!(model.forward(&Cx::train(0, number), &wide).is_err());
        model.forward(&Cx::train(0, number), &x).unwrap();
        device.handles()
    };
    let first = step(0);
    assert!((1..20).all(|number| step(number) == first));
}

/// What a node of two operands keeps until the backward pass: those that a wanted derivative reads, and no others.
#[test]
fn a_node_keeps_only_what_its_derivatives_read() {
    let device = Device::new(Cpu::new());
    // How many of two operands are still held by the result, when each wants a gradient or does not.
    let kept = |run: fn(&Tensor, &Tensor) -> Result<Tensor>, wants: [bool; 2]| {
        let cx = Cx::train(0, 0);
        let operand = |name: &str, wanted: bool| {
            let x = noise(name, &[3, 2], &device);
            if wanted { (-&cx.track(&x).unwrap()).unwrap() } else { x }
        };
        let (a, b) = (operand("a", wants[0]), operand("b", wants[1]));
        let y = run(&a, &b).unwrap();
        let before = device.handles();
        drop((a, b));
        let held = 2 - (before - device.handles());
        drop(y);
        held
    };
    let both = [true, true];
    assert_eq!(kept(|a, b| a + b, both), 0);
    assert_eq!(kept(|a, b| a - b, both), 0);
    assert_eq!(kept(|a, b| a * b, both), 2);
    assert_eq!(kept(|a, b| a * b, [true, false]), 1, "the right operand");
    assert_eq!(kept(|a, b| a * b, [false, true]), 1, "the left operand");
    assert_eq!(kept(|a, b| a / b, both), 2);
    assert_eq!(kept(|a, b| a / b, [true, false]), 1, "the divisor");
    assert_eq!(kept(|a, b| a / b, [false, true]), 2);
    assert_eq!(kept(|a, b| a.maximum(b), [true, false]), 2);
}

/// Each node keeps its operand, so a million tensors live at once.
#[test]
fn a_million_nodes_are_let_go_with_and_without_a_backward_pass() {
    let device = Device::new(Cpu::new());
    let one = Tensor::from_vec(vec![1.0f32], &[1], &device).unwrap();
    let before = device.handles();
    for backward in [true, false] {
        let cx = Cx::train(0, 0);
        let x = cx.track(&one).unwrap();
        let mut y = x.clone();
        for _ in 0..1_000_000 {
            y = y.abs().unwrap();
        }
        assert!(device.handles() > before + 999_990, "the nodes kept nothing");
        if backward {
            let grads = y.backward(cx).unwrap();
            assert_eq!(grads.wrt(&x).unwrap().item().unwrap(), 1.0);
            drop((grads, x, y));
        } else {
            drop((cx, x, y));
        }
        assert_eq!(device.handles(), before, "backward: {backward}");
    }
}
