//! What training a model takes in memory, known before a single weight is made.

use super::{AnyModel, ModelShape};
use crate::failure::{Exit, Failure};
use crate::run::{bytes, memory};
use crate::spec::Diagnostic;
use forge_core::Result;
use forge_core::nn::Init;
use serde_json::Value;

/// Bytes of a number: models compute in f32.
const NUMBER: u64 = 4;

/// What training a model takes, at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Footprint {
    parameters: u64,
    batch: u64,
    bytes: u64,
}

impl Footprint {
    /// Of a model that is trained in batches of `batch` windows by an optimizer that keeps `moments` numbers a weight.
    pub fn of(
        kind: &dyn AnyModel,
        params: &Value,
        shape: ModelShape,
        batch: u64,
        moments: u64,
    ) -> Result<Self> {
        let parameters = kind.build(params, shape, &Init::new(0).measuring())?.parameter_count() as u64;
        // Each weight, its gradient, its moments, and the weights of the best epoch.
        let weights = parameters.saturating_mul(3 + moments);
        let activations = kind.activations(params, shape).saturating_mul(batch);
        Ok(Footprint { parameters, batch, bytes: weights.saturating_add(activations).saturating_mul(NUMBER) })
    }

    /// The complaint about a model that this machine has no memory for.
    pub fn refused(self, name: &str, room: u64) -> Option<Failure> {
        let Footprint { parameters, batch, bytes: needed } = self;
        let message = format!(
            "training `{name}` takes about {} of memory, and this machine has {}",
            bytes(needed),
            bytes(room)
        );
        (needed > room).then(|| too_large(message).note(format!(
            "{parameters} parameters: each with its gradient, its optimizer's state and a copy of the best; and what a batch \
             of {batch} leaves on its way"
        ))).map(resource)
    }
}

/// Refuses a model that this machine has no memory for.
///
/// # Errors
/// `E0704`, exit code 7.
pub(crate) fn fits(
    kind: &dyn AnyModel,
    params: &Value,
    shape: ModelShape,
    batch: u64,
    moments: u64,
) -> std::result::Result<(), Failure> {
    let footprint = match Footprint::of(kind, params, shape, batch, moments) {
        Ok(footprint) => footprint,
        Err(error) => return Err(resource(too_large(format!("`{}` cannot be built: {error}", kind.name())))),
    };
    match memory().and_then(|room| footprint.refused(kind.name(), room)) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

fn too_large(message: String) -> Diagnostic {
    Diagnostic::error("E0704", message).help("make the model, `lookback`, `horizon` or `batch` smaller")
}

fn resource(finding: Diagnostic) -> Failure {
    Failure::new(Exit::Resource, finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::LstmModel;
    use serde_json::json;

    #[test]
    fn an_lstm_is_counted_without_being_made() {
        let shape = ModelShape { lookback: 10, features: 2, outputs: 3 };
        let of = |hidden: u64, batch| Footprint::of(&LstmModel, &json!({"hidden": hidden}), shape, batch, 2);
        let small = of(4, 1).unwrap();
        // 4 gates of 4 units: (2 inputs + 4 units) weights and two biases; a head of 4 weights and a bias for 3 steps.
        assert_eq!(small.parameters, 4 * 4 * (2 + 4 + 2) + 3 * (4 + 1));
        assert!(small.refused("lstm", 1 << 30).is_none());
        let large = of(10_000_000, 1).unwrap();
        assert_eq!(large.parameters, 4 * 10_000_000 * (2 + 10_000_000 + 2) + 3 * (10_000_000 + 1));
        let failure = large.refused("lstm", 64 << 30).unwrap();
        assert_eq!((failure.exit, failure.finding.code), (Exit::Resource, "E0704"));
        // 400.00019 tera-parameters of 5 numbers of 4 bytes.
        assert!(failure.finding.message.contains("about 8.0 PB of memory, and this machine has 69 GB"));
        assert!(of(4, 1 << 40).unwrap().refused("lstm", 64 << 30).is_some(), "the batch counts, too");
        assert!(of(u64::MAX, 1).is_err());
    }
}
