//! From a document to a checked spec.

use super::address::Address;
use super::claims::{self, Claim};
use super::diagnostic::{Diagnostic, Diagnostics, Place};
use super::document::{Document, value_at};
use super::hint::nearest;
use super::notebook::{ActionSpec, Allowance, CellSpec, Spec, Task};
use super::outline::{CellOutline, Outline};
use super::path::Path;
use super::prose;
use super::report::Report;
use super::vocabulary::{DEFAULT_SEED, VERSION, Vocabulary};
use super::{cells, overrides, walker};
use serde_json::{Map, Value, json};

/// Checks a document against a vocabulary and gives the typed notebook.
///
/// # Errors
/// Everything that is wrong with the spec's keys, types, ids, references, claims and placeholders and with the
/// overrides, all at once. Only a spec of another version is refused for that alone.
pub fn load(mut document: Document, vocabulary: &Vocabulary) -> Result<Spec, Diagnostics> {
    let mut found = std::mem::take(&mut document.pending);
    if let Some(finding) = version(&document) {
        return Err(document.diagnostics(vec![finding]));
    }
    let schema = vocabulary.grammar();
    vocabulary.complete(&mut document.value);
    overrides::apply(&mut document, vocabulary, &schema, &mut found);
    let outline = Outline::of(&document.value, vocabulary);
    document.pending = found.into_iter().map(|finding| in_its_cell(finding, &outline, &document)).collect();
    let mut value = document.value.clone();
    let mut report = Report::new(&document, &outline);
    report.extend(document.pending.clone());
    let references = walker::walk(&schema, &mut value, &mut report);
    cells::check(&value, &outline, vocabulary, &references, &mut report);
    let claims = read_claims(&value, &outline, &mut report);
    check_prose(&value, &outline, &schema, &mut report);
    let allow = allowances(&value, &report);
    let cells = if implies_train(&value, vocabulary) { with_train(&outline) } else { outline.clone() };
    let cells: Vec<CellSpec> = cells.cells.iter().map(|cell| cell_spec(cell, &value, &document)).collect();
    let findings = document.diagnostics(report.into_items());
    if findings.has_errors() {
        return Err(findings);
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_string);
    Ok(Spec {
        title: text("title"),
        task: if text("task").as_deref() == Some("classify") { Task::Classify } else { Task::Forecast },
        seed: value.get("seed").and_then(Value::as_u64).unwrap_or(DEFAULT_SEED),
        seeds: value
            .get("seeds")
            .and_then(Value::as_u64)
            .and_then(|seeds| usize::try_from(seeds).ok())
            .unwrap_or(1),
        device: text("device").unwrap_or_else(|| "auto".to_string()),
        threads: value
            .get("threads")
            .and_then(Value::as_u64)
            .and_then(|threads| usize::try_from(threads).ok()),
        cells,
        claims,
        allow,
        document,
    })
}

/// Names the cell of a finding that was made before there were cells.
fn in_its_cell(mut finding: Diagnostic, outline: &Outline, document: &Document) -> Diagnostic {
    let Some(Place::Spec(range)) = &finding.place else { return finding };
    let holds = |path: &Path| {
        document.written(path).is_some_and(|at| {
            (at.key.map_or(at.value.start, |key| key.start)..at.value.end + 1).contains(&range.start)
        })
    };
    let cell = outline.cells.iter().find(|cell| match &cell.path {
        Some(path) => holds(path),
        None => cell.actions.iter().any(|(_, path)| holds(path)),
    });
    finding.cell = cell.map(|cell| cell.id.clone());
    finding
}

/// The complaint about a `forge:` that is not the version read here.
fn version(document: &Document) -> Option<Diagnostic> {
    let given = document.value.get("forge").filter(|given| **given != json!(VERSION))?;
    let later = given.as_u64().is_some_and(|given| given > VERSION);
    let place = document.place_of(&Path::root().key("forge"));
    Some(match later {
        true => Diagnostic::error(
            "E0121",
            format!("the spec is of version {given}, this program reads version {VERSION}"),
        )
        .at(place, "a later version")
        .help("use a newer `forge`; the rest of the file was not checked"),
        false => {
            Diagnostic::error("E0121", format!("`forge` is the version of the spec language, found {given}"))
                .at(place, "not a version")
                .help(format!("write `forge: {VERSION}`; the rest of the file was not checked"))
        }
    })
}

