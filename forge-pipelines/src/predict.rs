//! Forecasts beyond the last row, from a fit's folder alone: `model.json` and its weights.

mod history;
mod model_file;

use crate::failure::{Exit, Failure};
use crate::models::ModelShape;
use crate::registry::Registry;
use crate::run::{RunDir, RunError};
use crate::spec::Diagnostic;
use crate::transforms::forward_filled;
use crate::windows::median;
use forge_core::history::{Interval, QuantileForecast};
use forge_core::nn::Init;
use forge_core::{Cx, Device, Tensor, checkpoint};
use history::{History, instant};
use jiff::Timestamp;
use model_file::ModelFile;
use serde::Serialize;
use std::path::Path;

/// What a fit forecasts after the last row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// Id of the cell that trained the model.
    pub fit: String,
    /// Time of the last row that it saw.
    pub after: String,
    /// Names of the target columns.
    pub targets: Vec<String>,
    /// One a step ahead: ISO 8601 date or instant; for rows without times the number of the row (from 0).
    pub times: Vec<String>,
    /// `[step, target]`, row-major, in original units.
    pub values: Vec<f64>,
    /// The quantiles of a model that forecasts them, each as [`Prediction::values`].
    pub quantiles: Vec<QuantileForecast>,
    /// Split-conformal intervals, calibrated on the validation part of the run.
    pub intervals: Vec<Interval>,
}

/// Files that take the place of what a run keeps; both in the form of the data that the model was trained on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given<'a> {
    /// Rows with the columns of the model. Those after the last known target may hold what is known ahead.
    pub history: Option<&'a Path>,
    /// The rows after the last known target, with the columns that are known ahead.
    pub future: Option<&'a Path>,
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
/// A file that is missing or damaged, a model of a kind that `registry` does not have, a history that is too short, a
/// value that should be known ahead and is not.
pub fn predict(
    dir: &RunDir,
    fit: &str,
    given: Given<'_>,
    registry: &Registry,
) -> Result<Prediction, Failure> {
    let file: ModelFile = dir.read_json(&format!("fits/{fit}/model.json"))?;
    file.check(fit)?;
    let history = History::of(&file, given)?;
    let x = input(&file, &history)?;
    let (kind, params) = registry
        .model(&file.model)
        .ok_or_else(|| refused("its model is of an unknown kind".into(), "update forge"))?;
    let mut model = kind.build(&params, file.shape, &Init::new(0))?;
    let weights = checkpoint::load(&dir.path().join("fits").join(fit).join(&file.weights))?;
    model.load_values(&of_the_model(weights.tensors))?;
    let ModelShape { lookback, features, .. } = file.shape;
    let x = Tensor::new(&x, &[1, lookback, features])?.to_device(&Device::cpu())?;
    let y: Vec<f32> = model.forward(&Cx::infer(), &x)?.to_vec()?;

    let missing = || vec![f64::NAN; file.horizon * file.targets];
    let mut values = missing();
    let quantile = |level: &f64| QuantileForecast { level: *level, values: missing() };
    let mut quantiles: Vec<QuantileForecast> = file.quantiles.iter().map(quantile).collect();
    let point = median(&file.quantiles);
    for (k, column) in file.columns.iter().enumerate().take(file.targets) {
        let known = forward_filled(&history.columns[k]);
        let paths = file.outputs().paths(&y, k, &column.transforms, &known);
        for step in 0..file.horizon {
            let i = step * file.targets + k;
            values[i] = paths[point][step];
            quantiles.iter_mut().zip(&paths).for_each(|(q, path)| q.values[i] = path[step]);
        }
    }
    let chains: Vec<_> = file.columns.iter().take(file.targets).map(|c| &c.transforms).collect();
    let intervals = file.intervals.iter().map(|margins| margins.about(&chains, &values)).collect();
    Ok(Prediction {
        fit: fit.into(),
        after: history.times.last().cloned().unwrap_or_default(),
        targets: file.columns.iter().take(file.targets).map(|c| c.name.clone()).collect(),
        times: history.ahead_times,
        values,
        quantiles,
        intervals,
    })
}

/// One window `[lookback, features]`, its channels as those that the model was trained on: see `Windows::features`.
fn input(file: &ModelFile, history: &History) -> Result<Vec<f32>, Failure> {
    let ModelShape { lookback, features, .. } = file.shape;
    let length = history.times.len();
    let mut x = vec![0.0_f32; lookback * features];
    let mut set = |channel: usize, values: &mut dyn Iterator<Item = f32>| {
        for (t, value) in values.take(lookback).enumerate() {
            x[t * features + channel] = value;
        }
    };
    let Some(start) = length.checked_sub(lookback) else {
        return Err(too_short(file, 0, length));
    };
    let masked = file.columns.iter().filter(|c| c.masked).count();
    let ahead_from = file.columns.len() - file.known_ahead;
    let (mut mask, mut later) = (file.columns.len(), file.columns.len() + masked);
    for (k, (column, raw)) in file.columns.iter().zip(&history.columns).enumerate() {
        let mut values = raw.clone();
        values.extend(k.checked_sub(ahead_from).and_then(|n| history.ahead.get(n)).into_iter().flatten());
        let transformed = column.transforms.apply(&forward_filled(&values));
        if !transformed[start..].iter().all(|v| v.is_finite()) {
            return Err(too_short(file, k, length));
        }
        set(k, &mut transformed[start..].iter().map(|v| *v as f32));
        if column.masked {
            set(mask, &mut raw[start..].iter().map(|v| f32::from(u8::from(!v.is_nan()))));
            mask += 1;
        }
        if k >= ahead_from {
            set(later, &mut transformed[start + file.horizon..].iter().map(|v| *v as f32));
            later += 1;
        }
    }
    let instants = history.times[start..].iter().chain(&history.ahead_times).map(|label| instant(label));
    let instants: Option<Vec<Timestamp>> = instants.collect();
    let Some(instants) = instants.or_else(|| file.calendar.is_empty().then(Vec::new)) else {
        let message = "the history has no times, and the model sees the calendar".to_string();
        return Err(refused(message, "name them in the file"));
    };
    for kind in &file.calendar {
        for ahead in [0, file.horizon] {
            let pairs: Vec<[f64; 2]> = (0..lookback)
                .filter_map(|t| instants.get(t + ahead).or(instants.last()))
                .map(|t| kind.pair(*t))
                .collect();
            for part in [0, 1] {
                set(later, &mut pairs.iter().map(|pair| pair[part] as f32));
                later += 1;
            }
        }
    }
    Ok(x)
}

fn too_short(file: &ModelFile, column: usize, length: usize) -> Failure {
    let needed = |c: &model_file::StoredColumn| file.shape.lookback + c.transforms.memory();
    let (name, needed) = file.columns.get(column).map_or(("", 0), |c| (c.name.as_str(), needed(c)));
    let message = format!("column `{name}`: {length} rows of history are too few or without values");
    refused(message, &format!("give the last {needed} rows or more"))
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
