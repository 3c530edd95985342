use crate::data_error::Problem;
use crate::frame::TimeColumn;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

/// What the step from one row to the next means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Freq {
    /// The rows are the calendar, such as trading days: nothing is a gap.
    Sessions,
    /// Mondays to Fridays: a weekday without a row is reported, and nothing is inserted.
    Business,
    /// Rows without times.
    Rows,
    /// A fixed number of seconds.
    Step {
        /// Seconds, above 0.
        seconds: u64,
    },
}

const UNITS: [(&str, u64); 5] = [("w", 604_800), ("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)];
const DAY: u64 = 86_400;

impl Freq {
    /// The season that forecasts usually repeat after, in rows: a day of a step below a day, a week of days, a
    /// year of weeks, and 1 where there is none. A week has 5 business days.
    pub fn season(self) -> usize {
        match self {
            Freq::Business => 5,
            Freq::Step { seconds } if seconds == 7 * DAY => 52,
            Freq::Step { seconds } if seconds == DAY => 7,
            Freq::Step { seconds } if seconds < DAY && DAY.is_multiple_of(seconds) => {
                (DAY / seconds) as usize
            }
            _ => 1,
        }
    }

    /// The `count` times after `last`: the next points of the grid, the next weekdays at the same time of day, none
    /// where rows are only counted.
    pub fn times_after(self, last: Timestamp, count: usize) -> Vec<Timestamp> {
        let seconds = match self {
            Freq::Rows => return Vec::new(),
            Freq::Step { seconds } => seconds,
            Freq::Sessions | Freq::Business => DAY,
        };
        let step = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
        let all = std::iter::successors(last.checked_add(step).ok(), |t| t.checked_add(step).ok());
        let on_calendar = |t: &Timestamp| matches!(self, Freq::Step { .. }) || is_weekday(*t);
        all.filter(on_calendar).take(count).collect()
    }

    /// The frequency that the times themselves show: a step where every row keeps it, otherwise sessions.
    pub(super) fn infer(time: &TimeColumn) -> Freq {
        let times = time.times();
        if times.len() < 2 {
            return Freq::Rows;
        }
        let steps: Vec<i64> = times.windows(2).map(|w| w[1].as_second() - w[0].as_second()).collect();
        let smallest = steps.iter().copied().filter(|s| *s > 0).min().unwrap_or(0);
        let regular = steps.iter().all(|s| *s == smallest);
        match u64::try_from(smallest) {
            Ok(seconds) if regular && seconds > 0 => Freq::Step { seconds },
            _ => Freq::Sessions,
        }
    }
}

/// Whether a time is not on a Saturday or Sunday, in UTC.
pub(super) fn is_weekday(time: Timestamp) -> bool {
    time.to_zoned(TimeZone::UTC).weekday().to_monday_zero_offset() < 5
}

/// Weekdays after the day of `from` and before the day of `to`, in UTC.
pub(super) fn weekdays_between(from: Timestamp, to: Timestamp) -> usize {
    let day = |t: Timestamp| t.as_second().div_euclid(DAY as i64);
    // Day 0 of the epoch was a Thursday, 3 after Monday. Weekdays up to a day: 5 a week and those of the last one.
    let up_to = |day: i64| {
        let days = day + 3;
        5 * days.div_euclid(7) + days.rem_euclid(7).min(4) + 1
    };
    usize::try_from(up_to(day(to) - 1) - up_to(day(from))).unwrap_or(0)
}

impl fmt::Display for Freq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Freq::Sessions => f.write_str("sessions"),
            Freq::Business => f.write_str("business"),
            Freq::Rows => f.write_str("rows"),
            Freq::Step { seconds } => {
                let fits = UNITS.iter().find(|(_, size)| seconds.is_multiple_of(*size));
                let (unit, size) = fits.copied().unwrap_or(("s", 1));
                write!(f, "{}{unit}", seconds / size)
            }
        }
    }
}

