use super::band;
use super::canvas::{Canvas, escape};
use super::forecast::beyond;
use super::palette::{INK, MUTED};
use super::place::{Place, rows_axis};
use super::targets::Target;
use super::{NamedFigure, Surroundings};
use crate::ReportError;
use crate::number::{counted, rounded};
use forge_core::history::{ForecastKind, Forecasts};
use plotly::Scatter;
use plotly::common::{DashType, Line, Marker, MarkerSymbol, Mode, Visible};
use plotly::layout::{Axis, Shape, ShapeLine, ShapeType};
use std::collections::BTreeMap;

/// The forecast path from the last origin, after some history.
///
/// Nothing to draw where one step is forecast from many origins: the path is one point of the other figure.
pub(super) fn draw(target: &Target, around: &Surroundings) -> Result<Option<NamedFigure>, ReportError> {
    let horizon = target.horizon();
    let Some(origin) = target.forecasts.iter().filter_map(|f| f.origins.last().copied()).max() else {
        return Ok(None);
    };
    let many = target.forecasts.iter().any(|f| f.origins.len() > 1);
    if horizon == 0 || (horizon == 1 && many) {
        return Ok(None);
    }
    let known = known(target, around);
    let begin = origin.saturating_sub((4 * horizon).clamp(30, 400));
    let mut canvas = Canvas::new(400);

    let history = path(target, (begin..=origin).map(|row| (row, known.get(&row).copied())));
    let line = Line::new().color(INK).width(1.6);
    canvas.trace(&Scatter::new(history.0, history.1).name("history").mode(Mode::Lines).line(line))?;
    let after = path(target, (origin + 1..=origin + horizon).map(|row| (row, known.get(&row).copied())));
    if after.1.iter().any(Option::is_some) {
        let marker = Marker::new().color(INK).size(7).symbol(MarkerSymbol::CircleOpen);
        let line = Line::new().color(INK).width(1.0).dash(DashType::Dot);
        let trace = Scatter::new(after.0, after.1).name("what happened").mode(Mode::LinesMarkers);
        canvas.trace(&trace.line(line).marker(marker))?;
    }
    let best = target.best_baseline();
    for (first, f) in band::shown(target.forecasts).into_iter().enumerate() {
        let Some(number) = f.origins.iter().rposition(|&o| o == origin) else { continue };
        for (n, band) in band::of(f).into_iter().enumerate() {
            let end = |values: &[f64], step: usize| values[f.index(number, step, target.number)];
            let ends = (0..horizon).filter_map(|step| {
                let place = Place::of(target.axis, origin + step + 1)?;
                Some((place, end(band.low, step), end(band.high, step)))
            });
            let outline = band::outline(&ends.collect::<Vec<_>>());
            let name = escape(&format!("{}, {}", f.name, band.label));
            // Alone, a forecast shows all its bands; beside others, the widest.
            let visible = first == 0 && (n == 0 || target.forecasts.len() == 1);
            canvas.trace(&band::trace(name, &around.palette.style(&f.name), outline, visible))?;
        }
    }
    for f in target.forecasts {
        let Some(number) = f.origins.iter().rposition(|&o| o == origin) else { continue };
        let hidden = f.kind == ForecastKind::Baseline && best != Some(&f.name);
        forecast_path(&mut canvas, target, around, f, number, known.get(&origin).copied(), hidden)?;
    }
    let edge = Place::text(target.axis, origin);
    let shape = Shape::new().shape_type(ShapeType::Line).x_ref("x").x0(edge.as_str()).x1(edge.as_str());
    let line = ShapeLine::new().color(MUTED).width(1.0).dash(DashType::Dot);
    canvas.shape(&shape.y_ref("paper").y0(0.0).y1(1.0).line(line))?;
    canvas.axis("xaxis", &rows_axis(target.axis))?;
    canvas.axis("yaxis", &Axis::new().title(escape(target.name)))?;
    let caption = format!(
        "{} ahead of {}, the last row that the forecasts may see.{}",
        counted(horizon, "step"),
        edge,
        beyond(target)
    );
    Ok(Some(canvas.finish("last_window", target.titled("Last forecast"), caption)))
}

