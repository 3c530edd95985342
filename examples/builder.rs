//! A spec built in Rust: the vocabulary of the YAML as types.
//!
//! Forecasts IBM's next five closes with an LSTM and a linear model, with the naive forecasts beside them. What is built is
//! checked and run like a file, and can be written down as one.
//!
//!     cargo run --release --example builder

use azuraforge::builder::{Cell, SpecBuilder};
use azuraforge::pipelines::Registry;
use azuraforge::pipelines::baselines::BaselineParam::{Drift, Last};
use azuraforge::pipelines::cells::{
    AdamParams, EvaluateParams, ForecastParams, IntervalParams, Monitor, ShowParam, StopParams, TrainParams,
};
use azuraforge::pipelines::engine::{RunOptions, execute};
use azuraforge::pipelines::metrics::MetricParam::{Mae, Mase, Rmse};
use azuraforge::pipelines::models::{LinearModel, LinearParams, LstmModel, LstmParams};
use azuraforge::pipelines::roles::Roles;
use azuraforge::pipelines::run::Home;
use azuraforge::pipelines::sources::{CheckParams, CsvParams, Freq};
use azuraforge::pipelines::split::SplitParams;
use azuraforge::pipelines::transforms::TransformParam::{Diff, Log, Standardize};
use azuraforge::pipelines::windows::WindowParams;
use std::error::Error;
use std::path::Path;

fn spec(hidden: usize) -> SpecBuilder {
    let prices = CsvParams {
        time: Some("Date".into()),
        freq: Some(Freq::Sessions),
        ..CsvParams::new("data/ibm_daily.csv")
    };
    let lstm = TrainParams {
        epochs: 8,
        optimizer: AdamParams { lr: 0.002, ..AdamParams::default() }.into(),
        stop: Some(StopParams { monitor: Monitor::ValMase, patience: 3, ..StopParams::default() }),
        ..TrainParams::default()
    };
    let score = EvaluateParams {
        metrics: vec![Mae, Rmse, Mase],
        intervals: Some(IntervalParams { conformal: vec![80.0] }),
        ..EvaluateParams::default()
    };
    SpecBuilder::forecast()
        .title("IBM close, five sessions ahead")
        .seed(7)
        .prose("## Question\n\nDoes a small LSTM beat *the next five closes equal today's*?\n")
        .cell(
            Cell::new("prices")
                .data(prices)
                .check(CheckParams { min_rows: 1000, ..CheckParams::default() }),
        )
        .cell(Cell::new("split").split(SplitParams::shares(70.0, 10.0, 20.0)))
        .cell(
            Cell::new("prep")
                .target(Roles::one("Adj Close", [Log, Diff, Standardize]))
                .past(Roles::one("Volume", [Log, Standardize])),
        )
        .cell(Cell::new("window").window(WindowParams::new(20, 5)))
        .cell(Cell::new("naive").baseline([Last, Drift]))
        .cell(Cell::new("lstm").fit(LstmModel, LstmParams { hidden, ..LstmParams::default() }, lstm))
        .cell(Cell::new("linear").fit(
            LinearModel,
            LinearParams {},
            TrainParams { epochs: 8, ..TrainParams::default() },
        ))
        .cell(Cell::new("score").evaluate(score))
        .prose("Against the best naive forecast: **{{ score.result.lstm.skill.rmse | pct }}**. Below zero, the naive one wins.")
        .cell(Cell::new("next").forecast(ForecastParams { fit: Some("lstm".into()), ..ForecastParams::default() }))
        .cell(Cell::unnamed().show(ShowParam::FORECAST))
        .claim("score.result.lstm.rmse < 20")
}

fn main() -> Result<(), Box<dyn Error>> {
    let registry = Registry::standard();

    // What is wrong is named by its address, before anything runs.
    let Err(refusal) = spec(0).check(&registry) else { return Err("a model of 0 units was taken".into()) };
    println!("{}\n", refusal.findings);

    let spec = spec(16);
    println!("{spec}");
    let planned = spec.check(&registry).map_err(|refusal| refusal.findings)?;
    // The data's path begins in the folder of the spec, were it a file.
    let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/builder.yaml");
    let home = Home::new(std::env::temp_dir().join("azuraforge-builder"));
    let finished = execute(&planned, &registry, RunOptions::new(home, &base, &azuraforge::render));
    if let Some(findings) = finished.findings {
        return Err(findings.into());
    }
    let run = finished.dir.ok_or("no run directory")?;
    for (address, value) in &run.record()?.metrics {
        println!("{address:<45} {}", value.map_or("undefined".to_string(), |value| format!("{value:.4}")));
    }
    println!("{}", finished.verdict.unwrap_or_default());
    println!("{}", finished.report.ok_or("no report")?.display());
    Ok(())
}
