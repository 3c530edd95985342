use super::{ModelKind, ModelShape};
use forge_core::Result;
use forge_core::nn::{Dropout, Init, LastStep, Linear, Lstm, Module, Sequential};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stacked LSTM layers; the last step's state is mapped to all steps of the horizon at once.
#[derive(Clone, Copy, Debug)]
pub struct LstmModel;

/// Parameters of an `lstm`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = LstmParams::default())]
pub struct LstmParams {
    /// Hidden units of each layer.
    #[schemars(range(min = 1))]
    pub hidden: usize,
    /// Layers on top of each other.
    #[schemars(range(min = 1, max = 16))]
    pub layers: usize,
    /// Share of values dropped between layers and before the head, in training only.
    #[schemars(range(min = 0.0, max = 0.95))]
    pub dropout: f64,
}

impl Default for LstmParams {
    fn default() -> Self {
        LstmParams { hidden: 64, layers: 1, dropout: 0.0 }
    }
}

impl ModelKind for LstmModel {
    type Params = LstmParams;

    fn name(&self) -> &'static str {
        "lstm"
    }

    fn build(&self, params: &LstmParams, shape: ModelShape, init: &Init) -> Result<Box<dyn Module>> {
        let LstmParams { hidden, layers, dropout } = *params;
        let lstm = Lstm::new(&init.within("lstm"), shape.features, hidden, layers, dropout)?;
        let mut model = Sequential::new().with("lstm", lstm).with("last", LastStep);
        if dropout > 0.0 {
            model = model.with("dropout", Dropout::new(dropout)?);
        }
        Ok(Box::new(model.with("head", Linear::new(&init.within("head"), hidden, shape.outputs)?)))
    }

    /// At each step of each layer: four gates, the cell and the output, and as much again for their gradients.
    fn activations(&self, params: &LstmParams, shape: ModelShape) -> u64 {
        let units = (params.hidden as u64).saturating_mul(params.layers as u64);
        units.saturating_mul(shape.lookback as u64).saturating_mul(12)
    }
}
