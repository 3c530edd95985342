use super::{Cli, SpecArgs, terminal};
use crate::pipelines::engine::{self, ExplainedCell};
use crate::pipelines::spec::{CODES, explain_code};
use crate::pipelines::{Exit, RUN_CODES, Registry, data_error};
use serde_json::json;

/// `forge explain`: the plan of a spec, or more about a code than a finding has room for.
pub fn explain(args: &SpecArgs, cli: &Cli, registry: &Registry) -> Exit {
    let word = args.spec.to_string_lossy();
    match is_code(&word) && !args.spec.exists() {
        true => code(&word),
        false => plan(args, cli, registry),
    }
}

/// A letter and digits.
fn is_code(word: &str) -> bool {
    let mut letters = word.chars();
    let first = letters.next().is_some_and(|c| c.is_ascii_alphabetic());
    first && word.len() > 1 && letters.all(|c| c.is_ascii_digit())
}

fn code(word: &str) -> Exit {
    if let Some(row) = explain_code(word) {
        terminal::line(&format!("{}: {}\n\n{}", row.code, row.title, row.text));
        return Exit::Ok;
    }
    let others = || data_error::CODES.iter().chain(RUN_CODES);
    let mut meant = others().filter(|(code, _)| code.eq_ignore_ascii_case(word)).peekable();
    if meant.peek().is_none() {
        let known: Vec<&str> =
            CODES.iter().map(|row| row.code).chain(others().map(|(code, _)| *code)).collect();
        terminal::error(&format!("error: no code `{word}`; known codes: {}", known.join(", ")));
        return Exit::Spec;
    }
    meant.for_each(|(code, text)| terminal::line(&format!("{code}: {}", text.trim())));
    Exit::Ok
}

fn plan(args: &SpecArgs, cli: &Cli, registry: &Registry) -> Exit {
    let planned = match engine::check(&args.spec, &args.set, registry) {
        Ok(planned) => planned,
        Err(refusal) => {
            if cli.json {
                terminal::line(&json!({"ok": false, "findings": refusal.findings.to_json()}).to_string());
            } else {
                terminal::findings(&refusal.findings);
            }
            return refusal.exit;
        }
    };
    let cells = engine::explain(&planned, registry);
    if cli.json {
        terminal::line(&json!({"cells": cells}).to_string());
        return Exit::Ok;
    }
    let spec = &planned.spec;
    terminal::line(&format!(
        "{}: {} cells, seed {}, device {}",
        args.spec.display(),
        cells.len(),
        spec.seed,
        spec.device
    ));
    cells.iter().for_each(print);
    Exit::Ok
}

fn print(cell: &ExplainedCell) {
    let what = if cell.actions.is_empty() { "prose".to_string() } else { cell.actions.join(", ") };
    let place = if cell.line == 0 { "not written, added".to_string() } else { format!("line {}", cell.line) };
    terminal::line(&format!("\n{}: {what}  ({place})", cell.id));
    if !cell.takes.is_empty() {
        terminal::line(&format!("  takes {}", cell.takes.join(", ")));
    }
    if !cell.gives.is_empty() {
        terminal::line(&format!("  gives {}", cell.gives.join(", ")));
    }
    if let Some(model) = &cell.model {
        let [_, lookback, columns] = model.input;
        terminal::line(&format!("  model {}", model.layers));
        terminal::line(&format!(
            "  shapes [batch, {lookback}, {columns}] → [batch, {}], {} parameters",
            model.outputs, model.parameters
        ));
    }
    let width = cell.values.iter().map(|v| v.address.len()).max().unwrap_or(0);
    for value in &cell.values {
        terminal::line(&format!("  {:width$} = {}  ({})", value.address, value.value, value.origin));
    }
}
