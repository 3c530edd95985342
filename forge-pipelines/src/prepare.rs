//! Columns in their roles, transformed: the step from a frame to what models see.

use crate::calendar::CalendarParam;
use crate::data_error::{DataError, Problem};
use crate::frame::{Frame, TimeColumn};
use crate::roles::{Future, Roles};
use crate::sources::Freq;
use crate::split::Split;
use crate::transforms::{Chain, FittedChain, forward_filled};
use forge_core::history::{Level, Notice, Part, SeriesOverview, TimeAxis};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A column as it is in the file and as models see it.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedColumn {
    /// Name.
    pub name: String,
    /// Values in original units, one a row; NaN is a missing value.
    pub raw: Vec<f64>,
    /// The same with each missing value as the last known one before it: what a forecast may build on.
    pub filled: Vec<f64>,
    /// Transformed filled values, one a row; NaN in the first rows: those before the first known value, and those that
    /// a chain with `diff` has no value for.
    pub transformed: Vec<f64>,
    /// The chain, fitted on train rows.
    pub chain: FittedChain,
}

impl PreparedColumn {
    /// Number of missing values.
    pub fn missing(&self) -> usize {
        self.raw.iter().filter(|v| v.is_nan()).count()
    }

    /// The first row with a transformed value.
    fn first_valid_row(&self) -> usize {
        self.transformed.iter().position(|v| v.is_finite()).unwrap_or(self.transformed.len())
    }

    /// The row after the last known value.
    pub(crate) fn known_end(&self) -> usize {
        self.raw.iter().rposition(|v| v.is_finite()).map_or(0, |row| row + 1)
    }
}

/// The columns of a forecasting task, split and transformed.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// All inputs: the targets first, whose own past always is one, then the past covariates, then those whose future
    /// is known.
    pub inputs: Vec<PreparedColumn>,
    /// How many of the inputs, from the first, are targets.
    pub target_count: usize,
    /// How many of the inputs, up to the last, are known ahead.
    pub future_count: usize,
    /// Cycles of the calendar that are inputs, too.
    pub calendar: Vec<CalendarParam>,
    /// The time of each row.
    pub time: TimeColumn,
    /// What the step between rows means.
    pub freq: Freq,
    /// What was found on the way: missing values.
    pub notices: Vec<Notice>,
    /// The parts.
    pub split: Split,
    /// Times of the rows.
    pub axis: TimeAxis,
    /// The first row in which every input has a transformed value.
    pub first_valid_row: usize,
}

impl Prepared {
    /// Gives columns their roles and fits their chains on the train rows.
    ///
    /// # Errors
    /// `E0310` and `E0314` for columns that are not there or not numeric, `E0340` to `E0344` from the transforms,
    /// `E0350` no value at all, or a missing target where `check: {missing_target: error}` asks for it, `E0351` a
    /// column in two roles, `E0352` no target; with file, line and column.
    pub fn new(frame: &Frame, split: &Split, target: &Roles, past: &Roles) -> Result<Self, DataError> {
        if target.0.is_empty() {
            return Err(Problem::NoTarget {}.into());
        }
        let rows = frame.rows();
        if split.borders().iter().any(|(start, end)| start > end || *end > rows) {
            let reason = format!("the split is not one of {rows} rows");
            return Err(Problem::BadParameter { reason }.into());
        }
        let mut prepared = Prepared {
            inputs: Vec::with_capacity(target.0.len() + past.0.len()),
            target_count: target.0.len(),
            future_count: 0,
            calendar: Vec::new(),
            split: split.clone(),
            axis: frame.time.axis(),
            time: frame.time.clone(),
            freq: frame.freq,
            first_valid_row: 0,
            notices: Vec::new(),
        };
        prepared.add(frame, target)?;
        for column in &prepared.inputs {
            missing_target(frame, split, column, &mut prepared.notices)?;
        }
        prepared.add(frame, past)?;
        Ok(prepared)
    }

    /// Adds what is known ahead: columns whose future values stand in the file, and cycles of the calendar.
    ///
    /// # Errors
    /// As [`Prepared::new`]; `E0353` a calendar of rows without times; guard `L04` for a column that holds the values
    /// of a target.
    pub fn with_future(mut self, frame: &Frame, future: &Future) -> Result<Self, DataError> {
        for kind in &future.calendar {
            kind.suits(&frame.time).map_err(|p| DataError::from(p).in_file(&frame.name))?;
        }
        self.calendar.clone_from(&future.calendar);
        self.add(frame, &future.columns)?;
        self.future_count = future.columns.0.len();
        for column in self.future() {
            let same = |t: &&PreparedColumn| {
                let pairs = || t.raw.iter().zip(&column.raw).filter(|(a, b)| a.is_finite() && b.is_finite());
                pairs().count() > 0 && pairs().all(|(a, b)| a == b)
            };
            if let Some(target) = self.targets().iter().find(same) {
                let (name, target) = (column.name.clone(), target.name.clone());
                return Err(DataError::from(Problem::FromTarget { name, target }).in_file(&frame.name));
            }
        }
        Ok(self)
    }

