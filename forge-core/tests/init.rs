//! Initialisations: their formulas against PyTorch's constants, their distributions against theory.

#![allow(clippy::unwrap_used)]

use forge_core::backend::Scalar;
use forge_core::checkpoint;
use forge_core::nn::{Conv2d, ConvTranspose2d, Fan, Gain, Init, Initial};
use forge_core::ops::{ConvOptions, ConvTransposeOptions};
use forge_core::rng::Stream;
use forge_core::{DType, Parameters};
use std::path::Path;

/// The weight whose fans the golden file holds.
const SHAPE: [usize; 4] = [6, 4, 3, 2];

fn golden(name: &str) -> Vec<f64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/images.safetensors");
    let tensors = checkpoint::load(&path).unwrap().tensors;
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

/// PyTorch's first weights: uniform in ±1/√fan-in, where fan-in is that of the weight as it lies.
#[test]
fn convolutions_start_from_pytorchs_bounds() {
    let init = Init::new(3).dtype(DType::F64);
    let conv = ConvOptions { groups: 4, ..ConvOptions::default() };
    let conv = Conv2d::new(&init, 16, 64, [5, 3], conv).unwrap();
    let transpose = ConvTransposeOptions { groups: 4, ..ConvTransposeOptions::default() };
    let transpose = ConvTranspose2d::new(&init, 64, 16, [5, 3], transpose).unwrap();
    // 4 channels of a group and 15 elements of the kernel for both.
    let bound = 1.0 / 60.0f64.sqrt();
    for layer in [&conv as &dyn Parameters, &transpose] {
        for (name, value) in layer.named_values() {
            let values = value.to_f64_vec().unwrap();
            assert!(values.iter().all(|v| v.abs() <= bound), "{name}");
            assert!(distance(values, |x| (x + bound) / (2.0 * bound)) < 1.0, "{name}");
        }
    }
}
