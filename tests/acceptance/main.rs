//! What a user sees: the built program, run on real files, with nothing mocked.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what a test does not expect may panic")]

mod bench;
mod cli;
mod cli_golden;
#[path = "../../forge-report/tests/driver/mod.rs"]
mod driver;
mod first_run;
mod profile;
mod quantiles;
mod random_walks;
mod report_browser;
mod seasonal;
mod seeds;
mod support;
mod threads;
mod trouble;
mod verbs;
