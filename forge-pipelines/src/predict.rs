//! Forecasts beyond the last row, from a fit's folder alone: `model.json` and its weights.

use crate::calendar::CalendarParam;
use crate::failure::{Exit, Failure};
use crate::models::ModelShape;
use crate::registry::Registry;
use crate::run::{RunDir, RunError};
use crate::sources::{CsvParams, Freq, Source};
use crate::spec::Diagnostic;
use crate::transforms::{FittedChain, forward_filled};
use forge_core::nn::Init;
use forge_core::{Cx, Device, Tensor, checkpoint};
use jiff::civil::Weekday;
use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What `model.json` holds, as far as a forecast needs it.
#[derive(Debug, Deserialize)]
struct ModelFile {
    schema: u32,
    model: serde_json::Value,
    shape: ModelShape,
    horizon: usize,
    targets: usize,
    columns: Vec<StoredColumn>,
    last_times: Vec<String>,
    frequency: String,
    weights: String,
    /// Columns, up to the last, whose values after the last row are inputs.
    #[serde(default)]
    known_ahead: usize,
    /// Cycles of the calendar that are inputs.
    #[serde(default)]
    calendar: Vec<CalendarParam>,
}

/// An input column: its name, its fitted transforms and its last raw values; a missing one is null.
#[derive(Debug, Deserialize)]
struct StoredColumn {
    name: String,
    transforms: FittedChain,
    last: Vec<Option<f64>>,
    /// Whether a channel of its own tells which values are missing.
    #[serde(default)]
    masked: bool,
}

/// What a fit forecasts after the last row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Id of the cell that trained the model.
    pub fit: String,
    /// Time of the last row that it saw.
    pub after: String,
    /// Names of the target columns.
    pub targets: Vec<String>,
    /// One a step ahead.
    pub steps: Vec<PredictedStep>,
}

/// One step ahead.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PredictedStep {
    /// ISO 8601 date or instant; for rows without times the number of the row after the last (from 1).
    pub time: String,
    /// One value a target, in original units.
    pub values: Vec<f64>,
}

