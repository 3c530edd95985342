use super::{Cli, SpecArgs, terminal};
use crate::pipelines::{Exit, Registry, engine};
use serde_json::json;

/// `forge check`: is the spec right?
pub fn check(args: &SpecArgs, cli: &Cli, registry: &Registry) -> Exit {
    match engine::check(&args.spec, &args.set, registry) {
        Ok(planned) => {
            let cells = planned.spec.cells.len();
            if cli.json {
                terminal::line(&json!({"ok": true, "cells": cells}).to_string());
            } else {
                terminal::line(&format!("{}: ok, {cells} cells", args.spec.display()));
            }
            Exit::Ok
        }
        Err(refusal) => {
            if cli.json {
                terminal::line(&json!({"ok": false, "findings": refusal.findings.to_json()}).to_string());
            } else {
                terminal::findings(&refusal.findings);
            }
            refusal.exit
        }
    }
}
