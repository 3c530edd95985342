//! One offline HTML file from a run: what was asked, what came out, and how to do it again.
//!
//! A [`Report`] is made from a [`Notebook`], which a pipeline leaves behind, or from the [`FitHistory`] of a
//! hand-written training loop. The file needs no network and no other file: the figures are interactive, the
//! tables can be read without JavaScript, and it follows the light or dark theme of its reader.
//!
//! ```
//! use forge_core::history::Notebook;
//! use forge_report::Report;
//!
//! let mut notebook = Notebook::new("A first look");
//! notebook.reproduce = "forge run look.yaml".into();
//! let html = Report::from(&notebook).html()?;
//! assert!(html.starts_with("<!doctype html>") && html.contains("A first look"));
//! # Ok::<(), forge_report::ReportError>(())
//! ```

mod error;
mod figure;
mod html;
mod names;
mod number;
mod page;
mod profile;

pub use error::ReportError;
pub use figure::NamedFigure;
pub use profile::{profile_summary, profile_table};

use forge_core::history::{FitHistory, Notebook};
use jiff::Timestamp;
use std::path::Path;

/// Bytes above which a report is too heavy to pass around: [`Written::warning`] says so.
pub const HEAVY: usize = 10_000_000;

/// A report that can be rendered.
#[derive(Clone, Debug)]
pub struct Report {
    notebook: Notebook,
    /// The moment that ages such as `cached 2 h ago` are counted from.
    now: Timestamp,
}

/// What [`Report::write`] left behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Size of the file in bytes.
    pub bytes: usize,
    /// Words for the user when the file is larger than [`HEAVY`].
    pub warning: Option<String>,
}

impl From<Notebook> for Report {
    fn from(notebook: Notebook) -> Self {
        Report { notebook, now: Timestamp::now() }
    }
}

impl From<&Notebook> for Report {
    fn from(notebook: &Notebook) -> Self {
        Report::from(notebook.clone())
    }
}

impl From<&FitHistory> for Report {
    /// A report of one cell: the learning curves of a hand-written training loop.
    fn from(fit: &FitHistory) -> Self {
        Report::from(Notebook::from(fit))
    }
}

impl Report {
    /// The page: about 2 MB of HTML, most of it the compressed drawing library.
    ///
    /// An output whose history contradicts itself (say, a forecast with too few values) does not stop the page:
    /// a message stands in its place.
    ///
    /// # Errors
    /// When a template, the drawing library or the compression fails, none of which depends on the notebook.
    pub fn html(&self) -> Result<String, ReportError> {
        page::render(&self.notebook, self.now)
    }

    /// Writes the page to a file. A reader never sees half a page: it is written beside the file, synced and
    /// renamed, and on an error an earlier file stays as it was.
    ///
    /// # Errors
    /// As [`Report::html`], and [`ReportError::Write`] when the file can't be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<Written, ReportError> {
        let path = path.as_ref();
        let html = self.html()?;
        forge_core::write_atomic(path, html.as_bytes())
            .map_err(|source| ReportError::Write { path: path.into(), source })?;
        Ok(Written { bytes: html.len(), warning: heavy(html.len()) })
    }

    /// The figures in the order of the page, each with a name of its own.
    ///
    /// A figure whose history contradicts itself is left out; the page says why.
    pub fn figures(&self) -> Vec<NamedFigure> {
        let drawn = figure::draw_all(&self.notebook);
        drawn.cells.into_iter().flatten().chain([drawn.profile]).flatten().flatten().collect()
    }
}

fn heavy(bytes: usize) -> Option<String> {
    (bytes > HEAVY).then(|| {
        format!(
            "the report has {}, which is much to pass around; show fewer figures, or put the large tables in a file of their own",
            number::bytes(bytes as u64)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heavy_report_says_so() {
        assert_eq!(heavy(HEAVY), None);
        assert!(heavy(12_345_678).unwrap().contains("12.3 MB"));
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.html");
        std::fs::write(&path, "old").unwrap();
        Report::from(Notebook::new("t")).write(&path).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("<title>t"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let error =
            Report::from(Notebook::new("t")).write(folder.path().join("none/report.html")).unwrap_err();
        assert!(error.to_string().contains("none/report.html: can't write the report"), "{error}");
    }
}
