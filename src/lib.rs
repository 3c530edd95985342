//! Neural networks for prices, weather and images, from one declarative YAML notebook to one offline HTML report.
//!
//! This crate is the facade: it re-exports the crates below and holds the `forge` program.
//!
//! - [`forge_core`]: tensors, verified differentiation, layers, optimizers, the learner;
//! - [`pipelines`]: the YAML language, data sources, transforms, the run directory;
//! - [`report`]: HTML from a run's history.
//!
//! # A walk-through
//!
//! **Load a spec.** A YAML notebook is checked and planned without touching its data; everything that is wrong with it comes
//! at once, each finding with its line. An override is what `-s` is to the program.
//!
//! ```
//! use azuraforge::pipelines::{Registry, engine};
//! # use std::path::Path;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let registry = Registry::standard();
//! # let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/stock.yaml");
//! # /*
//! let path = Path::new("examples/stock.yaml");
//! # */
//! let planned = engine::check(&path, &["window.horizon=5".into()], &registry).map_err(|r| r.findings)?;
//! let plan = engine::explain(&planned, &registry);
//! let lstm = plan.iter().find(|cell| cell.id == "lstm").unwrap();
//! // 4 gates of 32 units on 2 inputs and 32 states with two biases, and a head for 5 steps.
//! assert_eq!(lstm.model.as_ref().unwrap().parameters, 4 * 32 * (2 + 32 + 2) + 5 * (32 + 1));
//!
//! let wrong = engine::check(&path, &["window.horizont=5".into()], &registry).unwrap_err();
//! assert!(wrong.findings.to_string().contains("did you mean `horizon`?"));
//! # Ok(())
//! # }
//! ```
//!
//! **Or build one.** [`builder`] has the same vocabulary as types: a misspelt key does not compile.
//!
//! **Run it, and read what came out.** A run leaves a directory; its numbers can be read by address, its forecasts row by
//! row.
//!
//! ```
//! use azuraforge::builder::{Cell, SpecBuilder};
//! use azuraforge::pipelines::baselines::BaselineParam;
//! use azuraforge::pipelines::cells::{EvaluateParams, TrainParams};
//! use azuraforge::pipelines::engine::{RunOptions, execute};
//! use azuraforge::pipelines::models::{LinearModel, LinearParams};
//! use azuraforge::pipelines::roles::Roles;
//! use azuraforge::pipelines::run::Home;
//! use azuraforge::pipelines::sources::CsvParams;
//! use azuraforge::pipelines::split::SplitParams;
//! use azuraforge::pipelines::transforms::TransformParam::*;
//! use azuraforge::pipelines::windows::WindowParams;
//! use azuraforge::pipelines::Registry;
//! # use std::path::Path;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let spec = SpecBuilder::forecast()
//!     .title("MSFT close, one session ahead")
//!     .cell(Cell::new("prices").data(CsvParams::new("data/msft_daily.csv")))
//!     .cell(Cell::new("split").split(SplitParams::shares(70.0, 10.0, 20.0)))
//!     .cell(Cell::new("prep").target(Roles::one("Close", [Log, Diff, Standardize])))
//!     .cell(Cell::new("window").window(WindowParams::new(5, 1)))
//!     .cell(Cell::new("naive").baseline([BaselineParam::Last]))
//!     .cell(Cell::new("line").fit(LinearModel, LinearParams {}, TrainParams { epochs: 1, ..TrainParams::default() }))
//!     .cell(Cell::new("score").evaluate(EvaluateParams::default()));
//!
//! let registry = Registry::standard();
//! let planned = spec.check(&registry).map_err(|r| r.findings)?;
//! # let folder = tempfile::tempdir()?;
//! # let (home, base) = (folder.path().join("home"), Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/spec.yaml"));
//! # /*
//! let (home, base) = (".forge", Path::new("examples/spec.yaml")); // data paths begin in its folder
//! # */
//! let options = RunOptions::new(Home::new(home), &base, &azuraforge::render);
//! let finished = execute(&planned, &registry, options);
//! if let Some(findings) = finished.findings {
//!     return Err(findings.into());
//! }
//!
//! let run = finished.dir.unwrap();
//! let rmse = run.record()?.metrics["score.result.last.rmse"].unwrap();
//! assert_eq!(format!("{rmse:.4}"), "0.3679");   // repeating the last close
//! let forecasts = run.predictions()?;
//! let line = forecasts.iter().find(|f| f.name == "line" && f.part.name() == "test").unwrap();
//! assert_eq!(line.predicted.len(), 654);
//! assert!(finished.report.unwrap().ends_with("report.html"));
//! # Ok(())
//! # }
//! ```
//!
//! **Render a report.** A run has one already, by [`render`]. A history that no spec made has one in a line: train with
//! [`learn::Learner`], or in a loop of your own, and write [`report::Report`] `::from(&history)`; the README shows both.

pub mod cli;
mod render;

pub use forge_core::*;
pub use forge_pipelines as pipelines;
pub use forge_pipelines::builder;
pub use forge_report as report;
pub use render::render;

/// What a program that trains a model usually needs.
pub mod prelude {
    pub use forge_core::data::{Batch, Dataset, TensorDataset};
    pub use forge_core::learn::{Callback, EarlyStopping, Learner, ModelCheckpoint};
    pub use forge_core::nn::{
        Activation, Dropout, Flatten, Gru, Init, LastStep, Linear, Lstm, Module, Sequential,
    };
    pub use forge_core::optim::{Adam, Optimizer, Sgd};
    pub use forge_core::{Cx, DType, Device, Error, Param, Parameters, Result, Tensor};
}

#[doc = include_str!("../README.md")]
#[cfg(doctest)]
struct Readme;
