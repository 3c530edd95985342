//! Windows over a prepared series: which rows a model sees and which it forecasts. Windows are never copied out as
//! a whole; batches are filled from one matrix.

use crate::data_error::{DataError, Problem};
use crate::prepare::Prepared;
use crate::split::Split;
use forge_core::history::{ForecastKind, Forecasts, Level, Notice, Part};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Fewer validation windows than this choose between models by chance (L11).
const FEW_VAL_WINDOWS: usize = 50;

/// The parts in order of time.
const PARTS: [Part; 3] = [Part::Train, Part::Val, Part::Test];

/// How windows are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = WindowParams::new(60, 5))]
pub struct WindowParams {
    /// Rows that a model sees, the last of them the origin.
    #[schemars(range(min = 1), example = 60)]
    pub lookback: usize,
    /// Rows that it forecasts, from the one after the origin.
    #[schemars(range(min = 1), example = 5)]
    pub horizon: usize,
    /// Rows from one training window to the next. Validation and test windows always advance by one row, so that
    /// every row is a target.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub stride: usize,
}

fn one() -> usize {
    1
}

impl WindowParams {
    /// Windows of stride 1.
    pub fn new(lookback: usize, horizon: usize) -> Self {
        WindowParams { lookback, horizon, stride: 1 }
    }
}

/// The windows of the three parts.
///
/// A window is named by its origin, the row of the last observed value: inputs are the `lookback` rows up to it,
/// targets the `horizon` rows after it. A window belongs to the part that holds all its target rows; its inputs may
/// reach back across the border.
#[derive(Clone, Debug, PartialEq)]
pub struct Windows {
    /// How they were cut.
    pub params: WindowParams,
    /// Remarks: few validation windows, constant targets (L11).
    pub notices: Vec<Notice>,
    features: usize,
    targets: usize,
    /// Transformed inputs, `[row, feature]` row-major, targets first.
    matrix: Vec<f32>,
    origins: [Vec<usize>; 3],
}

impl Windows {
    /// Cuts windows from prepared columns.
    ///
    /// # Errors
    /// `E0360` to `E0363` when `lookback` or `horizon` do not fit the parts; guard `L03` when parts share a target
    /// row, which a split made by [`crate::split::SplitParams::split`] cannot.
    pub fn new(prepared: &Prepared, params: WindowParams) -> Result<Self, DataError> {
        for (name, value) in
            [("lookback", params.lookback), ("horizon", params.horizon), ("stride", params.stride)]
        {
            if value == 0 {
                return Err(Problem::ZeroWindow { name }.into());
            }
        }
        let split = &prepared.split;
        let first = prepared.first_valid_row;
        for part in [Part::Test, Part::Val] {
            fits(split.part(part), part, first, params)?;
        }
        let origins = PARTS.map(|part| origins(split, part, first, params));
        if origins[0].is_empty() {
            let rows = split.train.end.saturating_sub(first);
            let (lookback, horizon) = (params.lookback, params.horizon);
            return Err(Problem::NoTrainWindow { lookback, horizon, rows }.into());
        }
        let mut windows = Windows {
            params,
            notices: Vec::new(),
            features: prepared.inputs.len(),
            targets: prepared.target_count,
            matrix: matrix(prepared),
            origins,
        };
        windows.check_disjoint()?;
        windows.notices = windows.remarks(prepared);
        Ok(windows)
    }

    /// Origins of a part's windows, ascending.
    pub fn origins(&self, part: Part) -> &[usize] {
        match part {
            Part::Train => &self.origins[0],
            Part::Val => &self.origins[1],
            Part::Test => &self.origins[2],
        }
    }

    /// Number of windows of a part.
    pub fn len(&self, part: Part) -> usize {
        self.origins(part).len()
    }

    /// Whether a part has no window; only validation can be without.
    pub fn is_empty(&self, part: Part) -> bool {
        self.origins(part).is_empty()
    }

    /// Number of input columns.
    pub fn features(&self) -> usize {
        self.features
    }

    /// Number of target columns; they are the first of the input columns.
    pub fn targets(&self) -> usize {
        self.targets
    }

    /// Fills a batch with the windows of `part` at these positions (0 is the earliest), in transformed space:
    /// `x` as `[batch, lookback, features]` and `y` as `[batch, horizon, targets]`, both row-major.
    ///
    /// # Errors
    /// `E0364` when a position has no window or a buffer has another size.
    pub fn fill_batch(
        &self,
        part: Part,
        indices: &[usize],
        x: &mut [f32],
        y: &mut [f32],
    ) -> Result<(), DataError> {
        let origins = self.origins(part);
        let x_size = self.params.lookback * self.features;
        let y_size = self.params.horizon * self.targets;
        if x.len() != indices.len() * x_size || y.len() != indices.len() * y_size {
            let reason = format!(
                "a batch of {} windows needs {} inputs and {} targets, not {} and {}",
                indices.len(),
                indices.len() * x_size,
                indices.len() * y_size,
                x.len(),
                y.len()
            );
            return Err(Problem::BatchShape { reason }.into());
        }
        for (i, &index) in indices.iter().enumerate() {
            let &origin = origins.get(index).ok_or_else(|| Problem::BatchShape {
                reason: format!("window {index} of the {} part, which has {}", part.name(), origins.len()),
            })?;
            let start = (origin + 1 - self.params.lookback) * self.features;
            x[i * x_size..][..x_size].copy_from_slice(&self.matrix[start..start + x_size]);
            for step in 0..self.params.horizon {
                let row = (origin + 1 + step) * self.features;
                let to = i * y_size + step * self.targets;
                y[to..to + self.targets].copy_from_slice(&self.matrix[row..row + self.targets]);
            }
        }
        Ok(())
    }

