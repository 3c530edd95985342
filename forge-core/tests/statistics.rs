//! Random numbers as layers meet them: moments and Kolmogorov–Smirnov distances of first weights and normal numbers, and
//! counts of dropout masks and shuffles. Seeds are fixed, so nothing here is left to chance; each bound is one that a right
//! generator exceeds with a probability below one in a thousand.

#![allow(clippy::unwrap_used)]

use forge_core::nn::{Dropout, Init, Linear, Lstm, Module};
use forge_core::rng::Stream;
use forge_core::{Cx, DType, Device, Parameters, Tensor};

/// Greatest distance of the samples' distribution from `cdf`, times √n: above 1.95 once in a thousand.
fn kolmogorov_smirnov(mut samples: Vec<f64>, cdf: impl Fn(f64) -> f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    let n = samples.len() as f64;
    let apart = |(i, x): (usize, &f64)| {
        let (below, above) = (i as f64 / n, (i + 1) as f64 / n);
        (cdf(*x) - below).abs().max((above - cdf(*x)).abs())
    };
    samples.iter().enumerate().map(apart).fold(0.0, f64::max) * n.sqrt()
}

/// Mean of the samples' power `k`.
fn moment(samples: &[f64], k: i32) -> f64 {
    samples.iter().map(|x| x.powi(k)).sum::<f64>() / samples.len() as f64
}

/// Correlation of neighbours at a distance, times √n: a standard normal number where there is none.
fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let n = a.len().min(b.len()) as f64;
    let (mean_a, mean_b) = (moment(a, 1), moment(b, 1));
    let cov: f64 = a.iter().zip(b).map(|(x, y)| (x - mean_a) * (y - mean_b)).sum::<f64>() / n;
    cov / ((moment(a, 2) - mean_a * mean_a) * (moment(b, 2) - mean_b * mean_b)).sqrt() * n.sqrt()
}

/// Σ (found - expected)² / expected, in standard deviations from its mean.
fn chi_square(counts: &[usize], expected: f64) -> f64 {
    let sum: f64 = counts.iter().map(|c| (*c as f64 - expected).powi(2) / expected).sum();
    let freedom = counts.len() as f64 - 1.0;
    (sum - freedom) / (2.0 * freedom).sqrt()
}

#[test]
fn first_weights_are_uniform_within_pytorchs_bounds() {
    let init = Init::new(11);
    let linear = Linear::new(&init.within("linear"), 400, 100).unwrap();
    let lstm = Lstm::new(&init.within("lstm"), 30, 100, 1, 0.0).unwrap();
    let of = |values: Vec<(String, Tensor)>| -> Vec<(String, Vec<f64>)> {
        values.into_iter().map(|(name, t)| (name, t.to_f64_vec().unwrap())).collect()
    };
    // kaiming_uniform with a = √5 is 1 / √inputs; an LSTM's is 1 / √hidden.
    let all = [(1.0 / 20.0, of(linear.named_values())), (1.0 / 10.0, of(lstm.named_values()))];
    for (bound, (name, values)) in all.iter().flat_map(|(bound, all)| all.iter().map(move |v| (*bound, v))) {
        let n = values.len() as f64;
        assert!(values.iter().all(|v| v.abs() <= bound), "{name}");
        let distance = kolmogorov_smirnov(values.clone(), |x| (x + bound) / (2.0 * bound));
        assert!(distance < 1.95, "{name}: {distance}");
        // Of U(-b, b): mean 0 with variance b² / 3, second moment b² / 3 with variance 4 b⁴ / 45.
        assert!(moment(values, 1).abs() < 3.3 * bound / (3.0 * n).sqrt(), "{name}: mean");
        let second = (moment(values, 2) - bound * bound / 3.0).abs();
        assert!(second < 3.3 * bound * bound * (4.0 / 45.0 / n).sqrt(), "{name}: {second}");
        assert!(correlation(values, &values[1..]).abs() < 3.3, "{name}: neighbours");
    }
    // Layers draw numbers of their own, though their shapes and names be the same.
    let again = of(Linear::new(&init.within("other"), 400, 100).unwrap().named_values());
    assert!(correlation(&all[0].1[0].1, &again[0].1).abs() < 3.3);
}

