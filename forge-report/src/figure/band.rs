use super::palette::Style;
use super::place::Place;
use crate::number::{fixed, rounded};
use forge_core::history::{ForecastKind, Forecasts};
use serde_json::{Value, json};

/// What lies between two ends at every forecast: quantiles, or a calibrated interval.
pub(super) struct Band<'a> {
    /// Such as `10 to 90 %` or `80 % interval`.
    pub label: String,
    pub low: &'a [f64],
    pub high: &'a [f64],
}

/// The bands of a forecast, the widest first: pairs of quantiles from the outside in, then calibrated intervals. Lists that
/// are not as long as the forecast have none.
pub(super) fn of(f: &Forecasts) -> Vec<Band<'_>> {
    let percent = |level: f64| {
        let text = fixed(100.0 * level, 1);
        text.strip_suffix(".0").unwrap_or(&text).to_owned()
    };
    let mut bands = Vec::new();
    let mut quantiles = f.quantiles.as_slice();
    while let [first, inner @ .., last] = quantiles {
        let label = format!("{} to {} %", percent(first.level), percent(last.level));
        bands.push(Band { label, low: &first.values, high: &last.values });
        quantiles = inner;
    }
    let mut intervals: Vec<_> = f.intervals.iter().collect();
    intervals.sort_by(|a, b| b.level.total_cmp(&a.level));
    bands.extend(intervals.into_iter().map(|interval| Band {
        label: format!("{} % interval", interval.level),
        low: &interval.low,
        high: &interval.high,
    }));
    bands.retain(|band| band.low.len() == f.predicted.len() && band.high.len() == f.predicted.len());
    bands
}

/// The forecasts whose bands are drawn: the fits that have any, or else all. The bands of the first are there at once,
/// those of the others the legend switches on.
pub(super) fn shown(forecasts: &[Forecasts]) -> Vec<&Forecasts> {
    let some = || forecasts.iter().filter(|f| !f.quantiles.is_empty() || !f.intervals.is_empty());
    let fits: Vec<&Forecasts> = some().filter(|f| f.kind == ForecastKind::Fit).collect();
    if fits.is_empty() { some().collect() } else { fits }
}

/// The outline of a band, along its lower end and back along the upper one; a gap where an end is missing begins a new
/// one.
pub(super) fn outline(points: &[(Place, f64, f64)]) -> (Vec<Option<Place>>, Vec<Option<f64>>) {
    let (mut x, mut y) = (Vec::new(), Vec::new());
    for part in points.split(|(_, low, high)| !low.is_finite() || !high.is_finite()).filter(|p| !p.is_empty())
    {
        if !x.is_empty() {
            x.push(None);
            y.push(None);
        }
        let there = part.iter().map(|(place, low, _)| (place, low));
        for (place, value) in there.chain(part.iter().rev().map(|(place, _, high)| (place, high))) {
            x.push(Some(place.clone()));
            y.push(Some(rounded(*value)));
        }
    }
    (x, y)
}

/// A filled trace in the colour of its forecast.
pub(super) fn trace(
    name: String,
    style: &Style,
    outline: (Vec<Option<Place>>, Vec<Option<f64>>),
    visible: bool,
) -> Value {
    let mut trace = json!({
        "type": "scatter", "mode": "lines", "name": name, "x": outline.0, "y": outline.1,
        // The last two digits are the opacity.
        "fill": "toself", "fillcolor": format!("{}30", style.color), "line": {"width": 0, "color": style.color},
        "hoverinfo": "skip", "zorder": -1,
    });
    if !visible {
        trace["visible"] = json!("legendonly");
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::super::targets::tests::straight;
    use super::*;
    use forge_core::history::{Interval, QuantileForecast};

    #[test]
    fn quantiles_pair_from_the_outside_in() {
        let mut f = straight("gru", ForecastKind::Fit, 2, 1, 0.0);
        let level = |level: f64| QuantileForecast { level, values: vec![level; 2] };
        f.quantiles = [0.025, 0.1, 0.5, 0.9, 0.975].map(level).to_vec();
        f.intervals = vec![Interval { level: 80.0, low: vec![0.0; 2], high: vec![1.0; 2] }];
        let bands = of(&f);
        let labels: Vec<&str> = bands.iter().map(|b| b.label.as_str()).collect();
        assert_eq!(labels, ["2.5 to 97.5 %", "10 to 90 %", "80 % interval"]);
        assert_eq!((bands[1].low[0], bands[1].high[0]), (0.1, 0.9));
        f.quantiles[0].values.pop();
        assert_eq!(of(&f).len(), 2, "a list of another length is not drawn");
    }

    #[test]
    fn a_gap_parts_the_outline() {
        let at = |row: usize, low: f64| (Place::Row(row), low, low + 1.0);
        let (x, y) = outline(&[at(0, 0.0), at(1, 2.0), at(2, f64::NAN), at(3, 5.0)]);
        let rows: Vec<Option<usize>> = x
            .into_iter()
            .map(|place| place.map(|place| if let Place::Row(row) = place { row } else { usize::MAX }))
            .collect();
        assert_eq!(rows, [Some(0), Some(1), Some(1), Some(0), None, Some(3), Some(3)]);
        assert_eq!(y, [Some(0.0), Some(2.0), Some(3.0), Some(1.0), None, Some(5.0), Some(6.0)]);
    }
}
