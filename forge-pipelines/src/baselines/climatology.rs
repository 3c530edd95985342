use super::Baseline;
use crate::data_error::Problem;
use crate::frame::TimeColumn;
use crate::prepare::{Prepared, PreparedColumn};
use crate::sources::Freq;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Parameters of `climatology`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = ClimatologyParams { by: Some(Cycle::Hour) })]
pub struct ClimatologyParams {
    /// Rows that are alike. Default: `dayofyear_hour` with steps below a day, `dayofyear` otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Cycle>,
}

/// What rows have in common, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cycle {
    /// Month and day.
    Dayofyear,
    /// Month, day and hour.
    DayofyearHour,
    /// Hour of the day.
    Hour,
    /// Month.
    Month,
    /// Month and hour.
    MonthHour,
    /// Day of the week.
    Weekday,
    /// Day of the week and hour.
    WeekdayHour,
}

impl Cycle {
    /// The name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Cycle::Dayofyear => "dayofyear",
            Cycle::DayofyearHour => "dayofyear_hour",
            Cycle::Hour => "hour",
            Cycle::Month => "month",
            Cycle::MonthHour => "month_hour",
            Cycle::Weekday => "weekday",
            Cycle::WeekdayHour => "weekday_hour",
        }
    }

    /// The place of a time in the cycle; month and day, so that a leap year shifts nothing.
    fn place(self, time: Timestamp) -> (i8, i8, i8) {
        let at = time.to_zoned(TimeZone::UTC).datetime();
        let weekday = at.weekday().to_monday_one_offset();
        match self {
            Cycle::Dayofyear => (at.month(), at.day(), 0),
            Cycle::DayofyearHour => (at.month(), at.day(), at.hour()),
            Cycle::Hour => (0, 0, at.hour()),
            Cycle::Month => (at.month(), 0, 0),
            Cycle::MonthHour => (at.month(), 0, at.hour()),
            Cycle::Weekday => (0, weekday, 0),
            Cycle::WeekdayHour => (0, weekday, at.hour()),
        }
    }
}

impl ClimatologyParams {
    /// Whether rows have a calendar at all.
    pub(super) fn suits(self, time: &TimeColumn) -> Result<(), Problem> {
        match time {
            TimeColumn::Rows { .. } => {
                let reason = "counted rows have no calendar, and so no climatology".to_string();
                Err(Problem::NoCalendar { reason })
            }
            _ => Ok(()),
        }
    }
}

/// `ŷ[T + h]` is the mean of the target over the train rows at the place of `T + h` in the calendar: the mean of that day
/// and hour over the years, as a climatological normal is. Undefined where train has no such row.
pub struct Climatology {
    cycle: Cycle,
    means: HashMap<(i8, i8, i8), f64>,
}

impl Climatology {
    /// Means of the known train rows.
    pub fn fit(params: ClimatologyParams, column: &PreparedColumn, prepared: &Prepared) -> Self {
        let below_a_day = matches!(prepared.freq, Freq::Step { seconds } if seconds < 86_400);
        let usual = if below_a_day { Cycle::DayofyearHour } else { Cycle::Dayofyear };
        let cycle = params.by.unwrap_or(usual);
        let train = prepared.split.train.clone();
        let rows = prepared.time.times().iter().zip(&column.raw).take(train.end).skip(train.start);
        let mut sums: HashMap<_, (f64, usize)> = HashMap::new();
        for (time, value) in rows.filter(|(_, value)| value.is_finite()) {
            let (sum, count) = sums.entry(cycle.place(*time)).or_default();
            *sum += value;
            *count += 1;
        }
        let means = sums.into_iter().map(|(place, (sum, count))| (place, sum / count as f64)).collect();
        Climatology { cycle, means }
    }
}

impl Baseline for Climatology {
    fn forecast(&self, _history: &[f64], ahead: &[Timestamp], path: &mut [f64]) {
        for (step, value) in path.iter_mut().enumerate() {
            let mean = ahead.get(step).and_then(|time| self.means.get(&self.cycle.place(*time)));
            *value = mean.copied().unwrap_or(f64::NAN);
        }
    }
}
