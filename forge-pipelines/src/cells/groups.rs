//! Groups of forecasts: by step ahead, and by the place of the target row in the calendar.

use crate::frame::TimeColumn;
use crate::metrics::{MetricParam, ScoreContext, by_group};
use crate::prepare::Prepared;
use crate::sources::Freq;
use forge_core::history::{Forecasts, HeatLayer, Heatmap, Level, Notice, Output, Table};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// What metrics can be grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupParam {
    /// Steps ahead.
    Horizon,
    /// Hour of the target row, in UTC.
    Hour,
    /// Day of the week of the target row, in UTC.
    Weekday,
    /// Month of the target row, in UTC.
    Month,
}

impl GroupParam {
    /// What the groups are, as the head of a table.
    pub(super) fn title(self) -> &'static str {
        match self {
            GroupParam::Horizon => "step",
            GroupParam::Hour => "hour (UTC)",
            GroupParam::Weekday => "weekday",
            GroupParam::Month => "month",
        }
    }

    /// The groups in order.
    fn labels(self, horizon: usize) -> Vec<String> {
        match self {
            GroupParam::Horizon => (1..=horizon).map(|step| step.to_string()).collect(),
            GroupParam::Hour => (0..24).map(|hour| format!("{hour:02}")).collect(),
            GroupParam::Weekday => WEEKDAYS.map(String::from).to_vec(),
            GroupParam::Month => MONTHS.map(String::from).to_vec(),
        }
    }

    /// The group of a row by its time; none for steps ahead.
    fn place(self, time: Timestamp) -> Option<usize> {
        let at = time.to_zoned(TimeZone::UTC).datetime();
        let place = match self {
            GroupParam::Horizon => return None,
            GroupParam::Hour => at.hour(),
            GroupParam::Weekday => at.weekday().to_monday_zero_offset(),
            GroupParam::Month => at.month() - 1,
        };
        usize::try_from(place).ok()
    }

    /// Whether rows of this step fall into more than one group.
    pub(super) fn suits(self, time: &TimeColumn, freq: Freq) -> Result<(), String> {
        let whole = |unit: u64| matches!(freq, Freq::Step { seconds } if seconds.is_multiple_of(unit));
        let dates = matches!(time, TimeColumn::Dates { .. });
        let reason = match (self, time) {
            (GroupParam::Horizon, _) => return Ok(()),
            (_, TimeColumn::Rows { .. }) => format!("counted rows have no {}", self.title()),
            (GroupParam::Hour, _) if dates || whole(86_400) => {
                format!("with a step of {freq} every row has the same hour")
            }
            (GroupParam::Weekday, _) if whole(604_800) => {
                format!("with a step of {freq} every row has the same weekday")
            }
            _ => return Ok(()),
        };
        Err(reason)
    }
}

/// The word on groups that the data does not have.
pub(super) fn ungrouped(by: GroupParam, reason: &str) -> Notice {
    let text = format!("nothing is grouped by {}: {reason}", by.title());
    Notice { code: String::new(), level: Level::Warning, text }
}

/// Forecasts that can be grouped.
pub(super) struct Grouped<'a> {
    pub prepared: &'a Prepared,
    pub forecasts: &'a [Forecasts],
    pub context: &'a ScoreContext,
}

impl Grouped<'_> {
    fn horizon(&self) -> usize {
        self.forecasts.first().map_or(0, |f| f.horizon)
    }

    /// The group of a forecast, given the row of its origin and the step ahead (from 0).
    fn of(&self, by: GroupParam) -> impl Fn(usize, usize) -> Option<usize> {
        let places: Vec<Option<usize>> =
            self.prepared.time.times().iter().map(|time| by.place(*time)).collect();
        move |origin, step| match by {
            GroupParam::Horizon => Some(step),
            _ => places.get(origin + step + 1).copied().flatten(),
        }
    }

    /// Every metric by group: a table a metric. Groups without forecasts are left out.
    pub fn tables(&self, by: GroupParam, number: impl Fn(Option<f64>) -> String) -> Vec<Output> {
        let (labels, of) = (by.labels(self.horizon()), self.of(by));
        let table = |metric: &MetricParam| {
            let mut head = vec![by.title().to_string()];
            head.extend(self.forecasts.iter().map(|f| f.name.clone()));
            let values = |f: &Forecasts| by_group(*metric, f, self.context, labels.len(), &of);
            let columns: Vec<Vec<Option<f64>>> = self.forecasts.iter().map(values).collect();
            let row = |group: usize| columns.iter().map(|c| c[group]).collect::<Vec<_>>();
            let known = labels.iter().enumerate().map(|(group, label)| (label, row(group)));
            let rows = known
                .filter(|(_, values)| values.iter().any(Option::is_some))
                .map(|(label, values)| {
                    std::iter::once(label.clone()).chain(values.into_iter().map(&number)).collect()
                })
                .collect();
            let caption =
                format!("{} by {} of the target row: {}", metric.name(), by.title(), metric.definition());
            Output::Table { table: Table { caption, head, rows, numeric: 1 } }
        };
        self.context.metrics.iter().map(table).collect()
    }

    /// A metric over two groupings, of every fit and baseline.
    pub fn heatmap(&self, metric: MetricParam, x: GroupParam, y: GroupParam) -> Heatmap {
        let (columns, rows) = (x.labels(self.horizon()), y.labels(self.horizon()));
        let (column, row) = (self.of(x), self.of(y));
        let cell =
            |origin: usize, step: usize| Some(row(origin, step)? * columns.len() + column(origin, step)?);
        let layer = |f: &Forecasts| {
            let values = by_group(metric, f, self.context, rows.len() * columns.len(), cell);
            HeatLayer {
                name: f.name.clone(),
                values: values.chunks(columns.len().max(1)).map(<[_]>::to_vec).collect(),
            }
        };
        let axis = |kind: GroupParam| match kind {
            GroupParam::Horizon => "steps ahead".to_string(),
            other => other.title().to_string(),
        };
        Heatmap {
            metric: metric.name().into(),
            x_title: axis(x),
            y_title: axis(y),
            layers: self.forecasts.iter().map(layer).collect(),
            x: columns,
            y: rows,
        }
    }
}
