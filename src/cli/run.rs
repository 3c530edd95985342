use super::{Cli, RunArgs, SpecArgs, progress, terminal};
use crate::history::Notebook;
use crate::pipelines::engine::{self, RunOptions};
use crate::pipelines::run::{Home, RunDir};
use crate::pipelines::{Exit, Registry};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `forge run`: runs a spec and writes its report.
pub fn run(run: &RunArgs, cli: &Cli, registry: &Registry) -> Exit {
    let args = &run.spec();
    let planned = match engine::check(&args.spec, &args.set, registry) {
        Ok(planned) => planned,
        Err(refusal) => {
            if cli.json {
                terminal::line(&json!({"findings": refusal.findings.to_json()}).to_string());
            } else {
                terminal::findings(&refusal.findings);
            }
            return refusal.exit;
        }
    };
    let interrupt = Arc::new(AtomicBool::new(false));
    stop_on_ctrl_c(interrupt.clone());
    let options = RunOptions {
        home: Home::new(&cli.home),
        spec_path: &args.spec,
        command: command(args),
        fresh: run.fresh,
        strict: run.strict,
        smoke: run.smoke,
        profile: run.profile,
        interrupt,
        subscriber: Some(if cli.json { progress::json() } else { progress::people() }),
        render: &render,
    };
    let finished = engine::execute(&planned, registry, options);
    if let Some(findings) = &finished.findings {
        if cli.json {
            terminal::line(&json!({"findings": findings.to_json()}).to_string());
        } else {
            terminal::findings(findings);
        }
    }
    if finished.exit == Exit::Interrupted {
        terminal::error(
            "interrupted; the same command goes on from here, a training from its last finished epoch",
        );
    }
    if !cli.json {
        // Of several seeds, each has its own in its run directory.
        if let Some(dir) = finished.dir.as_ref().filter(|_| run.profile) {
            match dir.profile() {
                Ok(Some(profile)) => super::profile::print(&profile, &dir.path().join("profile.json")),
                Ok(None) => {}
                Err(error) => terminal::error(&format!("warning: {error}")),
            }
        }
        if let Some(verdict) = &finished.verdict {
            terminal::line(verdict);
        }
        if let Some(report) = &finished.report {
            terminal::line(&report.display().to_string());
        }
    }
    if let Some(report) = finished.report.as_ref().filter(|_| run.open) {
        super::open::open(report);
    }
    finished.exit
}

/// The report and its figures, into the run directory; a warning goes to the terminal.
pub fn render(notebook: &Notebook, dir: &RunDir) -> Result<PathBuf, String> {
    let (path, written) = crate::render::written(notebook, dir)?;
    if let Some(warning) = written.warning {
        terminal::error(&format!("warning: {warning}"));
    }
    Ok(path)
}

/// The first Ctrl-C ends the run after the step in progress, the second ends the program.
fn stop_on_ctrl_c(interrupt: Arc<AtomicBool>) {
    let handler = move || {
        if interrupt.swap(true, Ordering::Relaxed) {
            std::process::exit(Exit::Interrupted.code());
        }
        terminal::error("interrupted: ending after this step; once more to stop at once");
    };
    if let Err(error) = ctrlc::set_handler(handler) {
        terminal::error(&format!("warning: Ctrl-C cannot be caught ({error})"));
    }
}

/// The command that runs this again, with quotes where a shell needs them. A run directory holds no absolute path, so a
/// spec given by one is named by its file.
fn command(args: &SpecArgs) -> String {
    let shown: &Path = match args.spec.is_absolute() {
        true => args.spec.file_name().map_or(&args.spec, Path::new),
        false => &args.spec,
    };
    let mut words = vec!["forge".to_string(), "run".to_string(), quoted(&shown.display().to_string())];
    for set in &args.set {
        words.extend(["-s".to_string(), quoted(set)]);
    }
    words.join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,%+@".contains(c);
    if word.chars().all(plain) { word.to_string() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_can_be_pasted_into_a_shell() {
        let args = SpecArgs {
            spec: "my specs/it's.yaml".into(),
            set: vec!["window.horizon=5".into(), "title=a b".into()],
        };
        assert_eq!(command(&args), r"forge run 'my specs/it'\''s.yaml' -s window.horizon=5 -s 'title=a b'");
    }
}
