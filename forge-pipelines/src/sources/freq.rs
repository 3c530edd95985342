use crate::data_error::Problem;
use crate::frame::TimeColumn;
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
    /// year of weeks, and 1 where there is none.
    pub fn season(self) -> usize {
        match self {
            Freq::Step { seconds } if seconds == 7 * DAY => 52,
            Freq::Step { seconds } if seconds == DAY => 7,
            Freq::Step { seconds } if seconds < DAY && DAY.is_multiple_of(seconds) => {
                (DAY / seconds) as usize
            }
            _ => 1,
        }
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

impl fmt::Display for Freq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Freq::Sessions => f.write_str("sessions"),
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
                "unknown frequency `{text}`: write `sessions`, `rows` or a step such as `1d`, `1h`, `10min`"
            ),
        };
        match text {
            "sessions" => return Ok(Freq::Sessions),
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
            "description": "What the step between rows means: `sessions` (the rows are the calendar), `rows`, or a \
                fixed step such as `1d`, `1h`, `10min`.",
            "pattern": "^(sessions|rows|[0-9]*(s|min|h|d|w))$",
            "examples": ["sessions", "1d", "1h", "10min"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in ["sessions", "rows", "1d", "1h", "10min", "90s", "1w"] {
            assert_eq!(text.parse::<Freq>().unwrap().to_string(), text);
        }
        assert_eq!("60min".parse::<Freq>().unwrap().to_string(), "1h");
        for text in ["", "0h", "1m", "daily", "99999999999999999999d", "-1d", "9999999999999999999s"] {
            assert!(text.parse::<Freq>().is_err(), "{text}");
        }
    }

    #[test]
    fn seasons() {
        for (text, season) in [
            ("sessions", 1),
            ("rows", 1),
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
