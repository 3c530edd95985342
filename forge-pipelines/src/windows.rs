//! Windows over a prepared series: which rows a model sees and which it forecasts. Windows are never copied out as
//! a whole; batches are filled from one matrix.

mod outputs;

pub(crate) use outputs::{OutputShape, median};

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
    /// Inputs, `[row, feature]` row-major: see [`Windows::features`].
    matrix: Vec<f32>,
    /// Whether each target is known, `[row, target]` row-major; empty where all are.
    known: Vec<bool>,
    /// The row after the last known target.
    target_end: usize,
    origins: [Vec<usize>; 3],
}

impl Windows {
    /// Cuts windows from prepared columns.
    ///
    /// # Errors
    /// `E0360` to `E0363` when `lookback` or `horizon` do not fit the parts; guard `L04` when a covariate is not known
    /// for a whole horizon ahead; guard `L03` when parts share a target row, which a split made by [`crate::split::SplitParams::split`] cannot.
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
        known_ahead(prepared, params.horizon)?;
        let channels = channels(prepared, params.horizon);
        let mut windows = Windows {
            params,
            notices: Vec::new(),
            features: channels.len(),
            targets: prepared.target_count,
            matrix: interleaved(&channels),
            known: known_targets(prepared),
            target_end: prepared.target_end(),
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

    /// Number of input channels: the columns, transformed, targets first; a mask for each of them that has missing
    /// values; then, of what is known ahead, its value one horizon later: the columns, and sine and cosine of each cycle
    /// of the calendar, those both at the row's own time and one horizon later. So the last `horizon` rows of an input
    /// carry what is known of the target rows.
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

    /// Fills the mask of the targets that [`Windows::fill_batch`] gives: 1 where a target is known, 0 where it is
    /// missing and stands for what was known last. Whether any is missing.
    ///
    /// # Errors
    /// `E0364` when a position has no window or the buffer has another size.
    pub fn fill_mask(&self, part: Part, indices: &[usize], mask: &mut [f32]) -> Result<bool, DataError> {
        mask.fill(1.0);
        if self.known.is_empty() {
            return Ok(false);
        }
        let size = self.params.horizon * self.targets;
        let origins = self.origins(part);
        for (i, &index) in indices.iter().enumerate() {
            let known = origins.get(index).and_then(|origin| {
                let start = (origin + 1) * self.targets;
                self.known.get(start..start + size).zip(mask.get_mut(i * size..(i + 1) * size))
            });
            let Some((known, mask)) = known else {
                let reason = format!("no mask for window {index} of the {} part", part.name());
                return Err(Problem::BatchShape { reason }.into());
            };
            mask.iter_mut().zip(known).for_each(|(mask, known)| *mask = f32::from(u8::from(*known)));
        }
        Ok(mask.contains(&0.0))
    }

    /// The `lookback` rows up to the last one with a known target, `[lookback, features]`: the input of a forecast
    /// beyond it.
    pub fn last_input(&self) -> &[f32] {
        let end = self.target_end * self.features;
        let start = end.saturating_sub(self.params.lookback * self.features);
        self.matrix.get(start..end).unwrap_or(&[])
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
            quantiles: Vec::new(),
            intervals: Vec::new(),
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
            let mut known = train.iter().filter(|v| v.is_finite());
            if let Some(first) = known.next()
                && known.all(|v| v == first)
            {
                notices.push(warn(format!("target `{}` is {first} in every train row", column.name)));
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

/// Guard L04: every covariate that is listed as known ahead is, for a whole horizon after the last target row.
fn known_ahead(prepared: &Prepared, horizon: usize) -> Result<(), DataError> {
    for column in prepared.future() {
        let known = column.known_end().saturating_sub(prepared.target_end());
        if known < horizon {
            return Err(Problem::NotKnownAhead { name: column.name.clone(), known, horizon }.into());
        }
    }
    Ok(())
}

/// The input channels, each one value a row.
fn channels(prepared: &Prepared, horizon: usize) -> Vec<Vec<f32>> {
    let rows = prepared.rows();
    let single = |values: &[f64]| values.iter().map(|v| *v as f32).collect::<Vec<f32>>();
    let mut channels: Vec<Vec<f32>> = prepared.inputs.iter().map(|c| single(&c.transformed)).collect();
    let mask = |raw: &[f64]| raw.iter().map(|v| f32::from(u8::from(!v.is_nan()))).collect();
    channels.extend(prepared.masked().map(|c| mask(&c.raw)));
    for column in prepared.future() {
        // Past the end of the file the last value stands in; no window of a part reaches there.
        let end = rows.saturating_sub(1);
        let later =
            |row: usize| column.transformed.get((row + horizon).min(end)).copied().unwrap_or(f64::NAN);
        channels.push((0..rows).map(|row| later(row) as f32).collect());
    }
    let mut times = prepared.time.times().to_vec();
    if let Some(last) = times.last().copied() {
        times.extend(prepared.freq.times_after(last, horizon));
    }
    for kind in &prepared.calendar {
        let pairs: Vec<[f64; 2]> = times.iter().map(|t| kind.pair(*t)).collect();
        for ahead in [0, horizon] {
            for part in [0, 1] {
                let value =
                    |row: usize| pairs.get(row + ahead).or(pairs.last()).map_or(0.0, |pair| pair[part]);
                channels.push((0..rows).map(|row| value(row) as f32).collect());
            }
        }
    }
    channels
}

/// Channels side by side, row after row.
fn interleaved(channels: &[Vec<f32>]) -> Vec<f32> {
    let rows = channels.first().map_or(0, Vec::len);
    (0..rows).flat_map(|row| channels.iter().map(move |c| c[row])).collect()
}

/// Whether each target is known, row after row; empty where all are.
fn known_targets(prepared: &Prepared) -> Vec<bool> {
    if prepared.targets().iter().all(|c| c.missing() == 0) {
        return Vec::new();
    }
    (0..prepared.rows())
        .flat_map(|row| prepared.targets().iter().map(move |c| !c.raw[row].is_nan()))
        .collect()
}
