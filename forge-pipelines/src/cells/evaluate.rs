use super::groups::{GroupParam, Grouped, ungrouped};
use super::score_tables::{by_horizon, directions, intervals, number};
use super::{CellKind, CellRun, Plan, baseline, resolved, typed};
use crate::failure::Failure;
use crate::guards;
use crate::metrics::{Better, MetricParam, ScoreContext, score};
use crate::registry::Registry;
use crate::spec::{ActionSpec, CellSpec, Diagnostic, Spec};
use crate::value::{ForecastData, ScoreData, Value, ValueKind, WindowData};
use forge_core::history::{ForecastKind, Forecasts, Output, Part, SkillTable};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// `evaluate`: scores fits and baselines on their common origins.
#[derive(Clone, Copy, Debug)]
pub struct Evaluate;

/// What is scored, where and by which metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = EvaluateParams::default())]
pub struct EvaluateParams {
    /// Cells that trained the models. Default: every fit that no earlier `evaluate` took.
    #[schemars(schema_with = "cell_list")]
    pub fits: Vec<String>,
    /// The part that is scored.
    pub part: ScoredPart,
    /// The metrics, in original units.
    pub metrics: Vec<MetricParam>,
    /// Rows of a season, for MASE. Default: that of the frequency.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 5)]
    pub season: Option<NonZeroUsize>,
    /// Prediction intervals, calibrated on the validation part; their coverage and width are reported.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intervals: Option<IntervalParams>,
    /// Tables of the metrics by group.
    pub by: Vec<GroupParam>,
}

/// A kind of prediction intervals.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(example = IntervalParams { conformal: vec![80.0, 95.0] })]
pub struct IntervalParams {
    /// Split-conformal intervals of these nominal coverages, in percent: each step ahead has its own margin, a rank of the
    /// absolute errors on validation, in the target's transformed space in front of any difference.
    #[schemars(schema_with = "level_list")]
    pub conformal: Vec<f64>,
}

fn level_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array", "minItems": 1, "examples": [[80, 95]],
        "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100},
    })
}

impl Default for EvaluateParams {
    fn default() -> Self {
        EvaluateParams {
            fits: Vec::new(),
            part: ScoredPart::Test,
            metrics: vec![MetricParam::Mae, MetricParam::Rmse, MetricParam::Mase],
            season: None,
            intervals: None,
            by: Vec::new(),
        }
    }
}

fn cell_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "array", "items": {"type": "string", "x-cell": true}, "examples": [["lstm"]]})
}

/// A part that can be scored.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScoredPart {
    /// The rows that are only scored.
    Test,
    /// The rows that choose.
    Val,
}

impl ScoredPart {
    fn part(self) -> Part {
        match self {
            ScoredPart::Test => Part::Test,
            ScoredPart::Val => Part::Val,
        }
    }
}

impl CellKind for Evaluate {
    fn actions(&self, _registry: &Registry) -> Vec<(&'static str, Json)> {
        vec![typed::<EvaluateParams>("evaluate")]
    }

    fn takes(&self) -> Option<ValueKind> {
        Some(ValueKind::Windows)
    }

    fn gives(&self) -> Option<ValueKind> {
        Some(ValueKind::Scores)
    }

    fn resolve(&self, spec: &Spec, action: &ActionSpec, _registry: &Registry) -> Result<Json, Failure> {
        resolved::<EvaluateParams>(spec, action)
    }

