use super::{Cli, run, terminal};
use crate::pipelines::Exit;
use crate::pipelines::run::{Home, RunError};

/// `forge report`: makes a run's report again from its `notebook.json`, for instance by a later version.
pub fn report(name: &str, open: bool, cli: &Cli) -> Result<Exit, RunError> {
    let dir = Home::new(&cli.home).find(name)?;
    let notebook = dir.notebook()?;
    Ok(match run::render(&notebook, &dir) {
        Ok(path) => {
            terminal::line(&path.display().to_string());
            if open {
                super::open::open(&path);
            }
            Exit::Ok
        }
        Err(message) => {
            terminal::error(&format!("error[E0703]: the report: {message}"));
            Exit::Resource
        }
    })
}
