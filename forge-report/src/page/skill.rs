use crate::number::{counted, decimals, fixed, signed_percent};
use forge_core::history::{ForecastKind, SkillTable};
use serde::Serialize;

/// A skill table as the page shows it.
#[derive(Serialize)]
pub(super) struct View {
    caption: String,
    columns: Vec<Column>,
    rows: Vec<Row>,
    notes: Vec<String>,
    definitions: Vec<(String, String)>,
}

#[derive(Serialize)]
struct Column {
    metric: String,
    /// `lower is better` and the like.
    sense: &'static str,
    /// The baseline that skill compares with; empty when there is none.
    reference: String,
}

#[derive(Serialize)]
struct Row {
    name: String,
    kind: &'static str,
    cells: Vec<Cell>,
}

#[derive(Serialize)]
struct Cell {
    value: String,
    best: bool,
    /// `+4.1 %`, `reference`, or empty.
    skill: String,
    /// `up`, `down` or empty.
    trend: &'static str,
}

/// Which values of a metric are good ones.
#[derive(Clone, Copy, PartialEq)]
enum Sense {
    Lower,
    Higher,
    NearZero,
    /// Neither: coverage should be near its own target, and a width means nothing without it.
    Unknown,
}

impl Sense {
    fn of(metric: &str) -> Self {
        let stem = metric.split(['@', '(', ' ']).next().unwrap_or(metric);
        match stem {
            "bias" => Sense::NearZero,
            "direction" | "r2" | "accuracy" | "correlation" => Sense::Higher,
            s if s.starts_with("f1") || s.ends_with("auc") => Sense::Higher,
            s if s.starts_with("coverage") || s.starts_with("width") => Sense::Unknown,
            _ => Sense::Lower,
        }
    }

    fn words(self) -> &'static str {
        match self {
            Sense::Lower => "lower is better",
            Sense::Higher => "higher is better",
            Sense::NearZero => "best near 0",
            Sense::Unknown => "",
        }
    }

    /// Smaller is better.
    fn cost(self, value: f64) -> Option<f64> {
        match self {
            Sense::Lower => Some(value),
            Sense::Higher => Some(-value),
            Sense::NearZero => Some(value.abs()),
            Sense::Unknown => None,
        }
    }
}

/// Formats a table: fits first as given, the best of each column marked, skill where lower is better.
pub(super) fn view(table: &SkillTable) -> View {
    let mut metrics: Vec<&str> = Vec::new();
    for (metric, _) in table.scores.iter().flat_map(|s| &s.metrics) {
        if !metrics.contains(&metric.as_str()) {
            metrics.push(metric);
        }
    }
    let mut rows: Vec<Row> = table
        .scores
        .iter()
        .map(|s| Row {
            name: s.name.clone(),
            kind: if s.kind == ForecastKind::Fit { "fit" } else { "baseline" },
            cells: Vec::new(),
        })
        .collect();
    let mut columns = Vec::new();
    for metric in metrics {
        let sense = Sense::of(metric);
        let reference = table.reference_for(metric).filter(|_| sense == Sense::Lower).unwrap_or_default();
        columns.push(Column {
            metric: metric.to_owned(),
            sense: sense.words(),
            reference: reference.to_owned(),
        });
        for (row, cell) in rows.iter_mut().zip(cells(table, metric, sense, reference)) {
            row.cells.push(cell);
        }
    }
    View {
        caption: format!(
            "Scores on the {} part, in the units of the data. Skill: 1 − score / score of the baseline that was best on the validation part; below zero, the baseline wins.",
            table.part.name()
        ),
        columns,
        rows,
        notes: notes(table),
        definitions: table.definitions.clone(),
    }
}

