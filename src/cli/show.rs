use super::{Cli, terminal};
use crate::pipelines::Exit;
use crate::pipelines::run::{Home, RunError};

/// `forge show`: one run; with `--json` its `run.json`.
pub fn show(name: &str, cli: &Cli) -> Result<Exit, RunError> {
    let dir = Home::new(&cli.home).find(name)?;
    let record = dir.record()?;
    if cli.json {
        terminal::line(&serde_json::to_string_pretty(&record).unwrap_or_default());
        return Ok(Exit::Ok);
    }
    terminal::line(&format!("{}  {}", record.id, record.title));
    terminal::line(&format!("state      {}", record.state));
    terminal::line(&format!("started    {}", record.started));
    if let Some(seconds) = record.seconds {
        terminal::line(&format!("time       {seconds:.1} s"));
    }
    if let Some(code) = record.exit_code {
        terminal::line(&format!("exit code  {code}"));
    }
    if let Some(verdict) = &record.verdict {
        terminal::line(&format!("verdict    {verdict}"));
    }
    if let Some(parent) = record.parent.as_ref().filter(|_| record.is_child()) {
        terminal::line(&format!("part of    {parent}"));
    }
    for id in &record.children {
        terminal::line(&format!("seed       {id}"));
    }
    for (metric, value) in &record.metrics {
        let value = value.map_or("undefined".to_string(), |v| format!("{v:.6}"));
        let deviation = record.spread.get(metric).copied().flatten();
        let deviation = deviation.map_or(String::new(), |d| format!(" ± {d:.6}"));
        terminal::line(&format!("  {metric} = {value}{deviation}"));
    }
    let report = dir.path().join("report.html");
    if report.is_file() {
        terminal::line(&report.display().to_string());
    }
    Ok(Exit::Ok)
}
