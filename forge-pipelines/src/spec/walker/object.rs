//! Maps: known keys, missing keys, keys that belong elsewhere.

use super::super::diagnostic::Diagnostic;
use super::super::hint::nearest;
use super::super::path::Path;
use super::view::View;
use super::{Walker, first_line, known, subject, words};
use serde_json::{Map, Value};

impl<'a> Walker<'a, '_> {
    pub(super) fn object(&mut self, map: &mut Map<String, Value>, view: &View<'a>, path: &Path) {
        let properties = view.properties();
        let others = view.get("additionalProperties");
        let mut meant: Vec<&str> = Vec::new();
        let names = view.get("propertyNames").map(|schema| view.inner(schema));
        for (key, value) in map.iter_mut() {
            if let Some((_, schema)) = properties.iter().find(|(name, _)| name == key) {
                self.value(value, &view.inner(schema), &path.key(key));
                continue;
            }
            match others {
                Some(Value::Object(_)) => {
                    let wrong_name = names
                        .as_ref()
                        .is_some_and(|names| !self.fits(&mut Value::from(key.as_str()), names, path));
                    if wrong_name {
                        let known = names.as_ref().and_then(View::names).unwrap_or_default();
                        self.wrong_key(key, &known, view, path);
                    }
                    if let Some(schema) = others {
                        self.value(value, &view.inner(schema), &path.key(key));
                    }
                }
                Some(Value::Bool(true)) => {}
                // A map whose schema lists no keys and says nothing about others takes any.
                None if properties.is_empty() => {}
                _ => meant.extend(self.unknown_key(key, view, &properties, path)),
            }
        }
        for missing in view.required() {
            // A key that was misspelt is not missing, too.
            if !map.contains_key(missing) && !meant.contains(&missing) {
                let schema = properties.iter().find(|(name, _)| *name == missing).map(|(_, schema)| *schema);
                self.missing_key(missing, schema.map(|schema| view.inner(schema)), path);
            }
        }
        if (map.len() as f64) < view.number("minProperties").unwrap_or(0.0) {
            let finding = Diagnostic::error("E0106", format!("{} is empty", subject(path)))
                .label("at least one entry is wanted here");
            self.report.at_value(path, super::with_example(finding, view, path));
        }
    }

    /// Reports a key that is not one of those `wanted`, or of another form where none are listed.
    fn wrong_key(&mut self, key: &str, wanted: &[&str], view: &View<'a>, path: &Path) {
        let finding = Diagnostic::error("E0107", format!("`{key}` cannot be a key of {}", subject(path)));
        let finding = match wanted {
            [] => finding.label("not of the form that is wanted here"),
            wanted => finding.label("not a known key").note(known("keys", wanted)),
        };
        self.report.at_key(&path.key(key), super::with_example(super::described(finding, view), view, path));
    }

    /// Reports a key that is not known, and gives the known one that was meant.
    fn unknown_key(
        &mut self,
        key: &str,
        view: &View<'a>,
        properties: &[(&'a str, &'a Value)],
        path: &Path,
    ) -> Option<&'a str> {
        let at = path.key(key);
        let names: Vec<&'a str> = properties.iter().map(|(name, _)| *name).collect();
        if let Some((_, why)) = view.later().into_iter().find(|(later, _)| *later == key) {
            let finding = Diagnostic::error("E0103", format!("`{key}` is not in this version"))
                .label("not in this version")
                .help(why);
            self.report.at_key(&at, finding);
            return None;
        }
        let meant = nearest(key, names.iter().copied());
        let finding = Diagnostic::error("E0102", format!("unknown key `{key}`"));
        let finding = match (meant, owner(key, view, properties)) {
            (Some(near), _) => finding.label(format!("did you mean `{near}`?")),
            (None, Some((owner, own))) => finding
                .label(format!("`{own}` is a key of `{owner}`"))
                .help(format!("write `{owner}: {{{own}: …}}`")),
            (None, None) if names.is_empty() => finding.label("no keys are taken here"),
            (None, None) => finding.label("not known here"),
        };
        let finding = if names.is_empty() { finding } else { finding.note(known("keys", &names)) };
        self.report.at_key(&at, finding);
        meant
    }

    fn missing_key(&mut self, key: &str, view: Option<View<'a>>, path: &Path) {
        let example = view.as_ref().and_then(View::example);
        let written = match &example {
            Some(example) => words::entry(key, example),
            None => format!("{key}: …"),
        };
        let description = view.as_ref().and_then(|view| view.text("description")).map(first_line);
        let mut finding = Diagnostic::error("E0104", format!("{} lacks `{key}`", subject(path)));
        if path.segments().is_empty() {
            finding = finding.label(format!("the line `{written}` is missing")).help(match key {
                "forge" => format!("begin the file with the line `{written}`"),
                _ => format!("add a line such as `{written}`"),
            });
        } else {
            finding =
                finding.label(format!("`{key}` is missing here")).help(format!("for example `{written}`"));
        }
        if let Some(description) = description {
            finding = finding.note(format!("`{key}`: {description}"));
        }
        self.report.at_key(path, finding);
    }
}

/// The key of this map under which an unknown key (or one much like it) is known, and how it is called there.
fn owner<'a>(key: &str, view: &View<'a>, properties: &[(&'a str, &'a Value)]) -> Option<(&'a str, &'a str)> {
    let inside = |(owner, schema): &(&'a str, &'a Value)| {
        let keys: Vec<&'a str> = view.inner(schema).properties().into_iter().map(|(name, _)| name).collect();
        Some((*owner, nearest(key, keys)?))
    };
    let owners: Vec<(&str, &str)> = properties.iter().filter_map(inside).collect();
    owners.iter().find(|(_, own)| *own == key).or(owners.first()).copied()
}
