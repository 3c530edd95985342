//! Roles of columns as a spec writes them.

use crate::calendar::CalendarParam;
use crate::transforms::{Chain, TransformParam};
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

    fn push<E: de::Error>(&mut self, name: String, chain: Chain) -> Result<(), E> {
        if self.0.iter().any(|(n, _)| *n == name) {
            return Err(E::custom(format!("column `{name}` is named twice")));
        }
        self.0.push((name, chain));
        Ok(())
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
                    roles.push(name, Chain::default())?;
                }
                Ok(roles)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Roles, A::Error> {
                let mut roles = Roles::default();
                while let Some((name, chain)) = map.next_entry()? {
                    roles.push(name, chain)?;
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

/// What is known ahead: cycles of the calendar under `calendar`, and columns with their chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Future {
    /// Cycles of the calendar.
    pub calendar: Vec<CalendarParam>,
    /// Columns whose values after the last target row stand in the file.
    pub columns: Roles,
}

impl Serialize for Future {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        if !self.calendar.is_empty() {
            map.serialize_entry("calendar", &self.calendar)?;
        }
        for (name, chain) in &self.columns.0 {
            map.serialize_entry(name, chain)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Future {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct FutureVisitor;
        impl<'de> Visitor<'de> for FutureVisitor {
            type Value = Future;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map such as {calendar: [weekday, month]}, or a list of column names")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Future, E> {
                Ok(Future { calendar: Vec::new(), columns: Roles::names([name]) })
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Future, A::Error> {
                let mut columns = Roles::default();
                while let Some(name) = seq.next_element()? {
                    columns.push(name, Chain::default())?;
                }
                Ok(Future { calendar: Vec::new(), columns })
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Future, A::Error> {
                let mut future = Future::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "calendar" {
                        future.calendar = map.next_value()?;
                    } else {
                        future.columns.push(name, map.next_value()?)?;
                    }
                }
                Ok(future)
            }
        }
        d.deserialize_any(FutureVisitor)
    }
}

impl JsonSchema for Future {
    fn schema_name() -> Cow<'static, str> {
        "Future".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let chain = generator.subschema_for::<Chain>();
        let one = generator.subschema_for::<TransformParam>();
        let kind = generator.subschema_for::<CalendarParam>();
        json_schema!({
            "description": "What is known ahead: `calendar` with a list of cycles, each a pair of sine and cosine, and \
                columns whose future values stand in the file. A model sees each at the time of an input row and, \
                once more, one horizon later, so that the target rows are covered.",
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "uniqueItems": true},
                {
                    "type": "object",
                    "properties": {"calendar": {
                        "type": "array", "items": kind, "uniqueItems": true,
                        "description": "Cycles of the calendar, in UTC.",
                        "examples": [["weekday", "month"]],
                    }},
                    "additionalProperties": {"anyOf": [chain, one]},
                },
            ],
            "examples": [{"calendar": ["weekday", "month"]}],
        })
    }
}
