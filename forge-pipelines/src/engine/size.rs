//! How large a spec's models are, as far as it can be known without the data.

use super::lock::{ResolvedCell, resolve};
use crate::cells::TrainParams;
use crate::failure::Failure;
use crate::models::{ModelShape, fits};
use crate::registry::Registry;
use crate::spec::{Diagnostic, Spec};
use serde_json::Value;

/// The shape of the model of the last of `cells`: the columns are those that the nearest cells above name. Columns with
/// missing values get a mask channel and a calendar several, which only the data tells.
pub(super) fn model_shape(cells: &[ResolvedCell]) -> Option<ModelShape> {
    let nearest = |action: &str| cells.iter().rev().find_map(|cell| cell.actions.get(action));
    let window = nearest("window")?;
    let size = |key: &str| window.get(key)?.as_u64().and_then(|n| usize::try_from(n).ok());
    let columns = |action: &str| match nearest(action) {
        None => Some(0),
        Some(Value::String(_)) => Some(1),
        Some(Value::Array(names)) => Some(names.len()),
        Some(Value::Object(map)) if action != "future" => Some(map.len()),
        Some(_) => None,
    };
    let targets = columns("target").filter(|n| *n > 0)?;
    let features = targets + columns("past")? + columns("future")?;
    let loss = cells.last()?.actions.get("train").and_then(|train| train.get("loss"));
    let quantiles = loss.and_then(|loss| loss.get("quantile")?.as_array()).map_or(1, Vec::len);
    Some(ModelShape {
        lookback: size("lookback")?,
        features,
        outputs: size("horizon")?.checked_mul(targets)?.checked_mul(quantiles)?,
    })
}

/// Refuses models that this machine has no memory for, even in batches of one window: how many there are only the data
/// tells, and the training looks again.
pub(super) fn too_large(spec: &Spec, registry: &Registry) -> Vec<Diagnostic> {
    let cells = resolve(spec, registry);
    let mut findings = Vec::new();
    for (n, own) in spec.cells.iter().enumerate() {
        let Some(action) = own.action("model") else { continue };
        if let Some(Err(failure)) = fits_alone(&cells[..=n], registry) {
            let place = spec.document().place_of(&action.path);
            findings.push(failure.finding.at(place, "too large for this machine").cell(&own.id));
        }
    }
    findings
}

fn fits_alone(cells: &[ResolvedCell], registry: &Registry) -> Option<Result<(), Failure>> {
    let actions = &cells.last()?.actions;
    let (kind, params) = registry.model(actions.get("model")?)?;
    let train: TrainParams = serde_json::from_value(actions.get("train")?.clone()).ok()?;
    Some(fits(kind, &params, model_shape(cells)?, 1, train.optimizer.moments()))
}
