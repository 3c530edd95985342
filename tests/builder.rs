//! A spec built in Rust is the spec that its YAML is.
#![allow(clippy::unwrap_used)] // the functions beside the tests are tests, too

use azuraforge::builder::{Cell, SpecBuilder};
use azuraforge::pipelines::baselines::BaselineParam::{Drift, Last, Mean, Seasonal};
use azuraforge::pipelines::calendar::CalendarParam;
use azuraforge::pipelines::cells::{
    AdamwParams, CosineParams, EvaluateParams, ForecastParams, HuberParams, IntervalParams, LossKind,
    LossParam, Monitor, Next, Restore, ScheduleKind, ScheduleParam, ShowParam, StopParams, TrainParams,
    Warmup,
};
use azuraforge::pipelines::engine::{self, Planned, RunOptions, execute};
use azuraforge::pipelines::metrics::MetricParam::{Mae, Mase, R2, Rmse};
use azuraforge::pipelines::models::{LinearModel, LinearParams, LstmModel, LstmParams};
use azuraforge::pipelines::roles::{Future, Roles};
use azuraforge::pipelines::run::Home;
use azuraforge::pipelines::sources::{
    CheckParams, CleanParams, CsvParams, FillKind, FillLimit, Freq, Severity, TimeParam, TimeSpec,
};
use azuraforge::pipelines::split::SplitParams;
use azuraforge::pipelines::transforms::{Chain, TransformParam::*};
use azuraforge::pipelines::windows::WindowParams;
use azuraforge::pipelines::{Exit, Registry};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/stock.yaml")
}

/// `examples/stock.yaml` in Rust.
fn stock() -> SpecBuilder {
    let prices = CsvParams {
        time: Some("Date".into()),
        freq: Some(Freq::Sessions),
        ..CsvParams::new("data/msft_daily.csv")
    };
    let stop = |monitor, patience| Some(StopParams { monitor, patience, restore: Restore::Best });
    let lstm = TrainParams { epochs: 40, stop: stop(Monitor::ValMase, 8), ..TrainParams::default() };
    let linear = TrainParams { epochs: 20, stop: stop(Monitor::ValLoss, 5), ..TrainParams::default() };
    let question = "## Question\nDoes a small LSTM beat *\"tomorrow's close equals today's\"*? For a liquid stock it should \
                    not: a clear win\nwould be a leak until proven otherwise.\n";
    let answer = "Against the best naive forecast the LSTM's skill in RMSE is \
                  **{{ score.result.lstm.skill.rmse | pct }}**.\nBelow zero, the naive one wins.\n";
    SpecBuilder::forecast()
        .seed(42)
        .title("MSFT close, one session ahead")
        .prose(question)
        .cell(
            Cell::new("prices").data(prices).check(CheckParams { min_rows: 1000, ..CheckParams::default() }),
        )
        .cell(Cell::new("split").split(SplitParams::shares(70.0, 10.0, 20.0)))
        .cell(
            Cell::new("prep")
                .target(Roles::one("Close", [Log, Diff, Standardize]))
                .past(Roles::one("Volume", [Log, Standardize])),
        )
        .cell(Cell::new("window").window(WindowParams::new(30, 1)))
        .cell(Cell::new("naive").baseline([Last, Drift, Mean, Seasonal(NonZeroUsize::new(5).unwrap())]))
        .cell(Cell::new("lstm").fit(LstmModel, LstmParams { hidden: 32, layers: 1, dropout: 0.1 }, lstm))
        .cell(Cell::new("linear").fit(LinearModel, LinearParams {}, linear))
        .cell(
            Cell::new("score")
                .evaluate(EvaluateParams { metrics: vec![Mae, Rmse, Mase, R2], ..EvaluateParams::default() }),
        )
        .prose(answer)
        .cell(Cell::unnamed().show([
            ShowParam::DataOverview,
            ShowParam::LearningCurves,
            ShowParam::ForecastFan,
        ]))
}

