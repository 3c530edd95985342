//! What a forecast begins from: the rows that a model file keeps, or those of other files of the same form.

use super::model_file::{ModelFile, StoredColumn};
use super::{Given, refused};
use crate::data_error::DataError;
use crate::failure::Failure;
use crate::frame::Frame;
use crate::sources::{CleanParams, CsvParams, Freq, Source};
use jiff::{Timestamp, tz::TimeZone};
use std::path::Path;

/// The rows up to the last one with a known target, and what is known of those after it.
pub(super) struct History {
    /// The columns of the model, each up to the last row; NaN is a missing value.
    pub columns: Vec<Vec<f64>>,
    /// The columns that are known ahead, one value a step.
    pub ahead: Vec<Vec<f64>>,
    /// Times of the rows.
    pub times: Vec<String>,
    /// Times of the rows after them, one a step.
    pub ahead_times: Vec<String>,
}

impl History {
    /// The rows that the files give, else those that the model file keeps.
    pub fn of(file: &ModelFile, given: Given<'_>) -> Result<History, Failure> {
        if let (Some(path), 0) = (given.future, file.known_ahead) {
            let message =
                format!("the model has no input that is known ahead, so `{}` is of no use", path.display());
            return Err(refused(message, "leave `--future` out"));
        }
        let freq = file.frequency.parse::<Freq>().map_err(DataError::from)?;
        let values =
            |stored: &[Option<f64>]| stored.iter().map(|v| v.unwrap_or(f64::NAN)).collect::<Vec<f64>>();
        let mut later = None;
        let mut history = match given.history {
            None => History {
                columns: file.columns.iter().map(|c| values(&c.last)).collect(),
                ahead: file.ahead().iter().map(|c| values(&c.ahead)).collect(),
                times: file.last_times.clone(),
                ahead_times: Vec::new(),
            },
            Some(path) => {
                let frame = read(path, file, freq, false)?;
                let history = of_frame(&frame, file)?;
                later = Some((frame, path, history.times.len()));
                history
            }
        };
        let after = history.times.last().cloned().unwrap_or_default();
        history.ahead_times = labels_after(&after, freq, file.horizon);
        if given.history.is_none() && !file.ahead_times.is_empty() {
            history.ahead_times.clone_from(&file.ahead_times);
        }
        if let Some(path) = given.future {
            let frame = read(path, file, freq, true)?;
            let ahead = Ahead { file, freq, frame: &frame, path, first: 0 };
            ahead.into_history(&mut history, &after)?;
        } else if let Some((frame, path, first)) = later.filter(|_| file.known_ahead > 0) {
            let ahead = Ahead { file, freq, frame: &frame, path, first };
            ahead.into_history(&mut history, &after)?;
        } else if history.ahead.iter().any(|values| values.len() < file.horizon) {
            let names = names(file.ahead());
            let message = format!("the model file does not hold what is known ahead: {names}");
            return Err(refused(message, "give the coming rows with `--future FILE`"));
        }
        Ok(history)
    }
}

fn names(columns: &[StoredColumn]) -> String {
    columns.iter().map(|c| format!("`{}`", c.name)).collect::<Vec<_>>().join(", ")
}

/// A file in the form of the data that the model was trained on.
fn read(path: &Path, file: &ModelFile, freq: Freq, ahead: bool) -> Result<Frame, Failure> {
    let mut reader = file.reader.clone().unwrap_or_else(|| CsvParams::new(""));
    reader.csv = path.display().to_string();
    reader.columns = None;
    if ahead {
        // Which rows there are is decided by the history; a single row shows no frequency.
        reader.freq = None;
    } else if freq != Freq::Rows {
        reader.freq = Some(freq);
    }
    let frame = reader.read(Path::new(""))?.frame;
    let Some(clean) = &file.clean else { return Ok(frame) };
    Ok(suited(clean.clone(), &frame, ahead).clean(frame)?.0)
}

/// The repairs of the columns that a file has; of coming rows, none is dropped or filled.
fn suited(mut clean: CleanParams, frame: &Frame, ahead: bool) -> CleanParams {
    clean.rename.retain(|name, _| frame.names().any(|known| known == name));
    let renamed = |name: &str| clean.rename.get(name).map_or(name.to_string(), String::clone);
    let known: Vec<String> = frame.names().map(renamed).collect();
    clean.bounds.retain(|name, _| known.contains(name));
    if let Some(drop) = &mut clean.drop {
        drop.missing.retain(|name| known.contains(name));
        drop.columns.retain(|name| known.contains(name));
    }
    if ahead {
        (clean.fill, clean.drop) = (None, None);
    }
    clean
}

