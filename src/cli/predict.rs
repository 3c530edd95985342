use super::{Cli, terminal, told};
use crate::pipelines::predict::{Given, Prediction, fits, predict as forecast};
use crate::pipelines::run::Home;
use crate::pipelines::{Exit, Registry};
use serde_json::{Map, Value, json};

/// `forge predict`: forecasts after the last row of a run's data, from its model files alone.
pub fn predict(
    name: &str,
    only: Option<&str>,
    given: Given<'_>,
    cli: &Cli,
    registry: &Registry,
) -> Exit {
    let found = Home::new(&cli.home).find(name).and_then(|dir| Ok((fits(&dir)?, dir)));
    let (ids, dir) = match found {
        Ok(found) => found,
        Err(error) => return told(&error),
    };
    let chosen: Vec<&String> = ids.iter().filter(|id| only.is_none_or(|only| only == *id)).collect();
    if chosen.is_empty() {
        let known = if ids.is_empty() { "none".to_string() } else { ids.join(", ") };
        terminal::error(&format!("error: no such fit in run {}; fits that can forecast: {known}", dir.id()));
        return Exit::Spec;
    }
    let mut predictions = Vec::new();
    for id in chosen {
        match forecast(&dir, id, given, registry) {
            Ok(prediction) => predictions.push(prediction),
            Err(failure) => return super::failed(&failure, &format!("fit `{id}`")),
        }
    }
    if cli.json {
        let all: Vec<_> = predictions.iter().map(as_json).collect();
        terminal::line(&json!({"run": dir.id(), "forecasts": all}).to_string());
    } else {
        predictions.iter().for_each(print);
    }
    Exit::Ok
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

fn as_json(prediction: &Prediction) -> Value {
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
    json!({
        "fit": prediction.fit,
        "after": prediction.after,
        "steps": prediction.times.iter().enumerate().map(step).collect::<Vec<_>>(),
    })
}

fn print(prediction: &Prediction) {
    terminal::line(&format!("{}: after {}", prediction.fit, prediction.after));
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
