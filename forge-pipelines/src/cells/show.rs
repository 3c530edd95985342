use super::{CellKind, CellRun, Plan, missing, resolved, typed};
use crate::failure::Failure;
use crate::registry::Registry;
use crate::spec::{ActionSpec, CellSpec, Spec};
use crate::value::{Value, ValueKind};
use forge_core::history::Output;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

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
#[schemars(extend("x-later" = json!({
    "error_by_horizon": "`forecast_fan` draws it in this version",
    "residuals": "`forecast_fan` draws them in this version",
})))]
pub enum ShowParam {
    /// The series with its parts, and its autocorrelation.
    DataOverview,
    /// Loss and metrics by epoch.
    LearningCurves,
    /// Forecast against what happened, with residuals and the error at each step ahead.
    ForecastFan,
    /// Scores of fits and baselines.
    SkillTable,
}

impl ShowParam {
    /// What a forecast shows when a spec does not say.
    pub const FORECAST: [ShowParam; 4] =
        [ShowParam::DataOverview, ShowParam::LearningCurves, ShowParam::ForecastFan, ShowParam::SkillTable];

    fn needs(self) -> ValueKind {
        match self {
            ShowParam::DataOverview => ValueKind::Prepared,
            ShowParam::LearningCurves => ValueKind::Fit,
            ShowParam::ForecastFan | ShowParam::SkillTable => ValueKind::Scores,
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
        for figure in list {
            let mut outputs = draw(figure, run.earlier);
            run.outputs.append(&mut outputs);
        }
        run.summary = format!("{} figures", run.outputs.len());
        Ok(None)
    }
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
        (ShowParam::SkillTable, Some(Value::Scores(scores))) => vec![Output::from(scores.table.clone())],
        _ => Vec::new(),
    }
}
