use crate::prepared;
use forge_core::history::{ForecastKind, Forecasts, Part};
use forge_pipelines::metrics::{
    IntervalScore, MetricParam, MetricParam::*, Sample, ScoreContext, by_group, conformal, direction, score,
    seasonal_scale,
};
use forge_pipelines::sources::Freq;
use forge_pipelines::split::Split;
use forge_pipelines::transforms::TransformParam::{Diff, Log, Standardize};

fn sample(pairs: &[(f64, f64)], scale: Option<f64>) -> Sample {
    Sample { targets: vec![pairs.to_vec()], scales: vec![scale], ..Sample::default() }
}

#[track_caller]
fn close(value: Option<f64>, expected: f64) {
    let value = value.unwrap();
    assert!((value - expected).abs() < 1e-12, "{value} is not {expected}");
}

#[test]
fn values_against_hand_computed_ones() {
    let s = sample(&[(1.0, 2.0), (3.0, 2.0), (5.0, 8.0)], Some(2.5));
    close(Mae.compute(&s), 5.0 / 3.0);
    close(Mse.compute(&s), 11.0 / 3.0);
    close(Rmse.compute(&s), (11.0_f64 / 3.0).sqrt());
    close(Bias.compute(&s), 1.0);
    close(Mase.compute(&s), 2.0 / 3.0);
    close(Smape.compute(&s), 200.0 * (1.0 / 3.0 + 1.0 / 5.0 + 3.0 / 13.0) / 3.0);
    close(R2.compute(&s), 1.0 - 11.0 / 8.0);
}

#[test]
fn several_targets_are_scaled_each_by_its_own() {
    let s = Sample {
        targets: vec![vec![(1.0, 2.0), (3.0, 3.0)], vec![(100.0, 90.0), (300.0, 300.0)]],
        scales: vec![Some(1.0), Some(10.0)],
        square_scales: vec![Some(4.0), Some(25.0)],
        origins: vec![vec![1.5, 4.0], vec![95.0, 300.0]],
        ..Sample::default()
    };
    close(Mase.compute(&s), 0.5);
    close(Rmsse.compute(&s), ((1.0 / 4.0 + 100.0 / 25.0) / 4.0_f64).sqrt());
    close(Wape.compute(&s), 11.0 / 404.0);
    // Down and up: miss. Down and down: hit. Up and down: miss. No change: miss.
    close(Direction.compute(&s), 0.25);
    // Each about its own mean: 1 - (1 + 100) / (2 + 20000). About one common mean it would be nearer to 1.
    close(R2.compute(&s), 1.0 - 101.0 / 20_002.0);
}

#[test]
fn quantiles_and_intervals_against_hand_computed_values() {
    let s = Sample {
        targets: vec![vec![(10.0, 9.0), (4.0, 5.0)]],
        levels: vec![0.1, 0.5, 0.9],
        quantiles: vec![vec![7.0, 9.0, 12.0, 4.5, 5.0, 6.0]],
        tails: Some((0.1, 0.1)),
        ends: vec![vec![(7.0, 12.0), (4.5, 6.0)]],
        ..Sample::default()
    };
    // 0.1 · 3, 0.5 · 1, 0.1 · 2; then, from above, 0.9 · 0.5, 0.5 · 1, 0.1 · 2.
    close(Pinball.compute(&s), (0.3 + 0.5 + 0.2 + 0.45 + 0.5 + 0.2) / 6.0);
    close(Crps.compute(&s), 2.15 / 3.0);
    close(Coverage.compute(&s), 0.5);
    close(Width.compute(&s), 3.25);
    // 5, and 1.5 with half a unit below at 1 / 0.1.
    close(Winkler.compute(&s), (5.0 + 1.5 + 5.0) / 2.0);
    // Quantiles that all say the same are a point forecast, and their CRPS is its absolute error.
    let sure = Sample { quantiles: vec![vec![9.0, 9.0, 9.0, 5.0, 5.0, 5.0]], ..s.clone() };
    close(Crps.compute(&sure), 1.0);
    close(Crps.compute(&sample(&[(10.0, 9.0), (4.0, 5.0)], None)), 1.0);
    for metric in [Pinball, Coverage, Width, Winkler] {
        assert_eq!(metric.compute(&sample(&[(10.0, 9.0)], None)), None, "{metric:?} of a point forecast");
    }
    let mut gap = s;
    (gap.quantiles[0][1], gap.ends[0][0].0) = (f64::NAN, f64::NAN);
    for metric in [Pinball, Crps, Coverage, Width, Winkler] {
        assert_eq!(metric.compute(&gap), None, "{metric:?} with a quantile missing");
    }
}

