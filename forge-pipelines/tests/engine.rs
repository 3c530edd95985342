//! Runs from a program, without the command line: cells that panic, models that no memory holds, guards switched off.
#![allow(clippy::unwrap_used)] // the functions beside the tests are tests, too

use forge_core::history::{CellState, Level, Notebook};
use forge_pipelines::cells::{CellKind, CellRun};
use forge_pipelines::engine::{self, Finished, RunOptions};
use forge_pipelines::run::{Home, RunDir, RunState};
use forge_pipelines::spec::{ActionSpec, Spec};
use forge_pipelines::value::{Value, ValueKind};
use forge_pipelines::{Exit, Failure, Registry};
use serde_json::json;
use std::path::{Path, PathBuf};

const SPEC: &str = "\
forge: 1
task: forecast
cells:
  - data: {csv: prices.csv, time: Date, freq: sessions}
  - split: {}
  - target: Close
  - window: {lookback: 8, horizon: 2}
  - id: fit
    model: {lstm: {hidden: 4}}
    train: {epochs: 3, stop: {monitor: val.mae, patience: 3}}
";

/// A folder with 120 days of prices and a spec.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(spec: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let prices = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/acceptance/golden/prices.csv");
        std::fs::copy(prices, folder.path().join("prices.csv")).unwrap();
        std::fs::write(folder.path().join("spec.yaml"), spec).unwrap();
        Folder(folder)
    }

    fn spec(&self) -> PathBuf {
        self.0.path().join("spec.yaml")
    }

    fn run(&self, registry: &Registry) -> (Finished, RunDir) {
        let planned = engine::check(&self.spec(), &[], registry).map_err(|refusal| refusal.findings).unwrap();
        let home = Home::new(self.0.path().join("home"));
        let report = |_: &Notebook, dir: &RunDir| Ok(dir.path().join("report.html"));
        let finished = engine::execute(&planned, registry, RunOptions::new(home, &self.spec(), &report));
        let dir = finished.dir.clone().unwrap();
        (finished, dir)
    }

    /// What a spec that cannot run is answered with.
    fn refused(&self) -> (Exit, String) {
        let refusal = engine::check(&self.spec(), &[], &Registry::standard()).unwrap_err();
        (refusal.exit, refusal.findings.to_string())
    }
}

/// A cell kind of outside code that has a fault.
struct Faulty;

impl CellKind for Faulty {
    fn actions(&self, _registry: &Registry) -> Vec<(&'static str, serde_json::Value)> {
        vec![("faulty", json!({"type": "integer"}))]
    }

    fn takes(&self) -> Option<ValueKind> {
        Some(ValueKind::Windows)
    }

    fn gives(&self) -> Option<ValueKind> {
        None
    }

    fn resolve(&self, _: &Spec, action: &ActionSpec, _: &Registry) -> Result<serde_json::Value, Failure> {
        Ok(action.params.clone())
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let at = run.cell.action("faulty").and_then(|action| action.params.as_u64()).unwrap() as usize;
        Ok([None][at].clone())
    }
}

#[test]
fn a_cell_that_panics_ends_the_run_as_failed_with_a_request_to_report_it() {
    let registry = Registry::standard().with_cell(Faulty);
    let folder = Folder::new(&format!("{SPEC}  - faulty: 7\n  - evaluate: {{}}\n"));
    let (finished, dir) = folder.run(&registry);
    assert_eq!(finished.exit, Exit::Internal);
    let words = finished.findings.unwrap().to_string();
    assert!(
        words.contains("error[E0901]: a fault of this program in cell `faulty`: index out of bounds"),
        "{words}"
    );
    assert!(words.contains("11 |   - faulty: 7") && words.contains("please report this"), "{words}");
    let record = dir.record().unwrap();
    assert_eq!((record.state, record.exit_code), (RunState::Failed, Some(1)));
    assert!(!dir.path().join("lease.json").exists());
    let states: Vec<CellState> = dir.notebook().unwrap().cells.into_iter().map(|cell| cell.state).collect();
    assert!(matches!(states[..], [.., CellState::Failed { .. }, CellState::Skipped]), "{states:?}");
    assert!(!dir.predictions().unwrap().is_empty(), "what earlier cells gave is kept");

    // What was done before counts: mended, the run goes on.
    let mended = Folder::new(&format!("{SPEC}  - faulty: 0\n  - evaluate: {{}}\n"));
    assert_eq!(mended.run(&registry).0.exit, Exit::Ok);
}

#[test]
fn a_report_that_panics_ends_the_run_as_failed() {
    let folder = Folder::new(SPEC);
    let registry = Registry::standard();
    let planned = engine::check(&folder.spec(), &[], &registry).unwrap();
    let home = Home::new(folder.0.path().join("home"));
    let broken = |_: &Notebook, _: &RunDir| -> Result<PathBuf, String> { panic!("no ink") };
    let finished = engine::execute(&planned, &registry, RunOptions::new(home, &folder.spec(), &broken));
    assert_eq!(finished.exit, Exit::Internal);
    assert!(finished.findings.unwrap().to_string().contains("in the report: no ink"));
    assert_eq!(finished.dir.unwrap().record().unwrap().state, RunState::Failed);
}

