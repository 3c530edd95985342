//! What a run leaves behind: events, training curves, forecasts, scores and the notebook that a report renders.
//!
//! These are plain data. The learner makes them, a pipeline collects them, a report draws them: so a report can
//! be made from a hand-written training loop, and no crate that draws has to know how a model was trained.

mod event;
mod fit;
mod forecast;
mod notebook;
mod profile;
mod series;

pub use event::{Event, StopReason};
pub use fit::{EpochRecord, FitHistory, MetricPoint};
pub use forecast::{ForecastKind, Forecasts, Interval, Part, QuantileForecast, Score, SkillTable};
pub use notebook::{
    AssertOutcome, CellRecord, CellState, Fact, HeatLayer, Heatmap, Level, Notebook, Notice, Output,
    SourceRecord, Table, Verdict,
};
pub use profile::{CellProfile, Cost, Profile, ProfileRow, RunProfile};
pub use series::{SeriesOverview, TimeAxis};
