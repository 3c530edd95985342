use super::document::Document;
use super::outline::Outline;
use super::path::Path;
use super::vocabulary::Vocabulary;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// How serious a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing can run.
    Error,
    /// The run goes on.
    Warning,
    /// For information.
    Note,
}

/// Where a finding points.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Bytes of the spec's text.
    Spec(Range<usize>),
    /// Bytes of an override on the command line.
    Override {
        /// Which one, from 0, in the order given.
        number: usize,
        /// Bytes of `-s ADDRESS=value`, the two characters and the space included.
        range: Range<usize>,
    },
    /// A line of a data file.
    Data(DataPlace),
}

/// A file that is not the spec, and where in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DataPlace {
    /// The file, as the user named it.
    pub path: PathBuf,
    /// Line from 1, if the finding is about one.
    pub line: Option<usize>,
    /// Name of the column, if the finding is about one.
    pub column: Option<String>,
}

impl fmt::Display for DataPlace {
    /// `prices.csv:17 (column `Close`)`, as far as it is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        self.line.iter().try_for_each(|line| write!(f, ":{line}"))?;
        self.column.iter().try_for_each(|column| write!(f, " (column `{column}`)"))
    }
}

/// One finding: what is wrong, where, and how to mend it.
///
/// ```
/// use forge_pipelines::spec::{Diagnostic, Place};
/// let finding = Diagnostic::error("E0102", "unknown key `lookbak`")
///     .at(Place::Spec(13..20), "did you mean `lookback`?")
///     .note("known keys: lookback, horizon, stride");
/// assert_eq!(finding.notes.len(), 1);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Code, such as `E0102`; `forge explain CODE` says more about it.
    pub code: &'static str,
    /// How serious it is.
    pub level: Level,
    /// What is wrong, in one line.
    pub message: String,
    /// A few words under the marked text; may be empty.
    pub label: String,
    /// The marked text.
    pub place: Option<Place>,
    /// Other places that belong to the finding, each with a few words.
    pub context: Vec<(Place, String)>,
    /// The cell it is in.
    pub cell: Option<String>,
    /// Further facts, one line each.
    pub notes: Vec<String>,
    /// What to write instead.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic::new(Level::Error, code, message)
    }

    /// A warning without a place yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic::new(Level::Warning, code, message)
    }

    fn new(level: Level, code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            level,
            message: message.into(),
            label: String::new(),
            place: None,
            context: Vec::new(),
            cell: None,
            notes: Vec::new(),
            help: None,
        }
    }

    /// Marks `place` with a few words.
    pub fn at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.place = Some(place);
        self.label = label.into();
        self
    }

    /// The words under the marked text.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Marks a second place.
    pub fn context(mut self, place: Place, label: impl Into<String>) -> Self {
        self.context.push((place, label.into()));
        self
    }

    /// Adds a fact.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Says what to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Names the cell.
    pub fn cell(mut self, id: impl Into<String>) -> Self {
        self.cell = Some(id.into());
        self
    }
}

/// Findings together with the texts that they point into, so that they can be printed.
///
/// They are in the order of the places: what has none, the spec from top to bottom, overrides, data files.
/// [`Display`](std::fmt::Display) prints them without colour.
#[derive(Clone, Debug)]
pub struct Diagnostics {
    pub(super) name: String,
    pub(super) text: std::sync::Arc<str>,
    pub(super) overrides: Vec<String>,
    items: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Findings in a spec of this name and text, with no overrides.
    pub fn new(
        name: impl Into<String>,
        text: impl Into<std::sync::Arc<str>>,
        items: Vec<Diagnostic>,
    ) -> Self {
        Diagnostics::with_overrides(name, text, Vec::new(), items)
    }

    /// Findings in a spec and in the overrides (`ADDRESS=value` each) laid over it.
    pub fn with_overrides(
        name: impl Into<String>,
        text: impl Into<std::sync::Arc<str>>,
        overrides: Vec<String>,
        mut items: Vec<Diagnostic>,
    ) -> Self {
        items.sort_by_key(|item| match &item.place {
            None => (0, 0, 0),
            Some(Place::Spec(range)) => (1, range.start, 0),
            Some(Place::Override { number, range }) => (2, *number, range.start),
            Some(Place::Data(place)) => (3, place.line.unwrap_or(0), 0),
        });
        Diagnostics { name: name.into(), text: text.into(), overrides, items }
    }

    /// The findings, in order.
    pub fn items(&self) -> &[Diagnostic] {
        &self.items
    }

    /// The same, each with the address of what it points at: for a spec whose text its author has not seen.
    pub(crate) fn with_addresses(mut self, document: &Document, vocabulary: &Vocabulary) -> Self {
        let outline = Outline::of(document.value(), vocabulary);
        for item in &mut self.items {
            let Some(Place::Spec(range)) = &item.place else { continue };
            let Some(path) = document.path_at(range.start).filter(|path| *path != Path::root()) else {
                continue;
            };
            item.notes.push(format!("address: `{}`", outline.address(&path)));
        }
        self
    }

    /// Whether any of them keeps the spec from running.
    pub fn has_errors(&self) -> bool {
        self.items.iter().any(|item| item.level == Level::Error)
    }
}

impl std::error::Error for Diagnostics {}
