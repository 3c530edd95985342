use super::groups::{GroupParam, Grouped, ungrouped};
use super::{CellKind, CellRun, Plan, missing, resolved, typed};
use crate::failure::Failure;
use crate::metrics::MetricParam;
use crate::registry::Registry;
use crate::spec::{ActionSpec, CellSpec, Spec};
use crate::value::{Value, ValueKind};
use forge_core::history::{Notice, Output};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// `show`: figures in the report.
#[derive(Clone, Copy, Debug)]
pub struct Show;

/// A figure or a list of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(example = ShowParams::Many(vec![ShowParam::DataOverview, ShowParam::SkillTable]))]
enum ShowParams {
    /// Several figures.
    Many(Vec<ShowParam>),
    /// One figure.
    One(ShowParam),
}

/// A figure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShowParam {
    /// The series with its parts, and its autocorrelation.
    DataOverview,
    /// Loss and metrics by epoch.
    LearningCurves,
    /// Forecast against what happened, with quantiles and intervals as bands, and residuals.
    ForecastFan,
    /// The error at each step ahead.
    ErrorByHorizon,
    /// Residuals, where `forecast_fan` does not draw them.
    Residuals,
    /// Scores of fits and baselines.
    SkillTable,
    /// A metric over two groupings of the forecasts.
    Heatmap(HeatmapParams),
}

/// What a heatmap shows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = HeatmapParams::default())]
pub struct HeatmapParams {
    /// Groups from left to right.
    pub x: GroupParam,
    /// Groups from top to bottom.
    pub y: GroupParam,
    /// The metric, in original units.
    pub value: MetricParam,
}

impl Default for HeatmapParams {
    fn default() -> Self {
        HeatmapParams { x: GroupParam::Hour, y: GroupParam::Horizon, value: MetricParam::Mae }
    }
}

impl ShowParam {
    /// What a forecast shows when a spec does not say.
    pub const FORECAST: [ShowParam; 4] =
        [ShowParam::DataOverview, ShowParam::LearningCurves, ShowParam::ForecastFan, ShowParam::SkillTable];

    fn needs(self) -> ValueKind {
        match self {
            ShowParam::DataOverview => ValueKind::Prepared,
            ShowParam::LearningCurves => ValueKind::Fit,
            ShowParam::ForecastFan
            | ShowParam::ErrorByHorizon
            | ShowParam::Residuals
            | ShowParam::SkillTable
            | ShowParam::Heatmap(_) => ValueKind::Scores,
        }
    }
}

/// Lags of the autocorrelation in a data overview.
const LAGS: usize = 40;

impl CellKind for Show {
    fn actions(&self, _registry: &Registry) -> Vec<(&'static str, Json)> {
        vec![typed::<ShowParams>("show")]
    }

    fn takes(&self) -> Option<ValueKind> {
        None
    }

    fn gives(&self) -> Option<ValueKind> {
        None
    }

    fn resolve(&self, spec: &Spec, action: &ActionSpec, _registry: &Registry) -> Result<Json, Failure> {
        resolved::<ShowParams>(spec, action)
    }

    fn plan(&self, cell: &CellSpec, plan: &mut Plan<'_>) {
        let Some(action) = cell.action("show") else { return };
        let Ok(params) = plan.spec.read::<ShowParams>(action) else { return };
        let list = match params {
            ShowParams::Many(list) => list,
            ShowParams::One(one) => vec![one],
        };
        for figure in list {
            if !plan.available.iter().any(|(_, kind)| *kind == figure.needs()) {
                let place = plan.spec.document().place_of(&action.path);
                plan.findings.push(
                    missing(figure.needs(), &cell.id).at(place, "nothing to draw it from").cell(&cell.id),
                );
            }
        }
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let Some(action) = run.cell.action("show") else { return Ok(None) };
        let list = match run.spec.read::<ShowParams>(action)? {
            ShowParams::Many(list) => list,
            ShowParams::One(one) => vec![one],
        };
        let fan = list.contains(&ShowParam::ForecastFan);
        for figure in list.into_iter().filter(|figure| !(fan && *figure == ShowParam::Residuals)) {
            if let ShowParam::Heatmap(map) = figure
                && let Some(notice) = unsuited(run, map)
            {
                run.notices.push(notice);
                continue;
            }
            let mut outputs = draw(figure, run.earlier);
            run.outputs.append(&mut outputs);
        }
        run.summary = format!("{} figures", run.outputs.len());
        Ok(None)
    }
}

/// What keeps the rows out of the groups of a heatmap.
fn unsuited(run: &CellRun<'_>, map: HeatmapParams) -> Option<Notice> {
    let scores = run.earlier.iter().rev().find_map(|(_, value)| match value {
        Value::Scores(scores) => Some(scores),
        _ => None,
    })?;
    let columns = &scores.windows.columns;
    [map.x, map.y].into_iter().find_map(|group| {
        let reason = group.suits(&columns.prepared.time, columns.freq).err()?;
        Some(ungrouped(group, &reason))
    })
}

/// The figure's data, from the nearest values that have it.
pub fn draw(figure: ShowParam, earlier: &[(String, Value)]) -> Vec<Output> {
    let nearest = |kind: ValueKind| earlier.iter().rev().map(|(_, v)| v).find(|v| v.kind() == kind);
    match (figure, nearest(figure.needs())) {
        (ShowParam::DataOverview, Some(Value::Prepared(data))) => (0..data.prepared.target_count)
            .filter_map(|target| data.prepared.overview(target, LAGS))
            .map(|overview| Output::DataOverview { overview })
            .collect(),
        (ShowParam::LearningCurves, Some(_)) => {
            let fits = earlier.iter().filter_map(|(_, v)| match v {
                Value::Fit(fit) => Some(fit.history.clone()),
                _ => None,
            });
            vec![Output::LearningCurves { fits: fits.collect() }]
        }
        (ShowParam::ForecastFan, Some(Value::Scores(scores))) => vec![Output::Forecast {
            axis: scores.windows.columns.prepared.axis.clone(),
            forecasts: scores.forecasts.clone(),
        }],
        (ShowParam::Residuals, Some(Value::Scores(scores))) => vec![Output::Residuals {
            axis: scores.windows.columns.prepared.axis.clone(),
            forecasts: scores.forecasts.clone(),
        }],
        (ShowParam::ErrorByHorizon, Some(Value::Scores(scores))) => {
            vec![Output::ErrorByHorizon { table: scores.table.clone() }]
        }
        (ShowParam::Heatmap(map), Some(Value::Scores(scores))) => {
            let grouped = Grouped {
                prepared: &scores.windows.columns.prepared,
                forecasts: &scores.forecasts,
                context: &scores.context,
            };
            vec![Output::Heatmap { heatmap: grouped.heatmap(map.value, map.x, map.y) }]
        }
        (ShowParam::SkillTable, Some(Value::Scores(scores))) => vec![Output::from(scores.table.clone())],
        _ => Vec::new(),
    }
}
