use super::Freq;
use crate::data_error::{DataError, Problem, nearest};
use crate::frame::{ColumnData, Frame, TimeColumn};
use forge_core::history::{Level, Notice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Repairs of a frame, in this order: `rename`, `bounds`, `fill`, `drop`. Column names are those after `rename`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = CleanParams::bounded("humid", 0.0, 100.0))]
pub struct CleanParams {
    /// New names of columns, by their names in the file.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({"DCOILWTICO": "price"}))]
    pub rename: BTreeMap<String, String>,
    /// Values that are possible, by column. Others are taken for missing, and counted.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(example = serde_json::json!({"humid": {"min": 0, "max": 100}}))]
    pub bounds: BTreeMap<String, Bounds>,
    /// How missing values are filled, in all numeric columns. Without it they stay missing: inputs are then filled
    /// without a limit and get a mask channel, targets are masked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fill: Option<FillKind>,
    /// What is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop: Option<DropParams>,
}

/// Values that are possible; a bound that is left out does not bind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = Bounds { min: Some(0.0), max: Some(100.0) })]
pub struct Bounds {
    /// Smallest possible value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Largest possible value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// A way to fill missing values. Only `forward` looks at nothing later; the others are stopped by guard L05 unless
/// `allow` gives a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(example = FillKind::Forward(FillLimit { limit: 3 }))]
pub enum FillKind {
    /// The last value known before.
    Forward(FillLimit),
    /// The next value known after (guard L05).
    Backward(FillLimit),
    /// The line between the values known before and after (guard L05).
    Linear(FillLimit),
}

/// How far filling goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FillLimit {
    /// Most rows in succession that are filled; `linear` fills no run of missing rows that is longer.
    #[schemars(range(min = 1), example = 3)]
    pub limit: usize,
}

/// Rows and columns that are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = DropParams { missing: vec!["price".into()], columns: vec![] })]
pub struct DropParams {
    /// Rows in which one of these columns is missing are left out, and counted. Not with a fixed step, whose rows must
    /// stay on their grid.
    pub missing: Vec<String>,
    /// Columns that are left out.
    pub columns: Vec<String>,
}

impl CleanParams {
    /// The possible values of one column.
    pub fn bounded(column: &str, min: f64, max: f64) -> Self {
        let bounds = Bounds { min: Some(min), max: Some(max) };
        CleanParams { bounds: BTreeMap::from([(column.to_string(), bounds)]), ..CleanParams::default() }
    }

    /// Whether a later row decides a value of an earlier one.
    ///
    /// # Errors
    /// Guard `L05`.
    pub fn looks_back_only(&self) -> Result<(), DataError> {
        let method = match self.fill {
            Some(FillKind::Backward(_)) => "backward",
            Some(FillKind::Linear(_)) => "linear",
            Some(FillKind::Forward(_)) | None => return Ok(()),
        };
        Err(Problem::LooksAhead { method }.into())
    }

    /// Cleans a frame, and says what was done to how many values.
    ///
    /// # Errors
    /// `E0310` and `E0314` for columns that are not there or not numeric, `E0324` for names given twice, bounds
    /// without an inside, rows dropped from a fixed step or no row left.
    pub fn clean(&self, mut frame: Frame) -> Result<(Frame, Vec<Notice>), DataError> {
        let mut notices = Vec::new();
        let mut say = |text: String| notices.push(Notice { code: String::new(), level: Level::Note, text });
        self.rename(&mut frame)?;
        for (name, bounds) in &self.bounds {
            let count = bounds.apply(name, &mut frame)?;
            if count > 0 {
                say(format!("`{name}`: {count} values outside their bounds are taken for missing"));
            }
        }
        if let Some(fill) = self.fill {
            for column in &mut frame.columns {
                let ColumnData::Number(values) = &mut column.data else { continue };
                let (filled, left) = fill.apply(values);
                if filled + left > 0 {
                    say(format!(
                        "`{}`: {filled} missing values are filled, {left} stay missing",
                        column.name
                    ));
                }
            }
        }
        if let Some(drop) = &self.drop {
            for name in &drop.columns {
                frame.column(name)?;
            }
            let rows = frame.rows();
            frame = drop.rows(frame)?;
            frame.columns.retain(|c| !drop.columns.contains(&c.name));
            if frame.rows() < rows {
                say(format!("{} of {rows} rows are left out: a value is missing", rows - frame.rows()));
            }
        }
        Ok((frame, notices))
    }

    fn rename(&self, frame: &mut Frame) -> Result<(), DataError> {
        for name in self.rename.keys() {
            frame.column(name)?;
        }
        for column in &mut frame.columns {
            if let Some(name) = self.rename.get(&column.name) {
                column.name.clone_from(name);
            }
        }
        let names: Vec<&str> = frame.names().chain(frame.time.column()).collect();
        match names.iter().enumerate().find(|(n, name)| names[..*n].contains(name)) {
            Some((_, name)) => {
                let reason = format!("`rename` gives two columns the name `{name}`");
                Err(DataError::from(Problem::CannotClean { reason }).in_file(&frame.name))
            }
            None => Ok(()),
        }
    }
}

