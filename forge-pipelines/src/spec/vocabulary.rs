use serde_json::{Map, Value, json};

/// Seed of a spec that gives none.
pub const DEFAULT_SEED: u64 = 42;

/// The version of the spec language that this program reads.
pub const VERSION: u64 = 1;

/// The guards that `allow` can switch off: those that a cell asks about with
/// [`Plan::guard`](crate::cells::Plan::guard). The others cannot be right (L01 to L04), or stop no run.
pub const ALLOWABLE: [&str; 2] = ["L05", "L06"];

/// The actions of the language, a row a cell kind, in the order in which a cell runs them. What a row holds
/// together is one implied cell when the spec lists no cells.
const ROWS: &[&[&str]] = &[
    &["data"],
    &["clean"],
    &["check"],
    &["split"],
    &["target", "past", "future", "static", "images", "augment"],
    &["window"],
    &["baseline"],
    &["model", "train"],
    &["evaluate"],
    &["forecast"],
    &["show"],
    &["register"],
    &["export"],
];

/// Rows that may share a cell: a frame is read, cleaned and checked in one go.
const FRAME: &[&str] = &["data", "clean", "check"];

/// Actions that may stand beside any other, since they only use what the cell made.
const BESIDE_ANY: &[&str] = &["show", "register", "export"];

/// Top-level keys of the language that this version refuses.
const LATER_KEYS: &[(&str, &str)] = &[
    (
        "sweep",
        "a search over parameters comes with `forge tune`; until then, run the spec once with each `-s`",
    ),
    (
        "protocol",
        "presets of published protocols come in a later version; write split, window and metrics out",
    ),
];

/// Tasks of the language.
const TASKS: &[&str] = &["forecast", "classify"];

/// An action: what stands as a key in a cell.
#[derive(Clone, Debug)]
pub struct ActionEntry {
    /// The key, such as `window`.
    pub name: String,
    /// Place in the order in which a cell runs its actions.
    pub order: usize,
    /// JSON Schema (draft 7) of its parameters.
    pub schema: Value,
    row: usize,
}

/// The actions that a spec may use, with the types of their parameters: the one source of truth for keys,
/// types, examples and what an editor completes.
///
/// Beside draft 7, the schemas may hold three annotations:
/// - `x-cell: true` on text that names an earlier cell: checked like `from:`.
/// - `x-later: {name: why}` on a map, a choice of kind or a list of names: names that belong to the language
///   and are not in this version.
/// - `examples`, whose first item is shown in messages.
///
/// ```
/// use forge_pipelines::spec::{Document, Vocabulary, load};
/// use serde_json::json;
/// let vocabulary = Vocabulary::new().action("window", json!({
///     "type": "object",
///     "properties": {"lookback": {"type": "integer", "minimum": 1, "examples": [60]}},
///     "additionalProperties": false,
/// }));
/// let text = "forge: 1\ntask: forecast\nwindow: {lookbak: 60}\n";
/// let findings = load(Document::parse("stock.yaml", text).unwrap(), &vocabulary).unwrap_err();
/// assert_eq!(findings.items()[0].label, "did you mean `lookback`?");
/// ```
#[derive(Clone, Debug)]
pub struct Vocabulary {
    actions: Vec<ActionEntry>,
    definitions: Map<String, Value>,
    tasks: Vec<String>,
    implied: Vec<(String, Value)>,
}

impl Default for Vocabulary {
    fn default() -> Self {
        Vocabulary::new()
    }
}

impl Vocabulary {
    /// No actions yet, and the one task `forecast`.
    pub fn new() -> Self {
        Vocabulary {
            actions: Vec::new(),
            definitions: Map::new(),
            tasks: vec!["forecast".to_string()],
            implied: Vec::new(),
        }
    }

    /// Adds an action with the schema of its parameters; one of the same name is replaced. An action that the
    /// language does not have (a user's own cell kind) runs after all others and shares no cell.
    ///
    /// `definitions` of the schema's root, as `schemars` makes them, move to those of the whole document, with
    /// the action's name in front: two actions may each have a type called `Params`.
    pub fn action(mut self, name: &str, mut schema: Value) -> Self {
        lengthen_references(&mut schema, name);
        if let Some(root) = schema.as_object_mut() {
            root.remove("$schema");
            if let Some(Value::Object(own)) = root.remove("definitions") {
                self.definitions.extend(own.into_iter().map(|(key, value)| (format!("{name}.{key}"), value)));
            }
        }
        self.actions.retain(|action| action.name != name);
        let known = ROWS.iter().position(|row| row.contains(&name));
        let row = known.unwrap_or(ROWS.len() + self.actions.len());
        let within = ROWS.get(row).and_then(|names| names.iter().position(|known| *known == name));
        let order = row * 10 + within.unwrap_or(0);
        self.actions.push(ActionEntry { name: name.to_string(), order, schema, row });
        self.actions.sort_by_key(|action| action.order);
        self
    }

