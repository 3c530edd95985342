//! The verbs of the program, one by one.

use super::support::{Bench, Ended, short};
use azuraforge::checkpoint;
use azuraforge::learn::Snapshot;
use azuraforge::pipelines::run::{RunEvent, RunState};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn check_says_ok_or_what_is_wrong_and_makes_nothing() {
    let bench = short();
    bench.write("broken.yaml", "forge: 1\ntask: forecast\ncells:\n  - window: {lookbak: 5, horizon: 1}\n");
    let ok = bench.forge("check short.yaml").with_code(0);
    assert_eq!((ok.stdout.as_str(), ok.stderr.as_str()), ("short.yaml: ok, 6 cells\n", ""));
    let ok = bench.forge("check short.yaml --json").with_code(0);
    assert_eq!(lines(&ok.stdout), [json!({"ok": true, "cells": 6})]);
    let broken = bench.forge("check broken.yaml").with_code(2);
    assert!(broken.stdout.is_empty() && broken.stderr.contains("did you mean `lookback`?"), "{broken:?}");
    assert_eq!(broken.stderr.matches("broken.yaml: 1 error").count(), 1, "{}", broken.stderr);
    let broken = bench.forge("check broken.yaml --json").with_code(2);
    let answer = &lines(&broken.stdout)[0];
    assert_eq!(answer["ok"], false);
    let finding = &answer["findings"][0];
    assert_eq!(
        [&finding["code"], &finding["line"], &finding["column"], &finding["hint"]],
        [&json!("E0102"), &json!(4), &json!(14), &json!("did you mean `lookback`?")]
    );
    assert!(!bench.path("home").exists());
}

#[test]
fn a_spec_that_is_not_there_is_looked_for_beside() {
    let bench = short();
    let ended = bench.forge("run shrot.yaml").with_code(2);
    assert!(ended.stderr.contains("did you mean `short.yaml`?"), "{}", ended.stderr);
    let ended = bench.forge("check nothing-like-it.yaml").with_code(2);
    assert!(ended.stderr.contains("forge run examples/stock.yaml"), "{}", ended.stderr);
}

#[test]
fn explain_says_more_about_a_code() {
    let bench = Bench::new();
    let ended = bench.forge("explain e0102").with_code(0);
    assert!(ended.stdout.starts_with("E0102: unknown key\n"), "{}", ended.stdout);
    let ended = bench.forge("explain E9999").with_code(2);
    assert!(ended.stderr.contains("no code `E9999`") && ended.stderr.contains("L02"), "{}", ended.stderr);
}

#[test]
fn runs_are_listed_and_shown() {
    let bench = short();
    let none = bench.forge("ls").with_code(0);
    assert!(none.stdout.is_empty() && none.stderr.contains("no runs in home yet"), "{none:?}");
    assert_eq!(bench.forge("ls --json").with_code(0).stdout, "");
    let none = bench.forge("show").with_code(2);
    assert!(none.stderr.contains("`forge run SPEC` makes one"), "{}", none.stderr);

    bench.forge("run short.yaml").with_code(0);
    let first = bench.run();
    bench.forge("run short.yaml -s lstm.train.epochs=1").with_code(0);
    let latest = bench.home().find("latest").unwrap();
    let listed = bench.forge("ls").with_code(0);
    let rows: Vec<&str> = listed.stdout.lines().collect();
    assert_eq!(rows.len(), 2);
    assert!(rows[0].starts_with(latest.id()) && rows[1].starts_with(first.id()), "newest first: {rows:?}");
    assert!(rows.iter().all(|row| row.contains("finished") && row.contains("RMSE")), "{rows:?}");
    let records = lines(&bench.forge("ls --json").with_code(0).stdout);
    assert_eq!(records[1]["id"], first.id());
    assert_eq!(records[0]["parent"], first.id(), "the run before it of the same spec");

    let shown = bench.forge("show latest --json").with_code(0).stdout;
    let written = std::fs::read(latest.path().join("run.json")).unwrap();
    assert_eq!(shown.trim_end().as_bytes(), written.trim_ascii_end());
    let shown = bench.forge(&format!("show {}", first.id())).with_code(0).stdout;
    for words in [first.id(), "state      finished", "exit code  0", "report.html"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let unknown = bench.forge("show no-such-run").with_code(2);
    assert!(unknown.stderr.contains("no run `no-such-run`") && unknown.stderr.contains("`forge ls`"));
    let near = format!("show {}x", first.id());
    let unknown = bench.forge(&near).with_code(2);
    assert!(unknown.stderr.contains(&format!("did you mean `{}`", first.id())), "{}", unknown.stderr);
}

/// `forge ls | head -1`, at its worst: nobody reads at all.
#[test]
fn a_reader_that_goes_away_is_no_reason_to_fail() {
    let bench = short();
    bench.forge("run short.yaml -s lstm.train.epochs=1").with_code(0);
    for args in ["ls", "ls --json", "show", "show --json", "check short.yaml", "run short.yaml --json"] {
        let mut child = bench.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        Ended::from(child.wait_with_output().unwrap()).with_code(0);
    }
}

#[test]
fn an_override_changes_the_plan_and_is_written_down() {
    let bench = short();
    bench.forge("run short.yaml -s window.horizon=5 -s lstm.train.epochs=1").with_code(0);
    let dir = bench.run();
    let forecasts = dir.predictions().unwrap();
    assert!(!forecasts.is_empty() && forecasts.iter().all(|f| f.horizon == 5));
    let lock: Value = dir.read_json("spec.lock.json").unwrap();
    assert_eq!(lock["overrides"], json!(["window.horizon=5", "lstm.train.epochs=1"]));
    let window = lock["cells"].as_array().unwrap().iter().find(|cell| cell["id"] == "window").unwrap();
    assert_eq!(window["actions"]["window"]["horizon"], 5);
    assert_eq!(window["origins"]["window.horizon"], json!({"override": "window.horizon=5"}));
    assert_eq!(window["origins"]["window.lookback"], json!({"spec": {"line": 7}}));
    let report = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(report.contains("forge run short.yaml -s window.horizon=5"), "the command that reproduces it");

    let wrong = bench.forge("run short.yaml -s window.horizont=5").with_code(2);
    assert!(wrong.stderr.contains("horizon"), "{}", wrong.stderr);
}

#[test]
fn json_is_the_event_stream_line_by_line() {
    let bench = short();
    let ended = bench.forge("run short.yaml --json").with_code(0);
    let stream = lines(&ended.stdout);
    let written = std::fs::read_to_string(bench.run().path().join("events.jsonl")).unwrap();
    assert_eq!(stream, lines(&written));
    let kinds: Vec<&str> = stream.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], kinds[1], *kinds.last().unwrap()), ("run_started", "plan", "run_finished"));
    assert_eq!(kinds.iter().filter(|kind| **kind == "epoch").count(), 4);
    assert_eq!(ended.stderr, "", "words are for people");
}

