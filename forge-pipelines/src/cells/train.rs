use super::{CellKind, CellRun, Plan, resolved, typed};
use crate::dataset::WindowDataset;
use crate::failure::Failure;
use crate::metrics::{MetricParam, ScoreContext, score};
use crate::models::ModelShape;
use crate::registry::Registry;
use crate::run::{EventLog, FitEvents, MetricLog, RunError};
use crate::spec::{ActionSpec, CellSpec, Diagnostic, Spec};
use crate::value::{Fit, ForecastData, Value, ValueKind, WindowData};
use forge_core::history::{Event, Fact, FitHistory, Forecasts, Output, Part, StopReason};
use forge_core::learn::{Callback, EarlyStopping, Flow, Learner, ModelCheckpoint, State, predict};
use forge_core::nn::{Init, Module};
use forge_core::optim::{Adam, Optimizer, Sgd};
use forge_core::{Device, Error, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex, PoisonError};

/// `model` and `train`: builds a model and trains it.
#[derive(Clone, Copy, Debug)]
pub struct Training;

/// How a model is trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = TrainParams { stop: Some(StopParams::default()), ..TrainParams::default() })]
struct TrainParams {
    /// How often the train windows are gone through.
    #[schemars(range(min = 1))]
    epochs: usize,
    /// Windows in a step.
    #[schemars(range(min = 1))]
    batch: usize,
    /// What updates the weights.
    optimizer: OptimizerParam,
    /// What training makes small, in transformed space.
    loss: LossParam,
    /// How the steps of the horizon are forecast.
    strategy: Strategy,
    /// Largest norm of the gradient; longer ones are shortened to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("exclusiveMinimum" = 0.0), example = 1.0)]
    clip: Option<f64>,
    /// When to end early. Without it, all epochs run and the last weights are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    stop: Option<StopParams>,
}

impl Default for TrainParams {
    fn default() -> Self {
        TrainParams {
            epochs: 50,
            batch: 32,
            optimizer: OptimizerParam::Kind(OptimizerKind::Adam(AdamParams::default())),
            loss: LossParam::Mse,
            strategy: Strategy::Direct,
            clip: None,
            stop: None,
        }
    }
}

/// An optimizer: a name, or a one-key map with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(example = OptimizerParam::Kind(OptimizerKind::Adam(AdamParams::default())))]
enum OptimizerParam {
    /// With its defaults.
    Name(OptimizerName),
    /// With parameters.
    Kind(OptimizerKind),
}

/// An optimizer with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OptimizerName {
    Adam,
    Sgd,
}

/// An optimizer with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum OptimizerKind {
    /// Adam (Kingma and Ba, 2015).
    Adam(AdamParams),
    /// Stochastic gradient descent.
    Sgd(SgdParams),
}

/// Parameters of Adam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct AdamParams {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0), example = 0.001)]
    lr: f64,
}

impl Default for AdamParams {
    fn default() -> Self {
        AdamParams { lr: 0.001 }
    }
}

/// Parameters of stochastic gradient descent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct SgdParams {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0.0), example = 0.01)]
    lr: f64,
    /// Share of the velocity that a step keeps.
    #[schemars(range(min = 0.0, max = 0.9999))]
    momentum: f64,
    /// Whether the gradient is taken ahead along the velocity.
    nesterov: bool,
}

impl Default for SgdParams {
    fn default() -> Self {
        SgdParams { lr: 0.01, momentum: 0.0, nesterov: false }
    }
}

impl OptimizerParam {
    fn build(&self) -> Box<dyn Optimizer> {
        let adam = |p: &AdamParams| Box::new(Adam::new(p.lr));
        let sgd = |p: &SgdParams| Box::new(Sgd::new(p.lr).momentum(p.momentum).nesterov(p.nesterov));
        match self {
            OptimizerParam::Name(OptimizerName::Adam) => adam(&AdamParams::default()),
            OptimizerParam::Name(OptimizerName::Sgd) => sgd(&SgdParams::default()),
            OptimizerParam::Kind(OptimizerKind::Adam(params)) => adam(params),
            OptimizerParam::Kind(OptimizerKind::Sgd(params)) => sgd(params),
        }
    }
}

/// A loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum LossParam {
    /// Mean squared error.
    Mse,
    /// Mean absolute error.
    Mae,
}

/// How a horizon is forecast.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Strategy {
    /// One output for each step ahead, all at once.
    Direct,
}

