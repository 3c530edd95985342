//! What a steady training step asks the system for: nothing. What one step gives back serves the next.

#![allow(clippy::unwrap_used)]

use forge_core::data::{Dataset, TensorDataset};
use forge_core::nn::{
    Activation, AvgPool2d, BatchNorm, Conv2d, Dropout, Flatten, Init, LastStep, Linear, Lstm, MaxPool2d,
    Module, Sequential,
};
use forge_core::ops::{Attend, ConvOptions, Padding, PoolOptions, attention};
use forge_core::optim::{Adam, Optimizer};
use forge_core::rng::Stream;
use forge_core::{Cx, Device, Tensor};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, counting while it is told to.
struct Counting;

thread_local! {
    /// Of this thread alone: the test harness allocates in others. With one thread it does all the work.
    static ON: Cell<bool> = const { Cell::new(false) };
}
static ALL: AtomicUsize = AtomicUsize::new(0);
fn count() {
    if ON.get() {
        ALL.fetch_add(1, Relaxed);
    }
}

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Held by the test that counts.
static ALONE: Mutex<()> = Mutex::new(());

/// Allocations of any size in ten steps of forward, loss, backward, clipping and Adam, after some that warm up.
fn in_ten_steps(model: impl FnOnce(&Init) -> Sequential, x: &[usize], y: &[usize]) -> usize {
    let _alone = ALONE.lock();
    forge_core::set_threads(1);
    let mut model = model(&Init::new(1));
    let noise = Stream::new(2, "data");
    let draw = |shape: &[usize]| {
        let count = shape.iter().product();
        Tensor::new(&(0..count).map(|i| noise.normal(i) as f32).collect::<Vec<_>>(), shape).unwrap()
    };
    let (x, y) = (draw(x), draw(y));
    let mut adam = Adam::new(1e-3);
    let mut step = |number: u64| {
        let cx = Cx::train(0, number);
        let loss = model.forward(&cx, &x).unwrap().mse(&y).unwrap();
        assert!(loss.item().unwrap().is_finite());
        let mut grads = loss.backward(cx).unwrap();
        grads.clip_norm(1.0).unwrap();
        adam.step(&mut model, &grads).unwrap();
    };
    (0..4).for_each(&mut step);
    let before = ALL.load(Relaxed);
    ON.set(true);
    drop(std::hint::black_box(Vec::<u8>::with_capacity(1)));
    (4..14).for_each(&mut step);
    ON.set(false);
    let all = ALL.load(Relaxed) - before;
    assert!(all > 0, "nothing was counted");
    all - 1
}

/// LSTM 1 → 50 over 60 time steps in batches of 32, last step → linear 1.
#[test]
fn a_steady_step_of_an_lstm_allocates_nothing() {
    let model = |init: &Init| {
        Sequential::new()
            .with("lstm", Lstm::new(&init.within("lstm"), 1, 50, 1, 0.0).unwrap())
            .with("last", LastStep)
            .with("head", Linear::new(&init.within("head"), 50, 1).unwrap())
    };
    assert_eq!(in_ten_steps(model, &[32, 60, 1], &[32, 1]), 0);
}

/// Convolutions with what is fused to them and without: 28 × 28 × 1 in batches of 8 by way of 4 and 17 channels.
#[test]
fn a_steady_step_of_a_cnn_allocates_nothing() {
    let model = |init: &Init| {
        let around = ConvOptions { padding: Padding::all(1), ..ConvOptions::default() };
        let conv = |name: &str, from: usize, to: usize| {
            Conv2d::new(&init.within(name), from, to, [3, 3], around).unwrap()
        };
        let halve = || MaxPool2d::new(PoolOptions::new([2, 2]));
        Sequential::new()
            .with("a", conv("a", 1, 4))
            .with("relu", Activation::relu())
            .with("pool", halve())
            .with("b", conv("b", 4, 17))
            .with("tanh", Activation::tanh())
            .with("mean", AvgPool2d::new(PoolOptions::new([2, 2])))
            .with("c", conv("c", 17, 2))
            .with("again", halve())
            .with("flatten", Flatten)
    };
    assert_eq!(in_ten_steps(model, &[8, 1, 28, 28], &[8, 18]), 0);
}

