//! Writing to the terminal. A reader that went away (`forge ls | head`) is no reason to fail.

use crate::pipelines::spec::Diagnostics;
use std::io::{IsTerminal, Write, stderr, stdout};

/// A line of results.
pub fn line(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}

/// A line for the eyes only: progress, warnings, errors.
pub fn error(text: &str) {
    let _ = writeln!(stderr(), "{text}");
}

/// Findings, in colour where that is wanted.
pub fn findings(findings: &Diagnostics) {
    error(findings.render(coloured()).trim_end());
}

/// Whether errors are read by a person on a terminal that shows colours.
pub fn coloured() -> bool {
    stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}
