//! Columns in their roles, transformed: the step from a frame to what models see.

use crate::data_error::{DataError, Problem};
use crate::frame::Frame;
use crate::split::Split;
use crate::transforms::{Chain, FittedChain, TransformParam};
use forge_core::history::{SeriesOverview, TimeAxis};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// Columns with the chain of each: a name, a list of names, or a map from names to chains. A column without a chain
/// is standardized.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roles(pub Vec<(String, Chain)>);

impl Roles {
    /// Columns by name, all with the default chain.
    pub fn names<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Roles(names.into_iter().map(|n| (n.into(), Chain::default())).collect())
    }

    /// One column with a chain.
    pub fn one(name: impl Into<String>, chain: impl Into<Vec<TransformParam>>) -> Self {
        Roles(vec![(name.into(), Chain(chain.into()))])
    }
}

impl Serialize for Roles {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.0.len()))?;
        for (name, chain) in &self.0 {
            map.serialize_entry(name, chain)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Roles {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct RolesVisitor;

        fn add<E: de::Error>(roles: &mut Roles, name: String, chain: Chain) -> Result<(), E> {
            if roles.0.iter().any(|(n, _)| *n == name) {
                return Err(E::custom(format!("column `{name}` is named twice")));
            }
            roles.0.push((name, chain));
            Ok(())
        }

        impl<'de> Visitor<'de> for RolesVisitor {
            type Value = Roles;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a column name, a list of them, or a map such as {Close: [log, diff, standardize]}",
                )
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Roles, E> {
                Ok(Roles::names([name]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Roles, A::Error> {
                let mut roles = Roles::default();
                while let Some(name) = seq.next_element()? {
                    add(&mut roles, name, Chain::default())?;
                }
                Ok(roles)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Roles, A::Error> {
                let mut roles = Roles::default();
                while let Some((name, chain)) = map.next_entry()? {
                    add(&mut roles, name, chain)?;
                }
                Ok(roles)
            }
        }
        d.deserialize_any(RolesVisitor)
    }
}

impl JsonSchema for Roles {
    fn schema_name() -> Cow<'static, str> {
        "Roles".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let chain = generator.subschema_for::<Chain>();
        let one = generator.subschema_for::<TransformParam>();
        json_schema!({
            "description": "A column name, a list of names, or a map from names to chains of transforms. A column \
                without a chain is standardized.",
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
                {"type": "object", "additionalProperties": {"anyOf": [chain, one]}},
            ],
            "examples": ["Close", ["temp", "humid"], {"Close": ["log", "diff", "standardize"]}],
        })
    }
}

/// A column as it is in the file and as models see it.
#[derive(Clone, Debug, PartialEq)]
pub struct PreparedColumn {
    /// Name.
    pub name: String,
    /// Values in original units, one a row.
    pub raw: Vec<f64>,
    /// Transformed values, one a row; NaN in the first rows that a chain with `diff` has no value for.
    pub transformed: Vec<f64>,
    /// The chain, fitted on train rows.
    pub chain: FittedChain,
}

/// The columns of a forecasting task, split and transformed.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// All inputs: the targets first, whose own past always is one, then the past covariates.
    pub inputs: Vec<PreparedColumn>,
    /// How many of the inputs, from the first, are targets.
    pub target_count: usize,
    /// The parts.
    pub split: Split,
    /// Times of the rows.
    pub axis: TimeAxis,
    /// The first row in which every input has a transformed value.
    pub first_valid_row: usize,
}

impl Prepared {
    /// Gives columns their roles and fits their chains on the train rows.
    ///
    /// # Errors
    /// `E0310` and `E0314` for columns that are not there or not numeric, `E0340` to `E0342` from the transforms,
    /// `E0350` missing values, `E0351` a column in two roles, `E0352` no target; with file, line and column.
    pub fn new(frame: &Frame, split: &Split, target: &Roles, past: &Roles) -> Result<Self, DataError> {
        if target.0.is_empty() {
            return Err(Problem::NoTarget {}.into());
        }
        let rows = frame.rows();
        if split.borders().iter().any(|(start, end)| start > end || *end > rows) {
            let reason = format!("the split is not one of {rows} rows");
            return Err(Problem::BadParameter { reason }.into());
        }
        let mut inputs: Vec<PreparedColumn> = Vec::with_capacity(target.0.len() + past.0.len());
        for (name, chain) in target.0.iter().chain(&past.0) {
            if inputs.iter().any(|c| c.name == *name) {
                return Err(Problem::TwoRoles { name: name.clone() }.into());
            }
            inputs.push(prepare_column(frame, split, name, chain)?);
        }
        let first_valid_row = inputs.iter().map(|c| c.chain.memory()).max().unwrap_or(0);
        Ok(Prepared {
            inputs,
            target_count: target.0.len(),
            split: split.clone(),
            axis: frame.time.axis(),
            first_valid_row,
        })
    }

    /// The target columns.
    pub fn targets(&self) -> &[PreparedColumn] {
        &self.inputs[..self.target_count]
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.axis.len()
    }

    /// A target as a data overview draws it, with the autocorrelation of its transformed train rows up to `lags`.
    pub fn overview(&self, target: usize, lags: usize) -> Option<SeriesOverview> {
        let column = self.targets().get(target)?;
        let start = self.split.train.start.max(column.chain.memory());
        let train = column.transformed.get(start..self.split.train.end).unwrap_or(&[]);
        Some(SeriesOverview {
            name: column.name.clone(),
            unit: String::new(),
            axis: self.axis.clone(),
            values: column.raw.iter().map(|v| v.is_finite().then_some(*v)).collect(),
            parts: self.split.borders(),
            autocorrelation: autocorrelation(train, lags),
            transform: column.chain.to_string(),
        })
    }
}

fn prepare_column(
    frame: &Frame,
    split: &Split,
    name: &str,
    chain: &Chain,
) -> Result<PreparedColumn, DataError> {
    let raw = frame.numbers(name)?;
    if let Some(first) = raw.iter().position(|v| v.is_nan()) {
        let count = raw.iter().filter(|v| v.is_nan()).count();
        let problem = Problem::MissingValues { count, rows: raw.len() };
        return Err(frame.at_row(problem.into(), first).in_column(name));
    }
    let chain = chain.fit(raw, split.train.clone()).map_err(|error| {
        let error = match *error.problem {
            Problem::NonPositive { row, .. } | Problem::OutOfDomain { row, .. } => frame.at_row(error, row),
            _ => error.in_file(&frame.name),
        };
        error.in_column(name)
    })?;
    let transformed = chain.apply(raw);
    Ok(PreparedColumn { name: name.to_string(), raw: raw.to_vec(), transformed, chain })
}

/// Sample autocorrelation at lags 1, 2, … (Box and Jenkins: covariances divided by n). Empty for a constant series;
/// no lag reaches past the series.
pub fn autocorrelation(series: &[f64], lags: usize) -> Vec<f64> {
    let n = series.len();
    let mean = series.iter().sum::<f64>() / n as f64;
    let covariance =
        |lag: usize| -> f64 { series.iter().zip(&series[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum() };
    if n < 2 || covariance(0) == 0.0 {
        return Vec::new();
    }
    (1..=lags.min(n - 1)).map(|lag| covariance(lag) / covariance(0)).collect()
}