#[test]
fn a_steady_step_of_a_perceptron_allocates_nothing() {
    let model = |init: &Init| {
        Sequential::new()
            .with("a", Linear::new(&init.within("a"), 8, 32).unwrap())
            .with("tanh", Activation::tanh())
            .with("dropout", Dropout::new(0.1).unwrap())
            .with("b", Linear::new(&init.within("b"), 32, 1).unwrap())
    };
    assert_eq!(in_ten_steps(model, &[32, 8], &[32, 1]), 0);
}

/// Its running statistics included.
#[test]
fn a_steady_step_of_a_batch_norm_allocates_nothing() {
    let model = |init: &Init| {
        Sequential::new()
            .with("norm", BatchNorm::new(&init.within("norm"), 5).unwrap())
            .with("relu", Activation::relu())
            .with("flatten", Flatten)
    };
    assert_eq!(in_ten_steps(model, &[4, 5, 6, 6], &[4, 180]), 0);
}

/// What a CNN with batch norm and a transformer are made of beside products: embedding, the three norms, attention with
/// and without dropout, maps and cross entropy, forward and backward.
#[test]
fn a_steady_step_of_norms_attention_and_cross_entropy_allocates_nothing() {
    let _alone = ALONE.lock();
    forge_core::set_threads(1);
    let noise = Stream::new(2, "data");
    let draw = |shape: &[usize]| {
        let count = shape.iter().product();
        Tensor::new(&(0..count).map(|i| noise.normal(i) as f32).collect::<Vec<_>>(), shape).unwrap()
    };
    let (table, weight, bias) = (draw(&[30, 12]), draw(&[12]), draw(&[12]));
    let index = Tensor::new(&(0..20).map(|i| i * 7 % 30).collect::<Vec<i64>>(), &[4, 5]).unwrap();
    let target = Tensor::new(&(0..20).map(|i| i % 12).collect::<Vec<i64>>(), &[20]).unwrap();
    let step = |number: u64| {
        let cx = Cx::train(0, number);
        let [table, weight, bias] = [&table, &weight, &bias].map(|t| cx.track(t).unwrap());
        let (weight, bias) = (Some(&weight), Some(&bias));
        let x = table.embedding(&index, Some(3)).unwrap().layer_norm(1, weight, bias, 1e-5).unwrap();
        let heads = x.reshape(&[4, 5, 3, 4]).unwrap().permute(&[0, 2, 1, 3]).unwrap();
        let mut y = heads.clone();
        for dropout in [None, Some((0.1, cx.stream()))] {
            let how = Attend { causal: true, dropout, ..Attend::default() };
            y = attention(&y, &heads, &heads, &how).unwrap();
        }
        let y = y.permute(&[0, 2, 1, 3]).unwrap().reshape(&[4, 5, 12]).unwrap().gelu().unwrap();
        let y = y.permute(&[0, 2, 1]).unwrap().batch_norm(weight, bias, 1e-5).unwrap().y;
        let y = y.group_norm(3, weight, bias, 1e-5).unwrap().silu().unwrap();
        let y = y.permute(&[0, 2, 1]).unwrap().reshape(&[20, 12]).unwrap();
        let loss = y.cross_entropy(&target).unwrap();
        assert!(loss.item().unwrap().is_finite());
        drop(loss.backward(cx).unwrap());
    };
    (0..4).for_each(step);
    let before = ALL.load(Relaxed);
    ON.set(true);
    drop(std::hint::black_box(Vec::<u8>::with_capacity(1)));
    (4..14).for_each(step);
    ON.set(false);
    assert_eq!(ALL.load(Relaxed) - before, 1, "the one that shows that they are counted");
}

#[test]
fn a_batch_is_gathered_without_an_allocation_for_each_sample() {
    let _alone = ALONE.lock();
    forge_core::set_threads(1);
    let x = Tensor::new(&[0.5f32; 4096 * 3], &[4096, 3]).unwrap();
    let data = TensorDataset::new(x.clone(), x).unwrap();
    let order: Vec<usize> = (0..4096).rev().collect();
    let count = |samples: usize| {
        let gather = || drop(data.batch(&order[..samples], &Device::cpu()).unwrap());
        (0..3).for_each(|_| gather());
        let before = ALL.load(Relaxed);
        ON.set(true);
        gather();
        ON.set(false);
        ALL.load(Relaxed) - before
    };
    let (few, many) = (count(8), count(2048));
    assert!(few > 0, "nothing was counted");
    assert_eq!(few, many, "allocations of a batch of 8 and of 2048");
}
