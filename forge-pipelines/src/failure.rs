//! How a run can end badly, and the exit code of each way.

use crate::data_error::DataError;
use crate::run::RunError;
use crate::spec::{DataPlace, Diagnostic, Diagnostics, Place};
use forge_core::{Error, ErrorKind};

/// Exit codes of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Ok = 0,
    /// A fault of the program itself.
    Internal = 1,
    /// The spec or the command line is wrong.
    Spec = 2,
    /// The data did not pass a check.
    Data = 3,
    /// A guard against leakage stopped the run.
    Leak = 4,
    /// Training diverged.
    Diverged = 5,
    /// An `assert` did not hold.
    Assert = 6,
    /// Something that the run needs is missing: a device, room on the disk.
    Resource = 7,
    /// The user interrupted.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    pub fn code(self) -> i32 {
        self as i32
    }
}

/// Why a cell could not go on.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What the program exits with.
    pub exit: Exit,
    /// What to tell the user. A finding without a place gets that of the cell.
    pub finding: Box<Diagnostic>,
}

impl Failure {
    /// A failure with its words.
    pub fn new(exit: Exit, finding: Diagnostic) -> Self {
        Failure { exit, finding: Box::new(finding) }
    }

    /// The same failure, with the place in the spec that it comes from.
    pub fn at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.finding = Box::new(self.finding.at(place, label));
        self
    }
}

impl From<Diagnostic> for Failure {
    fn from(finding: Diagnostic) -> Self {
        Failure::new(Exit::Spec, finding)
    }
}

impl From<Diagnostics> for Failure {
    /// The first finding stands for all: a cell that ran has passed the checks that report every one.
    fn from(findings: Diagnostics) -> Self {
        let first = findings.items().first().cloned();
        Failure::from(first.unwrap_or_else(|| Diagnostic::error("E0190", "the parameters cannot be used")))
    }
}

impl From<DataError> for Failure {
    fn from(error: DataError) -> Self {
        let mut finding = Diagnostic::error(error.code(), error.message());
        if let Some(path) = &error.path {
            let line = error.line.and_then(|line| usize::try_from(line).ok());
            finding = finding.at(
                Place::Data(DataPlace { path: path.into(), line, column: error.column.clone() }),
                String::new(),
            );
        }
        if let Some(hint) = error.hint() {
            finding = finding.help(hint);
        }
        Failure::new(if error.is_guard() { Exit::Leak } else { Exit::Data }, finding)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::NotFinite { what, step } => Failure::new(
                Exit::Diverged,
                Diagnostic::error("E0501", format!("training diverged: {what} is not finite at step {step}"))
                    .help("lower `lr`, shorten gradients with `clip: 1.0`, or look for extreme values in the data"),
            ),
            ErrorKind::Io { .. } => {
                Failure::new(Exit::Resource, Diagnostic::error("E0701", error.to_string()))
            }
            _ => Failure::new(Exit::Internal, Diagnostic::error("E0901", error.to_string())),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Failure::new(Exit::Resource, Diagnostic::error("E0701", error.to_string()))
    }
}