/// The logistic distribution has quantiles in closed form, ln(p / (1 − p)), and at y the CRPS |y| + 2 ln(1 + e^−|y|) − 1
/// (Gneiting and Raftery's integral, worked out).
#[test]
fn many_quantiles_come_near_the_crps_of_their_distribution() {
    let levels: Vec<f64> = (1..200).map(|k| f64::from(k) / 200.0).collect();
    let quantiles: Vec<f64> = levels.iter().map(|p| (p / (1.0 - p)).ln()).collect();
    for y in [0.0_f64, 0.7, -2.0] {
        let s = Sample {
            targets: vec![vec![(y, 0.0)]],
            quantiles: vec![quantiles.clone()],
            levels: levels.clone(),
            ..Sample::default()
        };
        let exact = y.abs() + 2.0 * (-y.abs()).exp().ln_1p() - 1.0;
        let found = Crps.compute(&s).unwrap();
        assert!((found - exact).abs() < 0.02 * exact, "{y}: {found} for {exact}");
    }
}

/// The groups of a metric are those of `of`, and together they are the whole.
#[test]
fn metrics_by_group() {
    let f = forecasts("lstm", ForecastKind::Fit, Part::Test, &[13, 14, 15], 0.0);
    let mut f = Forecasts { predicted: f.actual.clone(), ..f };
    f.predicted[0] += 3.0;
    f.predicted[3] -= 1.0;
    let context = context(&[Mae]);
    let by_step = by_group(Mae, &f, &context, 2, |_, step| Some(step));
    assert_eq!(by_step, [Some(1.0), Some(1.0 / 3.0)]);
    let some = by_group(Mae, &f, &context, 3, |origin, step| (origin < 15).then_some(step * 2));
    assert_eq!(some, [Some(1.5), None, Some(0.5)]);
}

#[test]
fn undefined_stays_undefined() {
    for metric in MetricParam::ALL {
        assert_eq!(metric.compute(&sample(&[], Some(1.0))), None, "{metric:?} of nothing");
        let nan = sample(&[(1.0, f64::NAN), (2.0, 2.0)], Some(1.0));
        assert_eq!(metric.compute(&nan), None, "{metric:?} of a missing forecast");
    }
    assert_eq!(R2.compute(&sample(&[(2.0, 1.0), (2.0, 3.0)], None)), None);
    assert_eq!(Mase.compute(&sample(&[(2.0, 1.0)], None)), None);
    assert_eq!(Smape.compute(&sample(&[(0.0, 0.0), (1.0, 1.0)], None)), None);
}

#[test]
fn scale_of_mase() {
    assert_eq!(seasonal_scale(&[1.0, 2.0, 4.0, 8.0], 1), Some(7.0 / 3.0));
    assert_eq!(seasonal_scale(&[1.0, 2.0, 4.0, 8.0], 2), Some(4.5));
    for (train, season) in [(&[1.0, 2.0][..], 2), (&[1.0, 2.0], 5), (&[3.0; 9], 1), (&[], 1)] {
        assert_eq!(seasonal_scale(train, season), None);
    }
}

fn forecasts(name: &str, kind: ForecastKind, part: Part, origins: &[usize], error: f64) -> Forecasts {
    let actual: Vec<f64> = origins.iter().flat_map(|o| [*o as f64 + 1.0, *o as f64 + 2.0]).collect();
    Forecasts {
        name: name.into(),
        kind,
        part,
        targets: vec!["y".into()],
        horizon: 2,
        origins: origins.to_vec(),
        predicted: actual.iter().map(|y| y + error).collect(),
        actual,
        quantiles: Vec::new(),
        intervals: Vec::new(),
    }
}

