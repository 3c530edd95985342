//! The learner of a `train` cell: its callbacks, and its events on their way to the run directory.

use super::params::{Monitor, Restore, TrainParams};
use crate::cells::CellRun;
use crate::dataset::WindowDataset;
use crate::failure::Failure;
use crate::metrics::{MetricParam, ScoreContext, score};
use crate::run::{EventLog, FitEvents, MetricLog, RunError};
use crate::spec::Diagnostic;
use crate::value::WindowData;
use forge_core::data::Dataset;
use forge_core::history::{Event, FitHistory, Forecasts, Level, Notice, Part};
use forge_core::learn::{
    Callback, EarlyStopping, Flow, Learner, ModelCheckpoint, ReduceOnPlateau, Snapshot, State, predict,
};
use forge_core::nn::Module;
use forge_core::{Cx, Device, Error, Tensor, profile};
use serde_json::{Value as Json, json};
use std::sync::{Arc, Mutex, PoisonError};

/// Metrics that are computed after each epoch, in original units.
const EPOCH_METRICS: [MetricParam; 3] = [MetricParam::Mae, MetricParam::Rmse, MetricParam::Mase];

/// Training steps of a smoke run.
const SMOKE_STEPS: usize = 3;

/// Trains with the callbacks that the parameters ask for; events go to the run directory.
pub(super) fn fit(
    run: &mut CellRun<'_>,
    params: &TrainParams,
    kind: &Json,
    data: &Arc<WindowData>,
    model: &mut dyn Module,
) -> Result<FitHistory, Failure> {
    let (train, val) =
        (WindowDataset::new(data.clone(), Part::Train), WindowDataset::new(data.clone(), Part::Val));
    let has_val = !data.windows.is_empty(Part::Val);
    if let Some(stop) = params.stop.as_ref().filter(|stop| !has_val && stop.monitor.part() == Part::Val) {
        return Err(nothing_to_monitor(run, stop.monitor).into());
    }
    let fallback = if has_val { Monitor::ValLoss } else { Monitor::TrainLoss };
    let monitor = params.stop.as_ref().map_or(fallback, |s| s.monitor).name();
    let writer = EventWriter::new(run);
    let failed = writer.failed.clone();
    let fingerprint = fingerprint(run, params, kind, data);
    let checkpoint = earlier(run, &fingerprint)?;
    run.active.metrics().rewind(&run.cell.id, checkpoint.as_ref().map_or(&[], |s| &s.history.epochs))?;
    let mut learner = Learner::new(&run.cell.id)
        .epochs(params.epochs)
        .batch_size(params.batch)
        .seed(run.spec.seed)
        .device(run.device)
        .monitor(monitor)
        .fingerprint(fingerprint)
        .interrupt(run.interrupt.clone())
        .listener(move |event: &Event| writer.write(event));
    if run.smoke {
        learner = learner.steps_per_epoch(SMOKE_STEPS);
    }
    learner = learner.loss(params.loss.function());
    if let Some(limit) = params.clip {
        learner = learner.clip_norm(limit);
    }
    let watched = params.stop.as_ref().map(|stop| stop.monitor.part());
    for part in [Part::Val, Part::Test] {
        if (part == Part::Val && has_val) || (part == Part::Test && watched == Some(part)) {
            learner = learner.callback(OriginalUnits::new(data, part, params, run));
        }
    }
    if let Some(plateau) = params.schedule.plateau()? {
        learner = learner.callback(ReduceOnPlateau::new(monitor, plateau));
    }
    learner = learner.callback(ModelCheckpoint::new(run.active.dir().fit_folder(&run.cell.id)?, monitor));
    if let Some(stop) = &params.stop {
        let early = EarlyStopping::new(monitor, stop.patience).restore_best(stop.restore == Restore::Best);
        learner = learner.callback(early);
    }
    if let Some(checkpoint) = checkpoint {
        learner = learner.resume_from(checkpoint);
    }
    let steps = train.len().div_ceil(params.batch);
    let mut optimizer = params.schedule.apply(params.optimizer.build(), params.epochs as u64, steps as u64);
    let history = learner.fit(model, &mut *optimizer, &train, has_val.then_some(&val as _))?;
    match failed.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(error.into()),
        None => Ok(history),
    }
}

/// The complaint about early stopping on a validation part without windows.
fn nothing_to_monitor(run: &CellRun<'_>, monitor: Monitor) -> Diagnostic {
    let name = monitor.name();
    let finding =
        Diagnostic::error("E0190", format!("`stop` watches `{name}`, and the val part has no window"))
            .help("give `val` a share in `split`, or write `stop: {monitor: train.loss}`");
    match run.cell.action("train") {
        Some(train) => {
            let place = run.spec.document().place_of(&train.path.key("stop").key("monitor"));
            finding.at(place, "nothing to watch")
        }
        None => finding,
    }
}

