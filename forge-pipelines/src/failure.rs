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

/// Codes of runs, which no spec and no data file is to blame for, each with what it means.
pub const RUN_CODES: &[(&str, &str)] = &[
    (
        "E0174",
        "Intervals are calibrated on the val part, so scoring them there would flatter them. Score the test part, or \
         leave `intervals` out.",
    ),
    (
        "E0175",
        "`forecast` asks for more steps than its model forecasts. A model gives as many steps as the `horizon` of its \
         window.",
    ),
    (
        "E0176",
        "Quantiles of steps cannot be added up: the sum of the 90 % quantiles of two changes is above the 90 % quantile of \
         their sum. A target with `diff` is forecast in changes, so beyond one step ahead its quantiles have no way back. \
         Leave `diff` out, forecast one step, or forecast points with conformal intervals.",
    ),
    (
        "E0177",
        "A metric judges quantiles or an interval, and a fit forecasts points alone. Train it with \
         `loss: {quantile: [0.1, 0.5, 0.9]}`; for `coverage`, `width` and `winkler`, `intervals: {conformal: [80]}` in \
         `evaluate` does, too.",
    ),
    ("E0390", "A warning that `--strict` made an error. Mend what it says, or run without `--strict`."),
    (
        "E0391",
        "A fit of a run cannot forecast: its model file is of another version or kind, or the history given is too \
         short. `forge predict RUN --csv FILE` needs the columns of the model, with at least as many rows as it looks \
         back.",
    ),
    (
        "E0701",
        "A file or folder cannot be read or written: the disk is full, the folder is read-only or gone, or a file \
         stands where a folder is needed. What was written before is whole; once there is room, the same command goes \
         on from the last checkpoint.",
    ),
    (
        "E0703",
        "The report cannot be written. The run itself is complete: `forge report RUN` makes its report again.",
    ),
    (
        "L09",
        "A fit is no better than repeating the last value, and its forecasts follow the series one step late. The model \
         has learnt to repeat; its error and R2 on a price level say nothing. Compare the skill, not the curve.",
    ),
    (
        "L11",
        "There are few validation windows, or a target that never changes: what is chosen by such a part is chosen by \
         chance. Give `val` a larger share of `split`.",
    ),
    (
        "L12",
        "A column holds values that look like a sentinel for missing ones (-9999), or outliers far beyond its spread. \
         Name sentinels in `sentinels:` of the data, bound values with `clean: {bounds: …}`.",
    ),
    (
        "E0704",
        "Training a model takes more memory than this machine has: its weights, each with a gradient and the optimizer's \
         state, and what a batch leaves behind on its way. Make the model, `lookback`, `horizon` or `batch` smaller; \
         `forge explain SPEC` counts the parameters.",
    ),
    ("E0901", "A fault of this program. Please report it, with the spec and `forge doctor`."),
];

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

    /// A fault of this program, which its users are asked to report.
    pub fn fault(message: impl Into<String>) -> Self {
        let finding = Diagnostic::error("E0901", message)
            .help("please report this, with the spec and what `forge doctor` prints");
        Failure::new(Exit::Internal, finding)
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
            _ => Failure::fault(error.to_string()),
        }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        Failure::new(Exit::Resource, Diagnostic::error("E0701", error.to_string()))
    }
}
