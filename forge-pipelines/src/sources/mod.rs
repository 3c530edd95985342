//! Data sources: from bytes to a [`Frame`].

mod bytes;
mod check;
mod clean;
mod csv;
mod freq;
mod grid;
mod number;
mod table;
mod time;

pub use self::check::{CheckParams, Severity};
pub use self::clean::{Bounds, CleanParams, DropParams, FillKind, FillLimit};
pub use self::csv::CsvParams;
pub use self::freq::Freq;
pub use self::time::{TimeParam, TimeSpec};

use crate::data_error::DataError;
use crate::frame::Frame;
use forge_core::history::{Notice, SourceRecord};
use std::path::Path;

/// What a source gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The data.
    pub frame: Frame,
    /// What was read: location, digest, rows, dates.
    pub record: SourceRecord,
    /// What was found out by looking at the data rather than said in the spec, and what looks odd in it.
    pub notices: Vec<Notice>,
}

/// A place that data comes from.
pub trait Source {
    /// Where it is, as written in the spec.
    fn location(&self) -> String;

    /// Reads everything. Relative paths are relative to `base_dir`, the folder of the spec file.
    ///
    /// Times never descend in the result; they may repeat, which [`CheckParams::check`] judges.
    ///
    /// # Errors
    /// Codes `E0301` to `E0321`.
    fn read(&self, base_dir: &Path) -> Result<Loaded, DataError>;
}

/// Reads a source and judges it: what a `data` cell without `clean` does, with `CheckParams::default()` where no `check`
/// is written.
///
/// # Errors
/// Those of [`Source::read`] and [`CheckParams::check`].
pub fn load(source: &dyn Source, base_dir: &Path, check: &CheckParams) -> Result<Loaded, DataError> {
    let mut loaded = source.read(base_dir)?;
    loaded.notices.extend(check.check(&loaded.frame)?);
    loaded.frame.missing_target = check.missing_target;
    Ok(loaded)
}
