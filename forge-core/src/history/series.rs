use serde::{Deserialize, Serialize};

/// What the rows of a series are indexed by.
///
/// ```
/// use forge_core::history::TimeAxis;
/// let days = TimeAxis::Times { labels: vec!["2013-03-01".into(), "2013-03-04".into()] };
/// assert_eq!((days.len(), days.is_empty(), days.label(1)), (2, false, "2013-03-04".to_owned()));
/// assert_eq!(TimeAxis::Rows { len: 5 }.label(3), "3");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TimeAxis {
    /// No time column: rows are counted from 0.
    Rows {
        /// Number of rows.
        len: usize,
    },
    /// ISO 8601 text, one a row: `2013-03-01` for dates, `2013-03-01T05:00:00Z` for instants.
    Times {
        /// The labels, ascending.
        labels: Vec<String>,
    },
}

impl TimeAxis {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            TimeAxis::Rows { len } => *len,
            TimeAxis::Times { labels } => labels.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The label of a row: its time, or its number.
    pub fn label(&self, row: usize) -> String {
        match self {
            TimeAxis::Rows { .. } => row.to_string(),
            TimeAxis::Times { labels } => labels.get(row).cloned().unwrap_or_else(|| row.to_string()),
        }
    }
}

/// A target series with its split, as a data overview draws it.
///
/// ```
/// use forge_core::history::{SeriesOverview, TimeAxis};
/// let overview = SeriesOverview {
///     name: "price".into(),
///     unit: "EUR".into(),
///     axis: TimeAxis::Rows { len: 4 },
///     values: vec![Some(1.0), None, Some(3.0), Some(2.0)],
///     parts: [(0, 2), (2, 3), (3, 4)],
///     autocorrelation: vec![0.5, f64::NAN],
///     transform: "log".into(),
/// };
/// let text = serde_json::to_string(&overview).unwrap();
/// assert!(text.contains(r#""autocorrelation":[0.5,null]"#)); // JSON has no NaN
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesOverview {
    /// Column name.
    pub name: String,
    /// Unit or other words for the axis; may be empty.
    pub unit: String,
    /// Time of each row.
    pub axis: TimeAxis,
    /// Values in original units, one a row; `None` is a missing value.
    pub values: Vec<Option<f64>>,
    /// Half-open row ranges of the train, validation and test parts, in that order.
    pub parts: [(usize, usize); 3],
    /// Autocorrelation of the *transformed* train series at lags 1, 2, …
    #[serde(with = "super::forecast::nan_as_null")]
    pub autocorrelation: Vec<f64>,
    /// What the transformed series is called, for instance `log → diff → standardize`.
    pub transform: String,
}
