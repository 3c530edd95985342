//! Models that a spec can ask for: from parameters and shapes to layers.
//!
//! A new model is one file here and one line in [`Registry::standard`](crate::Registry::standard); one of outside code is
//! registered by [`Registry::with_model`](crate::Registry::with_model).

mod footprint;
mod linear;
mod lstm;

pub(crate) use footprint::fits;
pub use linear::{LinearModel, LinearParams};
pub use lstm::{LstmModel, LstmParams};

use forge_core::Result;
use forge_core::nn::{Init, Module};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Sizes that the data decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct ModelShape {
    /// Rows of a window.
    pub lookback: usize,
    /// Input columns.
    pub features: usize,
    /// Numbers to forecast: horizon × targets, times quantiles where those are forecast.
    pub outputs: usize,
}

/// A kind of model: its parameters and how it is built. The parameters' type gives keys, types, defaults and messages of
/// the spec language.
pub trait ModelKind: Send + Sync + 'static {
    /// What stands in the one-key map `{name: {…}}`.
    type Params: DeserializeOwned + Serialize + JsonSchema;

    /// The name in a spec.
    fn name(&self) -> &'static str;

    /// A model for windows `[batch, lookback, features]` that gives `[batch, outputs]`.
    ///
    /// # Errors
    /// When a parameter does not fit; its layers say so.
    fn build(&self, params: &Self::Params, shape: ModelShape, init: &Init) -> Result<Box<dyn Module>>;

    /// Numbers that one window leaves in memory between the forward and the backward pass, roughly: what a plan compares
    /// with the memory of the machine. Without more knowledge, the inputs and the outputs.
    fn activations(&self, _params: &Self::Params, shape: ModelShape) -> u64 {
        let inputs = (shape.lookback as u64).saturating_mul(shape.features as u64);
        inputs.saturating_add(shape.outputs as u64)
    }
}

/// A [`ModelKind`] without its parameter type, as the registry holds it.
pub(crate) trait AnyModel: Send + Sync {
    fn name(&self) -> &'static str;
    fn schema(&self) -> Value;
    /// The parameters with every default filled in.
    fn resolve(&self, params: &Value) -> serde_json::Result<Value>;
    fn build(&self, params: &Value, shape: ModelShape, init: &Init) -> Result<Box<dyn Module>>;
    /// As [`ModelKind::activations`]; 0 for parameters that cannot be read, which `build` refuses.
    fn activations(&self, params: &Value, shape: ModelShape) -> u64;
}

impl<M: ModelKind> AnyModel for M {
    fn name(&self) -> &'static str {
        ModelKind::name(self)
    }

    fn schema(&self) -> Value {
        schema_of::<M::Params>()
    }

    fn resolve(&self, params: &Value) -> serde_json::Result<Value> {
        serde_json::to_value(M::Params::deserialize(params)?)
    }

    fn build(&self, params: &Value, shape: ModelShape, init: &Init) -> Result<Box<dyn Module>> {
        let params = M::Params::deserialize(params).map_err(|e| forge_core::Error::other(e.to_string()))?;
        ModelKind::build(self, &params, shape, init)
    }

    fn activations(&self, params: &Value, shape: ModelShape) -> u64 {
        M::Params::deserialize(params).map_or(0, |params| ModelKind::activations(self, &params, shape))
    }
}

/// The JSON Schema (draft 7) of a parameter type.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value()
}
