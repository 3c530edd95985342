use super::canvas::{Canvas, escape, stacked};
use super::data_overview::noise_band;
use super::palette::MUTED;
use super::targets::Target;
use super::{NamedFigure, Surroundings};
use crate::ReportError;
use crate::number::{counted, fixed, rounded};
use forge_core::history::{ForecastKind, Forecasts};
use plotly::common::{Line, LineShape, Marker, Mode};
use plotly::layout::{Axis, Shape, ShapeLayer, ShapeLine, ShapeType};
use plotly::{Bar, Scatter};
use serde_json::json;

/// Fewest errors worth a histogram.
const FEWEST: usize = 20;

/// How the errors one step ahead are spread, and whether one tells of the next: fits and the best baseline.
pub(super) fn draw(target: &Target, around: &Surroundings) -> Result<Option<NamedFigure>, ReportError> {
    if target.horizon() == 0 {
        return Ok(None);
    }
    let best = target.best_baseline();
    let drawn = |f: &&Forecasts| f.kind == ForecastKind::Fit || best == Some(&f.name);
    let errors: Vec<(&Forecasts, Vec<f64>)> =
        target.forecasts.iter().filter(drawn).map(|f| (f, target.errors(f, 0).collect())).collect();
    let fewest = errors.iter().map(|(_, e)| e.len()).min().unwrap_or(0);
    if fewest < FEWEST {
        return Ok(None);
    }
    let edges = edges(errors.iter().flat_map(|(_, e)| e.iter().copied()).collect());
    let Some(width) = edges.get(1).map(|second| second - edges[0]).filter(|w| *w > 0.0) else {
        return Ok(None);
    };
    let centres: Vec<f64> = edges[..edges.len() - 1].iter().map(|e| rounded(e + width / 2.0)).collect();
    let panels = stacked(&[1.5, 1.0], 0.18);
    let mut canvas = Canvas::new(500);
    let lags = (fewest / 4).min(24);
    for (f, values) in &errors {
        let style = around.palette.style(&f.name);
        let group = escape(&f.name);
        let line = Line::new().color(style.color).width(style.width).dash(style.dash).shape(LineShape::Hvh);
        let outline = Scatter::new(centres.clone(), counts(values, &edges)).name(&group).mode(Mode::Lines);
        canvas.trace(&outline.line(line).legend_group(&group))?;
        let bars =
            Bar::new((1..=lags).collect(), autocorrelation(values, lags)).name(&group).legend_group(&group);
        let bars = bars.show_legend(false).x_axis("x2").y_axis("y2").marker(Marker::new().color(style.color));
        canvas.trace(&bars.offset_group(&group))?;
    }
    let y = Axis::new().domain(&panels[0]).title("forecasts").anchor("x");
    canvas.axis(
        "xaxis",
        &Axis::new().title(format!("actual − forecast, {}", escape(target.name))).anchor("y"),
    )?;
    canvas.axis("yaxis", &y)?;
    canvas.axis("xaxis2", &Axis::new().title("lag (origins)").anchor("y2"))?;
    canvas.axis("yaxis2", &Axis::new().domain(&panels[1]).title("autocorrelation").anchor("x2"))?;
    canvas.set("bargap", json!(0.2));
    let band = noise_band(fewest).unwrap_or(0.0);
    let shape = Shape::new().shape_type(ShapeType::Rect).layer(ShapeLayer::Below).x_ref("x2 domain").x0(0.0);
    let shape = shape.x1(1.0).y_ref("y2").y0(-band).y1(band).opacity(0.2).fill_color(MUTED);
    canvas.shape(&shape.line(ShapeLine::new().width(0.0)))?;
    let mut caption = format!("Errors one step ahead in {}.", counted(edges.len() - 1, "bin"));
    for (f, values) in &errors {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        caption += &format!(" {}: mean error {}.", f.name, fixed(mean, crate::number::decimals([mean])));
    }
    caption += " Bars below that leave the band mean that one error tells of the next.";
    Ok(Some(canvas.finish("residuals", target.titled("Forecast errors"), caption)))
}

