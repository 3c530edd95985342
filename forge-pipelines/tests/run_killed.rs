//! A run that is killed at any moment, or that runs out of disk, leaves a directory that can be read.
#![allow(clippy::unwrap_used)] // the functions beside the tests are tests, too
#![cfg(unix)]

use forge_core::history::{EpochRecord, ForecastKind, Forecasts, Level, Part, TimeAxis};
use forge_pipelines::run::{Home, NewRun, Outcome, RunEvent, RunState, write_atomic, write_predictions};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Set in the child processes that these tests start from their own program: the folder to work in.
const CHILD: &str = "FORGE_TEST_CHILD_FOLDER";

fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// This test program again, running one test of it as the child.
fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--nocapture"]).env(CHILD, folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn forecasts(n: usize) -> Forecasts {
    Forecasts {
        name: "lstm".into(),
        kind: ForecastKind::Fit,
        part: Part::Test,
        targets: vec!["Close".into()],
        horizon: 1,
        origins: (0..n).collect(),
        actual: vec![1.5; n],
        predicted: vec![f64::NAN; n],
        quantiles: Vec::new(),
        intervals: Vec::new(),
    }
}

/// Not a test by itself: makes runs and writes to them without end.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = child_folder() else { return };
    let home = Home::new(folder);
    loop {
        let new = NewRun {
            title: "killed",
            task: "forecast",
            spec: b"forge: 1\n",
            overrides: &[],
            tags: &[],
            parent: None,
        };
        let mut run = home.create_run(&new, jiff::Timestamp::now()).unwrap();
        for n in 0..30 {
            run.events()
                .emit(RunEvent::Log {
                    id: Some("fit".into()),
                    level: Level::Note,
                    message: format!("{n} é ").repeat(900),
                })
                .unwrap();
            let metrics = vec![("val.loss".into(), 1.0 / n as f64), ("train.loss".into(), 0.1)];
            let record = EpochRecord { epoch: n, step: n as u64, seconds: 0.1, learning_rate: 0.1, metrics };
            run.metrics().epoch("fit", &record).unwrap();
            run.update(|record| _ = record.metrics.insert(format!("m{n}"), Some(n as f64))).unwrap();
            write_predictions(
                run.dir().predictions_file(),
                &[forecasts(50 + n)],
                &TimeAxis::Rows { len: 99 },
            )
            .unwrap();
        }
        run.finish(Outcome::new(RunState::Finished, 0)).unwrap();
    }
}

#[test]
fn a_run_killed_at_any_moment_can_be_read_and_is_shown_as_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut seen_lost = 0;
    for kill in 0..20_u64 {
        let home = Home::new(folder.path().join(kill.to_string()));
        let mut process = child("writes_until_it_is_killed", home.path()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        // Every fourth kill may come while the first run is being made, the others come later.
        while if kill % 4 == 0 { !home.runs_folder().exists() } else { home.runs().unwrap().is_empty() } {
            assert!(Instant::now() < deadline, "the child has not begun");
            std::thread::sleep(Duration::from_millis(1));
        }
        // Steps without a common divisor spread the kills over all phases of the loop.
        std::thread::sleep(Duration::from_micros(kill * kill * 377 + kill * 1013));
        process.kill().unwrap();
        process.wait().unwrap();

        for (newest, run) in home.runs().unwrap().into_iter().enumerate() {
            let record = run.record.unwrap_or_else(|e| panic!("kill {kill}: {e}"));
            match record.state {
                RunState::Lost => seen_lost += 1,
                state => assert_eq!(state, RunState::Finished, "kill {kill}"),
            }
            assert!(newest == 0 || record.state == RunState::Finished, "only the newest was at work");
            let dir = home.find(&run.id).unwrap();
            let written: serde_json::Value = dir.read_json("run.json").unwrap();
            assert_eq!(written["id"], run.id.as_str());
            assert_eq!(dir.spec().unwrap(), b"forge: 1\n");
            let events = dir.events().unwrap();
            assert!(events.iter().enumerate().all(|(n, line)| line.seq == n as u64), "kill {kill}");
            let metrics = dir.metrics().unwrap();
            // What `run.json` and the table say was written after the events and metrics of the same turn.
            let turns = record.metrics.len();
            assert!(
                metrics.len() >= 2 * turns && events.len() >= turns,
                "kill {kill}: an acknowledged line is gone"
            );
            if dir.predictions_file().exists() {
                let n = dir.predictions().unwrap()[0].origins.len();
                assert!((turns + 48..=turns + 49).contains(&n), "kill {kill}: {n} rows after {turns} turns");
            }
        }
    }
    assert!(seen_lost >= 10, "only {seen_lost} of 20 kills hit a run at work");
}

/// Not a test by itself: the shell below has limited the size of files to 64 blocks.
#[test]
fn writes_more_than_it_may() {
    let Some(folder) = child_folder() else { return };
    let too_much = "x".repeat(1 << 20);
    let error = write_atomic(folder.join("old.json"), too_much.as_bytes()).unwrap_err().to_string();
    fs::write(folder.join("error.txt"), error).unwrap();

    let new = NewRun {
        title: "limited",
        task: "forecast",
        spec: b"forge: 1\n",
        overrides: &[],
        tags: &[],
        parent: None,
    };
    let run = Home::new(folder.join("home")).create_run(&new, jiff::Timestamp::now()).unwrap();
    let say = |message: &str| {
        run.events().emit(RunEvent::Log { id: None, level: Level::Note, message: message.into() })
    };
    say(&too_much).unwrap_err();
    say("the next line is whole").unwrap();
    run.finish(Outcome::new(RunState::Failed, 1)).unwrap();
}

#[test]
fn a_write_that_stops_half_way_leaves_the_old_file_and_a_readable_log() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("old.json"), "old").unwrap();
    let program = child("writes_more_than_it_may", folder.path());
    let mut shell = Command::new("sh");
    // With the signal ignored the write itself fails, half-way, as on a full disk.
    shell.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\""]);
    shell.arg(program.get_program()).args(program.get_args()).env(CHILD, folder.path());
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));

    let error = fs::read_to_string(folder.path().join("error.txt")).unwrap();
    assert!(error.contains("cannot write `") && error.contains("`ulimit -f`"), "{error}");
    assert_eq!(fs::metadata(folder.path().join("old.json")).unwrap().len(), 3);
    let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["error.txt", "home", "old.json"], "no temporary file is left");

    let run = Home::new(folder.path().join("home")).find("latest").unwrap();
    assert_eq!(run.record().unwrap().state, RunState::Failed);
    let events = run.events().unwrap();
    assert_eq!(events.iter().map(|line| line.seq).collect::<Vec<_>>(), [0, 1, 2]);
    assert!(events[1].event.to_string().contains("the next line is whole"));
    assert!(matches!(events[2].event, RunEvent::RunFinished { .. }));
}