/// The rows up to the last one in which a target is known.
fn of_frame(frame: &Frame, file: &ModelFile) -> Result<History, Failure> {
    let mut columns = Vec::with_capacity(file.columns.len());
    for column in &file.columns {
        columns.push(frame.numbers(&column.name)?.to_vec());
    }
    let targets = &columns[..file.targets];
    let end =
        targets.iter().filter_map(|c| c.iter().rposition(|v| v.is_finite())).max().map_or(0, |row| row + 1);
    columns.iter_mut().for_each(|column| column.truncate(end));
    let axis = frame.time.axis();
    let times = (0..end).map(|row| axis.label(row)).collect();
    Ok(History { columns, ahead: Vec::new(), times, ahead_times: Vec::new() })
}

/// A frame with the rows after a history.
struct Ahead<'a> {
    file: &'a ModelFile,
    freq: Freq,
    frame: &'a Frame,
    path: &'a Path,
    /// The first row that may be one of them, where rows have no times.
    first: usize,
}

impl Ahead<'_> {
    /// Takes the values at the times after the history. Sessions have no other calendar than their rows: there the next
    /// rows count, whatever their dates.
    fn into_history(self, history: &mut History, after: &str) -> Result<(), Failure> {
        let horizon = self.file.horizon;
        let axis = self.frame.time.axis();
        let labels: Vec<String> = (0..self.frame.rows()).map(|row| axis.label(row)).collect();
        let shown = self.path.display();
        let rows: Vec<usize> = if self.frame.time.times().is_empty() {
            (self.first..labels.len()).take(horizon).collect()
        } else if self.freq == Freq::Sessions {
            let origin = instant(after);
            let later = |row: &usize| instant(&labels[*row]) > origin;
            (0..labels.len()).filter(later).take(horizon).collect()
        } else {
            let of = |wanted: &String| labels.iter().position(|label| instant(label) == instant(wanted));
            let found: Vec<Option<usize>> = history.ahead_times.iter().map(of).collect();
            if let Some(missing) = found.iter().position(Option::is_none) {
                let wanted = &history.ahead_times[missing];
                let message = format!(
                    "`{shown}` has no row for {wanted}, step {} of {horizon} after {after}",
                    missing + 1
                );
                return Err(self.wanting(message));
            }
            found.into_iter().flatten().collect()
        };
        if rows.len() < horizon {
            let message =
                format!("`{shown}` has {} rows after {after}, and {horizon} are forecast", rows.len());
            return Err(self.wanting(message));
        }
        if self.freq == Freq::Sessions && !self.frame.time.times().is_empty() {
            history.ahead_times = rows.iter().map(|row| labels[*row].clone()).collect();
        }
        history.ahead.clear();
        for column in self.file.ahead() {
            let all = self.frame.numbers(&column.name)?;
            let values: Vec<f64> = rows.iter().map(|row| all[*row]).collect();
            if let Some(step) = values.iter().position(|v| v.is_nan()) {
                let at = &labels[rows[step]];
                return Err(self.wanting(format!("`{shown}`: `{}` has no value at {at}", column.name)));
            }
            history.ahead.push(values);
        }
        Ok(())
    }

    fn wanting(&self, message: String) -> Failure {
        let names = names(self.file.ahead());
        let horizon = self.file.horizon;
        refused(
            message,
            &format!(
                "the model needs {names} at each of the {horizon} rows after the last known target: give them with `--future FILE`"
            ),
        )
    }
}

/// The instant of a label: a date is its midnight in UTC.
pub(super) fn instant(label: &str) -> Option<Timestamp> {
    label.parse::<Timestamp>().ok().or_else(|| {
        let date = label.parse::<jiff::civil::Date>().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

/// The times of the rows after `last`: the next weekdays for sessions, whole steps otherwise; numbers for rows.
fn labels_after(last: &str, freq: Freq, count: usize) -> Vec<String> {
    let Some(start) = instant(last).filter(|_| freq != Freq::Rows) else {
        let row: usize = last.parse().unwrap_or(0);
        return (1..=count).map(|step| (row + step).to_string()).collect();
    };
    let is_date = !last.contains('T');
    let label = |time: &Timestamp| {
        let civil = time.to_zoned(TimeZone::UTC).datetime();
        let whole_days = is_date && civil.time() == jiff::civil::Time::midnight();
        if whole_days { civil.date().to_string() } else { time.to_string() }
    };
    freq.times_after(start, count).iter().map(label).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_have_no_weekend_and_steps_are_kept() {
        let of = |last, freq: &str, n| labels_after(last, freq.parse().unwrap(), n);
        // 2013-03-01 was a Friday.
        assert_eq!(of("2013-03-01", "sessions", 3), ["2013-03-04", "2013-03-05", "2013-03-06"]);
        assert_eq!(of("2013-02-28", "1d", 2), ["2013-03-01", "2013-03-02"]);
        assert_eq!(of("2013-03-01T23:00:00Z", "1h", 2), ["2013-03-02T00:00:00Z", "2013-03-02T01:00:00Z"]);
        assert_eq!(of("41", "rows", 2), ["42", "43"]);
    }
}
