use crate::frame::{ColumnData, Frame};
use crate::quantile::quantile;
use forge_core::history::{Level, Notice};

/// Numbers that files write for a missing value.
const SENTINELS: [f64; 14] = [
    -9.0, -99.0, -999.0, -9999.0, -99999.0, -999_999.0, -99.9, -999.9, 999.0, 9999.0, 99999.0, 999_999.0,
    -8888.0, -7777.0,
];

/// Interquartile ranges beyond the quartiles at which one of [`SENTINELS`] is no measurement.
const FAR: f64 = 3.0;

/// Interquartile ranges beyond the quartiles at which any value is strange. Prices and volumes of real markets, and
/// rain, stay below it.
const EXTREME: f64 = 50.0;

/// Guard L12: numbers that are likely to stand for a missing value, and values far away from all others, each with its
/// count. A column of which half is one value is not judged.
pub fn strange_values(frame: &Frame) -> Vec<Notice> {
    let warn = |text: String| Notice { code: "L12".into(), level: Level::Warning, text };
    let mut notices = Vec::new();
    for column in &frame.columns {
        let ColumnData::Number(values) = &column.data else { continue };
        let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        sorted.sort_by(f64::total_cmp);
        let (low, high) = (quantile(&sorted, 0.25), quantile(&sorted, 0.75));
        let range = high - low;
        if range.is_nan() || range <= 0.0 {
            continue;
        }
        let beyond = |v: f64, ranges: f64| v < low - ranges * range || v > high + ranges * range;
        let count = |value: f64| sorted.iter().filter(|v| **v == value).count();
        let sentinels: Vec<f64> =
            SENTINELS.into_iter().filter(|s| beyond(*s, FAR) && count(*s) > 0).collect();
        for sentinel in &sentinels {
            notices.push(warn(format!(
                "`{}`: {} values are {sentinel}, far from all others; if that stands for a missing value, write \
                 `sentinels: [{sentinel}]` under `data`",
                column.name,
                count(*sentinel)
            )));
        }
        let extreme: Vec<f64> =
            sorted.iter().copied().filter(|v| beyond(*v, EXTREME) && !sentinels.contains(v)).collect();
        let farthest = extreme.iter().copied().max_by(|a, b| (a - low).abs().total_cmp(&(b - low).abs()));
        if let Some(farthest) = farthest {
            notices.push(warn(format!(
                "`{}`: {} values lie more than {EXTREME} interquartile ranges from the middle half, such as {farthest}; if \
                 that is impossible, write `clean: {{bounds: {{\"{}\": {{min: …, max: …}}}}}}`",
                column.name,
                extreme.len(),
                column.name
            )));
        }
    }
    notices
}
