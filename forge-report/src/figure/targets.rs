use crate::ReportError;
use forge_core::history::{ForecastKind, Forecasts, TimeAxis};
use std::collections::BTreeMap;

/// All forecasts of one target column, checked so that they can be indexed.
pub(super) struct Target<'a> {
    /// Name of the column.
    pub name: &'a str,
    /// Its number among the targets.
    pub number: usize,
    /// Time of each row.
    pub axis: &'a TimeAxis,
    /// Fits and baselines.
    pub forecasts: &'a [Forecasts],
    /// What happened, by row.
    pub actual: BTreeMap<usize, f64>,
}

/// The targets of forecasts that belong together.
pub(super) fn of<'a>(axis: &'a TimeAxis, forecasts: &'a [Forecasts]) -> Result<Vec<Target<'a>>, ReportError> {
    let Some(first) = forecasts.first() else { return Ok(Vec::new()) };
    for f in forecasts {
        check(f, first)?;
    }
    let target = |(number, name): (usize, &'a String)| Target {
        name,
        number,
        axis,
        forecasts,
        actual: actual(forecasts, number),
    };
    Ok(first.targets.iter().enumerate().map(target).collect())
}

fn check(f: &Forecasts, first: &Forecasts) -> Result<(), ReportError> {
    let wanted = f.origins.len() * f.horizon * f.targets.len();
    let fault =
        |reason: String| Err(ReportError::Figure { figure: format!("forecast `{}`", f.name), reason });
    if f.predicted.len() != wanted || f.actual.len() != wanted {
        return fault(format!(
            "{} origins x {} steps x {} targets need {wanted} values, but it has {} forecast and {} actual ones",
            f.origins.len(),
            f.horizon,
            f.targets.len(),
            f.predicted.len(),
            f.actual.len()
        ));
    }
    if f.targets != first.targets || f.horizon != first.horizon {
        return fault(format!(
            "its targets or its horizon differ from those of `{}`; show them apart",
            first.name
        ));
    }
    Ok(())
}

fn actual(forecasts: &[Forecasts], target: usize) -> BTreeMap<usize, f64> {
    let mut rows = BTreeMap::new();
    for f in forecasts {
        for step in 0..f.horizon {
            rows.extend(
                f.at_step(step, target).filter(|(_, a, _)| a.is_finite()).map(|(row, a, _)| (row, a)),
            );
        }
    }
    rows
}

impl Target<'_> {
    /// Steps ahead.
    pub(super) fn horizon(&self) -> usize {
        self.forecasts.first().map_or(0, |f| f.horizon)
    }

    /// What happened less what was forecast, for one forecast at one step (from 0), where both are known.
    pub(super) fn errors<'a>(&self, f: &'a Forecasts, step: usize) -> impl Iterator<Item = f64> + 'a {
        f.at_step(step, self.number)
            .map(|(_, actual, predicted)| actual - predicted)
            .filter(|e| e.is_finite())
    }

    /// The baseline with the lowest mean absolute error over all steps: the one that stays visible.
    pub(super) fn best_baseline(&self) -> Option<&str> {
        let score = |f: &Forecasts| {
            let (sum, n) = (0..f.horizon)
                .flat_map(|step| self.errors(f, step))
                .fold((0.0, 0usize), |(sum, n), e| (sum + e.abs(), n + 1));
            if n == 0 { f64::INFINITY } else { sum / n as f64 }
        };
        let baselines = self.forecasts.iter().filter(|f| f.kind == ForecastKind::Baseline);
        baselines.min_by(|a, b| score(a).total_cmp(&score(b))).map(|f| f.name.as_str())
    }

    /// A title that names the target: `Forecast of Close`.
    pub(super) fn titled(&self, words: &str) -> String {
        format!("{words} of {}", self.name)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use forge_core::history::Part;

    /// Forecasts of `0, 1, 2, …` from origins 9, 10, …: each the truth plus `error`.
    pub(crate) fn straight(
        name: &str,
        kind: ForecastKind,
        origins: usize,
        horizon: usize,
        error: f64,
    ) -> Forecasts {
        let rows: Vec<f64> =
            (0..origins).flat_map(|o| (0..horizon).map(move |h| (9 + o + h + 1) as f64)).collect();
        Forecasts {
            name: name.into(),
            kind,
            part: Part::Test,
            targets: vec!["y".into()],
            horizon,
            origins: (9..9 + origins).collect(),
            predicted: rows.iter().map(|v| v + error).collect(),
            actual: rows,
            quantiles: Vec::new(),
            intervals: Vec::new(),
        }
    }

    #[test]
    fn actual_values_and_the_best_baseline_are_found() {
        let axis = TimeAxis::Rows { len: 30 };
        let forecasts = [
            straight("fit", ForecastKind::Fit, 5, 2, 0.1),
            straight("last", ForecastKind::Baseline, 5, 2, 2.0),
            straight("drift", ForecastKind::Baseline, 5, 2, -1.0),
        ];
        let targets = of(&axis, &forecasts).unwrap();
        assert_eq!(targets[0].best_baseline(), Some("drift"));
        assert_eq!(targets[0].actual.iter().next(), Some((&10, &10.0)));
        assert_eq!(targets[0].actual.len(), 6);
    }

    #[test]
    fn a_forecast_of_the_wrong_length_is_named() {
        let axis = TimeAxis::Rows { len: 30 };
        let mut short = straight("lstm", ForecastKind::Fit, 5, 2, 0.1);
        short.predicted.pop();
        let message = of(&axis, &[short]).err().unwrap().to_string();
        assert!(
            message.contains("forecast `lstm`") && message.contains("need 10 values, but it has 9"),
            "{message}"
        );
    }
}