fn cells(table: &SkillTable, metric: &str, sense: Sense, reference: &str) -> Vec<Cell> {
    let values: Vec<Option<f64>> =
        table.scores.iter().map(|s| s.metric(metric).filter(|v| v.is_finite())).collect();
    let places = decimals(values.iter().flatten().copied());
    let costs = values.iter().flatten().filter_map(|v| sense.cost(*v));
    let least = costs.fold(f64::INFINITY, f64::min);
    let cell = |(score, value): (&forge_core::history::Score, &Option<f64>)| {
        let skill = if reference.is_empty() { None } else { table.skill(&score.name, metric, reference) };
        let (skill, trend) = match skill {
            _ if score.name == reference => ("reference".to_owned(), ""),
            Some(s) => {
                let text = signed_percent(s);
                let trend = match text.chars().next() {
                    Some('+') => "up",
                    Some('\u{2212}') => "down",
                    _ => "",
                };
                (text, trend)
            }
            None => (String::new(), ""),
        };
        Cell {
            value: value.map_or_else(|| "undefined".to_owned(), |v| fixed(v, places)),
            best: value.and_then(|v| sense.cost(v)).is_some_and(|c| c <= least),
            skill,
            trend,
        }
    };
    table.scores.iter().zip(&values).map(cell).collect()
}

fn notes(table: &SkillTable) -> Vec<String> {
    let mut notes = vec![
        counted(table.targets, "target row"),
        format!("horizon {}", counted(table.horizon, "step")),
        format!("season {}", table.season),
    ];
    if let Some(scale) = table.mase_scale {
        notes.push(format!("MASE scale {}", fixed(scale, decimals([scale]))));
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge_core::history::{Part, Score};

    fn score(name: &str, kind: ForecastKind, metrics: &[(&str, Option<f64>)]) -> Score {
        let metrics = metrics.iter().map(|(m, v)| ((*m).to_owned(), *v)).collect();
        Score { name: name.into(), kind, metrics, by_step: vec![] }
    }

    fn table() -> SkillTable {
        let fit = score(
            "lstm",
            ForecastKind::Fit,
            &[("rmse", Some(0.36)), ("direction", Some(0.52)), ("bias", Some(-0.1))],
        );
        let last = score(
            "last",
            ForecastKind::Baseline,
            &[("rmse", Some(0.4)), ("direction", None), ("bias", Some(0.02))],
        );
        let drift = score(
            "drift",
            ForecastKind::Baseline,
            &[("rmse", Some(0.41)), ("direction", Some(0.5)), ("bias", Some(0.3))],
        );
        SkillTable {
            part: Part::Test,
            targets: 654,
            horizon: 1,
            season: "1 (sessions)".into(),
            mase_scale: Some(0.3412),
            reference: vec![("rmse".into(), "last".into()), ("direction".into(), "drift".into())],
            scores: vec![fit, last, drift],
            definitions: vec![],
        }
    }

    #[test]
    fn skill_is_against_the_reference_with_its_sign() {
        let view = view(&table());
        let skills: Vec<_> =
            view.rows.iter().map(|r| (r.cells[0].skill.as_str(), r.cells[0].trend)).collect();
        assert_eq!(skills, [("+10.0\u{202f}%", "up"), ("reference", ""), ("\u{2212}2.5\u{202f}%", "down")]);
        assert_eq!(view.columns[0].reference, "last");
        assert_eq!(view.rows[0].cells[1].skill, "", "skill has no meaning where higher is better");
        assert_eq!(
            view.notes,
            ["654 target rows", "horizon 1 step", "season 1 (sessions)", "MASE scale 0.341"]
        );
    }

    #[test]
    fn the_best_of_each_column_is_marked_by_its_sense() {
        let view = view(&table());
        let best = |column: usize| -> Vec<bool> { view.rows.iter().map(|r| r.cells[column].best).collect() };
        assert_eq!(best(0), [true, false, false]);
        assert_eq!(best(1), [true, false, false]);
        assert_eq!(best(2), [false, true, false]);
        assert_eq!(view.rows[1].cells[1].value, "undefined");
        assert_eq!(view.rows[0].cells[2].value, "\u{2212}0.1000");
        assert!(Sense::of("coverage@95") == Sense::Unknown && Sense::of("f1_macro") == Sense::Higher);
    }
}
