use super::CallbackState;
use crate::history::FitHistory;
use crate::{Error, ErrorKind, Result, Tensor, checkpoint};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// The file that a training goes on from.
pub(super) const LAST: &str = "last.safetensors";

/// Everything that training needs to go on after an epoch, to the bit.
///
/// Sample order and random layers are functions of (seed, epoch, step), so nothing of them has to be kept.
///
/// One file holds all of it: the tensors of a safetensors file, and the rest as text in its header. A file that is
/// replaced whole is from one epoch or from another, so no kill, at whatever moment, can pair the weights of one epoch
/// with the history of the next; two files would need a rule for every way in which they may disagree.
///
/// ```
/// use forge_core::{data::TensorDataset, learn::{Learner, ModelCheckpoint, Snapshot}, nn::{Init, Linear}, optim::Adam};
/// use forge_core::{Parameters, Tensor};
/// let data = TensorDataset::new(Tensor::new(&[1.0f32, 2.0], &[2, 1])?, Tensor::new(&[3.0f32, 5.0], &[2, 1])?)?;
/// let folder = tempfile::tempdir().unwrap();
/// let learner = |epochs| Learner::new("line").epochs(epochs).callback(ModelCheckpoint::new(folder.path(), "train.loss"));
/// let model = || Linear::new(&Init::new(1), 1, 1);
/// learner(3).fit(&mut model()?, &mut Adam::new(0.05), &data, None)?;
/// let snapshot = Snapshot::load(folder.path())?.unwrap();
/// assert_eq!(snapshot.history.epochs.len(), 3);
/// let mut resumed = model()?;
/// let history = learner(6).resume_from(snapshot).fit(&mut resumed, &mut Adam::new(0.05), &data, None)?;
/// assert_eq!(history.epochs.len(), 6);
/// # Ok::<(), forge_core::Error>(())
/// ```
///
/// ```
/// # use forge_core::{history::{FitHistory, StopReason}, learn::Snapshot};
/// # let history = FitHistory { name: "line".into(), model: String::new(), parameters: 2, epochs: Vec::new(), monitor: None,
/// #     best_epoch: None, stop: StopReason::Finished, seconds: 0.0 };
/// let snapshot = Snapshot { history, step: 12, learning_rate: 0.1, fingerprint: "data 7".into(), weights: Vec::new(),
///     moments: Vec::new(), average: Vec::new(), callbacks: Vec::new() };
/// let folder = tempfile::tempdir().unwrap();
/// snapshot.save(folder.path())?;
/// assert_eq!(Snapshot::load(folder.path())?.unwrap().fingerprint, "data 7");
/// assert_eq!(snapshot.text()["step"], 12);
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The history so far. Its `stop` is [`StopReason::Callback`](crate::history::StopReason::Callback) if a callback
    /// ended training in the last of its epochs; there is then nothing left to train.
    pub history: FitHistory,
    /// Optimizer steps taken.
    pub step: u64,
    /// Learning rate of the next step.
    pub learning_rate: f64,
    /// What the training was made with, in the caller's words: see [`Learner::fingerprint`](super::Learner::fingerprint).
    pub fingerprint: String,
    /// The model's weights by name.
    pub weights: Vec<(String, Tensor)>,
    /// The optimizer's moments by name.
    pub moments: Vec<(String, Tensor)>,
    /// The average of weights by name; empty where none is taken.
    pub average: Vec<(String, Tensor)>,
    /// What each callback remembers, in the order of the callbacks.
    pub callbacks: Vec<CallbackState>,
}

/// The part of a snapshot that is text.
#[derive(Serialize, Deserialize)]
struct Text {
    schema: u32,
    epoch: usize,
    step: u64,
    learning_rate: f64,
    fingerprint: String,
    callbacks: Vec<Value>,
    history: FitHistory,
}

const SCHEMA: u32 = 1;

impl Snapshot {
    /// Writes `last.safetensors` in a folder.
    ///
    /// # Errors
    /// When the folder is missing, full, or not writable.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let named = |prefix: String, tensors: &[(String, Tensor)]| {
            tensors.iter().map(|(name, t)| (format!("{prefix}.{name}"), t.clone())).collect::<Vec<_>>()
        };
        let mut all = named("model".into(), &self.weights);
        all.extend(named("optimizer".into(), &self.moments));
        all.extend(named("average".into(), &self.average));
        for (n, callback) in self.callbacks.iter().enumerate() {
            all.extend(named(format!("callback.{n}"), &callback.tensors));
        }
        checkpoint::save(&folder.join(LAST), &all, &[("training", self.text().to_string())])
    }

    /// Everything but the tensors, for people and other programs to read.
    pub fn text(&self) -> Value {
        let text = Text {
            schema: SCHEMA,
            epoch: self.history.epochs.last().map_or(0, |e| e.epoch),
            step: self.step,
            learning_rate: self.learning_rate,
            fingerprint: self.fingerprint.clone(),
            callbacks: self.callbacks.iter().map(|c| c.values.clone()).collect(),
            history: self.history.clone(),
        };
        serde_json::to_value(text).unwrap_or_default()
    }

    /// Reads `last.safetensors` of a folder, if it is there.
    ///
    /// # Errors
    /// When the file cannot be read, is torn, or was not written by a training of this version.
    pub fn load(folder: &Path) -> Result<Option<Snapshot>> {
        let path = folder.join(LAST);
        if !path.try_exists().map_err(|e| Error::io("read", &path, e))? {
            return Ok(None);
        }
        let contents = checkpoint::load(&path)?;
        let wrong = |message: String| Error::from(ErrorKind::Checkpoint { path: path.clone(), message });
        let note = contents
            .notes
            .get("training")
            .ok_or_else(|| wrong("holds no training to go on with; train from the beginning".into()))?;
        let text: Text = serde_json::from_str(note)
            .map_err(|e| wrong(format!("is not what this version writes ({e}); train from the beginning")))?;
        if text.schema != SCHEMA {
            return Err(wrong(format!("has schema {}, this version reads {SCHEMA}", text.schema)));
        }
        let take = |prefix: &str| -> Vec<(String, Tensor)> {
            let rest =
                |(name, t): &(String, Tensor)| Some((name.strip_prefix(prefix)?.to_owned(), t.clone()));
            contents.tensors.iter().filter_map(rest).collect()
        };
        let callback = |(n, values)| CallbackState { values, tensors: take(&format!("callback.{n}.")) };
        Ok(Some(Snapshot {
            history: text.history,
            step: text.step,
            learning_rate: text.learning_rate,
            fingerprint: text.fingerprint,
            weights: take("model."),
            moments: take("optimizer."),
            average: take("average."),
            callbacks: text.callbacks.into_iter().enumerate().map(callback).collect(),
        }))
    }
}

/// A number as JSON, exactly: JSON has no NaN and no infinity, so these are words.
pub(super) fn number(value: Option<f64>) -> Value {
    match value {
        Some(v) if !v.is_finite() => Value::from(v.to_string()),
        value => Value::from(value),
    }
}

/// Reads what [`number`] wrote.
pub(super) fn read_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}