fn context(metrics: &[MetricParam]) -> ScoreContext {
    let values: Vec<f64> = (0..20).map(f64::from).collect();
    let split = Split { train: 0..10, val: 10..14, test: 14..20 };
    let freq: Freq = "1h".parse().unwrap();
    ScoreContext::new(&prepared(&values, &[], &split), freq, Some(2), metrics)
}

#[test]
fn models_are_compared_on_common_origins() {
    use ForecastKind::*;
    let test = [
        forecasts("last", Baseline, Part::Test, &[13, 14, 15, 16, 17], 2.0),
        forecasts("drift", Baseline, Part::Test, &[13, 14, 15, 16, 17], 1.0),
        forecasts("lstm", Fit, Part::Test, &[14, 15, 16], 0.5),
    ];
    // On validation `last` is the best baseline, so it stays the reference though `drift` wins on test.
    let val = [
        forecasts("last", Baseline, Part::Val, &[9, 10], 0.1),
        forecasts("drift", Baseline, Part::Val, &[9, 10], 3.0),
        forecasts("lstm", Fit, Part::Val, &[9, 10], 0.01),
    ];
    let table = score(&test, &val, &context(&[Mae, Mase, Bias])).unwrap();
    assert_eq!(table.scores.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["lstm", "last", "drift"]);
    assert_eq!(table.targets, 4);
    assert_eq!(table.season, "2 (given)");
    assert_eq!(table.mase_scale, Some(2.0));
    assert_eq!(table.reference, [("mae".into(), "last".into()), ("mase".into(), "last".into())]);
    assert_eq!(table.skill("lstm", "mae", "last"), Some(0.75));
    assert_eq!(table.score("lstm").unwrap().metric("mase"), Some(0.25));
    assert_eq!(table.score("drift").unwrap().by_step[0], ("mae".into(), vec![Some(1.0), Some(1.0)]));
    assert_eq!(table.definitions.len(), 3);
    assert!(score(&test, &[], &context(&[Mae])).unwrap().reference.is_empty());
}

#[test]
fn missing_truth_is_left_out_and_a_missing_forecast_is_not() {
    let mut f = forecasts("lstm", ForecastKind::Fit, Part::Test, &[14, 15], 1.0);
    f.actual[0] = f64::NAN;
    let table = score(std::slice::from_ref(&f), &[], &context(&[Mae])).unwrap();
    assert_eq!(table.score("lstm").unwrap().metric("mae"), Some(1.0));
    f.predicted[3] = f64::NAN;
    let table = score(&[f], &[], &context(&[Mae])).unwrap();
    assert_eq!(table.score("lstm").unwrap().metric("mae"), None);
    assert_eq!(table.score("lstm").unwrap().by_step[0].1, [Some(1.0), None]);
}

#[test]
fn what_cannot_be_compared() {
    use ForecastKind::Fit;
    let a = forecasts("a", Fit, Part::Test, &[14], 1.0);
    let far = forecasts("b", Fit, Part::Test, &[17], 1.0);
    let val = forecasts("c", Fit, Part::Val, &[14], 1.0);
    let mut short = forecasts("d", Fit, Part::Test, &[14], 1.0);
    short.predicted.pop();
    let mut renamed = a.clone();
    renamed.targets = vec!["z".into()];
    for (pair, word) in [
        (vec![], "nothing"),
        (vec![a.clone(), far], "no origin"),
        (vec![a.clone(), val], "parts"),
        (vec![short], "needs 2 values"),
        (vec![a, renamed], "targets"),
    ] {
        let error = score(&pair, &[], &context(&[Mae])).unwrap_err();
        assert!(error.code() == "E0370" && error.message().contains(word), "{error}");
    }
}

/// A walk that goes up twice and down once, over and over.
fn walk(rows: usize) -> Vec<f64> {
    let mut level = 0.0;
    (0..rows)
        .map(|row| {
            level += [1.0, 1.0, -1.5][row % 3];
            level
        })
        .collect()
}

