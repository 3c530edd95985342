//! Transforms of a column, fitted on train rows only, each with its exact inverse on a forecast.
//!
//! A new transform is one file here and one line in the registry at the end of this one.

mod chain;
mod diff;
mod log;
mod standardize;

pub use chain::{Chain, FittedChain};

use crate::data_error::DataError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A step of a chain, before it has seen data.
pub trait Transform {
    /// The same step with what it learnt.
    type Fitted: Fitted;

    /// Learns from the train rows of `series`. Later rows may only be looked at to refuse values that the transform
    /// has no answer for.
    ///
    /// # Errors
    /// Codes `E0340` to `E0342`.
    fn fit(&self, series: &[f64], train: Range<usize>) -> Result<Self::Fitted, DataError>;
}

/// A fitted step of a chain.
pub trait Fitted {
    /// How many earlier rows the value of a row depends on.
    fn memory(&self) -> usize {
        0
    }

    /// Transforms a whole series in place. The first [`Fitted::memory`] rows become NaN, and so does a value that the
    /// transform has no answer for.
    fn apply(&self, series: &mut [f64]);

    /// Takes the path that follows an origin back. `before` are the untransformed values up to and including the
    /// origin, at least [`Fitted::memory`] of them.
    fn invert(&self, path: &mut [f64], before: &[f64]);
}

macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal in $module:ident;)+) => {
        /// A transform by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum TransformParam {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name,)+
        }

        impl TransformParam {
            /// All transforms, in the order of the registry.
            pub const ALL: &[TransformParam] = &[$(TransformParam::$name),+];

            /// The name in a spec.
            pub fn name(self) -> &'static str {
                match self { $(TransformParam::$name => $text),+ }
            }

            fn fit(self, series: &[f64], train: Range<usize>) -> Result<FittedTransform, DataError> {
                match self {
                    $(TransformParam::$name => $module::$name.fit(series, train).map(FittedTransform::$name),)+
                }
            }
        }

        /// A fitted transform, as it is kept beside a model.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum FittedTransform {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name(<$module::$name as Transform>::Fitted),)+
        }

        impl FittedTransform {
            /// The name in a spec.
            pub fn name(&self) -> &'static str {
                match self { $(FittedTransform::$name(_) => $text),+ }
            }

            fn as_fitted(&self) -> &dyn Fitted {
                match self { $(FittedTransform::$name(fitted) => fitted),+ }
            }
        }
    };
}

registry! {
    /// Natural logarithm; values must be above 0.
    Log = "log" in log;
    /// Difference to the row before.
    Diff = "diff" in diff;
    /// Less the mean, by the population standard deviation, both of the train rows.
    Standardize = "standardize" in standardize;
}
