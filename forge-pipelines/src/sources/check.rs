use super::Freq;
use crate::data_error::{DataError, Problem};
use crate::frame::Frame;
use forge_core::history::{Level, Notice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a finding does to the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It stops the run.
    #[default]
    Error,
    /// It is reported, and the run goes on.
    Warn,
    /// It is expected; nothing is said.
    Ok,
}

impl Severity {
    /// Stops, tells or passes over a finding.
    fn judge(self, finding: DataError, notices: &mut Vec<Notice>) -> Result<(), DataError> {
        match self {
            Severity::Error => return Err(finding),
            Severity::Warn => notices.push(Notice {
                code: finding.code().to_string(),
                level: Level::Warning,
                text: finding.to_string(),
            }),
            Severity::Ok => {}
        }
        Ok(())
    }
}

/// What data must satisfy before anything is computed from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = CheckParams { min_rows: 1000, ..CheckParams::default() })]
pub struct CheckParams {
    /// Fewest rows.
    pub min_rows: usize,
    /// Missing rows where `freq` is a fixed step. Until gaps are filled, `warn` and `ok` treat the rows around a
    /// gap as neighbours.
    pub gaps: Severity,
    /// Rows with the time of the row above.
    pub duplicates: Severity,
    /// Missing values in a target column. Until they are masked, a column that is used may have none at all, so
    /// `warn` and `ok` change nothing yet.
    pub missing_target: Severity,
}

impl CheckParams {
    /// Judges a frame; what is only reported comes back as notices.
    ///
    /// # Errors
    /// `E0316` repeated times, `E0317` gaps and `E0318` times off the grid of a fixed step, `E0320` too few rows.
    pub fn check(&self, frame: &Frame) -> Result<Vec<Notice>, DataError> {
        if frame.rows() < self.min_rows {
            let problem = Problem::TooFewRows { min: self.min_rows, found: frame.rows() };
            return Err(DataError::from(problem).in_file(&frame.name));
        }
        let mut notices = Vec::new();
        if let Some(finding) = duplicates(frame) {
            self.duplicates.judge(finding, &mut notices)?;
        }
        if let Freq::Step { seconds } = frame.freq
            && let Some(finding) = gaps(frame, seconds)?
        {
            self.gaps.judge(finding, &mut notices)?;
        }
        Ok(notices)
    }
}

fn duplicates(frame: &Frame) -> Option<DataError> {
    let times = frame.time.times();
    let mut repeated = (1..times.len()).filter(|&r| times[r] == times[r - 1]);
    let row = repeated.next()?;
    let problem = Problem::DuplicateTime {
        time: frame.time.axis().label(row),
        first_line: frame.lines[row - 1],
        count: 1 + repeated.count(),
    };
    Some(in_time_column(frame, problem, row))
}

fn gaps(frame: &Frame, seconds: u64) -> Result<Option<DataError>, DataError> {
    let times = frame.time.times();
    let step = i128::from(seconds) * 1_000_000_000;
    let name = frame.freq.to_string();
    let label = |row: usize| frame.time.axis().label(row);
    let (mut count, mut missing, mut first) = (0, 0, None);
    for row in 1..times.len() {
        let distance = times[row].as_nanosecond() - times[row - 1].as_nanosecond();
        if distance % step != 0 {
            let problem = Problem::OffGrid { step: name, before: label(row - 1), after: label(row) };
            return Err(in_time_column(frame, problem, row));
        }
        if distance > step {
            count += 1;
            missing += usize::try_from(distance / step - 1).unwrap_or(usize::MAX);
            first = first.or(Some(row));
        }
    }
    Ok(first.map(|row| {
        let (before, after) = (label(row - 1), label(row));
        let problem = Problem::Gaps { gaps: count, missing, before, after, step: name };
        in_time_column(frame, problem, row)
    }))
}

fn in_time_column(frame: &Frame, problem: Problem, row: usize) -> DataError {
    let error = frame.at_row(problem.into(), row);
    match frame.time.column() {
        Some(column) => error.in_column(column),
        None => error,
    }
}
