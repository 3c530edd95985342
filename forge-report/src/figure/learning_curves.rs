use super::canvas::{Canvas, escape, stacked};
use super::palette::{MUTED, Style};
use super::{NamedFigure, POINTS, Surroundings, thin::thin};
use crate::ReportError;
use crate::number::{decimals, fixed, rounded};
use forge_core::history::FitHistory;
use plotly::Scatter;
use plotly::common::{DashType, Line, Marker, MarkerSymbol, Mode};
use plotly::layout::{Axis, AxisType, Shape, ShapeLine, ShapeType};
use serde_json::json;

/// Loss by epoch, one trace a fit and metric, the best epoch marked; further metrics in panels below.
///
/// Nothing to draw when no epoch has run.
pub(super) fn draw(fits: &[FitHistory], around: &Surroundings) -> Result<Option<NamedFigure>, ReportError> {
    let panels = panels(fits);
    if panels.is_empty() {
        return Ok(None);
    }
    let weights: Vec<f64> = (0..panels.len()).map(|i| if i == 0 { 1.5 } else { 1.0 }).collect();
    let domains = stacked(&weights, 0.06);
    let mut canvas = Canvas::new(360 + 170 * (panels.len() - 1));
    for (i, (panel, domain)) in panels.iter().zip(&domains).enumerate() {
        let y = key("y", i);
        for fit in fits {
            let style = around.palette.style(&fit.name);
            for metric in fit.metric_names().into_iter().filter(|m| base(m) == *panel) {
                let label =
                    if fits.len() == 1 { metric.to_owned() } else { format!("{} {metric}", fit.name) };
                curve(&mut canvas, fit, metric, &label, &style, &y)?;
            }
        }
        canvas.axis(&key("yaxis", i), &Axis::new().domain(domain).title(escape(panel)).anchor("x"))?;
    }
    let bottom = key("y", panels.len() - 1);
    canvas.axis("xaxis", &Axis::new().type_(AxisType::Linear).title("epoch").anchor(&bottom))?;
    let mut words = Vec::new();
    for fit in fits {
        words.extend(mark_best(&mut canvas, fit, &panels, &around.palette.style(&fit.name))?);
    }
    let positive = fits.iter().all(|fit| {
        let of_panel = fit.metric_names().into_iter().filter(|m| base(m) == panels[0]);
        of_panel.flat_map(|m| fit.curve(m)).all(|(_, v)| v > 0.0 || v.is_nan())
    });
    if positive {
        let scale = |t: &str| (t.to_owned(), json!([{ "yaxis.type": t }]));
        canvas.choice(&format!("{} scale", panels[0]), "relayout", vec![scale("linear"), scale("log")]);
    }
    let mut caption = "Dotted lines: train part. Solid lines: validation part.".to_owned();
    for word in words {
        caption += &format!(" {word}");
    }
    let names: Vec<&str> = fits.iter().map(|f| f.name.as_str()).collect();
    Ok(Some(canvas.finish("learning_curves", format!("Learning curves of {}", names.join(", ")), caption)))
}

/// `y`, `y2`, `y3`, …
fn key(stem: &str, i: usize) -> String {
    if i == 0 { stem.to_owned() } else { format!("{stem}{}", i + 1) }
}

/// What `train.mae` and `val.mae` share.
fn base(metric: &str) -> &str {
    metric.split_once('.').map_or(metric, |(_, base)| base)
}

/// One panel a kind of metric: the loss first, then in order of appearance.
fn panels(fits: &[FitHistory]) -> Vec<&str> {
    let mut panels: Vec<&str> = Vec::new();
    for metric in fits.iter().flat_map(FitHistory::metric_names) {
        if !panels.contains(&base(metric)) {
            panels.push(base(metric));
        }
    }
    panels.sort_by_key(|p| *p != "loss");
    panels
}

fn curve(
    canvas: &mut Canvas,
    fit: &FitHistory,
    metric: &str,
    label: &str,
    style: &Style,
    y_axis: &str,
) -> Result<(), ReportError> {
    let points = fit.curve(metric);
    let values: Vec<Option<f64>> = points.iter().map(|(_, v)| v.is_finite().then(|| rounded(*v))).collect();
    let (x, y): (Vec<usize>, Vec<Option<f64>>) =
        thin(&values, POINTS).into_iter().map(|i| (points[i].0 + 1, values[i])).unzip();
    let dash = if metric.starts_with("train.") { DashType::Dot } else { DashType::Solid };
    let mode = if points.len() == 1 { Mode::Markers } else { Mode::Lines };
    let line = Line::new().color(style.color).width(style.width).dash(dash);
    let trace = Scatter::new(x, y).name(escape(label)).mode(mode).line(line);
    canvas.trace(&trace.marker(Marker::new().color(style.color)).y_axis(y_axis))?;
    Ok(())
}

