use super::{Cli, terminal};
use crate::pipelines::Exit;
use crate::pipelines::run::{Home, RunError, RunSummary};
use serde_json::json;

/// `forge ls`: runs, newest first.
pub fn ls(cli: &Cli) -> Result<Exit, RunError> {
    let home = Home::new(&cli.home);
    let runs = home.runs()?;
    if cli.json {
        for run in &runs {
            let line = match &run.record {
                Ok(record) => json!(record),
                Err(reason) => json!({"id": run.id, "unreadable": reason}),
            };
            terminal::line(&line.to_string());
        }
        return Ok(Exit::Ok);
    }
    if runs.is_empty() {
        terminal::error(&format!("no runs in {} yet; `forge run SPEC` makes one", home.path().display()));
    }
    // The runs of single seeds stand below the run that they are part of.
    let parent_of = |run: &RunSummary| {
        let record = run.record.as_ref().ok().filter(|record| record.is_child())?;
        record.parent.clone().filter(|parent| runs.iter().any(|run| run.id == *parent))
    };
    for run in runs.iter().filter(|run| parent_of(run).is_none()) {
        terminal::line(&line(run, ""));
        for seed in runs.iter().rev().filter(|seed| parent_of(seed).as_ref() == Some(&run.id)) {
            terminal::line(&line(seed, "  "));
        }
    }
    Ok(Exit::Ok)
}

fn line(run: &RunSummary, indent: &str) -> String {
    match &run.record {
        Ok(r) => {
            let seconds = r.seconds.map_or("-".to_string(), |s| format!("{s:.1} s"));
            let words = r.verdict.as_deref().unwrap_or(&r.title);
            let seed = r.seed().map_or(String::new(), |seed| format!("seed {seed}: "));
            format!("{indent}{}  {:<11}  {seconds:>9}  {seed}{words}", run.id, r.state.name())
        }
        Err(reason) => format!("{indent}{}  unreadable: {reason}", run.id),
    }
}
