//! Initialisations: their formulas against PyTorch's constants, their distributions against theory.

#![allow(clippy::unwrap_used)]

use forge_core::backend::Scalar;
use forge_core::checkpoint;
use forge_core::nn::{
    BatchNorm, Conv1d, Conv2d, ConvTranspose2d, Embedding, GroupNorm, Gru, LayerNorm, Linear, Lstm,
};
use forge_core::nn::{Fan, Gain, Init, Initial, MultiHeadAttention, TransformerEncoderLayer};
use forge_core::ops::{ConvOptions, ConvTransposeOptions};
use forge_core::rng::Stream;
use forge_core::{DType, Parameters, Tensor};
use std::path::Path;

/// The weight whose fans the golden file holds.
const SHAPE: [usize; 4] = [6, 4, 3, 2];

fn golden(name: &str) -> Vec<f64> {
    numbers(&file("images"), name)
}

fn file(name: &str) -> Vec<(String, Tensor)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/{name}.safetensors"));
    checkpoint::load(&path).unwrap().tensors
}

fn numbers(tensors: &[(String, Tensor)], name: &str) -> Vec<f64> {
    let tensor = tensors.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}"));
    tensor.1.to_f64_vec().unwrap()
}

fn draw(initial: Initial, shape: &[usize]) -> Vec<f64> {
    initial.draw(shape, &Stream::new(17, "init")).unwrap()
}

/// What every element of one rule is times that of another, both drawn from the same random numbers.
fn ratio(of: Initial, to: Initial) -> f64 {
    let (a, b) = (draw(of, &SHAPE), draw(to, &SHAPE));
    let ratio = a[0] / b[0];
    assert!(a.iter().zip(&b).all(|(a, b)| (a - ratio * b).abs() <= 1e-14 * ratio.abs()));
    ratio
}

#[test]
fn gains_and_fans_are_pytorchs() {
    for (name, gain) in [
        ("linear", Gain::Linear),
        ("tanh", Gain::Tanh),
        ("relu", Gain::Relu),
        ("leaky_relu", Gain::LeakyRelu(0.2)),
        ("selu", Gain::Selu),
    ] {
        let wanted = golden(&format!("gain.{name}"))[0];
        assert!((gain.factor() - wanted).abs() < 1e-15, "{name}: {} for {wanted}", gain.factor());
    }
    let (unit, bell) = (Initial::Uniform { low: -1.0, high: 1.0 }, Initial::Normal { mean: 0.0, std: 1.0 });
    let fans = golden("fans");
    let gain = Gain::Tanh;
    let close = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-14, "{found} for {wanted}");
    let both = fans[0] + fans[1];
    close(ratio(Initial::XavierUniform { gain }, unit), 5.0 / 3.0 * (6.0 / both).sqrt());
    close(ratio(Initial::XavierNormal { gain }, bell), 5.0 / 3.0 * (2.0 / both).sqrt());
    for (fan, size) in [(Fan::In, fans[0]), (Fan::Out, fans[1])] {
        close(ratio(Initial::KaimingUniform { fan, gain: Gain::Relu }, unit), (6.0 / size).sqrt());
        close(ratio(Initial::KaimingNormal { fan, gain: Gain::Relu }, bell), (2.0 / size).sqrt());
    }
}

/// The distance between the empirical distribution and `below`, in units of the 0.1 % point of Kolmogorov and Smirnov.
fn distance(mut values: Vec<f64>, below: impl Fn(f64) -> f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let at = |(i, x): (usize, &f64)| {
        let p = below(*x);
        (p - i as f64 / n).abs().max(((i + 1) as f64 / n - p).abs())
    };
    values.iter().enumerate().map(at).fold(0.0, f64::max) * n.sqrt() / 1.95
}

fn normal_below(x: f64) -> f64 {
    0.5 * (1.0 + Scalar::erf(x / std::f64::consts::SQRT_2))
}

