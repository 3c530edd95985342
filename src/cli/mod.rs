//! The command line, one file a verb. A program with kinds of its own calls [`main_with`] with its registry.

mod check;
mod doctor;
mod explain;
mod ls;
mod new;
mod open;
mod predict;
mod profile;
mod progress;
mod report;
mod run;
mod show;
mod terminal;

use crate::pipelines::predict::Given;
use crate::pipelines::run::RunError;
use crate::pipelines::spec::Diagnostics;
use crate::pipelines::{Exit, Failure, Registry};
use clap::{CommandFactory, Parser, Subcommand};
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
    /// Write a commented spec for a data file
    New {
        /// The spec to write; the name of the data file with `.yaml` if not given.
        spec: Option<PathBuf>,
        /// The data, a CSV file.
        #[arg(long, value_name = "FILE.csv")]
        from: PathBuf,
    },
    /// Run a spec and write its report
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// Check a spec without touching its data
    #[command(after_help = EXIT_CODES)]
    Check(SpecArgs),
    /// Print the plan of a spec, every value with its origin; or what a code such as E0102 means
    Explain(SpecArgs),
    /// Make the report of a run again
    Report {
        /// The run.
        #[arg(default_value = "latest")]
        run: String,
        /// Open it in the browser.
        #[arg(long)]
        open: bool,
    },
    /// Forecast after the last row, from the model files of a run
    Predict {
        /// The run.
        #[arg(default_value = "latest")]
        run: String,
        /// Only the fit of this cell.
        #[arg(long, value_name = "ID")]
        fit: Option<String>,
        /// A history with the same columns, which takes the place of the one that the run keeps.
        #[arg(long, value_name = "FILE")]
        csv: Option<PathBuf>,
        /// The coming rows, with the columns that the model knows ahead.
        #[arg(long, value_name = "FILE")]
        future: Option<PathBuf>,
    },
    /// List runs, newest first
    Ls,
    /// Show a run: `latest`, an id, or the beginning or end of one
    Show {
        /// The run.
        #[arg(default_value = "latest")]
        run: String,
    },
    /// Print the JSON Schema of specs, for editors
    Schema,
    /// Show what this machine has for a run
    Doctor,
    /// Print the completions of a shell
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
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
    /// Make errors of warnings.
    #[arg(long)]
    strict: bool,
    /// Train only a few steps, to see that every cell runs.
    #[arg(long)]
    smoke: bool,
    /// Record time, GFLOP/s and memory of every cell, layer and operation: the longest are printed, all are in the report
    /// and in `profile.json` of the run directory. The numbers of the run stay the same.
    #[arg(long)]
    profile: bool,
    /// Open the report in the browser.
    #[arg(long)]
    open: bool,
    /// CPU threads, as `-s threads=N`: one for each core by default.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

impl RunArgs {
    /// The spec with all that the command line sets.
    fn spec(&self) -> SpecArgs {
        let threads = self.threads.map(|n| format!("threads={n}"));
        SpecArgs { spec: self.spec.spec.clone(), set: self.spec.set.iter().cloned().chain(threads).collect() }
    }
}

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 internal fault, 2 spec or usage, 3 data check, 4 leakage guard, \
5 training diverged, 6 assert failed, 7 resource missing, 130 interrupted";

/// Runs the command line with the kinds of `registry`: `main` of the `forge` program, and of any program that adds kinds
/// of its own.
pub fn main_with(registry: Registry) -> ExitCode {
    let cli = Cli::parse();
    if let Err(error) = crate::backend::simd_level() {
        terminal::error(&format!("error: {error}"));
        return exit_code(Exit::Spec);
    }
    let exit = match &cli.verb {
        Verb::New { spec, from } => new::new(spec.as_deref(), from, &cli, &registry),
        Verb::Run(args) => run::run(args, &cli, &registry),
        Verb::Check(args) => check::check(args, &cli, &registry),
        Verb::Report { run, open } => report::report(run, *open, &cli).unwrap_or_else(|error| told(&error)),
        Verb::Predict { run, fit, csv, future } => {
            let given = Given { history: csv.as_deref(), future: future.as_deref() };
            predict::predict(run, fit.as_deref(), given, &cli, &registry)
        }
        Verb::Explain(args) => explain::explain(args, &cli, &registry),
        Verb::Ls => ls::ls(&cli).unwrap_or_else(|error| told(&error)),
        Verb::Show { run } => show::show(run, &cli).unwrap_or_else(|error| told(&error)),
        Verb::Schema => {
            terminal::line(&format!("{:#}", registry.vocabulary().schema()));
            Exit::Ok
        }
        Verb::Doctor => doctor::doctor(&cli),
        Verb::Completions { shell } => {
            clap_complete::generate(*shell, &mut Cli::command(), "forge", &mut std::io::stdout());
            Exit::Ok
        }
    };
    exit_code(exit)
}

fn exit_code(exit: Exit) -> ExitCode {
    ExitCode::from(u8::try_from(exit.code()).unwrap_or(1))
}

/// Says why something that is not in a spec could not be done.
fn failed(failure: &Failure, what: &str) -> Exit {
    let finding = Diagnostics::new(what, "", vec![(*failure.finding).clone()]);
    terminal::findings(&finding);
    failure.exit
}

/// Says what is wrong with the run directory.
fn told(error: &RunError) -> Exit {
    terminal::error(&format!("error: {error}"));
    match error {
        RunError::Io { .. } => Exit::Resource,
        _ => Exit::Spec,
    }
}
