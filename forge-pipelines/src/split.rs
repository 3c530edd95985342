//! Which rows train, which choose, which are only scored.

mod dates;

pub use dates::DateRange;

use crate::data_error::{DataError, Problem};
use crate::frame::TimeColumn;
use forge_core::history::Part;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// A part: a percentage of all rows, a number of rows, or a range of dates.
#[derive(Clone, Debug, PartialEq)]
pub enum Share {
    /// `20%` of all rows, rounded half up.
    Percent(f64),
    /// So many rows.
    Rows(usize),
    /// `2012-01-01..2012-12-31`, both days included.
    Dates(DateRange),
}

impl Share {
    /// Its size, if that is given.
    fn of(&self, rows: usize) -> Option<usize> {
        match self {
            Share::Percent(percent) => Some((percent * rows as f64 / 100.0 + 0.5).floor() as usize),
            Share::Rows(count) => Some(*count),
            Share::Dates(_) => None,
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Share::Percent(percent) => write!(f, "{percent}%"),
            Share::Rows(count) => write!(f, "{count}"),
            Share::Dates(dates) => write!(f, "{dates}"),
        }
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Share::Percent(_) | Share::Dates(_) => s.collect_str(self),
            Share::Rows(count) => s.serialize_u64(*count as u64),
        }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct ShareVisitor;
        impl Visitor<'_> for ShareVisitor {
            type Value = Share;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a percentage such as `20%`, a number of rows, or dates such as `2012-01-01..`")
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Share, E> {
                if text.contains("..") {
                    return text.parse().map(Share::Dates).map_err(E::custom);
                }
                text.strip_suffix('%')
                    .and_then(|number| number.trim().parse::<f64>().ok())
                    .filter(|percent| (0.0..=100.0).contains(percent))
                    .map(Share::Percent)
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
            fn visit_u64<E: de::Error>(self, rows: u64) -> Result<Share, E> {
                usize::try_from(rows)
                    .map(Share::Rows)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(rows), &self))
            }
            fn visit_i64<E: de::Error>(self, rows: i64) -> Result<Share, E> {
                u64::try_from(rows)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(rows), &self))
                    .and_then(|rows| self.visit_u64(rows))
            }
        }
        d.deserialize_any(ShareVisitor)
    }
}

/// A percentage, or two points in time of which one may be left out.
const PATTERN: &str = "^([0-9]+(\\.[0-9]+)?%|[-0-9T:]+Z?\\.\\.([-0-9T:]+Z?)?|\\.\\.[-0-9T:]+Z?)$";

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A percentage of all rows such as `20%`, a number of rows, or dates such as `..2010-12-31` \
                and `2012-01-01..`, both ends included.",
            "anyOf": [
                {"type": "string", "pattern": PATTERN},
                {"type": "integer", "minimum": 0},
            ],
            "examples": ["70%", 654, "2012-01-01.."],
        })
    }
}

/// Names of the parts, in order.
const PARTS: [&str; 3] = ["train", "val", "test"];

/// What orders the rows before they are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Time: train first, test last.
    #[default]
    Time,
    /// The order of the rows, where there is no time column.
    Order,
    /// Chance. Not for a series: guard L02 stops the run.
    Random,
}

/// How rows are divided: each part by a percentage, a number of rows or dates. A part that is left out is what the others
/// leave; with none given, 70 / 10 / 20 %.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(example = SplitParams::shares(70.0, 10.0, 20.0))]
pub struct SplitParams {
    /// What orders the rows.
    pub by: SplitBy,
    /// Rows to fit on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<Share>,
    /// Rows that choose between epochs and models; `0` is allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val: Option<Share>,
    /// The last rows, which are only scored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Share>,
    /// Rows left out at the end of the earlier of two neighbouring parts.
    pub embargo: usize,
}

/// Row ranges of the three parts, in order and without overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Split {
    /// Rows that transforms and models are fitted on.
    pub train: Range<usize>,
    /// Rows that choose; may be empty.
    pub val: Range<usize>,
    /// Rows that are only scored.
    pub test: Range<usize>,
}

impl Split {
    /// The rows of a part.
    pub fn part(&self, part: Part) -> Range<usize> {
        match part {
            Part::Train => self.train.clone(),
            Part::Val => self.val.clone(),
            Part::Test => self.test.clone(),
        }
    }

    /// Half-open ranges as a data overview draws them.
    pub fn borders(&self) -> [(usize, usize); 3] {
        [&self.train, &self.val, &self.test].map(|range| (range.start, range.end))
    }
}

impl SplitParams {
    /// A split by time with these percentages.
    pub fn shares(train: f64, val: f64, test: f64) -> Self {
        let [train, val, test] = [train, val, test].map(|p| Some(Share::Percent(p)));
        SplitParams { train, val, test, ..SplitParams::default() }
    }

    /// Divides `rows` rows. The test part is cut from the end first, then validation before it; each share rounds
    /// half up. Shares that come to less than everything leave the earliest rows out.
    ///
    /// ```
    /// use forge_pipelines::split::SplitParams;
    /// let split = SplitParams::shares(70.0, 10.0, 20.0).split(3270)?;
    /// assert_eq!((split.train, split.val, split.test), (0..2289, 2289..2616, 2616..3270));
    /// # Ok::<(), forge_pipelines::DataError>(())
    /// ```
    ///
    /// # Errors
    /// Guard `L02` for a random split, `E0330` shares that do not fit, `E0331` a part without rows, `E0332` dates, for
    /// which [`SplitParams::split_at`] needs the times.
    pub fn split(&self, rows: usize) -> Result<Split, DataError> {
        self.split_at(&TimeColumn::Rows { len: rows })
    }

