use crate::data_error::{DataError, Problem};
use crate::frame::TimeColumn;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use std::fmt;
use std::str::FromStr;

/// Two points in time, either of which may be left open: `..2010-12-31`, `2012-01-01..`,
/// `2011-01-01..2011-12-31T12:00:00Z`. Both are included, a date with its whole day (UTC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateRange {
    from: Option<Point>,
    to: Option<Point>,
}

/// A date, or an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Day(civil::Date),
    Instant(Timestamp),
}

impl Point {
    fn first(self) -> Option<Timestamp> {
        match self {
            Point::Day(date) => date.to_zoned(TimeZone::UTC).ok().map(|z| z.timestamp()),
            Point::Instant(at) => Some(at),
        }
    }

    /// Whether a time comes after it.
    fn is_before(self, time: Timestamp) -> bool {
        match self {
            Point::Day(_) => self.first().and_then(|t| t.checked_add(SignedDuration::from_hours(24)).ok()),
            Point::Instant(at) => at.checked_add(SignedDuration::from_nanos(1)).ok(),
        }
        .is_some_and(|next| time >= next)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let instant = || text.parse::<Timestamp>().ok();
        let clock = || {
            let clock: civil::DateTime = text.parse().ok()?;
            TimeZone::UTC.to_timestamp(clock).ok()
        };
        match text.len() {
            10 => text.parse().map(Point::Day).map_err(|_| format!("`{text}` is not a date")),
            _ => {
                instant().or_else(clock).map(Point::Instant).ok_or(format!("`{text}` is not a date or time"))
            }
        }
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Point::Day(date) => write!(f, "{date}"),
            Point::Instant(at) => write!(f, "{at}"),
        }
    }
}

impl FromStr for DateRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = text.split_once("..").ok_or("two dates with `..` between them are wanted")?;
        let point = |text: &str| (!text.is_empty()).then(|| text.trim().parse()).transpose();
        let range = DateRange { from: point(from)?, to: point(to)? };
        match (range.from, range.to) {
            (None, None) => Err("`..` names no date".into()),
            (Some(from), Some(to)) if from.first().is_some_and(|first| to.is_before(first)) => {
                Err(format!("{from} comes after {to}"))
            }
            _ => Ok(range),
        }
    }
}

impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |point: Option<Point>| point.map(|p| p.to_string()).unwrap_or_default();
        write!(f, "{}..{}", text(self.from), text(self.to))
    }
}

impl DateRange {
    /// The first row of the range and the one after its last, as far as they are given.
    pub(super) fn rows(&self, time: &TimeColumn) -> Result<(Option<usize>, Option<usize>), DataError> {
        let times = time.times();
        if times.is_empty() {
            let reason = format!("`{self}`: counted rows have no dates");
            return Err(Problem::SplitDates { reason }.into());
        }
        let first = |point: Point| times.partition_point(|t| point.first().is_none_or(|first| *t < first));
        let end = |point: Point| times.partition_point(|t| !point.is_before(*t));
        let (from, to) = (self.from.map(first), self.to.map(end));
        if from.unwrap_or(0) >= to.unwrap_or(times.len()) {
            let axis = time.axis();
            let reason = format!(
                "`{self}` holds no row: the data runs from {} to {}",
                axis.label(0),
                axis.label(times.len() - 1)
            );
            return Err(Problem::SplitDates { reason }.into());
        }
        Ok((from, to))
    }
}
