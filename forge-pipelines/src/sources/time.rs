//! The time column: which it is, how it is written, and what it says.

use super::table::Table;
use crate::data_error::{DataError, Problem, excerpt};
use crate::frame::TimeColumn;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use schemars::JsonSchema;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Which column holds the times: its name, `rows` where there is none, or a map with its format and time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(example = &"Date", example = TimeSpec { column: "time_hour".into(), format: None, tz: Some("UTC".into()) })]
pub enum TimeParam {
    /// A column name, or `rows`.
    Column(String),
    /// A column and how it is written.
    Detailed(TimeSpec),
}

impl From<&str> for TimeParam {
    fn from(column: &str) -> Self {
        TimeParam::Column(column.to_string())
    }
}

/// A time column and how its cells are written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeSpec {
    /// Name of the column.
    pub column: String,
    /// Format of the cells in the letters of strftime, such as `%d.%m.%Y %H:%M`. ISO 8601 needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"%d.%m.%Y")]
    pub format: Option<String>,
    /// Time zone of cells that carry none, such as `America/New_York`. Default: `UTC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"America/New_York")]
    pub tz: Option<String>,
}

impl<'de> Deserialize<'de> for TimeParam {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = TimeParam;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a column name, `rows`, or a map such as {column: Date, format: '%d.%m.%Y'}")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<TimeParam, E> {
                Ok(TimeParam::Column(name.to_string()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TimeParam, A::Error> {
                TimeSpec::deserialize(MapAccessDeserializer::new(map)).map(TimeParam::Detailed)
            }
        }
        d.deserialize_any(Either)
    }
}

/// How the cells of a time column are written.
#[derive(Clone, Debug, PartialEq)]
enum Form {
    /// ISO 8601 with an offset or `Z`.
    IsoInstant,
    /// ISO 8601 with a clock and without an offset.
    IsoClock,
    /// The letters of strftime.
    Pattern(String),
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Form::IsoInstant => f.write_str("2013-03-01T05:00:00Z"),
            Form::IsoClock => f.write_str("2013-03-01 05:00:00"),
            Form::Pattern(format) => write!(f, "`{format}`"),
        }
    }
}

/// What the first cell of a column tells of its form.
enum Guess {
    Sure(Form),
    /// Two small numbers and a year: which is the day has to be read off the other cells.
    DayOrMonth {
        separator: char,
        clock: &'static str,
    },
}

/// A cell that was read.
struct Moment {
    at: Timestamp,
    date: Option<civil::Date>,
}

impl Form {
    fn read(&self, cell: &str, zone: &TimeZone) -> Option<Moment> {
        let civil = |clock: DateTime| Some(Moment { at: zone.to_timestamp(clock).ok()?, date: None });
        match self {
            Form::IsoInstant => Some(Moment { at: cell.parse().ok()?, date: None }),
            // A civil reading would ignore an offset; a column must not mix the two.
            Form::IsoClock if cell.parse::<Timestamp>().is_ok() => None,
            Form::IsoClock => civil(cell.parse().ok()?),
            Form::Pattern(format) => {
                let parts = BrokenDownTime::parse(format, cell).ok()?;
                if let Ok(at) = parts.to_timestamp() {
                    return Some(Moment { at, date: None });
                }
                let moment = parts.to_datetime().ok()?;
                if parts.hour().is_some() {
                    return civil(moment);
                }
                Some(Moment { at: TimeZone::UTC.to_timestamp(moment).ok()?, date: Some(moment.date()) })
            }
        }
    }
}

fn guess(cell: &str) -> Option<Guess> {
    let (date, clock) = match cell.split_once([' ', 'T']) {
        Some((date, clock)) => (date, Some(clock)),
        None => (cell, None),
    };
    let separator = date.chars().find(|c| !c.is_ascii_digit()).filter(|c| matches!(c, '-' | '/' | '.'))?;
    let widths: Vec<usize> = date.split(separator).map(str::len).collect();
    let digits = date.chars().all(|c| c.is_ascii_digit() || c == separator);
    match (widths.as_slice(), separator) {
        ([4, 2, 2], '-') if digits && clock.is_none() => Some(Guess::Sure(Form::Pattern("%Y-%m-%d".into()))),
        ([4, 2, 2], '-') if digits && cell.parse::<Timestamp>().is_ok() => {
            Some(Guess::Sure(Form::IsoInstant))
        }
        ([4, 2, 2], '-') if digits && cell.parse::<DateTime>().is_ok() => Some(Guess::Sure(Form::IsoClock)),
        ([4, 1 | 2, 1 | 2], _) if digits => {
            let clock = clock_format(clock)?;
            Some(Guess::Sure(Form::Pattern(format!("%Y{separator}%m{separator}%d{clock}"))))
        }
        ([1 | 2, 1 | 2, 4], _) if digits => {
            Some(Guess::DayOrMonth { separator, clock: clock_format(clock)? })
        }
        _ => None,
    }
}