/// Equal bins from the lowest to the highest value, as wide as Freedman and Diaconis advise (1981:
/// twice the interquartile range over the cube root of the count), between 10 and 60 of them.
fn edges(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    let (Some(&low), Some(&high)) = (values.first(), values.last()) else { return Vec::new() };
    let quartile = |q: usize| values[(values.len() - 1) * q / 4];
    let width = 2.0 * (quartile(3) - quartile(1)) / (values.len() as f64).cbrt();
    let bins = if width > 0.0 { ((high - low) / width).ceil().clamp(10.0, 60.0) } else { 10.0 };
    (0..=bins as usize).map(|i| low + (high - low) * i as f64 / bins).collect()
}

/// Number of values in each bin; the last bin holds its upper edge.
fn counts(values: &[f64], edges: &[f64]) -> Vec<usize> {
    let bins = edges.len() - 1;
    let mut counts = vec![0; bins];
    for v in values {
        counts[edges.partition_point(|e| e <= v).saturating_sub(1).min(bins - 1)] += 1;
    }
    counts
}

/// Sample autocorrelation at lags 1 to `lags`, each sum over the full series' sum of squares.
fn autocorrelation(values: &[f64], lags: usize) -> Vec<Option<f64>> {
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let centred: Vec<f64> = values.iter().map(|v| v - mean).collect();
    let square: f64 = centred.iter().map(|v| v * v).sum();
    let at =
        |lag: usize| centred.iter().zip(centred.iter().skip(lag)).map(|(a, b)| a * b).sum::<f64>() / square;
    (1..=lags).map(|lag| Some(at(lag)).filter(|v| v.is_finite()).map(rounded)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::targets::{of, tests::straight};
    use super::*;
    use forge_core::history::{Notebook, TimeAxis};

    #[test]
    fn every_error_is_in_one_bin() {
        let values: Vec<f64> = (0..100).map(|i| (i % 10) as f64).collect();
        let edges = edges(values.clone());
        let counts = counts(&values, &edges);
        assert_eq!(counts.iter().sum::<usize>(), 100);
        assert_eq!((edges[0], edges[edges.len() - 1]), (0.0, 9.0));
        assert_eq!((counts[0], counts[counts.len() - 1]), (10, 10));
    }

    #[test]
    fn alternating_errors_are_anticorrelated() {
        let values: Vec<f64> = (0..100).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect();
        assert_eq!(autocorrelation(&values, 2), [Some(-0.99), Some(0.98)]);
        assert_eq!(autocorrelation(&[1.0; 30], 1), [None]);
    }

    #[test]
    fn fits_and_the_best_baseline_are_drawn() {
        let axis = TimeAxis::Rows { len: 90 };
        let mut forecasts = [
            straight("fit", ForecastKind::Fit, 40, 1, 0.0),
            straight("last", ForecastKind::Baseline, 40, 1, 2.0),
            straight("drift", ForecastKind::Baseline, 40, 1, -1.0),
        ];
        forecasts[0].predicted[3] += 5.0;
        let notebook = Notebook::new("t");
        let target = &of(&axis, &forecasts).unwrap()[0];
        let figure = draw(target, &Surroundings::of(&notebook)).unwrap().unwrap();
        let names: Vec<_> =
            figure.json["data"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
        assert_eq!(names, ["fit", "fit", "drift", "drift"]);
        let total: u64 =
            figure.json["data"][0]["y"].as_array().unwrap().iter().filter_map(|v| v.as_u64()).sum();
        assert_eq!(total, 40);
        assert!(figure.caption.contains("fit: mean error \u{2212}0.125."), "{}", figure.caption);
    }

    #[test]
    fn errors_without_spread_have_no_histogram() {
        let axis = TimeAxis::Rows { len: 90 };
        let forecasts = [straight("fit", ForecastKind::Fit, 40, 1, 0.5)];
        let notebook = Notebook::new("t");
        assert!(draw(&of(&axis, &forecasts).unwrap()[0], &Surroundings::of(&notebook)).unwrap().is_none());
    }
}