/// A spec that says something at most places where one can.
fn eloquent() -> SpecBuilder {
    let column = TimeSpec { column: "a: b".into(), format: Some("%d.%m.%Y".into()), tz: None };
    let data = CsvParams {
        time: Some(TimeParam::Detailed(column)),
        na: vec![".".into(), "no".into()],
        sentinels: vec![-9999.0, 1e-7],
        delimiter: Some(';'),
        decimal: Some(','),
        ..CsvParams::new("odd names/prices #1.csv")
    };
    let train = TrainParams {
        epochs: 3,
        batch: 64,
        optimizer: AdamwParams { lr: 1e-5, eps: 1e-9, ..AdamwParams::default() }.into(),
        schedule: ScheduleParam::Kind(ScheduleKind::Cosine(CosineParams {
            warmup: Warmup::Share("5%".to_string().try_into().unwrap()),
            floor: 0.1,
        })),
        loss: LossParam::Kind(LossKind::Huber(HuberParams { delta: 0.5 })),
        clip: Some(1.0),
        stop: Some(StopParams {
            monitor: Monitor::TestRmse,
            restore: Restore::Last,
            ..StopParams::default()
        }),
        ..TrainParams::default()
    };
    SpecBuilder::forecast()
        .threads(2)
        .device("cpu")
        .allow("L05", "filled \"by hand\": known at once")
        .allow("L06", "a lecture")
        .cell(
            Cell::new("prices")
                .data(data)
                .clean(CleanParams {
                    fill: Some(FillKind::Backward(FillLimit { limit: 3 })),
                    ..CleanParams::default()
                })
                .check(CheckParams { duplicates: Severity::Warn, ..CheckParams::default() }),
        )
        .cell(Cell::unnamed().split(SplitParams::default()))
        .cell(
            Cell::unnamed()
                .target(Roles(vec![
                    ("Adj. Close".into(), Chain(vec![BoxCox])),
                    ("0x1f".into(), Chain(vec![])),
                ]))
                .past(Roles::names(["y", "null"]))
                .future(Future { calendar: vec![CalendarParam::Weekday], columns: Roles::default() }),
        )
        .cell(Cell::new("short").window(WindowParams { stride: 2, ..WindowParams::new(8, 2) }))
        .cell(Cell::new("long").window(WindowParams::new(16, 2)))
        .cell(Cell::new("fit").from(["short"]).fit(LstmModel, LstmParams::default(), train))
        .cell(Cell::new("score").evaluate(EvaluateParams {
            fits: vec!["fit".into()],
            season: NonZeroUsize::new(7),
            intervals: Some(IntervalParams { conformal: vec![80.0, 99.5] }),
            ..EvaluateParams::default()
        }))
        .cell(Cell::unnamed().forecast(ForecastParams { next: Next::Steps(1), ..ForecastParams::default() }))
        .claim("score.result.fit.rmse < 1000")
}

fn planned(spec: &SpecBuilder) -> Planned {
    spec.check(&Registry::standard()).map_err(|refusal| refusal.findings.to_string()).unwrap()
}

#[test]
fn a_built_spec_resolves_to_the_bytes_of_its_yaml() {
    let registry = Registry::standard();
    let file = engine::check(&example(), &[], &registry).unwrap();
    assert_eq!(engine::resolved(&planned(&stock()), &registry), engine::resolved(&file, &registry));
}

