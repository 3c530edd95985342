//! The verbs beside `run`: what they print is what the run directory and the files say.

use super::bench::{Bench, Ended};
use azuraforge::pipelines::run::RunState;
use serde_json::Value;
use std::fs;

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

#[test]
fn predict_gives_what_the_run_forecast_from_the_same_rows() {
    let bench = Bench::with_prices(SPEC);
    assert_eq!(bench.forge("run spec.yaml").code, Some(0));
    let dir = bench.latest();
    // The last test window of the run begins three rows before the end: the file without them is its history.
    let text = fs::read_to_string(bench.path("msft.csv")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    fs::write(bench.path("shorter.csv"), lines[..lines.len() - 3].join("\n")).unwrap();
    fs::remove_file(bench.path("msft.csv")).unwrap();
    fs::remove_file(bench.path("spec.yaml")).unwrap();

    let output = bench.forge("predict --csv shorter.csv --json");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let said: Value = serde_json::from_str(&output.stdout).unwrap();
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

    let words = bench.forge("predict latest --fit linear").stdout;
    let lines: Vec<&str> = words.lines().collect();
    assert_eq!(lines[0], "linear: after 2013-03-01");
    let times: Vec<&str> = lines[1..].iter().map(|l| l.split_whitespace().next().unwrap()).collect();
    assert_eq!(times, ["2013-03-04", "2013-03-05", "2013-03-06"], "no session on a weekend");

    let none = bench.forge("predict --fit gru");
    assert_eq!(none.code, Some(2));
    assert!(none.stderr.contains("fits that can forecast: linear, lstm"), "{}", none.stderr);
    fs::write(bench.path("short.csv"), lines_of("Date,Close,Volume", 5)).unwrap();
    let short = bench.forge("predict --csv short.csv");
    assert_eq!(short.code, Some(3), "{}", short.stderr);
    assert!(short.stderr.contains("rows of history are too few"), "{}", short.stderr);
}

fn lines_of(head: &str, rows: usize) -> String {
    let row = |n: usize| format!("2020-01-{:02},{},{}\n", n + 1, 10.0 + n as f64 / 7.0, 1000 + n * n);
    format!("{head}\n{}", (0..rows).map(row).collect::<String>())
}

#[test]
fn a_report_made_again_is_the_same() {
    let bench = Bench::with_prices(SPEC);
    assert_eq!(bench.forge("run spec.yaml").code, Some(0));
    let report = bench.latest().path().join("report.html");
    let first = fs::read(&report).unwrap();
    fs::remove_file(&report).unwrap();
    fs::remove_dir_all(bench.latest().path().join("figures")).unwrap();
    let output = bench.forge("report");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stdout.trim_end().ends_with("report.html"));
    assert!(fs::read(&report).unwrap() == first, "the report differs");
    assert!(bench.latest().path().join("figures").is_dir());

    fs::remove_file(bench.latest().path().join("notebook.json")).unwrap();
    let output = bench.forge("report");
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("notebook.json` is missing"), "{}", output.stderr);
}

#[test]
fn explain_gives_shapes_parameters_and_the_origin_of_every_value() {
    let bench = Bench::with_prices(SPEC);
    let output = bench.forge("explain spec.yaml --json -s window.lookback=20");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let plan: Value = serde_json::from_str(&output.stdout).unwrap();
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
    let words = bench.forge("explain spec.yaml").stdout;
    assert!(words.contains("shapes [batch, 10, 2] → [batch, 3], 143 parameters"), "{words}");
    assert!(!bench.path("home").exists(), "nothing ran");

    let wrong = bench.forge("explain spec.yaml -s window.lookbak=20");
    assert_eq!(wrong.code, Some(2));
}

#[test]
fn every_code_that_a_message_can_show_is_explained() {
    let bench = Bench::with_prices(SPEC);
    for code in ["E0102", "e0310", "L03", "E0176", "E0177", "E0390", "E0391", "E0701", "E0703", "E0901"] {
        let output = bench.forge(&format!("explain {code}"));
        let words = output.stdout;
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(words.to_lowercase().starts_with(&format!("{}: ", code.to_lowercase())), "{words}");
        assert!(words.len() > 20, "{words}");
    }
    let output = bench.forge("explain E9999");
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("no code `E9999`; known codes: E0101,"), "{}", output.stderr);
}

