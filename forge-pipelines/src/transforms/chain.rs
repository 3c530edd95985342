use super::{FittedTransform, TransformParam};
use crate::data_error::DataError;
use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Range;

/// Transforms in the order in which they apply: `[log, diff, standardize]`, or one by its bare name.
///
/// ```
/// use forge_pipelines::transforms::{Chain, TransformParam::*};
/// let prices = [10.0, 11.0, 10.5, 12.0, 11.8];
/// let chain = Chain(vec![Log, Diff, Standardize]).fit(&prices, 0..4)?;
/// let transformed = chain.apply(&prices);
/// let mut path = transformed[3..].to_vec();      // what a perfect model forecasts from row 2
/// chain.invert(&mut path, &prices[..3]);
/// assert!((path[0] - 12.0).abs() < 1e-12 && (path[1] - 11.8).abs() < 1e-12);
/// # Ok::<(), forge_pipelines::DataError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(example = Chain(vec![TransformParam::Log, TransformParam::Diff, TransformParam::Standardize]))]
pub struct Chain(pub Vec<TransformParam>);

impl Default for Chain {
    /// `[standardize]`.
    fn default() -> Self {
        Chain(vec![TransformParam::Standardize])
    }
}

impl Chain {
    /// Fits the transforms one after the other, each on what those before it give for the train rows. NaN is a
    /// missing value: nothing is learnt from its row, and a difference over a gap is that to the last value known.
    ///
    /// # Errors
    /// `E0340` a value without a logarithm (in any row), `E0341` constant train rows, `E0342` no train row, `E0343` a
    /// value outside the domain of a transform, `E0344` no spread. The error speaks of a row, not of a line: the
    /// caller knows the file.
    pub fn fit(&self, raw: &[f64], train: Range<usize>) -> Result<FittedChain, DataError> {
        let mut series = forward_filled(raw);
        let mut transforms = Vec::with_capacity(self.0.len());
        for param in &self.0 {
            let mut observed = series.clone();
            for (value, _) in observed.iter_mut().zip(raw).filter(|(_, raw)| raw.is_nan()) {
                *value = f64::NAN;
            }
            let fitted = param.fit(&observed, train.clone())?;
            fitted.as_fitted().apply(&mut series);
            transforms.push(fitted);
        }
        Ok(FittedChain(transforms))
    }
}

impl Chain {
    /// As [`FittedChain::adds_steps`], before any data is seen.
    pub fn adds_steps(&self, horizon: usize) -> Option<&'static str> {
        let adds = |t: &&TransformParam| (1..horizon).contains(&t.lag());
        self.0.iter().find(adds).map(|t| match t {
            TransformParam::SeasonalDiff(_) => "seasonal_diff",
            _ => "diff",
        })
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct ChainVisitor;
        impl<'de> Visitor<'de> for ChainVisitor {
            type Value = Chain;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of transforms such as [log, diff, standardize]")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Chain, E> {
                TransformParam::deserialize(name.into_deserializer()).map(|one| Chain(vec![one]))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Chain, A::Error> {
                TransformParam::deserialize(MapAccessDeserializer::new(map)).map(|one| Chain(vec![one]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Chain, A::Error> {
                let mut transforms = Vec::new();
                while let Some(next) = seq.next_element()? {
                    transforms.push(next);
                }
                Ok(Chain(transforms))
            }
        }
        d.deserialize_any(ChainVisitor)
    }
}

/// Each missing value (NaN) as the last known one before it; those before the first known one stay missing.
pub fn forward_filled(raw: &[f64]) -> Vec<f64> {
    let mut last = f64::NAN;
    raw.iter()
        .map(|value| {
            last = if value.is_nan() { last } else { *value };
            last
        })
        .collect()
}

/// A chain fitted on the train rows of a column.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FittedChain(pub Vec<FittedTransform>);

impl FittedChain {
    /// The first rows of a series that have no value once transformed: their number.
    pub fn memory(&self) -> usize {
        self.0.iter().map(|t| t.as_fitted().memory()).sum()
    }

    /// The transformed series, as long as `raw`. Its first [`FittedChain::memory`] rows are NaN, and so is a value
    /// outside the domain of the chain.
    pub fn apply(&self, raw: &[f64]) -> Vec<f64> {
        let mut series = raw.to_vec();
        for transform in &self.0 {
            transform.as_fitted().apply(&mut series);
        }
        series
    }

    /// The transform, if any, whose inverse adds forecasts of several steps of a path of `horizon`: a sum of quantiles is
    /// not the quantile of the sum, so such a chain does not take quantiles back.
    pub fn adds_steps(&self, horizon: usize) -> Option<&'static str> {
        self.0.iter().find(|t| (1..horizon).contains(&t.as_fitted().memory())).map(FittedTransform::name)
    }

    /// The transforms in front of the first one that looks at earlier rows: they map value to value, so a single
    /// forecast can be taken there and back without its path.
    pub fn pointwise(&self) -> FittedChain {
        let prefix = self.0.iter().take_while(|t| t.as_fitted().memory() == 0);
        FittedChain(prefix.cloned().collect())
    }

    /// Takes a forecast path back to original units, in place: `path[h]` is the transformed value `h + 1` rows after
    /// the origin, `history` the raw values up to and including the origin, of which at least
    /// [`FittedChain::memory`] are needed (with fewer the path becomes NaN).
    pub fn invert(&self, path: &mut [f64], history: &[f64]) {
        let tail = &history[history.len().saturating_sub(self.memory() + 1)..];
        // What each transform saw just before the path: the anchors of its inverse.
        let mut before = tail.to_vec();
        let mut anchors = Vec::with_capacity(self.0.len());
        for transform in &self.0 {
            anchors.push(before.clone());
            transform.as_fitted().apply(&mut before);
        }
        for (transform, anchor) in self.0.iter().zip(&anchors).rev() {
            transform.as_fitted().invert(path, anchor);
        }
    }
}

impl fmt::Display for FittedChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let names: Vec<String> = self.0.iter().map(FittedTransform::to_string).collect();
        f.write_str(&names.join(" → "))
    }
}
