//! Checks a document against a schema and reports every mistake, each at its place.
//!
//! Where JSON Schema leaves a choice, the language decides:
//! - A map takes only the keys that its schema lists, unless it says otherwise.
//! - A whole number is written without point or exponent: `5.0` and `1e3` are refused where one is wanted.
//! - A kind whose parameters all have defaults may be its bare name (`lstm` for `{lstm: {}}`), and a kind without
//!   parameters may have an empty value (`{last: null}` for `last`). Both are brought to the form that the types
//!   behind the schema read.

mod choice;
mod object;
mod view;
mod words;

use super::diagnostic::Diagnostic;
use super::path::{Path, Segment};
use super::report::Report;
use serde_json::Value;
use view::View;

pub(super) use words::{entry, flow, subject};

/// A place that names an earlier cell.
pub(super) struct Reference {
    pub path: Path,
    pub name: String,
}

/// One pass over a document.
pub(super) struct Walker<'a, 'r> {
    root: &'a Value,
    report: &'r mut Report<'a>,
    references: Vec<Reference>,
}

/// Checks `value` against `schema` (of a whole document), reports to `report`, and gives the names of cells met.
pub(super) fn walk<'a>(schema: &'a Value, value: &mut Value, report: &mut Report<'a>) -> Vec<Reference> {
    let mut walker = Walker { root: schema, report, references: Vec::new() };
    walker.value(value, &View::new(schema, schema), &Path::root());
    walker.references
}

