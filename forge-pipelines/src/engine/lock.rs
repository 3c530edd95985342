//! The resolved spec: every default filled in, and where each value comes from.

use crate::registry::Registry;
use crate::spec::{CellSpec, Origin, Path, Spec};
use forge_core::history::CellState;
use serde_json::{Map, Value, json};

/// A cell with its parameters resolved.
#[derive(Debug)]
pub struct ResolvedCell {
    id: String,
    pub(super) actions: Map<String, Value>,
    pub(super) origins: Map<String, Value>,
}

/// Resolves every cell. A parameter that cannot be resolved stays as written: its cell will say why when it runs.
pub fn resolve(spec: &Spec, registry: &Registry) -> Vec<ResolvedCell> {
    spec.cells.iter().map(|cell| resolve_cell(spec, cell, registry)).collect()
}

fn resolve_cell(spec: &Spec, cell: &CellSpec, registry: &Registry) -> ResolvedCell {
    let (mut actions, mut origins) = (Map::new(), Map::new());
    for action in &cell.actions {
        let resolved =
            registry.owner(&action.name).and_then(|kind| kind.resolve(spec, action, registry).ok());
        let value = resolved.unwrap_or_else(|| action.params.clone());
        leaves(&value, &action.path, &action.name, &mut |path, name, leaf| {
            let mut origin = spec.origin_of(path);
            if origin == Origin::Default && leaf == &action.params {
                // The short form: `data: prices.csv` stands for `data: {csv: prices.csv}`.
                origin = spec.origin_of(&action.path);
            }
            origins.insert(name.to_string(), serde_json::to_value(origin).unwrap_or_default());
        });
        actions.insert(action.name.clone(), value);
    }
    ResolvedCell { id: cell.id.clone(), actions, origins }
}

/// Calls `each` with the path and the address of every value that is neither map nor list.
fn leaves(value: &Value, path: &Path, name: &str, each: &mut impl FnMut(&Path, &str, &Value)) {
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(k, v)| leaves(v, &path.key(k), &format!("{name}.{k}"), each));
        }
        Value::Array(items) => {
            items
                .iter()
                .enumerate()
                .for_each(|(i, v)| leaves(v, &path.index(i), &format!("{name}.{i}"), each));
        }
        _ => each(path, name, value),
    }
}

/// The content of `spec.lock.json`.
pub fn lock(spec: &Spec, cells: &[ResolvedCell], states: &[CellState]) -> Value {
    let cell = |(n, cell): (usize, &ResolvedCell)| {
        let mut entry = json!({"id": cell.id, "actions": cell.actions, "origins": cell.origins});
        if let (Some(state), Some(map)) = (states.get(n), entry.as_object_mut()) {
            map.insert("result".into(), json!(state));
        }
        entry
    };
    let mut lock = json!({
        "schema": 1,
        "forge": 1,
        "title": spec.title,
        "task": spec.task,
        "seed": spec.seed,
        "device": spec.device,
        "overrides": spec.document().overrides().collect::<Vec<_>>(),
        "cells": cells.iter().enumerate().map(cell).collect::<Vec<_>>(),
    });
    if spec.seeds > 1 {
        lock["seeds"] = json!(spec.seeds);
    }
    lock
}

/// The resolved spec as a spec: running it gives the same run.
pub fn yaml(spec: &Spec, cells: &[ResolvedCell]) -> String {
    let mut top = Map::new();
    top.insert("forge".into(), json!(1));
    if let Some(title) = &spec.title {
        top.insert("title".into(), json!(title));
    }
    top.insert("task".into(), json!(spec.task));
    top.insert("seed".into(), json!(spec.seed));
    if spec.seeds > 1 {
        top.insert("seeds".into(), json!(spec.seeds));
    }
    top.insert("device".into(), json!(spec.device));
    let cell = |(spec, cell): (&CellSpec, &ResolvedCell)| {
        let mut map = Map::new();
        match &spec.md {
            Some(md) => map.extend([("md".to_string(), json!(md))]),
            None => {
                map.insert("id".into(), json!(cell.id));
                if !spec.from.is_empty() {
                    map.insert("from".into(), json!(spec.from));
                }
                map.extend(cell.actions.clone());
            }
        }
        Value::Object(map)
    };
    top.insert("cells".into(), spec.cells.iter().zip(cells).map(cell).collect());
    if !spec.claims.is_empty() {
        top.insert("assert".into(), spec.claims.iter().map(|c| json!(c.text)).collect());
    }
    serde_yaml::to_string(&Value::Object(top)).unwrap_or_default()
}