/// A star on the monitored curve and a line through all panels; gives a sentence about it.
fn mark_best(
    canvas: &mut Canvas,
    fit: &FitHistory,
    panels: &[&str],
    style: &Style,
) -> Result<Option<String>, ReportError> {
    let Some(best) = fit.best_epoch else { return Ok(None) };
    // People count epochs from 1, as the program does while it trains.
    let epoch = best + 1;
    let line = ShapeLine::new().color(MUTED).width(1.0).dash(DashType::Dot);
    let shape = Shape::new().shape_type(ShapeType::Line).x_ref("x").x0(epoch).x1(epoch).y_ref("paper");
    canvas.shape(&shape.y0(0.0).y1(1.0).line(line))?;
    let monitor = fit.monitor.as_deref().unwrap_or("val.loss");
    let value = fit.epochs.iter().find(|e| e.epoch == best).and_then(|e| e.metric(monitor));
    let panel = panels.iter().position(|p| *p == base(monitor));
    if let (Some(value), Some(panel)) = (value.filter(|v| v.is_finite()), panel) {
        let marker = Marker::new().symbol(MarkerSymbol::Star).size(13).color(style.color);
        let name = format!("{}: best epoch {epoch}", escape(&fit.name));
        let star =
            Scatter::new(vec![epoch], vec![rounded(value)]).name(name).mode(Mode::Markers).marker(marker);
        canvas.trace(&star.y_axis(key("y", panel)).show_legend(false))?;
        return Ok(Some(format!(
            "{} kept the weights of epoch {epoch} ({monitor} {}).",
            fit.name,
            fixed(value, decimals([value]) + 1)
        )));
    }
    Ok(Some(format!("{} kept the weights of epoch {epoch}.", fit.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge_core::history::{EpochRecord, Notebook, StopReason};

    fn fit(name: &str) -> FitHistory {
        let record = |epoch: usize| EpochRecord {
            epoch,
            step: 10 * epoch as u64,
            seconds: 0.1,
            learning_rate: 0.001,
            metrics: vec![
                ("train.loss".into(), 1.0 / (epoch + 1) as f64),
                ("val.loss".into(), if epoch == 2 { f64::NAN } else { 2.0 / (epoch + 1) as f64 }),
                ("val.mae".into(), 3.0 - epoch as f64 * 0.5),
            ],
        };
        FitHistory {
            name: name.into(),
            model: "lstm".into(),
            parameters: 10,
            epochs: (0..4).map(record).collect(),
            monitor: Some("val.mae".into()),
            best_epoch: Some(3),
            stop: StopReason::Finished,
            seconds: 0.4,
        }
    }

    fn drawn(fits: &[FitHistory]) -> Option<NamedFigure> {
        let notebook = Notebook::new("t");
        draw(fits, &Surroundings::of(&notebook)).unwrap()
    }

    #[test]
    fn a_trace_a_metric_with_the_best_epoch_in_its_panel() {
        let figure = drawn(&[fit("lstm")]).unwrap();
        let data = figure.json["data"].as_array().unwrap();
        let names: Vec<_> = data.iter().map(|t| t["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["train.loss", "val.loss", "val.mae", "lstm: best epoch 4"]);
        assert_eq!(data[0]["y"], json!([1.0, 0.5, 0.3333333, 0.25]));
        assert_eq!(data[1]["y"], json!([2.0, 1.0, null, 0.5]));
        assert_eq!((&data[2]["yaxis"], &data[3]["yaxis"]), (&json!("y2"), &json!("y2")));
        assert_eq!((&data[3]["x"], &data[3]["y"]), (&json!([4]), &json!([1.5])));
        let layout = &figure.json["layout"];
        assert_eq!(layout["updatemenus"][0]["buttons"][1]["args"], json!([{"yaxis.type": "log"}]));
        assert_eq!(layout["shapes"][0]["x0"], 4);
        assert_eq!(
            (&layout["yaxis"]["title"]["text"], &layout["yaxis2"]["title"]["text"]),
            (&json!("loss"), &json!("mae"))
        );
        assert!(
            figure.caption.ends_with("lstm kept the weights of epoch 4 (val.mae 1.500)."),
            "{}",
            figure.caption
        );
    }

    #[test]
    fn several_fits_carry_their_names_and_a_loss_below_zero_has_no_log_scale() {
        let mut second = fit("linear");
        second.epochs[0].metrics[0].1 = -1.0;
        let figure = drawn(&[fit("lstm"), second]).unwrap();
        assert_eq!(figure.json["data"][2]["name"], "linear train.loss");
        assert!(figure.json["layout"].get("updatemenus").is_none());
    }

    #[test]
    fn no_epoch_no_figure() {
        let mut empty = fit("lstm");
        empty.epochs.clear();
        assert!(drawn(&[empty]).is_none());
        assert!(drawn(&[]).is_none());
    }
}
