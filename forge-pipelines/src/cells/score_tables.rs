//! What `evaluate` shows beside its scores: errors by step ahead, directions, prediction intervals.

use super::CellRun;
use crate::failure::Failure;
use crate::metrics::{IntervalScore, conformal, direction};
use crate::prepare::Prepared;
use forge_core::history::{Forecasts, Level, Notice, Output, SkillTable, Table};

/// Every metric at every step ahead: a table a metric.
pub(super) fn by_horizon(table: &SkillTable) -> Vec<Output> {
    let metric = |(name, definition): &(String, String)| {
        let mut head = vec!["step".to_string()];
        head.extend(table.scores.iter().map(|s| s.name.clone()));
        let columns: Vec<&[Option<f64>]> = table
            .scores
            .iter()
            .map(|s| s.by_step.iter().find(|(n, _)| n == name).map_or(&[][..], |(_, steps)| steps))
            .collect();
        let row = |step: usize| {
            let cells = columns.iter().map(|c| number(c.get(step).copied().flatten()));
            std::iter::once((step + 1).to_string()).chain(cells).collect()
        };
        let rows = (0..table.horizon).map(row).collect();
        let caption = format!("{name} by step ahead: {definition}");
        Output::Table { table: Table { caption, head, rows, numeric: 0 } }
    };
    table.definitions.iter().map(metric).collect()
}

/// Hit rates with their base rate and interval, one row a model and target.
pub(super) fn directions(run: &mut CellRun<'_>, scored: &[Forecasts], levels: &[Vec<f64>]) {
    let mut rows = Vec::new();
    for forecasts in scored {
        for (k, target) in forecasts.targets.iter().enumerate() {
            let found = levels.get(k).and_then(|levels| direction(forecasts, k, levels));
            if forecasts.targets.len() == 1 {
                let name = forecasts.name.as_str();
                run.result(&[name, "direction_base"], found.as_ref().map(|d| d.base_rate));
                run.result(&[name, "direction_low"], found.as_ref().map(|d| d.interval.0));
                run.result(&[name, "direction_high"], found.as_ref().map(|d| d.interval.1));
            }
            let percent = |value: Option<f64>| value.map_or("–".into(), |v| format!("{:.1} %", 100.0 * v));
            let interval = found.as_ref().map_or("–".into(), |d| {
                format!("{} to {}", percent(Some(d.interval.0)), percent(Some(d.interval.1)))
            });
            rows.push(vec![
                forecasts.name.clone(),
                target.clone(),
                percent(found.as_ref().map(|d| d.rate)),
                interval,
                percent(found.as_ref().map(|d| d.base_rate)),
                found.as_ref().map_or("–".into(), |d| d.count.to_string()),
            ]);
        }
    }
    let caption = "Direction: share of right signs, 95 % interval by moving blocks; base rate: the better of always up and \
                   always down";
    let head = ["forecast", "target", "right", "95 % interval", "base rate", "forecasts"];
    let table = Table { caption: caption.into(), head: head.map(String::from).to_vec(), rows, numeric: 2 };
    run.outputs.push(Output::Table { table });
}

/// Gives every model and baseline its split-conformal intervals, and a table of what they covered.
pub(super) fn intervals(
    run: &mut CellRun<'_>,
    levels: &[f64],
    scored: &mut [Forecasts],
    val: &[Forecasts],
    prepared: &Prepared,
) -> Result<Output, Failure> {
    let mut rows = Vec::new();
    for forecasts in scored {
        let Some(calibration) = val.iter().find(|f| f.name == forecasts.name) else {
            let text = format!("`{}` has no validation forecasts to calibrate intervals on", forecasts.name);
            run.notices.push(Notice { code: String::new(), level: Level::Warning, text });
            continue;
        };
        for level in levels {
            let interval = conformal(prepared, calibration, forecasts, *level)?;
            let score = IntervalScore::of(&interval, forecasts);
            forecasts.intervals.push(interval);
            let (name, percent) = (forecasts.name.as_str(), level.to_string());
            run.result(&[name, "coverage", &percent], score.coverage);
            run.result(&[name, "width", &percent], score.width);
            let share = |v: Option<f64>| v.map_or("–".into(), |v| format!("{:.1} %", 100.0 * v));
            let steps: Vec<f64> = score.coverage_by_step.iter().copied().flatten().collect();
            let least = steps.iter().copied().reduce(f64::min);
            let most = steps.iter().copied().reduce(f64::max);
            rows.push(vec![
                name.to_string(),
                format!("{level} %"),
                share(score.coverage),
                format!("{} to {}", share(least), share(most)),
                number(score.width),
                number(score.winkler),
                number(score.pinball),
            ]);
            if score.coverage.is_none() {
                let text = format!("`{name}`: too few validation rows for an interval of {level} %");
                run.notices.push(Notice { code: String::new(), level: Level::Warning, text });
            }
        }
    }
    let caption = "Split-conformal intervals, calibrated on the validation part at each step ahead; coverage and width on the \
                   scored part";
    let head = ["forecast", "nominal", "coverage", "by step", "mean width", "Winkler score", "pinball loss"];
    let table = Table { caption: caption.into(), head: head.map(String::from).to_vec(), rows, numeric: 1 };
    Ok(Output::Table { table })
}

/// Five significant digits.
pub(super) fn number(value: Option<f64>) -> String {
    match value {
        Some(v) if v != 0.0 && v.is_finite() => {
            let decimals = (4 - v.abs().log10().floor() as i32).clamp(0, 12) as usize;
            format!("{v:.decimals$}")
        }
        Some(v) => v.to_string(),
        None => "–".into(),
    }
}