    /// What stands for an action that a spec in the short form (without `cells:`) leaves out.
    pub fn implied(mut self, name: &str, params: Value) -> Self {
        self.implied.push((name.to_string(), params));
        self
    }

    /// Fills a spec in the short form: with its data and its target given, everything else is implied.
    pub(super) fn complete(&self, spec: &mut Value) {
        let Some(map) = spec.as_object_mut() else { return };
        if map.contains_key("cells") || !map.contains_key("data") || !map.contains_key("target") {
            return;
        }
        for (name, params) in &self.implied {
            if !map.contains_key(name) {
                map.insert(name.clone(), params.clone());
            }
        }
    }

    /// The tasks that this program can run.
    pub fn tasks(mut self, tasks: &[&str]) -> Self {
        self.tasks = tasks.iter().map(|task| task.to_string()).collect();
        self
    }

    /// The actions, in the order in which a cell runs them.
    pub fn actions(&self) -> &[ActionEntry] {
        &self.actions
    }

    /// The action called `name`.
    pub fn get(&self, name: &str) -> Option<&ActionEntry> {
        self.actions.iter().find(|action| action.name == name)
    }

    /// The JSON Schema (draft 7) of a whole spec: what `forge schema` prints and editors read.
    pub fn schema(&self) -> Value {
        let mut schema = self.grammar();
        super::bare_names::add(&mut schema);
        schema
    }

    /// The schema by which specs are checked, in which a kind has one form: what its bare name stands for.
    pub(super) fn grammar(&self) -> Value {
        let mut properties = top_level();
        properties["task"] = self.task();
        let mut cell = json!({
            "id": {
                "type": "string",
                "pattern": "^[A-Za-z][A-Za-z0-9_-]*$",
                "description": "Name of the cell, used in addresses: a letter, then letters, digits, `-` or `_`.",
                "examples": ["lstm"],
            },
            "md": {"type": "string", "description": "Prose in Markdown.", "examples": ["## Question"]},
            "from": {
                "anyOf": [
                    {"type": "string", "x-cell": true},
                    {"type": "array", "items": {"type": "string", "x-cell": true}, "minItems": 1},
                ],
                "description": "The earlier cell, or cells, to take the input from.",
                "examples": ["prices"],
            },
        });
        for action in &self.actions {
            let reference = json!({"$ref": format!("#/definitions/action.{}", action.name)});
            properties[&action.name] = reference.clone();
            cell[&action.name] = reference;
        }
        let mut definitions = self.definitions.clone();
        for action in &self.actions {
            definitions.insert(format!("action.{}", action.name), action.schema.clone());
        }
        definitions.insert(
            "cell".to_string(),
            json!({
                "type": "object",
                "description": "A cell: prose, or one or more actions.",
                "properties": cell,
                "additionalProperties": false,
                "dependencies": self.company(),
                "x-later": self.later_actions(),
                "examples": [{"id": "window", "window": {"lookback": 60, "horizon": 5}}],
            }),
        );
        let mut later = self.later_actions();
        later.extend(LATER_KEYS.iter().map(|(key, why)| (key.to_string(), json!(why))));
        json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "title": "azuraforge spec",
            "type": "object",
            "properties": properties,
            "required": ["forge", "task"],
            "additionalProperties": false,
            "if": {"required": ["cells"]},
            "then": {"not": {"anyOf": self.required_each()}},
            "else": {"anyOf": self.required_each()},
            "x-later": later,
            "definitions": definitions,
        })
    }

    /// Of each key of a cell, what may stand beside it: what `spec::cells` says with words, for editors.
    fn company(&self) -> Value {
        let mut dependencies =
            Map::from_iter([("md".to_string(), json!({"propertyNames": {"enum": ["id", "md"]}}))]);
        for ActionEntry { name, .. } in &self.actions {
            let others = self.actions.iter().map(|other| other.name.as_str());
            let beside = others.filter(|other| self.share_a_cell(name, other));
            let names: Vec<&str> = ["id", "from"].into_iter().chain(beside).collect();
            let mut company = json!({"propertyNames": {"enum": names}});
            match name.as_str() {
                "model" => company["required"] = json!(["train"]),
                "train" => company["required"] = json!(["model"]),
                _ => {}
            }
            dependencies.insert(name.clone(), company);
        }
        Value::Object(dependencies)
    }

    /// One schema an action, which asks for its key.
    fn required_each(&self) -> Value {
        self.actions.iter().map(|action| json!({"required": [action.name]})).collect()
    }

    /// Whether two actions may stand in one cell.
    pub(super) fn share_a_cell(&self, a: &str, b: &str) -> bool {
        let frame = |name: &str| FRAME.contains(&name);
        let aside = |name: &str| BESIDE_ANY.contains(&name);
        let row = |name: &str| self.get(name).map(|action| action.row);
        row(a) == row(b) || (frame(a) && frame(b)) || aside(a) || aside(b)
    }

    /// Whether two top-level actions belong to one implied cell.
    pub(super) fn implied_together(&self, a: &str, b: &str) -> bool {
        self.get(a).zip(self.get(b)).is_some_and(|(a, b)| a.row == b.row)
    }

    fn task(&self) -> Value {
        let later: Map<String, Value> = TASKS
            .iter()
            .filter(|task| !self.tasks.iter().any(|known| known == *task))
            .map(|task| (task.to_string(), json!("this task comes in a later version")))
            .collect();
        json!({
            "type": "string",
            "enum": self.tasks,
            "description": "What is to be learned.",
            "examples": ["forecast"],
            "x-later": later,
        })
    }

    fn later_actions(&self) -> Map<String, Value> {
        ROWS.iter()
            .flat_map(|row| row.iter())
            .filter(|name| self.get(name).is_none())
            .map(|name| (name.to_string(), json!("this action comes in a later version; remove it for now")))
            .collect()
    }
}