    fn add(&mut self, frame: &Frame, roles: &Roles) -> Result<(), DataError> {
        for (name, chain) in &roles.0 {
            if self.inputs.iter().any(|c| c.name == *name) {
                return Err(Problem::TwoRoles { name: name.clone() }.into());
            }
            let column = prepare_column(frame, &self.split, name, chain)?;
            let missing = column.missing();
            if missing > 0 {
                let text = format!(
                    "`{name}`: {missing} of {} values are missing; as an input each is filled with the last one known, \
                     and a mask channel tells which",
                    frame.rows()
                );
                self.notices.push(Notice { code: String::new(), level: Level::Note, text });
            }
            self.first_valid_row = self.first_valid_row.max(column.first_valid_row());
            self.inputs.push(column);
        }
        Ok(())
    }

    /// The columns that are known ahead.
    pub fn future(&self) -> &[PreparedColumn] {
        &self.inputs[self.inputs.len() - self.future_count..]
    }

    /// The inputs that have missing values, and so a mask channel: 1 where the value is known, 0 where it is filled.
    pub fn masked(&self) -> impl Iterator<Item = &PreparedColumn> {
        self.inputs.iter().filter(|c| c.missing() > 0)
    }

    /// The row after the last one in which a target is known: the first row that there is to forecast.
    pub fn target_end(&self) -> usize {
        self.targets().iter().map(PreparedColumn::known_end).max().unwrap_or(0)
    }

    /// The target columns.
    pub fn targets(&self) -> &[PreparedColumn] {
        &self.inputs[..self.target_count]
    }

    /// The chains of the targets.
    pub fn target_chains(&self) -> Vec<&FittedChain> {
        self.targets().iter().map(|column| &column.chain).collect()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.axis.len()
    }

    /// Labels of the `count` rows after the last known target: those of the file, then the next ones of the frequency
    /// (for sessions and business days the next weekdays), or row numbers where rows are only counted.
    pub fn times_after_target(&self, count: usize) -> Vec<String> {
        let end = self.target_end();
        let known = (end..self.rows()).map(|row| self.axis.label(row));
        let last = self.time.times().last();
        let later = last.map_or(Vec::new(), |last| self.freq.times_after(*last, count));
        let label = |t: &Timestamp| match self.time {
            TimeColumn::Dates { .. } => t.to_zoned(TimeZone::UTC).date().to_string(),
            _ => t.to_string(),
        };
        let beyond: Vec<String> = match self.time {
            TimeColumn::Rows { len } => (len..len + count).map(|row| row.to_string()).collect(),
            _ => later.iter().map(label).collect(),
        };
        known.chain(beyond).take(count).collect()
    }

    /// A target as a data overview draws it, with the autocorrelation of its transformed train rows up to `lags`.
    pub fn overview(&self, target: usize, lags: usize) -> Option<SeriesOverview> {
        let column = self.targets().get(target)?;
        let start = self.split.train.start.max(column.first_valid_row());
        let train = column.transformed.get(start..self.split.train.end).unwrap_or(&[]);
        Some(SeriesOverview {
            name: column.name.clone(),
            unit: String::new(),
            axis: self.axis.clone(),
            values: column.raw.iter().map(|v| v.is_finite().then_some(*v)).collect(),
            parts: self.split.borders(),
            autocorrelation: autocorrelation(train, lags),
            transform: column.chain.to_string(),
        })
    }
}

fn prepare_column(
    frame: &Frame,
    split: &Split,
    name: &str,
    chain: &Chain,
) -> Result<PreparedColumn, DataError> {
    let raw = frame.numbers(name)?;
    if raw.iter().all(|v| v.is_nan()) {
        let problem = Problem::MissingValues { count: raw.len(), rows: raw.len() };
        return Err(frame.at_row(problem.into(), 0).in_column(name));
    }
    let chain = chain.fit(raw, split.train.clone()).map_err(|error| {
        let error = match *error.problem {
            Problem::NonPositive { row, .. } | Problem::OutOfDomain { row, .. } => frame.at_row(error, row),
            _ => error.in_file(&frame.name),
        };
        error.in_column(name)
    })?;
    let filled = forward_filled(raw);
    let transformed = chain.apply(&filled);
    Ok(PreparedColumn { name: name.to_string(), raw: raw.to_vec(), filled, transformed, chain })
}

/// Judges the missing values of a target, and counts them by part.
fn missing_target(
    frame: &Frame,
    split: &Split,
    column: &PreparedColumn,
    notices: &mut Vec<Notice>,
) -> Result<(), DataError> {
    let Some(first) = column.raw.iter().position(|v| v.is_nan()) else { return Ok(()) };
    let problem = Problem::MissingValues { count: column.missing(), rows: column.raw.len() };
    let finding = frame.at_row(problem.into(), first).in_column(&column.name);
    let count = |part: Part| column.raw[split.part(part)].iter().filter(|v| v.is_nan()).count();
    let follows = format!(
        "; left out of the loss and of the metrics: {} train, {} val and {} test rows",
        count(Part::Train),
        count(Part::Val),
        count(Part::Test)
    );
    frame.missing_target.judge(finding, &follows, notices)
}

/// Sample autocorrelation at lags 1, 2, … (Box and Jenkins: covariances divided by n). Empty for a constant series;
/// no lag reaches past the series.
pub fn autocorrelation(series: &[f64], lags: usize) -> Vec<f64> {
    let n = series.len();
    let mean = series.iter().sum::<f64>() / n as f64;
    let covariance =
        |lag: usize| -> f64 { series.iter().zip(&series[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum() };
    if n < 2 || covariance(0) == 0.0 {
        return Vec::new();
    }
    (1..=lags.min(n - 1)).map(|lag| covariance(lag) / covariance(0)).collect()
}
