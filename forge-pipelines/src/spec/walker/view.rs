//! A schema as the walker sees it: references followed, `allOf` laid over each other, alternatives in a list.

use serde_json::{Map, Value};

/// References followed before a schema counts as circular.
const MAX_REFERENCES: usize = 32;

/// A schema with everything that holds for one value, the outermost first: descriptions and examples beside a
/// reference win over those of its target.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    layers: Vec<&'a Map<String, Value>>,
    /// The whole document's schema, which holds the definitions.
    root: &'a Value,
    /// Whether this is one alternative of a choice of kind.
    pub kind: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(schema: &'a Value, root: &'a Value) -> Self {
        let mut view = View { layers: Vec::new(), root, kind: false };
        view.push(schema, 0);
        view
    }

    fn push(&mut self, schema: &'a Value, depth: usize) {
        let Some(map) = schema.as_object().filter(|_| depth < MAX_REFERENCES) else { return };
        self.layers.push(map);
        if let Some(target) = map.get("$ref").and_then(Value::as_str)
            && let Some(name) = target.strip_prefix("#/definitions/")
            && let Some(schema) = self.root["definitions"].get(name)
        {
            self.push(schema, depth + 1);
        }
        for part in map.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.push(part, depth + 1);
        }
    }

    /// A schema inside this one.
    pub(super) fn inner(&self, schema: &'a Value) -> View<'a> {
        View::new(schema, self.root)
    }

    /// The first layer's value of a keyword.
    pub(super) fn get(&self, keyword: &str) -> Option<&'a Value> {
        self.layers.iter().find_map(|layer| layer.get(keyword))
    }

    pub(super) fn text(&self, keyword: &str) -> Option<&'a str> {
        self.get(keyword).and_then(Value::as_str)
    }

    pub(super) fn number(&self, keyword: &str) -> Option<f64> {
        self.get(keyword).and_then(Value::as_f64)
    }

    /// The alternatives, those of alternatives included; the schema itself if it has none.
    pub(super) fn leaves(&self) -> Vec<View<'a>> {
        let mut leaves = Vec::new();
        self.gather(&mut leaves, 0);
        leaves
    }

    fn gather(&self, leaves: &mut Vec<View<'a>>, depth: usize) {
        let any = self.get("anyOf").and_then(Value::as_array);
        let one = self.get("oneOf").and_then(Value::as_array);
        if depth >= MAX_REFERENCES || (any.is_none() && one.is_none()) {
            leaves.push(self.clone());
            return;
        }
        for (branches, kind) in [(any, self.kind), (one, true)] {
            for branch in branches.into_iter().flatten() {
                let mut view = View::new(branch, self.root);
                view.kind = kind;
                view.gather(leaves, depth + 1);
            }
        }
    }

    /// The JSON types that are taken; empty if any is.
    pub(super) fn types(&self) -> Vec<&'a str> {
        match self.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => match (self.names(), self.properties().is_empty()) {
                (Some(_), _) => vec!["string"],
                (None, false) => vec!["object"],
                (None, true) => Vec::new(),
            },
        }
    }

    /// The texts of an `enum` or a `const`.
    pub(super) fn names(&self) -> Option<Vec<&'a str>> {
        if let Some(name) = self.text("const") {
            return Some(vec![name]);
        }
        let names: Vec<&str> = self.get("enum")?.as_array()?.iter().filter_map(Value::as_str).collect();
        (!names.is_empty()).then_some(names)
    }

    /// Name and parameters, if this is a map of exactly one given key.
    pub(super) fn one_key(&self) -> Option<(&'a str, &'a Value)> {
        let properties = self.properties();
        let [(name, schema)] = properties.as_slice() else { return None };
        let closed = self.get("additionalProperties") == Some(&Value::Bool(false));
        (closed && self.required() == [*name]).then_some((*name, *schema))
    }

    /// The keys of a map with their schemas.
    pub(super) fn properties(&self) -> Vec<(&'a str, &'a Value)> {
        let maps = self.layers.iter().filter_map(|layer| layer.get("properties")?.as_object());
        maps.flatten().map(|(name, schema)| (name.as_str(), schema)).collect()
    }

    /// The keys without which a map is refused.
    pub(super) fn required(&self) -> Vec<&'a str> {
        let lists = self.layers.iter().filter_map(|layer| layer.get("required")?.as_array());
        lists.flatten().filter_map(Value::as_str).collect()
    }

    /// Names that belong to the language and not to this version, with the reason; those of alternatives too.
    pub(super) fn later(&self) -> Vec<(&'a str, &'a str)> {
        let mut later = self.own_later();
        for alternatives in ["anyOf", "oneOf"].into_iter().filter_map(|keyword| self.get(keyword)?.as_array())
        {
            let references = alternatives.iter().filter(|schema| schema.get("$ref").is_some());
            later.extend(references.flat_map(|schema| self.inner(schema).own_later()));
        }
        later
    }

    fn own_later(&self) -> Vec<(&'a str, &'a str)> {
        let own = self.layers.iter().filter_map(|layer| layer.get("x-later")?.as_object()).flatten();
        own.map(|(name, why)| (name.as_str(), why.as_str().unwrap_or_default())).collect()
    }

    /// A value that would be taken: an example, the default, or one made from the parts that must be given.
    pub(super) fn example(&self) -> Option<Value> {
        self.example_within(0)
    }

    fn example_within(&self, depth: usize) -> Option<Value> {
        if depth > 4 {
            return None;
        }
        let given = self.get("examples").and_then(|examples| examples.get(0));
        let value =
            given.or_else(|| self.get("const")).or_else(|| self.get("default").filter(|v| !v.is_null()));
        if let Some(value) = value {
            return Some(value.clone());
        }
        let leaves = self.leaves();
        if leaves.len() > 1 {
            return leaves.iter().find_map(|leaf| leaf.example_within(depth + 1));
        }
        if let Some(names) = self.names() {
            return Some(Value::from(*names.first()?));
        }
        match self.types().first().copied()? {
            "object" if self.properties().is_empty() => None,
            "object" => {
                let required = self.required();
                let parts = self.properties().into_iter().filter(|(name, _)| required.contains(name));
                let parts: Option<Map<String, Value>> = parts
                    .map(|(name, schema)| {
                        Some((name.to_string(), self.inner(schema).example_within(depth + 1)?))
                    })
                    .collect();
                parts.map(Value::Object)
            }
            "array" => Some(Value::Array(vec![self.inner(self.get("items")?).example_within(depth + 1)?])),
            "boolean" => Some(Value::Bool(true)),
            _ => None,
        }
    }
}
