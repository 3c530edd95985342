//! A first spec for a file: what can be read off the data is written down, with the reason beside it.

use crate::frame::{Column, ColumnData};
use crate::sources::{Freq, Loaded};
use std::fmt::Write;

/// Names that a target usually has, most telling first.
const TARGETS: [&str; 9] =
    ["close", "adj close", "price", "value", "y", "target", "temp", "temperature", "rate"];

/// The text of a spec that forecasts a column of a file, as `forge new --from` writes it. `location` is the file's path
/// from the spec's folder. None if no column can be forecast: all hold text, a constant, or mostly
/// missing values. Columns without missing values are preferred.
///
/// ```
/// use forge_pipelines::{sources::CsvParams, starter};
/// let rows: String = (0..200).map(|i| format!("{},{}\n", 1000 + i, 20 + (i * 7) % 13)).collect();
/// let loaded = CsvParams::new("tide.csv").read_bytes(format!("row,level\n{rows}").into_bytes())?;
/// let spec = starter::spec("tide.csv", &loaded).unwrap();
/// assert!(spec.contains("data: {csv: tide.csv"));
/// # Ok::<(), forge_pipelines::DataError>(())
/// ```
pub fn spec(location: &str, loaded: &Loaded) -> Option<String> {
    let frame = &loaded.frame;
    let usable: Vec<&Column> = frame.columns.iter().filter(|c| is_usable(c)).collect();
    let rank = |c: &Column| TARGETS.iter().position(|name| c.name.eq_ignore_ascii_case(name));
    let named = usable.iter().filter_map(|c| Some((rank(c)?, *c))).min_by_key(|(rank, _)| *rank);
    let most = frame.columns.iter().rfind(|c| is_mostly_there(c));
    let target = named.map(|(_, c)| c).or(usable.last().copied()).or(most)?;
    let rows = frame.rows();
    let season = frame.freq.season();
    // A tenth of the rows is the validation part, which must hold a whole horizon.
    let horizon = if season > 1 && rows >= 20 * season { season.min(24) } else { 1 };
    let lookback = if season > 1 { 2 * season } else { 30 }.min(rows / 10).max(1);
    let positive = values(target).iter().all(|v| v.is_nan() || *v > 0.0);
    let (chain, why) = match frame.freq {
        Freq::Sessions if positive => {
            ("[log, diff, standardize]", "returns: a price itself wanders without a level")
        }
        _ => ("[standardize]", "zero mean and unit spread on the train rows"),
    };
    let time = frame.time.column();
    let range =
        loaded.record.range.as_ref().map_or(String::new(), |(first, last)| format!(", {first} to {last}"));
    let time_key = time.map_or(String::new(), |column| format!(", time: {}", word(column)));
    let baseline = if season > 1 {
        format!("[last, drift, mean, {{seasonal: {season}}}]")
    } else {
        "[last, drift, mean]".into()
    };
    let others: Vec<String> = usable
        .iter()
        .filter(|c| c.name != target.name)
        .map(|c| format!("{}: [standardize]", word(&c.name)))
        .collect();
    let mut text = String::new();
    let _ = write!(
        text,
        "\
# Made by `forge new --from` from {rows} rows{range}. Run it:  forge run THIS_FILE
forge: 1
title: {title}
task: forecast
seed: 42

cells:
  - id: data
    # What each step between rows means was read off the times: {freq}.
    data: {{csv: {location}{time_key}, freq: {freq}}}

  - id: split
    split: {{by: time, train: 70%, val: 10%, test: 20%}}   # the last rows are only scored

  - id: prep
    target: {{{target}: {chain}}}   # {why}; inverted before every metric
",
        title = word(&format!("{} of {}", target.name, location.rsplit('/').next().unwrap_or(location))),
        freq = frame.freq,
        location = word(location),
        target = word(&target.name),
    );
    if !others.is_empty() {
        let _ = writeln!(text, "    # The other columns as inputs:\n    # past: {{{}}}", others.join(", "));
    }
    let _ = write!(
        text,
        "
  - id: window
    window: {{lookback: {lookback}, horizon: {horizon}}}   # rows that a model sees, rows ahead that it forecasts

  - id: naive
    baseline: {baseline}   # what a model must beat

  - id: linear
    model: linear
    train: {{epochs: 20, stop: {{monitor: val.loss, patience: 5}}}}

  - id: lstm
    model: {{lstm: {{hidden: 32}}}}
    train: {{epochs: 40, batch: 32, stop: {{monitor: val.loss, patience: 8, restore: best}}}}

  - id: score
    evaluate: {{part: test, metrics: [mae, rmse, mase]}}

  - show: [data_overview, learning_curves, forecast_fan, skill_table]
"
    );
    Some(text)
}

fn values(column: &Column) -> &[f64] {
    match &column.data {
        ColumnData::Number(values) => values,
        ColumnData::Text { .. } => &[],
    }
}

/// Numbers, without missing ones, that are not all the same.
fn is_usable(column: &Column) -> bool {
    let values = values(column);
    values.iter().all(|v| v.is_finite()) && values.iter().any(|v| *v != values[0])
}

/// Numbers, more than half of them there, that are not all the same.
fn is_mostly_there(column: &Column) -> bool {
    let known: Vec<f64> = values(column).iter().copied().filter(|v| v.is_finite()).collect();
    2 * known.len() > values(column).len() && known.iter().any(|v| *v != known[0])
}

/// Text as a YAML value: as it is where that is plain, otherwise in quotes.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./ ".contains(c);
    let first = text.starts_with(char::is_alphabetic);
    let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let bare = first && text.chars().all(plain) && !text.ends_with(' ');
    if bare && !reserved.contains(&text.to_lowercase().as_str()) { text.into() } else { format!("{text:?}") }
}
