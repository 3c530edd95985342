use super::{Outlet, Snapshot};
use crate::history::EpochRecord;
use crate::nn::Module;
use crate::optim::Optimizer;
use crate::{Error, Result, Tensor};
use serde_json::Value;

/// Whether training goes on.
///
/// See [`Callback`].
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// It goes on.
    Continue,
    /// It ends after this epoch, for this reason.
    Stop(String),
}

/// What a callback sees at the end of an epoch.
///
/// See [`Callback`].
pub struct State<'a> {
    /// The model, as it stands.
    pub model: &'a mut dyn Module,
    /// The optimizer, for schedules.
    pub optimizer: &'a mut dyn Optimizer,
    /// The epoch's metrics; a callback may add to them, and later callbacks see what it added.
    pub record: &'a mut EpochRecord,
    /// For events of the callback's own.
    pub outlet: &'a Outlet,
    /// Where a callback writes which epoch's weights are the ones to keep.
    pub best_epoch: &'a mut Option<usize>,
}

impl State<'_> {
    /// The value of a metric.
    ///
    /// See [`Callback`].
    ///
    /// # Errors
    /// When the epoch has no such metric; the message names those it has.
    pub fn metric(&self, name: &str) -> Result<f64> {
        self.record.metric(name).ok_or_else(|| {
            let known: Vec<&str> = self.record.metrics.iter().map(|(n, _)| n.as_str()).collect();
            Error::other(format!(
                "no metric `{name}` to monitor; this training computes {}",
                known.join(", ")
            ))
        })
    }
}

/// What a callback remembers from one epoch to the next.
///
/// See [`Callback`].
#[derive(Clone, Debug, Default)]
pub struct CallbackState {
    /// Counters and best values. A number that is not finite must not stand here as a number: JSON has none.
    pub values: Value,
    /// Weights that it keeps, by name.
    pub tensors: Vec<(String, Tensor)>,
}

/// Something that sees the model and the metrics, and may end training. Callbacks run in the order in which they were
/// given, on the training thread.
///
/// ```
/// use forge_core::{learn::{Callback, CallbackState, Flow, Learner, Snapshot, State, Outlet}, nn::{Init, Linear, Module}};
/// use forge_core::{data::TensorDataset, history::StopReason, optim::Sgd, Result, Tensor};
///
/// /// Ends training when the loss is small enough, and counts epochs.
/// #[derive(Default)]
/// struct GoodEnough { limit: f64, epochs: u64 }
///
/// impl Callback for GoodEnough {
///     fn train_begin(&mut self, model: &mut dyn Module) -> Result<()> {
///         assert_eq!(model.describe(), "linear(1 → 1)");
///         Ok(())
///     }
///     fn epoch_end(&mut self, state: &mut State<'_>) -> Result<Flow> {
///         self.epochs += 1;
///         Ok(match state.metric("train.loss")? < self.limit {
///             true => Flow::Stop("good enough".to_owned()),
///             false => Flow::Continue,
///         })
///     }
///     fn epoch_recorded(&mut self, snapshot: &Snapshot, _outlet: &Outlet) -> Result<()> {
///         assert_eq!(snapshot.history.epochs.len() as u64, self.epochs);
///         Ok(())
///     }
///     fn state(&self) -> CallbackState {
///         CallbackState { values: self.epochs.into(), tensors: Vec::new() }
///     }
///     fn load_state(&mut self, state: CallbackState) -> Result<()> {
///         self.epochs = state.values.as_u64().unwrap_or(0);
///         Ok(())
///     }
///     fn train_end(&mut self, _model: &mut dyn Module) -> Result<()> {
///         assert!(self.epochs > 1);
///         Ok(())
///     }
/// }
///
/// let x = Tensor::new(&[0.0f32, 1.0], &[2, 1])?;
/// let data = TensorDataset::new(x.clone(), x)?;
/// let mut model = Linear::new(&Init::new(0), 1, 1)?;
/// let learner = Learner::new("line").epochs(500).callback(GoodEnough { limit: 1e-4, epochs: 0 });
/// let history = learner.fit(&mut model, &mut Sgd::new(0.5), &data, None)?;
/// assert_eq!(history.stop, StopReason::Callback { message: "good enough".to_owned() });
/// assert!(history.epochs.len() < 500);
/// # Ok::<(), forge_core::Error>(())
/// ```
pub trait Callback: Send {
    /// Before the first epoch.
    ///
    /// # Errors
    /// Any ends training before it begins.
    fn train_begin(&mut self, _model: &mut dyn Module) -> Result<()> {
        Ok(())
    }

    /// After each epoch.
    ///
    /// # Errors
    /// Any ends training.
    fn epoch_end(&mut self, state: &mut State<'_>) -> Result<Flow>;

    /// After each epoch, once every callback has seen it and its record is part of the history: with all that is needed
    /// to go on from here.
    ///
    /// # Errors
    /// Any ends training; the epoch has run.
    fn epoch_recorded(&mut self, _snapshot: &Snapshot, _outlet: &Outlet) -> Result<()> {
        Ok(())
    }

    /// What it remembers. A callback whose next decision depends on earlier epochs gives that here, or a training that
    /// is resumed takes another course than one that was never interrupted.
    fn state(&self) -> CallbackState {
        CallbackState::default()
    }

    /// Takes over what [`Callback::state`] gave in an earlier process; called after [`Callback::train_begin`].
    ///
    /// # Errors
    /// When the state is of another callback.
    fn load_state(&mut self, _state: CallbackState) -> Result<()> {
        Ok(())
    }

    /// After the last epoch, however training ended, unless with an error.
    ///
    /// # Errors
    /// Any is what [`Learner::fit`](super::Learner::fit) gives.
    fn train_end(&mut self, _model: &mut dyn Module) -> Result<()> {
        Ok(())
    }
}

/// Whether a metric should fall or rise.
///
/// ```
/// use forge_core::learn::Goal;
/// assert!(Goal::Minimize.beats(0.7, Some(0.9), 0.1) && !Goal::Minimize.beats(0.85, Some(0.9), 0.1));
/// assert!(Goal::Maximize.beats(0.95, Some(0.9), 0.0) && Goal::Maximize.beats(-5.0, None, 0.0));
/// assert!(!Goal::Minimize.beats(f64::NAN, None, 0.0));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Smaller is better: losses and errors.
    Minimize,
    /// Larger is better: accuracy, skill.
    Maximize,
}

impl Goal {
    /// Whether `value` beats `best` by more than `margin`. NaN beats nothing.
    pub fn beats(self, value: f64, best: Option<f64>, margin: f64) -> bool {
        match (self, best) {
            _ if value.is_nan() => false,
            (_, None) => true,
            (Goal::Minimize, Some(best)) => value < best - margin,
            (Goal::Maximize, Some(best)) => value > best + margin,
        }
    }
}
