//! Quantiles that a model forecasts in place of points.

use crate::cells::{CellRun, Plan};
use crate::failure::Failure;
use crate::roles::Roles;
use crate::spec::{CellSpec, Diagnostic, Spec};
use crate::value::WindowData;
use crate::windows::WindowParams;
use forge_core::{Result, Tensor};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Levels of quantiles, ascending and all different.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<f64>", into = "Vec<f64>")]
pub struct Quantiles(Vec<f64>);

impl JsonSchema for Quantiles {
    fn schema_name() -> Cow<'static, str> {
        "Quantiles".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Levels of quantiles, each between 0 and 1.",
            "type": "array", "minItems": 1, "uniqueItems": true,
            "items": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
            "examples": [[0.1, 0.5, 0.9]],
        })
    }
}

impl TryFrom<Vec<f64>> for Quantiles {
    type Error = String;

    fn try_from(mut levels: Vec<f64>) -> std::result::Result<Self, String> {
        levels.sort_by(f64::total_cmp);
        match levels.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(format!("the quantile {} is there twice", pair[0])),
            None if levels.iter().all(|q| *q > 0.0 && *q < 1.0) && !levels.is_empty() => {
                Ok(Quantiles(levels))
            }
            None => Err("quantiles lie between 0 and 1".into()),
        }
    }
}

impl From<Quantiles> for Vec<f64> {
    fn from(quantiles: Quantiles) -> Self {
        quantiles.0
    }
}

impl Quantiles {
    /// The levels, ascending.
    pub fn levels(&self) -> &[f64] {
        &self.0
    }

    /// The pinball loss; the outputs for one target stand together.
    pub fn loss(&self, prediction: &Tensor, target: &Tensor) -> Result<Tensor> {
        let shape = [target.shape(), &[self.0.len()]].concat();
        prediction.reshape(&shape)?.pinball(target, &self.0)
    }
}

/// What is known of a target's chain from the spec: a difference whose inverse adds quantiles of several steps.
pub(super) fn planned(cell: &CellSpec, plan: &mut Plan<'_>) {
    let spec = plan.spec;
    let above = spec.cells.iter().take_while(|c| c.id != cell.id).chain([cell]);
    let nearest = |name: &str| above.clone().filter_map(|c| c.action(name)).last();
    let (Some(target), Some(window)) = (nearest("target"), nearest("window")) else { return };
    let (Ok(roles), Ok(window)) = (spec.read::<Roles>(target), spec.read::<WindowParams>(window)) else {
        return;
    };
    let found = roles.0.iter().find_map(|(name, chain)| Some((name, chain.adds_steps(window.horizon)?)));
    if let Some((name, transform)) = found {
        let finding = adds_up(spec, cell, transform, window.horizon);
        let place = spec.document().key_place_of(&target.path.key(name));
        plan.findings.push(finding.context(place, "this target").cell(&cell.id));
    }
}

/// The same of the windows themselves, which `from:` may have taken from another cell than the nearest.
pub(super) fn checked(run: &CellRun<'_>, data: &WindowData) -> std::result::Result<(), Failure> {
    let horizon = data.windows.params.horizon;
    match data.columns.prepared.target_chains().iter().find_map(|chain| chain.adds_steps(horizon)) {
        Some(transform) => Err(adds_up(run.spec, run.cell, transform, horizon).into()),
        None => Ok(()),
    }
}

fn adds_up(spec: &Spec, cell: &CellSpec, transform: &str, horizon: usize) -> Diagnostic {
    let message = format!(
        "quantiles cannot be taken back through `{transform}` over a horizon of {horizon}: a sum of quantiles is not the \
         quantile of the sum"
    );
    let finding = Diagnostic::error("E0176", message).help(format!(
        "leave `{transform}` out of the target's transforms, write `horizon: 1`, or forecast points and add \
         `intervals: {{conformal: [80]}}` to `evaluate`"
    ));
    match cell.action("train") {
        Some(train) => finding.at(spec.document().place_of(&train.path.key("loss")), "forecasts quantiles"),
        None => finding,
    }
}
