//! Shows a report in the user's browser.

use super::terminal;
use std::path::Path;
use std::process::{Command, Stdio};

/// Opens a file with the program that the system has for it, and does not wait for it. A machine without one is no
/// reason to fail: the path was printed.
pub fn open(path: &Path) {
    let (program, first): (&str, &[&str]) = match () {
        () if cfg!(target_os = "macos") => ("open", &[]),
        () if cfg!(windows) => ("cmd", &["/C", "start", ""]),
        () => ("xdg-open", &[]),
    };
    let mut command = Command::new(program);
    command.args(first).arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Err(error) = command.spawn() {
        terminal::error(&format!("warning: the report cannot be opened: `{program}`: {error}"));
    }
}
