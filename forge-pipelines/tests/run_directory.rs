//! The run directory as the program uses it: made, found, listed, refused.
#![allow(clippy::unwrap_used)] // the functions beside the tests are tests, too

use forge_core::history::{ForecastKind, Forecasts, Level, Part, SourceRecord, TimeAxis};
use forge_pipelines::run::{
    ActiveRun, Environment, Home, LeaseRecord, NewRun, Outcome, RunError, RunEvent, RunState, write_atomic,
    write_predictions,
};
use jiff::Timestamp;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

const SPEC: &[u8] = b"forge: 1\r\ntask: forecast # kept byte for byte \xc3\xbc\n";

fn spec(title: &str) -> NewRun<'_> {
    NewRun { title, task: "forecast", spec: SPEC, overrides: &[], tags: &[], parent: None }
}

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn begin(home: &Home, title: &str, time: &str) -> ActiveRun {
    home.create_run(&spec(title), at(time)).unwrap()
}

/// A finished run; gives its id.
fn done(home: &Home, title: &str, time: &str) -> String {
    begin(home, title, time).finish(Outcome::new(RunState::Finished, 0)).unwrap().id
}

/// Every file below `folder` with its path inside it.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            match entry.path().is_dir() {
                true => folders.push(entry.path()),
                false => {
                    let name = entry.path().strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                    found.push((name, fs::read(entry.path()).unwrap()));
                }
            }
        }
    }
    found.sort();
    found
}

fn names(folder: &Path) -> Vec<String> {
    files(folder).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_whole_run_leaves_the_files_of_the_contract_and_no_absolute_path() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path().join(".forge"));
    let tags = ["first".to_owned()];
    let new = NewRun { tags: &tags, ..spec("MSFT close, five sessions ahead") };
    let mut run = home.create_run(&new, at("2026-11-23T02:14:55.123456789Z")).unwrap();
    let dir = run.dir().clone();
    assert_eq!(
        names(dir.path()),
        ["events.jsonl", "lease.json", "log.txt", "metrics.jsonl", "run.json", "spec.yaml"]
    );
    assert_eq!(dir.record().unwrap().state, RunState::Running);

    run.write_environment(&Environment::capture("cpu", 2, &[7])).unwrap();
    let source = SourceRecord {
        location: "data/prices.csv".into(),
        digest: "ab".repeat(32),
        bytes: 195_000,
        rows: 3270,
        columns: vec!["Date".into(), "Close".into()],
        range: Some(("2000-03-01".into(), "2013-03-01".into())),
        missing: 0,
    };
    dir.write_sources(std::slice::from_ref(&source)).unwrap();
    dir.write_json("spec.lock.json", &serde_json::json!({"schema": 1})).unwrap();
    dir.write_figure(1, "Data overview", &serde_json::json!({"data": [], "layout": {}})).unwrap();
    let fit = dir.fit_folder("lstm").unwrap();
    write_atomic(fit.join("model.json"), b"{}").unwrap();
    let forecasts = [Forecasts {
        name: "last".into(),
        kind: ForecastKind::Baseline,
        part: Part::Test,
        targets: vec!["Close".into()],
        horizon: 1,
        origins: vec![0, 1],
        actual: vec![2.0, 3.0],
        predicted: vec![1.0, 2.0],
        quantiles: Vec::new(),
        intervals: Vec::new(),
    }];
    write_predictions(dir.predictions_file(), &forecasts, &TimeAxis::Rows { len: 3 }).unwrap();
    run.update(|record| _ = record.metrics.insert("result.test.rmse".into(), Some(0.3679))).unwrap();
    assert_eq!(dir.record().unwrap().metrics["result.test.rmse"], Some(0.3679));

    let mut outcome = Outcome::new(RunState::Failed, 6);
    outcome.metrics =
        [("result.test.rmse".to_owned(), Some(0.3679)), ("result.test.mape".to_owned(), None)].into();
    outcome.verdict = Some("lstm: no better than repeating the last value".into());
    let ended = run.finish(outcome.clone()).unwrap();

    let (mut without_diff, diff) = (names(dir.path()), "git.diff".to_owned());
    without_diff.retain(|name| *name != diff); // there is one when the repository of these tests has changes
    assert_eq!(
        without_diff,
        [
            "data.json",
            "env.json",
            "events.jsonl",
            "figures/01-data-overview.json",
            "fits/lstm/model.json",
            "log.txt",
            "metrics.jsonl",
            "predictions.parquet",
            "run.json",
            "spec.lock.json",
            "spec.yaml"
        ]
    );
    let record = dir.record().unwrap();
    assert_eq!(record, ended);
    assert_eq!((record.schema, record.state, record.exit_code), (1, RunState::Failed, Some(6)));
    assert_eq!(record.started, at("2026-11-23T02:14:55.123Z"));
    assert_eq!((record.metrics, record.verdict), (outcome.metrics, outcome.verdict));
    assert_eq!((record.title.as_str(), record.tags), ("MSFT close, five sessions ahead", tags.to_vec()));
    // The digest by b3sum of the same bytes.
    assert_eq!(record.spec_hash, blake3::hash(SPEC).to_hex().as_str());
    let seconds = record.seconds.unwrap();
    let between = record.ended.unwrap().duration_since(record.started).as_secs_f64();
    // The end is written to the millisecond, as the start is.
    assert!((between - seconds).abs() < 0.001 && seconds < 60.0, "{between} and {seconds}");

    assert_eq!(dir.spec().unwrap(), SPEC);
    assert_eq!(dir.sources().unwrap(), [source]);
    assert_eq!(dir.predictions().unwrap(), forecasts);
    assert_eq!(dir.environment().unwrap().seeds, [7]);
    let kinds: Vec<RunEvent> = dir.events().unwrap().into_iter().map(|line| line.event).collect();
    assert!(matches!(&kinds[0], RunEvent::RunStarted { run, .. } if run == dir.id()));
    assert!(matches!(&kinds[1], RunEvent::RunFinished { state: RunState::Failed, exit_code: 6, .. }));
    let here = folder.path().to_string_lossy().into_owned();
    for (name, bytes) in files(dir.path()).into_iter().filter(|(name, _)| *name != diff) {
        assert!(!String::from_utf8_lossy(&bytes).contains(&here), "{name} holds an absolute path");
        if name.ends_with(".json") && !name.starts_with("fits/") && !name.starts_with("figures/") {
            let value: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(value["schema"], 1, "{name}");
        }
    }
}

