use super::{ModelKind, ModelShape};
use forge_core::nn::{Flatten, Init, Linear, Module, Sequential};
use forge_core::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One linear map from the whole window to all steps of the horizon.
#[derive(Clone, Copy, Debug)]
pub struct LinearModel;

/// Parameters of `linear`: it has none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinearParams {}

impl ModelKind for LinearModel {
    type Params = LinearParams;

    fn name(&self) -> &'static str {
        "linear"
    }

    fn build(&self, _params: &LinearParams, shape: ModelShape, init: &Init) -> Result<Box<dyn Module>> {
        let inputs = shape.lookback.checked_mul(shape.features).ok_or_else(|| {
            Error::other(format!("a window of {} × {} numbers", shape.lookback, shape.features))
        })?;
        let head = Linear::new(&init.within("head"), inputs, shape.outputs)?;
        Ok(Box::new(Sequential::new().with("flatten", Flatten).with("head", head)))
    }
}
