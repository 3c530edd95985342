//! How the learning rate moves in training.

use super::Optimizer;
use crate::{Error, Grads, Parameters, Result, Tensor};
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The learning rate as a function of the step alone, so there is nothing to save. The formulas are PyTorch's.
///
/// ```
/// use forge_core::optim::Schedule;
/// let cosine = Schedule::Cosine { total: 100, warmup: 0, floor: 0.0 };
/// assert_eq!(cosine.factor(0), 1.0);
/// assert!((cosine.factor(50) - 0.5).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The same rate throughout.
    Constant,
    /// Times `factor` after every so many steps.
    Step {
        /// Steps at one rate.
        every: u64,
        /// What the rate is multiplied by.
        factor: f64,
    },
    /// Up in a straight line, then down along half a cosine. Loshchilov and Hutter, *SGDR*, ICLR 2017.
    Cosine {
        /// Steps of the whole training.
        total: u64,
        /// Steps of the way up; step `t` of them has `(t + 1) / (warmup + 1)` of the rate.
        warmup: u64,
        /// The share of the rate that is reached after the last step.
        floor: f64,
    },
    /// From 1/25 up to the rate in the first 30 % of the steps and down to 1/250 000, each along half a cosine. Smith and
    /// Topin, *Super-convergence*, 2018; the defaults are PyTorch's, without its cycle of the momentum.
    OneCycle {
        /// Steps of the whole training.
        total: u64,
    },
}

impl Schedule {
    /// The share of the learning rate that step `t` (from 0) has. After the last step it stays where it is.
    pub fn factor(&self, t: u64) -> f64 {
        match *self {
            Schedule::Constant => 1.0,
            Schedule::Step { every, factor } => factor.powf((t / every.max(1)) as f64),
            Schedule::Cosine { warmup, .. } if t < warmup => (t + 1) as f64 / warmup.saturating_add(1) as f64,
            Schedule::Cosine { total, warmup, floor } => {
                let length = total.saturating_sub(warmup).max(1);
                half_cosine(1.0, floor, (t - warmup).min(length) as f64 / length as f64)
            }
            Schedule::OneCycle { total } => {
                const UP: f64 = 0.3;
                let (start, end) = (1.0 / 25.0, 1.0 / 25.0 / 1e4);
                let (t, last) = (t as f64, total as f64 - 1.0);
                let top = UP * total as f64 - 1.0;
                match t <= top {
                    true => half_cosine(start, 1.0, if top > 0.0 { t / top } else { 1.0 }),
                    false => {
                        half_cosine(1.0, end, ((t - top) / (last - top).max(f64::MIN_POSITIVE)).min(1.0))
                    }
                }
            }
        }
    }
}

/// From `start` at 0 to `end` at 1.
fn half_cosine(start: f64, end: f64, at: f64) -> f64 {
    end + 0.5 * (start - end) * (1.0 + (PI * at).cos())
}

/// An optimizer whose learning rate follows a schedule.
///
/// The rate of step t is the optimizer's times [`Schedule::factor`] = f(t).
///
/// ```
/// use forge_core::optim::{Optimizer, Schedule, Scheduled, Sgd};
/// let schedule = Schedule::Cosine { total: 100, warmup: 4, floor: 0.0 };
/// let sgd = Scheduled::new(Box::new(Sgd::new(0.5)), schedule);
/// assert_eq!(sgd.learning_rate(), 0.1);
/// ```
pub struct Scheduled {
    inner: Box<dyn Optimizer>,
    schedule: Schedule,
    rate: f64,
}

impl Scheduled {
    /// Schedules an optimizer; its present learning rate is the one that the schedule takes shares of.
    pub fn new(inner: Box<dyn Optimizer>, schedule: Schedule) -> Self {
        Scheduled { rate: inner.learning_rate(), inner, schedule }
    }
}

impl Optimizer for Scheduled {
    fn step(&mut self, model: &mut dyn Parameters, grads: &Grads) -> Result<()> {
        self.inner.set_learning_rate(self.learning_rate());
        self.inner.step(model, grads)
    }

    fn learning_rate(&self) -> f64 {
        self.rate * self.schedule.factor(self.inner.steps())
    }

    /// Does nothing: the schedule decides, so that a training which goes on from a checkpoint goes on to the bit.
    fn set_learning_rate(&mut self, _lr: f64) {}

    fn steps(&self) -> u64 {
        self.inner.steps()
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        self.inner.state()
    }

    fn load_state(&mut self, state: &[(String, Tensor)], steps: u64) -> Result<()> {
        self.inner.load_state(state, steps)
    }
}

/// Lowers the learning rate when a metric no longer falls: PyTorch's `ReduceLROnPlateau` with its defaults, an
/// improvement being at least 0.01 %. All of it is state that can be saved.
///
/// ```
/// use forge_core::optim::Plateau;
/// let mut plateau = Plateau::new(1, 0.5)?;
/// let rates: Vec<f64> = [3.0, 2.0, 2.0, 2.5, 2.0].iter().scan(0.1, |rate, loss| {
///     *rate = plateau.next_rate(*loss, *rate);
///     Some(*rate)
/// }).collect();
/// assert_eq!(rates, [0.1, 0.1, 0.1, 0.05, 0.05]); // one epoch without improvement is borne, the second is not
/// # Ok::<(), forge_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    patience: usize,
    factor: f64,
    best: Option<f64>,
    waited: usize,
}

impl Plateau {
    /// Multiplies the rate by `factor` when `patience` epochs in a row and one more bring no improvement.
    ///
    /// # Errors
    /// When `factor` is not between 0 and 1.
    pub fn new(patience: usize, factor: f64) -> Result<Self> {
        if !(factor > 0.0 && factor < 1.0) {
            return Err(Error::argument("plateau", format!("factor {factor} is not between 0 and 1")));
        }
        Ok(Plateau { patience, factor, best: None, waited: 0 })
    }

    /// The learning rate after an epoch with this value of the metric, given the one before. NaN is no improvement.
    pub fn next_rate(&mut self, metric: f64, rate: f64) -> f64 {
        const THRESHOLD: f64 = 1e-4;
        if metric < self.best.unwrap_or(f64::INFINITY) * (1.0 - THRESHOLD) {
            self.best = Some(metric);
            self.waited = 0;
            return rate;
        }
        self.waited += 1;
        if self.waited <= self.patience {
            return rate;
        }
        self.waited = 0;
        let lower = rate * self.factor;
        // PyTorch's floor of changes: one that no longer matters is not made.
        if rate - lower > 1e-8 { lower } else { rate }
    }
}
