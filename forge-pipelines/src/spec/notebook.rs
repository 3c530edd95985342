use super::claims::Claim;
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::document::{Document, Origin};
use super::path::Path;
use super::prose;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What a spec sets out to learn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// Numbers of a series, some steps ahead.
    Forecast,
    /// One of several classes.
    Classify,
}

/// A spec whose keys, types, ids and references are right.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Title of the report, if given.
    pub title: Option<String>,
    /// What is to be learned.
    pub task: Task,
    /// Seed of every random number.
    pub seed: u64,
    /// How often the spec is run, each time with the next seed; results are means.
    pub seeds: usize,
    /// `auto`, `cpu`, `cuda`, `cuda:N`, `opencl` or `opencl:N`.
    pub device: String,
    /// CPU threads; all of them if not said.
    pub threads: Option<usize>,
    /// The notebook, in order.
    pub cells: Vec<CellSpec>,
    /// Claims that must hold at the end.
    pub claims: Vec<Claim>,
    /// Guards that are switched off.
    pub allow: Vec<Allowance>,
    pub(super) document: Document,
}

/// A cell: prose, or actions.
#[derive(Clone, Debug, PartialEq)]
pub struct CellSpec {
    /// The id written, or the name of the first action, with `-2`, `-3` if that is taken.
    pub id: String,
    /// The actions in the order in which they run; none for prose.
    pub actions: Vec<ActionSpec>,
    /// Prose in Markdown, with its placeholders.
    pub md: Option<String>,
    /// Ids of the earlier cells that `from:` names.
    pub from: Vec<String>,
    /// Line of the cell, from 1.
    pub line: usize,
    /// The cell as written, without the common indentation and the dash; overrides are not in it.
    pub source: String,
}

impl CellSpec {
    /// The action called `name`, if the cell has it.
    pub fn action(&self, name: &str) -> Option<&ActionSpec> {
        self.actions.iter().find(|action| action.name == name)
    }
}

/// An action and its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct ActionSpec {
    /// Such as `window`.
    pub name: String,
    /// The parameters as written and overridden, checked against the schema, without defaults. A kind is a
    /// one-key map, or a name if it has no parameters.
    pub params: Value,
    /// Where they stand. An action that is only implied (the `train` of a `model` in a spec without cells) has a
    /// path that the document does not hold.
    pub path: Path,
}

/// A guard that is switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Code of the guard, such as `L05`.
    pub code: String,
    /// Why.
    pub reason: String,
    /// Where that is written.
    pub place: Place,
}

impl Spec {
    /// The cell called `id`.
    pub fn cell(&self, id: &str) -> Option<&CellSpec> {
        self.cells.iter().find(|cell| cell.id == id)
    }

    /// The document it was read from: its text, and the place of each value.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Where the value at `path` comes from.
    pub fn origin_of(&self, path: &Path) -> Origin {
        self.document.origin_of(path)
    }

    /// Reads the parameters of an action into the type that its schema was made from.
    ///
    /// # Errors
    /// The type refuses what its schema lets pass.
    pub fn read<T: DeserializeOwned>(&self, action: &ActionSpec) -> Result<T, Diagnostics> {
        serde_json::from_value(action.params.clone()).map_err(|error| {
            let finding = Diagnostic::error("E0190", format!("`{}`: {error}", action.name))
                .at(self.document.key_place_of(&action.path), "cannot be used");
            let cell = self.cells.iter().find(|cell| cell.actions.iter().any(|own| own.path == action.path));
            self.document.diagnostics(vec![match cell {
                Some(cell) => finding.cell(&cell.id),
                None => finding,
            }])
        })
    }

    /// The prose of a cell with its placeholders filled in; empty for a cell of actions.
    ///
    /// # Errors
    /// An address that `lookup` does not know, at its place in the spec; all of them.
    pub fn prose(
        &self,
        cell: &CellSpec,
        lookup: impl Fn(&str) -> Option<f64>,
    ) -> Result<String, Diagnostics> {
        let text = cell.md.as_deref().unwrap_or_default();
        prose::fill(text, lookup).map_err(|faults| {
            let position = self.cells.iter().position(|own| own == cell).unwrap_or_default();
            let path = Path::root().key("cells").index(position).key("md");
            let placed = faults.into_iter().map(|fault| {
                let part = &text[fault.range.clone()];
                let nth = text[..fault.range.start].matches(part).count();
                let label = fault.finding.label.clone();
                fault.finding.at(self.document.place_of_part(&path, part, nth), label).cell(&cell.id)
            });
            self.document.diagnostics(placed.collect())
        })
    }
}
