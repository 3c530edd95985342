//! What a spec can ask for: the built-in kinds, and those of outside code, wired in one way.

use crate::cells::{self, CellKind};
use crate::models::{AnyModel, LinearModel, LstmModel, ModelKind};
use crate::spec::Vocabulary;
use serde_json::{Value, json};

/// The cell kinds and models of a program.
pub struct Registry {
    cells: Vec<Box<dyn CellKind>>,
    models: Vec<Box<dyn AnyModel>>,
}

impl Default for Registry {
    fn default() -> Self {
        Registry::standard()
    }
}

impl Registry {
    /// Everything that is built in. The order of cell kinds is that in which a cell runs them.
    pub fn standard() -> Self {
        Registry { cells: Vec::new(), models: Vec::new() }
            .with_cell(cells::Data)
            .with_cell(cells::Splitting)
            .with_cell(cells::Roles)
            .with_cell(cells::Window)
            .with_cell(cells::Baselines)
            .with_cell(cells::Training)
            .with_cell(cells::Evaluate)
            .with_cell(cells::Forecast)
            .with_cell(cells::Show)
            .with_model(LinearModel)
            .with_model(LstmModel)
    }

    /// One more cell kind, run after those already there.
    pub fn with_cell(mut self, kind: impl CellKind + 'static) -> Self {
        self.cells.push(Box::new(kind));
        self
    }

    /// One more model; one of the same name is replaced.
    pub fn with_model(mut self, kind: impl ModelKind) -> Self {
        let kind: Box<dyn AnyModel> = Box::new(kind);
        self.models.retain(|known| known.name() != kind.name());
        self.models.push(kind);
        self
    }

    pub(crate) fn cells(&self) -> impl Iterator<Item = &dyn CellKind> {
        self.cells.iter().map(|kind| &**kind)
    }

    /// The model that `{name: params}` or a bare name asks for, with its parameters.
    pub(crate) fn model(&self, choice: &Value) -> Option<(&dyn AnyModel, Value)> {
        let (name, params) = match choice {
            Value::String(name) => (name.as_str(), json!({})),
            Value::Object(map) => map.iter().next().map(|(name, params)| (name.as_str(), params.clone()))?,
            _ => return None,
        };
        self.models.iter().find(|kind| kind.name() == name).map(|kind| (&**kind, params))
    }

    /// The schema of a choice among the models: a one-key map, or a bare name.
    pub(crate) fn model_schema(&self) -> Value {
        let mut definitions = serde_json::Map::new();
        let mut branches = Vec::new();
        for kind in &self.models {
            let mut schema = kind.schema();
            if let Some(root) = schema.as_object_mut() {
                root.remove("$schema");
                if let Some(Value::Object(own)) = root.remove("definitions") {
                    definitions.extend(own);
                }
            }
            let mut properties = serde_json::Map::new();
            properties.insert(kind.name().into(), schema);
            branches.push(json!({
                "type": "object", "properties": properties, "required": [kind.name()], "additionalProperties": false,
            }));
        }
        let names: Vec<&str> = self.models.iter().map(|kind| kind.name()).collect();
        branches.push(json!({"type": "string", "enum": names}));
        json!({
            "description": "The model: a one-key map such as `{lstm: {hidden: 64}}`, or a name.",
            "oneOf": branches,
            "examples": [{"lstm": {"hidden": 64}}],
            "definitions": definitions,
        })
    }

    /// The vocabulary of the spec language with these kinds.
    pub fn vocabulary(&self) -> Vocabulary {
        let actions = self.cells().flat_map(|kind| kind.actions(self));
        actions.fold(Vocabulary::new(), |vocabulary, (name, schema)| vocabulary.action(name, schema))
    }
}
