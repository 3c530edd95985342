//! From a checked spec to a finished run: plan, run each cell, write everything down.

mod claims;
mod device;
mod execute;
mod explain;
mod fault;
mod lock;
mod options;
mod plan;
mod profile;
mod seeds;
mod session;
mod size;
mod spread;
mod verdict;

pub use execute::execute;
pub use explain::{ExplainedCell, ExplainedModel, ExplainedValue, explain};
pub use options::{Finished, Renderer, RunOptions, Subscriber};
pub use plan::{Planned, plan};

use crate::failure::Exit;
use crate::registry::Registry;
use crate::spec::{self, Diagnostics, Document};
use std::path::Path;

/// Reads a spec with its overrides, checks it, and plans it, all without touching its data.
///
/// ```
/// use forge_pipelines::{Registry, engine};
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("short.yaml");
/// std::fs::write(&path, "forge: 1\ntask: forecast\ndata: prices.csv\ntarget: Close\n")?;
/// let planned = engine::check(&path, &["window.horizon=5".into()], &Registry::standard()).map_err(|r| r.findings)?;
/// let ids: Vec<&str> = planned.spec.cells.iter().map(|cell| cell.id.as_str()).collect();
/// assert_eq!(ids, ["data", "split", "target", "window", "model"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Everything that is wrong with the spec, with the exit code.
pub fn check(path: &Path, overrides: &[String], registry: &Registry) -> Result<Planned, Refusal> {
    let refuse = |findings| Refusal { exit: Exit::Spec, findings };
    let mut document = Document::read(path).map_err(refuse)?;
    overrides.iter().for_each(|text| document.set(text));
    let spec = spec::load(document, &registry.vocabulary()).map_err(refuse)?;
    plan(spec, registry)
}

/// A planned spec with every default filled in, as YAML: running it gives the same run.
pub fn resolved(planned: &Planned, registry: &Registry) -> String {
    lock::yaml(&planned.spec, &lock::resolve(&planned.spec, registry))
}

/// A spec that cannot run, and why.
#[derive(Debug)]
pub struct Refusal {
    /// What the program exits with.
    pub exit: Exit,
    /// Everything that is wrong.
    pub findings: Diagnostics,
}
