//! `model` and `train`: builds a model and trains it.

mod fit;
mod model_file;
mod params;
mod quantiles;
mod schedule;

use super::{CellKind, CellRun, Plan, resolved, typed};
use crate::data_error::{DataError, Problem};
use crate::failure::Failure;
use crate::models::{self, ModelShape};
use crate::registry::Registry;
use crate::spec::{ActionSpec, CellSpec, Diagnostic, Spec};
use crate::value::{Fit, ForecastData, Value, ValueKind};
use fit::{after_the_last, fit, on_part};
use forge_core::history::{Fact, FitHistory, Output, Part, StopReason};
use forge_core::nn::Init;
use forge_core::profile;
use model_file::Description;
pub use params::{
    AdamParams, AdamwParams, HuberParams, LossKind, LossName, LossParam, Monitor, OptimizerKind,
    OptimizerName, OptimizerParam, Restore, SgdParams, StopParams, Strategy, TrainParams,
};
pub use quantiles::Quantiles;
pub use schedule::{
    CosineParams, Percent, PlateauParams, ScheduleKind, ScheduleName, ScheduleParam, StepParams, Warmup,
};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// `model` and `train`: builds a model and trains it.
#[derive(Clone, Copy, Debug)]
pub struct Training;

impl CellKind for Training {
    fn actions(&self, registry: &Registry) -> Vec<(&'static str, Json)> {
        vec![("model", registry.model_schema()), typed::<TrainParams>("train")]
    }

    fn takes(&self) -> Option<ValueKind> {
        Some(ValueKind::Windows)
    }

    fn gives(&self) -> Option<ValueKind> {
        Some(ValueKind::Fit)
    }

    fn resolve(&self, spec: &Spec, action: &ActionSpec, registry: &Registry) -> Result<Json, Failure> {
        if action.name == "train" {
            return resolved::<TrainParams>(spec, action);
        }
        let fault =
            |message: String| Failure::from(Diagnostic::error("E0190", format!("`model`: {message}")));
        let (kind, params) = registry.model(&action.params).ok_or_else(|| fault("unknown".into()))?;
        let params = kind.resolve(&params).map_err(|e| fault(e.to_string()))?;
        Ok(json!({ kind.name(): params }))
    }

