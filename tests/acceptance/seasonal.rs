//! A season that can be learned is learned.

use super::support::Bench;
use azuraforge::rng::Stream;
use std::f64::consts::TAU;

/// Hours of a day-long wave on a slope, with noise of 5 % of the amplitude.
fn wave() -> String {
    let noise = Stream::new(24, "wave");
    let mut csv = String::from("time,level\n");
    for hour in 0..1200 {
        let (day, t) = (1 + hour / 24, hour as f64);
        let date = if day <= 31 { format!("2024-01-{day:02}") } else { format!("2024-02-{:02}", day - 31) };
        let level = 20.0 + 0.01 * t + 10.0 * (TAU * t / 24.0).sin() + 0.5 * noise.normal(hour);
        csv.push_str(&format!("{date} {:02}:00,{level:.4}\n", hour % 24));
    }
    csv
}

const SPEC: &str = "\
forge: 1
task: forecast
cells:
  - data: {csv: wave.csv, time: time}
  - split: {by: time, train: 70%, val: 10%, test: 20%}
  - target: {level: [diff, standardize]}
  - window: {lookback: 48, horizon: 12}
  - baseline: [last, drift, {seasonal: 24}]
  - id: lstm
    model: {lstm: {hidden: 24}}
    train: {epochs: 20, optimizer: {adam: {lr: 0.01}}, stop: {patience: 6}}
  - id: line
    model: linear
    train: {epochs: 20, optimizer: {adam: {lr: 0.01}}}
  - id: score
    evaluate: {metrics: [rmse]}
assert:
  - score.result.lstm.skill.last.rmse > 80%
  - score.result.line.skill.last.rmse > 80%
  - score.result.line.skill.\"seasonal(24)\".rmse > 5%
";

#[test]
fn a_wave_is_forecast_far_better_than_by_its_last_value() {
    let bench = Bench::new();
    bench.write("wave.csv", &wave());
    bench.write("wave.yaml", SPEC);
    bench.forge("run wave.yaml").with_code(0);
    let metrics = bench.run().record().unwrap().metrics;
    let rmse = |name: &str| metrics[&format!("score.result.{name}.rmse")].unwrap();
    // The last value misses a wave of amplitude a by a√(1 - mean cos) over half a period, that is 10 √(13/12) here.
    let expected = 10.0 * (13.0f64 / 12.0).sqrt();
    assert!((rmse("last") / expected - 1.0).abs() < 0.02, "{} {expected}", rmse("last"));
    // Two noises of deviation 0.5, and 24 hours of slope.
    let expected = (2.0 * 0.25 + 0.24f64.powi(2)).sqrt();
    assert!((rmse("seasonal(24)") / expected - 1.0).abs() < 0.1, "{} {expected}", rmse("seasonal(24)"));
    println!("skill of the LSTM: {:.3} against last", 1.0 - rmse("lstm") / rmse("last"));
    println!("skill of the LSTM: {:.3} against seasonal(24)", 1.0 - rmse("lstm") / rmse("seasonal(24)"));
    assert!(1.0 - rmse("lstm") / rmse("last") > 0.8);
    // No forecast can be better than the noise.
    assert!(rmse("lstm") > 0.45 && rmse("line") > 0.45, "{} {}", rmse("lstm"), rmse("line"));
}
