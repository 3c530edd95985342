//! One spec with several seeds: whole runs of their own, and one with their means.

use crate::bench::Bench;
use azuraforge::history::Output;
use azuraforge::pipelines::run::{RunDir, RunState, RunSummary};
use serde_json::Value;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

const SPEC: &str = "\
forge: 1
task: forecast
seed: 5
cells:
  - data: {csv: msft.csv, time: Date, freq: sessions}
  - split: {by: time, train: 70%, val: 10%, test: 20%}
  - target: {Close: [log, diff, standardize]}
  - window: {lookback: 5, horizon: 2}
  - id: lstm
    model: {lstm: {hidden: 3}}
    train: {epochs: 3, batch: 64}
  - id: score
    evaluate: {metrics: [rmse, mae]}
  - md: \"mean {{ score.result.lstm.rmse }}\"
  - show: [forecast_fan, learning_curves]
assert:
  - score.result.lstm.rmse < 0.000001
";

fn children(bench: &Bench, of: &RunDir) -> Vec<RunDir> {
    of.record().unwrap().children.iter().map(|id| bench.home().find(id).unwrap()).collect()
}

/// The numbers of a run: forecasts and weights.
fn numbers(dir: &RunDir) -> [Vec<u8>; 2] {
    ["predictions.parquet", "fits/lstm/best.safetensors"].map(|name| fs::read(dir.path().join(name)).unwrap())
}

#[test]
fn means_and_spread_of_whole_runs() {
    let place = Bench::with_prices(SPEC);
    // The claim is about the mean, and cannot hold.
    let ended = place.forge("run spec.yaml -s seeds=3").with_code(6);
    let (said, errors) = (ended.stdout, ended.stderr);
    assert!(errors.contains("E0601") && said.contains("(means of 3 seeds, RMSE ± "), "{said}{errors}");
    let run = place.latest();
    let record = run.record().unwrap();
    assert_eq!((record.state, record.children.len()), (RunState::Finished, 3));
    let children = children(&place, &run);
    let records: Vec<_> = children.iter().map(|child| child.record().unwrap()).collect();
    for (child, seed) in records.iter().zip(["5", "6", "7"]) {
        assert_eq!((child.parent.as_deref(), child.seed()), (Some(run.id()), Some(seed)));
        assert_eq!((child.state, child.exit_code), (RunState::Finished, Some(0)));
    }
    let address = "score.result.lstm.rmse";
    let values: Vec<f64> = records.iter().map(|r| r.metrics[address].unwrap()).collect();
    assert!(values[0] != values[1] && values[1] != values[2], "{values:?}");
    let mean = values.iter().sum::<f64>() / 3.0;
    let deviation = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2.0).sqrt();
    assert!((record.metrics[address].unwrap() - mean).abs() < 1e-12);
    assert!((record.spread[address].unwrap() - deviation).abs() < 1e-12);
    assert_eq!(record.spread["score.result.last.rmse"], Some(0.0));

    // The report: prose and scores are means, curves are those of each seed, and the way to every run.
    let notebook = run.notebook().unwrap();
    let outputs: Vec<&Output> = notebook.cells.iter().flat_map(|cell| &cell.outputs).collect();
    let table =
        outputs.iter().find_map(|o| if let Output::SkillTable { table } = o { Some(table) } else { None });
    assert!((table.unwrap().score("lstm").unwrap().metric("rmse").unwrap() - mean).abs() < 1e-12);
    let curves =
        outputs.iter().find_map(|o| if let Output::LearningCurves { fits } = o { Some(fits) } else { None });
    let names: Vec<&str> = curves.unwrap().iter().map(|fit| fit.name.as_str()).collect();
    assert_eq!(names, ["lstm (seed 5)", "lstm (seed 6)", "lstm (seed 7)"]);
    let prose: Vec<&str> = outputs
        .iter()
        .filter_map(|o| if let Output::Prose { markdown } = o { Some(markdown.as_str()) } else { None })
        .collect();
    assert!(prose.iter().any(|text| text.contains(&format!("../{}/report.html", children[2].id()))));
    let found: f64 = prose.iter().find_map(|text| text.strip_prefix("mean ")).unwrap().parse().unwrap();
    assert!((found - mean).abs() < 1e-3 * mean, "{found}");
    assert!(!notebook.asserts[0].held && notebook.asserts[0].found == format!("{mean:.6}"));

    // A seed of several is what a run of that seed alone is, to the bit.
    place.forge("run spec.yaml -s seed=6").with_code(6);
    assert!(place.latest().id() != run.id());
    assert_eq!(numbers(&place.latest()), numbers(&children[1]));
    assert_eq!(
        place.latest().record().unwrap().parent.as_deref(),
        Some(run.id()),
        "compared with the newest run"
    );

    let list = place.forge("ls").stdout;
    let lines: Vec<&str> = list.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(
        lines[1].starts_with(run.id()) && lines[2].starts_with(&format!("  {}", children[0].id())),
        "{list}"
    );
    assert!(lines[4].contains("seed 7: "), "{list}");
    let shown = place.forge(&format!("show {}", run.id())).stdout;
    assert!(shown.contains(" ± ") && shown.contains(&format!("seed       {}", children[0].id())), "{shown}");
    let ended = place.forge(&format!("predict {} --json", run.id())).with_code(0);
    let forecast: Value = serde_json::from_str(&ended.stdout).unwrap();
    let seeds: Vec<u64> =
        forecast["forecasts"].as_array().unwrap().iter().map(|f| f["seed"].as_u64().unwrap()).collect();
    assert_eq!(seeds, [5, 6, 7]);
}

#[test]
fn a_killed_run_of_several_seeds_goes_on_with_the_one_at_work() {
    let whole = Bench::with_prices(SPEC);
    let args = "run spec.yaml -s seeds=3 -s lstm.train.epochs=6";
    whole.forge(args).with_code(6);

    let place = Bench::with_prices(SPEC);
    let mut child = place.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    // Two runs of seeds have begun: the first is done, the second is in training.
    let in_second = || {
        let runs = place.home().runs().unwrap_or_default();
        let at_work = |run: &RunSummary| {
            let record = run.record.as_ref().ok().filter(|r| r.seed() == Some("6"));
            record.is_some()
                && fs::read_dir(place.home().runs_folder().join(&run.id).join("fits/lstm")).is_ok()
        };
        runs.iter().any(at_work)
    };
    while !in_second() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before it could be killed");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = place.latest();
    assert_eq!(killed.record().unwrap().state, RunState::Lost);

    place.forge(args).with_code(6);
    let resumed = place.latest();
    assert_eq!(resumed.id(), killed.id());
    assert_eq!(place.home().runs().unwrap().len(), 4, "no seed was begun twice");
    let (ours, theirs) = (children(&place, &resumed), children(&whole, &whole.latest()));
    assert_eq!((ours.len(), theirs.len()), (3, 3));
    for (a, b) in ours.iter().zip(&theirs) {
        assert!(numbers(a) == numbers(b), "{} differs", a.id());
    }
    let [a, b] = [&resumed, &whole.latest()].map(|dir| dir.record().unwrap());
    assert_eq!((a.metrics, a.spread), (b.metrics, b.spread));
}
