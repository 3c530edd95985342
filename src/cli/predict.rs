use super::{Cli, terminal, told};
use crate::pipelines::predict::{Prediction, fits, predict as forecast};
use crate::pipelines::run::Home;
use crate::pipelines::{Exit, Registry};
use serde_json::{Map, json};
use std::path::Path;

/// `forge predict`: forecasts after the last row of a run's data, from its model files alone.
pub fn predict(
    name: &str,
    only: Option<&str>,
    history: Option<&Path>,
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
        match forecast(&dir, id, history, registry) {
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

fn as_json(prediction: &Prediction) -> serde_json::Value {
    let step = |(n, step): (usize, &crate::pipelines::predict::PredictedStep)| {
        let named = prediction.targets.iter().cloned().zip(step.values.iter().map(|v| json!(v)));
        json!({"step": n + 1, "time": step.time, "values": named.collect::<Map<_, _>>()})
    };
    json!({
        "fit": prediction.fit,
        "after": prediction.after,
        "steps": prediction.steps.iter().enumerate().map(step).collect::<Vec<_>>(),
    })
}

fn print(prediction: &Prediction) {
    terminal::line(&format!("{}: after {}", prediction.fit, prediction.after));
    for step in &prediction.steps {
        let values = prediction.targets.iter().zip(&step.values);
        let words: Vec<String> = values.map(|(name, value)| format!("{name} {value:.6}")).collect();
        terminal::line(&format!("  {}  {}", step.time, words.join("  ")));
    }
}