#[test]
fn a_run_directory_works_wherever_it_is_copied() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let id = done(&Home::new(one.path()), "MSFT", "2026-11-23T02:14:55Z");
    let (from, to) = (one.path().join("runs").join(&id), two.path().join("runs").join(&id));
    fs::create_dir_all(&to).unwrap();
    files(&from).into_iter().for_each(|(name, bytes)| fs::write(to.join(name), bytes).unwrap());
    let found = Home::new(two.path()).find("latest").unwrap();
    assert_eq!((found.id(), found.record().unwrap().state), (id.as_str(), RunState::Finished));
}

#[test]
fn runs_made_at_the_same_moment_by_many_threads_never_share_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let ids: HashSet<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope
                    .spawn(|| (0..5).map(|_| done(&home, "MSFT", "2026-11-23T02:14:55Z")).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(ids.len(), 40);
    let runs = home.runs().unwrap();
    assert_eq!(runs.len(), 40);
    assert!(runs.iter().all(|r| r.record.as_ref().is_ok_and(|record| record.id == r.id)));
    assert_eq!(fs::read_dir(home.runs_folder()).unwrap().count(), 40, "nothing half-made is left");
}

#[test]
fn runs_are_listed_newest_first_and_broken_ones_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    assert_eq!(home.runs().unwrap().len(), 0, "a home that does not exist has no runs");
    let old = done(&home, "a", "2026-11-23T02:14:55.100Z");
    let new = done(&home, "a", "2026-11-23T02:14:55.900Z");
    let broken =
        ["20261123-021456-empty-aaaa", "20261123-021457-torn-aaaa", "20261123-021458-later-aaaa", "notes"];
    for name in broken {
        fs::create_dir(home.runs_folder().join(name)).unwrap();
    }
    fs::write(home.runs_folder().join(broken[1]).join("run.json"), "{\"schema\": 1, \"id").unwrap();
    fs::write(home.runs_folder().join(broken[2]).join("run.json"), "{\"schema\": 2, \"news\": []}").unwrap();
    fs::write(home.runs_folder().join("readme.txt"), "not a run").unwrap();

    let runs = home.runs().unwrap();
    let ids: Vec<&str> = runs.iter().map(|r| r.id.as_str()).collect();
    assert_eq!(ids, [broken[2], broken[1], broken[0], &new, &old, "notes"]);
    let reason = |n: usize| runs[n].record.as_ref().unwrap_err();
    assert!(reason(0).contains("has schema 2, this version reads up to 1: update forge"), "{}", reason(0));
    assert!(reason(1).contains("torn-aaaa/run.json` is not what this version writes: EOF"), "{}", reason(1));
    assert!(
        reason(2).contains("empty-aaaa/run.json` is missing, so its folder holds no run"),
        "{}",
        reason(2)
    );
    assert_eq!(home.find("latest").unwrap().id(), new, "the newest that can be read");
}