#[test]
fn ctrl_c_ends_a_training_in_good_order() {
    let bench = short();
    let long = "run short.yaml --json -s lstm.train.epochs=1000000 -s lstm.train.stop.patience=1000000";
    let mut child = bench.command(long).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stream = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains(r#""kind":"epoch""#) {
        line.clear();
        assert!(stream.read_line(&mut line).unwrap() > 0, "the program ended by itself");
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap()).with_code(130);
    assert!(ended.stderr.contains("interrupted"), "{}", ended.stderr);

    let dir = bench.run();
    let record = dir.record().unwrap();
    assert_eq!((record.state, record.exit_code), (RunState::Interrupted, Some(130)));
    let events = dir.events().unwrap();
    assert!(matches!(events.last().unwrap().event, RunEvent::RunFinished { exit_code: 130, .. }));
    let last: Value = dir.read_json("fits/lstm/last.json").unwrap();
    let snapshot = Snapshot::load(&dir.path().join("fits/lstm")).unwrap().unwrap();
    let epoch = snapshot.history.epochs.last().unwrap().epoch;
    assert_eq!(last["epoch"], epoch, "the weights and their description agree");
    let weights = checkpoint::load(&dir.path().join("fits/lstm/last.safetensors")).unwrap();
    assert!(weights.tensors.iter().any(|(name, _)| name == "model.lstm.weight_ih_l0"));
    assert!(weights.tensors.iter().any(|(name, _)| name.starts_with("optimizer.")));
    let lock: Value = dir.read_json("spec.lock.json").unwrap();
    let states: Vec<&Value> =
        lock["cells"].as_array().unwrap().iter().map(|c| &c["result"]["state"]).collect();
    assert_eq!(states.last().unwrap(), &"skipped", "{states:?}");
    assert!(dir.path().join("report.html").is_file());
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let bench = short();
    for args in ["frobnicate", "run", "", "run short.yaml --frobnicate", "run short.yaml -s"] {
        let ended = bench.forge(args).with_code(2);
        assert!(ended.stderr.contains("--help"), "{args}: {}", ended.stderr);
    }
    let help = bench.forge("run --help").with_code(0);
    assert!(help.stdout.contains("5 training diverged"), "{}", help.stdout);
    bench.forge("--version").with_code(0);
}

/// Colours are for a terminal, and `script` lends one.
#[test]
fn colours_only_where_they_are_wanted() {
    let bench = short();
    bench.write("broken.yaml", "forge: 1\ntask: forecast\ncells: []\n");
    assert!(!bench.forge("check broken.yaml").with_code(2).stderr.contains('\u{1b}'), "into a file");
    if Command::new("script").arg("--version").output().is_err() {
        let required = std::env::var("FORGE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word.trim() == "terminal"), "install `script` (bsdutils)");
        eprintln!("SKIPPED: no `script` to lend a terminal; colours were not looked at");
        return;
    }
    let on_a_terminal = |no_color: &str| {
        let program = bench.command("check broken.yaml");
        let check = format!("'{}' check broken.yaml", program.get_program().to_str().unwrap());
        let mut script = Command::new("script");
        script.args(["-qec", &check, "/dev/null"]).current_dir(bench.path("")).stdin(Stdio::null());
        let ended = Ended::from(script.env("NO_COLOR", no_color).env("TERM", "xterm").output().unwrap());
        ended.with_code(2).stdout
    };
    assert!(on_a_terminal("").contains("\u{1b}["));
    let plain = on_a_terminal("1");
    assert!(plain.contains("error[") && !plain.contains('\u{1b}'), "{plain:?}");
}