    /// Divides the rows of a time column. Dates name rows by their time, both ends included; a part given by its size
    /// ends where the next one begins, and an end that is left open is the neighbour's border.
    ///
    /// # Errors
    /// As [`SplitParams::split`].
    pub fn split_at(&self, time: &TimeColumn) -> Result<Split, DataError> {
        if self.by == SplitBy::Random {
            return Err(Problem::RandomSplit {}.into());
        }
        let rows = time.axis().len();
        let dated = self.given().iter().any(|share| matches!(share, Some(Share::Dates(_))));
        let [train, val, test] = if dated { self.by_dates(time)? } else { self.by_sizes(rows)? };
        let cut = |part: &Range<usize>, next: usize| {
            let end = part.end.min(next.saturating_sub(self.embargo));
            part.start..end.max(part.start)
        };
        // Nothing to keep away from a part that is not there.
        let after_train = if val.is_empty() { test.start } else { val.start };
        let split = Split { train: cut(&train, after_train), val: cut(&val, test.start), test };
        let empty = |part| DataError::from(Problem::EmptyPart { part, rows, embargo: self.embargo });
        if split.train.is_empty() {
            return Err(empty("train"));
        }
        if split.val.is_empty() && !val.is_empty() {
            return Err(empty("val"));
        }
        if split.test.is_empty() {
            return Err(empty("test"));
        }
        Ok(split)
    }

    /// The parts before the embargo, from their sizes.
    fn by_sizes(&self, rows: usize) -> Result<[Range<usize>; 3], DataError> {
        let [train, val, test] = self.sizes(rows)?;
        let test_start = rows - test;
        let val_start = test_start - val;
        Ok([val_start - train..val_start, val_start..test_start, test_start..rows])
    }

    /// The parts before the embargo, where at least one is given by dates.
    fn by_dates(&self, time: &TimeColumn) -> Result<[Range<usize>; 3], DataError> {
        let given = self.given();
        let rows = time.axis().len();
        // What each part says of itself: first row, row after the last, number of rows.
        let mut said = [(None, None, None); 3];
        for (said, share) in said.iter_mut().zip(given) {
            *said = match share {
                Some(Share::Dates(dates)) => {
                    let (first, end) = dates.rows(time)?;
                    (first, end, None)
                }
                Some(share) => (None, None, share.of(rows)),
                None => (None, None, None),
            };
        }
        // Where the part before one ends, as far as it or those before it say so.
        let end_before = |part: usize| {
            let mut end = Some(0);
            for (_, own, size) in &said[..part] {
                // An open part takes what its neighbours leave.
                end = own.or_else(|| Some(end? + (*size)?));
            }
            end
        };
        let mut parts = [0..0, 0..0, 0..0];
        let mut next = rows;
        for part in [2, 1, 0] {
            let (first, end, size) = said[part];
            let end = end.unwrap_or(next);
            let start = match (first, size) {
                (Some(first), _) => first,
                (None, Some(size)) => end.checked_sub(size).ok_or_else(|| Problem::Shares {
                    reason: format!("{size} rows do not fit before row {end}"),
                })?,
                (None, None) => end_before(part).unwrap_or(end),
            };
            if start > end || end > next {
                let reason = format!("the {} part and the one after it overlap", PARTS[part]);
                return Err(Problem::Shares { reason }.into());
            }
            parts[part] = start..end;
            next = start;
        }
        Ok(parts)
    }

    /// Rows of train, val and test before the embargo.
    fn sizes(&self, rows: usize) -> Result<[usize; 3], DataError> {
        let given = self.given();
        let given = match given.iter().flatten().count() {
            0 => SplitParams::shares(70.0, 10.0, 20.0).given(),
            1 => {
                let reason = "one share leaves the other two open".to_string();
                return Err(Problem::Shares { reason }.into());
            }
            _ => given,
        };
        let percent: f64 = given.iter().map(|s| if let Some(Share::Percent(p)) = s { *p } else { 0.0 }).sum();
        // Sums of decimal percentages carry rounding noise.
        if percent > 100.0 + 1e-9 {
            let reason = format!("the shares come to {percent}%, more than everything");
            return Err(Problem::Shares { reason }.into());
        }
        let complete = given.iter().all(|s| matches!(s, Some(Share::Percent(_)))) && percent > 100.0 - 1e-9;
        let mut left = rows;
        let mut sizes = [0; 3];
        let mut open = None;
        for part in [2, 1, 0] {
            let size = match &given[part] {
                // Rounding must not lose a row of a split that names everything.
                Some(_) if part == 0 && complete => left,
                // Rounding up twice must not ask for a row more than there is.
                Some(share @ Share::Percent(_)) => share.of(rows).unwrap_or(0).min(left),
                Some(share) => share.of(rows).unwrap_or(0),
                None => {
                    open = Some(part);
                    0
                }
            };
            left = left.checked_sub(size).ok_or_else(|| Problem::Shares {
                reason: format!("the parts ask for more than the {rows} rows there are"),
            })?;
            sizes[part] = size;
        }
        if let Some(part) = open {
            sizes[part] = left;
        }
        Ok(sizes)
    }

    fn given(&self) -> [Option<Share>; 3] {
        [self.train.clone(), self.val.clone(), self.test.clone()]
    }
}
