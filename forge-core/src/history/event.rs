use serde::{Deserialize, Serialize};

/// Why training ended.
///
/// See [`FitHistory`](super::FitHistory).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum StopReason {
    /// All epochs that were asked for have run.
    Finished,
    /// A callback asked to stop, with its words.
    Callback {
        /// What the callback said, for instance `no better val.loss for 8 epochs`.
        message: String,
    },
    /// The user interrupted; a checkpoint was written where one was asked for.
    Interrupted,
}

/// What a learner says while it trains. A listener turns these into progress bars, files or messages.
///
/// Only [`Event::BatchEnd`] may be dropped when a listener is slow; all others always arrive, in order.
///
/// ```
/// use forge_core::history::{Event, StopReason};
/// let end = Event::TrainEnd { stop: StopReason::Finished, epochs: 3, seconds: 1.5 };
/// assert!(!end.is_droppable());
/// assert!(Event::BatchEnd { epoch: 0, step: 9, batch: 9, loss: 0.5 }.is_droppable());
/// let line = serde_json::to_string(&end).unwrap();
/// assert_eq!(line, r#"{"kind":"train_end","stop":{"reason":"finished"},"epochs":3,"seconds":1.5}"#);
/// assert_eq!(serde_json::from_str::<Event>(&line).unwrap(), end);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// Training starts.
    TrainBegin {
        /// Number of epochs asked for.
        epochs: usize,
        /// Steps (batches) in one epoch.
        steps_per_epoch: usize,
        /// Number of trainable scalars.
        parameters: usize,
        /// The epoch that is run first: 0, or later after a resume.
        first_epoch: usize,
    },
    /// An epoch starts (counted from 0).
    EpochBegin {
        /// Epoch, from 0.
        epoch: usize,
    },
    /// A step is done.
    BatchEnd {
        /// Epoch, from 0.
        epoch: usize,
        /// Step since training began, from 0.
        step: u64,
        /// Step within the epoch, from 0.
        batch: usize,
        /// Loss of this batch, before the update.
        loss: f64,
    },
    /// An epoch is done, with every metric that was computed.
    EpochEnd {
        /// The record, as it stands in the history.
        record: super::EpochRecord,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Epoch, from 0.
        epoch: usize,
        /// File name, relative to the fit's folder.
        file: String,
        /// `best` or `last`.
        role: String,
    },
    /// Training ended well.
    TrainEnd {
        /// Why.
        stop: StopReason,
        /// Epochs that ran.
        epochs: usize,
        /// Wall-clock seconds.
        seconds: f64,
    },
    /// Training ended with an error.
    Failed {
        /// The error's message.
        message: String,
    },
}

impl Event {
    /// Whether a slow listener may miss this event.
    pub fn is_droppable(&self) -> bool {
        matches!(self, Event::BatchEnd { .. })
    }
}
