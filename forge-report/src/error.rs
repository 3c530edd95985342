use std::path::PathBuf;

/// Why a report could not be made or written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A history contradicts itself, so that no figure can be drawn from it.
    #[error("figure `{figure}` can't be drawn: {reason}")]
    Figure {
        /// The figure or the forecast it speaks of.
        figure: String,
        /// What is wrong, and how to mend it.
        reason: String,
    },
    /// A figure could not be written as JSON.
    #[error("a figure can't be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The page could not be rendered from its templates.
    #[error("the report page can't be rendered: {0}")]
    Template(#[from] minijinja::Error),
    /// The library that draws the figures is not where the `plotly` crate promises it.
    #[error("plotly.js can't be taken from the `plotly` crate: {0}; build with a 0.14 release of that crate")]
    Library(String),
    /// Something could not be compressed.
    #[error("a part of the report can't be compressed: {0}")]
    Compress(#[source] std::io::Error),
    /// The file could not be written; an earlier file of that name is untouched.
    #[error("{}: can't write the report: {source}; check that the folder exists and may be written to", path.display())]
    Write {
        /// The path asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}
