//! What holds between cells: ids, references, and which actions share a cell.

use super::diagnostic::Diagnostic;
use super::hint::nearest;
use super::outline::{CellOutline, Outline};
use super::path::Path;
use super::report::Report;
use super::vocabulary::Vocabulary;
use super::walker::Reference;
use serde_json::Value;

/// Reports everything that is wrong with the cells as a whole.
pub(super) fn check(
    value: &Value,
    outline: &Outline,
    vocabulary: &Vocabulary,
    references: &[Reference],
    report: &mut Report<'_>,
) {
    if !value.is_object() {
        return;
    }
    top_level(value, outline, vocabulary, report);
    ids(outline, report);
    for cell in &outline.cells {
        if let Some(path) = &cell.path {
            contents(value, cell, path, report);
            fit(value, cell, path, vocabulary, report);
            company(cell, vocabulary, report);
        }
    }
    for reference in references {
        refers(reference, outline, report);
    }
}

fn top_level(value: &Value, outline: &Outline, vocabulary: &Vocabulary, report: &mut Report<'_>) {
    let root = Path::root();
    if value.get("cells").is_some() {
        let beside = vocabulary.actions().iter().filter(|action| value.get(&action.name).is_some());
        for action in beside {
            let finding = Diagnostic::error("E0136", format!("`{}` stands beside `cells`", action.name))
                .label("an action outside the cells")
                .context(report.key_place(&root.key("cells")), "the cells")
                .help(format!("make it a cell: `- {}: …`", action.name));
            report.at_key(&root.key(&action.name), finding);
        }
    } else if outline.cells.is_empty() {
        let finding = Diagnostic::error("E0104", "the spec has no cells")
            .label("`cells`, or `data` and `target`, are missing")
            .help("add `data: {csv: prices.csv}` and `target: Close`, or a list `cells:`");
        report.at_key(&root, finding);
    }
}

fn ids(outline: &Outline, report: &mut Report<'_>) {
    for (n, cell) in outline.cells.iter().enumerate().filter(|(_, cell)| cell.named) {
        let earlier = outline.cells[..n].iter().find(|other| other.named && other.id == cell.id);
        let (Some(first), Some(again)) = (earlier.and_then(|cell| cell.path.as_ref()), &cell.path) else {
            continue;
        };
        let finding = Diagnostic::error("E0130", format!("two cells have the id `{}`", cell.id))
            .label("used again here")
            .context(report.value_place(&first.key("id")), "first used here")
            .help(format!("rename one, for example `id: {}-2`", cell.id));
        report.at_value(&again.key("id"), finding);
    }
}

fn contents(value: &Value, cell: &CellOutline, path: &Path, report: &mut Report<'_>) {
    let Some(map) = super::document::value_at(value, path).and_then(Value::as_object) else { return };
    let prose = map.contains_key("md");
    match cell.actions.first() {
        Some((name, action)) if prose => {
            let finding =
                Diagnostic::error("E0132", format!("prose (`md`) stands beside the action `{name}`"))
                    .label("prose is a cell of its own")
                    .context(report.key_place(action), "an action")
                    .help("begin a new cell in front of this one: `- md: …`");
            report.at_key(&path.key("md"), finding);
        }
        None if prose && map.contains_key("from") => {
            let finding = Diagnostic::error("E0132", "prose (`md`) takes no input")
                .label("nothing uses this")
                .help("remove the `from`");
            report.at_key(&path.key("from"), finding);
        }
        // A cell with other keys has been told that they are unknown.
        None if !prose && map.keys().all(|key| key == "id" || key == "from") => {
            let finding = Diagnostic::error("E0135", "the cell does nothing")
                .label("neither prose (`md`) nor an action")
                .help("add an action such as `window: {lookback: 60, horizon: 5}`, or remove the cell");
            report.at_value(path, finding);
        }
        _ => {}
    }
}

fn fit(value: &Value, cell: &CellOutline, path: &Path, vocabulary: &Vocabulary, report: &mut Report<'_>) {
    let map = super::document::value_at(value, path).and_then(Value::as_object);
    let actions = || vocabulary.actions().iter().map(|action| action.name.as_str());
    // A misspelt `modle` has been reported as such.
    let misspelt = |name: &str| {
        let mut unknown = map.into_iter().flatten().filter(|(key, _)| vocabulary.get(key).is_none());
        unknown.any(|(key, _)| nearest(key, actions()) == Some(name))
    };
    let find = |name: &str| cell.actions.iter().find(|(action, _)| action == name);
    match (find("model"), find("train")) {
        (None, Some((_, path))) if !misspelt("model") => {
            let finding = Diagnostic::error("E0133", "`train` without a `model` in the same cell")
                .label("what is to be trained?")
                .help("add a model to this cell, for example `model: {lstm: {hidden: 64}}`");
            report.at_key(path, finding);
        }
        (Some((_, path)), None) if !misspelt("train") => {
            let finding = Diagnostic::error("E0133", "`model` without `train` in the same cell")
                .label("how is it to be trained?")
                .help("add `train: {}` to this cell to train it with the defaults");
            report.at_key(path, finding);
        }
        _ => {}
    }
}

fn company(cell: &CellOutline, vocabulary: &Vocabulary, report: &mut Report<'_>) {
    let main = cell
        .actions
        .iter()
        .find(|(name, _)| cell.actions.iter().any(|(o, _)| !vocabulary.share_a_cell(name, o)));
    let Some((first, first_path)) = main else { return };
    for (other, path) in cell.actions.iter().filter(|(name, _)| !vocabulary.share_a_cell(first, name)) {
        let finding = Diagnostic::error("E0134", format!("`{other}` and `{first}` do not go into one cell"))
            .label("belongs in a cell of its own")
            .context(report.key_place(first_path), "what this cell does")
            .help(format!("begin a new cell: `- {other}: …`"));
        report.at_key(path, finding);
    }
}

fn refers(reference: &Reference, outline: &Outline, report: &mut Report<'_>) {
    let Some(own) = outline.position_of(&reference.path) else { return };
    let name = reference.name.as_str();
    let earlier = &outline.cells[..own];
    if earlier.iter().any(|cell| cell.id == name) {
        return;
    }
    let ids: Vec<&str> =
        earlier.iter().filter(|cell| !cell.actions.is_empty()).map(|cell| cell.id.as_str()).collect();
    let finding = match outline.cells[own..].iter().position(|cell| cell.id == name) {
        Some(0) => {
            Diagnostic::error("E0131", format!("cell `{name}` refers to itself")).label("this very cell")
        }
        Some(after) => {
            let later = &outline.cells[own + after];
            let place = match &later.path {
                Some(path) if later.named => report.value_place(&path.key("id")),
                Some(path) => report.value_place(path),
                None => report.key_place(&later.actions[0].1),
            };
            Diagnostic::error("E0131", format!("cell `{name}` comes later"))
                .label("a cell sees only earlier cells")
                .context(place, "it is here")
                .help("move that cell up, or this one down")
        }
        None => {
            let finding = Diagnostic::error("E0131", format!("there is no cell `{name}`"));
            match nearest(name, ids.iter().copied()) {
                Some(near) => finding.label(format!("did you mean `{near}`?")),
                None => finding.label("no such cell"),
            }
        }
    };
    let finding = match ids.is_empty() {
        true => finding.note("no cell stands above this one"),
        false => finding.note(format!("earlier cells: {}", ids.join(", "))),
    };
    report.at_value(&reference.path, finding);
}