/// Makes every `#/definitions/TYPE` of a schema `#/definitions/ACTION.TYPE`.
fn lengthen_references(schema: &mut Value, action: &str) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::String(target) if key == "$ref" => {
                        if let Some(name) = target.strip_prefix("#/definitions/") {
                            *target = format!("#/definitions/{action}.{name}");
                        }
                    }
                    // What stands in these is data, not schema.
                    _ if ["default", "examples", "const", "enum"].contains(&key.as_str()) => {}
                    other => lengthen_references(other, action),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| lengthen_references(item, action)),
        _ => {}
    }
}

/// The keys of a spec that are not actions.
fn top_level() -> Value {
    json!({
        "forge": {"const": VERSION, "description": "Version of the spec language.", "examples": [VERSION]},
        "title": {"type": "string", "description": "Title of the report.", "examples": ["MSFT close, five sessions ahead"]},
        "task": {},
        "seed": {
            "type": "integer", "minimum": 0, "default": DEFAULT_SEED,
            "description": "Seed of every random number of the run.",
        },
        "seeds": {
            "type": "integer", "minimum": 1, "maximum": 1000, "default": 1,
            "description": "How often the spec is run, each time with the next seed. The run then reports the mean and \
                the spread of every result, and claims and prose see the means.",
            "examples": [3],
        },
        "device": {
            "type": "string", "pattern": "^(auto|cpu|(cuda|opencl)(:[0-9]+)?)$", "default": "auto",
            "description": "Where to compute: auto, cpu, cuda, cuda:0, opencl or opencl:0.",
            "examples": ["cpu"],
        },
        "threads": {"type": "integer", "minimum": 1, "description": "CPU threads: one for each core by default. They change the speed, never a result.", "examples": [2]},
        "cells": {
            "type": "array", "items": {"$ref": "#/definitions/cell"}, "minItems": 1,
            "description": "The notebook, from top to bottom.",
        },
        "assert": {
            "type": "array", "items": {"type": "string", "examples": ["score.result.lstm.rmse < 0.4"]},
            "description": "Claims that must hold at the end of the run.",
            "examples": [["score.result.lstm.rmse < 0.4"]],
        },
        "allow": {
            "type": "object", "propertyNames": {"enum": ALLOWABLE},
            "additionalProperties": {"type": "string", "minLength": 1},
            "description": "Guards that are switched off, each with its reason: L05, a fill from later rows, and L06, an epoch chosen by the test part.",
            "examples": [{"L05": "sensor is corrected retroactively, known at forecast time"}],
        },
    })
}