#[test]
fn distributions_are_what_their_names_say() {
    let shape = [100, 200];
    let uniform = draw(Initial::Uniform { low: -1.0, high: 3.0 }, &shape);
    assert!(distance(uniform.clone(), |x| (x + 1.0) / 4.0) < 1.0);
    assert!(uniform.iter().all(|x| (-1.0..3.0).contains(x)));
    let normal = draw(Initial::Normal { mean: 2.0, std: 0.5 }, &shape);
    assert!(distance(normal, |x| normal_below((x - 2.0) / 0.5)) < 1.0);
    assert_eq!(draw(Initial::Zeros, &[2, 2]), [0.0; 4]);
    assert_eq!(draw(Initial::Ones, &[2, 2]), [1.0; 4]);
    // Cuts that are wide, narrow, on one side, and far out: both ways of drawing.
    for (low, high) in [(-2.0, 2.0), (-0.1, 0.3), (1.0, 8.0), (4.0, 5.0), (-7.0, -3.0)] {
        let (mean, std) = (0.5, 1.5);
        let values = draw(Initial::TruncatedNormal { mean, std, low, high }, &[50, 80]);
        assert!(values.iter().all(|x| (low..=high).contains(x)), "{low}..{high}");
        let below = |x: f64| normal_below((x - mean) / std);
        let all = below(high) - below(low);
        assert!(distance(values, |x| (below(x) - below(low)) / all) < 1.0, "{low}..{high}");
    }
    // √3 times the deviation bounds a uniform; variance by fan.
    let kaiming = draw(Initial::KaimingUniform { fan: Fan::In, gain: Gain::Relu }, &shape);
    let bound = (6.0f64 / 200.0).sqrt();
    assert!(distance(kaiming, |x| (x + bound) / (2.0 * bound)) < 1.0);
}

#[test]
fn orthogonal_weights_are_orthogonal_and_uniform() {
    for shape in [vec![5, 8], vec![8, 5], vec![4, 2, 3], vec![6, 6]] {
        let (rows, cols) = (shape[0], shape[1..].iter().product::<usize>());
        let q = draw(Initial::Orthogonal { gain: Gain::Of(2.0) }, &shape);
        let a = draw(Initial::Normal { mean: 0.0, std: 1.0 }, &shape);
        let vectors = rows.min(cols);
        let at = |m: &[f64], v: usize, k: usize| if rows < cols { m[v * cols + k] } else { m[k * cols + v] };
        let dot = |x: &[f64], v: usize, y: &[f64], w: usize| {
            (0..rows.max(cols)).map(|k| at(x, v, k) * at(y, w, k)).sum::<f64>()
        };
        for v in 0..vectors {
            for w in 0..vectors {
                let wanted = if v == w { 4.0 } else { 0.0 };
                assert!((dot(&q, v, &q, w) - wanted).abs() < 1e-13, "{shape:?}: vectors {v} and {w}");
                // R = Qᵀ A of the same normal numbers is upper triangular with a positive diagonal: PyTorch's QR with signs.
                let r = dot(&q, v, &a, w) / 2.0;
                assert!(
                    if v > w { r.abs() < 1e-13 } else { v < w || r > 0.0 },
                    "{shape:?}: R at {v}, {w} is {r}"
                );
            }
        }
    }
}

#[test]
fn names_are_known_and_unknown_ones_listed() {
    let xavier = Initial::XavierUniform { gain: Gain::Linear };
    assert_eq!("glorot_uniform".parse::<Initial>().unwrap(), xavier);
    assert_eq!("xavier_uniform".parse::<Initial>().unwrap(), xavier);
    assert_eq!("orthogonal".parse::<Initial>().unwrap(), Initial::Orthogonal { gain: Gain::Linear });
    let say = |r: forge_core::Result<Vec<f64>>| r.unwrap_err().to_string();
    assert_eq!(
        "lecun".parse::<Initial>().unwrap_err().to_string(),
        "init: no initialisation is called `lecun`; there are zeros, ones, uniform, normal, truncated_normal, \
         xavier_uniform, glorot_uniform, xavier_normal, glorot_normal, kaiming_uniform, he_uniform, kaiming_normal, \
         he_normal, orthogonal"
    );
    let stream = Stream::new(0, "");
    assert_eq!(
        say(xavier.draw(&[5], &stream)),
        "init: a weight of [5] has no fans; this initialisation needs at least two dimensions"
    );
    assert_eq!(
        say(Initial::TruncatedNormal { mean: 0.0, std: 1.0, low: 2.0, high: 1.0 }.draw(&[5], &stream)),
        "init: a normal of mean 0 and deviation 1 cannot be cut to 2..1"
    );
}