impl Bounds {
    /// Blanks what lies outside, and counts it.
    fn apply(&self, name: &str, frame: &mut Frame) -> Result<usize, DataError> {
        let (min, max) = (self.min.unwrap_or(f64::NEG_INFINITY), self.max.unwrap_or(f64::INFINITY));
        if min > max {
            let reason = format!("the bounds of `{name}` leave no value: {min} is above {max}");
            return Err(Problem::CannotClean { reason }.into());
        }
        let mut count = 0;
        for value in numbers_mut(frame, name)?.iter_mut().filter(|v| **v < min || **v > max) {
            *value = f64::NAN;
            count += 1;
        }
        Ok(count)
    }
}

fn numbers_mut<'a>(frame: &'a mut Frame, name: &str) -> Result<&'a mut Vec<f64>, DataError> {
    frame.numbers(name)?;
    let known: Vec<String> = frame.names().map(String::from).collect();
    let found = frame.columns.iter_mut().filter(|c| c.name == name).find_map(|c| match &mut c.data {
        ColumnData::Number(values) => Some(values),
        ColumnData::Text { .. } => None,
    });
    found.ok_or_else(|| {
        let nearest = nearest(name, known.iter().map(String::as_str));
        Problem::UnknownColumn { name: name.to_string(), nearest, known }.into()
    })
}

impl FillKind {
    /// Fills missing values up to the limit; how many were filled and how many were not.
    fn apply(self, values: &mut [f64]) -> (usize, usize) {
        let (mut filled, mut left) = (0, 0);
        let mut row = 0;
        while row < values.len() {
            let run = values[row..].iter().take_while(|v| v.is_nan()).count();
            let before = row.checked_sub(1).map_or(f64::NAN, |r| values[r]);
            let after = values.get(row + run).copied().unwrap_or(f64::NAN);
            let value = |n: usize| match self {
                FillKind::Forward(_) => before,
                FillKind::Backward(_) => after,
                FillKind::Linear(_) => before + (after - before) * (n + 1) as f64 / (run + 1) as f64,
            };
            let within = match self {
                FillKind::Forward(FillLimit { limit }) => 0..run.min(limit),
                FillKind::Backward(FillLimit { limit }) => run.saturating_sub(limit)..run,
                FillKind::Linear(FillLimit { limit }) => 0..if run > limit { 0 } else { run },
            };
            // At either end of the data there may be nothing to fill from.
            let within = if value(0).is_finite() { within } else { 0..0 };
            filled += within.len();
            left += run - within.len();
            within.for_each(|n| values[row + n] = value(n));
            row += run + 1;
        }
        (filled, left)
    }
}

impl DropParams {
    /// The frame without the rows in which a named column is missing.
    fn rows(&self, mut frame: Frame) -> Result<Frame, DataError> {
        if self.missing.is_empty() {
            return Ok(frame);
        }
        let fail = |reason: &str| DataError::from(Problem::CannotClean { reason: reason.to_string() });
        if matches!(frame.freq, Freq::Step { .. }) {
            let reason = "rows of a fixed step cannot be dropped: leave `drop` out (missing inputs are filled, missing \
                          targets masked), or write `freq: sessions`";
            return Err(fail(reason).in_file(&frame.name));
        }
        let mut keep = vec![true; frame.rows()];
        for name in &self.missing {
            match &frame.column(name)?.data {
                ColumnData::Number(values) => {
                    keep.iter_mut().zip(values).for_each(|(keep, v)| *keep &= !v.is_nan());
                }
                ColumnData::Text { values, .. } => {
                    keep.iter_mut().zip(values).for_each(|(keep, v)| *keep &= !v.is_empty());
                }
            }
        }
        if keep.iter().filter(|keep| **keep).count() < 2 {
            return Err(fail("fewer than two rows are left").in_file(&frame.name));
        }
        for column in &mut frame.columns {
            match &mut column.data {
                ColumnData::Number(values) => retain(values, &keep),
                ColumnData::Text { values, not_numbers } => {
                    retain(values, &keep);
                    let position = |row: &usize| keep[..*row].iter().filter(|k| **k).count();
                    not_numbers.retain(|row| keep[*row]);
                    *not_numbers = not_numbers.iter().map(position).collect();
                }
            }
        }
        retain(&mut frame.lines, &keep);
        match &mut frame.time {
            TimeColumn::Rows { len } => *len = frame.lines.len(),
            TimeColumn::Dates { times, labels, .. } | TimeColumn::Instants { times, labels, .. } => {
                retain(times, &keep);
                retain(labels, &keep);
            }
        }
        Ok(frame)
    }
}

fn retain<T>(values: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    values.retain(|_| keep.next().copied().unwrap_or(true));
}
