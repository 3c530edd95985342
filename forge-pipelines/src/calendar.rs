//! Places in the calendar as pairs of numbers: known ahead, and close where the times are close.

use crate::data_error::Problem;
use crate::frame::TimeColumn;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A cycle of the calendar, as `sin(2π p)` and `cos(2π p)` of the place `p` in it, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalendarParam {
    /// Day of the week: 7 places from Monday.
    Weekday,
    /// Month of the year: 12 places.
    Month,
    /// Time of day: 24 hours, minutes and seconds counted as parts of one.
    Hour,
    /// Day of the year: 365 places, 366 in a leap year.
    Dayofyear,
}

impl CalendarParam {
    /// The name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            CalendarParam::Weekday => "weekday",
            CalendarParam::Month => "month",
            CalendarParam::Hour => "hour",
            CalendarParam::Dayofyear => "dayofyear",
        }
    }

    /// The place in the cycle, from 0 to below 1.
    fn place(self, time: Timestamp) -> f64 {
        let at = time.to_zoned(TimeZone::UTC).datetime();
        match self {
            CalendarParam::Weekday => f64::from(at.weekday().to_monday_zero_offset()) / 7.0,
            CalendarParam::Month => f64::from(at.month() - 1) / 12.0,
            CalendarParam::Hour => {
                (f64::from(at.hour()) + f64::from(at.minute()) / 60.0 + f64::from(at.second()) / 3600.0)
                    / 24.0
            }
            CalendarParam::Dayofyear => f64::from(at.day_of_year() - 1) / f64::from(at.days_in_year()),
        }
    }

    /// `[sin, cos]` of the place in the cycle.
    ///
    /// ```
    /// use forge_pipelines::calendar::CalendarParam;
    /// let noon = "2013-03-01T12:00:00Z".parse()?;
    /// let [sin, cos] = CalendarParam::Hour.pair(noon);
    /// assert!(sin.abs() < 1e-12 && (cos + 1.0).abs() < 1e-12);
    /// # Ok::<(), jiff::Error>(())
    /// ```
    pub fn pair(self, time: Timestamp) -> [f64; 2] {
        let (sin, cos) = (std::f64::consts::TAU * self.place(time)).sin_cos();
        [sin, cos]
    }

    /// Whether the cycle moves at all over the rows of a time column.
    pub(crate) fn suits(self, time: &TimeColumn) -> Result<(), Problem> {
        let reason = match (self, time) {
            (_, TimeColumn::Rows { .. }) => "counted rows have no calendar".to_string(),
            (CalendarParam::Hour, TimeColumn::Dates { .. }) => {
                "the times are dates, so `hour` is 0 in every row".to_string()
            }
            _ => return Ok(()),
        };
        Err(Problem::NoCalendar { reason })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_their_cycles() {
        let place = |kind: CalendarParam, time: &str| kind.place(time.parse().unwrap());
        // 4 March 2013 was a Monday.
        assert_eq!(place(CalendarParam::Weekday, "2013-03-04T23:00:00Z"), 0.0);
        assert_eq!(place(CalendarParam::Weekday, "2013-03-10T00:00:00Z"), 6.0 / 7.0);
        assert_eq!(place(CalendarParam::Month, "2013-01-31T00:00:00Z"), 0.0);
        assert_eq!(place(CalendarParam::Month, "2013-12-31T23:59:59Z"), 11.0 / 12.0);
        assert_eq!(place(CalendarParam::Hour, "2013-12-31T18:30:00Z"), 18.5 / 24.0);
        assert_eq!(place(CalendarParam::Dayofyear, "2013-12-31T00:00:00Z"), 364.0 / 365.0);
        assert_eq!(place(CalendarParam::Dayofyear, "2012-12-31T00:00:00Z"), 365.0 / 366.0);
    }

    /// The end of a cycle is as near to its start as any two neighbours are.
    #[test]
    fn cycles_close() {
        let gap = |a: &str, b: &str, kind: CalendarParam| {
            let ([s, c], [t, d]) = (kind.pair(a.parse().unwrap()), kind.pair(b.parse().unwrap()));
            (s - t).hypot(c - d)
        };
        let sunday = gap("2013-03-10T00:00:00Z", "2013-03-11T00:00:00Z", CalendarParam::Weekday);
        let monday = gap("2013-03-11T00:00:00Z", "2013-03-12T00:00:00Z", CalendarParam::Weekday);
        assert!((sunday - monday).abs() < 1e-12);
        let night = gap("2013-03-10T23:30:00Z", "2013-03-11T00:30:00Z", CalendarParam::Hour);
        let day = gap("2013-03-11T11:30:00Z", "2013-03-11T12:30:00Z", CalendarParam::Hour);
        assert!((night - day).abs() < 1e-12);
    }
}
