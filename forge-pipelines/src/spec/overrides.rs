//! `-s ADDRESS=value`: finds what an address names and puts the value there.

use super::address;
use super::diagnostic::{Diagnostic, Place};
use super::document::{Document, read_yaml};
use super::hint::nearest;
use super::outline::Outline;
use super::path::{Path, Segment};
use super::vocabulary::Vocabulary;
use serde_json::{Map, Value};
use std::ops::Range;

/// Bytes of `-s ` in front of an override's text.
const LEAD: usize = 3;

type Parts = Vec<(String, Range<usize>)>;

/// Lays the document's overrides over its values, in order.
pub(super) fn apply(
    document: &mut Document,
    vocabulary: &Vocabulary,
    schema: &Value,
    found: &mut Vec<Diagnostic>,
) {
    for number in 0..document.overrides.len() {
        let text = document.overrides[number].text.clone();
        if let Err(finding) = apply_one(document, number, &text, vocabulary, schema, found) {
            found.push(*finding);
        }
    }
}

fn apply_one(
    document: &mut Document,
    number: usize,
    text: &str,
    vocabulary: &Vocabulary,
    schema: &Value,
    found: &mut Vec<Diagnostic>,
) -> Result<(), Box<Diagnostic>> {
    let place = |range: Range<usize>| Place::Override { number, range };
    let lead = |range: &Range<usize>| place(range.start + LEAD..range.end + LEAD);
    let Some(equals) = equals_sign(text) else {
        return Err(Box::new(
            Diagnostic::error("E0140", format!("`-s {text}` has no `=`"))
                .at(place(LEAD..LEAD + text.len()), "ADDRESS=value is wanted")
                .help("for example `-s window.lookback=90`"),
        ));
    };
    let parts = address::parts(&text[..equals]).map_err(|error| {
        Diagnostic::error("E0140", error.to_string())
            .at(lead(&(error.at..equals)), error.message)
            .help("for example `-s window.lookback=90` or `-s 'prep.target.\"Adj Close\".0=log'`")
    })?;
    let base = LEAD + equals + 1;
    let (value, indexed) = match read_yaml(&text[equals + 1..], base, &place) {
        Ok((_, indexed)) if indexed.empty => {
            return Err(Box::new(
                Diagnostic::error("E0140", format!("`-s {text}` gives no value"))
                    .at(place(base..base), "a value is wanted here"),
            ));
        }
        Ok(read) => read,
        Err(findings) => {
            found.extend(findings);
            return Ok(());
        }
    };
    found.extend(indexed.found);
    let (start, rest) =
        resolve(&document.value, &parts, vocabulary, schema).map_err(|(part, mut finding)| {
            finding.place = Some(lead(&parts[part].1));
            finding
        })?;
    let target = put(&mut document.value, &start, &parts[rest..], value).map_err(|(step, mut finding)| {
        finding.place = Some(lead(&parts[rest + step].1));
        finding
    })?;
    let mut index = indexed.index;
    if let Some((_, range)) = parts.last() {
        index.set_root_key(range.start + LEAD..range.end + LEAD);
    }
    document.overrides[number].target = Some((target, index));
    Ok(())
}

