use super::{EpochRecord, FitHistory, Forecasts, Score, SeriesOverview, SkillTable, StopReason, TimeAxis};
use serde::{Deserialize, Serialize};

/// How good or bad a piece of news is.
///
/// See [`Notebook`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A claim that held, or skill above the baseline.
    Good,
    /// Neither good nor bad.
    Note,
    /// Something to look at.
    Warning,
    /// A claim that failed.
    Error,
}

/// A short fact with its label: a cell of the key-facts strip or of a small table.
///
/// ```
/// use forge_core::history::Fact;
/// let fact = Fact::new("rows", "1 258").detail("2 of them without a price");
/// assert_eq!((fact.label.as_str(), fact.value.as_str()), ("rows", "1 258"));
/// assert_eq!(Fact::new("rows", "1 258").detail, "");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is, such as `rows`.
    pub label: String,
    /// The value, ready to print.
    pub value: String,
    /// More words, shown on hover or in small print; may be empty.
    pub detail: String,
}

impl Fact {
    /// A fact without further detail.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Fact { label: label.into(), value: value.into(), detail: String::new() }
    }

    /// The same fact with small print.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = detail.into();
        self
    }
}

/// What the run comes to, in one line.
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Good when the fit beats the best baseline, a warning when it does not.
    pub level: Level,
    /// The sentence, such as `lstm: test RMSE 0.369, no better than repeating the last value (skill -0.3 %)`.
    pub text: String,
}

/// A claim of the spec and whether it held.
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AssertOutcome {
    /// The claim as written, such as `score.result.lstm.rmse < 0.4`.
    pub claim: String,
    /// Whether it held.
    pub held: bool,
    /// The value found, or why there is none.
    pub found: String,
}

/// A finding of a guard or another remark on the run.
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// Code, such as `L09`; may be empty.
    pub code: String,
    /// How serious.
    pub level: Level,
    /// The finding and what to do about it.
    pub text: String,
}

/// A table of text. Numbers are already formatted; columns from `numeric` on are right-aligned.
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Caption.
    pub caption: String,
    /// Column heads.
    pub head: Vec<String>,
    /// Rows, each as long as `head`.
    pub rows: Vec<Vec<String>>,
    /// Index of the first numeric column.
    pub numeric: usize,
}

/// A metric over two groupings of the forecasts, such as hour of the day and step ahead.
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heatmap {
    /// The metric.
    pub metric: String,
    /// What the columns are, such as `hour (UTC)`.
    pub x_title: String,
    /// What the rows are.
    pub y_title: String,
    /// Labels of the columns.
    pub x: Vec<String>,
    /// Labels of the rows.
    pub y: Vec<String>,
    /// One a fit or baseline, fits first.
    pub layers: Vec<HeatLayer>,
}

/// The values of one fit or baseline in a [`Heatmap`].
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeatLayer {
    /// Name of the fit or baseline.
    pub name: String,
    /// By row, then by column; `None` is undefined.
    pub values: Vec<Vec<Option<f64>>>,
}

/// What became of a cell.
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CellState {
    /// It ran.
    Ran {
        /// Wall-clock seconds.
        seconds: f64,
    },
    /// Its value came from the cache.
    Cached {
        /// When the value was made, ISO 8601.
        made: String,
        /// Cell key, hexadecimal.
        key: String,
    },
    /// It failed with this message.
    Failed {
        /// The message.
        message: String,
    },
    /// An earlier failure kept it from running.
    Skipped,
}

