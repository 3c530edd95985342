use crate::prepared;
use forge_core::history::{ForecastKind, Part};
use forge_pipelines::baselines::BaselineParam;
use forge_pipelines::split::SplitParams;
use forge_pipelines::transforms::TransformParam;
use forge_pipelines::windows::{WindowParams, Windows};
use proptest::prelude::*;

fn rule(yaml: &str) -> BaselineParam {
    serde_yaml::with::singleton_map_recursive::deserialize(serde_yaml::Deserializer::from_str(yaml)).unwrap()
}

fn all() -> [BaselineParam; 5] {
    ["last", "drift", "mean", "{seasonal: 3}", "{linear: {ridge: 0.001}}"].map(rule)
}

/// Continues a history by a rule that learns nothing.
fn continued(yaml: &str, history: &[f64], path: &mut [f64]) {
    let split = SplitParams::default().split(20).unwrap();
    let p = prepared(&(0..20).map(f64::from).collect::<Vec<_>>(), &[], &split);
    let w = Windows::new(&p, WindowParams::new(2, 1)).unwrap();
    rule(yaml).rule(&p.inputs[0], &p, &w).forecast(history, &[], path);
}

#[test]
fn values_against_hand_computed_ones() {
    let history = [2.0, 5.0, 3.0, 8.0];
    let expected = [
        ("last", [8.0; 5]),
        ("drift", [10.0, 12.0, 14.0, 16.0, 18.0]),
        ("mean", [4.5; 5]),
        ("{seasonal: 3}", [5.0, 3.0, 8.0, 5.0, 3.0]),
        ("{seasonal: 1}", [8.0; 5]),
    ];
    for (yaml, values) in expected {
        let mut path = [0.0; 5];
        continued(yaml, &history, &mut path);
        assert_eq!(path, values, "{yaml}");
    }
}

#[test]
fn no_forecast_rather_than_a_wrong_one() {
    for (yaml, history) in
        [("drift", &[1.0][..]), ("{seasonal: 3}", &[1.0, 2.0]), ("last", &[]), ("mean", &[]), ("drift", &[])]
    {
        let mut path = [0.0; 4];
        continued(yaml, history, &mut path);
        assert!(path.iter().all(|v| v.is_nan()), "{yaml}");
    }
}

#[test]
fn names_and_parameters() {
    assert_eq!(all().map(BaselineParam::name), ["last", "drift", "mean", "seasonal(3)", "ridge"]);
    for yaml in ["{seasonal: 0}", "{seasonal: -1}", "lasst", "seasonal", "{linear: {ridge: best}}"] {
        let d = serde_yaml::Deserializer::from_str(yaml);
        let parsed: Result<BaselineParam, _> = serde_yaml::with::singleton_map_recursive::deserialize(d);
        assert!(parsed.is_err(), "{yaml}");
    }
}

fn errors(values: &[f64], lookback: usize, horizon: usize, yaml: &str) -> f64 {
    let split = SplitParams::default().split(values.len()).unwrap();
    let p = prepared(values, &[TransformParam::Log, TransformParam::Diff], &split);
    let w = Windows::new(&p, WindowParams::new(lookback, horizon)).unwrap();
    let f = rule(yaml).forecasts(&p, &w, Part::Test);
    let squares = f.actual.iter().zip(&f.predicted).map(|(y, f)| (y - f).powi(2));
    (squares.sum::<f64>() / f.actual.len() as f64).sqrt()
}

#[test]
fn a_linear_baseline_continues_what_is_linear() {
    // A sum of two waves is a linear function of its own last four values, whatever the step ahead.
    let wave = |i: usize, period: f64| (std::f64::consts::TAU * i as f64 / period).sin();
    let values: Vec<f64> = (0..800).map(|i| 50.0 + 10.0 * wave(i, 24.0) + 3.0 * wave(i, 7.3)).collect();
    assert!(errors(&values, 12, 6, "{linear: {ridge: 0.000000000001}}") < 1e-3);
    assert!(errors(&values, 12, 6, "last") > 5.0);
    // So heavy a penalty leaves the mean change, which is about that of `last`.
    let heavy = errors(&values, 12, 6, "{linear: {ridge: 1000000000}}") / errors(&values, 12, 6, "last");
    assert!((heavy - 1.0).abs() < 1e-3, "{heavy}");
    // Validation sees that the lightest is best here.
    let light = errors(&values, 12, 6, "{linear: {ridge: 0.000001}}");
    assert_eq!(errors(&values, 12, 6, "{linear: {}}"), light);
    // A constant has nothing to learn from.
    assert_eq!(errors(&[5.0; 200], 12, 6, "{linear: {ridge: 0.1}}"), 0.0);
}

/// On prices the closed form is about as good as repeating the last one: a published ratio of 0.995 to 1.005.
#[test]
fn a_linear_baseline_on_prices() {
    let frame = crate::prices("msft_daily.csv").frame;
    let close = frame.numbers("Adj Close").unwrap();
    let ratio = errors(close, 6, 1, "{linear: {ridge: 0.0001}}") / errors(close, 6, 1, "last");
    assert!((0.99..1.01).contains(&ratio), "{ratio}");
}

proptest! {
    /// Changing any later row changes no forecast.
    #[test]
    fn nothing_later_than_the_origin_is_seen(
        values in proptest::collection::vec(1.0..100.0_f64, 60..120),
        cut in 0.0..1.0_f64,
        horizon in 1_usize..6,
    ) {
        let split = SplitParams::default().split(values.len()).unwrap();
        let first_change = split.test.start + (cut * (split.test.len() as f64)) as usize;
        let mut changed = values.clone();
        changed[first_change..].iter_mut().for_each(|v| *v = *v * 3.0 + 1.0);
        let run = |series: &[f64], b: BaselineParam| {
            let p = prepared(series, &[TransformParam::Standardize], &split);
            let w = Windows::new(&p, WindowParams::new(5, horizon)).unwrap();
            b.forecasts(&p, &w, Part::Test)
        };
        for b in all() {
            let (before, after) = (run(&values, b), run(&changed, b));
            prop_assert_eq!(before.kind, ForecastKind::Baseline);
            for (o, origin) in before.origins.iter().enumerate().filter(|(_, o)| **o < first_change) {
                for step in 0..horizon {
                    let i = before.index(o, step, 0);
                    prop_assert_eq!(before.predicted[i], after.predicted[i], "{} at origin {}", b.name(), origin);
                }
            }
        }
    }
}