/// What the run's earlier process left of this fit, if the run goes on after a kill or an interruption. A fit that was
/// done is no special case: its checkpoint has nothing left to train.
fn earlier(run: &mut CellRun<'_>, fingerprint: &str) -> Result<Option<Snapshot>, Failure> {
    let folder = run.active.dir().fit_folder(&run.cell.id)?;
    let why = match Snapshot::load(&folder) {
        Ok(None) => return Ok(None),
        Ok(Some(snapshot)) if snapshot.fingerprint == fingerprint => return Ok(Some(snapshot)),
        Ok(Some(_)) => "its data or this program changed since".to_string(),
        Err(error) => error.to_string(),
    };
    let text = format!("`{}` is trained from the beginning, not from its checkpoint: {why}", run.cell.id);
    run.notices.push(Notice { code: String::new(), level: Level::Note, text });
    std::fs::remove_dir_all(&folder).map_err(|e| RunError::io("clear", &folder, e))?;
    run.active.dir().fit_folder(&run.cell.id)?;
    Ok(None)
}

/// A digest of all that decides what training computes: the program, the seed, model, parameters and data.
fn fingerprint(run: &CellRun<'_>, params: &TrainParams, kind: &Json, data: &WindowData) -> String {
    let prepared = &data.columns.prepared;
    let said = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "device": run.device.name(),
        "seed": run.spec.seed,
        "model": kind,
        "train": params,
        "window": data.windows.params,
        "targets": prepared.target_count,
        "parts": prepared.split.borders(),
        "features": data.windows.features(),
        "future": prepared.future_count,
        "calendar": prepared.calendar,
        "times": prepared.axis,
    });
    let mut digest = blake3::Hasher::new();
    digest.update(said.to_string().as_bytes());
    for column in &prepared.inputs {
        digest.update(json!([column.name, column.chain, column.raw.len()]).to_string().as_bytes());
        column.raw.iter().for_each(|v| _ = digest.update(&v.to_bits().to_le_bytes()));
    }
    digest.finalize().to_hex().to_string()
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

/// Adds the metrics of a part in original units to each epoch.
struct OriginalUnits {
    data: Arc<WindowData>,
    part: Part,
    context: ScoreContext,
    params: TrainParams,
    device: Device,
}

impl OriginalUnits {
    fn new(data: &Arc<WindowData>, part: Part, params: &TrainParams, run: &CellRun<'_>) -> Self {
        let columns = &data.columns;
        let context = ScoreContext::new(&columns.prepared, columns.freq, None, &EPOCH_METRICS);
        let (params, device) = (params.clone(), run.device.clone());
        OriginalUnits { data: data.clone(), part, context, params, device }
    }
}

impl Callback for OriginalUnits {
    fn epoch_end(&mut self, state: &mut State<'_>) -> forge_core::Result<Flow> {
        let part = self.part.name();
        let forecasts = on_part(state.model, &self.data, self.part, part, &self.params, &self.device)
            .map_err(|failure| Error::other(failure.finding.message.clone()))?;
        let _stage = profile::stage("metrics");
        let table = score(&[forecasts], &[], &self.context).map_err(|e| Error::other(e.to_string()))?;
        for (name, value) in table.scores.iter().flat_map(|s| &s.metrics) {
            state.record.metrics.push((format!("{part}.{name}"), value.unwrap_or(f64::NAN)));
        }
        Ok(Flow::Continue)
    }
}

/// A model's forecasts of a part, in original units.
pub(super) fn on_part(
    model: &dyn Module,
    data: &Arc<WindowData>,
    part: Part,
    name: &str,
    params: &TrainParams,
    device: &Device,
) -> Result<Forecasts, Failure> {
    let outputs = predict(model, &WindowDataset::new(data.clone(), part), params.batch, device)?;
    let (prepared, levels) = (&data.columns.prepared, params.loss.levels());
    Ok(data.windows.forecasts(prepared, part, name, levels, &outputs.to_vec::<f32>()?)?)
}

/// A model's outputs for the rows after the last known target.
pub(super) fn after_the_last(
    model: &dyn Module,
    data: &WindowData,
    device: &Device,
) -> forge_core::Result<Vec<f32>> {
    let _stage = profile::stage("prediction");
    let windows = &data.windows;
    let shape = [1, windows.params.lookback, windows.features()];
    let input = Tensor::from_vec(windows.last_input().to_vec(), &shape, device)?;
    model.forward(&Cx::infer(), &input)?.to_vec::<f32>()
}
