use super::{Cli, terminal};
use crate::pipelines::Exit;
use crate::pipelines::run::{Home, RunError};
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
    for run in &runs {
        terminal::line(&match &run.record {
            Ok(r) => {
                let seconds = r.seconds.map_or("-".to_string(), |s| format!("{s:.1} s"));
                let words = r.verdict.as_deref().unwrap_or(&r.title);
                format!("{}  {:<11}  {seconds:>9}  {words}", run.id, r.state.name())
            }
            Err(reason) => format!("{}  unreadable: {reason}", run.id),
        });
    }
    Ok(Exit::Ok)
}