    fn plan(&self, cell: &CellSpec, plan: &mut Plan<'_>) {
        let Some(action) = cell.action("evaluate") else { return };
        let Ok(params) = plan.spec.read::<EvaluateParams>(action) else { return };
        for (n, name) in params.fits.iter().enumerate() {
            if !plan.fits.contains(name) {
                let place = plan.spec.document().place_of(&action.path.key("fits").index(n));
                plan.findings.push(
                    Diagnostic::error("E0172", format!("cell `{name}` trains no model"))
                        .at(place, "not a fit")
                        .cell(&cell.id)
                        .note(format!("cells that train one: {}", plan.fits.join(", "))),
                );
            }
        }
        let fits: Vec<String> =
            plan.fits.iter().filter(|id| takes(&params, id, &plan.evaluated)).cloned().collect();
        let baselines: Vec<String> = match plan.baselines.is_empty() {
            // The season is known only with the data; these three are always there.
            true => baseline::defaults(1).into_iter().map(|b| b.name()).collect(),
            false => plan.baselines.clone(),
        };
        if let Some(intervals) = params.intervals.as_ref().filter(|_| params.part == ScoredPart::Val) {
            let place = plan.spec.document().key_place_of(&action.path.key("intervals"));
            let levels = intervals.conformal.iter().map(|l| format!("{l} %")).collect::<Vec<_>>().join(", ");
            plan.findings.push(
                Diagnostic::error(
                    "E0174",
                    "the intervals would be scored on the rows that they are calibrated on",
                )
                .at(place, format!("{levels}, calibrated on `val`"))
                .context(plan.spec.document().place_of(&action.path.key("part")), "and scored there")
                .cell(&cell.id)
                .help("write `part: test`, or leave `intervals` out"),
            );
        }
        without_spread(&params, action, &fits, cell, plan);
        for level in params.intervals.iter().flat_map(|i| &i.conformal) {
            for name in fits.iter().chain(&baselines) {
                plan.result(cell, &[name, "coverage", &level.to_string()]);
                plan.result(cell, &[name, "width", &level.to_string()]);
            }
        }
        if params.metrics.contains(&MetricParam::Direction) {
            for name in fits.iter().chain(&baselines) {
                plan.result(cell, &[name, "direction_base"]);
                plan.result(cell, &[name, "direction_low"]);
                plan.result(cell, &[name, "direction_high"]);
            }
        }
        for kind in &params.metrics {
            let metric = kind.name();
            for name in fits.iter().chain(&baselines) {
                plan.result(cell, &[name, metric]);
            }
            for fit in fits.iter().filter(|_| kind.better() == Better::Smaller) {
                plan.result(cell, &[fit, "skill", metric]);
                for b in &baselines {
                    plan.result(cell, &[fit, "skill", b, metric]);
                }
            }
        }
        plan.evaluated.extend(fits);
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let params: EvaluateParams = run.params("evaluate")?;
        let part = params.part.part();
        let Value::Windows(nearest) = run.input(ValueKind::Windows)?.clone() else { return Ok(None) };
        let mut data: Vec<Arc<ForecastSource>> = Vec::new();
        for (id, value) in run.earlier {
            match value {
                Value::Fit(fit) if takes(&params, id, &evaluated_before(run)) => {
                    data.push(Arc::new(ForecastSource::Fit(fit.clone())));
                }
                Value::Forecasts(f) => data.push(Arc::new(ForecastSource::Baseline(f.clone()))),
                _ => {}
            }
        }
        let is_fit = |source: &&Arc<ForecastSource>| matches!(***source, ForecastSource::Fit(_));
        let windows: Arc<WindowData> =
            data.iter().find(is_fit).map_or(nearest, |source| source.forecasts().windows.clone());
        if data.iter().all(|source| is_fit(&source)) {
            let freq = windows.columns.freq;
            let forecasts = baseline::forecasts(&baseline::defaults(freq.season()), &windows);
            data.push(Arc::new(ForecastSource::Baseline(Arc::new(forecasts))));
        }
        // Two windows of one spec may have baselines of another horizon: those belong to other fits.
        let alike = |f: &&Forecasts| f.horizon == windows.windows.params.horizon;
        let on = |part: Part| -> Vec<Forecasts> {
            let all = data.iter().flat_map(|source| source.forecasts().part(part));
            let mut unique: Vec<Forecasts> = Vec::new();
            for f in all.filter(alike) {
                if !unique.iter().any(|known| known.name == f.name) {
                    unique.push(f.clone());
                }
            }
            unique
        };
        let (mut scored, val) = (on(part), on(Part::Val));
        scored.sort_by_key(|f| f.kind == ForecastKind::Baseline);
        let season = params.season.map(NonZeroUsize::get);
        let columns = &windows.columns;
        let context = ScoreContext::new(&columns.prepared, columns.freq, season, &params.metrics);
        let mut interval_table = None;
        if let Some(levels) = params.intervals.as_ref().map(|i| &i.conformal) {
            interval_table = Some(intervals(run, levels, &mut scored, &val, &columns.prepared)?);
        }
        let table = score(&scored, &val, &context)?;
        results(run, &table, &params.metrics);
        run.summary = summary(&table);
        run.outputs.push(Output::from(table.clone()));
        let grouped = Grouped { prepared: &columns.prepared, forecasts: &scored, context: &context };
        for by in &params.by {
            match by.suits(&columns.prepared.time, columns.freq) {
                Ok(()) if *by == GroupParam::Horizon => run.outputs.extend(by_horizon(&table)),
                Ok(()) => run.outputs.extend(grouped.tables(*by, number)),
                // What was trained is not thrown away for a table.
                Err(reason) => run.notices.push(ungrouped(*by, &reason)),
            }
        }
        if params.metrics.contains(&MetricParam::Direction) {
            directions(run, &scored, &context.levels);
        }
        run.outputs.extend(interval_table);
        let claims_skill =
            run.spec.claims.iter().any(|c| c.address.parts().iter().any(|part| part == "skill"));
        for forecasts in &scored {
            let found = context.levels.iter().enumerate().take(forecasts.targets.len());
            let found =
                found.filter_map(|(k, levels)| guards::repeats_last(forecasts, k, levels, claims_skill));
            run.notices.extend(found);
        }
        Ok(Some(Value::Scores(Arc::new(ScoreData { table, forecasts: scored, windows, context }))))
    }
}