impl FromStr for Freq {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let unknown = || Problem::BadParameter {
            reason: format!(
                "unknown frequency `{text}`: write `sessions`, `business`, `rows` or a step such as `1d`, `1h`, `10min`"
            ),
        };
        match text {
            "sessions" => return Ok(Freq::Sessions),
            "business" => return Ok(Freq::Business),
            "rows" => return Ok(Freq::Rows),
            _ => {}
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (count, unit) = text.split_at(digits);
        let size = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size).ok_or_else(unknown)?;
        let count: u64 = if count.is_empty() { 1 } else { count.parse().map_err(|_| unknown())? };
        match count.checked_mul(size) {
            Some(seconds) if seconds > 0 && i64::try_from(seconds).is_ok() => Ok(Freq::Step { seconds }),
            _ => Err(unknown()),
        }
    }
}

impl TryFrom<String> for Freq {
    type Error = Problem;

    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}

impl From<Freq> for String {
    fn from(freq: Freq) -> String {
        freq.to_string()
    }
}

impl JsonSchema for Freq {
    fn schema_name() -> Cow<'static, str> {
        "Freq".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "What the step between rows means: `sessions` (the rows are the calendar: nothing is a gap, \
                future dates are the next weekdays), `business` (Mondays to Fridays: a weekday without a row is \
                reported), `rows` (rows without times), or a fixed step such as `1d`, `1h`, `10min`, whose missing \
                rows are inserted: inputs are then filled from the past, targets are masked.",
            "pattern": "^(sessions|business|rows|[0-9]*(s|min|h|d|w))$",
            "examples": ["sessions", "1d", "1h", "10min"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["sessions", "business", "rows", "1d", "1h", "10min", "90s", "1w"] {
            assert_eq!(text.parse::<Freq>().unwrap().to_string(), text);
        }
        assert_eq!("60min".parse::<Freq>().unwrap().to_string(), "1h");
        for text in ["", "0h", "1m", "daily", "99999999999999999999d", "-1d", "9999999999999999999s"] {
            assert!(text.parse::<Freq>().is_err(), "{text}");
        }
    }

    #[test]
    fn future_times() {
        let after = |freq: &str, last: &str, count| -> Vec<String> {
            let freq: Freq = freq.parse().unwrap();
            freq.times_after(last.parse().unwrap(), count).iter().map(Timestamp::to_string).collect()
        };
        // 1 March 2013 was a Friday.
        let weekdays = ["2013-03-04T00:00:00Z", "2013-03-05T00:00:00Z"];
        assert_eq!(after("sessions", "2013-03-01T00:00:00Z", 2), weekdays);
        assert_eq!(after("business", "2013-03-02T00:00:00Z", 2), weekdays);
        assert_eq!(after("1d", "2013-03-01T00:00:00Z", 1), ["2013-03-02T00:00:00Z"]);
        assert_eq!(after("10min", "2012-12-31T23:55:00Z", 1), ["2013-01-01T00:05:00Z"]);
        assert!(after("rows", "2013-03-01T00:00:00Z", 3).is_empty());
        assert!(after("1d", "9999-12-30T00:00:00Z", 5).len() < 5);
    }

    #[test]
    fn weekdays_in_gaps() {
        let days = |from: &str, to: &str| {
            let at = |date: &str| format!("{date}T12:00:00Z").parse().unwrap();
            weekdays_between(at(from), at(to))
        };
        assert_eq!(days("2013-03-01", "2013-03-04"), 0);
        assert_eq!(days("2013-03-01", "2013-03-05"), 1);
        assert_eq!(days("2013-02-28", "2013-03-02"), 1);
        assert_eq!(days("2001-09-10", "2001-09-17"), 4);
        assert_eq!(days("1969-12-26", "1970-01-05"), 5);
        assert_eq!(days("2013-03-01", "2013-03-01"), 0);
    }

    #[test]
    fn seasons() {
        for (text, season) in [
            ("sessions", 1),
            ("rows", 1),
            ("business", 5),
            ("1h", 24),
            ("10min", 144),
            ("1d", 7),
            ("1w", 52),
            ("7h", 1),
            ("2d", 1),
        ] {
            assert_eq!(text.parse::<Freq>().unwrap().season(), season, "{text}");
        }
    }
}