/// Ids of the fits of a run that can forecast, in order of their names.
///
/// # Errors
/// [`RunError::Io`].
pub fn fits(dir: &RunDir) -> Result<Vec<String>, RunError> {
    let folder = dir.path().join("fits");
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let failed = |e| RunError::io("read the folder", &folder, e);
    let mut ids = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().join("model.json").is_file() {
            ids.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    ids.sort();
    Ok(ids)
}

/// Forecasts after the last row that the fit's folder holds, or after that of a CSV file with the same columns.
///
/// # Errors
/// A file that is missing or damaged, a model of a kind that `registry` does not have or with inputs that are no
/// columns, a history that is too short.
pub fn predict(
    dir: &RunDir,
    fit: &str,
    history: Option<&Path>,
    registry: &Registry,
) -> Result<Prediction, Failure> {
    let file: ModelFile = dir.read_json(&format!("fits/{fit}/model.json"))?;
    let ModelShape { lookback, features, .. } = file.shape;
    if file.schema != 1 {
        let message = format!("model.json of `{fit}` has schema {}, this version reads 1", file.schema);
        return Err(refused(message, "update forge"));
    }
    if file.known_ahead > 0 {
        let message = format!("the model `{fit}` needs values of columns after the last row");
        return Err(refused(message, "the run's own `forecast` cell has them"));
    }
    let masks = file.columns.iter().filter(|c| c.masked).count();
    let known = file.columns.len() + masks + 4 * file.calendar.len();
    if features != known || file.targets > file.columns.len() || file.targets == 0 {
        let message = format!("the model `{fit}` has {features} inputs, of which {known} are known");
        return Err(refused(message, "update forge"));
    }
    let stored = |c: &StoredColumn| c.last.iter().map(|v| v.unwrap_or(f64::NAN)).collect();
    let (rows, times, freq) = match history {
        None => {
            let freq = file.frequency.parse::<Freq>().map_err(crate::DataError::from)?;
            (file.columns.iter().map(stored).collect(), file.last_times.clone(), freq)
        }
        Some(path) => read(path, &file)?,
    };
    let raw: Vec<Vec<f64>> = rows;
    let columns: Vec<Vec<f64>> = raw.iter().map(|values| forward_filled(values)).collect();
    let length = columns.first().map_or(0, Vec::len);
    let after = times.last().cloned().unwrap_or_default();
    let labels = labels_after(&after, freq, file.horizon);
    let mut x = vec![0.0_f32; lookback * features];
    let mut channel = file.columns.len();
    let long_enough = raw.iter().filter(|raw| raw.len() >= lookback).zip(&file.columns);
    for (raw, _) in long_enough.filter(|(_, column)| column.masked) {
        for (t, value) in raw[raw.len() - lookback..].iter().enumerate() {
            x[t * features + channel] = f32::from(u8::from(!value.is_nan()));
        }
        channel += 1;
    }
    calendar_channels(&file, &times, &labels, &mut x, channel)?;
    for (k, (column, values)) in file.columns.iter().zip(&columns).enumerate() {
        let transformed = column.transforms.apply(values);
        let start = length.checked_sub(lookback).filter(|s| transformed[*s..].iter().all(|v| v.is_finite()));
        let Some(start) = start else {
            let needed = lookback + column.transforms.memory();
            let message =
                format!("column `{}`: {length} rows of history are too few or without values", column.name);
            return Err(refused(message, &format!("give the last {needed} rows or more")));
        };
        for (t, value) in transformed[start..].iter().enumerate() {
            x[t * features + k] = *value as f32;
        }
    }
    let (kind, params) = registry
        .model(&file.model)
        .ok_or_else(|| refused("its model is of an unknown kind".into(), "update forge"))?;
    let mut model = kind.build(&params, file.shape, &Init::new(0))?;
    let weights = checkpoint::load(&dir.path().join("fits").join(fit).join(&file.weights))?;
    model.load_values(&of_the_model(weights.tensors))?;
    let x = Tensor::new(&x, &[1, lookback, features])?.to_device(&Device::cpu())?;
    let y: Vec<f32> = model.forward(&Cx::infer(), &x)?.to_vec()?;
    let paths: Vec<Vec<f64>> = (0..file.targets)
        .map(|k| {
            let mut path: Vec<f64> = (0..file.horizon).map(|h| f64::from(y[h * file.targets + k])).collect();
            file.columns[k].transforms.invert(&mut path, &columns[k]);
            path
        })
        .collect();
    let step = |(h, time)| PredictedStep { time, values: paths.iter().map(|path| path[h]).collect() };
    Ok(Prediction {
        fit: fit.into(),
        after,
        targets: file.columns.iter().take(file.targets).map(|c| c.name.clone()).collect(),
        steps: labels.into_iter().enumerate().map(step).collect(),
    })
}

/// Fills the calendar's channels: sine and cosine of each cycle at a row's own time, then one horizon later.
fn calendar_channels(
    file: &ModelFile,
    times: &[String],
    after: &[String],
    x: &mut [f32],
    first: usize,
) -> Result<(), Failure> {
    let ModelShape { lookback, features, .. } = file.shape;
    let Some(start) = times.len().checked_sub(lookback).filter(|_| !file.calendar.is_empty()) else {
        return Ok(());
    };
    let instants = times[start..].iter().chain(after).map(|label| instant(label));
    let Some(instants) = instants.collect::<Option<Vec<Timestamp>>>() else {
        return Err(refused(
            "the history has no times, and the model sees the calendar".into(),
            "name them in the file",
        ));
    };
    for t in 0..lookback {
        let mut channel = t * features + first;
        for kind in &file.calendar {
            for ahead in [0, file.horizon] {
                let pair =
                    instants.get(t + ahead).or(instants.last()).map_or([0.0; 2], |time| kind.pair(*time));
                x[channel] = pair[0] as f32;
                x[channel + 1] = pair[1] as f32;
                channel += 2;
            }
        }
    }
    Ok(())
}

/// The instant of a label: a date is its midnight in UTC.
fn instant(label: &str) -> Option<Timestamp> {
    label.parse::<Timestamp>().ok().or_else(|| {
        let date = label.parse::<jiff::civil::Date>().ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

fn refused(message: String, help: &str) -> Failure {
    Failure::new(Exit::Data, Diagnostic::error("E0391", message).help(help))
}

/// The weights of a file of weights, or those in a checkpoint among the optimizer's moments.
fn of_the_model(tensors: Vec<(String, Tensor)>) -> Vec<(String, Tensor)> {
    let inner: Vec<_> = tensors
        .iter()
        .filter_map(|(name, t)| Some((name.strip_prefix("model.")?.to_owned(), t.clone())))
        .collect();
    if inner.is_empty() { tensors } else { inner }
}

type History = (Vec<Vec<f64>>, Vec<String>, Freq);

/// The columns of the model from a CSV file; NaN is a missing value.
fn read(path: &Path, file: &ModelFile) -> Result<History, Failure> {
    let loaded = CsvParams::new(path.display().to_string()).read(Path::new(""))?;
    let frame = loaded.frame;
    let column = |c: &StoredColumn| Ok(frame.numbers(&c.name)?.to_vec());
    let columns = file.columns.iter().map(column).collect::<Result<_, crate::DataError>>()?;
    let axis = frame.time.axis();
    let freq = file.frequency.parse::<Freq>().map_err(crate::DataError::from)?;
    Ok((columns, (0..frame.rows()).map(|row| axis.label(row)).collect(), freq))
}

/// The times of the rows after `last`: the next weekdays for sessions, whole steps otherwise; numbers for rows.
fn labels_after(last: &str, freq: Freq, count: usize) -> Vec<String> {
    let date = last.parse::<jiff::civil::Date>().ok().filter(|_| !last.contains('T'));
    let instant = last.parse::<Timestamp>().ok();
    let start = instant.or_else(|| Some(date?.to_zoned(TimeZone::UTC).ok()?.timestamp()));
    let Some(start) = start.filter(|_| freq != Freq::Rows) else {
        let row: usize = last.parse().unwrap_or(0);
        return (1..=count).map(|step| (row + step).to_string()).collect();
    };
    let mut time = start;
    let mut labels = Vec::with_capacity(count);
    while labels.len() < count {
        let step = match freq {
            Freq::Step { seconds } => i64::try_from(seconds).unwrap_or(i64::MAX),
            _ => 86_400,
        };
        let Ok(next) = time.checked_add(jiff::SignedDuration::from_secs(step)) else { break };
        time = next;
        let civil = time.to_zoned(TimeZone::UTC).datetime();
        let weekend = matches!(civil.weekday(), Weekday::Saturday | Weekday::Sunday);
        if matches!(freq, Freq::Sessions | Freq::Business) && weekend {
            continue;
        }
        let whole_days = date.is_some() && civil.time() == jiff::civil::Time::midnight();
        labels.push(if whole_days { civil.date().to_string() } else { time.to_string() });
    }
    labels
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
