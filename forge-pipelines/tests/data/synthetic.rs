//! A sine of period 24 with a trend and noise of 5 % of the amplitude: what is known about it must come out.

use crate::prepared;
use forge_core::history::Part::*;
use forge_pipelines::baselines::BaselineParam;
use forge_pipelines::metrics::{MetricParam, ScoreContext, score};
use forge_pipelines::sources::Freq;
use forge_pipelines::split::SplitParams;
use forge_pipelines::transforms::TransformParam::*;
use forge_pipelines::windows::{WindowParams, Windows};
use std::num::NonZeroUsize;

/// Knuth's MMIX generator, high bits only, as a number in -1..1.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

/// Amplitude 10 about 50, rising by 0.01 a row, noise uniform in ±0.5.
fn sine(rows: usize) -> Vec<f64> {
    let mut noise = Noise(7);
    let wave = |i: usize| 10.0 * (std::f64::consts::TAU * i as f64 / 24.0).sin();
    (0..rows).map(|i| 50.0 + 0.01 * i as f64 + wave(i) + 0.5 * noise.next()).collect()
}

#[test]
fn the_season_is_worth_most_of_the_error() {
    let split = SplitParams::default().split(3000).unwrap();
    let p = prepared(&sine(3000), &[Standardize], &split);
    let w = Windows::new(&p, WindowParams::new(48, 12)).unwrap();
    let rules = [BaselineParam::Last, BaselineParam::Seasonal(NonZeroUsize::new(24).unwrap())];
    let context = ScoreContext::new(
        &p,
        Freq::Step { seconds: 3600 },
        None,
        &[MetricParam::Rmse, MetricParam::Mase, MetricParam::Bias],
    );
    let on = |part| rules.map(|b| b.forecasts(&p, &w, part));
    let table = score(&on(Test), &on(Val), &context).unwrap();
    assert_eq!(table.season, "24 (1h)");
    assert_eq!(table.reference_for("mase"), Some("seasonal(24)"));

    // `last` h steps ahead misses by 10 |2 sin(πh/24)| / √2 in root mean square, plus noise and trend.
    let last = table.score("last").unwrap();
    let expected = (1..=12)
        .map(|h| (20.0 * (std::f64::consts::PI * f64::from(h) / 24.0).sin()).powi(2) / 2.0)
        .sum::<f64>()
        / 12.0;
    assert!((last.metric("rmse").unwrap() / expected.sqrt() - 1.0).abs() < 0.02, "{last:?}");

    // A season ahead leaves the trend (0.24) and two independent noises of variance 1/12 each.
    let seasonal = table.score("seasonal(24)").unwrap();
    let expected = (0.24_f64.powi(2) + 2.0 / 12.0).sqrt();
    assert!((seasonal.metric("rmse").unwrap() / expected - 1.0).abs() < 0.05, "{seasonal:?}");
    assert!((seasonal.metric("bias").unwrap() + 0.24).abs() < 0.03, "{seasonal:?}");
    assert!((seasonal.metric("mase").unwrap() - 1.0).abs() < 0.05, "{seasonal:?}");
    assert!(table.skill("seasonal(24)", "rmse", "last").unwrap() > 0.9);
    let r = p.overview(0, 24).unwrap().autocorrelation;
    // At half a season the wave's variance of 50 counts against the trend's of 21² / 12 over the train rows.
    let (wave, trend, noise) = (50.0, 21.0_f64.powi(2) / 12.0, 1.0 / 12.0);
    assert!((r[11] - (trend - wave) / (trend + wave + noise)).abs() < 0.02, "{r:?}");
    assert!((r[23] - (trend + wave) / (trend + wave + noise)).abs() < 0.03, "{r:?}");
}
