//! Layers against PyTorch's: state dicts by its names, the same results, running statistics and gradients at ties. The file
//! `golden/images.safetensors` holds what its script `images.py` computed.

#![allow(clippy::unwrap_used)]

use forge_core::nn::{Activation, Flatten, Init, Module, Sequential};
use forge_core::nn::{
    AdaptiveAvgPool1d, AdaptiveAvgPool2d, AvgPool1d, AvgPool2d, GlobalPool, MaxPool1d, MaxPool2d,
};
use forge_core::nn::{BatchNorm, Conv1d, Conv2d, ConvTranspose2d, GroupNorm, LayerNorm, ResidualBlock};
use forge_core::ops::{ConvOptions, ConvTransposeOptions, Padding, PoolOptions};
use forge_core::optim::{Optimizer, Sgd};
use forge_core::{Cx, Parameters, Result, Tensor, checkpoint};
use std::path::Path;

struct Golden(Vec<(String, Tensor)>);

impl Golden {
    fn load() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images.safetensors");
        Golden(checkpoint::load(&path).unwrap().tensors)
    }

    fn get(&self, name: &str) -> Option<&Tensor> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, t)| t)
    }

    fn tensor(&self, name: &str) -> &Tensor {
        self.get(name).unwrap_or_else(|| panic!("no golden tensor {name}"))
    }

    fn under(&self, prefix: &str) -> Vec<(String, Tensor)> {
        let strip = |(n, t): &(String, Tensor)| Some((n.strip_prefix(prefix)?.to_owned(), t.clone()));
        self.0.iter().filter_map(strip).collect()
    }
}

/// Equal to 10⁻⁵ of the largest element.
fn assert_close(what: &str, found: &Tensor, wanted: &Tensor) {
    assert_eq!(found.shape(), wanted.shape(), "{what}");
    let wanted = wanted.to_f64_vec().unwrap();
    let top = wanted.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.to_f64_vec().unwrap().iter().zip(&wanted).enumerate() {
        assert!((a - b).abs() <= 1e-5 * top, "{what}: element {i} is {a}, not {b}");
    }
}

fn layers() -> Vec<(&'static str, Box<dyn Module>)> {
    let init = &Init::new(1);
    let plain = ConvOptions::<2>::default();
    let sequence = ConvOptions::<1>::default();
    let transpose = ConvTransposeOptions {
        stride: [2, 3],
        padding: [[1, 1], [0, 0]],
        output_padding: [1, 2],
        dilation: [1, 2],
        groups: 2,
        ..ConvTransposeOptions::default()
    };
    let strided = ConvOptions { stride: [2], padding: Padding::all(2), dilation: [2], groups: 2, ..sequence };
    let same = ConvOptions { padding: Padding::Same, dilation: [3], ..sequence };
    let uneven =
        ConvOptions { stride: [2, 1], padding: Padding::Zeros([[1, 1], [2, 2]]), dilation: [1, 2], ..plain };
    let depthwise = ConvOptions { groups: 4, ..plain };
    vec![
        ("conv1d", Box::new(Conv1d::new(init, 4, 6, [3], strided).unwrap())),
        ("conv1d_same", Box::new(Conv1d::new(init, 2, 3, [4], same).unwrap())),
        ("conv2d", Box::new(Conv2d::new(init, 3, 4, [3, 2], uneven).unwrap())),
        ("conv2d_depthwise", Box::new(Conv2d::new(init, 4, 8, [3, 3], depthwise).unwrap().without_bias())),
        ("conv_transpose2d", Box::new(ConvTranspose2d::new(init, 4, 6, [3, 2], transpose).unwrap())),
        ("batch_norm1d", Box::new(BatchNorm::new(init, 3).unwrap().eps(1e-3))),
        ("batch_norm2d", Box::new(BatchNorm::new(init, 3).unwrap().momentum(Some(0.3)))),
        ("batch_norm_mean", Box::new(BatchNorm::new(init, 2).unwrap().momentum(None))),
        ("batch_norm_plain", Box::new(BatchNorm::new(init, 2).unwrap().without_affine())),
        ("layer_norm", Box::new(LayerNorm::new(init, &[3, 4]).unwrap())),
        ("layer_norm_no_bias", Box::new(LayerNorm::new(init, &[4]).unwrap().without_bias())),
        ("group_norm", Box::new(GroupNorm::new(init, 2, 6).unwrap().eps(1e-3))),
        ("residual", Box::new(ResidualBlock::new(init, 2, 4, 2).unwrap())),
        ("residual_same", Box::new(ResidualBlock::new(init, 3, 3, 1).unwrap())),
    ]
}

#[test]
fn a_state_dict_of_pytorch_gives_the_same_results() {
    let golden = Golden::load();
    for (name, mut layer) in layers() {
        layer.load_values(&golden.under(&format!("{name}.state."))).unwrap();
        let x = golden.tensor(&format!("{name}.x"));
        let y = layer.forward(&Cx::infer(), x).unwrap();
        assert_close(name, &y, golden.tensor(&format!("{name}.y")));
    }
}

