//! What a spec can ask for: the built-in kinds, and those of outside code, wired in one way.

use crate::cells::{self, CellKind};
use crate::models::{AnyModel, LinearModel, LstmModel, ModelKind};
use crate::spec::{CellSpec, Vocabulary};
use serde_json::{Value, json};

/// The cell kinds and models of a program.
pub struct Registry {
    cells: Vec<Kind>,
    models: Vec<Box<dyn AnyModel>>,
}

/// A cell kind, and the names of its actions: asking it for them makes their schemas, too.
struct Kind {
    kind: Box<dyn CellKind>,
    actions: Vec<&'static str>,
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
        let actions = kind.actions(&self).into_iter().map(|(name, _)| name).collect();
        self.cells.push(Kind { kind: Box::new(kind), actions });
        self
    }

    /// One more model; one of the same name is replaced.
    pub fn with_model(mut self, kind: impl ModelKind) -> Self {
        let kind: Box<dyn AnyModel> = Box::new(kind);
        self.models.retain(|known| known.name() != kind.name());
        self.models.push(kind);
        self
    }

    /// The kinds whose actions a cell has, in the order in which they run.
    pub(crate) fn kinds_of(&self, cell: &CellSpec) -> Vec<&dyn CellKind> {
        let has = |kind: &&Kind| kind.actions.iter().any(|name| cell.action(name).is_some());
        self.cells.iter().filter(has).map(|kind| &*kind.kind).collect()
    }

    /// The kind that has an action.
    pub(crate) fn owner(&self, action: &str) -> Option<&dyn CellKind> {
        self.cells.iter().find(|kind| kind.actions.contains(&action)).map(|kind| &*kind.kind)
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
        let actions = self.cells.iter().flat_map(|kind| kind.kind.actions(self));
        actions
            .fold(Vocabulary::new(), |vocabulary, (name, schema)| vocabulary.action(name, schema))
            .implied("split", json!({}))
            .implied("window", json!({"lookback": 30, "horizon": 1}))
            .implied("model", json!({"lstm": {}}))
            .implied("train", json!({"stop": {}}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::ModelShape;
    use forge_core::Tensor;
    use forge_core::data::TensorDataset;
    use forge_core::learn::Learner;
    use forge_core::nn::Init;
    use forge_core::optim::Adam;
    use forge_core::rng::Stream;

    /// Walks the registry, so that a model kind that is added is trained here, too: a network that does not learn cannot
    /// come in unnoticed.
    #[test]
    fn every_parameter_of_every_model_kind_moves_in_one_epoch_and_the_loss_falls() {
        let registry = Registry::standard();
        assert!(registry.models.len() >= 2);
        let (lookback, features, outputs) = (10, 3, 2);
        let noise = Stream::new(1, "windows");
        let x: Vec<f32> = (0..96 * lookback * features).map(|i| noise.normal(i) as f32).collect();
        // Targets that the last rows of a window decide.
        let y: Vec<f32> = x
            .chunks(lookback * features)
            .flat_map(|window| [0.8 * window[27] - 0.3 * window[28], 0.5 * window[29] + 0.2 * window[25]])
            .collect();
        let x = Tensor::new(&x, &[96, lookback, features]).unwrap();
        let data = TensorDataset::new(x, Tensor::new(&y, &[96, outputs]).unwrap()).unwrap();
        for kind in &registry.models {
            let shape = ModelShape { lookback, features, outputs };
            let mut model = kind.build(&json!({}), shape, &Init::new(3)).unwrap();
            let mut adam = Adam::new(0.01);
            let before = model.named_values();
            let one =
                Learner::new(kind.name()).epochs(1).batch_size(16).fit(&mut *model, &mut adam, &data, None);
            let first = one.unwrap().curve("train.loss")[0].1;
            for ((name, old), (_, new)) in before.iter().zip(&model.named_values()) {
                let (old, new) = (old.to_f64_vec().unwrap(), new.to_f64_vec().unwrap());
                let still = old.iter().zip(&new).filter(|(a, b)| a == b).count();
                assert_eq!(
                    still,
                    0,
                    "{}: {still} of {} elements of {name} did not move",
                    kind.name(),
                    old.len()
                );
            }
            let more =
                Learner::new(kind.name()).epochs(25).batch_size(16).fit(&mut *model, &mut adam, &data, None);
            let last = more.unwrap().curve("train.loss").last().unwrap().1;
            assert!(last < 0.5 * first, "{}: the loss went from {first} to {last}", kind.name());
        }
    }

    /// Editors read the committed file; `FORGE_BLESS=1` rewrites it.
    #[test]
    fn the_committed_schema_is_that_of_the_types() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/v1.json");
        let schema = format!("{:#}\n", Registry::standard().vocabulary().schema());
        if std::env::var_os("FORGE_BLESS").is_some() {
            std::fs::write(&path, &schema).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == schema, "schema/v1.json is not what the types say; FORGE_BLESS=1 rewrites it");
    }

    #[test]
    fn every_spec_of_the_examples_folder_passes_its_checks() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|e| e == "yaml") {
                count += 1;
                let checked = crate::engine::check(&path, &[], &Registry::standard());
                assert!(checked.is_ok(), "{}", checked.unwrap_err().findings);
            }
        }
        assert!(count > 0);
    }
}
