//! `forge run examples/stock.yaml` and what it leaves behind.

use super::support::{Ended, ROOT, files, forge, short};
use azuraforge::history::Part;
use azuraforge::pipelines::run::{Home, RunDir, RunState};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

/// The example, run from the root of the repository as the README says. One run serves all tests: it is the longest.
pub static EXAMPLE: LazyLock<RunDir> = LazyLock::new(|| {
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("example");
    let _ = std::fs::remove_dir_all(&home);
    let args = format!("run examples/stock.yaml --home {}", home.display());
    let output = forge(Path::new(ROOT), Path::new("not-this-one"), &args).output().unwrap();
    let ended = Ended::from(output).with_code(0);
    let dir = Home::new(home).find("latest").unwrap();
    let report = dir.path().join("report.html");
    assert_eq!(ended.stdout.lines().last(), report.to_str(), "the last line is the report");
    dir
});

/// What a run directory holds when the example is through, but for `git.diff`.
const FILES: [&str; 23] = [
    "data.json",
    "env.json",
    "events.jsonl",
    "figures/01-data-overview.json",
    "figures/02-learning-curves.json",
    "figures/03-forecast.json",
    "figures/04-residuals.json",
    "fits/linear/best.safetensors",
    "fits/linear/last.json",
    "fits/linear/last.safetensors",
    "fits/linear/model.json",
    "fits/lstm/best.safetensors",
    "fits/lstm/last.json",
    "fits/lstm/last.safetensors",
    "fits/lstm/model.json",
    "log.txt",
    "metrics.jsonl",
    "notebook.json",
    "predictions.parquet",
    "report.html",
    "run.json",
    "spec.lock.json",
    "spec.yaml",
];

fn json(dir: &RunDir, file: &str) -> Value {
    serde_json::from_slice(&std::fs::read(dir.path().join(file)).unwrap()).unwrap()
}

/// A metric of `run.json`.
fn metric(dir: &RunDir, name: &str) -> f64 {
    dir.record().unwrap().metrics[name].unwrap()
}

#[test]
fn the_example_leaves_a_whole_run_directory() {
    let dir = &*EXAMPLE;
    let mut found = files(dir.path());
    found.retain(|file| file != "git.diff");
    assert_eq!(found, FILES);
    let spec = std::fs::read(Path::new(ROOT).join("examples/stock.yaml")).unwrap();
    assert_eq!(dir.spec().unwrap(), spec);

    let record = dir.record().unwrap();
    assert_eq!((record.state, record.exit_code), (RunState::Finished, Some(0)));
    assert_eq!(record.title, "MSFT close, one session ahead");
    assert!(record.seconds.unwrap() < 60.0, "{:?}", record.seconds);

    let events = dir.events().unwrap();
    assert!((0..).zip(&events).all(|(seq, line)| line.seq == seq), "a gap in the numbers of the events");
    let epochs = |cell: &str| {
        let of = |name: &str| {
            let points = dir.metrics().unwrap().into_iter();
            points.filter(|p| p.cell == cell && p.name == name).count()
        };
        (of("train.loss"), of("val.mase"))
    };
    let trained = json(dir, "fits/linear/last.json")["epoch"].as_u64().unwrap() as usize + 1;
    assert_eq!(epochs("linear"), (trained, trained));

    let source = &dir.sources().unwrap()[0];
    assert_eq!((source.location.as_str(), source.rows), ("data/msft_daily.csv", 3270));
    let lock = json(dir, "spec.lock.json");
    let of =
        |id: &str| lock["cells"].as_array().unwrap().iter().find(|cell| cell["id"] == id).unwrap().clone();
    assert_eq!(of("window")["actions"]["window"]["stride"], 1, "defaults are filled in");
    assert_eq!(of("window")["origins"]["window.stride"], "default");
    assert_eq!(of("lstm")["result"]["state"], "ran");
    let model = json(dir, "fits/lstm/model.json");
    assert_eq!(model["columns"][0]["name"], "Close");
    assert_eq!(model["weights"], "best.safetensors");
}

#[test]
fn every_test_row_is_forecast_and_scored() {
    let dir = &*EXAMPLE;
    let predictions = dir.predictions().unwrap();
    let of = |name: &str| {
        let mut found = predictions.iter().filter(|f| f.name == name && f.part == Part::Test);
        let one = found.next().unwrap();
        assert!(found.next().is_none(), "{name} twice");
        one
    };
    for name in ["last", "drift", "mean", "seasonal(5)", "lstm", "linear"] {
        assert_eq!(of(name).predicted.len(), 654, "{name}");
    }
    // The last row of the file is the last target.
    let last = of("last");
    assert_eq!((last.actual[653], *last.origins.last().unwrap()), (27.95, 3268));
    assert_eq!(format!("{:.4}", metric(dir, "score.result.last.rmse")), "0.3679");
    // Scores can be computed again from the predictions alone.
    let lstm = of("lstm");
    let squares: f64 = lstm.actual.iter().zip(&lstm.predicted).map(|(y, f)| (y - f).powi(2)).sum();
    let again = (squares / 654.0).sqrt();
    assert!((again - metric(dir, "score.result.lstm.rmse")).abs() < 1e-12, "{again}");
    let report = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(report.contains("654 target rows"), "the report says how many targets were scored");
}

/// Below 0.98 is a leak until proven otherwise, above 1.05 a fault of training.
#[test]
fn the_lstm_of_the_example_is_as_good_as_the_last_value_and_no_better() {
    let dir = &*EXAMPLE;
    let ratio = metric(dir, "score.result.lstm.rmse") / metric(dir, "score.result.last.rmse");
    assert!((0.98..=1.05).contains(&ratio), "{ratio}");
}

#[test]
fn the_same_spec_gives_the_same_bytes() {
    let outcome = || {
        let bench = short();
        bench.forge("run short.yaml").with_code(0);
        let dir = bench.run();
        let bytes = |file: &str| std::fs::read(dir.path().join(file)).unwrap();
        // `last.safetensors` also holds how long each epoch took.
        ["predictions.parquet", "fits/lstm/best.safetensors"]
            .map(|file| (file, bytes(file)))
            .into_iter()
            .collect::<BTreeMap<_, _>>()
    };
    let (first, second) = (outcome(), outcome());
    for (file, bytes) in &first {
        assert!(!bytes.is_empty() && bytes == &second[file], "{file} differs");
    }
    let bench = short();
    bench.forge("run short.yaml -s seed=43").with_code(0);
    let other = std::fs::read(bench.run().path().join("fits/lstm/best.safetensors")).unwrap();
    assert_ne!(other, first["fits/lstm/best.safetensors"], "another seed, other weights");
}

/// However the spec is named, a run directory can be given away without saying whose machine it was made on.
#[test]
fn no_file_of_a_run_holds_an_absolute_path() {
    let bench = short();
    let absolute = bench.path("short.yaml");
    bench.forge("run short.yaml").with_code(0);
    bench.forge(&format!("run {}", absolute.display())).with_code(0);
    let (temporary, root) = (absolute.parent().unwrap().to_str().unwrap().to_string(), ROOT.to_string());
    for run in bench.home().runs().unwrap() {
        let dir = bench.home().find(&run.id).unwrap();
        for file in files(dir.path()) {
            let text = String::from_utf8_lossy(&std::fs::read(dir.path().join(&file)).unwrap()).into_owned();
            for path in [&temporary, &root] {
                assert!(!text.contains(path.as_str()), "{file} of {} holds {path}", run.id);
            }
        }
    }
    assert_eq!(bench.home().runs().unwrap().len(), 2);
}
