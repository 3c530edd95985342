//! The verbs beside `run`: what they print is what the run directory and the files say.
#![allow(clippy::unwrap_used)] // the functions beside the tests are tests, too

use azuraforge::pipelines::run::{Home, RunDir, RunState};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const SPEC: &str = "\
forge: 1
task: forecast
cells:
  - data: {csv: msft.csv, time: Date, freq: sessions}
  - split: {by: time, train: 70%, val: 10%, test: 20%}
  - target: {Close: [log, diff, standardize]}
    past: {Volume: [log, standardize]}
  - window: {lookback: 10, horizon: 3}
  - id: lstm
    model: {lstm: {hidden: 4}}
    train: {epochs: 2, batch: 64, stop: {monitor: val.loss, patience: 3}}
  - id: linear
    model: linear
    train: {epochs: 2, batch: 64}
";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(spec: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/msft_daily.csv");
        fs::copy(data, folder.path().join("msft.csv")).unwrap();
        fs::write(folder.path().join("spec.yaml"), spec).unwrap();
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn forge(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forge"));
        command.args(args).args(["--home", "home"]).current_dir(self.folder.path());
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn latest(&self) -> RunDir {
        Home::new(self.path("home")).find("latest").unwrap()
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn predict_gives_what_the_run_forecast_from_the_same_rows() {
    let place = Place::new(SPEC);
    assert_eq!(place.forge(&["run", "spec.yaml"]).status.code(), Some(0));
    let dir = place.latest();
    // The last test window of the run begins three rows before the end: the file without them is its history.
    let text = fs::read_to_string(place.path("msft.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    fs::write(place.path("shorter.csv"), lines[..lines.len() - 3].join("\n")).unwrap();
    fs::remove_file(place.path("msft.csv")).unwrap();
    fs::remove_file(place.path("spec.yaml")).unwrap();

    let output = place.forge(&["predict", "--csv", "shorter.csv", "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let said: Value = serde_json::from_str(&out(&output)).unwrap();
    assert_eq!(said["run"], dir.id());
    for (n, fit) in ["linear", "lstm"].into_iter().enumerate() {
        let forecast = &said["forecasts"][n];
        assert_eq!(forecast["fit"], fit);
        let run = dir.predictions().unwrap();
        let test = run.iter().find(|f| f.name == fit && f.part.name() == "test").unwrap();
        let last = test.origins.len() - 1;
        for step in 0..3 {
            let expected = test.predicted[test.index(last, step, 0)];
            let found = forecast["steps"][step]["values"]["Close"].as_f64().unwrap();
            // A batch of one row goes another way through the matrix product than one of many.
            assert!((found - expected).abs() < 1e-5 * expected, "{fit} {step}: {found} for {expected}");
        }
        // The file's last three sessions: Wednesday to Friday.
        let times: Vec<&str> =
            forecast["steps"].as_array().unwrap().iter().map(|s| s["time"].as_str().unwrap()).collect();
        assert_eq!(times, ["2013-02-27", "2013-02-28", "2013-03-01"]);
    }

    let words = out(&place.forge(&["predict", "latest", "--fit", "linear"]));
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines[0], "linear: after 2013-03-01");
    let times: Vec<&str> = lines[1..].iter().map(|l| l.split_whitespace().next().unwrap()).collect();
    assert_eq!(times, ["2013-03-04", "2013-03-05", "2013-03-06"], "no session on a weekend");

    let none = place.forge(&["predict", "--fit", "gru"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(err(&none).contains("fits that can forecast: linear, lstm"), "{}", err(&none));
    fs::write(place.path("short.csv"), lines_of("Date,Close,Volume", 5)).unwrap();
    let short = place.forge(&["predict", "--csv", "short.csv"]);
    assert_eq!(short.status.code(), Some(3), "{}", err(&short));
    assert!(err(&short).contains("rows of history are too few"), "{}", err(&short));
}

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
    let place = Place::new(AHEAD);
    fs::write(place.path("days.csv"), days(0, 300, 3, "day,y,promo")).unwrap();
    let run = place.forge(&["run", "spec.yaml"]);
    assert_eq!(run.status.code(), Some(0), "{}", err(&run));
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
    fs::write(place.path("past.csv"), days(0, 297, 0, "day,y,promo")).unwrap();
    fs::write(place.path("ahead.csv"), days(290, 310, 0, "day,promo")).unwrap();
    let forecast = |args: &[&str]| -> Value {
        let output = place.forge(&[&["predict", "--json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        serde_json::from_str::<Value>(&out(&output)).unwrap()["forecasts"][0]["steps"].clone()
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
    fs::write(
        place.path("other.csv"),
        days(290, 310, 0, "day,promo").replace("2020-10-26,0", "2020-10-26,12"),
    )
    .unwrap();
    assert_ne!(alone, forecast(&["--future", "other.csv"]));

    let refused = |args: &[&str], words: &str| {
        let output = place.forge(&[&["predict"], args].concat());
        assert_eq!(output.status.code(), Some(3), "{}", err(&output));
        assert!(err(&output).contains(words), "{words}: {}", err(&output));
    };
    refused(&["--csv", "past.csv"], "`past.csv` has no row for 2020-10-24, step 1 of 3 after 2020-10-23");
    fs::write(place.path("short.csv"), days(290, 298, 0, "day,promo")).unwrap();
    refused(&["--future", "short.csv"], "`short.csv` has no row for 2020-10-25, step 2 of 3");
    fs::write(place.path("gap.csv"), "day,promo\n2020-10-24,1\n2020-10-25,\n2020-10-26,2\n").unwrap();
    refused(&["--future", "gap.csv"], "`promo` has no value at 2020-10-25");
    fs::write(place.path("named.csv"), "day,promotion\n2020-10-24,1\n2020-10-25,2\n2020-10-26,2\n").unwrap();
    refused(&["--future", "named.csv"], "`promo`");
}

fn lines_of(head: &str, rows: usize) -> String {
    let row = |n: usize| format!("2020-01-{:02},{},{}\n", n + 1, 10.0 + n as f64 / 7.0, 1000 + n * n);
    format!("{head}\n{}", (0..rows).map(row).collect::<String>())
}

#[test]
fn a_report_made_again_is_the_same() {
    let place = Place::new(SPEC);
    assert_eq!(place.forge(&["run", "spec.yaml"]).status.code(), Some(0));
    let report = place.latest().path().join("report.html");
    let first = fs::read(&report).unwrap();
    fs::remove_file(&report).unwrap();
    fs::remove_dir_all(place.latest().path().join("figures")).unwrap();
    let output = place.forge(&["report"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(out(&output).trim_end().ends_with("report.html"));
    assert!(fs::read(&report).unwrap() == first, "the report differs");
    assert!(place.latest().path().join("figures").is_dir());

    fs::remove_file(place.latest().path().join("notebook.json")).unwrap();
    let output = place.forge(&["report"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("notebook.json` is missing"), "{}", err(&output));
}

#[test]
fn explain_gives_shapes_parameters_and_the_origin_of_every_value() {
    let place = Place::new(SPEC);
    let output = place.forge(&["explain", "spec.yaml", "--json", "-s", "window.lookback=20"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let plan: Value = serde_json::from_str(&out(&output)).unwrap();
    let cell = |id: &str| plan["cells"].as_array().unwrap().iter().find(|c| c["id"] == id).unwrap().clone();
    let lstm = cell("lstm");
    assert_eq!(lstm["takes"], serde_json::json!(["windows of `window`"]));
    assert_eq!(lstm["model"]["input"], serde_json::json!([0, 20, 2]));
    // 4 gates of 4 units: (2 inputs + 4 units) weights and two biases; a head of 4 weights and a bias for 3 steps.
    assert_eq!(lstm["model"]["parameters"], 4 * 4 * (2 + 4 + 2) + 3 * (4 + 1));
    assert_eq!(cell("linear")["model"]["parameters"], 20 * 2 * 3 + 3);
    let origin = |cell: &Value, address: &str| {
        let values = cell["values"].as_array().unwrap().clone();
        values
            .into_iter()
            .find(|v| v["address"] == address)
            .map(|v| (v["value"].clone(), v["origin"].clone()))
            .unwrap()
    };
    assert_eq!(origin(&cell("window"), "window.lookback"), (20.into(), "-s window.lookback=20".into()));
    assert_eq!(origin(&cell("window"), "window.horizon"), (3.into(), "line 8".into()));
    assert_eq!(origin(&cell("window"), "window.stride"), (1.into(), "default".into()));
    assert_eq!(origin(&lstm, "train.optimizer.adam.lr"), (0.001.into(), "default".into()));
    assert_eq!(cell("show")["line"], 0, "added, since nothing is shown");
    let words = out(&place.forge(&["explain", "spec.yaml"]));
    assert!(words.contains("shapes [batch, 10, 2] → [batch, 3], 143 parameters"), "{words}");
    assert!(!place.path("home").exists(), "nothing ran");

    let wrong = place.forge(&["explain", "spec.yaml", "-s", "window.lookbak=20"]);
    assert_eq!(wrong.status.code(), Some(2));
}

#[test]
fn every_code_that_a_message_can_show_is_explained() {
    let place = Place::new(SPEC);
    for code in ["E0102", "e0310", "L03", "E0175", "E0176", "E0390", "E0391", "E0701", "E0703", "E0901"] {
        let output = place.forge(&["explain", code]);
        let words = out(&output);
        assert_eq!(output.status.code(), Some(0), "{}", err(&output));
        assert!(words.to_lowercase().starts_with(&format!("{}: ", code.to_lowercase())), "{words}");
        assert!(words.len() > 20, "{words}");
    }
    let output = place.forge(&["explain", "E9999"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("no code `E9999`; known codes: E0101,"), "{}", err(&output));
}

#[test]
fn a_new_spec_is_right_and_runs() {
    let place = Place::new("");
    let output = place.forge(&["new", "--from", "msft.csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = fs::read_to_string(place.path("msft.yaml")).unwrap();
    assert!(text.contains("data: {csv: msft.csv, time: Date, freq: sessions}"), "{text}");
    assert!(text.contains("target: {Close: [log, diff, standardize]}"), "{text}");
    assert_eq!(place.forge(&["check", "msft.yaml"]).status.code(), Some(0));
    let again = place.forge(&["new", "--from", "msft.csv"]);
    assert_eq!(again.status.code(), Some(2));
    assert!(err(&again).contains("name another file"), "{}", err(&again));
    assert_eq!(fs::read_to_string(place.path("msft.yaml")).unwrap(), text, "nothing is overwritten");

    // Hours, a name that needs quotes, a column of text, one with a missing value, a constant one.
    let hour = |n: usize| {
        let (day, hour) = (1 + n / 24, n % 24);
        let gap = if n == 7 { String::new() } else { n.to_string() };
        format!("2021-03-{day:02} {hour:02}:00,sun,{gap},5,{}\n", ((n * 7) % 24) as f64 - 3.5)
    };
    let rows: String = (0..480).map(hour).collect();
    fs::write(place.path("odd names.csv"), format!("when,sky,gaps,still,\"temp: C\"\n{rows}")).unwrap();
    let output = place.forge(&["new", "hours.yaml", "--from", "odd names.csv"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let text = fs::read_to_string(place.path("hours.yaml")).unwrap();
    assert!(text.contains("target: {\"temp: C\": [standardize]}"), "{text}");
    assert!(text.contains("freq: 1h") && text.contains("{seasonal: 24}"), "{text}");
    assert!(text.contains("window: {lookback: 48, horizon: 24}"), "{text}");
    let run = place.forge(&["run", "hours.yaml", "--smoke"]);
    assert_eq!(run.status.code(), Some(0), "{}", err(&run));

    fs::write(place.path("words.csv"), "when,what\n2020-01-01,a\n2020-01-02,b\n2020-01-03,c\n").unwrap();
    let output = place.forge(&["new", "--from", "words.csv"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(err(&output).contains("no column can be forecast") && !place.path("words.yaml").exists());
}

#[test]
fn a_smoke_run_trains_little_and_is_nobodys_parent() {
    let place = Place::new(SPEC);
    let output = place.forge(&["run", "spec.yaml", "--smoke", "-s", "lstm.train.epochs=5000"]);
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(err(&output).contains("its numbers mean nothing"), "{}", err(&output));
    let record = place.latest().record().unwrap();
    assert_eq!((record.state, &record.tags[..]), (RunState::Finished, &["smoke".to_string()][..]));
    let steps = place.latest().metrics().unwrap().iter().map(|p| p.step).max();
    assert_eq!(steps, Some(3));
    assert_eq!(place.forge(&["run", "spec.yaml"]).status.code(), Some(0));
    assert_eq!(place.latest().record().unwrap().parent, None);
}

#[test]
fn strict_makes_errors_of_warnings() {
    // 20 validation rows: L11.
    let spec =
        SPEC.replace("train: 70%, val: 10%, test: 20%", "val: 20, test: 600").replace("by: time, ", "");
    let place = Place::new(&spec);
    let lax = place.forge(&["run", "spec.yaml", "--smoke"]);
    assert_eq!(lax.status.code(), Some(0), "{}", err(&lax));
    assert!(err(&lax).contains("L11"), "{}", err(&lax));
    let strict = place.forge(&["run", "spec.yaml", "--smoke", "--strict"]);
    assert_eq!(strict.status.code(), Some(4), "{}", err(&strict));
    assert!(err(&strict).contains("error[L11]") && err(&strict).contains("--strict"), "{}", err(&strict));
    assert_eq!(place.latest().record().unwrap().state, RunState::Failed);
    assert!(place.latest().notebook().is_ok());
}

#[test]
fn schema_doctor_and_completions_print_what_they_should() {
    let place = Place::new(SPEC);
    let schema: Value = serde_json::from_str(&out(&place.forge(&["schema"]))).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(schema["properties"]["window"].is_object());
    let doctor = place.forge(&["doctor", "--json"]);
    assert_eq!(doctor.status.code(), Some(0));
    let doctor: Value = serde_json::from_str(&out(&doctor)).unwrap();
    assert_eq!((&doctor["version"], &doctor["device"]), (&env!("CARGO_PKG_VERSION").into(), &"cpu".into()));
    assert_eq!(doctor["home"]["writable"], true);
    fs::write(place.path("home"), "a file in the way").unwrap();
    assert_eq!(place.forge(&["doctor"]).status.code(), Some(7));
    for shell in ["bash", "zsh", "fish"] {
        let words = out(&place.forge(&["completions", shell]));
        assert!(words.contains("forge") && words.contains("predict"), "{shell}: {words}");
    }
}