fn read_claims(value: &Value, outline: &Outline, report: &mut Report<'_>) -> Vec<Claim> {
    let mut claims = Vec::new();
    let texts = value.get("assert").and_then(Value::as_array);
    for (n, text) in texts.into_iter().flatten().enumerate() {
        let Some(text) = text.as_str() else { continue };
        let path = Path::root().key("assert").index(n);
        match claims::parse(text) {
            Err(fault) if fault.range.is_empty() => report.at_value(&path, fault.finding),
            Err(fault) => {
                let part = &text[fault.range.clone()];
                let nth = text[..fault.range.start].matches(part).count();
                report.at_part(&path, part, nth, fault.finding);
            }
            Ok((address, comparison, number)) => {
                if let Some(finding) = not_a_result(&address, outline) {
                    report.at_part(&path, &address.to_string(), 0, finding);
                }
                let place = report.value_place(&path);
                claims.push(Claim { text: text.to_string(), address, comparison, number, place });
            }
        }
    }
    claims
}

fn not_a_result(address: &Address, outline: &Outline) -> Option<Diagnostic> {
    let head = address.parts().first()?;
    if !address.is_result() {
        return Some(
            Diagnostic::error("E0150", format!("`{address}` is not the address of a result"))
                .label("ID.result.PART.METRIC is wanted")
                .help("for example `score.result.lstm.rmse < 0.4`"),
        );
    }
    (!outline.ids().any(|id| id == head)).then(|| no_cell(head, outline.ids().collect()))
}

fn no_cell(name: &str, known: Vec<&str>) -> Diagnostic {
    let finding = Diagnostic::error("E0141", format!("there is no cell `{name}`"));
    let finding = match nearest(name, known.iter().copied()) {
        Some(near) => finding.label(format!("did you mean `{near}`?")),
        None => finding.label("no such cell"),
    };
    finding.note(format!("cells: {}", known.join(", ")))
}

fn check_prose(value: &Value, outline: &Outline, schema: &Value, report: &mut Report<'_>) {
    for (n, cell) in outline.cells.iter().enumerate() {
        let Some(path) = cell.path.as_ref().map(|path| path.key("md")) else { continue };
        let Some(text) = value_at(value, &path).and_then(Value::as_str) else { continue };
        for placeholder in prose::placeholders(text) {
            let (range, finding) = match placeholder {
                Err(fault) => (fault.range, Some(fault.finding)),
                Ok(good) => (good.range, unknown_address(&good.address, n, outline, schema)),
            };
            if let Some(finding) = finding {
                let part = &text[range.clone()];
                report.at_part(&path, part, text[..range.start].matches(part).count(), finding);
            }
        }
    }
}

/// The complaint about an address in the prose of cell `own`.
fn unknown_address(address: &Address, own: usize, outline: &Outline, schema: &Value) -> Option<Diagnostic> {
    let head = address.parts().first()?;
    let position = outline.ids().position(|id| id == head);
    match position {
        Some(position) if address.is_result() && position >= own => Some(
            Diagnostic::error("E0131", format!("cell `{head}` comes later"))
                .label("prose sees only the results of earlier cells")
                .help("move this prose below that cell"),
        ),
        Some(_) => None,
        None if !address.is_result() && schema["properties"].get(head).is_some() => None,
        None => Some(no_cell(head, outline.ids().collect())),
    }
}

fn allowances(value: &Value, report: &Report<'_>) -> Vec<Allowance> {
    let given = value.get("allow").and_then(Value::as_object).into_iter().flatten();
    let allowance = |(code, reason): (&String, &Value)| {
        let place = report.key_place(&Path::root().key("allow").key(code));
        Some(Allowance { code: code.clone(), reason: reason.as_str()?.to_string(), place })
    };
    given.filter_map(allowance).collect()
}

/// A spec without cells may leave out `train`: the model is trained with the defaults.
fn implies_train(value: &Value, vocabulary: &Vocabulary) -> bool {
    value.get("cells").is_none() && value.get("train").is_none() && vocabulary.get("train").is_some()
}

fn with_train(outline: &Outline) -> Outline {
    let mut outline = outline.clone();
    for cell in outline.cells.iter_mut().filter(|cell| cell.actions.iter().any(|(name, _)| name == "model")) {
        cell.actions.push(("train".to_string(), Path::root().key("train")));
    }
    outline
}

fn cell_spec(cell: &CellOutline, value: &Value, document: &Document) -> CellSpec {
    let own = cell.path.as_ref().and_then(|path| value_at(value, path));
    let action = |(name, path): &(String, Path)| ActionSpec {
        name: name.clone(),
        params: value_at(value, path).cloned().unwrap_or_else(|| Value::Object(Map::new())),
        path: path.clone(),
    };
    let from = match own.and_then(|own| own.get("from")) {
        Some(Value::String(one)) => vec![one.clone()],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).map(str::to_string).collect(),
        _ => Vec::new(),
    };
    let (line, source) = super::fragment::of(cell, document);
    CellSpec {
        id: cell.id.clone(),
        actions: cell.actions.iter().map(action).collect(),
        md: own.and_then(|own| own.get("md")).and_then(Value::as_str).map(str::to_string),
        from,
        line,
        source,
    }
}