fn on_walk(name: &str, predict: impl Fn(f64, f64) -> f64) -> (Forecasts, Vec<f64>) {
    let levels = walk(301);
    let actual: Vec<f64> = levels[1..].to_vec();
    let predicted = levels.iter().zip(&actual).map(|(before, after)| predict(*before, *after)).collect();
    let forecasts = Forecasts {
        name: name.into(),
        kind: ForecastKind::Fit,
        part: Part::Test,
        targets: vec!["y".into()],
        horizon: 1,
        origins: (0..300).collect(),
        actual,
        predicted,
        quantiles: Vec::new(),
        intervals: Vec::new(),
    };
    (forecasts, levels)
}

#[test]
fn direction_beside_its_base_rate() {
    let (up, levels) = on_walk("up", |before, _| before + 0.1);
    let d = direction(&up, 0, &levels).unwrap();
    assert_eq!((d.rate, d.base_rate, d.count), (2.0 / 3.0, 2.0 / 3.0, 300));
    // Two thirds in every block of three: an interval that takes neighbours together is narrow, that of independent
    // throws would be 0.053 to either side.
    assert!(d.interval.0 > 0.63 && d.interval.1 < 0.70, "{d:?}");
    assert_eq!(direction(&up, 0, &levels), Some(d));
    let (oracle, _) = on_walk("oracle", |_, after| after);
    assert_eq!(direction(&oracle, 0, &levels).map(|d| (d.rate, d.interval)), Some((1.0, (1.0, 1.0))));
    let (last, _) = on_walk("last", |before, _| before);
    assert_eq!(direction(&last, 0, &levels), None);
}

/// Errors of -8 to 8 about 100, in no order that the rank could notice.
fn errors(part: Part, count: usize) -> Forecasts {
    let error = |i: usize| ((i * 7) % count) as f64 - (count / 2) as f64;
    Forecasts {
        quantiles: Vec::new(),
        intervals: Vec::new(),
        name: "m".into(),
        kind: ForecastKind::Fit,
        part,
        targets: vec!["y".into()],
        horizon: 1,
        origins: (0..count).collect(),
        actual: vec![100.0; count],
        predicted: (0..count).map(|i| 100.0 - error(i)).collect(),
    }
}

#[test]
fn conformal_ranks_and_scores() {
    let values: Vec<f64> = (1..=40).map(f64::from).collect();
    let split = Split { train: 0..20, val: 20..30, test: 30..40 };
    let p = prepared(&values, &[], &split);
    // Sorted absolute errors of 19: 0, 1, 1, 2, 2, …, 9, 9. Rank ⌈20 · 0.8⌉ = 16, so the 16th: 8.
    let (val, test) = (errors(Part::Val, 19), errors(Part::Test, 17));
    let at = |level| conformal(&p, &val, &test, level).unwrap();
    assert_eq!((at(80.0).low[0], at(80.0).high[0]), (test.predicted[0] - 8.0, test.predicted[0] + 8.0));
    assert_eq!(at(95.0).high[0], test.predicted[0] + 9.0);
    // ⌈20 · 0.96⌉ = 20 of 19 errors: there is no such interval.
    assert!(at(96.0).low[0].is_nan());
    assert_eq!(IntervalScore::of(&at(96.0), &test).coverage, None);
    let score = IntervalScore::of(&at(80.0), &test);
    close(score.coverage, 1.0);
    close(score.width, 16.0);
    close(score.winkler, 16.0);
    let narrow = IntervalScore::of(&at(50.0), &test);
    // Rank 10: 5. Of the errors -8 to 8, eleven lie within, and 2 · (1 + 2 + 3) beyond.
    close(narrow.coverage, 11.0 / 17.0);
    assert_eq!(narrow.coverage_by_step, [narrow.coverage]);
    close(narrow.winkler, 10.0 + 4.0 * 12.0 / 17.0);
    // Half the interval score, by its definition: α/4 of it is the mean pinball loss of both ends.
    close(narrow.pinball, narrow.winkler.unwrap() * 0.5 / 4.0);
    // About logarithms the interval is a ratio.
    let p = prepared(&values, &[Log, Diff, Standardize], &split);
    let ratio = conformal(&p, &val, &test, 80.0).unwrap();
    let (down, up) = (ratio.low[3] / test.predicted[3], ratio.high[3] / test.predicted[3]);
    assert!((down * up - 1.0).abs() < 1e-12 && up > 1.07 && up < 1.09, "{down} {up}");
}
