use super::Freq;
use super::freq::{is_weekday, weekdays_between};
use super::grid::in_time_column;
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
    /// What follows from it is told with it.
    pub(crate) fn judge(
        self,
        finding: DataError,
        follows: &str,
        notices: &mut Vec<Notice>,
    ) -> Result<(), DataError> {
        match self {
            Severity::Error => return Err(finding),
            Severity::Warn => notices.push(Notice {
                code: finding.code().to_string(),
                level: Level::Warning,
                text: format!("{finding}{follows}"),
            }),
            Severity::Ok => {}
        }
        Ok(())
    }
}

/// What data must satisfy before anything is computed from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = CheckParams { min_rows: 1000, ..CheckParams::default() })]
pub struct CheckParams {
    /// Fewest rows.
    pub min_rows: usize,
    /// Rows missing in the grid of a fixed step, where they are inserted, or on a weekday of `freq: business`.
    pub gaps: Severity,
    /// Rows with the time of the row above.
    pub duplicates: Severity,
    /// Missing values in a target column. Where they do not stop the run, they are left out of the loss and of the
    /// metrics, and counted.
    pub missing_target: Severity,
}

impl Default for CheckParams {
    /// Repeated times stop the run; gaps and missing targets are reported.
    fn default() -> Self {
        CheckParams {
            min_rows: 0,
            gaps: Severity::Warn,
            duplicates: Severity::Error,
            missing_target: Severity::Warn,
        }
    }
}

impl CheckParams {
    /// Judges a frame; what is only reported comes back as notices. Missing targets are judged when it is known which
    /// columns are targets.
    ///
    /// # Errors
    /// `E0316` repeated times, `E0317` gaps, `E0320` too few rows, `E0323` rows on a weekend.
    pub fn check(&self, frame: &Frame) -> Result<Vec<Notice>, DataError> {
        if frame.rows() < self.min_rows {
            let problem = Problem::TooFewRows { min: self.min_rows, found: frame.rows() };
            return Err(DataError::from(problem).in_file(&frame.name));
        }
        let mut notices = Vec::new();
        if let Some(finding) = duplicates(frame) {
            self.duplicates.judge(finding, "", &mut notices)?;
        }
        match frame.freq {
            Freq::Step { .. } => {
                if let Some(finding) = inserted_rows(frame) {
                    let follows =
                        "; these rows are inserted: inputs are filled from the past, targets are masked";
                    self.gaps.judge(finding, follows, &mut notices)?;
                }
            }
            Freq::Business => {
                if let Some(finding) = weekend_rows(frame) {
                    self.gaps.judge(finding, "", &mut notices)?;
                }
                if let Some(finding) = missing_weekdays(frame) {
                    self.gaps.judge(
                        finding,
                        "; the rows around a gap are taken for neighbours",
                        &mut notices,
                    )?;
                }
            }
            Freq::Sessions | Freq::Rows => {}
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

/// Gaps, each as the row before it, the row after it and the rows missing in it, as one finding.
fn gaps(frame: &Frame, gaps: &[(usize, usize, usize)]) -> Option<DataError> {
    let (before, after, _) = *gaps.first()?;
    let axis = frame.time.axis();
    let problem = Problem::Gaps {
        gaps: gaps.len(),
        missing: gaps.iter().map(|(_, _, missing)| missing).sum(),
        before: axis.label(before),
        after: axis.label(after),
        step: frame.freq.to_string(),
    };
    Some(in_time_column(frame, problem, after))
}

fn inserted_rows(frame: &Frame) -> Option<DataError> {
    let known: Vec<usize> = (0..frame.rows()).filter(|row| frame.lines[*row] > 0).collect();
    let pairs = known.windows(2).filter(|pair| pair[1] - pair[0] > 1);
    gaps(frame, &pairs.map(|pair| (pair[0], pair[1], pair[1] - pair[0] - 1)).collect::<Vec<_>>())
}

fn missing_weekdays(frame: &Frame) -> Option<DataError> {
    let times = frame.time.times();
    let between = |row: usize| {
        let days = weekdays_between(times[row - 1], times[row]);
        (days > 0).then_some((row - 1, row, days))
    };
    gaps(frame, &(1..times.len()).filter_map(between).collect::<Vec<_>>())
}

fn weekend_rows(frame: &Frame) -> Option<DataError> {
    let times = frame.time.times();
    let mut weekend = (0..times.len()).filter(|row| !is_weekday(times[*row]));
    let row = weekend.next()?;
    let problem = Problem::Weekend { time: frame.time.axis().label(row), count: 1 + weekend.count() };
    Some(in_time_column(frame, problem, row))
}
