//! The cells of a document before its types are checked: their ids and actions, as far as they can be made out.

use super::address::Address;
use super::path::{Path, Segment};
use super::vocabulary::Vocabulary;
use serde_json::Value;
use std::collections::HashSet;

/// A cell, written or implied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CellOutline {
    pub id: String,
    /// Whether the id is written.
    pub named: bool,
    /// Whether it has prose.
    pub prose: bool,
    /// Known actions in the order in which they run, each with its place in the document.
    pub actions: Vec<(String, Path)>,
    /// The written cell; none if it is implied by top-level actions.
    pub path: Option<Path>,
}

/// The cells, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub cells: Vec<CellOutline>,
}

impl Outline {
    pub(super) fn of(value: &Value, vocabulary: &Vocabulary) -> Outline {
        let cells = match value.get("cells") {
            Some(cells) => written(cells, vocabulary),
            None => implied(value, vocabulary),
        };
        Outline { cells: with_ids(cells) }
    }

    /// The cell that a place lies in.
    pub(super) fn cell_of(&self, path: &Path) -> Option<&CellOutline> {
        self.position_of(path).map(|position| &self.cells[position])
    }

    /// Position of the cell that a place lies in.
    pub(super) fn position_of(&self, path: &Path) -> Option<usize> {
        self.cells.iter().position(|cell| match &cell.path {
            Some(own) => path.below(own).is_some(),
            None => cell.actions.iter().any(|(_, action)| path.below(action).is_some()),
        })
    }

    /// The address of a path: the id of its cell in front of what lies within.
    pub(super) fn address(&self, path: &Path) -> Address {
        let cell = self.cell_of(path);
        let below = cell.and_then(|cell| cell.path.as_ref()).and_then(|own| path.below(own));
        let name = |segment: &Segment| match segment {
            Segment::Key(name) => name.clone(),
            Segment::Index(position) => position.to_string(),
        };
        let front = cell.filter(|_| below.is_some()).map(|cell| cell.id.clone());
        let rest = below.unwrap_or(path.segments()).iter().map(name);
        Address::of(front.into_iter().chain(rest).collect())
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.cells.iter().map(|cell| cell.id.as_str())
    }
}

fn actions_in(map: &Value, at: &Path, vocabulary: &Vocabulary) -> Vec<(String, Path)> {
    let present = vocabulary.actions().iter().filter(|action| map.get(&action.name).is_some());
    present.map(|action| (action.name.clone(), at.key(&action.name))).collect()
}

fn written(cells: &Value, vocabulary: &Vocabulary) -> Vec<CellOutline> {
    let cell = |(n, value): (usize, &Value)| {
        let path = Path::root().with(Segment::Key("cells".to_string())).index(n);
        let id = value.get("id").and_then(Value::as_str);
        CellOutline {
            id: id.unwrap_or_default().to_string(),
            named: id.is_some(),
            prose: value.get("md").is_some(),
            actions: actions_in(value, &path, vocabulary),
            path: Some(path),
        }
    };
    cells.as_array().into_iter().flatten().enumerate().map(cell).collect()
}

fn implied(value: &Value, vocabulary: &Vocabulary) -> Vec<CellOutline> {
    let mut cells: Vec<CellOutline> = Vec::new();
    for action in actions_in(value, &Path::root(), vocabulary) {
        match cells.last_mut() {
            Some(cell) if vocabulary.implied_together(&cell.actions[0].0, &action.0) => {
                cell.actions.push(action)
            }
            _ => cells.push(CellOutline {
                id: String::new(),
                named: false,
                prose: false,
                actions: vec![action],
                path: None,
            }),
        }
    }
    cells
}

/// Gives each cell without an id the name of its first action (`md` for prose), then that with `-2`, `-3`.
fn with_ids(mut cells: Vec<CellOutline>) -> Vec<CellOutline> {
    let mut taken: HashSet<String> =
        cells.iter().filter(|cell| cell.named).map(|cell| cell.id.clone()).collect();
    for (n, cell) in cells.iter_mut().enumerate().filter(|(_, cell)| !cell.named) {
        // A cell that is neither prose nor a known action is an error, and named for its message only.
        let position = format!("cell-{}", n + 1);
        let kindless = if cell.prose { "md" } else { &position };
        let name = cell.actions.first().map_or(kindless, |(name, _)| name.as_str());
        let numbered = (2..).map(|n| format!("{name}-{n}"));
        let id = std::iter::once(name.to_string()).chain(numbered).find(|id| !taken.contains(id));
        cell.id = id.unwrap_or_default();
        taken.insert(cell.id.clone());
    }
    cells
}
