//! The spec language from Rust: the same cells, parameters and checks as in YAML, with the types of a program.
//!
//! Parameters are the types that the YAML is read into, so that both have one vocabulary: what is not set has the
//! default that [`Default`] gives, and what cannot be written in YAML does not compile. A built spec is checked, planned,
//! run and written down as YAML like any other; what is wrong with it is named by its address.
//!
//! ```
//! use forge_pipelines::builder::{Cell, SpecBuilder};
//! use forge_pipelines::cells::{EvaluateParams, StopParams, TrainParams};
//! use forge_pipelines::models::{LstmModel, LstmParams};
//! use forge_pipelines::roles::Roles;
//! use forge_pipelines::sources::CsvParams;
//! use forge_pipelines::split::SplitParams;
//! use forge_pipelines::transforms::TransformParam::*;
//! use forge_pipelines::windows::WindowParams;
//! use forge_pipelines::Registry;
//!
//! let train = TrainParams { epochs: 20, stop: Some(StopParams::default()), ..TrainParams::default() };
//! let spec = SpecBuilder::forecast()
//!     .title("Close, five sessions ahead")
//!     .cell(Cell::new("prices").data(CsvParams::new("prices.csv")))
//!     .cell(Cell::new("split").split(SplitParams::shares(70.0, 10.0, 20.0)))
//!     .cell(Cell::new("prep").target(Roles::one("Close", [Log, Diff, Standardize])))
//!     .cell(Cell::new("window").window(WindowParams::new(60, 5)))
//!     .cell(Cell::new("lstm").fit(LstmModel, LstmParams { hidden: 0, ..LstmParams::default() }, train))
//!     .cell(Cell::new("score").evaluate(EvaluateParams::default()))
//!     .claim("score.result.lstm.skill.rmse > 0");
//! assert!(spec.to_string().contains("\n    window: {lookback: 60, horizon: 5}\n"));
//!
//! let refusal = spec.check(&Registry::standard()).unwrap_err();
//! assert!(refusal.findings.to_string().contains("address: `lstm.model.lstm.hidden`"));
//! ```

mod cell;
mod shortest;

pub use cell::Cell;

use crate::engine::{self, Planned, Refusal};
use crate::failure::Exit;
use crate::registry::Registry;
use crate::spec::{self, Document, VERSION, yaml};
use serde_json::{Map, Value, json};
use std::fmt;

/// What messages call a spec that has no file.
const NAME: &str = "built spec";

/// A spec in the making.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecBuilder {
    head: Map<String, Value>,
    cells: Vec<Cell>,
    claims: Vec<String>,
    allow: Map<String, Value>,
}

impl SpecBuilder {
    /// A spec that forecasts a series, without a cell yet.
    pub fn forecast() -> Self {
        let head = Map::from_iter([("forge".into(), json!(VERSION)), ("task".into(), json!("forecast"))]);
        SpecBuilder { head, cells: Vec::new(), claims: Vec::new(), allow: Map::new() }
    }

    /// The title of the report.
    pub fn title(self, title: impl Into<String>) -> Self {
        self.with("title", json!(title.into()))
    }

    /// The seed of every random number; 42 without it.
    pub fn seed(self, seed: u64) -> Self {
        self.with("seed", json!(seed))
    }

    /// How often the spec is run, each time with the next seed; results are means.
    pub fn seeds(self, seeds: usize) -> Self {
        self.with("seeds", json!(seeds))
    }

    /// Where to compute: `auto`, `cpu`, `cuda`, `cuda:0`, `opencl` or `opencl:0`; `auto` without it.
    pub fn device(self, device: impl Into<String>) -> Self {
        self.with("device", json!(device.into()))
    }

    /// CPU threads; all of them without it.
    pub fn threads(self, threads: usize) -> Self {
        self.with("threads", json!(threads))
    }

    /// One more cell, at the end.
    pub fn cell(mut self, cell: Cell) -> Self {
        self.cells.push(cell);
        self
    }

    /// One more cell of prose in Markdown, in which `{{ ADDRESS | FILTER }}` prints a result of an earlier cell.
    pub fn prose(self, markdown: impl Into<String>) -> Self {
        self.cell(Cell::prose(markdown))
    }

    /// A claim that must hold at the end of the run, such as `score.result.lstm.rmse < 0.4`.
    pub fn claim(mut self, claim: impl Into<String>) -> Self {
        self.claims.push(claim.into());
        self
    }

    /// Switches a guard off, such as `L06`, with the reason that the report prints.
    pub fn allow(mut self, guard: impl Into<String>, reason: impl Into<String>) -> Self {
        self.allow.insert(guard.into(), json!(reason.into()));
        self
    }

    /// The spec as YAML, which `forge run` takes. What has its default is left out, as a person would.
    pub fn to_yaml(&self) -> String {
        let mut top = Map::new();
        // A person begins with these, whatever the order of the calls.
        for key in ["forge", "title", "task", "seed", "device", "threads"] {
            top.extend(self.head.get(key).map(|value| (key.to_string(), value.clone())));
        }
        if !self.allow.is_empty() {
            top.insert("allow".into(), Value::Object(self.allow.clone()));
        }
        top.insert("cells".into(), self.cells.iter().map(Cell::to_value).collect());
        if !self.claims.is_empty() {
            top.insert("assert".into(), json!(self.claims));
        }
        yaml(&top)
    }

    /// Checks the spec and plans it, as [`engine::check`] does with a file: what [`engine::execute`] runs.
    ///
    /// # Errors
    /// Everything that is wrong with the spec, each with the line of its YAML and its address.
    pub fn check(&self, registry: &Registry) -> Result<Planned, Refusal> {
        let refuse = |findings| Refusal { exit: Exit::Spec, findings };
        let vocabulary = registry.vocabulary();
        let document = Document::parse(NAME, &self.to_yaml()).map_err(refuse)?;
        let checked = spec::load(document.clone(), &vocabulary).map_err(refuse);
        checked.and_then(|spec| engine::plan(spec, registry)).map_err(|refusal| Refusal {
            findings: refusal.findings.with_addresses(&document, &vocabulary),
            ..refusal
        })
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.head.insert(key.into(), value);
        self
    }
}

impl fmt::Display for SpecBuilder {
    /// As [`SpecBuilder::to_yaml`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_yaml())
    }
}
