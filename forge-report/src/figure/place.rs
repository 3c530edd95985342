use forge_core::history::TimeAxis;
use plotly::layout::{Axis, AxisType};
use serde::Serialize;

/// Where on the horizontal axis a point is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(super) enum Place {
    Time(String),
    Row(usize),
}

impl Place {
    /// The place of a row; `None` beyond the end of an axis of times, where there is no time to put it at.
    pub(super) fn of(axis: &TimeAxis, row: usize) -> Option<Self> {
        match axis {
            TimeAxis::Rows { .. } => Some(Place::Row(row)),
            TimeAxis::Times { labels } => labels.get(row).cloned().map(Place::Time),
        }
    }

    /// The same, as the typed API wants bounds of shapes.
    pub(super) fn text(axis: &TimeAxis, row: usize) -> String {
        axis.label(row.min(axis.len().saturating_sub(1)))
    }
}

/// A horizontal axis for the rows of a series.
pub(super) fn rows_axis(axis: &TimeAxis) -> Axis {
    match axis {
        TimeAxis::Rows { .. } => Axis::new().type_(AxisType::Linear).title("row"),
        TimeAxis::Times { .. } => Axis::new().type_(AxisType::Date),
    }
}
