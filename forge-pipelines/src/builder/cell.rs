use super::shortest::shortest;
use crate::baselines::BaselineParam;
use crate::cells::{EvaluateParams, ForecastParams, ShowParam, TrainParams};
use crate::models::ModelKind;
use crate::roles::{Future, Roles};
use crate::sources::{CheckParams, CleanParams, CsvParams};
use crate::split::SplitParams;
use crate::windows::WindowParams;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A cell in the making: a method an action. Which actions may share a cell is checked with the spec, as in YAML.
///
/// ```
/// use forge_pipelines::builder::Cell;
/// use forge_pipelines::sources::{CheckParams, CsvParams};
/// let check = CheckParams { min_rows: 1000, ..CheckParams::default() };
/// let cell = Cell::new("prices").data(CsvParams::new("prices.csv")).check(check);
/// # let _ = cell;
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell(Map<String, Value>);

impl Cell {
    /// An empty cell of this id, by which others refer to it and to its results.
    pub fn new(id: impl Into<String>) -> Self {
        Cell(Map::from_iter([("id".to_string(), json!(id.into()))]))
    }

    /// An empty cell that is called like its first action.
    pub fn unnamed() -> Self {
        Cell::default()
    }

    /// Prose in Markdown.
    pub(super) fn prose(markdown: impl Into<String>) -> Self {
        Cell(Map::from_iter([("md".to_string(), json!(markdown.into()))]))
    }

    /// Takes the input from the cells of these ids, rather than from the nearest above.
    pub fn from<S: Into<String>>(self, cells: impl IntoIterator<Item = S>) -> Self {
        let cells: Vec<String> = cells.into_iter().map(Into::into).collect();
        self.with("from", json!(cells))
    }

    /// Reads a file.
    pub fn data(self, source: CsvParams) -> Self {
        self.action("data", &source)
    }

    /// Repairs the data.
    pub fn clean(self, params: CleanParams) -> Self {
        self.action("clean", &params)
    }

    /// Judges the data.
    pub fn check(self, params: CheckParams) -> Self {
        self.action("check", &params)
    }

    /// Divides the rows into train, validation and test.
    pub fn split(self, params: SplitParams) -> Self {
        self.action("split", &params)
    }

    /// What is forecast, and how it is transformed.
    pub fn target(self, columns: Roles) -> Self {
        self.action("target", &columns)
    }

    /// Inputs that are known up to the present.
    pub fn past(self, columns: Roles) -> Self {
        self.action("past", &columns)
    }

    /// Inputs that are known ahead.
    pub fn future(self, inputs: Future) -> Self {
        self.action("future", &inputs)
    }

    /// What a model sees and what it forecasts.
    pub fn window(self, params: WindowParams) -> Self {
        self.action("window", &params)
    }

    /// Forecasts that learn nothing or next to nothing.
    pub fn baseline(self, baselines: impl IntoIterator<Item = BaselineParam>) -> Self {
        self.action("baseline", &baselines.into_iter().collect::<Vec<_>>())
    }

    /// Builds a model and trains it. The parameters are those of the kind: others do not compile.
    pub fn fit<M: ModelKind>(self, kind: M, model: M::Params, train: TrainParams) -> Self {
        let params = shortest(&model);
        let bare = params.as_object().is_some_and(Map::is_empty);
        let choice = if bare { json!(kind.name()) } else { json!({ kind.name(): params }) };
        self.with("model", choice).action("train", &train)
    }

    /// Scores fits and baselines.
    pub fn evaluate(self, params: EvaluateParams) -> Self {
        self.action("evaluate", &params)
    }

    /// Forecasts what comes after the last row.
    pub fn forecast(self, params: ForecastParams) -> Self {
        self.action("forecast", &params)
    }

    /// Shows figures in the report.
    pub fn show(self, figures: impl IntoIterator<Item = ShowParam>) -> Self {
        self.action("show", &figures.into_iter().collect::<Vec<_>>())
    }

    /// An action of outside code with its parameters, as [`Registry::with_cell`](crate::Registry::with_cell) registers it.
    pub fn action<T: Serialize + DeserializeOwned>(self, name: &str, params: &T) -> Self {
        self.with(name, shortest(params))
    }

    pub(super) fn to_value(&self) -> Value {
        Value::Object(self.0.clone())
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        self.0.insert(key.to_string(), value);
        self
    }
}
