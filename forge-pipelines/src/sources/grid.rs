//! Rows that a fixed step asks for and the file does not have.

use crate::data_error::{DataError, Problem};
use crate::frame::{ColumnData, Frame, TimeColumn};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Inserts the missing rows of a grid of `seconds`, with every value missing and 0 for their line.
///
/// # Errors
/// `E0318` a time off the grid, `E0322` a step so small that nearly every row would be an inserted one.
pub(super) fn complete(frame: Frame, seconds: u64) -> Result<Frame, DataError> {
    let missing = missing_rows(&frame, seconds)?;
    let inserted = missing.iter().fold(0_usize, |sum, m| sum.saturating_add(*m));
    if inserted == 0 {
        return Ok(frame);
    }
    if inserted > 9 * frame.rows() + 1000 {
        let step = frame.freq.to_string();
        let problem = Problem::SparseGrid { step, rows: frame.rows(), inserted };
        return Err(in_time_column(&frame, problem, 0));
    }
    let spread = Spread { missing: &missing, rows: frame.rows() + inserted };
    let step = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    let next = |t: &Timestamp| t.checked_add(step).unwrap_or(*t);
    let Frame { name, time, freq, mut columns, lines, missing_target } = frame;
    let time = match time {
        TimeColumn::Rows { len } => TimeColumn::Rows { len },
        TimeColumn::Dates { column, times, .. } => {
            let times = spread.by(&times, next);
            let labels = times.iter().map(|t| t.to_zoned(TimeZone::UTC).date().to_string()).collect();
            TimeColumn::Dates { column, times, labels }
        }
        TimeColumn::Instants { column, times, .. } => {
            let times = spread.by(&times, next);
            let labels = times.iter().map(Timestamp::to_string).collect();
            TimeColumn::Instants { column, times, labels }
        }
    };
    for column in &mut columns {
        match &mut column.data {
            ColumnData::Number(values) => *values = spread.by(values, |_| f64::NAN),
            ColumnData::Text { values, not_numbers } => {
                *values = spread.by(values, |_| String::new());
                let moved = |row: &usize| row + missing[..=*row].iter().sum::<usize>();
                *not_numbers = not_numbers.iter().map(moved).collect();
            }
        }
    }
    let lines = spread.by(&lines, |_| 0);
    Ok(Frame { name, time, freq, columns, lines, missing_target })
}

/// How many rows are missing in front of each row.
fn missing_rows(frame: &Frame, seconds: u64) -> Result<Vec<usize>, DataError> {
    let times = frame.time.times();
    let step = i128::from(seconds) * 1_000_000_000;
    let mut missing = vec![0; times.len()];
    for row in 1..times.len() {
        let distance = times[row].as_nanosecond() - times[row - 1].as_nanosecond();
        if distance % step != 0 {
            let label = |row: usize| frame.time.axis().label(row);
            let problem =
                Problem::OffGrid { step: frame.freq.to_string(), before: label(row - 1), after: label(row) };
            return Err(in_time_column(frame, problem, row));
        }
        // A repeated time is no gap; `check` judges it.
        missing[row] = usize::try_from((distance / step - 1).max(0)).unwrap_or(usize::MAX / 4);
    }
    Ok(missing)
}

/// Rows spread out over a grid.
struct Spread<'a> {
    missing: &'a [usize],
    rows: usize,
}

impl Spread<'_> {
    /// The values, with `between(the value above)` in each inserted row.
    fn by<T: Clone>(&self, values: &[T], between: impl Fn(&T) -> T) -> Vec<T> {
        let mut spread: Vec<T> = Vec::with_capacity(self.rows);
        for (value, missing) in values.iter().zip(self.missing) {
            for _ in 0..*missing {
                let inserted = spread.last().map(&between);
                spread.extend(inserted);
            }
            spread.push(value.clone());
        }
        spread
    }
}

/// An error about a row's time.
pub(super) fn in_time_column(frame: &Frame, problem: Problem, row: usize) -> DataError {
    let error = frame.at_row(problem.into(), row);
    match frame.time.column() {
        Some(column) => error.in_column(column),
        None => error,
    }
}