fn clock_format(clock: Option<&str>) -> Option<&'static str> {
    let Some(clock) = clock else { return Some("") };
    let half_day = clock.ends_with(['M', 'm']);
    match (clock.matches(':').count(), half_day) {
        (1, false) => Some(" %H:%M"),
        (2, false) => Some(" %H:%M:%S"),
        (1, true) => Some(" %I:%M %p"),
        (2, true) => Some(" %I:%M:%S %p"),
        _ => None,
    }
}

/// Columns that look like times from their first to their last row, in file order.
pub(super) fn candidates(table: &Table) -> Vec<usize> {
    let looks_like = |cell: Option<&str>| cell.is_some_and(|c| guess(c).is_some());
    (0..table.names.len())
        .filter(|&c| looks_like(table.cells(c).next()) && looks_like(table.cells(c).last()))
        .collect()
}

/// Reads a time column and insists that it does not descend. Repeated times are left for `check`.
pub(super) fn read(table: &Table, column: usize, spec: &TimeSpec) -> Result<TimeColumn, DataError> {
    let fail = |problem: Problem, row: usize| {
        DataError::from(problem).at_line(table.lines.get(row).copied().unwrap_or(1)).in_column(&spec.column)
    };
    let zone_name = spec.tz.as_deref().unwrap_or("UTC");
    let zone = TimeZone::get(zone_name).map_err(|_| Problem::UnknownZone { zone: zone_name.to_string() })?;
    let form = form_of(table, column, spec, &fail)?;
    let mut times = Vec::with_capacity(table.rows.len());
    let mut labels = Vec::with_capacity(table.rows.len());
    let mut dates = 0;
    for (row, cell) in table.cells(column).enumerate() {
        let moment = form
            .read(cell, &zone)
            .ok_or_else(|| fail(Problem::NotATime { value: excerpt(cell), form: form.to_string() }, row))?;
        dates += usize::from(moment.date.is_some());
        labels.push(moment.date.map_or_else(|| moment.at.to_string(), |d| d.to_string()));
        times.push(moment.at);
    }
    if let Some(row) = (1..times.len()).find(|&r| times[r] < times[r - 1]) {
        let problem = Problem::NotAscending {
            time: labels[row].clone(),
            above: labels[row - 1].clone(),
            above_line: table.lines[row - 1],
            reversed: times.is_sorted_by(|a, b| a >= b),
        };
        return Err(fail(problem, row));
    }
    let column = spec.column.clone();
    Ok(if dates == times.len() {
        TimeColumn::Dates { column, times, labels }
    } else {
        TimeColumn::Instants { column, times, labels }
    })
}

fn form_of(
    table: &Table,
    column: usize,
    spec: &TimeSpec,
    fail: &impl Fn(Problem, usize) -> DataError,
) -> Result<Form, DataError> {
    if let Some(format) = &spec.format {
        return Ok(Form::Pattern(format.clone()));
    }
    let first = table.cells(column).next().unwrap_or("");
    match guess(first) {
        Some(Guess::Sure(form)) => Ok(form),
        Some(Guess::DayOrMonth { separator, clock }) => day_or_month(table, column, separator, clock, fail),
        // Only where the column was named: a sniffed column of eight digits is more likely a number.
        None if first.len() == 8 && first.bytes().all(|b| b.is_ascii_digit()) => {
            Ok(Form::Pattern("%Y%m%d".into()))
        }
        None => {
            let form = "2013-03-01, 2013-03-01T05:00:00Z, 3/1/2013".to_string();
            Err(fail(Problem::NotATime { value: excerpt(first), form }, 0))
        }
    }
}

fn day_or_month(
    table: &Table,
    column: usize,
    separator: char,
    clock: &str,
    fail: &impl Fn(Problem, usize) -> DataError,
) -> Result<Form, DataError> {
    let day_first = format!("%d{separator}%m{separator}%Y{clock}");
    let month_first = format!("%m{separator}%d{separator}%Y{clock}");
    for cell in table.cells(column) {
        let mut numbers = cell.split(separator).map(|n| n.parse::<u8>().unwrap_or(0));
        match (numbers.next(), numbers.next()) {
            (Some(13..=31), _) => return Ok(Form::Pattern(day_first)),
            (_, Some(13..=31)) => return Ok(Form::Pattern(month_first)),
            _ => {}
        }
    }
    let value = table.cells(column).next().unwrap_or("").to_string();
    Err(fail(Problem::AmbiguousDates { value, day_first, month_first }, 0))
}
