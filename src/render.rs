use crate::history::Notebook;
use crate::pipelines::run::RunDir;
use crate::report::{Report, Written};
use std::path::PathBuf;

/// Writes the report of a notebook and its figures into a run directory, and gives the report's path: what
/// [`engine::execute`](crate::pipelines::engine::execute) calls at the end of a run.
///
/// # Errors
/// When a file cannot be written, in words.
pub fn render(notebook: &Notebook, dir: &RunDir) -> Result<PathBuf, String> {
    written(notebook, dir).map(|(path, _)| path)
}

/// The same, with what there is to say about the file.
pub(crate) fn written(notebook: &Notebook, dir: &RunDir) -> Result<(PathBuf, Written), String> {
    let report = Report::from(notebook);
    for (n, figure) in report.figures().iter().enumerate() {
        dir.write_figure(n + 1, &figure.name, &figure.json).map_err(|e| e.to_string())?;
    }
    let path = dir.path().join("report.html");
    let written = report.write(&path).map_err(|e| e.to_string())?;
    Ok((path, written))
}
