//! What a run comes to, in one line: the best fit beside the best naive forecast.

use forge_core::history::{ForecastKind, Level, Score, SkillTable, Verdict};

/// Skill that is told from none: between ±1 % a fit is called no better.
const MARGIN: f64 = 0.01;

/// The metric that a verdict speaks of: the first of these that was computed.
const SPOKEN: [&str; 5] = ["rmse", "mae", "mase", "mse", "smape"];

/// The verdict on a table of scores; none without a fit.
pub fn of(table: &SkillTable) -> Option<Verdict> {
    let (name, metric) = subject(table)?;
    let found = table.score(name)?.metric(metric)?;
    let upper = metric.to_uppercase();
    let part = table.part.name();
    let Some(baseline) = table.reference_for(metric).or_else(|| hardest(table, metric)) else {
        let text = format!("{name}: {part} {upper} {}; no baseline to compare with", digits(found));
        return Some(Verdict { level: Level::Warning, text });
    };
    let (Some(skill), Some(naive)) =
        (table.skill(name, metric, baseline), table.score(baseline).and_then(|s| s.metric(metric)))
    else {
        let text = format!("{name}: {part} {upper} {}; {baseline} has none", digits(found));
        return Some(Verdict { level: Level::Warning, text });
    };
    let (level, words) = match skill {
        s if s > MARGIN => (Level::Good, "better than"),
        s if s < -MARGIN => (Level::Warning, "worse than"),
        _ => (Level::Note, "no better than"),
    };
    let text = format!(
        "{name} is {words} the naive forecast “{baseline}”: {part} {upper} {} against {}, skill {}",
        digits(found),
        digits(naive),
        percent(skill)
    );
    Some(Verdict { level, text })
}

/// The best fit, and the metric by which it is.
pub(super) fn subject(table: &SkillTable) -> Option<(&str, &'static str)> {
    let fits = || table.scores.iter().filter(|s| s.kind == ForecastKind::Fit);
    let metric = SPOKEN.into_iter().find(|m| fits().any(|s| s.metric(m).is_some()))?;
    let value = |s: &&Score| s.metric(metric).unwrap_or(f64::INFINITY);
    let best = fits().min_by(|a, b| value(a).total_cmp(&value(b)))?;
    Some((&best.name, metric))
}

/// Without a validation part that chooses it: the baseline that is best on the scored part itself, which favours none of
/// the fits.
fn hardest<'a>(table: &'a SkillTable, metric: &str) -> Option<&'a str> {
    let baselines = table.scores.iter().filter(|s| s.kind == ForecastKind::Baseline);
    let scored = baselines.filter_map(|s| Some((s.metric(metric)?, s.name.as_str())));
    scored.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}

/// With a sign, and a true minus.
fn percent(share: f64) -> String {
    format!("{:+.1} %", 100.0 * share).replace('-', "−")
}

/// Four significant digits.
pub(super) fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let decimals = (3 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge_core::history::Part;

    fn table(fit: f64) -> SkillTable {
        let score = |name: &str, kind, rmse| Score {
            name: name.into(),
            kind,
            metrics: vec![("rmse".into(), Some(rmse))],
            by_step: vec![],
        };
        SkillTable {
            part: Part::Test,
            targets: 654,
            horizon: 1,
            season: "1 (sessions)".into(),
            mase_scale: None,
            reference: vec![("rmse".into(), "last".into())],
            scores: vec![
                score("lstm", ForecastKind::Fit, fit),
                score("last", ForecastKind::Baseline, 0.3679),
            ],
            definitions: vec![],
        }
    }

    #[test]
    fn the_naive_forecast_is_always_named() {
        let verdict = of(&table(0.3690)).unwrap();
        assert_eq!(verdict.level, Level::Note);
        assert_eq!(
            verdict.text,
            "lstm is no better than the naive forecast “last”: test RMSE 0.3690 against 0.3679, skill −0.3 %"
        );
        assert_eq!(of(&table(0.30)).unwrap().level, Level::Good);
        assert_eq!(of(&table(0.40)).unwrap().level, Level::Warning);
    }

    #[test]
    fn without_a_validation_part_the_hardest_baseline_is_taken() {
        let mut table = table(0.3690);
        table.reference.clear();
        table.scores.push(Score {
            name: "mean".into(),
            metrics: vec![("rmse".into(), Some(8.46))],
            ..table.scores[1].clone()
        });
        assert!(of(&table).unwrap().text.contains("“last”"));
    }

    #[test]
    fn four_digits() {
        assert_eq!([digits(32.054), digits(0.00506149), digits(123456.0)], ["32.05", "0.005061", "123456"]);
    }
}
