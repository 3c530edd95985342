//! Daily prices, one session ahead: repeating the last value scores what was published, and an LSTM is as good and no better.

use super::support::{ROOT, shared};
use azuraforge::history::Notebook;
use azuraforge::pipelines::engine::{self, RunOptions};
use azuraforge::pipelines::run::{Home, RunDir};
use azuraforge::pipelines::{Exit, Registry};
use std::path::{Path, PathBuf};

/// A series, how it is read, and the RMSE of repeating its last value over the last fifth of its rows, as published.
struct Series {
    folder: PathBuf,
    read: &'static str,
    column: &'static str,
    rows: usize,
    last: &'static str,
}

fn bundled(read: &'static str, column: &'static str, rows: usize, last: &'static str) -> Series {
    Series { folder: Path::new(ROOT).join("examples/data"), read, column, rows, last }
}

impl Series {
    fn spec(&self) -> String {
        format!(
            "\
forge: 1
task: forecast
cells:
  - {}
  - split: {{by: time, val: 10%, test: {}}}
  - target: {{{}: [log, diff, standardize]}}
  - window: {{lookback: 10, horizon: 1}}
  - baseline: last
  - id: lstm
    model: {{lstm: {{hidden: 8}}}}
    train: {{epochs: 8, batch: 64, optimizer: {{adam: {{lr: 0.003}}}}, stop: {{monitor: val.rmse, patience: 3}}}}
  - id: score
    evaluate: {{metrics: [rmse]}}
",
            self.read, self.rows, self.column
        )
    }
}

/// Below 0.98 is a leak until proven otherwise, above 1.05 a fault of training.
#[test]
fn an_lstm_is_as_good_as_the_last_value_and_no_better() {
    let mut all = vec![
        bundled("data: {csv: ibm_daily.csv, time: Date, freq: sessions}", "Close", 654, "2.092"),
        bundled("data: {csv: msft_daily.csv, time: Date, freq: sessions}", "Close", 654, "0.3679"),
        bundled(
            "data: {csv: wti_daily.csv, na: [\".\"], freq: sessions}\n    clean: {drop: {missing: [DCOILWTICO]}}",
            "DCOILWTICO",
            1665,
            "1.246",
        ),
        bundled("data: {csv: ecb_fx_eur_daily.csv, freq: sessions}", "USD", 1426, "0.005061"),
    ];
    all.extend(shared("stock/sp500-2000.csv").map(|path| Series {
        folder: path.parent().unwrap().to_path_buf(),
        read: "data: {csv: sp500-2000.csv, freq: sessions}",
        column: "close",
        rows: 1021,
        last: "32.05",
    }));
    let registry = Registry::standard();
    let mut wrong = Vec::new();
    for series in all {
        for seed in [1, 2, 3] {
            let home = tempfile::tempdir().unwrap();
            let written = home.path().join("spec.yaml");
            std::fs::write(&written, series.spec()).unwrap();
            let planned = engine::check(&written, &[format!("seed={seed}")], &registry);
            let planned = planned.map_err(|refusal| refusal.findings).unwrap();
            let nothing = |_: &Notebook, dir: &RunDir| Ok(dir.path().join("report.html"));
            // Its folder is where the path of the data begins.
            let path = series.folder.join("spec.yaml");
            let finished = engine::execute(
                &planned,
                &registry,
                RunOptions::new(Home::new(home.path()), &path, &nothing),
            );
            assert_eq!(finished.exit, Exit::Ok, "{}", finished.findings.unwrap());
            let metrics = finished.dir.unwrap().record().unwrap().metrics;
            let [last, lstm] =
                ["last", "lstm"].map(|name| metrics[&format!("score.result.{name}.rmse")].unwrap());
            let decimals = series.last.split('.').nth(1).unwrap().len();
            assert_eq!(format!("{last:.decimals$}"), series.last, "{}", series.column);
            let ratio = lstm / last;
            eprintln!("{} seed {seed}: {ratio:.4}", series.read);
            if !(0.98..=1.05).contains(&ratio) {
                wrong.push(format!("{}, seed {seed}: {ratio}", series.read));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
