use super::band::{self, Band};
use super::canvas::{Canvas, escape};
use super::palette::INK;
use super::place::{Place, rows_axis};
use super::targets::Target;
use super::thin::thin;
use super::{NamedFigure, POINTS, Surroundings};
use crate::ReportError;
use crate::number::{counted, rounded};
use forge_core::history::{ForecastKind, Forecasts};
use plotly::Scatter;
use plotly::common::{Line, Mode, Visible};
use plotly::layout::{Axis, RangeSlider};
use serde_json::{Value, json};

type Points = (Vec<Place>, Vec<Option<f64>>);

/// What happened against what was forecast so many steps before, over all origins.
///
/// Nothing to draw from a single origin: that is the last window's figure.
pub(super) fn draw(target: &Target, around: &Surroundings) -> Result<Option<NamedFigure>, ReportError> {
    let Some(first) = target.forecasts.first().filter(|f| f.origins.len() > 1 && f.horizon > 0) else {
        return Ok(None);
    };
    let mut canvas = Canvas::new(470);
    let (x, y) = points(target, target.actual.iter().map(|(&row, &v)| (row, v)));
    let line = Line::new().color(INK).width(1.3);
    let actual = canvas.trace(&Scatter::new(x, y).name("actual").mode(Mode::Lines).line(line))?;
    canvas.patch(actual, "zorder", json!(2));

    let steps = steps(target.horizon());
    let best = target.best_baseline();
    let mut numbers = Vec::new();
    let mut bands = Vec::new();
    for (first, f) in band::shown(target.forecasts).into_iter().enumerate() {
        for (n, band) in band::of(f).into_iter().enumerate() {
            let name = escape(&format!("{}, {}", f.name, band.label));
            let style = around.palette.style(&f.name);
            // Of several bands of one kind the widest alone, lest they hide each other.
            let visible = first == 0 && n == 0;
            let outline = band_at_step(target, f, &band, 0);
            numbers.push(canvas.trace(&band::trace(name, &style, outline, visible))?);
            bands.push((f, band));
        }
    }
    for f in target.forecasts {
        let style = around.palette.style(&f.name);
        let (x, y) = at_step(target, f, 0);
        let line = Line::new().color(style.color).width(style.width).dash(style.dash);
        let mut trace = Scatter::new(x, y).name(escape(&f.name)).mode(Mode::Lines).line(line);
        if f.kind == ForecastKind::Baseline && best != Some(&f.name) {
            trace = trace.visible(Visible::LegendOnly);
        }
        let number = canvas.trace(&trace)?;
        // In the legend fits come before baselines; in the panel they lie above them, and the truth above all.
        canvas.patch(number, "zorder", json!(u8::from(f.kind == ForecastKind::Fit)));
        numbers.push(number);
    }
    if steps.len() > 1 {
        let item = |&step: &usize| {
            let bands = bands
                .iter()
                .map(|(f, band)| band_at_step(target, f, band, step))
                .map(|(x, y)| (json!(x), json!(y)));
            let lines =
                target.forecasts.iter().map(|f| at_step(target, f, step)).map(|(x, y)| (json!(x), json!(y)));
            let (x, y): (Vec<Value>, Vec<Value>) = bands.chain(lines).unzip();
            ((step + 1).to_string(), json!([{"x": x, "y": y}, numbers]))
        };
        canvas.choice("steps ahead", "restyle", steps.iter().map(item).collect());
    }
    canvas.bottom(10);
    let slider = RangeSlider::new().visible(true).thickness(0.09);
    canvas.axis("xaxis", &rows_axis(target.axis).range_slider(slider))?;
    canvas.axis("yaxis", &Axis::new().title(escape(target.name)))?;

    let mut caption = format!(
        "The {} part, {}. Each point was forecast from no more than what was known the chosen number of steps before it; drag the strip below to look closer.",
        first.part.name(),
        counted(first.origins.len(), "origin"),
    );
    if target.forecasts.iter().filter(|f| f.kind == ForecastKind::Baseline).count() > 1 {
        caption += " Only the best baseline is drawn; the legend switches the others on.";
    }
    if !bands.is_empty() {
        caption += " The legend switches bands of quantiles and intervals on and off.";
    }
    caption += &beyond(target);
    Ok(Some(canvas.finish("forecast", target.titled("Forecast"), caption)))
}

/// A sentence about forecasts of rows that the axis has no time for.
pub(super) fn beyond(target: &Target) -> String {
    let out = |f: &Forecasts| f.origins.iter().any(|o| Place::of(target.axis, o + f.horizon).is_none());
    if target.forecasts.iter().any(out) {
        " Rows beyond the end of the time axis are not drawn.".to_owned()
    } else {
        String::new()
    }
}

