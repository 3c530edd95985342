use super::canvas::{Canvas, escape};
use super::{NamedFigure, Surroundings};
use crate::ReportError;
use crate::number::rounded;
use forge_core::history::{Score, SkillTable};
use plotly::Scatter;
use plotly::common::{Line, Marker, Mode};
use plotly::layout::Axis;
use serde_json::json;

/// Each metric by step ahead, one trace a fit and baseline. Nothing to draw where the horizon is one step.
pub(super) fn draw(table: &SkillTable, around: &Surroundings) -> Result<Option<NamedFigure>, ReportError> {
    let mut metrics: Vec<&str> = Vec::new();
    for (metric, values) in table.scores.iter().flat_map(|s| &s.by_step) {
        if values.iter().any(Option::is_some) && !metrics.contains(&metric.as_str()) {
            metrics.push(metric);
        }
    }
    let Some(&first) = metrics.first().filter(|_| table.horizon > 1) else { return Ok(None) };
    let longest = table.scores.iter().flat_map(|s| &s.by_step).map(|(_, values)| values.len()).max();
    let steps: Vec<usize> = (1..=longest.unwrap_or(0)).collect();
    let mut canvas = Canvas::new(380);
    let mut numbers = Vec::new();
    for score in &table.scores {
        let style = around.palette.style(&score.name);
        let mode = if table.horizon <= 48 { Mode::LinesMarkers } else { Mode::Lines };
        let line = Line::new().color(style.color).width(style.width).dash(style.dash);
        let trace = Scatter::new(steps.clone(), by_step(score, first)).name(escape(&score.name)).mode(mode);
        numbers.push(canvas.trace(&trace.line(line).marker(Marker::new().color(style.color).size(5)))?);
    }
    if metrics.len() > 1 {
        let item = |metric: &&str| {
            let values: Vec<_> = table.scores.iter().map(|s| by_step(s, metric)).collect();
            let relabel = json!({"yaxis.title.text": escape(metric)});
            ((*metric).to_owned(), json!([{"y": values}, relabel, numbers]))
        };
        canvas.choice("metric", "update", metrics.iter().map(item).collect());
    }
    let x = Axis::new().title("steps ahead").tick_format("d");
    canvas.axis("xaxis", &if table.horizon <= 12 { x.dtick(1.0) } else { x })?;
    canvas.axis("yaxis", &Axis::new().title(escape(first)))?;
    let title = format!("Scores by step ahead, {} part", table.part.name());
    let caption =
        "How fast each forecast loses its worth with distance. Solid lines are fits, broken lines baselines.";
    Ok(Some(canvas.finish("error_by_step", title, caption.to_owned())))
}

fn by_step(score: &Score, metric: &str) -> Vec<Option<f64>> {
    let values = score.by_step.iter().find(|(m, _)| m == metric).map(|(_, values)| values.as_slice());
    values.unwrap_or_default().iter().map(|v| v.filter(|v| v.is_finite()).map(rounded)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge_core::history::{ForecastKind, Notebook, Part};

    fn score(name: &str, kind: ForecastKind, by_step: &[(&str, [Option<f64>; 2])]) -> Score {
        let by_step = by_step.iter().map(|(m, v)| ((*m).to_owned(), v.to_vec())).collect();
        Score { name: name.into(), kind, metrics: vec![], by_step }
    }

    fn table(horizon: usize) -> SkillTable {
        SkillTable {
            part: Part::Test,
            targets: 10,
            horizon,
            season: "1".into(),
            mase_scale: None,
            reference: vec![],
            scores: vec![
                score(
                    "fit",
                    ForecastKind::Fit,
                    &[("mae", [Some(1.0), Some(2.0)]), ("rmse", [Some(1.5), None])],
                ),
                score("last", ForecastKind::Baseline, &[("mae", [Some(1.25), Some(2.5)])]),
            ],
            definitions: vec![],
        }
    }

    #[test]
    fn a_trace_a_score_and_a_choice_of_metrics() {
        let notebook = Notebook::new("t");
        let figure = draw(&table(2), &Surroundings::of(&notebook)).unwrap().unwrap();
        assert_eq!(figure.json["data"][1]["y"], json!([1.25, 2.5]));
        assert_eq!(figure.json["data"][0]["x"], json!([1, 2]));
        let rmse = &figure.json["layout"]["updatemenus"][0]["buttons"][1];
        assert_eq!(rmse["args"], json!([{"y": [[1.5, null], []]}, {"yaxis.title.text": "rmse"}, [0, 1]]));
    }

    #[test]
    fn one_step_has_no_figure() {
        let notebook = Notebook::new("t");
        assert!(draw(&table(1), &Surroundings::of(&notebook)).unwrap().is_none());
    }
}
