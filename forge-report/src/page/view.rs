//! What the templates see: the notebook with every number and every mark already in words.

use super::{markdown, profile, skill, spec_text};
use crate::figure::{self, Drawn, NamedFigure};
use crate::names::Names;
use crate::{ReportError, html, number};
use forge_core::history::{
    AssertOutcome, CellRecord, CellState, Fact, Level, Notebook, Notice, Output, SourceRecord, Table,
};
use jiff::Timestamp;
use serde::Serialize;

#[derive(Serialize)]
pub(super) struct Page<'a> {
    title: &'a str,
    written: String,
    verdict: Option<(Mark, &'a str)>,
    asserts: &'a [AssertOutcome],
    facts: &'a [Fact],
    notices: Vec<(Mark, &'a Notice)>,
    cells: Vec<Cell<'a>>,
    profile: Option<profile::View<'a>>,
    sources: Vec<Source<'a>>,
    environment: &'a [Fact],
    resolved: Vec<spec_text::Line<'a>>,
    reproduce: &'a str,
}

/// A level as a colour, a sign and a word: never the colour alone.
#[derive(Serialize)]
struct Mark {
    class: &'static str,
    sign: &'static str,
    word: &'static str,
}

#[derive(Serialize)]
struct Cell<'a> {
    anchor: String,
    id: &'a str,
    actions: &'a [String],
    /// Prose stands without head and badge.
    prose: bool,
    badge: Badge<'a>,
    failure: &'a str,
    line: usize,
    source: Vec<spec_text::Line<'a>>,
    outputs: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Badge<'a> {
    class: &'static str,
    text: String,
    /// The moment that a cached value was made; empty otherwise.
    made: &'a str,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Shown<'a> {
    Prose { html: String },
    Facts { facts: &'a [Fact] },
    Table { table: &'a Table, folded: bool },
    Asserts { outcomes: &'a [AssertOutcome] },
    Skill { table: skill::View },
    Figure { name: String, title: String, caption: String, height: u64, packed: String },
    Fault { message: String },
}

#[derive(Serialize)]
struct Source<'a> {
    record: &'a SourceRecord,
    size: String,
    rows: String,
    missing: String,
}

impl Page<'_> {
    /// Whether there is any figure, so that the page needs the library.
    pub(super) fn draws(&self) -> bool {
        let of_profile = self.profile.iter().flat_map(|p| &p.figures);
        self.cells
            .iter()
            .flat_map(|c| &c.outputs)
            .chain(of_profile)
            .any(|o| matches!(o, Shown::Figure { .. }))
    }
}

/// The page of a notebook as it stands at a moment.
pub(super) fn page(notebook: &Notebook, now: Timestamp) -> Result<Page<'_>, ReportError> {
    let mut anchors = Names::default();
    let mut cells = Vec::new();
    let drawn = figure::draw_all(notebook);
    for (record, drawn) in notebook.cells.iter().zip(drawn.cells) {
        cells.push(cell(record, drawn, &mut anchors, now)?);
    }
    let profile = notebook.profile.as_ref().map(|p| profile::view(p, drawn.profile)).transpose()?;
    let source = |record| Source {
        record,
        size: number::bytes(record.bytes),
        rows: number::grouped(record.rows),
        missing: number::grouped(record.missing),
    };
    Ok(Page {
        title: &notebook.title,
        written: now.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        verdict: notebook.verdict.as_ref().map(|v| (mark(v.level), v.text.as_str())),
        asserts: &notebook.asserts,
        facts: &notebook.facts,
        notices: notebook.notices.iter().map(|n| (mark(n.level), n)).collect(),
        cells,
        profile,
        sources: notebook.sources.iter().map(source).collect(),
        environment: &notebook.environment,
        resolved: spec_text::lines(&notebook.resolved_spec),
        reproduce: &notebook.reproduce,
    })
}

fn mark(level: Level) -> Mark {
    let (class, sign, word) = match level {
        Level::Good => ("good", "✓", "Good"),
        Level::Note => ("note", "i", "Note"),
        Level::Warning => ("warning", "!", "Warning"),
        Level::Error => ("error", "✕", "Error"),
    };
    Mark { class, sign, word }
}

fn cell<'a>(
    record: &'a CellRecord,
    drawn: Vec<Drawn>,
    anchors: &mut Names,
    now: Timestamp,
) -> Result<Cell<'a>, ReportError> {
    let failure = if let CellState::Failed { message } = &record.state { message.as_str() } else { "" };
    let only_prose = record.outputs.iter().all(|o| matches!(o, Output::Prose { .. }));
    let prose = record.actions.is_empty() && only_prose && failure.is_empty();
    let tables = record.outputs.iter().filter(|o| matches!(o, Output::Table { .. })).count();
    let many = tables > 2;
    let mut outputs = Vec::new();
    for (output, drawn) in record.outputs.iter().zip(drawn) {
        outputs.extend(words(output, if prose { 3 } else { 4 }, many));
        outputs.extend(figures(drawn)?);
    }
    Ok(Cell {
        anchor: anchors.unique(&format!("cell-{}", record.id)),
        id: &record.id,
        actions: &record.actions,
        prose,
        badge: badge(&record.state, now),
        failure,
        line: record.line.unwrap_or(0),
        source: spec_text::lines(&record.source),
        outputs,
    })
}

