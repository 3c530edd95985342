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

fn all() -> [BaselineParam; 4] {
    ["last", "drift", "mean", "{seasonal: 3}"].map(rule)
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
        rule(yaml).rule().forecast(&history, &mut path);
        assert_eq!(path, values, "{yaml}");
    }
}

#[test]
fn no_forecast_rather_than_a_wrong_one() {
    for (yaml, history) in
        [("drift", &[1.0][..]), ("{seasonal: 3}", &[1.0, 2.0]), ("last", &[]), ("mean", &[]), ("drift", &[])]
    {
        let mut path = [0.0; 4];
        rule(yaml).rule().forecast(history, &mut path);
        assert!(path.iter().all(|v| v.is_nan()), "{yaml}");
    }
}

#[test]
fn names_and_parameters() {
    assert_eq!(all().map(BaselineParam::name), ["last", "drift", "mean", "seasonal(3)"]);
    for yaml in ["{seasonal: 0}", "{seasonal: -1}", "lasst", "seasonal"] {
        let d = serde_yaml::Deserializer::from_str(yaml);
        let parsed: Result<BaselineParam, _> = serde_yaml::with::singleton_map_recursive::deserialize(d);
        assert!(parsed.is_err(), "{yaml}");
    }
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
