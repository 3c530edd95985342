//! What a spec is going to do, before it does it: per cell its input, shapes and parameter count where they can be known
//! without the data, and every value with its origin.

use super::lock::{ResolvedCell, resolve};
use super::plan::Planned;
use super::size::model_shape;
use crate::registry::Registry;
use crate::value::ValueKind;
use forge_core::nn::Init;
use serde::Serialize;
use serde_json::Value;

/// A cell of the plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedCell {
    /// Its id.
    pub id: String,
    /// Line of the spec, from 1; 0 for a cell that the spec does not write.
    pub line: usize,
    /// Its actions; none for prose.
    pub actions: Vec<String>,
    /// What it takes and from which cell, such as `windows of window`.
    pub takes: Vec<String>,
    /// What it gives, such as `windows`.
    pub gives: Vec<String>,
    /// The model it trains.
    pub model: Option<ExplainedModel>,
    /// Every value, defaults included.
    pub values: Vec<ExplainedValue>,
}

/// A model before it sees data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedModel {
    /// Its layers.
    pub layers: String,
    /// Shape of a batch of inputs: `[batch, lookback, columns]`, the batch as 0.
    pub input: [usize; 3],
    /// Numbers that it gives for each window: horizon × targets × quantiles.
    pub outputs: usize,
    /// Trainable scalars.
    pub parameters: usize,
}

/// A value of a spec.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExplainedValue {
    /// Its address within the cell, such as `window.lookback`.
    pub address: String,
    /// The value.
    pub value: Value,
    /// `line 12`, `default`, or the override as typed after `-s`.
    pub origin: String,
}

/// The plan of a spec.
pub fn explain(planned: &Planned, registry: &Registry) -> Vec<ExplainedCell> {
    let spec = &planned.spec;
    let resolved = resolve(spec, registry);
    let mut given: Vec<(String, ValueKind)> = Vec::new();
    let mut cells = Vec::new();
    for (n, (cell, own)) in spec.cells.iter().zip(&resolved).enumerate() {
        let mut takes = Vec::new();
        let mut gives = Vec::new();
        for kind in registry.kinds_of(cell) {
            if let Some(needed) = kind.takes() {
                let from = |id: &String| cell.from.is_empty() || cell.from.contains(id);
                let source = given.iter().rev().find(|(id, kind)| from(id) && *kind == needed);
                takes.extend(source.map(|(id, kind)| format!("{kind} of `{id}`")));
            }
            if let Some(value) = kind.gives() {
                given.push((cell.id.clone(), value));
                gives.push(value.to_string());
            }
        }
        cells.push(ExplainedCell {
            id: cell.id.clone(),
            line: cell.line,
            actions: cell.actions.iter().map(|a| a.name.clone()).collect(),
            takes,
            gives,
            model: model(&resolved[..=n], registry),
            values: values(own),
        });
    }
    let implied = |id: &str| ExplainedCell {
        id: id.into(),
        line: 0,
        actions: vec![id.into()],
        takes: Vec::new(),
        gives: Vec::new(),
        model: None,
        values: Vec::new(),
    };
    cells.extend(planned.evaluate_rest.then(|| implied("evaluate")));
    cells.extend(planned.show_usual.then(|| implied("show")));
    cells
}

fn values(cell: &ResolvedCell) -> Vec<ExplainedValue> {
    let origin = |value: &Value| match value {
        Value::String(word) => word.clone(),
        Value::Object(map) => match (map.get("spec"), map.get("override")) {
            (Some(place), _) => format!("line {}", place["line"]),
            (_, Some(Value::String(text))) => format!("-s {text}"),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let mut found = Vec::new();
    cell.actions.iter().for_each(|(name, value)| leaves(value, name.clone(), &mut found));
    let from = |address: &str| cell.origins.get(address).map_or(String::new(), origin);
    found
        .into_iter()
        .map(|(address, value)| ExplainedValue { origin: from(&address), address, value })
        .collect()
}

/// Every value that is neither map nor list, with its address.
fn leaves(value: &Value, address: String, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(key, v)| leaves(v, format!("{address}.{key}"), found)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(n, v)| leaves(v, format!("{address}.{n}"), found));
        }
        leaf => found.push((address, leaf.clone())),
    }
}

/// The model of the last of `cells`, if its shapes can be known.
fn model(cells: &[ResolvedCell], registry: &Registry) -> Option<ExplainedModel> {
    let choice = cells.last()?.actions.get("model")?;
    let shape = model_shape(cells)?;
    let (kind, params) = registry.model(choice)?;
    let model = kind.build(&params, shape, &Init::new(0).measuring()).ok()?;
    Some(ExplainedModel {
        layers: model.describe(),
        input: [0, shape.lookback, shape.features],
        outputs: shape.outputs,
        parameters: model.parameter_count(),
    })
}