#[test]
fn a_run_is_found_by_id_beginning_or_last_characters() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let none = home.find("latest").unwrap_err().to_string();
    assert!(none.starts_with("no runs in `") && none.contains("`forge run SPEC` makes one"), "{none}");

    let msft = done(&home, "MSFT", "2026-11-22T02:14:55Z");
    let ibm = done(&home, "IBM", "2026-11-23T02:14:55Z");
    let found = |name: &str| home.find(name).map(|dir| dir.id().to_owned());
    assert_eq!(found("latest").unwrap(), ibm);
    assert_eq!(found(&msft).unwrap(), msft);
    assert_eq!(found("20261122").unwrap(), msft);
    assert_eq!(found(&msft[msft.len() - 4..]).unwrap(), msft);
    match found("2026") {
        Err(RunError::Ambiguous { candidates, .. }) => assert_eq!(candidates, [ibm.clone(), msft.clone()]),
        other => panic!("{other:?}"),
    }
    let error = found("20261123-021455-imb").unwrap_err().to_string();
    assert!(error.contains(&format!("; did you mean `{ibm}`?; `forge ls` lists the runs")), "{error}");
    for nothing_like_it in ["", "..", "../runs", "zebra", "/"] {
        match found(nothing_like_it) {
            Err(RunError::NoSuchRun { nearest, .. }) => {
                assert!(nearest.is_empty(), "{nothing_like_it}: {nearest:?}")
            }
            other => panic!("{nothing_like_it}: {other:?}"),
        }
    }
}

#[test]
fn the_parent_is_the_newest_earlier_run_of_the_same_spec_that_can_be_compared() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let parent = |time: &str| begin(&home, "MSFT", time).record().parent.clone();
    assert_eq!(parent("2026-11-23T01:00:00Z"), None);
    let first = done(&home, "MSFT", "2026-11-23T02:00:00Z");
    let other = NewRun { spec: b"forge: 1\ntask: classify\n", ..spec("other spec") };
    let other = home.create_run(&other, at("2026-11-23T03:00:00Z")).unwrap();
    assert_eq!(other.record().parent, None);
    other.finish(Outcome::new(RunState::Finished, 0)).unwrap();
    let still_at_work = begin(&home, "MSFT", "2026-11-23T04:00:00Z");
    begin(&home, "MSFT", "2026-11-23T05:00:00Z").finish(Outcome::new(RunState::Failed, 3)).unwrap();
    assert_eq!(parent("2026-11-23T06:00:00Z"), Some(first));
    let mut scored = Outcome::new(RunState::Failed, 6);
    scored.metrics.insert("result.test.rmse".into(), Some(1.0));
    let scored = begin(&home, "MSFT", "2026-11-23T07:00:00Z").finish(scored).unwrap();
    assert_eq!(
        parent("2026-11-23T08:00:00Z"),
        Some(scored.id),
        "a failed claim leaves metrics to compare with"
    );
    drop(still_at_work);
}

