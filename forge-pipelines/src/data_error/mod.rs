//! What can be wrong with data, from the bytes of a file to the windows cut from it.

mod problem;

pub use problem::{CODES, Problem};
pub(crate) use problem::{excerpt, nearest};

use std::fmt;

/// A problem with data and the place where it is: file, line, column.
///
/// `Display` gives place and message on one line; [`DataError::hint`] says how to mend it.
#[derive(Clone, Debug, PartialEq)]
pub struct DataError {
    /// What is wrong.
    pub problem: Box<Problem>,
    /// The file, as it is written in the spec.
    pub path: Option<String>,
    /// Line of the file, from 1.
    pub line: Option<u64>,
    /// Name of the column.
    pub column: Option<String>,
}

impl DataError {
    /// The problem's code, such as `E0310`, or that of a guard, such as `L02`.
    pub fn code(&self) -> &'static str {
        self.problem.code()
    }

    /// The message without its place.
    pub fn message(&self) -> String {
        self.problem.to_string()
    }

    /// How to mend it, if there is more to say than the message does.
    pub fn hint(&self) -> Option<String> {
        self.problem.hint()
    }

    /// Whether a guard against leakage stopped the run, rather than broken data or parameters.
    pub fn is_guard(&self) -> bool {
        self.code().starts_with('L')
    }

    /// The same error in this file, unless a file is known already.
    pub fn in_file(mut self, path: &str) -> Self {
        self.path.get_or_insert_with(|| path.to_string());
        self
    }

    /// The same error at this line.
    pub fn at_line(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    /// The same error in this column.
    pub fn in_column(mut self, column: &str) -> Self {
        self.column = Some(column.to_string());
        self
    }
}

impl From<Problem> for DataError {
    fn from(problem: Problem) -> Self {
        DataError { problem: Box::new(problem), path: None, line: None, column: None }
    }
}

impl fmt::Display for DataError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.line) {
            (Some(path), Some(line)) => write!(f, "{path}:{line}: ")?,
            (Some(path), None) => write!(f, "{path}: ")?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => {}
        }
        if let Some(column) = &self.column {
            write!(f, "column `{column}`: ")?;
        }
        write!(f, "{}", self.problem)
    }
}

impl std::error::Error for DataError {}