/// Early stopping.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = StopParams::default())]
struct StopParams {
    /// The metric that must get smaller. `val.mae`, `val.rmse` and `val.mase` are in original units.
    monitor: Monitor,
    /// Epochs to wait for it.
    #[schemars(range(min = 1))]
    patience: usize,
    /// Which weights are kept.
    restore: Restore,
}

impl Default for StopParams {
    fn default() -> Self {
        StopParams { monitor: Monitor::ValLoss, patience: 8, restore: Restore::Best }
    }
}

/// A metric of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Monitor {
    #[serde(rename = "train.loss")]
    TrainLoss,
    #[serde(rename = "val.loss")]
    ValLoss,
    #[serde(rename = "val.mae")]
    ValMae,
    #[serde(rename = "val.rmse")]
    ValRmse,
    #[serde(rename = "val.mase")]
    ValMase,
}

impl Monitor {
    fn name(self) -> &'static str {
        match self {
            Monitor::TrainLoss => "train.loss",
            Monitor::ValLoss => "val.loss",
            Monitor::ValMae => "val.mae",
            Monitor::ValRmse => "val.rmse",
            Monitor::ValMase => "val.mase",
        }
    }
}

/// Which weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Restore {
    /// Those of the epoch with the smallest monitored metric.
    Best,
    /// Those of the last epoch.
    Last,
}

/// Metrics of the validation part that are computed after each epoch, in original units.
const VAL_METRICS: [MetricParam; 3] = [MetricParam::Mae, MetricParam::Rmse, MetricParam::Mase];

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
        for name in ["train.loss", "val.loss", "val.mae", "val.rmse", "val.mase"] {
            plan.result(cell, &name.split('.').collect::<Vec<_>>());
        }
    }

    fn run(&self, run: &mut CellRun<'_>) -> Result<Option<Value>, Failure> {
        let Value::Windows(data) = run.input(ValueKind::Windows)?.clone() else { return Ok(None) };
        let params: TrainParams = run.params("train")?;
        let Some(action) = run.cell.action("model") else { return Ok(None) };
        let resolved = self.resolve(run.spec, action, run.registry)?;
        let (kind, model_params) =
            run.registry.model(&resolved).ok_or_else(|| CellRun::fault("the model's kind is unknown"))?;
        let shape = ModelShape {
            lookback: data.windows.params.lookback,
            features: data.windows.features(),
            outputs: data.windows.params.horizon * data.windows.targets(),
        };
        let mut model = kind.build(&model_params, shape, &Init::new(run.spec.seed).on(run.device))?;
        let mut history = fit(run, &params, &data, &mut *model)?;
        if history.stop == StopReason::Interrupted {
            run.summary = format!("interrupted after {} epochs", history.epochs.len());
        }
        let folder = run.active.dir().fit_folder(&run.cell.id)?;
        let restored = params.stop.as_ref().is_some_and(|s| s.restore == Restore::Best);
        if !restored {
            // The best epoch is on disk, but the weights that go on are the last.
            history.best_epoch = history.epochs.last().map(|e| e.epoch);
        }
        let description = describe(run, &resolved, shape, &data, restored);
        let text = format!("{description:#}\n");
        crate::run::write_atomic(folder.join("model.json"), text.as_bytes())?;
        let on = |part| on_part(&*model, &data, part, &run.cell.id, params.batch, run.device);
        let mut forecasts =
            ForecastData { windows: data.clone(), val: Vec::new(), test: vec![on(Part::Test)?] };
        if !data.windows.is_empty(Part::Val) {
            forecasts.val.push(on(Part::Val)?);
        }
        report(run, &history, restored);
        Ok(Some(Value::Fit(Arc::new(Fit { history, forecasts }))))
    }
}

/// Trains with the callbacks that the parameters ask for; events go to the run directory.
fn fit(
    run: &CellRun<'_>,
    params: &TrainParams,
    data: &Arc<WindowData>,
    model: &mut dyn Module,
) -> Result<FitHistory, Failure> {
    let (train, val) =
        (WindowDataset::new(data.clone(), Part::Train), WindowDataset::new(data.clone(), Part::Val));
    let has_val = !data.windows.is_empty(Part::Val);
    let fallback = if has_val { Monitor::ValLoss } else { Monitor::TrainLoss };
    let monitor = params.stop.as_ref().map_or(fallback, |s| s.monitor).name();
    let writer = EventWriter::new(run);
    let failed = writer.failed.clone();
    let mut learner = Learner::new(&run.cell.id)
        .epochs(params.epochs)
        .batch_size(params.batch)
        .seed(run.spec.seed)
        .device(run.device)
        .monitor(monitor)
        .interrupt(run.interrupt.clone())
        .listener(move |event: &Event| writer.write(event));
    if params.loss == LossParam::Mae {
        learner = learner.loss(|prediction: &Tensor, target: &Tensor| prediction.mae(target));
    }
    if let Some(limit) = params.clip {
        learner = learner.clip_norm(limit);
    }
    if has_val {
        learner = learner.callback(OriginalUnits::new(data, params.batch, run));
    }
    learner = learner.callback(ModelCheckpoint::new(run.active.dir().fit_folder(&run.cell.id)?, monitor));
    if let Some(stop) = &params.stop {
        let early = EarlyStopping::new(monitor, stop.patience).restore_best(stop.restore == Restore::Best);
        learner = learner.callback(early);
    }
    let mut optimizer = params.optimizer.build();
    let history = learner.fit(model, &mut *optimizer, &train, has_val.then_some(&val as _))?;
    match failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(error.into()),
        None => Ok(history),
    }
}