#[test]
fn batch_norms_train_and_keep_running_statistics_as_pytorch_does() {
    let golden = Golden::load();
    let mut checked = 0;
    for (name, mut layer) in layers() {
        let Some(wanted) = golden.get(&format!("{name}.train")) else { continue };
        layer.load_values(&golden.under(&format!("{name}.state."))).unwrap();
        let cx = Cx::train(0, 0);
        let x = cx.track(golden.tensor(&format!("{name}.x"))).unwrap();
        let y = layer.forward(&cx, &x).unwrap();
        assert_close(&format!("{name} in training"), &y, wanted);
        let grads = y.sum_all().unwrap().backward(cx).unwrap();
        // Nothing is written before the step.
        let state = golden.under(&format!("{name}.state."));
        for (key, value) in layer.named_values() {
            let before = &state.iter().find(|(k, _)| *k == key).unwrap().1;
            assert_eq!(value.to_f64_vec().unwrap(), before.to_f64_vec().unwrap(), "{name}.{key}");
        }
        Sgd::new(0.0).step(&mut *layer, &grads).unwrap();
        let after = layer.named_values();
        for (key, wanted) in golden.under(&format!("{name}.after.")) {
            let found = &after.iter().find(|(k, _)| *k == key).unwrap().1;
            assert_close(&format!("{name}.{key} after a batch"), found, &wanted);
            checked += 1;
        }
    }
    // Four norms of their own, five in the residual blocks, with three buffers each.
    assert_eq!(checked, 27);
}

/// A norm that runs twice in one pass counts both batches, as in PyTorch, where each run writes.
#[test]
fn a_batch_norm_that_runs_twice_tracks_both_batches() {
    let mut layer = BatchNorm::new(&Init::new(0), 1).unwrap();
    let cx = Cx::train(0, 0);
    let batch = |values: &[f32]| Tensor::new(values, &[values.len(), 1]).unwrap();
    let first = layer.forward(&cx, &batch(&[1.0, 3.0])).unwrap();
    let second = layer.forward(&cx, &batch(&[10.0, 20.0])).unwrap();
    let loss = (&first + &second).unwrap().sum_all().unwrap();
    let grads = loss.backward(cx).unwrap();
    Sgd::new(0.0).step(&mut layer, &grads).unwrap();
    let state = layer.named_values();
    let of = |key: &str| state.iter().find(|(k, _)| k == key).unwrap().1.item().unwrap();
    assert!((of("running_mean") - (0.9 * 0.2 + 1.5)).abs() < 1e-6);
    assert!((of("running_var") - (0.9 * 1.1 + 5.0)).abs() < 1e-6);
    assert_eq!(of("num_batches_tracked"), 2.0);
}

#[test]
fn pools_give_pytorchs_results_and_gradients_at_ties() {
    let golden = Golden::load();
    let ceil = PoolOptions { stride: [2, 2], padding: [[1; 2]; 2], ceil: true, ..PoolOptions::new([3, 3]) };
    let row = PoolOptions { stride: [2], padding: [[1, 1]], ..PoolOptions::new([3]) };
    let dilated = PoolOptions {
        stride: [2, 1],
        padding: [[1, 1], [0, 0]],
        dilation: [1, 2],
        ..PoolOptions::new([3, 2])
    };
    let sparse = PoolOptions { stride: [2, 3], padding: [[1; 2]; 2], ceil: true, ..PoolOptions::new([3, 2]) };
    struct AdaptiveMax;
    forge_core::parameters!(AdaptiveMax {});
    impl Module for AdaptiveMax {
        fn forward(&self, _cx: &Cx, x: &Tensor) -> Result<Tensor> {
            x.adaptive_max_pool2d([3, 4])
        }
        fn describe(&self) -> String {
            "adaptive_max_pool2d".into()
        }
    }
    let pools: [(&str, Box<dyn Module>); 11] = [
        ("max_pool1d", Box::new(MaxPool1d::new(PoolOptions { ceil: true, ..row }))),
        ("max_pool2d", Box::new(MaxPool2d::new(dilated))),
        ("max_pool2d_ceil", Box::new(MaxPool2d::new(ceil))),
        ("avg_pool1d", Box::new(AvgPool1d::new(row))),
        ("avg_pool2d", Box::new(AvgPool2d::new(sparse))),
        ("avg_pool2d_inside", Box::new(AvgPool2d::new(PoolOptions { count_padding: false, ..ceil }))),
        ("adaptive_avg_pool1d", Box::new(AdaptiveAvgPool1d::new([3]))),
        ("adaptive_avg_pool2d", Box::new(AdaptiveAvgPool2d::new([3, 2]))),
        ("adaptive_max_pool2d", Box::new(AdaptiveMax)),
        ("global_avg_pool", Box::new(GlobalPool::Average)),
        ("global_max_pool", Box::new(GlobalPool::Max)),
    ];
    for (name, pool) in pools {
        let cx = Cx::train(0, 0);
        let x = cx.track(golden.tensor(&format!("{name}.x"))).unwrap();
        let y = pool.forward(&cx, &x).unwrap();
        assert_close(name, &y, golden.tensor(&format!("{name}.y")));
        let grads = y.sum_all().unwrap().backward(cx).unwrap();
        assert_close(
            &format!("{name}'s gradient"),
            grads.wrt(&x).unwrap(),
            golden.tensor(&format!("{name}.grad")),
        );
    }
}

