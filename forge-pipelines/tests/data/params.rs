//! Parameters as specs write them, and what their schema says.

use forge_pipelines::baselines::BaselineParam;
use forge_pipelines::metrics::MetricParam;
use forge_pipelines::roles::Roles;
use forge_pipelines::sources::{CheckParams, CsvParams, TimeParam};
use forge_pipelines::split::SplitParams;
use forge_pipelines::transforms::{Chain, TransformParam::*};
use forge_pipelines::windows::WindowParams;
use schemars::{JsonSchema, schema_for};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn parse<T: DeserializeOwned>(yaml: &str) -> Result<T, String> {
    serde_yaml::with::singleton_map_recursive::deserialize(serde_yaml::Deserializer::from_str(yaml))
        .map_err(|e| e.to_string())
}

/// What is written out resolved is read back the same, from YAML and from JSON.
#[track_caller]
fn kept<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(yaml: &str) -> T {
    let value: T = parse(yaml).unwrap();
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), value, "{json}");
    assert_eq!(parse::<T>(&json).unwrap(), value, "{json}");
    value
}

#[test]
fn the_forms_of_roles() {
    let full: Roles = kept("{Close: [log, diff, standardize], Volume: log, \"Adj Close\": []}");
    assert_eq!(full.0[0], ("Close".to_string(), Chain(vec![Log, Diff, Standardize])));
    assert_eq!(full.0[1], ("Volume".to_string(), Chain(vec![Log])));
    assert_eq!(full.0[2], ("Adj Close".to_string(), Chain(vec![])));
    let seasonal: Roles = kept("{load: [log1p, {seasonal_diff: 24}, robust], temp: {seasonal_diff: 7}}");
    assert_eq!(seasonal.0[0].1, Chain(vec![Log1p, SeasonalDiff(24.try_into().unwrap()), Robust]));
    assert_eq!(seasonal.0[1].1, Chain(vec![SeasonalDiff(7.try_into().unwrap())]));
    assert_eq!(kept::<Roles>("[temp, humid]"), Roles::names(["temp", "humid"]));
    assert_eq!(kept::<Roles>("Close"), Roles::one("Close", [Standardize]));
    for (yaml, word) in [
        ("{Close: [lgo]}", "lgo"),
        ("{Close: [{seasonal_diff: 0}]}", "0"),
        ("{Close: [log], Close: [log]}", "named twice"),
        ("[Close, Close]", "named twice"),
        ("{Close: }", "list of transforms"),
        ("5", "column name"),
    ] {
        let error = parse::<Roles>(yaml).unwrap_err();
        assert!(error.contains(word), "{yaml}: {error}");
    }
}

#[test]
fn the_cells_of_the_stock_example() {
    let csv: CsvParams = kept("{csv: data/msft_daily.csv, time: Date, freq: sessions}");
    assert_eq!(csv.time, Some(TimeParam::Column("Date".into())));
    let zoned: CsvParams =
        kept("{csv: a.csv, time: {column: t, tz: UTC}, freq: 10min, na: [NA], delimiter: ;}");
    assert_eq!(zoned.freq.unwrap().to_string(), "10min");
    kept::<CheckParams>("{min_rows: 1000, duplicates: error, gaps: warn, missing_target: ok}");
    kept::<SplitParams>("{by: time, train: 70%, val: 10%, test: 654, embargo: 3}");
    assert_eq!(kept::<WindowParams>("{lookback: 60, horizon: 5}").stride, 1);
    assert_eq!(
        kept::<Vec<BaselineParam>>("[last, drift, {seasonal: 5}, {climatology: {by: hour}}]").len(),
        4
    );
    let points = "mae, rmse, mase, smape, mse, bias, r2, wape, rmsse, direction";
    let spread = "pinball, crps, coverage, width, winkler";
    let metrics: Vec<MetricParam> = kept(&format!("[{points}, {spread}]"));
    assert_eq!(metrics.len(), MetricParam::ALL.len());
}

#[test]
fn what_is_not_a_parameter() {
    for (error, word) in [
        (parse::<CsvParams>("{csv: a.csv, tiem: Date}").err(), "tiem"),
        (parse::<CsvParams>("{csv: a.csv, time: {colum: Date}}").err(), "colum"),
        (parse::<CsvParams>("{csv: a.csv, freq: daily}").err(), "10min"),
        (parse::<CsvParams>("{time: Date}").err(), "csv"),
        (parse::<CheckParams>("{gaps: maybe}").err(), "maybe"),
        (parse::<SplitParams>("{train: 0.7}").err(), "percentage"),
        (parse::<WindowParams>("{lookback: 60}").err(), "horizon"),
        (parse::<WindowParams>("{lookback: -1, horizon: 1}").err(), "-1"),
    ] {
        let error = error.expect("this must not parse");
        assert!(error.contains(word), "{error}");
    }
}

fn described<T: JsonSchema>(name: &str) {
    let schema = schema_for!(T).to_value();
    assert_eq!(schema["additionalProperties"], Value::Bool(false), "{name} takes unknown keys");
    for (key, property) in schema["properties"].as_object().unwrap() {
        assert!(
            property["description"].as_str().is_some_and(|d| d.len() > 10),
            "{name}.{key} is not described"
        );
    }
}

#[test]
fn every_parameter_is_described_in_the_schema() {
    described::<CsvParams>("csv");
    described::<CheckParams>("check");
    described::<SplitParams>("split");
    described::<WindowParams>("window");
    let roles = schema_for!(Roles).to_value();
    assert_eq!(roles["anyOf"].as_array().unwrap().len(), 3);
    let transforms = serde_json::to_string(&schema_for!(Chain)).unwrap();
    assert!(["log", "diff", "standardize"].iter().all(|t| transforms.contains(t)), "{transforms}");
}