/// The steps (from 0) that can be chosen: all when they are few, else the first and the quarters of the horizon.
fn steps(horizon: usize) -> Vec<usize> {
    if horizon <= 6 {
        return (0..horizon).collect();
    }
    let mut steps = vec![0];
    steps.extend((1..=4).map(|q| (horizon * q).div_ceil(4) - 1));
    steps
}

fn at_step(target: &Target, f: &Forecasts, step: usize) -> Points {
    points(target, f.at_step(step, target.number).map(|(row, _, predicted)| (row, predicted)))
}

/// The outline of a band at one step ahead, with about half as many points as a line, since it goes there and back.
fn band_at_step(
    target: &Target,
    f: &Forecasts,
    band: &Band<'_>,
    step: usize,
) -> (Vec<Option<Place>>, Vec<Option<f64>>) {
    let end = |values: &[f64], o: usize| values[f.index(o, step, target.number)];
    let rows = f.origins.iter().enumerate();
    let all: Vec<(Place, f64, f64)> = rows
        .filter_map(|(o, row)| {
            Some((Place::of(target.axis, row + step + 1)?, end(band.low, o), end(band.high, o)))
        })
        .collect();
    let kept = |value: fn(&(Place, f64, f64)) -> f64| {
        let values: Vec<Option<f64>> = all.iter().map(|p| Some(value(p)).filter(|v| v.is_finite())).collect();
        thin(&values, POINTS / 2)
    };
    // What either end needs.
    let mut kept = [kept(|p| p.1), kept(|p| p.2)].concat();
    kept.sort_unstable();
    kept.dedup();
    band::outline(&kept.into_iter().map(|i| all[i].clone()).collect::<Vec<_>>())
}

fn points(target: &Target, values: impl Iterator<Item = (usize, f64)>) -> Points {
    let placed: Vec<(Place, Option<f64>)> = values
        .filter_map(|(row, v)| Some((Place::of(target.axis, row)?, v.is_finite().then(|| rounded(v)))))
        .collect();
    let values: Vec<Option<f64>> = placed.iter().map(|(_, v)| *v).collect();
    thin(&values, POINTS).into_iter().map(|i| placed[i].clone()).unzip()
}

#[cfg(test)]
mod tests {
    use super::super::targets::{of, tests::straight};
    use super::*;
    use forge_core::history::{Notebook, TimeAxis};

    fn drawn(axis: &TimeAxis, forecasts: &[Forecasts]) -> Option<NamedFigure> {
        let notebook = Notebook::new("t");
        draw(&of(axis, forecasts).unwrap()[0], &Surroundings::of(&notebook)).unwrap()
    }

    #[test]
    fn one_trace_a_fit_and_a_choice_of_steps() {
        let forecasts = [
            straight("fit", ForecastKind::Fit, 5, 3, 0.5),
            straight("last", ForecastKind::Baseline, 5, 3, 2.0),
            straight("drift", ForecastKind::Baseline, 5, 3, -1.0),
        ];
        let figure = drawn(&TimeAxis::Rows { len: 30 }, &forecasts).unwrap();
        let data = &figure.json["data"];
        assert_eq!(
            (&data[0]["name"], &data[0]["x"]),
            (&json!("actual"), &json!([10, 11, 12, 13, 14, 15, 16]))
        );
        assert_eq!(
            (&data[1]["x"], &data[1]["y"]),
            (&json!([10, 11, 12, 13, 14]), &json!([10.5, 11.5, 12.5, 13.5, 14.5]))
        );
        assert_eq!(data[2]["visible"], "legendonly");
        assert!(data[3].get("visible").is_none(), "the best baseline is visible");
        let third = &figure.json["layout"]["updatemenus"][0]["buttons"][2];
        assert_eq!(third["label"], "3");
        assert_eq!(third["args"][0]["x"][0], json!([12, 13, 14, 15, 16]));
        assert_eq!(third["args"][0]["y"][2][4], 15.0);
        assert_eq!(third["args"][1], json!([1, 2, 3]));
        assert_eq!(figure.json["layout"]["xaxis"]["rangeslider"]["visible"], true);
    }

    #[test]
    fn rows_without_a_time_are_left_out_and_said() {
        let axis = TimeAxis::Times { labels: (0..12).map(|d| format!("2020-01-{:02}", d + 1)).collect() };
        let figure = drawn(&axis, &[straight("fit", ForecastKind::Fit, 5, 1, 0.0)]).unwrap();
        assert_eq!(figure.json["data"][1]["x"], json!(["2020-01-11", "2020-01-12"]));
        assert!(figure.caption.contains("beyond the end of the time axis"));
        assert!(figure.json["layout"].get("updatemenus").is_none());
    }

    #[test]
    fn long_horizons_offer_their_quarters() {
        assert_eq!(steps(5), [0, 1, 2, 3, 4]);
        assert_eq!(steps(24), [0, 5, 11, 17, 23]);
        assert_eq!(steps(7), [0, 1, 3, 5, 6]);
        assert!(steps(0).is_empty());
    }
}
