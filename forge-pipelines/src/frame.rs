//! A table of columns over time: what a data source gives.

use crate::data_error::{DataError, Problem, excerpt, nearest};
use crate::sources::{Freq, Severity};
use forge_core::history::TimeAxis;
use jiff::Timestamp;

/// Columns over a common time axis, rows ascending in time.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Where it came from, as written in the spec; error messages begin with it.
    pub name: String,
    /// The time of each row.
    pub time: TimeColumn,
    /// What the steps between rows mean.
    pub freq: Freq,
    /// The columns, without the time column, in file order.
    pub columns: Vec<Column>,
    /// Line of the file on which each row begins, from 1; 0 for a row that a fixed step inserted.
    pub lines: Vec<u64>,
    /// What a missing value in a target column does.
    pub missing_target: Severity,
}

/// What the rows of a [`Frame`] are indexed by.
#[derive(Clone, Debug, PartialEq)]
pub enum TimeColumn {
    /// No time column: rows are counted.
    Rows {
        /// Number of rows.
        len: usize,
    },
    /// Calendar dates.
    Dates {
        /// Name of the column.
        column: String,
        /// Midnight UTC of each date.
        times: Vec<Timestamp>,
        /// `2013-03-01`.
        labels: Vec<String>,
    },
    /// Points in time.
    Instants {
        /// Name of the column.
        column: String,
        /// The instants.
        times: Vec<Timestamp>,
        /// `2013-03-01T05:00:00Z`.
        labels: Vec<String>,
    },
}

impl TimeColumn {
    /// Name of the column, if there is one.
    pub fn column(&self) -> Option<&str> {
        match self {
            TimeColumn::Rows { .. } => None,
            TimeColumn::Dates { column, .. } | TimeColumn::Instants { column, .. } => Some(column),
        }
    }

    /// The parsed times; empty when rows are only counted.
    pub fn times(&self) -> &[Timestamp] {
        match self {
            TimeColumn::Rows { .. } => &[],
            TimeColumn::Dates { times, .. } | TimeColumn::Instants { times, .. } => times,
        }
    }

    /// The axis of figures and forecasts.
    pub fn axis(&self) -> TimeAxis {
        match self {
            TimeColumn::Rows { len } => TimeAxis::Rows { len: *len },
            TimeColumn::Dates { labels, .. } | TimeColumn::Instants { labels, .. } => {
                TimeAxis::Times { labels: labels.clone() }
            }
        }
    }
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name, from the header.
    pub name: String,
    /// Values, one a row.
    pub data: ColumnData,
}

/// The values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnData {
    /// Numbers; NaN is a missing value.
    Number(Vec<f64>),
    /// Text as it stands in the file; empty is a missing value.
    Text {
        /// The cells.
        values: Vec<String>,
        /// Rows whose cell is neither missing nor a number.
        not_numbers: Vec<usize>,
    },
}

impl ColumnData {
    /// Number of missing values.
    pub fn missing(&self) -> usize {
        match self {
            ColumnData::Number(values) => values.iter().filter(|v| v.is_nan()).count(),
            ColumnData::Text { values, .. } => values.iter().filter(|v| v.is_empty()).count(),
        }
    }
}

impl Frame {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// Column names in file order, without the time column.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|c| c.name.as_str())
    }

    /// Missing values of all columns together.
    pub fn missing(&self) -> usize {
        self.columns.iter().map(|c| c.data.missing()).sum()
    }

    /// A column by name.
    ///
    /// # Errors
    /// [`Problem::UnknownColumn`] with the most similar name; the time column is not a column.
    pub fn column(&self, name: &str) -> Result<&Column, DataError> {
        if self.time.column() == Some(name) {
            let reason = format!("`{name}` is the time column: it cannot be a target or an input");
            return Err(DataError::from(Problem::BadParameter { reason }).in_file(&self.name));
        }
        self.columns.iter().find(|c| c.name == name).ok_or_else(|| {
            DataError::from(Problem::UnknownColumn {
                name: name.to_string(),
                nearest: nearest(name, self.names()),
                known: self.names().map(String::from).collect(),
            })
            .in_file(&self.name)
        })
    }

    /// The values of a numeric column; NaN is a missing value.
    ///
    /// # Errors
    /// [`Problem::UnknownColumn`], or [`Problem::NotANumber`] at the first cell that is neither missing nor a
    /// number. Columns that nobody asks for may hold anything.
    pub fn numbers(&self, name: &str) -> Result<&[f64], DataError> {
        match &self.column(name)?.data {
            ColumnData::Number(values) => Ok(values),
            ColumnData::Text { values, not_numbers } => {
                let row = not_numbers.first().copied().unwrap_or(0);
                let problem = Problem::NotANumber {
                    value: values.get(row).map(|cell| excerpt(cell)).unwrap_or_default(),
                    count: not_numbers.len(),
                    rows: values.len(),
                };
                Err(self.at_row(problem.into(), row).in_column(name))
            }
        }
    }

    /// Rows that a fixed step inserted.
    pub fn inserted(&self) -> usize {
        self.lines.iter().filter(|line| **line == 0).count()
    }

    /// The same error at the file and line of a row.
    pub fn at_row(&self, error: DataError, row: usize) -> DataError {
        let error = error.in_file(&self.name);
        match self.lines.get(row) {
            Some(line) if *line > 0 => error.at_line(*line),
            _ => error,
        }
    }
}
