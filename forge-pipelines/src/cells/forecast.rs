use super::{CellKind, CellRun, Plan, resolved, typed};
use crate::data_error::Problem;
use crate::failure::Failure;
use crate::metrics::conformal;
use crate::prepare::Prepared;
use crate::registry::Registry;
use crate::spec::{ActionSpec, CellSpec, Diagnostic, Spec};
use crate::value::{Fit, Value, ValueKind};
use crate::windows::WindowParams;
use forge_core::history::{Forecasts, Output, Table, TimeAxis};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::sync::Arc;

/// `forecast`: what comes after the last row.
#[derive(Clone, Copy, Debug)]
pub struct Forecast;

/// How far a forecast goes, and which model makes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = ForecastParams { fit: Some("lstm".into()), ..ForecastParams::default() })]
pub struct ForecastParams {
    /// Steps after the last row with a target: `horizon` for all that the model forecasts, or fewer.
    pub next: Next,
    /// The cell that trained the model. Default: the nearest one above.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "cell_name")]
    pub fit: Option<String>,
    /// Nominal coverages, in percent, of the split-conformal intervals beside the forecast.
    #[schemars(schema_with = "level_list")]
    pub conformal: Vec<f64>,
}

impl Default for ForecastParams {
    fn default() -> Self {
        ForecastParams { next: Next::Whole(Whole::Horizon), fit: None, conformal: vec![80.0, 95.0] }
    }
}

fn cell_name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "x-cell": true, "examples": ["lstm"]})
}

fn level_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "examples": [[80, 95]],
        "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100},
    })
}

/// A number of steps.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Next {
    /// So many.
    Steps(#[schemars(range(min = 1))] usize),
    /// All.
    Whole(Whole),
}

/// All steps of a horizon.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Whole {
    /// The model's horizon.
    Horizon,
}

impl CellKind for Forecast {
    fn actions(&self, _registry: &Registry) -> Vec<(&'static str, Json)> {
        vec![typed::<ForecastParams>("forecast")]
    }

    fn takes(&self) -> Option<ValueKind> {
        Some(ValueKind::Fit)
    }

    fn gives(&self) -> Option<ValueKind> {
        None
    }

    fn resolve(&self, spec: &Spec, action: &ActionSpec, _registry: &Registry) -> Result<Json, Failure> {
        resolved::<ForecastParams>(spec, action)
    }

