use super::{CellKind, CellRun, Plan, resolved, typed};
use crate::baselines::{BaselineParam, FittedBaseline};
use crate::failure::Failure;
use crate::registry::Registry;
use crate::spec::{ActionSpec, CellSpec, Spec};
use crate::value::{ForecastData, Value, ValueKind, WindowData};
use forge_core::history::Part;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// `baseline`: forecasts that learn nothing or next to nothing.
#[derive(Clone, Copy, Debug)]
pub struct Baselines;

/// A baseline or a list of them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(example = BaselineParams::Many(vec![BaselineParam::Last, BaselineParam::Drift]))]
enum BaselineParams {
    /// Several baselines.
    Many(Vec<BaselineParam>),
    /// One baseline.
    One(BaselineParam),
}

impl BaselineParams {
    fn list(self) -> Vec<BaselineParam> {
        match self {
            BaselineParams::Many(list) => list,
            BaselineParams::One(one) => vec![one],
        }
    }
}

/// The baselines that a fit is compared with when a spec names none: a fit is never shown alone.
pub(super) fn defaults(season: usize) -> Vec<BaselineParam> {
    let mut all = vec![BaselineParam::Last, BaselineParam::Drift, BaselineParam::Mean];
    if season > 1 {
        all.extend(NonZeroUsize::new(season).map(BaselineParam::Seasonal));
    }
    all
}

/// Forecasts of baselines on the validation and test parts.
pub(super) fn forecasts(baselines: &[BaselineParam], data: &Arc<WindowData>) -> ForecastData {
    let prepared = &data.columns.prepared;
    let fitted: Vec<FittedBaseline> = baselines.iter().map(|b| b.fitted(prepared, &data.windows)).collect();
    let on = |part| {
        let one = |b: &FittedBaseline| b.forecasts(prepared, &data.windows, part);
        if data.windows.is_empty(part) { Vec::new() } else { fitted.iter().map(one).collect() }
    };
    ForecastData { windows: data.clone(), val: on(Part::Val), test: on(Part::Test) }
}

impl CellKind for Baselines {
    fn actions(&self, _registry: &Registry) -> Vec<(&'static str, Json)> {
        vec![typed::<BaselineParams>("baseline")]
    }

    fn takes(&self) -> Option<ValueKind> {
        Some(ValueKind::Windows)
    }

    fn gives(&self) -> Option<ValueKind> {
        Some(ValueKind::Forecasts)
    }

    fn resolve(&self, spec: &Spec, action: &ActionSpec, _registry: &Registry) -> Result<Json, Failure> {
        resolved::<BaselineParams>(spec, action)
    }

    fn plan(&self, cell: &CellSpec, plan: &mut Plan<'_>) {
        let params = cell.action("baseline").and_then(|a| plan.spec.read::<BaselineParams>(a).ok());
        plan.baselines.extend(params.into_iter().flat_map(BaselineParams::list).map(BaselineParam::name));
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let Value::Windows(data) = run.input(ValueKind::Windows)?.clone() else { return Ok(None) };
        let Some(action) = run.cell.action("baseline") else { return Ok(None) };
        let mut list: Vec<BaselineParam> = Vec::new();
        for one in run.spec.read::<BaselineParams>(action)?.list() {
            one.suits(&data.columns.prepared)?;
            if !list.contains(&one) {
                list.push(one);
            }
        }
        run.summary = list.iter().map(|b| b.name()).collect::<Vec<_>>().join(", ");
        Ok(Some(Value::Forecasts(Arc::new(forecasts(&list, &data)))))
    }
}