/// The first `=` outside quotation marks.
fn equals_sign(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '=' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// The place in the document that the front of an address names, and how many parts that took; or which part
/// is wrong, and why.
fn resolve(
    value: &Value,
    parts: &Parts,
    vocabulary: &Vocabulary,
    schema: &Value,
) -> Result<(Path, usize), (usize, Box<Diagnostic>)> {
    let outline = Outline::of(value, vocabulary);
    let head = parts[0].0.as_str();
    let second = parts.get(1).map(|(name, _)| name.as_str());
    let cell = outline.cells.iter().find(|cell| cell.id == head);
    let in_cell =
        cell.zip(second).and_then(|(cell, second)| cell.actions.iter().find(|(name, _)| name == second));
    if let Some((_, path)) = in_cell {
        return Ok((path.clone(), 2));
    }
    if vocabulary.get(head).is_some() {
        let owners: Vec<_> = outline
            .cells
            .iter()
            .filter_map(|cell| Some((cell, cell.actions.iter().find(|(name, _)| name == head)?)))
            .collect();
        match owners.as_slice() {
            [(_, (_, path))] => return Ok((path.clone(), 1)),
            [] if value.get("cells").is_none() => return Ok((Path::root().key(head), 1)),
            [] => {}
            several => {
                let rest: String = parts[1..].iter().map(|(name, _)| format!(".{name}")).collect();
                let ways: Vec<String> =
                    several.iter().map(|(cell, _)| format!("{}.{head}{rest}", cell.id)).collect();
                let message = format!("{} cells have the action `{head}`", several.len());
                let finding = Diagnostic::error("E0142", message)
                    .label("which one?")
                    .help(format!("put the id in front: {}", ways.join(" or ")));
                return Err((0, Box::new(finding)));
            }
        }
    } else if head != "cells" && schema["properties"].get(head).is_some() {
        return Ok((Path::root().key(head), 1));
    }
    if let Some(cell) = cell {
        return Err(wrong_action(cell, second, vocabulary));
    }
    Err((0, Box::new(unknown(head, &outline, schema))))
}

/// The id is right, what follows is not an action of that cell.
fn wrong_action(
    cell: &super::outline::CellOutline,
    second: Option<&str>,
    vocabulary: &Vocabulary,
) -> (usize, Box<Diagnostic>) {
    let actions: Vec<&str> = cell.actions.iter().map(|(name, _)| name.as_str()).collect();
    let note = format!("actions of `{}`: {}", cell.id, actions.join(", "));
    let Some(second) = second else {
        let finding = Diagnostic::error("E0141", format!("`{}` is a whole cell", cell.id))
            .label("a parameter is wanted")
            .note(note);
        return (0, Box::new(finding));
    };
    let holds = |action: &&&str| {
        vocabulary.get(action).is_some_and(|entry| entry.schema["properties"].get(second).is_some())
    };
    let mut finding =
        Diagnostic::error("E0141", format!("cell `{}` has no action `{second}`", cell.id)).note(note);
    finding = match (nearest(second, actions.iter().copied()), actions.iter().find(holds)) {
        (_, Some(owner)) => {
            finding.label(format!("a key of `{owner}`")).help(format!("write `{}.{owner}.{second}`", cell.id))
        }
        (Some(near), None) => finding.label(format!("did you mean `{near}`?")),
        (None, None) => finding.label("no such action in this cell"),
    };
    (1, Box::new(finding))
}

fn unknown(head: &str, outline: &Outline, schema: &Value) -> Diagnostic {
    let ids: Vec<&str> = outline.ids().collect();
    let actions = outline.cells.iter().flat_map(|cell| cell.actions.iter().map(|(name, _)| name.as_str()));
    let top: Vec<&str> = ["title", "task", "seed", "device", "threads", "assert", "allow"]
        .into_iter()
        .filter(|key| schema["properties"].get(key).is_some())
        .collect();
    let candidates: Vec<&str> = ids.iter().copied().chain(actions).chain(top.iter().copied()).collect();
    let finding = Diagnostic::error("E0141", format!("no cell, action or top-level key is called `{head}`"))
        .note(format!("cells: {}", ids.join(", ")))
        .note(format!("top-level keys: {}", top.join(", ")));
    match nearest(head, candidates) {
        Some(near) => finding.label(format!("did you mean `{near}`?")),
        None => finding.label("not known"),
    }
}

/// Puts `new` below `start`, making maps on the way; gives the path, or the step that leads nowhere, and why.
fn put(
    document: &mut Value,
    start: &Path,
    steps: &[(String, Range<usize>)],
    new: Value,
) -> Result<Path, (usize, Box<Diagnostic>)> {
    let mut path = Path::root();
    let mut here = document;
    let front = start.segments().iter().map(|segment| (segment.clone(), None));
    let back = steps.iter().enumerate().map(|(n, (name, _))| (Segment::Key(name.clone()), Some(n)));
    for (segment, step) in front.chain(back) {
        let (segment, inside) = descend(here, segment, step, &path)?;
        path = path.with(segment);
        here = inside;
    }
    *here = new;
    Ok(path)
}

fn descend<'v>(
    here: &'v mut Value,
    segment: Segment,
    step: Option<usize>,
    path: &Path,
) -> Result<(Segment, &'v mut Value), (usize, Box<Diagnostic>)> {
    let name = match &segment {
        Segment::Key(name) => name.clone(),
        Segment::Index(position) => position.to_string(),
    };
    let owner = super::walker::subject(path);
    let fail = |message: String, label: String| {
        (step.unwrap_or(0), Box::new(Diagnostic::error("E0141", message).label(label)))
    };
    // A map that is only implied: nothing yet, or the bare name of a kind whose parameter is set.
    if here.is_null() {
        *here = Value::Object(Map::new());
    } else if here.as_str() == Some(&name) {
        *here = Value::Object(Map::from_iter([(name.clone(), Value::Object(Map::new()))]));
    }
    match here {
        Value::Object(map) => {
            let inside = map.entry(name.clone()).or_insert(Value::Null);
            Ok((Segment::Key(name), inside))
        }
        Value::Array(items) => {
            let count = items.len();
            let position = name.parse::<usize>().ok();
            match position.and_then(|position| Some((position, items.get_mut(position)?))) {
                Some((position, inside)) => Ok((Segment::Index(position), inside)),
                None => Err(fail(
                    format!("{owner} is a list of {count} items, and has no item `{name}`"),
                    match count {
                        0 => "the list is empty".to_string(),
                        _ => format!("items are numbered 0 to {}", count - 1),
                    },
                )),
            }
        }
        other => {
            let message = format!("{owner} is {other} here, and has no `{name}` inside");
            let (step, finding) = fail(message, "leads nowhere".to_string());
            Err((step, Box::new(finding.help(format!("set {owner} itself to change it")))))
        }
    }
}
