use super::{Cli, terminal, told};
use crate::pipelines::predict::{Given, Prediction, fits, predict as forecast};
use crate::pipelines::run::{Home, RunDir, RunError};
use crate::pipelines::{Exit, Registry};
use serde_json::{Map, Value, json};

/// `forge predict`: forecasts after the last row of a run's data, from its model files alone.
pub fn predict(name: &str, only: Option<&str>, given: Given<'_>, cli: &Cli, registry: &Registry) -> Exit {
    let home = Home::new(&cli.home);
    let (dir, dirs) = match home.find(name).and_then(|dir| Ok((runs_of(&home, &dir)?, dir))) {
        Ok((dirs, dir)) => (dir, dirs),
        Err(error) => return told(&error),
    };
    let mut predictions = Vec::new();
    let mut known: Vec<String> = Vec::new();
    for (own, seed) in &dirs {
        let ids = match fits(own) {
            Ok(ids) => ids,
            Err(error) => return told(&error),
        };
        for id in ids.iter().filter(|id| only.is_none_or(|only| only == *id)) {
            match forecast(own, id, given, registry) {
                Ok(prediction) => predictions.push((prediction, seed)),
                Err(failure) => return super::failed(&failure, &format!("fit `{id}`")),
            }
        }
        known.extend(ids.into_iter().filter(|id| !known.contains(id)).collect::<Vec<_>>());
    }
    if predictions.is_empty() {
        let known = if known.is_empty() { "none".to_string() } else { known.join(", ") };
        terminal::error(&format!("error: no such fit in run {}; fits that can forecast: {known}", dir.id()));
        return Exit::Spec;
    }
    if cli.json {
        let all: Vec<_> = predictions.iter().map(|(p, seed)| as_json(p, seed.as_deref())).collect();
        terminal::line(&json!({"run": dir.id(), "forecasts": all}).to_string());
    } else {
        predictions.iter().for_each(|(p, seed)| print(p, seed.as_deref()));
    }
    Exit::Ok
}

/// The run itself, or the runs of its seeds, each with its seed.
fn runs_of(home: &Home, dir: &RunDir) -> Result<Vec<(RunDir, Option<String>)>, RunError> {
    let children = dir.record()?.children;
    if children.is_empty() {
        return Ok(vec![(dir.clone(), None)]);
    }
    let child = |id: &String| {
        let dir = home.find(id)?;
        let seed = dir.record()?.seed().map(String::from);
        Ok((dir, seed))
    };
    children.iter().map(child).collect()
}

/// Values by target.
fn by_target<T>(prediction: &Prediction, step: usize, value: impl Fn(usize) -> T) -> Map<String, Value>
where
    Value: From<T>,
{
    let first = step * prediction.targets.len();
    let named = prediction.targets.iter().enumerate();
    named.map(|(k, name)| (name.clone(), Value::from(value(first + k)))).collect()
}

fn as_json(prediction: &Prediction, seed: Option<&str>) -> Value {
    let step = |(n, time): (usize, &String)| {
        let quantiles: Map<String, Value> = prediction
            .quantiles
            .iter()
            .map(|q| (q.level.to_string(), by_target(prediction, n, |i| q.values[i]).into()))
            .collect();
        let intervals: Map<String, Value> = prediction
            .intervals
            .iter()
            .map(|v| (v.level.to_string(), by_target(prediction, n, |i| vec![v.low[i], v.high[i]]).into()))
            .collect();
        let mut step = json!({
            "step": n + 1, "time": time, "values": by_target(prediction, n, |i| prediction.values[i]),
        });
        for (key, values) in [("quantiles", quantiles), ("intervals", intervals)] {
            if !values.is_empty() {
                step[key] = values.into();
            }
        }
        step
    };
    let mut forecast = json!({
        "fit": prediction.fit,
        "after": prediction.after,
        "steps": prediction.times.iter().enumerate().map(step).collect::<Vec<_>>(),
    });
    if let Some(seed) = seed.and_then(|seed| seed.parse::<u64>().ok()) {
        forecast["seed"] = seed.into();
    }
    forecast
}

fn print(prediction: &Prediction, seed: Option<&str>) {
    let seed = seed.map_or(String::new(), |seed| format!(" (seed {seed})"));
    terminal::line(&format!("{}{seed}: after {}", prediction.fit, prediction.after));
    for (n, time) in prediction.times.iter().enumerate() {
        let mut words = vec![format!("  {time}")];
        for (k, name) in prediction.targets.iter().enumerate() {
            let i = n * prediction.targets.len() + k;
            words.push(format!("{name} {:.6}", prediction.values[i]));
            words.extend(prediction.quantiles.iter().map(|q| format!("q{} {:.6}", q.level, q.values[i])));
            let known = prediction.intervals.iter().filter(|v| v.low[i].is_finite() && v.high[i].is_finite());
            words.extend(known.map(|v| format!("{} % {:.6} to {:.6}", v.level, v.low[i], v.high[i])));
        }
        terminal::line(&words.join("  "));
    }
}
