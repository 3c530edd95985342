use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// Why something about a run directory could not be done. Every message says what, where and how to mend it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The operating system refused.
    #[error("cannot {doing} `{}`: {source}; {}", path.display(), mend(path, source))]
    Io {
        /// What was tried, such as `create the folder`.
        doing: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A file of a run directory does not hold what it should.
    #[error("`{}` {problem}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it and what can be done.
        problem: String,
    },
    /// There is no run of that name.
    #[error("no run `{asked}` in `{}`{}; `forge ls` lists the runs", home.display(), nearest_words(nearest))]
    NoSuchRun {
        /// The name that was asked for.
        asked: String,
        /// The folder that was searched.
        home: PathBuf,
        /// Ids that look alike, best first.
        nearest: Vec<String>,
    },
    /// There is no run at all.
    #[error("no runs in `{}` yet; `forge run SPEC` makes one, `--home` looks in another folder", home.display())]
    NoRuns {
        /// The folder that was searched.
        home: PathBuf,
    },
    /// Several runs begin with what was given.
    #[error("`{asked}` fits {} runs: {}; give more characters", candidates.len(), first_few(candidates))]
    Ambiguous {
        /// What was given.
        asked: String,
        /// All ids that fit, newest first.
        candidates: Vec<String>,
    },
    /// A name that cannot be a file name inside a run directory.
    #[error(
        "`{name}` cannot name a {what}; use letters, digits, `-`, `_` and `.`, and begin with a letter or digit"
    )]
    BadName {
        /// What was to be named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Forecasts whose arrays do not fit their own shape.
    #[error(
        "forecasts `{name}`: {origins} origins x {horizon} steps x {targets} targets need {} values, \
         but there are {actual} actual and {predicted} predicted ones",
        origins.saturating_mul(*horizon).saturating_mul(*targets)
    )]
    ForecastShape {
        /// Name of the fit or baseline.
        name: String,
        /// Number of origins.
        origins: usize,
        /// Steps ahead.
        horizon: usize,
        /// Number of target columns.
        targets: usize,
        /// Length of the actual values.
        actual: usize,
        /// Length of the predicted values.
        predicted: usize,
    },
    /// A Parquet file could not be written.
    #[error("cannot encode `{}` as Parquet: {source}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// The library's reason.
        source: parquet::errors::ParquetError,
    },
}

impl RunError {
    /// A refusal of the operating system: `doing` is a verb phrase such as `write`.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        RunError::Io { doing, path: path.into(), source }
    }

    pub(super) fn broken(path: impl Into<PathBuf>, problem: impl Into<String>) -> Self {
        RunError::Broken { path: path.into(), problem: problem.into() }
    }

    /// A value that JSON cannot hold, or a file that is not the JSON it should be.
    pub(super) fn json(path: impl Into<PathBuf>, source: &serde_json::Error) -> Self {
        RunError::broken(
            path,
            format!("is not what this version writes: {source}; remove the run or repair the file"),
        )
    }
}

/// What the user can do about a refusal of the operating system.
fn mend(path: &Path, source: &io::Error) -> String {
    if let Some(file) = file_in_the_way(path) {
        return format!(
            "`{}` is a file where a folder is needed: move it away, or name another folder with --home",
            file.display()
        );
    }
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            "free some space, or name a folder on another disk with --home".into()
        }
        ErrorKind::FileTooLarge => {
            "lift the limit on file sizes (`ulimit -f`), or name another folder with --home".into()
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "make the folder writable for this user, or name another one with --home".into()
        }
        ErrorKind::NotFound => "check that the folder still exists and was not removed during the run".into(),
        ErrorKind::IsADirectory => "a folder stands where a file is needed: move it away".into(),
        _ => "check the disk and the folder, or name another one with --home".into(),
    }
}

/// The first part of the path's folder that exists and is no folder.
fn file_in_the_way(path: &Path) -> Option<&Path> {
    path.ancestors()
        .skip(1)
        .filter(|p| !p.as_os_str().is_empty())
        .find(|p| p.exists())
        .filter(|p| !p.is_dir())
}

fn nearest_words(nearest: &[String]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {}?", first_few(nearest)) }
}

fn first_few(ids: &[String]) -> String {
    const SHOWN: usize = 4;
    let mut text = ids.iter().take(SHOWN).map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    if ids.len() > SHOWN {
        text.push_str(", …");
    }
    text
}