#[test]
fn what_is_printed_is_read_back_as_what_was_built() {
    let registry = Registry::standard();
    let folder = tempfile::tempdir().unwrap();
    for (name, spec) in [("stock.yaml", stock()), ("eloquent.yaml", eloquent())] {
        let path = folder.path().join(name);
        std::fs::write(&path, spec.to_yaml()).unwrap();
        let built = planned(&spec);
        let file = engine::check(&path, &[], &registry).map_err(|refusal| refusal.findings).unwrap();
        assert_eq!(engine::resolved(&built, &registry), engine::resolved(&file, &registry));
        assert_eq!(engine::explain(&built, &registry), engine::explain(&file, &registry), "origins, too");
        assert_eq!(built.spec.cells, file.spec.cells);
        assert_eq!(built.spec.allow, file.spec.allow);
        assert!(spec.to_yaml().lines().all(|line| line.chars().count() <= 120), "{spec}");
    }
    let yaml = stock().to_yaml();
    assert!(
        yaml.starts_with("forge: 1\ntitle: \"MSFT close, one session ahead\"\ntask: forecast\nseed: 42\n"),
        "{yaml}"
    );
    assert!(
        yaml.contains("\n  - id: linear\n    model: linear\n    train: {epochs: 20, stop: {patience: 5}}\n"),
        "{yaml}"
    );
}

/// `spec.lock.json` byte for byte, places of values included, but for what tells two runs apart.
#[test]
fn a_built_spec_locks_as_its_yaml_does() {
    let registry = Registry::standard();
    let folder = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/msft_daily.csv");
    std::fs::create_dir(folder.path().join("data")).unwrap();
    std::fs::copy(data, folder.path().join("data/msft_daily.csv")).unwrap();
    let path = folder.path().join("stock.yaml");
    std::fs::write(&path, stock().to_yaml()).unwrap();
    let locked = |planned: &Planned, home: &str| {
        let render = azuraforge::render;
        let options = RunOptions::new(Home::new(folder.path().join(home)), &path, &render);
        let finished = execute(planned, &registry, RunOptions { smoke: true, ..options });
        assert_eq!(finished.exit, Exit::Ok, "{:?}", finished.findings);
        let dir = finished.dir.unwrap();
        let bytes = std::fs::read_to_string(dir.path().join("spec.lock.json")).unwrap();
        let timeless = |line: &&str| !line.trim_start().starts_with("\"seconds\":");
        (dir.spec().unwrap(), bytes.lines().filter(timeless).map(str::to_string).collect::<Vec<_>>())
    };
    let built = locked(&planned(&stock()), "built");
    let file = locked(&engine::check(&path, &[], &registry).unwrap(), "file");
    assert_eq!(built, file);
    assert!(built.1.iter().any(|line| line.contains("\"lookback\": 30")), "{:?}", built.1);
}

#[test]
fn what_is_wrong_is_named_by_its_address() {
    let spec = stock()
        .cell(Cell::new("late").from(["nothing"]).window(WindowParams::new(0, 1)))
        .cell(Cell::new("other").fit(LstmModel, LstmParams { dropout: f64::NAN, ..LstmParams::default() }, {
            let optimizer = AdamwParams { lr: -1.0, ..AdamwParams::default() }.into();
            TrainParams { optimizer, ..TrainParams::default() }
        }))
        .claim("score.result.nobody.rmse < 1")
        .device("tpu");
    let refusal = spec.check(&Registry::standard()).unwrap_err();
    assert_eq!(refusal.exit, Exit::Spec);
    let words = refusal.findings.to_string();
    for address in [
        "device",
        "late.from.0",
        "late.window.lookback",
        "other.model.lstm.dropout",
        "other.train.optimizer.adamw.lr",
    ] {
        assert!(words.contains(&format!("address: `{address}`")), "{address}: {words}");
    }
    assert!(words.contains("--> built spec:"), "{words}");
    let guard = SpecBuilder::forecast()
        .cell(Cell::new("prices").data(CsvParams::new("prices.csv")))
        .cell(Cell::new("prep").target(Roles::names(["Close"])));
    let refusal = guard.check(&Registry::standard()).unwrap_err();
    assert_eq!(refusal.exit, Exit::Leak);
    assert!(refusal.findings.to_string().contains("address: `prep.target`"), "{}", refusal.findings);
}