    /// The last `lookback` rows of the data, `[lookback, features]`: the input of a forecast beyond the last row.
    pub fn last_input(&self) -> &[f32] {
        let size = self.params.lookback * self.features;
        &self.matrix[self.matrix.len().saturating_sub(size)..]
    }

    /// A model's outputs for all windows of a part, `[window, horizon, targets]` in transformed space, as forecasts in
    /// original units beside what happened.
    ///
    /// # Errors
    /// `E0364` when `outputs` has another size.
    pub fn forecasts(
        &self,
        prepared: &Prepared,
        part: Part,
        name: &str,
        outputs: &[f32],
    ) -> Result<Forecasts, DataError> {
        let mut forecasts = self.observed(prepared, part, name, ForecastKind::Fit);
        let expected = forecasts.predicted.len();
        if outputs.len() != expected {
            let reason = format!("the {} part needs {expected} outputs, not {}", part.name(), outputs.len());
            return Err(Problem::BatchShape { reason }.into());
        }
        let mut path = vec![0.0; self.params.horizon];
        for (o, origin) in forecasts.origins.clone().into_iter().enumerate() {
            for (k, column) in prepared.targets().iter().enumerate() {
                for (step, value) in path.iter_mut().enumerate() {
                    *value = f64::from(outputs[forecasts.index(o, step, k)]);
                }
                column.chain.invert(&mut path, &column.raw[..=origin]);
                for (step, value) in path.iter().enumerate() {
                    let i = forecasts.index(o, step, k);
                    forecasts.predicted[i] = *value;
                }
            }
        }
        Ok(forecasts)
    }

    /// What happened in the windows of a part, in original units, with every forecast still NaN.
    pub(crate) fn observed(
        &self,
        prepared: &Prepared,
        part: Part,
        name: &str,
        kind: ForecastKind,
    ) -> Forecasts {
        let origins = self.origins(part).to_vec();
        let mut actual = Vec::with_capacity(origins.len() * self.params.horizon * self.targets);
        for origin in &origins {
            for row in origin + 1..=origin + self.params.horizon {
                actual.extend(prepared.targets().iter().map(|c| c.raw[row]));
            }
        }
        Forecasts {
            name: name.to_string(),
            kind,
            part,
            targets: prepared.targets().iter().map(|c| c.name.clone()).collect(),
            horizon: self.params.horizon,
            predicted: vec![f64::NAN; actual.len()],
            origins,
            actual,
        }
    }

    /// Proves that no row is a target in two parts.
    ///
    /// # Errors
    /// Guard `L03` with the first such row.
    pub fn check_disjoint(&self) -> Result<(), DataError> {
        let mut owner: Vec<Option<Part>> = vec![None; self.matrix.len() / self.features.max(1)];
        for part in PARTS {
            for origin in self.origins(part) {
                let targets = owner.iter_mut().enumerate().skip(origin + 1).take(self.params.horizon);
                for (row, owner) in targets {
                    match *owner {
                        Some(other) if other != part => {
                            let (first, second) = (other.name(), part.name());
                            return Err(Problem::SharedTarget { row, first, second }.into());
                        }
                        _ => *owner = Some(part),
                    }
                }
            }
        }
        Ok(())
    }

    fn remarks(&self, prepared: &Prepared) -> Vec<Notice> {
        let warn = |text| Notice { code: "L11".into(), level: Level::Warning, text };
        let mut notices = Vec::new();
        let val = self.len(Part::Val);
        if val == 0 {
            notices.push(warn(
                "no validation window: no epoch and no baseline can be chosen; give `val` a share".into(),
            ));
        } else if val < FEW_VAL_WINDOWS {
            notices.push(warn(format!(
                "only {val} validation windows: what is chosen on them is chosen largely by chance; \
                 give `val` a larger share"
            )));
        }
        for column in prepared.targets() {
            let train = &column.raw[prepared.split.train.clone()];
            if train.iter().all(|v| *v == train[0]) {
                notices.push(warn(format!("target `{}` is {} in every train row", column.name, train[0])));
            }
        }
        notices
    }
}

/// Whether a part that is scored has room for windows.
fn fits(rows: Range<usize>, part: Part, first_valid: usize, params: WindowParams) -> Result<(), DataError> {
    let WindowParams { lookback, horizon, .. } = params;
    if rows.is_empty() && part == Part::Val {
        return Ok(());
    }
    if horizon > rows.len() {
        return Err(Problem::HorizonTooLong { horizon, part: part.name(), rows: rows.len() }.into());
    }
    let before = rows.start.saturating_sub(first_valid);
    if lookback > before {
        return Err(Problem::LookbackTooLong { lookback, part: part.name(), rows: before }.into());
    }
    Ok(())
}

fn origins(split: &Split, part: Part, first_valid: usize, params: WindowParams) -> Vec<usize> {
    let rows = split.part(part);
    let earliest = (first_valid + params.lookback).max(rows.start);
    let stride = if part == Part::Train { params.stride } else { 1 };
    // In terms of the first target row, which is the origin's next.
    (earliest..(rows.end + 1).saturating_sub(params.horizon)).step_by(stride).map(|row| row - 1).collect()
}

fn matrix(prepared: &Prepared) -> Vec<f32> {
    let mut matrix = Vec::with_capacity(prepared.rows() * prepared.inputs.len());
    for row in 0..prepared.rows() {
        matrix.extend(prepared.inputs.iter().map(|c| c.transformed[row] as f32));
    }
    matrix
}