/// Metrics of quantiles or intervals of fits that have none.
fn without_spread(
    params: &EvaluateParams,
    action: &ActionSpec,
    fits: &[String],
    cell: &CellSpec,
    plan: &mut Plan<'_>,
) {
    for (n, metric) in params.metrics.iter().enumerate() {
        // An interval lies between two quantiles, or is calibrated.
        let (least, needed, otherwise) = match metric {
            m if m.needs_quantiles() => (1, "quantiles", ""),
            m if m.needs_interval() && params.intervals.is_none() => {
                (2, "an interval", ", or `intervals: {conformal: [80]}` beside the metrics")
            }
            _ => continue,
        };
        let count = |id: &String| {
            plan.quantile_fits.iter().find(|(name, _)| name == id).map_or(0, |(_, count)| *count)
        };
        let Some(first) = fits.iter().find(|id| count(id) < least) else { continue };
        let (name, forecast) =
            (metric.name(), if count(first) == 0 { "points" } else { "a single quantile" });
        let help =
            format!("write `loss: {{quantile: [0.1, 0.5, 0.9]}}` in the `train` of `{first}`{otherwise}");
        let place = plan.spec.document().place_of(&action.path.key("metrics").index(n));
        let finding = Diagnostic::error(
            "E0177",
            format!("`{name}` judges {needed}, and `{first}` forecasts {forecast}"),
        )
        .at(place, format!("needs {needed}"))
        .cell(&cell.id)
        .help(help);
        plan.findings.push(finding);
    }
}

/// Where forecasts come from.
enum ForecastSource {
    Fit(Arc<crate::value::Fit>),
    Baseline(Arc<ForecastData>),
}

impl ForecastSource {
    fn forecasts(&self) -> &ForecastData {
        match self {
            ForecastSource::Fit(fit) => &fit.forecasts,
            ForecastSource::Baseline(data) => data,
        }
    }
}

/// Whether an evaluation takes the fit `id`: because it names it, or names none and nobody took it before.
fn takes(params: &EvaluateParams, id: &str, evaluated: &[String]) -> bool {
    match params.fits.is_empty() {
        true => !evaluated.iter().any(|known| known == id),
        false => params.fits.iter().any(|name| name == id),
    }
}

/// Fits that an earlier evaluation of this run took.
fn evaluated_before(run: &CellRun<'_>) -> Vec<String> {
    let scores = run.earlier.iter().filter_map(|(_, value)| match value {
        Value::Scores(scores) => Some(scores),
        _ => None,
    });
    let names = |s: &Arc<ScoreData>| {
        let fits = s.forecasts.iter().filter(|f| f.kind == ForecastKind::Fit);
        fits.map(|f| f.name.clone()).collect::<Vec<_>>()
    };
    scores.flat_map(names).collect()
}

fn results(run: &mut CellRun<'_>, table: &SkillTable, metrics: &[MetricParam]) {
    let has_skill = |name: &str| metrics.iter().any(|m| m.name() == name && m.better() == Better::Smaller);
    for score in &table.scores {
        for (metric, value) in &score.metrics {
            run.result(&[&score.name, metric], *value);
            if score.kind == ForecastKind::Baseline || !has_skill(metric) {
                continue;
            }
            let plain = table.reference_for(metric).and_then(|b| table.skill(&score.name, metric, b));
            run.result(&[&score.name, "skill", metric], plain);
            for other in table.scores.iter().filter(|s| s.kind == ForecastKind::Baseline) {
                let skill = table.skill(&score.name, metric, &other.name);
                run.result(&[&score.name, "skill", &other.name, metric], skill);
            }
        }
    }
}

fn summary(table: &SkillTable) -> String {
    let first = |s: &forge_core::history::Score| match s.metrics.first() {
        Some((name, Some(value))) => format!("{} {name} {value:.5}", s.name),
        _ => s.name.clone(),
    };
    table.scores.iter().map(first).collect::<Vec<_>>().join(", ")
}
