//! Values with alternatives: a choice of kind, an optional value, values of several types.

use super::super::diagnostic::Diagnostic;
use super::super::path::Path;
use super::view::View;
use super::{Walker, did_you_mean, has_type, in_place, known, subject};
use serde_json::{Map, Value};

/// The kinds among some alternatives: bare names and one-key maps.
struct Kinds<'a> {
    names: Vec<&'a str>,
    maps: Vec<(&'a str, &'a Value)>,
}

impl<'a> Kinds<'a> {
    fn of(leaves: &[View<'a>]) -> Self {
        Kinds {
            names: leaves.iter().filter_map(View::names).flatten().collect(),
            maps: leaves.iter().filter(|leaf| leaf.kind).filter_map(View::one_key).collect(),
        }
    }

    fn all(&self) -> Vec<&'a str> {
        let mut all = self.names.clone();
        all.extend(self.maps.iter().map(|(name, _)| *name).filter(|name| !self.names.contains(name)));
        all
    }
}

impl<'a> Walker<'a, '_> {
    pub(super) fn choose(&mut self, value: &mut Value, leaves: &[View<'a>], view: &View<'a>, path: &Path) {
        let kinds = Kinds::of(leaves);
        match value {
            Value::String(name) if kinds.names.contains(&name.as_str()) => return,
            Value::String(name) if !kinds.maps.is_empty() => {
                let name = name.clone();
                if let Some((_, schema)) = kinds.maps.iter().find(|(kind, _)| *kind == name) {
                    let inner = view.inner(schema);
                    return self.bare_name(value, &name, &inner, path);
                }
            }
            Value::Object(map) if !kinds.all().is_empty() => {
                let other_maps = leaves.iter().any(|leaf| takes_other_maps(leaf));
                if !other_maps || map.len() == 1 && map.keys().all(|key| kinds.all().contains(&key.as_str()))
                {
                    return self.kind_map(value, &kinds, view, path);
                }
            }
            _ => {}
        }
        let fitting: Vec<&View<'a>> = leaves
            .iter()
            .filter(|leaf| has_type(value, &leaf.types()) && leaf.names().is_none())
            .filter(|leaf| !(leaf.kind && leaf.one_key().is_some()))
            .collect();
        match (fitting.as_slice(), value.as_str()) {
            ([], Some(name)) if !kinds.all().is_empty() => {
                let name = name.to_string();
                self.unknown_name(&name, &kinds.all(), view, path);
            }
            ([], _) => self.wrong_type(value, view, path),
            ([leaf], _) => self.leaf(value, leaf, view, path),
            (several, _) => self.best(value, several, path),
        }
    }

    /// The alternative that fits, or the complaints of the one that fits best.
    fn best(&mut self, value: &mut Value, leaves: &[&View<'a>], path: &Path) {
        let tried = leaves.iter().map(|leaf| {
            let mut copy = value.clone();
            let (findings, references) = self.trial(&mut copy, leaf, path);
            (findings, references, copy)
        });
        if let Some((findings, references, checked)) = tried.min_by_key(|(findings, ..)| findings.len()) {
            self.report.extend(findings);
            self.references.extend(references);
            *value = checked;
        }
    }

    /// `lstm` for `{lstm: {}}`.
    fn bare_name(&mut self, value: &mut Value, name: &str, parameters: &View<'a>, path: &Path) {
        let mut empty = Value::Object(Map::new());
        let takes_map = parameters.leaves().iter().any(|leaf| leaf.types().contains(&"object"));
        if takes_map && self.fits(&mut empty, parameters, &path.key(name)) {
            *value = Value::Object(Map::from_iter([(name.to_string(), empty)]));
            return;
        }
        let mut finding = Diagnostic::error("E0109", format!("`{name}` needs its parameters"))
            .label("parameters are missing");
        if let Some(example) = parameters.example() {
            let example = Value::Object(Map::from_iter([(name.to_string(), example)]));
            finding = finding.help(format!("for example `{}`", in_place(&example, path)));
        }
        self.report.at_value(path, finding);
    }

    fn kind_map(&mut self, value: &mut Value, kinds: &Kinds<'a>, view: &View<'a>, path: &Path) {
        let Value::Object(map) = value else { return };
        if map.len() == 1
            && let Some((name, inside)) = map.iter_mut().next()
        {
            let at = path.key(name);
            if let Some((_, schema)) = kinds.maps.iter().find(|(kind, _)| kind == name) {
                let parameters = view.inner(schema);
                return self.value(inside, &parameters, &at);
            }
            if kinds.names.contains(&name.as_str()) {
                let empty = inside.is_null() || inside.as_object().is_some_and(Map::is_empty);
                if empty {
                    *value = Value::from(name.as_str());
                } else {
                    let finding = Diagnostic::error("E0109", format!("`{name}` takes no parameters"))
                        .label("nothing is taken here")
                        .help(format!("write `{}`", in_place(&Value::from(name.as_str()), path)));
                    self.report.at_value(&at, finding);
                }
                return;
            }
        }
        let finding = self.no_one_kind(map, kinds, view, path);
        if let Some(finding) = finding {
            self.report.at_value(path, finding);
        }
    }

    /// The complaint about a map that is not one known kind; none if it is already reported at a key.
    fn no_one_kind(
        &mut self,
        map: &Map<String, Value>,
        kinds: &Kinds<'a>,
        view: &View<'a>,
        path: &Path,
    ) -> Option<Diagnostic> {
        let all = kinds.all();
        let keys: Vec<&str> = map.keys().map(String::as_str).collect();
        let of_kind: Vec<&str> = keys.iter().copied().filter(|key| all.contains(key)).collect();
        let labelled = ["type", "kind", "name"].into_iter().find_map(|label| {
            let name = map.get(label)?.as_str().filter(|name| all.contains(name))?;
            (of_kind.is_empty() && keys.len() > 1 || keys == [label]).then_some((label, name))
        });
        if let Some((label, name)) = labelled {
            let rest: Map<String, Value> =
                map.iter().filter(|(k, _)| *k != label).map(|(k, v)| (k.clone(), v.clone())).collect();
            let written = match rest.is_empty() {
                true => Value::from(name),
                false => Value::Object(Map::from_iter([(name.to_string(), Value::Object(rest))])),
            };
            let finding = Diagnostic::error(
                "E0109",
                format!("the kind of {} is its only key, not a `{label}`", subject(path)),
            )
            .label("the kind stands in front of its parameters")
            .help(format!("write `{}`", in_place(&written, path)));
            self.report.at_key(&path.key(label), finding);
            return None;
        }
        match (keys.as_slice(), of_kind.as_slice()) {
            ([], _) => {
                let finding = Diagnostic::error("E0109", format!("{} names no kind", subject(path)))
                    .label("a kind is wanted here")
                    .note(known("kinds", &all));
                Some(super::with_example(finding, view, path))
            }
            ([key], _) => {
                let key = key.to_string();
                self.unknown_kind(&key, &all, view, path);
                None
            }
            (_, [kind]) => {
                let beside: Vec<&str> = keys.iter().copied().filter(|key| key != kind).collect();
                for key in &beside {
                    let finding = Diagnostic::error("E0109", format!("`{key}` stands beside `{kind}`"))
                        .label("not inside the kind")
                        .context(self.report.key_place(&path.key(*kind)), "the kind")
                        .help(format!(
                            "parameters of `{kind}` go inside its own braces: `{{{kind}: {{{key}: …}}}}`"
                        ));
                    self.report.at_key(&path.key(*key), finding);
                }
                None
            }
            (_, []) => {
                let message = format!("{} wants one kind, found the keys {}", subject(path), keys.join(", "));
                let finding = Diagnostic::error("E0109", message)
                    .label("one kind is wanted here, its parameters inside")
                    .note(known("kinds", &all));
                Some(super::with_example(finding, view, path))
            }
            (_, [first, rest @ ..]) => {
                let message = format!(
                    "{} takes one kind, found {}: {}",
                    subject(path),
                    of_kind.len(),
                    of_kind.join(", ")
                );
                let mut finding =
                    Diagnostic::error("E0109", message).label("a second kind").help("keep one of them");
                finding = finding.context(self.report.key_place(&path.key(*first)), "the first kind");
                let second = rest.first().copied().unwrap_or(first);
                self.report.at_key(&path.key(second), finding);
                None
            }
        }
    }

    fn unknown_kind(&mut self, key: &str, all: &[&str], view: &View<'a>, path: &Path) {
        let at = path.key(key);
        if let Some((_, why)) = view.later().into_iter().find(|(later, _)| *later == key) {
            let finding = Diagnostic::error("E0103", format!("`{key}` is not in this version"))
                .label("not in this version")
                .note(known("kinds", all))
                .help(why);
            self.report.at_key(&at, finding);
            return;
        }
        let finding = Diagnostic::error("E0108", format!("unknown kind `{key}` for {}", subject(path)))
            .label(did_you_mean(key, all))
            .note(known("kinds", all));
        self.report.at_key(&at, finding);
    }
}

/// Whether an alternative is a map that is not a kind.
fn takes_other_maps(leaf: &View<'_>) -> bool {
    leaf.types().contains(&"object") && !(leaf.kind && leaf.one_key().is_some())
}
