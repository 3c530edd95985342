//! Figures: a piece of history in, Plotly data and layout out. One file a figure.

mod band;
mod canvas;
mod data_overview;
mod error_by_step;
mod forecast;
mod heatmap;
mod last_window;
mod learning_curves;
mod palette;
mod place;
mod profile;
mod residuals;
mod targets;
mod thin;

use crate::ReportError;
use crate::names::Names;
use forge_core::history::{Notebook, Output, SeriesOverview};
use palette::Palette;
use serde_json::Value;

/// Points of one trace at most.
const POINTS: usize = 2000;

/// A figure that a report shows, ready for Plotly.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedFigure {
    /// A name that is unique within the report and fit for a file, such as `learning_curves` or `forecast-2`.
    pub name: String,
    /// Title, shown above the figure. Plain text.
    pub title: String,
    /// What the figure shows, in a sentence or two. Plain text; may be empty.
    pub caption: String,
    /// The figure as Plotly takes it: `{"data": [...], "layout": {...}}`, in the colours of the light theme.
    pub json: Value,
}

/// What a figure may need to know of the rest of the notebook.
struct Surroundings<'a> {
    notebook: &'a Notebook,
    palette: Palette,
}

impl<'a> Surroundings<'a> {
    fn of(notebook: &'a Notebook) -> Self {
        Surroundings { notebook, palette: Palette::of(notebook) }
    }

    /// The series of a target, if some cell shows it.
    fn overview(&self, target: &str) -> Option<&'a SeriesOverview> {
        self.notebook.cells.iter().flat_map(|c| &c.outputs).find_map(|output| match output {
            Output::DataOverview { overview } if overview.name == target => Some(overview),
            _ => None,
        })
    }
}

/// The figures of one output, or why they can't be drawn.
pub(crate) type Drawn = Result<Vec<NamedFigure>, ReportError>;

/// The figures of a notebook, each with a name of its own.
pub(crate) struct AllDrawn {
    /// Of every output of every cell.
    pub cells: Vec<Vec<Drawn>>,
    /// Of the profile, if there is one.
    pub profile: Drawn,
}

/// The figures of a notebook.
pub(crate) fn draw_all(notebook: &Notebook) -> AllDrawn {
    let around = Surroundings::of(notebook);
    let mut names = Names::default();
    let mut named = |drawn: Drawn| {
        let mut figures = drawn?;
        for figure in &mut figures {
            figure.name = names.unique(&figure.name);
        }
        Ok(figures)
    };
    let mut of_output = |output: &Output| named(draw(output, &around));
    let cells = notebook.cells.iter().map(|cell| cell.outputs.iter().map(&mut of_output).collect()).collect();
    let profile = notebook.profile.as_ref().map_or(Ok(None), profile::draw);
    AllDrawn { cells, profile: named(profile.map(|figure| figure.into_iter().collect())) }
}

/// The figures that an output is drawn as: none for prose and plain tables.
fn draw(output: &Output, around: &Surroundings) -> Drawn {
    match output {
        Output::DataOverview { overview } => Ok(vec![data_overview::draw(overview)?]),
        Output::LearningCurves { fits } => Ok(learning_curves::draw(fits, around)?.into_iter().collect()),
        Output::Forecast { axis, forecasts } => {
            let mut figures = Vec::new();
            for target in targets::of(axis, forecasts)? {
                figures.extend(forecast::draw(&target, around)?);
                figures.extend(last_window::draw(&target, around)?);
                figures.extend(residuals::draw(&target, around)?);
            }
            Ok(figures)
        }
        Output::Residuals { axis, forecasts } => {
            let mut figures = Vec::new();
            for target in targets::of(axis, forecasts)? {
                figures.extend(residuals::draw(&target, around)?);
            }
            Ok(figures)
        }
        Output::Heatmap { heatmap } => Ok(heatmap::draw(heatmap)?.into_iter().collect()),
        Output::SkillTable { table } | Output::ErrorByHorizon { table } => {
            Ok(error_by_step::draw(table, around)?.into_iter().collect())
        }
        Output::Plotly { title, figure } => Ok(vec![given(title, figure)?]),
        Output::Prose { .. } | Output::Facts { .. } | Output::Table { .. } | Output::Asserts { .. } => {
            Ok(Vec::new())
        }
    }
}

/// A figure that another crate made.
fn given(title: &str, figure: &Value) -> Result<NamedFigure, ReportError> {
    if !figure.get("data").is_some_and(Value::is_array) {
        return Err(ReportError::Figure {
            figure: title.to_owned(),
            reason: "it has no `data` array; pass `{\"data\": [...], \"layout\": {...}}`".to_owned(),
        });
    }
    let name: String = title.to_lowercase().replace(' ', "_").chars().take(40).collect();
    let name = if name.is_empty() { "figure".to_owned() } else { name };
    Ok(NamedFigure { name, title: title.to_owned(), caption: String::new(), json: figure.clone() })
}
