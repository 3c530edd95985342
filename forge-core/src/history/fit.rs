use super::StopReason;
use serde::{Deserialize, Serialize};

/// The metrics of one epoch.
///
/// See [`FitHistory`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Optimizer steps taken when the epoch ended.
    pub step: u64,
    /// Wall-clock seconds that this epoch took.
    pub seconds: f64,
    /// Learning rate of the epoch's last step.
    pub learning_rate: f64,
    /// Name and value, such as `("train.loss", 0.12)`, `("val.loss", 0.15)`, `("val.mae", 0.31)`, in a fixed order.
    #[serde(with = "exact_values")]
    pub metrics: Vec<(String, f64)>,
}

impl EpochRecord {
    /// The value of a metric, if this epoch has it.
    ///
    /// See [`FitHistory`].
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|(n, _)| n == name).map(|(_, v)| *v)
    }
}

/// Everything one call of `fit` recorded.
///
/// ```
/// use forge_core::history::{EpochRecord, FitHistory, StopReason};
/// let record = |epoch: usize, loss: f64| EpochRecord {
///     epoch,
///     step: 10 * (epoch as u64 + 1),
///     seconds: 0.5,
///     learning_rate: 0.1,
///     metrics: vec![("train.loss".to_owned(), loss)],
/// };
/// let mut history = FitHistory {
///     name: "line".into(),
///     model: "linear(1 → 1)".into(),
///     parameters: 2,
///     epochs: vec![record(0, 0.5), record(1, 0.25)],
///     monitor: Some("val.loss".into()),
///     best_epoch: Some(1),
///     stop: StopReason::Callback { message: "good enough".into() },
///     seconds: 1.0,
/// };
/// history.epochs[1].metrics.push(("val.loss".into(), 0.75));
/// assert_eq!(history.metric_names(), ["train.loss", "val.loss"]);
/// assert_eq!(history.curve("train.loss"), [(0, 0.5), (1, 0.25)]);
/// assert_eq!((history.epochs[0].metric("val.loss"), history.epochs[1].metric("val.loss")), (None, Some(0.75)));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FitHistory {
    /// Name of the fit, for instance the id of its cell.
    pub name: String,
    /// Short description of the model, for instance `lstm(hidden 64, layers 1)`.
    pub model: String,
    /// Number of trainable scalars.
    pub parameters: usize,
    /// One record an epoch.
    pub epochs: Vec<EpochRecord>,
    /// The metric that decides which epoch is best, such as `val.loss`.
    pub monitor: Option<String>,
    /// The epoch whose weights were kept, from 0.
    pub best_epoch: Option<usize>,
    /// Why training ended.
    pub stop: StopReason,
    /// Wall-clock seconds in all.
    pub seconds: f64,
}

impl FitHistory {
    /// The names of all metrics, in order of first appearance.
    pub fn metric_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self.epochs.iter().flat_map(|e| &e.metrics) {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// `(epoch, value)` of one metric, for the epochs that have it.
    pub fn curve(&self, name: &str) -> Vec<(usize, f64)> {
        self.epochs.iter().filter_map(|e| e.metric(name).map(|v| (e.epoch, v))).collect()
    }
}

/// One scalar of a run, as a line of `metrics.jsonl`.
///
/// ```
/// use forge_core::history::MetricPoint;
/// let point = MetricPoint { cell: "fit".into(), step: 20, epoch: 1, millis: 7, name: "val.loss".into(), value: f64::NAN };
/// let line = serde_json::to_string(&point).unwrap();
/// assert_eq!(line, r#"{"c":"fit","s":20,"e":1,"t":7,"n":"val.loss","v":null}"#);
/// assert!(serde_json::from_str::<MetricPoint>(&line).unwrap().value.is_nan());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPoint {
    /// Cell (fit) it belongs to.
    #[serde(rename = "c")]
    pub cell: String,
    /// Optimizer step.
    #[serde(rename = "s")]
    pub step: u64,
    /// Epoch, from 0.
    #[serde(rename = "e")]
    pub epoch: usize,
    /// Milliseconds since the run began.
    #[serde(rename = "t")]
    pub millis: u64,
    /// Metric name.
    #[serde(rename = "n")]
    pub name: String,
    /// Value. NaN where it is undefined, which is `null` in the file.
    #[serde(rename = "v", with = "nan_as_null")]
    pub value: f64,
}

/// JSON has no NaN: a value that is not finite is `null`, and `null` is NaN.
mod nan_as_null {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(value: &f64, s: S) -> Result<S::Ok, S::Error> {
        value.is_finite().then_some(*value).serialize(s)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(d)?.unwrap_or(f64::NAN))
    }
}

/// JSON has no NaN and no infinity: NaN is `null`, the infinities are words, and all come back as they were.
mod exact_values {
    use serde::ser::SerializeSeq;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Exact {
        Finite(f64),
        Word(Infinity),
        Nan(()),
    }

    #[derive(Serialize, Deserialize)]
    enum Infinity {
        #[serde(rename = "inf")]
        Above,
        #[serde(rename = "-inf")]
        Below,
    }

    pub fn serialize<S: Serializer>(values: &[(String, f64)], s: S) -> Result<S::Ok, S::Error> {
        let exact = |v: f64| match v {
            v if v.is_finite() => Exact::Finite(v),
            v if v.is_nan() => Exact::Nan(()),
            v if v > 0.0 => Exact::Word(Infinity::Above),
            _ => Exact::Word(Infinity::Below),
        };
        let mut seq = s.serialize_seq(Some(values.len()))?;
        for (name, value) in values {
            seq.serialize_element(&(name, exact(*value)))?;
        }
        seq.end()
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<(String, f64)>, D::Error> {
        let number = |(name, exact): (String, Exact)| match exact {
            Exact::Finite(v) => (name, v),
            Exact::Nan(()) => (name, f64::NAN),
            Exact::Word(Infinity::Above) => (name, f64::INFINITY),
            Exact::Word(Infinity::Below) => (name, f64::NEG_INFINITY),
        };
        Ok(Vec::deserialize(d)?.into_iter().map(number).collect())
    }
}