/// What PyTorch's functions of these names fill a tensor with, overheard by `golden/first_weights.py`, is drawn here from
/// the same random numbers.
#[test]
fn initialisations_by_name_are_pytorchs_with_its_defaults() {
    let file = file("first_weights");
    for name in [
        "zeros",
        "ones",
        "uniform",
        "normal",
        "xavier_uniform",
        "xavier_normal",
        "kaiming_uniform",
        "kaiming_normal",
    ] {
        let wanted = match *numbers(&file, &format!("initial.{name}")) {
            [0.0, value, _] => Initial::Uniform { low: value, high: value },
            [1.0, low, high] => Initial::Uniform { low, high },
            [2.0, mean, std] => Initial::Normal { mean, std },
            ref other => panic!("{name}: {other:?}"),
        };
        let (found, wanted) = (draw(name.parse().unwrap(), &SHAPE), draw(wanted, &SHAPE));
        assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() <= 1e-14 * b.abs()), "{name}");
    }
    let cut = numbers(&file, "truncated_normal");
    let wanted = Initial::TruncatedNormal { mean: cut[0], std: cut[1], low: cut[2], high: cut[3] };
    assert_eq!("truncated_normal".parse::<Initial>().unwrap(), wanted);
    for (name, other) in [
        ("glorot_normal", "xavier_normal"),
        ("he_uniform", "kaiming_uniform"),
        ("he_normal", "kaiming_normal"),
    ] {
        assert_eq!(name.parse::<Initial>().unwrap(), other.parse().unwrap());
    }
}

/// Every parameter of every layer starts from PyTorch's distribution.
#[test]
fn first_weights_of_layers_are_pytorchs() {
    let init = &Init::new(5).dtype(DType::F64);
    let (conv, image) = (ConvOptions { groups: 2, ..ConvOptions::default() }, ConvOptions::default());
    let transpose = ConvTransposeOptions { groups: 4, ..ConvTransposeOptions::default() };
    let layers: [(&str, Box<dyn Parameters>); 12] = [
        ("linear", Box::new(Linear::new(init, 30, 40).unwrap())),
        ("conv1d", Box::new(Conv1d::new(init, 8, 12, [5], conv).unwrap())),
        ("conv2d", Box::new(Conv2d::new(init, 8, 12, [5, 3], image).unwrap())),
        ("conv_transpose2d", Box::new(ConvTranspose2d::new(init, 12, 8, [5, 3], transpose).unwrap())),
        ("batch_norm", Box::new(BatchNorm::new(init, 5).unwrap())),
        ("layer_norm", Box::new(LayerNorm::new(init, &[3, 4]).unwrap())),
        ("group_norm", Box::new(GroupNorm::new(init, 2, 6).unwrap())),
        ("embedding", Box::new(Embedding::new(init, 60, 20).unwrap())),
        ("lstm", Box::new(Lstm::bidirectional(init, 7, 16, 2, 0.0).unwrap())),
        ("gru", Box::new(Gru::bidirectional(init, 7, 16, 2, 0.0).unwrap())),
        ("attention", Box::new(MultiHeadAttention::new(init, 24, 4, 0.0).unwrap())),
        ("encoder_layer", Box::new(TransformerEncoderLayer::new(init, 24, 4, 32, 0.0).unwrap())),
    ];
    let file = file("first_weights");
    let mut checked = 0;
    for (layer, module) in layers {
        for (name, value) in module.named_values().into_iter().filter(|(_, value)| value.dtype().is_float()) {
            let what = format!("first.{layer}.{name}");
            let values = value.to_f64_vec().unwrap();
            // 1.3 times the 0.1 % point is exceeded by chance once in 190 000 times.
            match *numbers(&file, &what) {
                [0.0, wanted, _] => assert!(values.iter().all(|v| *v == wanted), "{what}"),
                [1.0, low, high] => {
                    assert!(values.iter().all(|v| (low..high).contains(v)), "{what}");
                    assert!(distance(values, |x| (x - low) / (high - low)) < 1.3, "{what}");
                }
                [2.0, mean, std] => {
                    assert!(distance(values, |x| normal_below((x - mean) / std)) < 1.3, "{what}")
                }
                ref other => panic!("{what}: {other:?}"),
            }
            checked += 1;
        }
    }
    assert_eq!(checked, file.iter().filter(|(name, _)| name.starts_with("first.")).count());
}