#[test]
fn a_run_without_its_process_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::new(folder.path());
    let run = begin(&home, "MSFT", "2026-11-23T02:14:55Z");
    let dir = run.dir().clone();
    let lease = LeaseRecord::read(dir.path()).unwrap();
    assert_eq!(lease.pid, std::process::id());
    assert_eq!(dir.record().unwrap().state, RunState::Running);
    drop(run);
    assert_eq!(dir.record().unwrap().state, RunState::Lost);
    assert!(!dir.path().join("lease.json").exists());
    assert!(
        fs::read_to_string(dir.path().join("run.json")).unwrap().contains("\"running\""),
        "never rewritten"
    );
    // A lease of a process on another machine that beat just now: it is at work there.
    let elsewhere = LeaseRecord { host: "elsewhere".into(), heartbeat: Timestamp::now(), ..lease };
    fs::write(dir.path().join("lease.json"), serde_json::to_vec(&elsewhere).unwrap()).unwrap();
    assert_eq!(dir.record().unwrap().state, RunState::Running);
}

#[test]
fn files_can_only_be_written_inside_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let run = begin(&Home::new(folder.path()), "MSFT", "2026-11-23T02:14:55Z");
    let before = names(folder.path());
    for name in ["", ".", "..", "../x", "a/../../x", "/etc/x", "a//b", "a\\b", "C:x", ".hidden", "a\0b"] {
        let error = run.dir().write(name, b"x").unwrap_err();
        assert!(matches!(error, RunError::BadName { .. }), "{name}: {error}");
        assert!(
            matches!(run.dir().fit_folder(&format!("{name}/x")), Err(RunError::BadName { .. })),
            "{name}"
        );
    }
    assert_eq!(names(folder.path()), before);
    run.dir().write("fits/größe_1/model.v2-final.json", b"{}").unwrap();
}

#[test]
fn a_file_in_the_way_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("taken");
    fs::write(&file, "a file").unwrap();
    for home in [file.clone(), file.join("deeper"), file.join("deeper/still")] {
        let error =
            Home::new(&home).create_run(&spec("MSFT"), at("2026-11-23T02:14:55Z")).unwrap_err().to_string();
        assert!(error.starts_with("cannot create the folder `"), "{error}");
        let mend = format!("`{}` is a file where a folder is needed: move it away, or", file.display());
        assert!(error.contains(&mend), "{error}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"a file");
    let error = Home::new(&file).runs().unwrap_err().to_string();
    assert!(error.contains("is a file where a folder is needed"), "{error}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_cannot_be_written_is_an_error_even_for_root() {
    let error = Home::new("/sys/forge")
        .create_run(&spec("MSFT"), at("2026-11-23T02:14:55Z"))
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("cannot create the folder `/sys/forge/runs`: "), "{error}");
    assert!(
        error.ends_with("make the folder writable for this user, or name another one with --home"),
        "{error}"
    );
}

#[test]
fn a_failed_write_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    // The rename fails when a folder has the name.
    fs::create_dir(&path).unwrap();
    fs::write(path.join("inside"), "kept").unwrap();
    let error = write_atomic(&path, b"new").unwrap_err().to_string();
    assert!(error.contains("run.json`: ") && error.contains("move it away"), "{error}");
    assert_eq!(names(folder.path()), ["run.json/inside"]);
    let missing = write_atomic(folder.path().join("no/such/folder"), b"new").unwrap_err().to_string();
    assert!(missing.contains("check that the folder still exists"), "{missing}");
    assert!(matches!(write_atomic(Path::new("/"), b"x"), Err(RunError::Io { .. })));
}

#[test]
fn line_ends_inside_a_message_do_not_break_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let run = begin(&Home::new(folder.path()), "MSFT", "2026-11-23T02:14:55Z");
    run.events().emit(RunEvent::Log { id: None, level: Level::Note, message: "two\nlines".into() }).unwrap();
    let dir = run.dir().clone();
    run.finish(Outcome::new(RunState::Interrupted, 130)).unwrap();
    assert_eq!(dir.events().unwrap().len(), 3);
    assert_eq!(dir.record().unwrap().exit_code, Some(130));
}
