//! Progress from events: one line a cell and a bar on a terminal, one line an epoch otherwise.

use super::terminal;
use crate::pipelines::engine::Subscriber;
use crate::pipelines::run::RunEvent;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::{Arc, Mutex, PoisonError};

/// Every event as a line of JSON.
pub fn json() -> Subscriber {
    Arc::new(|line| {
        if let Ok(text) = serde_json::to_string(line) {
            terminal::line(&text);
        }
    })
}

/// For people.
pub fn people() -> Subscriber {
    if std::io::stderr().is_terminal() { bar() } else { Arc::new(|line| plain(&line.event)) }
}

fn plain(event: &RunEvent) {
    match event {
        RunEvent::Batch { .. } | RunEvent::Metric { .. } | RunEvent::Plan { .. } => {}
        RunEvent::CellStarted { .. } | RunEvent::Checkpoint { .. } | RunEvent::RunFinished { .. } => {}
        // Said in full, with its place, once the run directory is written.
        RunEvent::CellFailed { .. } => {}
        other => terminal::error(&other.to_string()),
    }
}

fn bar() -> Subscriber {
    let style =
        ProgressStyle::with_template("{prefix} {wide_bar} epoch {pos}/{len} {msg} {elapsed} eta {eta}");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let shown: Mutex<Option<ProgressBar>> = Mutex::new(None);
    Arc::new(move |line| {
        let mut shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
        match &line.event {
            RunEvent::Epoch { id, epoch, epochs, metrics, .. } => {
                let bar = shown.get_or_insert_with(|| {
                    let target = ProgressDrawTarget::stderr();
                    let bar = ProgressBar::with_draw_target(Some(*epochs as u64), target);
                    bar.with_style(style.clone()).with_prefix(id.clone())
                });
                let loss = metrics.get("val.loss").or(metrics.get("train.loss")).copied().flatten();
                bar.set_message(loss.map_or(String::new(), |loss| format!("loss {loss:.5}")));
                bar.set_position(*epoch as u64 + 1);
            }
            RunEvent::Log { .. } | RunEvent::Checkpoint { .. } => {}
            event => {
                if let Some(bar) = shown.take_if(|_| !matches!(event, RunEvent::Batch { .. })) {
                    bar.finish_and_clear();
                }
                plain(event);
            }
        }
    })
}
