//! Quantiles, intervals and inputs that are known ahead, from the run and from its model file alone.

use crate::bench::Bench;
use serde_json::Value;

/// Rows of a day each: `y` follows `promo` of the same day, which is known ahead; the last `open` days have no `y` yet.
fn days(from: usize, to: usize, open: usize, columns: &str) -> String {
    let start: jiff::civil::Date = "2020-01-01".parse().unwrap();
    let row = |n: usize| {
        let promo = ((n * 7919) % 13) as f64;
        let y = if n + open < to {
            format!("{:.3}", 5.0 + 2.0 * promo + (n as f64 / 9.0).sin())
        } else {
            String::new()
        };
        let day = start.checked_add(jiff::Span::new().days(n as i64)).unwrap();
        match columns {
            "day,promo" => format!("{day},{promo}\n"),
            _ => format!("{day},{y},{promo}\n"),
        }
    };
    format!("{columns}\n{}", (from..to).map(row).collect::<String>())
}

/// A run with quantiles, an input that is known ahead, and three rows that are still to come.
const AHEAD: &str = "\
forge: 1
task: forecast
cells:
  - data: {csv: days.csv, time: day, freq: 1d}
  - check: {missing_target: ok}
  - split: {by: time, train: 70%, val: 15%, test: 15%}
  - target: {y: [standardize]}
    future: {calendar: [weekday], promo: [standardize]}
  - window: {lookback: 6, horizon: 3}
  - id: lstm
    model: {lstm: {hidden: 4}}
    train: {epochs: 3, loss: {quantile: [0.9, 0.1, 0.5]}}
  - id: score
    evaluate: {metrics: [mae, pinball, crps, coverage, width, winkler], intervals: {conformal: [80]}}
  - id: next
    forecast: {next: horizon, conformal: [80]}
";

#[test]
fn predict_knows_quantiles_intervals_and_what_is_known_ahead() {
    let place = Bench::new();
    place.write("spec.yaml", AHEAD);
    place.write("days.csv", &days(0, 300, 3, "day,y,promo"));
    place.forge("run spec.yaml").with_code(0);
    let dir = place.latest();

    // The table: quantiles in order whatever the spec's, the point forecast is the median, 80 % has its ends.
    let tables = dir.predictions().unwrap();
    let test = tables.iter().find(|f| f.name == "lstm" && f.part.name() == "test").unwrap();
    assert_eq!(test.quantiles.iter().map(|q| q.level).collect::<Vec<_>>(), [0.1, 0.5, 0.9]);
    assert_eq!(test.quantiles[1].values, test.predicted);
    for i in 0..test.predicted.len() {
        let [low, mid, high] = [0, 1, 2].map(|q| test.quantiles[q].values[i]);
        assert!(low <= mid && mid <= high, "crossed at {i}");
        let interval = &test.intervals[0];
        assert!((interval.low[i] + interval.high[i] - 2.0 * mid).abs() < 1e-9, "not about the forecast");
    }
    let within =
        |i: &usize| (test.quantiles[0].values[*i]..=test.quantiles[2].values[*i]).contains(&test.actual[*i]);
    let known: Vec<usize> = (0..test.actual.len()).filter(|i| test.actual[*i].is_finite()).collect();
    let coverage = known.iter().filter(|i| within(i)).count() as f64 / known.len() as f64;
    let metrics = dir.record().unwrap().metrics;
    assert!((metrics["score.result.lstm.coverage"].unwrap() - coverage).abs() < 1e-12);
    assert_eq!(metrics["score.result.last.pinball"], None, "a point forecast has no quantiles");
    assert_eq!(metrics["score.result.last.crps"], metrics["score.result.last.mae"]);
    assert!(tables.iter().any(|f| f.name == "last" && f.quantiles.is_empty() && f.intervals.len() == 1));

    // The model file alone, the same file as a history, and history and future apart all say the same.
    place.write("past.csv", &days(0, 297, 0, "day,y,promo"));
    place.write("ahead.csv", &days(290, 310, 0, "day,promo"));
    let forecast = |args: &[&str]| -> Value {
        let ended = place.forge(&format!("predict --json {}", args.join(" "))).with_code(0);
        serde_json::from_str::<Value>(&ended.stdout).unwrap()["forecasts"][0]["steps"].clone()
    };
    let alone = forecast(&[]);
    assert_eq!(alone, forecast(&["--csv", "days.csv"]));
    assert_eq!(alone, forecast(&["--csv", "past.csv", "--future", "ahead.csv"]));
    assert_eq!(alone, forecast(&["--future", "ahead.csv"]));
    let events = dir.events().unwrap();
    let said = |name: &str| {
        events.iter().find_map(|line| match &line.event {
            azuraforge::pipelines::run::RunEvent::Metric { id, name: own, value }
                if id == "next" && own == name =>
            {
                *value
            }
            _ => None,
        })
    };
    for (n, time) in ["2020-10-24", "2020-10-25", "2020-10-26"].into_iter().enumerate() {
        let step = &alone[n];
        assert_eq!(step["time"], time);
        let value = step["values"]["y"].as_f64().unwrap();
        assert!(
            (value - said(&format!("result.y.{}", n + 1)).unwrap()).abs() < 1e-5,
            "the run's own forecast"
        );
        assert_eq!(step["quantiles"]["0.5"]["y"].as_f64().unwrap(), value);
        let ends: Vec<f64> =
            step["intervals"]["80"]["y"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
        assert!(ends[0] < value && value < ends[1], "{ends:?}");
    }
    // Another future, another forecast.
    place.write("other.csv", &days(290, 310, 0, "day,promo").replace("2020-10-26,0", "2020-10-26,12"));
    assert_ne!(alone, forecast(&["--future", "other.csv"]));

    let refused = |args: &[&str], words: &str| {
        let ended = place.forge(&format!("predict {}", args.join(" "))).with_code(3);
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    };
    refused(&["--csv", "past.csv"], "`past.csv` has no row for 2020-10-24, step 1 of 3 after 2020-10-23");
    place.write("short.csv", &days(290, 298, 0, "day,promo"));
    refused(&["--future", "short.csv"], "`short.csv` has no row for 2020-10-25, step 2 of 3");
    place.write("gap.csv", "day,promo\n2020-10-24,1\n2020-10-25,\n2020-10-26,2\n");
    refused(&["--future", "gap.csv"], "`promo` has no value at 2020-10-25");
    place.write("named.csv", "day,promotion\n2020-10-24,1\n2020-10-25,2\n2020-10-26,2\n");
    refused(&["--future", "named.csv"], "`promo`");
}
