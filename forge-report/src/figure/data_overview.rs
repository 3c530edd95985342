use super::canvas::{Canvas, escape, stacked};
use super::palette::{BLUE, INK, MUTED, ORANGE, VERMILLION};
use super::place::{Place, rows_axis};
use super::thin::thin;
use super::{NamedFigure, POINTS};
use crate::ReportError;
use crate::number::{counted, fixed, grouped, rounded};
use forge_core::history::{Part, SeriesOverview};
use plotly::common::{Anchor, Font, Line, Marker, MarkerSymbol, Mode};
use plotly::layout::{Annotation, Axis, Shape, ShapeLayer, ShapeLine, ShapeType};
use plotly::{Bar, Scatter};

/// The series with its parts shaded; below, the autocorrelation of the transformed train part.
pub(super) fn draw(overview: &SeriesOverview) -> Result<NamedFigure, ReportError> {
    let with_lags = !overview.autocorrelation.is_empty();
    let panels = if with_lags { stacked(&[2.2, 1.0], 0.15) } else { stacked(&[1.0], 0.0) };
    let mut canvas = Canvas::new(if with_lags { 540 } else { 380 });
    canvas.set("showlegend", overview.values.contains(&None).into());

    let kept = thin(&overview.values, POINTS);
    let (x, y): (Vec<Place>, Vec<Option<f64>>) = kept
        .iter()
        .filter_map(|&row| Some((Place::of(&overview.axis, row)?, overview.values[row].map(rounded))))
        .unzip();
    let name = escape(&overview.name);
    canvas
        .trace(&Scatter::new(x, y).name(&name).mode(Mode::Lines).line(Line::new().color(INK).width(1.2)))?;
    missing(&mut canvas, overview)?;
    parts(&mut canvas, overview)?;

    let title = if overview.unit.is_empty() { name } else { format!("{name} [{}]", escape(&overview.unit)) };
    canvas.axis("xaxis", &rows_axis(&overview.axis).anchor("y"))?;
    canvas.axis("yaxis", &Axis::new().domain(&panels[0]).title(title).anchor("x"))?;
    let band = if with_lags { lags(&mut canvas, overview, panels[1])? } else { None };
    Ok(canvas.finish("data_overview", format!("{} and its split", overview.name), caption(overview, band)))
}

/// Marks along the bottom where values are missing.
fn missing(canvas: &mut Canvas, overview: &SeriesOverview) -> Result<(), ReportError> {
    let rows: Vec<usize> = (0..overview.values.len()).filter(|&row| overview.values[row].is_none()).collect();
    let floor = overview.values.iter().flatten().copied().fold(f64::INFINITY, f64::min);
    if rows.is_empty() || !floor.is_finite() {
        return Ok(());
    }
    let step = rows.len().div_ceil(POINTS);
    let x: Vec<Place> = rows.iter().step_by(step).filter_map(|&row| Place::of(&overview.axis, row)).collect();
    let y = vec![floor; x.len()];
    let marker = Marker::new().symbol(MarkerSymbol::LineNS).size(9).color(VERMILLION);
    let marker = marker.line(Line::new().color(VERMILLION).width(1.5));
    let name = format!("missing: {}", counted(rows.len(), "row"));
    canvas.trace(&Scatter::new(x, y).name(name).mode(Mode::Markers).marker(marker))?;
    Ok(())
}

/// A shaded and labelled stretch for each part that has rows.
fn parts(canvas: &mut Canvas, overview: &SeriesOverview) -> Result<(), ReportError> {
    for (part, &(start, end)) in [Part::Train, Part::Val, Part::Test].into_iter().zip(&overview.parts) {
        if end <= start {
            continue;
        }
        let (color, opacity) = match part {
            Part::Train => (MUTED, 0.05),
            Part::Val => (ORANGE, 0.16),
            Part::Test => (BLUE, 0.12),
        };
        let (x0, x1) = (Place::text(&overview.axis, start), Place::text(&overview.axis, end));
        let shape =
            Shape::new().shape_type(ShapeType::Rect).layer(ShapeLayer::Below).x_ref("x").x0(x0.as_str());
        let shape = shape.x1(x1).y_ref("y domain").y0(0.0).y1(1.0).opacity(opacity).fill_color(color);
        canvas.shape(&shape.line(ShapeLine::new().width(0.0)))?;
        let label =
            Annotation::new().text(format!("<b>{}</b>", part.name())).show_arrow(false).x(x0).x_ref("x");
        let label = label.x_anchor(Anchor::Left).x_shift(2.0).y(1.0).y_ref("y domain").y_anchor(Anchor::Top);
        canvas.annotation(&label.font(Font::new().color(MUTED).size(12)))?;
    }
    Ok(())
}