#[test]
fn a_model_that_no_memory_holds_is_refused_by_the_plan() {
    for (from, to) in [("hidden: 4", "hidden: 10000000"), ("hidden: 4", "hidden: 18446744073709551615")] {
        let (exit, words) = Folder::new(&SPEC.replace(from, to)).refused();
        assert_eq!(exit, Exit::Resource, "{words}");
        assert!(
            words.contains("error[E0704]") && words.contains("9 |     model: {lstm: {hidden: 1"),
            "{words}"
        );
    }
    let (exit, words) = Folder::new(
        &SPEC
            .replace("{lstm: {hidden: 4}}", "linear")
            .replace("lookback: 8, horizon: 2", "lookback: 1000000, horizon: 1000000"),
    )
    .refused();
    assert_eq!(exit, Exit::Resource, "{words}");
    assert!(words.contains("training `linear` takes about 20 TB of memory, and this machine has"), "{words}");
    assert!(words.contains("1000001000000 parameters"), "{words}");
}

#[test]
fn early_stopping_on_the_test_part_needs_a_reason() {
    let leaky = SPEC.replace("val.mae", "test.mae");
    let (exit, words) = Folder::new(&leaky).refused();
    assert_eq!(exit, Exit::Leak);
    assert!(words.contains("error[L06]") && words.contains("^^^^^^^^ of the test part"), "{words}");

    // The same where nothing leaks, and for a guard that stops no run.
    let (exit, words) = Folder::new(&SPEC.replace("cells:", "allow: {L06: a lecture}\ncells:")).refused();
    assert_eq!(exit, Exit::Spec);
    assert!(words.contains("error[E0174]") && words.contains("^^^ does nothing"), "{words}");
    let (exit, words) = Folder::new(&SPEC.replace("cells:", "allow: {L09: a lecture}\ncells:")).refused();
    assert_eq!(exit, Exit::Spec);
    assert!(words.contains("`L09` cannot be a key of `allow`"), "{words}");
    assert!(words.contains("known keys: L05, L06"), "{words}");

    let reason = "a lecture on leaks";
    let allowed = leaky.replace("cells:", &format!("allow: {{L06: {reason}}}\ncells:"));
    let folder = Folder::new(&allowed);
    let (finished, dir) = folder.run(&Registry::standard());
    assert_eq!(finished.exit, Exit::Ok, "{}", finished.findings.unwrap());
    let notices = dir.notebook().unwrap().notices;
    let own = notices.iter().find(|notice| notice.code == "L06").unwrap();
    assert!(own.level == Level::Warning && own.text.ends_with(&format!("Allowed by the spec: {reason}")));
    let watched = dir.metrics().unwrap().into_iter().filter(|point| point.name == "test.mae").count();
    assert_eq!(watched, 3, "the metric that chooses is that of the test part");
}

/// Every whole number of a spec that names as many as it can.
const NUMBERS: &str = "\
forge: 1
task: forecast
cells:
  - id: prices
    data: {csv: prices.csv, time: Date, freq: sessions, skip_rows: 0}
    clean: {fill: {forward: {limit: 3}}}
    check: {min_rows: 3}
  - split: {train: 60, val: 20, test: 40, embargo: 0}
  - target: {Close: [log, {seasonal_diff: 5}, standardize]}
    future: {calendar: [weekday]}
  - window: {lookback: 8, horizon: 2, stride: 1}
  - baseline: [last, {seasonal: 5}]
  - id: fit
    model: {lstm: {hidden: 4, layers: 1}}
    train:
      epochs: 3
      batch: 16
      schedule: {step: {every: 2}}
      stop: {monitor: val.mae, patience: 3}
  - id: other
    model: linear
    train: {schedule: {cosine: {warmup: 5}}}
  - id: third
    model: linear
    train: {schedule: {plateau: {patience: 5}}}
  - evaluate: {season: 5}
  - forecast: {next: 2}
";

#[test]
fn no_number_is_absurd_enough_for_a_panic() {
    let registry = Registry::standard();
    let folder = Folder::new(NUMBERS);
    let planned = engine::check(&folder.spec(), &[], &registry).map_err(|refusal| refusal.findings).unwrap();
    let mut addresses = vec!["threads".to_string(), "seed".to_string()];
    for cell in engine::explain(&planned, &registry) {
        let whole = cell.values.into_iter().filter(|value| value.value.is_u64());
        addresses.extend(whole.map(|value| format!("{}.{}", cell.id, value.address)));
    }
    assert!(addresses.len() >= 20, "{addresses:?}");
    let home = Home::new(folder.0.path().join("home"));
    let mut exits = std::collections::BTreeMap::new();
    for address in addresses {
        for value in ["0", "4294967296", "18446744073709551615"] {
            let set = format!("{address}={value}");
            let exit = match engine::check(&folder.spec(), std::slice::from_ref(&set), &registry) {
                Err(refusal) => refusal.exit,
                Ok(planned) => {
                    let report = |_: &Notebook, dir: &RunDir| Ok(dir.path().join("report.html"));
                    let spec = folder.spec();
                    let options = RunOptions { smoke: true, ..RunOptions::new(home.clone(), &spec, &report) };
                    let finished = engine::execute(&planned, &registry, options);
                    let words = finished.findings.map(|findings| findings.to_string()).unwrap_or_default();
                    assert!(finished.exit != Exit::Internal, "{set}: {words}");
                    finished.exit
                }
            };
            *exits.entry(exit.code()).or_insert(0) += 1;
        }
    }
    // Fine, refused as a spec, refused by the data, refused by the machine.
    assert_eq!(exits.keys().collect::<Vec<_>>(), [&0, &2, &3, &7], "{exits:?}");
}
