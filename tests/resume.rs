//! A run that is killed or interrupted at any moment goes on with the same command, and ends in the same bytes as one
//! that was left alone.
#![allow(clippy::unwrap_used)] // the functions beside the tests are tests, too
#![cfg(unix)]

#[path = "acceptance/bench.rs"]
mod bench;

use azuraforge::pipelines::run::{EventLine, RunDir, RunEvent, RunState};
use bench::{Bench, Ended};
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SPEC: &str = "\
forge: 1
task: forecast
cells:
  - data: {csv: msft.csv, time: Date, freq: sessions}
  - split: {by: time, train: 70%, val: 10%, test: 20%}
  - target: {Close: [log, diff, standardize]}
  - window: {lookback: 10, horizon: 2, stride: 3}
  - baseline: [last]
  - id: lstm
    model: {lstm: {hidden: 4, dropout: 0.1}}
    train: {epochs: 8, batch: 64, stop: {monitor: val.loss, patience: 3}}
  - id: linear
    model: linear
    train: {epochs: 5, batch: 64, optimizer: {sgd: {lr: 0.05, momentum: 0.9}}}
";

/// Begins a run and waits until `there` holds of the newest run directory.
fn begin(bench: &Bench, args: &str, there: impl Fn(Option<&RunDir>) -> bool) -> Child {
    let mut command = bench.command(&format!("run spec.yaml {args}"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !there(runs(bench).first()) {
        assert!(Instant::now() < deadline, "the run has not come that far");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

/// All runs, newest first.
fn runs(bench: &Bench) -> Vec<RunDir> {
    let home = bench.home();
    home.runs().unwrap().iter().map(|run| home.find(&run.id).unwrap()).collect()
}

/// What `forge ls --json` says of each run, newest first.
fn listed(bench: &Bench) -> Vec<(String, String)> {
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap();
        let word = |key: &str| value[key].as_str().unwrap_or_default().to_string();
        (word("id"), word("state"))
    };
    bench.forge("ls --json").stdout.lines().map(line).collect()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn has_checkpoint(dir: Option<&RunDir>) -> bool {
    dir.is_some_and(|dir| dir.path().join("fits/lstm/last.safetensors").exists())
}

/// All that must not depend on how often a run was stopped.
#[derive(Debug, PartialEq)]
struct Results {
    predictions: Vec<u8>,
    fits: Vec<(String, Vec<u8>)>,
    metrics: Value,
    verdict: Value,
    points: Vec<String>,
}

fn results(dir: &RunDir) -> Results {
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    let files = |fit| ["best.safetensors", "model.json"].map(|file| format!("fits/{fit}/{file}"));
    let record: Value = dir.read_json("run.json").unwrap();
    let point = |p: &azuraforge::history::MetricPoint| {
        format!("{} {} {} {} {:x}", p.cell, p.step, p.epoch, p.name, p.value.to_bits())
    };
    Results {
        predictions: read("predictions.parquet"),
        fits: ["lstm", "linear"]
            .into_iter()
            .flat_map(files)
            .map(|name| (name.clone(), read(&name)))
            .collect(),
        metrics: record["metrics"].clone(),
        verdict: record["verdict"].clone(),
        points: dir.metrics().unwrap().iter().map(point).collect(),
    }
}

fn assert_sound(dir: &RunDir) {
    let events = dir.events().unwrap();
    assert!(events.iter().enumerate().all(|(n, line)| line.seq == n as u64), "numbers without gaps");
    assert!(events.windows(2).all(|pair| pair[0].t <= pair[1].t), "time goes on");
    let mut folders = vec![dir.path().to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap()) {
            let name = entry.file_name().into_string().unwrap();
            assert!(!name.ends_with(".tmp"), "{name} is left");
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
        }
    }
}

/// Numbers in 0..1, evenly spread and the same each time: the linear congruence of POSIX's `drand48`.
struct Moments(u64);

impl Moments {
    fn next(&mut self) -> f64 {
        self.0 = (self.0.wrapping_mul(0x5DEE_CE66D).wrapping_add(11)) & ((1 << 48) - 1);
        self.0 as f64 / (1_u64 << 48) as f64
    }
}

#[test]
fn a_run_killed_at_fifty_moments_ends_in_the_bytes_of_one_left_alone() {
    let alone = Bench::with_prices(SPEC);
    let clock = Instant::now();
    alone.forge("run spec.yaml").with_code(0);
    let whole = clock.elapsed();
    let expected = results(&alone.run());
    assert_eq!(expected.points.len(), (8 + 5) * 5, "13 epochs of 5 metrics");

    let mut moments = Moments(42);
    let (mut kills, mut lost, mut in_training, mut compared) = (0, 0, 0, 0);
    while kills < 50 {
        let place = Bench::with_prices(SPEC);
        let (mut identity, mut own_kills) = (None, 0);
        loop {
            let mut child =
                place.command("run spec.yaml").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            // After ten a run may finish, so that several are compared however slow the machine is.
            if own_kills < 10 && kills < 50 {
                std::thread::sleep(whole.mul_f64(0.6 * moments.next()));
                child.kill().unwrap();
            }
            let killed = child.wait().unwrap().signal() == Some(9);
            kills += usize::from(killed);
            own_kills += usize::from(killed);
            let runs = runs(&place);
            let Some(dir) = runs.first() else { continue };
            assert_eq!(runs.len(), 1, "every attempt is the same run");
            let record = dir.record().unwrap();
            let own = (record.id.clone(), record.started);
            assert_eq!(*identity.get_or_insert(own.clone()), own, "id and beginning stay");
            if record.state == RunState::Finished {
                break;
            }
            assert!(killed);
            assert_eq!(listed(&place), [(record.id, "lost".to_string())]);
            lost += 1;
            in_training += usize::from(has_checkpoint(Some(dir)));
        }
        let runs = runs(&place);
        assert_sound(&runs[0]);
        assert!(results(&runs[0]) == expected, "the result differs after {kills} kills");
        compared += 1;
    }
    let shares =
        format!("{kills} kills, {lost} of a run, {in_training} after a checkpoint, {compared} runs compared");
    eprintln!("{shares} in {:.1} s", clock.elapsed().as_secs_f64());
    assert!(lost >= 30 && in_training >= 15 && compared >= 3, "{shares}");
}

#[test]
fn ctrl_c_checkpoints_and_the_same_command_goes_on() {
    let spec =
        SPEC.replace("epochs: 8", "epochs: 40").replace(", stop: {monitor: val.loss, patience: 3}", "");
    let alone = Bench::with_prices(&spec);
    alone.forge("run spec.yaml").with_code(0);

    let place = Bench::with_prices(&spec);
    let child = begin(&place, "", has_checkpoint);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let said = Ended::from(child.wait_with_output().unwrap()).with_code(130).stderr;
    assert!(
        said.contains("the same command goes on from here, a training from its last finished epoch"),
        "{said}"
    );
    let dir = &place.latest();
    assert_eq!(dir.record().unwrap().state, RunState::Interrupted);
    assert!(dir.path().join("report.html").is_file(), "what was done is reported");

    let said = place.forge("run spec.yaml").with_code(0).stderr;
    assert!(said.contains(&format!("continuing run {}, which was interrupted", dir.id())), "{said}");
    assert!(said.contains("going on from the checkpoint after epoch"), "{said}");
    assert_eq!(runs(&place).len(), 1);
    assert!(results(dir) == results(&alone.run()), "the result differs");
    assert_sound(dir);
    let resumed =
        |line: &&EventLine| matches!(&line.event, RunEvent::RunResumed { was: RunState::Interrupted, .. });
    assert_eq!(dir.events().unwrap().iter().filter(resumed).count(), 1);

    place.forge("run spec.yaml").with_code(0);
    assert_eq!(runs(&place).len(), 2, "a finished run is not continued");
}

#[test]
fn only_the_newest_run_of_the_same_spec_and_overrides_is_continued() {
    let place = Bench::with_prices(SPEC);
    let kill_one = |args: &str| {
        let known = runs(&place).len();
        kill(begin(&place, args, |_| runs(&place).len() > known));
        runs(&place)[0].id().to_string()
    };
    let state = |id: &str| place.home().find(id).unwrap().record().unwrap().state;
    let first = kill_one("-s linear.train.epochs=2");
    place.forge("run spec.yaml").with_code(0);
    assert_eq!(runs(&place).len(), 2, "without the override it is another run");
    place.forge("run spec.yaml -s linear.train.epochs=2").with_code(0);
    assert_eq!((runs(&place).len(), state(&first)), (2, RunState::Finished));

    let second = kill_one("");
    place.forge("run spec.yaml --fresh").with_code(0);
    assert_eq!((runs(&place).len(), state(&second)), (4, RunState::Lost));
    // A newer one has finished: what was lost before it is no longer wanted.
    place.forge("run spec.yaml").with_code(0);
    assert_eq!((runs(&place).len(), state(&second)), (5, RunState::Lost));
}

/// The checkpoint is of other data, so it is not used, and the run says so.
#[test]
fn a_fit_whose_data_changed_since_the_kill_begins_anew() {
    let place = Bench::with_prices(SPEC);
    kill(begin(&place, "", has_checkpoint));
    let text = fs::read_to_string(place.path("msft.csv")).unwrap();
    let fewer = text.trim_end().rsplit_once('\n').unwrap().0;
    fs::write(place.path("msft.csv"), format!("{fewer}\n")).unwrap();
    let said = place.forge("run spec.yaml").with_code(0).stderr;
    assert!(said.contains("`lstm` is trained from the beginning, not from its checkpoint"), "{said}");

    let alone = Bench::with_prices(SPEC);
    fs::write(alone.path("msft.csv"), format!("{fewer}\n")).unwrap();
    alone.forge("run spec.yaml").with_code(0);
    assert!(results(&runs(&place)[0]) == results(&alone.run()), "the result differs");
}