/// Something that a cell shows.
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Output {
    /// Markdown, with every `{{ address }}` already filled in.
    Prose {
        /// CommonMark text. Raw HTML in it is shown as text, never executed.
        markdown: String,
    },
    /// Labelled short values.
    Facts {
        /// The facts.
        facts: Vec<Fact>,
    },
    /// A plain table.
    Table {
        /// The table.
        table: Table,
    },
    /// A series, its split and its autocorrelation.
    DataOverview {
        /// The series.
        overview: SeriesOverview,
    },
    /// Loss and metrics by epoch, of one fit or more.
    LearningCurves {
        /// The fits.
        fits: Vec<FitHistory>,
    },
    /// Forecast against what happened.
    Forecast {
        /// Times of all rows of the data.
        axis: TimeAxis,
        /// Fits first, then baselines, all on the same origins.
        forecasts: Vec<Forecasts>,
    },
    /// What happened less what was forecast.
    Residuals {
        /// Times of all rows of the data.
        axis: TimeAxis,
        /// Fits first, then baselines, all on the same origins.
        forecasts: Vec<Forecasts>,
    },
    /// The metrics of a table at each step ahead.
    ErrorByHorizon {
        /// The table.
        table: SkillTable,
    },
    /// A metric over two groupings of the forecasts.
    Heatmap {
        /// The metric, by fit or baseline.
        heatmap: Heatmap,
    },
    /// Scores of fits and baselines.
    SkillTable {
        /// The table.
        table: SkillTable,
    },
    /// Claims and whether they held.
    Asserts {
        /// The claims.
        outcomes: Vec<AssertOutcome>,
    },
    /// A Plotly figure that another crate made: `{"data": [...], "layout": {...}}`.
    Plotly {
        /// Title, shown above the figure.
        title: String,
        /// The figure.
        figure: serde_json::Value,
    },
}

/// One cell of the notebook.
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellRecord {
    /// The cell's id.
    pub id: String,
    /// The actions in it, such as `["model", "train"]`; empty for prose.
    pub actions: Vec<String>,
    /// The cell as written in the spec; empty when there is no spec.
    pub source: String,
    /// Line of the spec where it starts, from 1.
    pub line: Option<usize>,
    /// What became of it.
    pub state: CellState,
    /// What it shows.
    pub outputs: Vec<Output>,
}

/// A data source as it was read.
///
/// See [`Notebook`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceRecord {
    /// Location as written in the spec.
    pub location: String,
    /// BLAKE3 digest of the bytes, hexadecimal.
    pub digest: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Rows of data.
    pub rows: usize,
    /// Column names.
    pub columns: Vec<String>,
    /// First and last time, ISO 8601, if there is a time column.
    pub range: Option<(String, String)>,
    /// Missing values, all columns together.
    pub missing: usize,
}

/// Everything a report shows.
///
/// Of a training loop by hand, `Notebook::from(&history)` is one with its curves. One made in full:
///
/// ```
/// use forge_core::history::{
///     AssertOutcome, CellRecord, CellState, HeatLayer, Heatmap, Level, Notebook, Notice, Output, SourceRecord, Table,
///     Verdict,
/// };
/// let mut notebook = Notebook::new("Prices");
/// notebook.verdict = Some(Verdict { level: Level::Good, text: "lstm: 3 % better than naive".into() });
/// notebook.asserts.push(AssertOutcome { claim: "lstm.rmse < 0.4".into(), held: true, found: "0.369".into() });
/// notebook.notices.push(Notice { code: "L09".into(), level: Level::Warning, text: "a short test part".into() });
/// notebook.sources.push(SourceRecord {
///     location: "prices.csv".into(), digest: "af13".into(), bytes: 512, rows: 20, columns: vec!["price".into()],
///     range: None, missing: 0,
/// });
/// let table = Table { caption: "MAE".into(), head: vec!["model".into(), "MAE".into()],
///     rows: vec![vec!["lstm".into(), "0.3".into()]], numeric: 1 };
/// let heatmap = Heatmap { metric: "mae".into(), x_title: "hour (UTC)".into(), y_title: "step".into(), x: vec!["0".into()],
///     y: vec!["1".into()], layers: vec![HeatLayer { name: "lstm".into(), values: vec![vec![Some(0.3)]] }] };
/// notebook.cells.push(CellRecord {
///     id: "score".into(), actions: vec!["score".into()], source: String::new(), line: None,
///     state: CellState::Ran { seconds: 0.1 }, outputs: vec![Output::Table { table }, Output::Heatmap { heatmap }],
/// });
/// let text = serde_json::to_string(&notebook).unwrap(); // what a report is drawn from
/// assert_eq!(serde_json::from_str::<Notebook>(&text).unwrap(), notebook);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notebook {
    /// Title.
    pub title: String,
    /// What the run comes to.
    pub verdict: Option<Verdict>,
    /// Claims of the spec.
    pub asserts: Vec<AssertOutcome>,
    /// Key facts: data hash, rows, dates, device, time, seed, version.
    pub facts: Vec<Fact>,
    /// Findings of guards.
    pub notices: Vec<Notice>,
    /// The cells, in order.
    pub cells: Vec<CellRecord>,
    /// Where the data came from.
    pub sources: Vec<SourceRecord>,
    /// Version, machine, threads, seeds.
    pub environment: Vec<Fact>,
    /// The resolved spec, every default filled in, as YAML; empty when there is none.
    pub resolved_spec: String,
    /// The exact command that runs this again; empty when there is none.
    pub reproduce: String,
}