/// What happened, by row: from the forecasts, and where they know nothing, from the data overview.
fn known(target: &Target, around: &Surroundings) -> BTreeMap<usize, f64> {
    let mut rows = target.actual.clone();
    if let Some(overview) = around.overview(target.name) {
        for (row, value) in overview.values.iter().enumerate().filter_map(|(row, v)| Some((row, (*v)?))) {
            rows.entry(row).or_insert(value);
        }
    }
    rows
}

fn path(target: &Target, rows: impl Iterator<Item = (usize, Option<f64>)>) -> (Vec<Place>, Vec<Option<f64>>) {
    rows.filter_map(|(row, v)| Some((Place::of(target.axis, row)?, v.filter(|v| v.is_finite()).map(rounded))))
        .unzip()
}

/// The path starts at the last known value, so that the eye sees where it leaves the history.
fn forecast_path(
    canvas: &mut Canvas,
    target: &Target,
    around: &Surroundings,
    f: &Forecasts,
    number: usize,
    start: Option<f64>,
    hidden: bool,
) -> Result<(), ReportError> {
    let style = around.palette.style(&f.name);
    let origin = f.origins[number];
    let steps =
        (0..f.horizon).map(|h| (origin + h + 1, Some(f.predicted[f.index(number, h, target.number)])));
    let (x, y) = path(target, start.map(|v| (origin, Some(v))).into_iter().chain(steps));
    let marker = Marker::new().color(style.color).size(if f.horizon <= 12 { 6 } else { 3 });
    let line = Line::new().color(style.color).width(style.width).dash(style.dash);
    let mut trace =
        Scatter::new(x, y).name(escape(&f.name)).mode(Mode::LinesMarkers).line(line).marker(marker);
    if hidden {
        trace = trace.visible(Visible::LegendOnly);
    }
    canvas.trace(&trace)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::targets::{of, tests::straight};
    use super::*;
    use forge_core::history::{CellRecord, CellState, Notebook, Output, SeriesOverview, TimeAxis};
    use serde_json::json;

    #[test]
    fn the_path_leaves_the_last_known_value() {
        let axis = TimeAxis::Rows { len: 30 };
        let forecasts = [straight("fit", ForecastKind::Fit, 5, 3, 0.5)];
        let notebook = Notebook::new("t");
        let figure = draw(&of(&axis, &forecasts).unwrap()[0], &Surroundings::of(&notebook)).unwrap().unwrap();
        let data = &figure.json["data"];
        assert_eq!(data[1]["y"], json!([14.0, 15.0, 16.0]));
        assert_eq!(
            (&data[2]["x"], &data[2]["y"]),
            (&json!([13, 14, 15, 16]), &json!([13.0, 14.5, 15.5, 16.5]))
        );
        assert_eq!(data[0]["x"][13], 13);
        assert!(data[0]["y"][0].is_null() && data[0]["y"][10] == 10.0);
    }

    #[test]
    fn one_step_from_many_origins_has_no_path() {
        let axis = TimeAxis::Rows { len: 30 };
        let forecasts = [straight("fit", ForecastKind::Fit, 5, 1, 0.5)];
        let notebook = Notebook::new("t");
        assert!(draw(&of(&axis, &forecasts).unwrap()[0], &Surroundings::of(&notebook)).unwrap().is_none());
    }

    #[test]
    fn a_forecast_of_the_future_takes_its_history_from_the_data() {
        let axis = TimeAxis::Rows { len: 12 };
        let mut future = straight("fit", ForecastKind::Fit, 1, 2, 0.0);
        future.actual = vec![f64::NAN; 2];
        let mut notebook = Notebook::new("t");
        let overview = SeriesOverview {
            name: "y".into(),
            unit: String::new(),
            axis: axis.clone(),
            values: (0..10).map(|v| Some(v as f64)).collect(),
            parts: [(0, 10), (10, 10), (10, 10)],
            autocorrelation: vec![],
            transform: String::new(),
        };
        notebook.cells.push(CellRecord {
            id: "data".into(),
            actions: vec![],
            source: String::new(),
            line: None,
            state: CellState::Skipped,
            outputs: vec![Output::DataOverview { overview }],
        });
        let forecasts = [future];
        let figure = draw(&of(&axis, &forecasts).unwrap()[0], &Surroundings::of(&notebook)).unwrap().unwrap();
        assert_eq!(figure.json["data"][0]["y"][9], 9.0);
        assert_eq!(figure.json["data"][1]["y"], json!([9.0, 10.0, 11.0]));
    }
}