impl<'a> Walker<'a, '_> {
    fn value(&mut self, value: &mut Value, view: &View<'a>, path: &Path) {
        match view.leaves().as_slice() {
            [leaf] => self.leaf(value, leaf, view, path),
            leaves => self.choose(value, leaves, view, path),
        }
    }

    /// Checks a value against a schema without alternatives; `around` has the outer example and description.
    fn leaf(&mut self, value: &mut Value, leaf: &View<'a>, around: &View<'a>, path: &Path) {
        if let Some(names) = leaf.names() {
            match value.as_str() {
                Some(name) if names.contains(&name) => {}
                Some(name) => self.unknown_name(name, &names, around, path),
                None => self.wrong_type(value, around, path),
            }
            return;
        }
        if let Some(constant) = leaf.get("const")
            && constant != value
        {
            self.wrong_type(value, around, path);
            return;
        }
        if !has_type(value, &leaf.types()) {
            self.wrong_type(value, around, path);
            return;
        }
        match value {
            Value::Number(number) => self.range(number.as_f64().unwrap_or(f64::NAN), leaf, around, path),
            Value::String(text) => self.text(text, leaf, around, path),
            Value::Array(items) => self.list(items, leaf, path),
            Value::Object(map) => self.object(map, leaf, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn range(&mut self, number: f64, leaf: &View<'a>, around: &View<'a>, path: &Path) {
        let bound = |keyword: &str, broken: fn(f64, f64) -> bool, words: &str| {
            let bound = leaf.number(keyword)?;
            broken(number, bound).then(|| format!("{words} {bound}"))
        };
        let rule = bound("minimum", |n, b| n < b, "at least")
            .or_else(|| bound("exclusiveMinimum", |n, b| n <= b, "above"))
            .or_else(|| bound("maximum", |n, b| n > b, "at most"))
            .or_else(|| bound("exclusiveMaximum", |n, b| n >= b, "below"));
        if let Some(rule) = rule {
            let message = format!("{} must be {rule}, found {number}", subject(path));
            let finding = Diagnostic::error("E0106", message).label(format!("must be {rule}"));
            self.report.at_value(path, with_example(finding, around, path));
        }
    }

    fn text(&mut self, text: &str, leaf: &View<'a>, around: &View<'a>, path: &Path) {
        if let Some(pattern) = leaf.text("pattern")
            && regex_lite::Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text))
        {
            let finding = Diagnostic::error("E0107", format!("{} cannot be `{text}`", subject(path)))
                .label("not of the form that is wanted here");
            self.report.at_value(path, with_example(described(finding, around), around, path));
        } else if text.is_empty() && leaf.number("minLength").is_some_and(|least| least > 0.0) {
            let finding = Diagnostic::error("E0107", format!("{} cannot be empty", subject(path)))
                .label("text is wanted here");
            self.report.at_value(path, with_example(finding, around, path));
        }
        if leaf.get("x-cell") == Some(&Value::Bool(true)) {
            self.references.push(Reference { path: path.clone(), name: text.to_string() });
        }
    }

    fn list(&mut self, items: &mut [Value], leaf: &View<'a>, path: &Path) {
        let count = items.len() as f64;
        let rule = match (leaf.number("minItems"), leaf.number("maxItems")) {
            (Some(least), _) if count < least => Some(format!("at least {least}")),
            (_, Some(most)) if count > most => Some(format!("at most {most}")),
            _ => None,
        };
        if let Some(rule) = rule {
            let message = format!("{} needs {rule} items, found {count}", subject(path));
            let message =
                if rule == "at least 1" { format!("{} is an empty list", subject(path)) } else { message };
            let finding = Diagnostic::error("E0106", message).label(format!("{rule} wanted"));
            self.report.at_value(path, with_example(finding, leaf, path));
        }
        match leaf.get("items") {
            Some(Value::Array(each)) => {
                for (n, (item, schema)) in items.iter_mut().zip(each).enumerate() {
                    self.value(item, &leaf.inner(schema), &path.index(n));
                }
            }
            Some(schema) => {
                let view = leaf.inner(schema);
                for (n, item) in items.iter_mut().enumerate() {
                    self.value(item, &view, &path.index(n));
                }
            }
            None => {}
        }
    }

    fn wrong_type(&mut self, value: &Value, view: &View<'a>, path: &Path) {
        let wanted = words::wanted(view);
        let found = match (value, self.report.raw(path)) {
            (Value::Number(_), Some(raw)) => format!("the number {raw}"),
            _ => words::found(value),
        };
        let message = format!("{} wants {wanted}, found {found}", subject(path));
        let mut finding = Diagnostic::error("E0105", message).label(format!("{wanted} is wanted here"));
        if let Some(help) = self.likely(value, view, path) {
            finding = finding.help(help);
        } else {
            finding = with_example(finding, view, path);
        }
        self.report.at_value(path, described(finding, view));
    }

    /// The one thing that was most likely meant by a value of the wrong type.
    fn likely(&self, value: &Value, view: &View<'a>, path: &Path) -> Option<String> {
        let leaves = view.leaves();
        let takes = |name: &str| leaves.iter().any(|leaf| leaf.types().contains(&name));
        let write = |value: &Value| Some(format!("write `{}`", in_place(value, path)));
        match value {
            Value::String(text) if takes("boolean") => match text.to_lowercase().as_str() {
                "yes" | "on" | "y" => write(&Value::Bool(true)),
                "no" | "off" | "n" => write(&Value::Bool(false)),
                _ => None,
            },
            Value::String(text) if self.report.quoted(path) && (takes("integer") || takes("number")) => {
                let number: Value = serde_yaml::from_str(text).ok().filter(Value::is_number)?;
                Some(format!("a number has no quotes: write `{}`", in_place(&number, path)))
            }
            Value::Number(number) if takes("integer") => {
                let float = number.as_f64().filter(|float| float.fract() == 0.0 && float.abs() < 1e15)?;
                Some(format!(
                    "a whole number has no point and no exponent: write `{}`",
                    in_place(&Value::from(float as i64), path)
                ))
            }
            Value::Number(number)
                if takes("string") && leaves.iter().all(|leaf| leaf.get("pattern").is_none()) =>
            {
                write(&Value::from(number.to_string()))
            }
            Value::Array(_) if path.segments().is_empty() => Some(
                "begin with the lines `forge: 1` and `task: forecast`, and put the list under `cells:`"
                    .to_string(),
            ),
            _ if path.segments().is_empty() => {
                Some("a spec is lines of `key: value`; the first is `forge: 1`".to_string())
            }
            Value::Null if takes("object") && !matches!(path.segments().last(), Some(Segment::Index(_))) => {
                let map = leaves.iter().find(|leaf| leaf.types().contains(&"object"))?;
                let free = map.required().is_empty() && !map.properties().is_empty();
                free.then(|| {
                    format!("write `{}` for the defaults", in_place(&Value::Object(Default::default()), path))
                })
            }
            Value::Object(_) | Value::Array(_) | Value::Null => None,
            other if takes("array") => {
                let list = leaves.iter().find(|leaf| leaf.types().contains(&"array"))?;
                let mut item = other.clone();
                self.fits(&mut item, &list.inner(list.get("items")?), path)
                    .then(|| format!("write `{}`", in_place(&Value::Array(vec![other.clone()]), path)))
            }
            _ => None,
        }
    }

    fn unknown_name(&mut self, name: &str, names: &[&str], view: &View<'a>, path: &Path) {
        if let Some((_, why)) = view.later().into_iter().find(|(later, _)| *later == name) {
            let finding = Diagnostic::error("E0103", format!("`{name}` is not in this version"))
                .label("not in this version")
                .note(known("names", names))
                .help(why);
            self.report.at_value(path, finding);
            return;
        }
        let message = format!("unknown name `{name}` for {}", subject(path));
        let finding =
            Diagnostic::error("E0108", message).label(did_you_mean(name, names)).note(known("names", names));
        self.report.at_value(path, described(finding, view));
    }

    /// Whether a value passes a schema; nothing is reported.
    fn fits(&self, value: &mut Value, view: &View<'a>, path: &Path) -> bool {
        self.trial(value, view, path).0.is_empty()
    }

    /// What checking a value would report, and the names of cells that it would meet.
    fn trial(&self, value: &mut Value, view: &View<'a>, path: &Path) -> (Vec<Diagnostic>, Vec<Reference>) {
        let mut report = self.report.fresh();
        let mut walker = Walker { root: self.root, report: &mut report, references: Vec::new() };
        walker.value(value, view, path);
        let references = walker.references;
        (report.into_items(), references)
    }
}

/// Whether a value has one of these JSON types; none means any.
fn has_type(value: &Value, types: &[&str]) -> bool {
    types.is_empty()
        || types.iter().any(|name| match *name {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        })
}

/// `key: value` for a value under a key, the value alone for an item of a list.
fn in_place(value: &Value, path: &Path) -> String {
    match path.segments().last() {
        Some(Segment::Key(key)) => words::entry(key, value),
        _ => words::flow(value),
    }
}

/// Adds what a key is for.
fn described(finding: Diagnostic, view: &View<'_>) -> Diagnostic {
    match view.text("description") {
        Some(description) => finding.note(first_line(description)),
        None => finding,
    }
}

fn with_example(finding: Diagnostic, view: &View<'_>, path: &Path) -> Diagnostic {
    match view.example() {
        Some(example) => finding.help(format!("for example `{}`", in_place(&example, path))),
        None => finding,
    }
}

fn known(what: &str, names: &[&str]) -> String {
    format!("known {what}: {}", names.join(", "))
}

fn did_you_mean(name: &str, names: &[&str]) -> String {
    match super::hint::nearest(name, names.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "not known here".to_string(),
    }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}