#[test]
fn a_new_spec_is_right_and_runs() {
    let bench = Bench::with_prices("");
    let output = bench.forge("new --from msft.csv");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let text = fs::read_to_string(bench.path("msft.yaml")).unwrap();
    assert!(text.contains("data: {csv: msft.csv, time: Date, freq: sessions}"), "{text}");
    assert!(text.contains("target: {Close: [log, diff, standardize]}"), "{text}");
    assert_eq!(bench.forge("check msft.yaml").code, Some(0));
    let again = bench.forge("new --from msft.csv");
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("name another file"), "{}", again.stderr);
    assert_eq!(fs::read_to_string(bench.path("msft.yaml")).unwrap(), text, "nothing is overwritten");

    // Hours, a name that needs quotes, a column of text, one with a missing value, a constant one.
    let hour = |n: usize| {
        let (day, hour) = (1 + n / 24, n % 24);
        let gap = if n == 7 { String::new() } else { n.to_string() };
        format!("2021-03-{day:02} {hour:02}:00,sun,{gap},5,{}\n", ((n * 7) % 24) as f64 - 3.5)
    };
    let rows: String = (0..480).map(hour).collect();
    fs::write(bench.path("odd names.csv"), format!("when,sky,gaps,still,\"temp: C\"\n{rows}")).unwrap();
    let output = Ended::from(bench.command("new hours.yaml --from").arg("odd names.csv").output().unwrap());
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let text = fs::read_to_string(bench.path("hours.yaml")).unwrap();
    assert!(text.contains("target: {\"temp: C\": [standardize]}"), "{text}");
    assert!(text.contains("freq: 1h") && text.contains("{seasonal: 24}"), "{text}");
    assert!(text.contains("window: {lookback: 48, horizon: 24}"), "{text}");
    let run = bench.forge("run hours.yaml --smoke");
    assert_eq!(run.code, Some(0), "{}", run.stderr);

    fs::write(bench.path("words.csv"), "when,what\n2020-01-01,a\n2020-01-02,b\n2020-01-03,c\n").unwrap();
    let output = bench.forge("new --from words.csv");
    assert_eq!(output.code, Some(3));
    assert!(output.stderr.contains("no column can be forecast") && !bench.path("words.yaml").exists());
}

#[test]
fn a_smoke_run_trains_little_and_is_nobodys_parent() {
    let bench = Bench::with_prices(SPEC);
    let output = bench.forge("run spec.yaml --smoke -s lstm.train.epochs=5000");
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains("its numbers mean nothing"), "{}", output.stderr);
    let record = bench.latest().record().unwrap();
    assert_eq!((record.state, &record.tags[..]), (RunState::Finished, &["smoke".to_string()][..]));
    let steps = bench.latest().metrics().unwrap().iter().map(|p| p.step).max();
    assert_eq!(steps, Some(3));
    assert_eq!(bench.forge("run spec.yaml").code, Some(0));
    assert_eq!(bench.latest().record().unwrap().parent, None);
}

#[test]
fn strict_makes_errors_of_warnings() {
    // 20 validation rows: L11.
    let spec =
        SPEC.replace("train: 70%, val: 10%, test: 20%", "val: 20, test: 600").replace("by: time, ", "");
    let bench = Bench::with_prices(&spec);
    let lax = bench.forge("run spec.yaml --smoke");
    assert_eq!(lax.code, Some(0), "{}", lax.stderr);
    assert!(lax.stderr.contains("L11"), "{}", lax.stderr);
    let strict = bench.forge("run spec.yaml --smoke --strict");
    assert_eq!(strict.code, Some(4), "{}", strict.stderr);
    assert!(strict.stderr.contains("error[L11]") && strict.stderr.contains("--strict"), "{}", strict.stderr);
    assert_eq!(bench.latest().record().unwrap().state, RunState::Failed);
    assert!(bench.latest().notebook().is_ok());
}

#[test]
fn schema_doctor_and_completions_print_what_they_should() {
    let bench = Bench::with_prices(SPEC);
    let schema: Value = serde_json::from_str(&bench.forge("schema").stdout).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    assert!(schema["properties"]["window"].is_object());
    let doctor = bench.forge("doctor --json");
    assert_eq!(doctor.code, Some(0));
    let doctor: Value = serde_json::from_str(&doctor.stdout).unwrap();
    assert_eq!((&doctor["version"], &doctor["device"]), (&env!("CARGO_PKG_VERSION").into(), &"cpu".into()));
    assert_eq!(doctor["home"]["writable"], true);
    fs::write(bench.path("home"), "a file in the way").unwrap();
    assert_eq!(bench.forge("doctor").code, Some(7));
    for shell in ["bash", "zsh", "fish"] {
        let words = bench.forge(&format!("completions {shell}")).stdout;
        assert!(words.contains("forge") && words.contains("predict"), "{shell}: {words}");
    }
}