    fn plan(&self, cell: &CellSpec, plan: &mut Plan<'_>) {
        plan.fits.push(cell.id.clone());
        let action = cell.action("train");
        let params = action.and_then(|train| plan.spec.read::<TrainParams>(train).ok());
        let count = params.as_ref().map_or(0, |params| params.loss.levels().len());
        if count > 0 {
            plan.quantile_fits.push((cell.id.clone(), count));
            quantiles::planned(cell, plan);
        }
        if let (Some(guard), Some(train)) = (params.and_then(|p| test_chooses(&p)), action) {
            plan.guard(cell, &train.path.key("stop").key("monitor"), "of the test part", guard);
        }
        for name in ["train.loss", "val.loss", "val.mae", "val.rmse", "val.mase"] {
            plan.result(cell, &name.split('.').collect::<Vec<_>>());
        }
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let Value::Windows(data) = run.input(ValueKind::Windows)?.clone() else { return Ok(None) };
        let mut params: TrainParams = run.params("train")?;
        if run.smoke {
            params.epochs = 1;
        }
        if let Some(guard) = test_chooses(&params) {
            run.allowed(guard)?;
        }
        let levels = params.loss.levels().to_vec();
        if !levels.is_empty() {
            quantiles::checked(run, &data)?;
        }
        let Some(action) = run.cell.action("model") else { return Ok(None) };
        let resolved = self.resolve(run.spec, action, run.registry)?;
        let (kind, model_params) =
            run.registry.model(&resolved).ok_or_else(|| CellRun::fault("the model's kind is unknown"))?;
        let shape = ModelShape {
            lookback: data.windows.params.lookback,
            features: data.windows.features(),
            outputs: data.windows.params.horizon * data.windows.targets() * levels.len().max(1),
        };
        let batch = params.batch.min(data.windows.len(Part::Train)) as u64;
        models::fits(kind, &model_params, shape, batch, params.optimizer.moments())?;
        let mut model = kind.build(&model_params, shape, &Init::new(run.spec.seed).on(run.device))?;
        let mut history = fit(run, &params, &resolved, &data, &mut *model).map_err(|mut failure| {
            let train = run.cell.action("train").map(|a| run.spec.document().key_place_of(&a.path));
            failure.finding.place = failure.finding.place.or(train);
            failure
        })?;
        if history.stop == StopReason::Interrupted {
            run.summary = format!("interrupted after {} epochs", history.epochs.len());
        }
        let folder = run.active.dir().fit_folder(&run.cell.id)?;
        // A metric that was never a number has no best epoch: the last weights are then the ones there are.
        let best_wanted = params.stop.as_ref().is_some_and(|s| s.restore == Restore::Best);
        let restored = best_wanted && history.best_epoch.is_some();
        if !restored {
            // The best epoch is on disk, but the weights that go on are the last.
            history.best_epoch = history.epochs.last().map(|e| e.epoch);
        }
        let on = |part| on_part(&*model, &data, part, &run.cell.id, &params, run.device);
        let mut forecasts =
            ForecastData { windows: data.clone(), val: Vec::new(), test: vec![on(Part::Test)?] };
        if !data.windows.is_empty(Part::Val) {
            forecasts.val.push(on(Part::Val)?);
        }
        let description = Description {
            model: &resolved,
            shape,
            levels: &levels,
            data: &data,
            val: forecasts.val.first(),
            weights: if restored { "best.safetensors" } else { "last.safetensors" },
        };
        {
            let _stage = profile::stage("model file");
            let text = format!("{:#}\n", description.json(run));
            crate::run::write_atomic(folder.join("model.json"), text.as_bytes())?;
        }
        let next = after_the_last(&*model, &data, run.device)?;
        report(run, &history, restored);
        Ok(Some(Value::Fit(Arc::new(Fit { history, forecasts, levels, next }))))
    }
}

/// Guard L06: the complaint about an epoch that is chosen by the part it is to be scored on.
fn test_chooses(params: &TrainParams) -> Option<DataError> {
    let stop = params.stop.as_ref().filter(|stop| stop.monitor.part() == Part::Test)?;
    Some(Problem::TestChooses { metric: stop.monitor.name() }.into())
}

/// Facts, results and a summary.
fn report(run: &mut CellRun<'_>, history: &FitHistory, restored: bool) {
    let kept = match (restored, history.best_epoch) {
        (true, Some(best)) => history.epochs.iter().find(|e| e.epoch == best),
        _ => history.epochs.last(),
    };
    let mut facts = vec![
        Fact::new("model", &history.model),
        Fact::new("parameters", history.parameters.to_string()),
        Fact::new("epochs", history.epochs.len().to_string()),
        Fact::new("time", format!("{:.1} s", history.seconds)),
    ];
    let why = match &history.stop {
        StopReason::Finished => "all epochs are done".to_string(),
        StopReason::Callback { message } => message.clone(),
        StopReason::Interrupted => "interrupted".to_string(),
    };
    facts.push(Fact::new("stopped", &why));
    if let Some(record) = kept {
        facts.push(Fact::new("weights kept", format!("epoch {}", record.epoch + 1)));
        for (name, value) in &record.metrics {
            run.result(&name.split('.').collect::<Vec<_>>(), value.is_finite().then_some(*value));
        }
        if run.summary.is_empty() {
            let loss = record.metric("val.loss").or(record.metric("train.loss")).unwrap_or(f64::NAN);
            run.summary = format!(
                "{} parameters, {} epochs, loss {loss:.5} in epoch {}",
                history.parameters,
                history.epochs.len(),
                record.epoch + 1
            );
        }
    }
    run.outputs.push(Output::Facts { facts });
}