#[test]
fn normal_numbers_have_the_moments_and_the_distribution_of_normal_ones() {
    // Abramowitz and Stegun, 26.2.17, within 7.5e-8.
    let cdf = |x: f64| {
        let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
        let poly = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
        let tail = poly.iter().fold(0.0, |sum, c| (sum + c) * t);
        let tail = tail * (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        if x < 0.0 { tail } else { 1.0 - tail }
    };
    let stream = Stream::new(23, "normal");
    let samples: Vec<f64> = (0..100_000).map(|i| stream.normal(i)).collect();
    let n = samples.len() as f64;
    assert!(kolmogorov_smirnov(samples.clone(), cdf) < 1.95);
    // Moments 0, 1, 0, 3 of a standard normal number, with the variances 1, 2, 15 and 96 of its powers.
    for (k, (expected, variance)) in [(0.0, 1.0), (1.0, 2.0), (0.0, 15.0), (3.0, 96.0)].iter().enumerate() {
        let found = moment(&samples, k as i32 + 1);
        assert!((found - expected).abs() < 3.3 * f64::sqrt(variance / n), "moment {}: {found}", k + 1);
    }
    for distance in [1, 2, 3, 4, 8] {
        assert!(correlation(&samples, &samples[distance..]).abs() < 3.3, "neighbours {distance} apart");
    }
    // The tails, which a generator of too few bits lacks.
    let far = samples.iter().filter(|x| x.abs() > 3.0).count() as f64;
    assert!((far - 0.0027 * n).abs() < 3.3 * (0.0027 * n).sqrt(), "{far} beyond 3");
}

/// Which elements a dropout of a training pass keeps.
fn mask(name: &str, rate: f64, step: u64, count: usize) -> Vec<f64> {
    let ones = Tensor::full(1.0, &[count], DType::F32, &Device::cpu()).unwrap();
    let dropout = Dropout::new(rate).unwrap();
    let cx = Cx::train(7, step);
    let kept = cx.within(name, |cx| dropout.forward(cx, &ones)).unwrap().to_f64_vec().unwrap();
    kept.iter().map(|v| f64::from(*v > 0.0)).collect()
}

#[test]
fn dropout_masks_drop_their_share_and_know_nothing_of_each_other() {
    for rate in [0.05, 0.3, 0.5, 0.9] {
        let n = 80_000;
        let kept = mask("a", rate, 4, n);
        let share = moment(&kept, 1);
        let spread = (rate * (1.0 - rate) / n as f64).sqrt();
        assert!((share - (1.0 - rate)).abs() < 3.3 * spread, "rate {rate}: {share} kept");
        for distance in [1, 2, 4, 5, 64, 1000] {
            let c = correlation(&kept, &kept[distance..]);
            assert!(c.abs() < 3.5, "rate {rate}, elements {distance} apart: {c}");
        }
        for (what, other) in [("step", mask("a", rate, 5, n)), ("layer", mask("b", rate, 4, n))] {
            assert!(correlation(&kept, &other).abs() < 3.3, "rate {rate}, of another {what}");
        }
    }
    // All patterns of eight neighbours are as frequent.
    let mut counts = [0; 256];
    for eight in mask("a", 0.5, 0, 256 * 8 * 100).chunks(8) {
        counts[eight.iter().fold(0, |bits, kept| 2 * bits + *kept as usize)] += 1;
    }
    assert!(chi_square(&counts, 100.0).abs() < 3.3, "{}", chi_square(&counts, 100.0));
}

#[test]
fn every_order_of_a_shuffle_is_as_frequent() {
    let mut counts = [0; 120];
    for epoch in 0..12_000 {
        let order = Stream::new(3, "order").at(epoch).permutation(5);
        // The number of the order: by how many later elements each one is preceded.
        let before = |i: usize| order[i + 1..].iter().filter(|later| **later < order[i]).count();
        counts[(0..5).fold(0, |number, i| number * (5 - i) + before(i))] += 1;
    }
    assert_eq!(counts.iter().sum::<usize>(), 12_000);
    assert!(chi_square(&counts, 100.0).abs() < 3.3, "{}", chi_square(&counts, 100.0));
}
