use forge_core::history::{ForecastKind, Forecasts, Level, Notice};

/// Skill against repeating the last value that is told from none.
const MARGIN: f64 = 0.02;

/// Rows back that are looked for the best correlation.
const SHIFTS: usize = 4;

/// Guard L09: a fit whose one-step forecasts miss by as much as the last value does, and correlate best not with what they
/// forecast but with the value one row earlier. `levels` are the target's values by row; a spec that claims skill turns
/// the note into a warning.
pub fn repeats_last(
    forecasts: &Forecasts,
    target: usize,
    levels: &[f64],
    claims_skill: bool,
) -> Option<Notice> {
    if forecasts.kind != ForecastKind::Fit {
        return None;
    }
    let known: Vec<(usize, f64, f64)> = forecasts
        .at_step(0, target)
        .filter(|(row, y, f)| *row >= SHIFTS && *row < levels.len() && y.is_finite() && f.is_finite())
        .collect();
    let error = |of: &dyn Fn(usize, f64) -> f64| {
        known.iter().map(|(row, y, f)| (of(*row, *f) - y).powi(2)).sum::<f64>().sqrt()
    };
    let skill = 1.0 - error(&|_, f| f) / error(&|row, _| levels[row - 1]);
    let at = |shift: usize| {
        let pairs = known.iter().map(|(row, _, f)| (*f, levels[row - shift]));
        correlation(&pairs.collect::<Vec<_>>())
    };
    let (now, before) = (at(0), at(1));
    let best = (0..SHIFTS).filter(|s| *s != 1).all(|shift| at(shift) < before);
    if !(skill.abs() < MARGIN && best) {
        return None;
    }
    let text = format!(
        "`{}` is no better than repeating the last value: skill {:+.1} % one step ahead, and its forecasts correlate with the \
         value one row earlier ({before:.4}) more than with the one that they forecast ({now:.4})",
        forecasts.name,
        100.0 * skill
    );
    Some(Notice { code: "L09".into(), level: if claims_skill { Level::Warning } else { Level::Note }, text })
}

/// Pearson's correlation; NaN where one side does not vary.
fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let n = pairs.len() as f64;
    let (a, b) = pairs.iter().fold((0.0, 0.0), |(a, b), (x, y)| (a + x / n, b + y / n));
    let sum = |f: &dyn Fn(f64, f64) -> f64| pairs.iter().map(|(x, y)| f(x - a, y - b)).sum::<f64>();
    sum(&|x, y| x * y) / (sum(&|x, _| x * x) * sum(&|_, y| y * y)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use forge_core::history::Part;

    /// A slow wave with a fast one on it, and forecasts of it made from the row before and from the row itself.
    fn forecasts(predict: impl Fn(f64, f64) -> f64) -> (Forecasts, Vec<f64>) {
        let levels: Vec<f64> =
            (0..400).map(|i| (f64::from(i) / 9.0).sin() + 0.3 * (f64::from(i) * 1.7).sin()).collect();
        let actual = levels[11..].to_vec();
        let predicted =
            levels[10..399].iter().zip(&actual).map(|(before, after)| predict(*before, *after)).collect();
        let forecasts = Forecasts {
            name: "lstm".into(),
            kind: ForecastKind::Fit,
            part: Part::Test,
            targets: vec!["y".into()],
            horizon: 1,
            origins: (10..399).collect(),
            actual,
            predicted,
            quantiles: Vec::new(),
            intervals: Vec::new(),
        };
        (forecasts, levels)
    }

    #[test]
    fn only_a_copy_of_the_last_value_is_told() {
        let (copy, levels) = forecasts(|before, _| 0.999 * before + 0.001);
        let note = repeats_last(&copy, 0, &levels, false).unwrap();
        assert_eq!((note.code.as_str(), note.level), ("L09", Level::Note));
        assert!(note.text.contains("(0.") && note.text.contains("(1.0000)"), "{}", note.text);
        assert_eq!(repeats_last(&copy, 0, &levels, true).unwrap().level, Level::Warning);
        let (skilled, levels) = forecasts(|before, after| 0.3 * before + 0.7 * after);
        assert_eq!(repeats_last(&skilled, 0, &levels, true), None);
        let (worse, levels) = forecasts(|before, _| before + 0.5);
        assert_eq!(repeats_last(&worse, 0, &levels, true), None);
        let naive = Forecasts { kind: ForecastKind::Baseline, ..copy };
        assert_eq!(repeats_last(&naive, 0, &levels, true), None);
    }
}