/// Writes a learner's events to the run directory, and keeps the first error for the end of training.
struct EventWriter {
    cell: String,
    convert: Mutex<FitEvents>,
    events: Arc<EventLog>,
    metrics: Arc<MetricLog>,
    failed: Arc<Mutex<Option<RunError>>>,
}

impl EventWriter {
    fn new(run: &CellRun<'_>) -> Self {
        EventWriter {
            cell: run.cell.id.clone(),
            convert: Mutex::new(FitEvents::new(&run.cell.id)),
            events: run.active.events().clone(),
            metrics: run.active.metrics().clone(),
            failed: Arc::default(),
        }
    }

    fn write(&self, event: &Event) {
        let converted = self.convert.lock().unwrap_or_else(PoisonError::into_inner).convert(event);
        let mut result = converted.map_or(Ok(()), |event| self.events.emit(event));
        if let Event::EpochEnd { record } = event {
            result = result.and(self.metrics.epoch(&self.cell, record));
        }
        if let Err(error) = result {
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
    }
}

/// Adds the validation metrics in original units to each epoch.
struct OriginalUnits {
    data: Arc<WindowData>,
    context: ScoreContext,
    batch: usize,
    device: Device,
}

impl OriginalUnits {
    fn new(data: &Arc<WindowData>, batch: usize, run: &CellRun<'_>) -> Self {
        let columns = &data.columns;
        let context = ScoreContext::new(&columns.prepared, columns.freq, None, &VAL_METRICS);
        OriginalUnits { data: data.clone(), context, batch, device: run.device.clone() }
    }
}

impl Callback for OriginalUnits {
    fn epoch_end(&mut self, state: &mut State<'_>) -> forge_core::Result<Flow> {
        let forecasts = on_part(state.model, &self.data, Part::Val, "val", self.batch, &self.device)
            .map_err(|failure| Error::other(failure.finding.message.clone()))?;
        let table = score(&[forecasts], &[], &self.context).map_err(|e| Error::other(e.to_string()))?;
        for (name, value) in table.scores.iter().flat_map(|s| &s.metrics) {
            state.record.metrics.push((format!("val.{name}"), value.unwrap_or(f64::NAN)));
        }
        Ok(Flow::Continue)
    }
}

/// A model's forecasts of a part, in original units.
fn on_part(
    model: &dyn Module,
    data: &Arc<WindowData>,
    part: Part,
    name: &str,
    batch: usize,
    device: &Device,
) -> Result<Forecasts, Failure> {
    let outputs = predict(model, &WindowDataset::new(data.clone(), part), batch, device)?;
    Ok(data.windows.forecasts(&data.columns.prepared, part, name, &outputs.to_vec::<f32>()?)?)
}

/// What `model.json` holds: all that is needed to forecast again without the spec and the data.
fn describe(run: &CellRun<'_>, model: &Json, shape: ModelShape, data: &WindowData, best: bool) -> Json {
    let prepared = &data.columns.prepared;
    let start = prepared.rows().saturating_sub(shape.lookback + prepared.first_valid_row);
    let columns: Vec<Json> = prepared
        .inputs
        .iter()
        .map(|c| json!({"name": c.name, "transforms": c.chain, "last": c.raw[start..]}))
        .collect();
    let times: Vec<String> = (start..prepared.rows()).map(|row| prepared.axis.label(row)).collect();
    json!({
        "schema": 1,
        "task": "forecast",
        "model": model,
        "shape": shape,
        "horizon": data.windows.params.horizon,
        "targets": prepared.target_count,
        "columns": columns,
        "last_times": times,
        "frequency": data.columns.freq.to_string(),
        "seed": run.spec.seed,
        "weights": if best { "best.safetensors" } else { "last.safetensors" },
    })
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
