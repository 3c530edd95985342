//! The command line, one file a verb. A program with kinds of its own calls [`main_with`] with its registry.

mod check;
mod ls;
mod progress;
mod run;
mod show;
mod terminal;

use crate::pipelines::run::RunError;
use crate::pipelines::{Exit, Registry};
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// Neural networks for prices, weather and images, from one YAML notebook to one offline report.
#[derive(Parser)]
#[command(name = "forge", version, propagate_version = true, arg_required_else_help = true)]
struct Cli {
    /// Folder of runs.
    #[arg(long, global = true, env = "FORGE_HOME", default_value = ".forge", value_name = "DIR")]
    home: PathBuf,
    /// Machine-readable output: the event stream, or JSON.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run a spec and write its report
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// Check a spec without touching its data
    #[command(after_help = EXIT_CODES)]
    Check(SpecArgs),
    /// List runs, newest first
    Ls,
    /// Show a run: `latest`, an id, or the beginning or end of one
    Show {
        /// The run.
        #[arg(default_value = "latest")]
        run: String,
    },
}

/// A spec with overrides.
#[derive(clap::Args)]
struct SpecArgs {
    /// The spec, a YAML file.
    spec: PathBuf,
    /// Set a value of the spec, for example `-s window.horizon=5`; may be given again.
    #[arg(short = 's', long = "set", value_name = "ADDRESS=VALUE")]
    set: Vec<String>,
}

/// What `forge run` takes.
#[derive(clap::Args)]
struct RunArgs {
    #[command(flatten)]
    spec: SpecArgs,
    /// Begin a new run, even if the newest one of this spec was interrupted or killed and could go on.
    #[arg(long)]
    fresh: bool,
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 internal fault, 2 spec or usage, 3 data check, 4 leakage guard, \
5 training diverged, 6 assert failed, 7 resource missing, 130 interrupted";

/// Runs the command line with the kinds of `registry`: `main` of the `forge` program, and of any program that adds kinds
/// of its own.
pub fn main_with(registry: Registry) -> ExitCode {
    let cli = Cli::parse();
    let exit = match &cli.verb {
        Verb::Run(args) => run::run(args, &cli, &registry),
        Verb::Check(args) => check::check(args, &cli, &registry),
        Verb::Ls => ls::ls(&cli).unwrap_or_else(|error| told(&error)),
        Verb::Show { run } => show::show(run, &cli).unwrap_or_else(|error| told(&error)),
    };
    ExitCode::from(u8::try_from(exit.code()).unwrap_or(1))
}

/// Says what is wrong with the run directory.
fn told(error: &RunError) -> Exit {
    terminal::error(&format!("error: {error}"));
    match error {
        RunError::Io { .. } => Exit::Resource,
        _ => Exit::Spec,
    }
}