    fn plan(&self, cell: &CellSpec, plan: &mut Plan<'_>) {
        let Some(action) = cell.action("forecast") else { return };
        let Ok(params) = plan.spec.read::<ForecastParams>(action) else { return };
        let fit = params.fit.as_ref().or(plan.fits.last());
        let trained = plan.spec.cells.iter().find(|other| Some(&other.id) == fit);
        let window = trained.and_then(|trained| plan.input_action(trained, "window"));
        let window = window.and_then(|window| plan.spec.read::<WindowParams>(window).ok().zip(Some(window)));
        if let (Next::Steps(steps), Some((window, at))) = (params.next, window)
            && steps > window.horizon
        {
            let document = plan.spec.document();
            let message =
                format!("{steps} steps are beyond the horizon of {} that is forecast", window.horizon);
            let finding = Diagnostic::error("E0175", message)
                .at(document.place_of(&action.path.key("next")), "too far")
                .context(document.place_of(&at.path.key("horizon")), "the horizon")
                .cell(&cell.id)
                .help("write `next: horizon`, or give `window` a longer horizon");
            plan.findings.push(finding);
        }
        if let Some(name) = params.fit.filter(|name| !plan.fits.contains(name)) {
            let place = plan.spec.document().place_of(&action.path.key("fit"));
            plan.findings.push(
                Diagnostic::error("E0172", format!("cell `{name}` trains no model"))
                    .at(place, "not a fit")
                    .cell(&cell.id)
                    .note(format!("cells that train one: {}", plan.fits.join(", "))),
            );
        }
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let params: ForecastParams = run.params("forecast")?;
        let fit: Arc<Fit> = match &params.fit {
            None => match run.input(ValueKind::Fit)? {
                Value::Fit(fit) => fit.clone(),
                _ => return Ok(None),
            },
            Some(name) => {
                let named = run.earlier.iter().rev().find_map(|(id, value)| match value {
                    Value::Fit(fit) if id == name => Some(fit.clone()),
                    _ => None,
                });
                named.ok_or_else(|| CellRun::fault(format!("cell `{name}` left no model")))?
            }
        };
        let data = fit.forecasts.windows.clone();
        let (prepared, horizon) = (&data.columns.prepared, data.windows.params.horizon);
        let steps = match params.next {
            Next::Whole(Whole::Horizon) => horizon,
            Next::Steps(steps) if steps <= horizon => steps,
            Next::Steps(steps) => {
                let name = &fit.history.name;
                let reason =
                    format!("`next: {steps}` is beyond the horizon of {horizon} that `{name}` forecasts");
                return Err(crate::DataError::from(Problem::BadParameter { reason }).into());
            }
        };
        let mut next = data.windows.next_forecast(prepared, &fit.history.name, &fit.levels, &fit.next)?;
        let times = prepared.times_after_target(horizon);
        if let Some(val) = fit.forecasts.val.first() {
            for level in &params.conformal {
                let interval = conformal(prepared, val, &next, *level)?;
                next.intervals.push(interval);
            }
        }
        for (k, target) in next.targets.iter().enumerate() {
            let mut head = vec!["time".to_string(), "forecast".to_string()];
            head.extend(next.quantiles.iter().map(|q| format!("q{}", q.level)));
            head.extend(
                next.intervals.iter().flat_map(|i| [format!("{} % from", i.level), "to".to_string()]),
            );
            let mut rows = Vec::new();
            for step in 0..steps {
                let i = next.index(0, step, k);
                run.result(
                    &[target, &(step + 1).to_string()],
                    Some(next.predicted[i]).filter(|v| v.is_finite()),
                );
                let mut row = vec![times.get(step).cloned().unwrap_or_else(|| format!("+{}", step + 1))];
                row.push(number(next.predicted[i]));
                row.extend(next.quantiles.iter().map(|q| number(q.values[i])));
                row.extend(next.intervals.iter().flat_map(|v| [number(v.low[i]), number(v.high[i])]));
                rows.push(row);
            }
            let from = prepared.axis.label(next.origins[0]);
            let caption = format!("`{target}` after {from}, by {}", next.name);
            run.outputs.push(Output::Table { table: Table { caption, head, rows, numeric: 1 } });
        }
        run.outputs.push(figure(prepared, first_steps(next.clone(), steps), &times));
        let last = times.get(steps - 1).cloned().unwrap_or_default();
        run.summary =
            format!("{} to {last}: {}", times.first().cloned().unwrap_or_default(), next.targets.join(", "));
        Ok(None)
    }
}

/// The forecast after the end of the series; its rows have the times that follow.
fn figure(prepared: &Prepared, next: Forecasts, times: &[String]) -> Output {
    let end = prepared.target_end();
    let axis = match &prepared.axis {
        TimeAxis::Rows { .. } => TimeAxis::Rows { len: end + times.len() },
        TimeAxis::Times { labels } => {
            TimeAxis::Times { labels: labels.iter().take(end).chain(times).cloned().collect() }
        }
    };
    Output::Forecast { axis, forecasts: vec![next] }
}

/// The same forecast from one origin, cut after so many steps.
fn first_steps(mut next: Forecasts, steps: usize) -> Forecasts {
    let count = steps * next.targets.len();
    next.horizon = steps;
    next.actual.truncate(count);
    next.predicted.truncate(count);
    next.quantiles.iter_mut().for_each(|q| q.values.truncate(count));
    next.intervals.iter_mut().for_each(|interval| {
        interval.low.truncate(count);
        interval.high.truncate(count);
    });
    next
}

/// Six significant digits.
fn number(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    if value == 0.0 {
        return "0".into();
    }
    let decimals = (5 - value.abs().log10().floor() as i32).clamp(0, 12) as usize;
    format!("{value:.decimals$}")
}