/// Bars of autocorrelation and the band that noise stays in; gives the band's half width.
fn lags(
    canvas: &mut Canvas,
    overview: &SeriesOverview,
    domain: [f64; 2],
) -> Result<Option<f64>, ReportError> {
    let bars: Vec<Option<f64>> =
        overview.autocorrelation.iter().map(|v| v.is_finite().then(|| rounded(*v))).collect();
    let x: Vec<usize> = (1..=bars.len()).collect();
    let bar = Bar::new(x, bars).name("autocorrelation").show_legend(false).x_axis("x2").y_axis("y2");
    canvas.trace(&bar.marker(Marker::new().color(BLUE)))?;
    canvas.set("bargap", 0.35.into());
    canvas.axis("xaxis2", &Axis::new().title("lag (rows)").anchor("y2"))?;
    canvas.axis("yaxis2", &Axis::new().domain(&domain).title("autocorrelation").anchor("x2"))?;
    let band = noise_band(train_values(overview));
    if let Some(half) = band {
        let shape = Shape::new().shape_type(ShapeType::Rect).layer(ShapeLayer::Below).x_ref("x2 domain");
        let shape = shape.x0(0.0).x1(1.0).y_ref("y2").y0(-half).y1(half).opacity(0.2).fill_color(MUTED);
        canvas.shape(&shape.line(ShapeLine::new().width(0.0)))?;
    }
    Ok(band)
}

/// Number of train rows that have a value.
fn train_values(overview: &SeriesOverview) -> usize {
    let (start, end) = overview.parts[0];
    overview.values.get(start..end.min(overview.values.len())).map_or(0, |v| v.iter().flatten().count())
}

/// Half width of the band that autocorrelations of `n` values of white noise stay in 95 % of the time
/// (Bartlett, 1946: their standard error is `1/√n`).
pub(super) fn noise_band(n: usize) -> Option<f64> {
    (n > 0).then(|| 1.96 / (n as f64).sqrt())
}

fn caption(overview: &SeriesOverview, band: Option<f64>) -> String {
    let rows = overview.values.len();
    let mut text = counted(rows, "row");
    if rows > 0 {
        text += &format!(", {} to {}", overview.axis.label(0), overview.axis.label(rows - 1));
    }
    let sizes: Vec<String> = [Part::Train, Part::Val, Part::Test]
        .into_iter()
        .zip(&overview.parts)
        .filter(|(_, (start, end))| end > start)
        .map(|(part, (start, end))| format!("{} {}", part.name(), grouped(end - start)))
        .collect();
    if !sizes.is_empty() {
        text += &format!(" ({})", sizes.join(", "));
    }
    text += match overview.values.iter().filter(|v| v.is_none()).count() {
        0 => "; no value is missing.".to_owned(),
        n => format!("; {} missing.", grouped(n)),
    }
    .as_str();
    if let Some(half) = band {
        let of = if overview.transform.is_empty() { "the series" } else { &overview.transform };
        text += &format!(
            " Below: autocorrelation of {of} on the train part; noise without memory stays within ±{} (the band) at 95 of 100 lags.",
            fixed(half, 3)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge_core::history::TimeAxis;

    fn overview() -> SeriesOverview {
        SeriesOverview {
            name: "Close".into(),
            unit: "USD".into(),
            axis: TimeAxis::Times { labels: (1..=10).map(|d| format!("2020-01-{d:02}")).collect() },
            values: (0..10).map(|i| (i != 4).then_some(i as f64)).collect(),
            parts: [(0, 6), (6, 8), (8, 10)],
            autocorrelation: vec![0.5, f64::NAN, -0.25],
            transform: "diff".into(),
        }
    }

    #[test]
    fn series_parts_gap_and_lags_are_drawn() {
        let figure = draw(&overview()).unwrap();
        let data = &figure.json["data"];
        assert_eq!(data[0]["x"][9], "2020-01-10");
        assert_eq!(data[0]["y"][3], 3.0);
        assert!(data[0]["y"][4].is_null());
        assert_eq!((&data[1]["name"], &data[1]["x"][0]), (&"missing: 1 row".into(), &"2020-01-05".into()));
        assert_eq!(data[2]["y"], serde_json::json!([0.5, null, -0.25]));
        assert_eq!(data[2]["x"], serde_json::json!([1, 2, 3]));

        let layout = &figure.json["layout"];
        let borders: Vec<_> =
            (0..3).map(|i| (&layout["shapes"][i]["x0"], &layout["shapes"][i]["x1"])).collect();
        assert_eq!(borders[0], (&"2020-01-01".into(), &"2020-01-07".into()));
        assert_eq!(borders[1], (&"2020-01-07".into(), &"2020-01-09".into()));
        assert_eq!(borders[2], (&"2020-01-09".into(), &"2020-01-10".into()));
        assert_eq!(layout["annotations"][2]["text"], "<b>test</b>");
        // Five train rows have a value: 1.96 / sqrt(5).
        assert!((layout["shapes"][3]["y1"].as_f64().unwrap() - 0.876_538_6).abs() < 1e-6);
        assert_eq!(layout["yaxis"]["title"]["text"], "Close [USD]");
        assert!(figure.caption.contains("train 6, val 2, test 2") && figure.caption.contains("1 missing"));
    }

    #[test]
    fn odd_series_do_not_panic() {
        let mut odd = overview();
        odd.parts = [(0, 99), (99, 200), (7, 3)];
        odd.values = vec![None; 20];
        odd.autocorrelation.clear();
        assert_eq!(draw(&odd).unwrap().json["data"].as_array().unwrap().len(), 1);
        odd.values.clear();
        odd.axis = TimeAxis::Rows { len: 0 };
        draw(&odd).unwrap();
    }
}
