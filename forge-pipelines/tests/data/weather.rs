//! JFK's hourly temperature: baselines against published figures, and what the calendar says.

use crate::{example_data, frame};
use forge_core::history::{Forecasts, Part};
use forge_pipelines::baselines::{BaselineParam, ClimatologyParams, Cycle};
use forge_pipelines::frame::{Frame, TimeColumn};
use forge_pipelines::metrics::{MetricParam, ScoreContext, score};
use forge_pipelines::prepare::Prepared;
use forge_pipelines::roles::Roles;
use forge_pipelines::sources::{CleanParams, CsvParams, FillKind, Source};
use forge_pipelines::split::{Split, SplitParams};
use forge_pipelines::windows::{WindowParams, Windows};
use std::num::NonZeroUsize;

fn observed() -> Frame {
    let mut source = CsvParams::new("nyc_jfk_2013_hourly.csv");
    source.time = serde_json::from_value(serde_json::json!({"column": "time_hour", "tz": "UTC"})).unwrap();
    source.freq = Some("1h".parse().unwrap());
    source.read(&example_data()).unwrap().frame
}

fn forecasts(frame: &Frame, horizon: usize, rules: &[BaselineParam]) -> (Prepared, Vec<Forecasts>) {
    let split = SplitParams::shares(70.0, 10.0, 20.0).split(frame.rows()).unwrap();
    let p = Prepared::new(frame, &split, &Roles::names(["temp"]), &Roles::default()).unwrap();
    let w = Windows::new(&p, WindowParams::new(168, horizon)).unwrap();
    let all = rules.iter().map(|b| b.forecasts(&p, &w, Part::Test)).collect();
    (p, all)
}

/// The reference fills the 24 missing hours linearly and forecasts every test row from exactly h hours before; windows of
/// h steps leave out the first h − 1 rows at their last step.
#[test]
fn baselines_score_what_is_published() {
    let limit = serde_json::from_value(serde_json::json!({"limit": 24})).unwrap();
    let clean = CleanParams { fill: Some(FillKind::Linear(limit)), ..CleanParams::default() };
    let (frame, _) = clean.clean(observed()).unwrap();
    assert_eq!(frame.rows(), 8730);
    let day = NonZeroUsize::new(24).unwrap();
    let rules = [BaselineParam::Last, BaselineParam::Seasonal(day)];
    for (h, rule, rmse, mae, within) in [
        (1, 0, 1.593, 1.135, 0.0005),
        (1, 1, 8.199, 6.426, 0.0005),
        (12, 0, 7.817, 6.294, 0.05),
        (24, 0, 8.199, 6.426, 0.08),
        (24, 1, 8.199, 6.426, 0.08),
    ] {
        let (p, all) = forecasts(&frame, h, &rules);
        let metrics = [MetricParam::Rmse, MetricParam::Mae];
        let table = score(&all, &[], &ScoreContext::new(&p, frame.freq, None, &metrics)).unwrap();
        for (metric, expected) in [("rmse", rmse), ("mae", mae)] {
            let steps = &table.scores[rule].by_step.iter().find(|(name, _)| name == metric).unwrap().1;
            let found = steps[h - 1].unwrap();
            assert!((found - expected).abs() <= within, "{h} {rule} {metric}: {found}, published {expected}");
        }
    }
}

/// The mean of the hour over the train rows, whatever the row is forecast from; no such day in train, no forecast.
#[test]
fn climatology_is_the_mean_of_the_train_rows_of_its_kind() {
    let frame = observed();
    let by = |cycle| BaselineParam::Climatology(ClimatologyParams { by: cycle });
    let (p, all) = forecasts(&frame, 24, &[by(Some(Cycle::Hour)), by(None)]);
    assert_eq!([&all[0].name, &all[1].name], ["climatology(hour)", "climatology"]);
    let labels = p.axis.clone();
    let hour = |row: usize| labels.label(row)[11..13].to_string();
    let raw = &p.inputs[0].raw;
    for (origin, step) in [(0, 0), (0, 23), (700, 5)] {
        let row = all[0].origins[origin] + step + 1;
        let same = p.split.train.clone().filter(|r| hour(*r) == hour(row) && raw[*r].is_finite());
        let values: Vec<f64> = same.map(|r| raw[r]).collect();
        assert!(values.len() > 240, "about 255 days");
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        assert!((all[0].predicted[all[0].index(origin, step, 0)] - mean).abs() < 1e-9);
    }
    // Train ends in September, test begins in October: a day of the year has been seen in no year.
    assert!(all[1].predicted.iter().all(|v| v.is_nan()));
    let context = ScoreContext::new(&p, frame.freq, None, &[MetricParam::Mae]);
    let table = score(&all, &[], &context).unwrap();
    assert_eq!(table.score("climatology").unwrap().metric("mae"), None);
    assert!(table.score("climatology(hour)").unwrap().metric("mae").is_some());
}

/// Days of four years, the last of them test: 29 February has one train year, or none.
#[test]
fn a_leap_day_is_a_day_of_its_own() {
    let start: jiff::civil::Date = "2012-01-01".parse().unwrap();
    let days: Vec<jiff::civil::Date> = start.series(jiff::Span::new().days(1)).take(5 * 366).collect();
    let times: Vec<jiff::Timestamp> =
        days.iter().map(|d| d.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp()).collect();
    // The year itself, so that a mean tells which years it is of.
    let values: Vec<f64> = days.iter().map(|d| f64::from(d.year())).collect();
    let mut data = frame(&[("y", values)]);
    let labels = days.iter().map(ToString::to_string).collect();
    data.time = TimeColumn::Dates { column: "day".into(), times, labels };
    data.freq = "1d".parse().unwrap();
    let split_at = |date: &str| days.iter().position(|d| d.to_string() == date).unwrap();
    let (val, test) = (split_at("2015-01-01"), split_at("2016-01-01"));
    let split = Split { train: 0..val, val: val..test, test: test..days.len() };
    let p = Prepared::new(&data, &split, &Roles::one("y", []), &Roles::default()).unwrap();
    let w = Windows::new(&p, WindowParams::new(3, 1)).unwrap();
    let f = BaselineParam::Climatology(ClimatologyParams::default()).forecasts(&p, &w, Part::Test);
    let on = |date: &str| f.predicted[split_at(date) - test];
    assert_eq!([on("2016-02-28"), on("2016-02-29"), on("2016-03-01")], [2013.0, 2012.0, 2013.0]);
    assert_eq!(on("2016-12-31"), 2013.0);

    let counted = frame(&[("y", (0..50).map(f64::from).collect())]);
    let split = SplitParams::default().split(50).unwrap();
    let p = Prepared::new(&counted, &split, &Roles::names(["y"]), &Roles::default()).unwrap();
    let error = BaselineParam::Climatology(ClimatologyParams::default()).suits(&p).unwrap_err();
    assert_eq!(error.code(), "E0353");
}