impl Notebook {
    /// An empty notebook with a title.
    pub fn new(title: impl Into<String>) -> Self {
        Notebook {
            title: title.into(),
            verdict: None,
            asserts: Vec::new(),
            facts: Vec::new(),
            notices: Vec::new(),
            cells: Vec::new(),
            sources: Vec::new(),
            environment: Vec::new(),
            resolved_spec: String::new(),
            reproduce: String::new(),
        }
    }
}

impl From<&FitHistory> for Notebook {
    /// A notebook of one cell: the curves of a hand-written training loop.
    fn from(fit: &FitHistory) -> Self {
        let mut notebook = Notebook::new(&fit.name);
        let last: Option<&EpochRecord> = fit.epochs.last();
        notebook.facts = vec![
            Fact::new("model", &fit.model),
            Fact::new("parameters", fit.parameters.to_string()),
            Fact::new("epochs", fit.epochs.len().to_string()),
            Fact::new("time", format!("{:.1} s", fit.seconds)),
        ];
        if let StopReason::Callback { message } = &fit.stop {
            notebook.facts.push(Fact::new("stopped", message));
        }
        if let Some(record) = last {
            notebook.facts.extend(record.metrics.iter().map(|(n, v)| Fact::new(n, format!("{v:.6}"))));
        }
        notebook.cells.push(CellRecord {
            id: fit.name.clone(),
            actions: vec!["train".into()],
            source: String::new(),
            line: None,
            state: CellState::Ran { seconds: fit.seconds },
            outputs: vec![Output::LearningCurves { fits: vec![fit.clone()] }],
        });
        notebook
    }
}

impl From<SkillTable> for Output {
    fn from(table: SkillTable) -> Self {
        Output::SkillTable { table }
    }
}

impl Score {
    /// An empty score of a fit or baseline.
    ///
    /// ```
    /// # use forge_core::history::{ForecastKind, Forecasts, Part, Score};
    /// # let (name, kind, part, none) = ("naive".to_owned(), ForecastKind::Baseline, Part::Test, Vec::new());
    /// # let forecasts = Forecasts { name, kind, part, targets: Vec::new(), horizon: 1, origins: Vec::new(),
    /// #     actual: none.clone(), predicted: none, quantiles: Vec::new(), intervals: Vec::new() };
    /// let score = Score::of(&forecasts);
    /// assert_eq!((score.name, score.kind, score.metrics.len()), ("naive".to_owned(), ForecastKind::Baseline, 0));
    /// ```
    pub fn of(forecasts: &Forecasts) -> Self {
        Score { name: forecasts.name.clone(), kind: forecasts.kind, metrics: Vec::new(), by_step: Vec::new() }
    }
}