#[test]
fn layers_that_cannot_be_say_why() {
    let init = Init::new(0);
    let say = |result: Result<()>| result.unwrap_err().to_string();
    let grouped = ConvOptions::<2> { groups: 2, ..ConvOptions::default() };
    assert_eq!(
        say(Conv2d::new(&init, 3, 4, [3, 3], grouped).map(drop)),
        "conv: in_channels 3, out_channels 4 and kernel [3, 3] must be at least 1, and groups 2 must divide the channels"
    );
    let none = ConvTransposeOptions { groups: 0, ..ConvTransposeOptions::default() };
    assert_eq!(
        say(ConvTranspose2d::new(&init, 3, 4, [3, 3], none).map(drop)),
        "conv_transpose2d: in_channels 3, out_channels 4 and kernel [3, 3] must be at least 1, and groups 0 must divide \
         the channels"
    );
    assert_eq!(say(GroupNorm::new(&init, 2, 3).map(drop)), "group_norm: 2 groups do not divide 3 channels");
    assert_eq!(
        say(LayerNorm::new(&init, &[2, 0]).map(drop)),
        "layer_norm: a shape of [2, 0] holds nothing to normalise"
    );
    let x = Tensor::new(&[0f32; 6], &[2, 3]).unwrap();
    assert_eq!(
        say(LayerNorm::new(&init, &[4]).unwrap().forward(&Cx::infer(), &x).map(drop)),
        "layer_norm: [2, 3] does not end in [4]"
    );
    assert_eq!(
        say(BatchNorm::new(&init, 4).unwrap().forward(&Cx::infer(), &x).map(drop)),
        "batch_norm_by: weight is [4], not [3], for [2, 3]"
    );
}

/// Convolution, activation and max-pooling become one node when a `Sequential` is built, whatever the order, with the
/// result and the gradients of the layers one after the other.
#[test]
fn a_sequential_that_fuses_gives_what_its_layers_give() {
    let init = Init::new(3);
    let conv = || Conv2d::new(&init, 2, 5, [3, 3], ConvOptions::default()).unwrap();
    let pool = || MaxPool2d::new(PoolOptions { stride: [1, 2], ..PoolOptions::new([2, 2]) });
    let numbers: Vec<f32> = (0..2 * 2 * 81).map(|i| ((i * 37 % 101) as f32 - 50.0) / 25.0).collect();
    let x = Tensor::new(&numbers, &[2, 2, 9, 9]).unwrap();
    let layers: [Vec<Box<dyn Module>>; 4] = [
        vec![Box::new(conv()), Box::new(pool())],
        vec![Box::new(conv()), Box::new(Activation::relu()), Box::new(pool())],
        vec![Box::new(conv()), Box::new(pool()), Box::new(Activation::tanh())],
        vec![Box::new(conv()), Box::new(pool()), Box::new(pool()), Box::new(Activation::relu())],
    ];
    let fused = [
        Sequential::new().with("c", conv()).with("p", pool()),
        Sequential::new().with("c", conv()).with("r", Activation::relu()).with("p", pool()),
        Sequential::new().with("c", conv()).with("p", pool()).with("t", Activation::tanh()),
        Sequential::new()
            .with("c", conv())
            .with("p", pool())
            .with("q", pool())
            .with("r", Activation::relu())
            .with("f", Flatten),
    ];
    let pooled = "conv2d(2 → 5, kernel [3, 3], stride [1, 1]) → max_pool2d(kernel [2, 2], stride [1, 2])";
    assert_eq!(fused[0].describe(), pooled);
    for (layers, fused) in layers.iter().zip(&fused) {
        let what = fused.describe();
        let run = |forward: &dyn Fn(&Cx, &Tensor) -> Result<Tensor>| {
            let cx = Cx::train(0, 0);
            let x = cx.track(&x).unwrap();
            let y = Flatten.forward(&cx, &forward(&cx, &x).unwrap()).unwrap();
            let loss = y.square().unwrap().sum_all().unwrap();
            let grads = loss.backward(cx).unwrap();
            (y.detach(), grads.wrt(&x).unwrap().clone())
        };
        let one_by_one = run(&|cx, x| layers.iter().try_fold(x.clone(), |y, layer| layer.forward(cx, &y)));
        let at_once = run(&|cx, x| fused.forward(cx, x));
        assert_close(&what, &at_once.0, &one_by_one.0);
        assert_close(&format!("{what}: gradient"), &at_once.1, &one_by_one.1);
    }
}
