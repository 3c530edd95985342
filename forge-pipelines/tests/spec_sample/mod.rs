//! A vocabulary as the cells will make it, from `schemars` types, for the tests of the spec language.

use forge_pipelines::spec::Vocabulary;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A share of the rows, such as `70%`.
#[derive(Debug, Deserialize, Serialize)]
pub struct Share(pub String);

impl JsonSchema for Share {
    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "pattern": "^[0-9]+([.][0-9]+)?%$", "examples": ["70%"]})
    }
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Path of the table, relative to the spec.
    #[schemars(extend("examples" = ["data/msft_daily.csv"]))]
    pub csv: String,
    /// The time column.
    pub time: Option<Time>,
    /// Distance between rows.
    #[schemars(extend("examples" = ["1d"]))]
    pub freq: Option<String>,
    /// Texts that mean a missing value.
    #[serde(default)]
    pub na: Vec<String>,
    /// Whether the first line names the columns.
    #[serde(default = "yes")]
    pub header: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Time {
    Column(String),
    Full(TimeColumn),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeColumn {
    pub column: String,
    pub tz: Option<String>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Check {
    #[schemars(range(min = 1))]
    pub min_rows: Option<usize>,
    pub duplicates: Option<Finding>,
}

/// What a finding does.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    Error,
    Warn,
    Ok,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// How rows are assigned to parts.
    pub by: By,
    pub train: Share,
    pub val: Share,
    pub test: Share,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-later" = {"random": "for data without time; comes with classification"}))]
pub enum By {
    /// By time: train first, test last.
    Time,
    /// By row order.
    Order,
}

/// The target column, or columns with their chains of transforms.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(extend("examples" = [{"Close": ["log", "diff", "standardize"]}]))]
pub enum Columns {
    One(String),
    Several(Vec<String>),
    Chains(BTreeMap<String, Vec<Transform>>),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transform {
    Log,
    Diff,
    Standardize,
    Divide(f64),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("examples" = [{"lookback": 60, "horizon": 5}]))]
pub struct Window {
    /// Rows that a model sees.
    #[schemars(range(min = 1), extend("examples" = [60]))]
    pub lookback: usize,
    /// Rows ahead to forecast.
    #[schemars(range(min = 1), extend("examples" = [5]))]
    pub horizon: usize,
    /// Rows between the starts of two windows.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub stride: usize,
}

fn one() -> usize {
    1
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("x-later" = {"climatology": "means by hour and day come with the weather example"}))]
pub enum Baseline {
    Last,
    Drift,
    Mean,
    /// The value one season ago.
    Seasonal(#[schemars(range(min = 1), extend("examples" = [24]))] usize),
}

/// The network.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(extend("examples" = [{"lstm": {"hidden": 64}}], "x-later" = {"gru": "gated recurrent units come in a later version"}))]
pub enum Model {
    Lstm(Lstm),
    Linear(Linear),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Lstm {
    #[schemars(range(min = 1))]
    pub hidden: usize,
    #[schemars(range(min = 1))]
    pub layers: usize,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub dropout: f64,
}

impl Default for Lstm {
    fn default() -> Self {
        Lstm { hidden: 64, layers: 1, dropout: 0.0 }
    }
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Linear {}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Train {
    /// Passes over the training windows.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    #[schemars(range(min = 1))]
    pub batch: usize,
    pub optimizer: Optimizer,
    pub loss: Loss,
    pub stop: Option<Stop>,
}

impl Default for Train {
    fn default() -> Self {
        Train {
            epochs: 50,
            batch: 32,
            optimizer: Optimizer::Adam(Adam::default()),
            loss: Loss::Mse,
            stop: None,
        }
    }
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimizer {
    Adam(Adam),
    Sgd(Sgd),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Adam {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0, "examples" = [0.001]))]
    pub lr: f64,
}

impl Default for Adam {
    fn default() -> Self {
        Adam { lr: 0.001 }
    }
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sgd {
    /// Learning rate.
    #[schemars(extend("exclusiveMinimum" = 0, "examples" = [0.01]))]
    pub lr: f64,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    Mse,
    Mae,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    #[schemars(extend("examples" = ["val.mase"]))]
    pub monitor: String,
    #[schemars(range(min = 1))]
    pub patience: usize,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// Cells to score.
    #[serde(default)]
    pub fits: Vec<CellName>,
    /// Part of the data to score on.
    pub part: Option<Part>,
    #[schemars(length(min = 1), extend("examples" = [["mae", "rmse"]]))]
    pub metrics: Option<Vec<Metric>>,
}

/// The id of an earlier cell.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[schemars(extend("x-cell" = true))]
pub struct CellName(pub String);

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Val,
    Test,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    Mae,
    Rmse,
    Mase,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    DataOverview,
    LearningCurves,
    SkillTable,
}

fn schema<T: JsonSchema>() -> serde_json::Value {
    SchemaSettings::draft07().into_generator().into_root_schema_for::<T>().to_value()
}

/// The vocabulary of the tests.
pub fn vocabulary() -> Vocabulary {
    Vocabulary::new()
        .action("data", schema::<Data>())
        .action("check", schema::<Check>())
        .action("split", schema::<Split>())
        .action("target", schema::<Columns>())
        .action("past", schema::<Columns>())
        .action("window", schema::<Window>())
        .action("baseline", schema::<Vec<Baseline>>())
        .action("model", schema::<Model>())
        .action("train", schema::<Train>())
        .action("evaluate", schema::<Evaluate>())
        .action("show", schema::<Vec<Figure>>())
}