/// Figures as the page keeps them, or why they can't be drawn.
pub(super) fn figures<'a>(drawn: Drawn) -> Result<Vec<Shown<'a>>, ReportError> {
    let figures = match drawn {
        Ok(figures) => figures,
        Err(error) => return Ok(vec![Shown::Fault { message: error.to_string() }]),
    };
    let shown = |f: NamedFigure| {
        let height = f.json["layout"]["height"].as_u64().unwrap_or(420);
        let packed = html::packed(&serde_json::to_vec(&f.json)?)?;
        Ok(Shown::Figure { name: f.name, title: f.title, caption: f.caption, height, packed })
    };
    figures.into_iter().map(shown).collect()
}

/// Rows beyond which a table is folded in a cell with many tables.
const LONG: usize = 12;

/// The part of an output that is no figure. Long tables are folded where a cell has many.
fn words(output: &Output, top: usize, many: bool) -> Option<Shown<'_>> {
    match output {
        Output::Prose { markdown } => Some(Shown::Prose { html: markdown::to_html(markdown, top) }),
        Output::Facts { facts } => Some(Shown::Facts { facts }),
        Output::Table { table } => Some(Shown::Table { table, folded: many && table.rows.len() > LONG }),
        Output::Asserts { outcomes } => Some(Shown::Asserts { outcomes }),
        Output::SkillTable { table } => Some(Shown::Skill { table: skill::view(table) }),
        Output::DataOverview { .. }
        | Output::LearningCurves { .. }
        | Output::Forecast { .. }
        | Output::Residuals { .. }
        | Output::ErrorByHorizon { .. }
        | Output::Heatmap { .. }
        | Output::Plotly { .. } => None,
    }
}

fn badge(state: &CellState, now: Timestamp) -> Badge<'_> {
    match state {
        CellState::Ran { seconds } => {
            Badge { class: "ran", text: format!("ran {}", number::duration(*seconds)), made: "" }
        }
        CellState::Cached { made, key } => {
            let age = made.parse::<Timestamp>().map(|t| number::age(now.as_second() - t.as_second()));
            let age = age.map_or_else(|_| made.clone(), |age| format!("{age} ago"));
            let key: String = key.chars().take(8).collect();
            Badge { class: "cached", text: format!("cached {age} · {key}"), made }
        }
        CellState::Failed { .. } => Badge { class: "failed", text: "✕ failed".to_owned(), made: "" },
        CellState::Skipped => Badge { class: "skipped", text: "skipped".to_owned(), made: "" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn badges_say_what_became_of_a_cell() {
        let now: Timestamp = "2026-11-23T14:00:00Z".parse().unwrap();
        assert_eq!(badge(&CellState::Ran { seconds: 41.2 }, now).text, "ran 41 s");
        let cached = |made: &str| CellState::Cached { made: made.into(), key: "9f2c41d0aabb".into() };
        assert_eq!(badge(&cached("2026-11-23T12:00:00Z"), now).text, "cached 2 h ago · 9f2c41d0");
        assert_eq!(badge(&cached("last week"), now).text, "cached last week · 9f2c41d0");
        assert_eq!(badge(&CellState::Skipped, now).text, "skipped");
    }
}
