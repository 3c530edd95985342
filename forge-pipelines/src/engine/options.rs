use crate::failure::Exit;
use crate::run::{EventLine, Home, RunDir};
use crate::spec::Diagnostics;
use forge_core::history::Notebook;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Makes the report of a notebook in a run directory, and gives its path.
pub type Renderer<'a> = &'a dyn Fn(&Notebook, &RunDir) -> Result<PathBuf, String>;

/// Something that is shown every event of a run, from whichever thread it comes.
pub type Subscriber = Arc<dyn Fn(&EventLine) + Send + Sync>;

/// What surrounds a run.
pub struct RunOptions<'a> {
    /// Where run directories are.
    pub home: Home,
    /// The spec file: relative paths in it begin in its folder.
    pub spec_path: &'a Path,
    /// The command that reproduces the run.
    pub command: String,
    /// Whether to begin a new run even if the newest one of this spec was interrupted or killed.
    pub fresh: bool,
    /// Whether a warning ends the run.
    pub strict: bool,
    /// Whether to train only a few steps, to see that every cell runs.
    pub smoke: bool,
    /// Whether to record where the time goes, by cell, layer and operation.
    pub profile: bool,
    /// Set when the user wants the run to end.
    pub interrupt: Arc<AtomicBool>,
    /// Hears every event.
    pub subscriber: Option<Subscriber>,
    /// Makes the report.
    pub render: Renderer<'a>,
}

impl<'a> RunOptions<'a> {
    /// A run from a program: it goes on where an earlier one of the same spec was cut off, and nobody watches it.
    pub fn new(home: Home, spec_path: &'a Path, render: Renderer<'a>) -> Self {
        RunOptions {
            home,
            spec_path,
            command: format!("forge run {}", spec_path.file_name().unwrap_or_default().display()),
            fresh: false,
            strict: false,
            smoke: false,
            profile: false,
            interrupt: Arc::default(),
            subscriber: None,
            render,
        }
    }
}

/// What came of a run.
#[derive(Debug)]
pub struct Finished {
    /// What the program exits with.
    pub exit: Exit,
    /// The run directory; none if it could not be made.
    pub dir: Option<RunDir>,
    /// The report.
    pub report: Option<PathBuf>,
    /// What went wrong, ready to print.
    pub findings: Option<Diagnostics>,
    /// The verdict.
    pub verdict: Option<String>,
}
