//! What cells hand to each other.

use crate::frame::Frame;
use crate::metrics::ScoreContext;
use crate::prepare::Prepared;
use crate::sources::Freq;
use crate::split::Split;
use crate::windows::Windows;
use forge_core::history::{FitHistory, Forecasts, Part, SkillTable};
use std::fmt;
use std::sync::Arc;

/// The type of a value between cells. A transform that must be fitted takes only a [`ValueKind::Split`], so fitting
/// one before the split is a type error of the spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValueKind {
    /// Columns as read.
    Frame,
    /// Columns with their parts.
    Split,
    /// Columns with roles, transformed.
    Prepared,
    /// Windows over them.
    Windows,
    /// Forecasts of baselines.
    Forecasts,
    /// A trained model.
    Fit,
    /// Scores.
    Scores,
}

impl ValueKind {
    /// The action that makes it, for messages.
    pub fn maker(self) -> &'static str {
        match self {
            ValueKind::Frame => "data",
            ValueKind::Split => "split",
            ValueKind::Prepared => "target",
            ValueKind::Windows => "window",
            ValueKind::Forecasts => "baseline",
            ValueKind::Fit => "model",
            ValueKind::Scores => "evaluate",
        }
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValueKind::Frame => "data",
            ValueKind::Split => "a split",
            ValueKind::Prepared => "prepared columns",
            ValueKind::Windows => "windows",
            ValueKind::Forecasts => "baseline forecasts",
            ValueKind::Fit => "a trained model",
            ValueKind::Scores => "scores",
        })
    }
}

/// Columns with their parts.
#[derive(Debug)]
pub struct SplitData {
    /// The columns.
    pub frame: Arc<Frame>,
    /// The parts.
    pub split: Split,
}

/// Columns with roles.
#[derive(Debug)]
pub struct PreparedData {
    /// The columns.
    pub prepared: Prepared,
    /// What the step between rows means: decides the season of MASE.
    pub freq: Freq,
}

/// Windows and what they were cut from.
#[derive(Debug)]
pub struct WindowData {
    /// The columns.
    pub columns: Arc<PreparedData>,
    /// The windows.
    pub windows: Windows,
}

/// Forecasts of several models or baselines on the validation and test parts.
#[derive(Debug)]
pub struct ForecastData {
    /// What they forecast.
    pub windows: Arc<WindowData>,
    /// On validation rows; empty where there are none.
    pub val: Vec<Forecasts>,
    /// On test rows.
    pub test: Vec<Forecasts>,
}

impl ForecastData {
    /// The forecasts on one part; none for train rows.
    pub fn part(&self, part: Part) -> &[Forecasts] {
        match part {
            Part::Train => &[],
            Part::Val => &self.val,
            Part::Test => &self.test,
        }
    }
}

/// A trained model's history and forecasts. Its weights are in the run directory.
#[derive(Debug)]
pub struct Fit {
    /// What happened in training.
    pub history: FitHistory,
    /// Forecasts of the kept weights.
    pub forecasts: ForecastData,
    /// Levels of the quantiles that the model forecasts, ascending; none for a model of points.
    pub levels: Vec<f64>,
    /// Their outputs for the rows after the last known target, `[horizon, targets, levels]` in transformed space.
    pub next: Vec<f32>,
}

/// Scores and what was scored.
#[derive(Debug)]
pub struct ScoreData {
    /// The scores.
    pub table: SkillTable,
    /// Fits, then baselines, on the part that was scored.
    pub forecasts: Vec<Forecasts>,
    /// What they forecast.
    pub windows: Arc<WindowData>,
    /// How they were scored.
    pub context: ScoreContext,
}

/// A value that a cell gave.
#[derive(Clone, Debug)]
pub enum Value {
    /// See [`ValueKind::Frame`].
    Frame(Arc<Frame>),
    /// See [`ValueKind::Split`].
    Split(Arc<SplitData>),
    /// See [`ValueKind::Prepared`].
    Prepared(Arc<PreparedData>),
    /// See [`ValueKind::Windows`].
    Windows(Arc<WindowData>),
    /// See [`ValueKind::Forecasts`].
    Forecasts(Arc<ForecastData>),
    /// See [`ValueKind::Fit`].
    Fit(Arc<Fit>),
    /// See [`ValueKind::Scores`].
    Scores(Arc<ScoreData>),
}

impl Value {
    /// Its type.
    pub fn kind(&self) -> ValueKind {
        match self {
            Value::Frame(_) => ValueKind::Frame,
            Value::Split(_) => ValueKind::Split,
            Value::Prepared(_) => ValueKind::Prepared,
            Value::Windows(_) => ValueKind::Windows,
            Value::Forecasts(_) => ValueKind::Forecasts,
            Value::Fit(_) => ValueKind::Fit,
            Value::Scores(_) => ValueKind::Scores,
        }
    }
}
