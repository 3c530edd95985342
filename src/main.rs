//! The `forge` program.

use azuraforge::cli;
use azuraforge::pipelines::Registry;
use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main_with(Registry::standard())
}
