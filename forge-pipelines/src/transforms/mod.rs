//! Transforms of a column, fitted on train rows only, each with its exact inverse on a forecast.
//!
//! A new transform is one file here and one line in the registry at the end of this one.

mod box_cox;
mod chain;
mod diff;
mod log;
mod log1p;
mod minmax;
mod robust;
mod seasonal_diff;
mod standardize;

pub use chain::{Chain, FittedChain, forward_filled};

use crate::data_error::{DataError, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;

/// A step of a chain, before it has seen data.
pub trait Transform {
    /// The same step with what it learnt.
    type Fitted: Fitted;

    /// Learns from the train rows of `series`; NaN is a missing value. Later rows may only be looked at to refuse
    /// values that the transform has no answer for.
    ///
    /// # Errors
    /// Codes `E0340` to `E0344`.
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

    /// What was learnt, in a word, where that is worth a place in a report.
    fn detail(&self) -> Option<String> {
        None
    }
}

/// The known values of the train rows. Rows may lack one because the file does, or because a `diff` earlier in the
/// chain left none.
fn train_values(transform: &'static str, series: &[f64], train: Range<usize>) -> Result<Vec<f64>, DataError> {
    let rows = series.get(train).unwrap_or(&[]);
    let known: Vec<f64> = rows.iter().copied().filter(|v| v.is_finite()).collect();
    if known.is_empty() {
        return Err(Problem::NothingToFit { transform }.into());
    }
    Ok(known)
}

/// A spread below this part of the largest value is rounding noise.
const NOISE: f64 = 1e-12;

/// A spread to divide by, unless there is none.
fn scaled(transform: &'static str, known: &[f64], spread: f64) -> Result<f64, DataError> {
    let largest = known.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    if spread > NOISE * largest {
        return Ok(spread);
    }
    let value = known.first().copied().unwrap_or(f64::NAN);
    let same = known.iter().all(|v| (v - value).abs() <= NOISE * largest);
    Err(match same {
        true => Problem::Constant { transform, value },
        false => Problem::NoSpread { transform },
    }
    .into())
}

macro_rules! registry {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $(($field:ident: $ty:ty = $example:expr))? = $text:literal in $module:ident;
    )+) => {
        /// A transform: a name, or a one-key map such as `{seasonal_diff: 24}` where it has a parameter.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum TransformParam {
            $($(#[doc = $doc])+ #[serde(rename = $text)] $name $(($ty))?,)+
        }

        impl TransformParam {
            /// One of each, in the order of the registry; those with a parameter with a usual value of it.
            pub const ALL: &[TransformParam] = &[$(TransformParam::$name $(($example))?),+];

            fn fit(self, series: &[f64], train: Range<usize>) -> Result<FittedTransform, DataError> {
                match self {
                    $(TransformParam::$name $(($field))? => {
                        $module::$name $({ $field })?.fit(series, train).map(FittedTransform::$name)
                    })+
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

impl TransformParam {
    /// How many rows before its own a value is taken from; 0 for a transform of value to value.
    fn lag(self) -> usize {
        match self {
            TransformParam::Diff => 1,
            TransformParam::SeasonalDiff(period) => period.get(),
            _ => 0,
        }
    }
}

impl fmt::Display for FittedTransform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_fitted().detail() {
            Some(detail) => write!(f, "{}({detail})", self.name()),
            None => f.write_str(self.name()),
        }
    }
}

registry! {
    /// Natural logarithm; values must be above 0.
    Log = "log" in log;
    /// Natural logarithm of 1 + x; values must be above -1.
    Log1p = "log1p" in log1p;
    /// Box and Cox's power that makes the train rows most alike a normal distribution, by maximum likelihood; values
    /// must be above 0.
    BoxCox = "box_cox" in box_cox;
    /// Difference to the row before.
    Diff = "diff" in diff;
    /// Difference to the row of one season before, a season being so many rows.
    SeasonalDiff(period: NonZeroUsize = NonZeroUsize::MIN.saturating_add(23)) = "seasonal_diff" in seasonal_diff;
    /// Less the mean, by the population standard deviation, both of the train rows.
    Standardize = "standardize" in standardize;
    /// From 0 at the smallest to 1 at the largest train row.
    Minmax = "minmax" in minmax;
    /// Less the median, by the interquartile range, both of the train rows.
    Robust = "robust" in robust;
}
