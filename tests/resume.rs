//! A run that is killed or interrupted at any moment goes on with the same command, and ends in the same bytes as one
//! that was left alone.
#![allow(clippy::unwrap_used)] // the functions beside the tests are tests, too
#![cfg(unix)]

use azuraforge::pipelines::run::{EventLine, Home, RunDir, RunEvent, RunState};
use serde_json::Value;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
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

/// A folder with the spec, its data and a home.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(spec: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/msft_daily.csv");
        fs::copy(data, folder.path().join("msft.csv")).unwrap();
        fs::write(folder.path().join("spec.yaml"), spec).unwrap();
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn home(&self) -> Home {
        Home::new(self.path("home"))
    }

    fn forge(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forge"));
        command.args(args).args(["--home", "home"]).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = self.forge(&[&["run", "spec.yaml"], args].concat());
        command.stderr(Stdio::piped()).output().unwrap()
    }

    /// Begins a run and waits until `there` holds of the newest run directory.
    fn begin(&self, args: &[&str], there: impl Fn(Option<&RunDir>) -> bool) -> Child {
        let mut command = self.forge(&[&["run", "spec.yaml"], args].concat());
        let child = command.stderr(Stdio::piped()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while !there(self.runs().first()) {
            assert!(Instant::now() < deadline, "the run has not come that far");
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }

    fn runs(&self) -> Vec<RunDir> {
        let home = self.home();
        home.runs().unwrap().iter().map(|run| home.find(&run.id).unwrap()).collect()
    }

    /// What `forge ls --json` says of each run, newest first.
    fn listed(&self) -> Vec<(String, String)> {
        let output = self.forge(&["ls", "--json"]).stdout(Stdio::piped()).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let line = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| value[key].as_str().unwrap_or_default().to_string();
            (word("id"), word("state"))
        };
        text.lines().map(line).collect()
    }
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
    let alone = Place::new(SPEC);
    let clock = Instant::now();
    assert_eq!(alone.run(&[]).status.code(), Some(0));
    let whole = clock.elapsed();
    let expected = results(&alone.runs()[0]);
    assert_eq!(expected.points.len(), (8 + 5) * 5, "13 epochs of 5 metrics");

    let mut moments = Moments(42);
    let (mut kills, mut lost, mut in_training, mut compared) = (0, 0, 0, 0);
    while kills < 50 {
        let place = Place::new(SPEC);
        let mut identity = None;
        loop {
            let mut child = place.forge(&["run", "spec.yaml"]).spawn().unwrap();
            if kills < 50 {
                std::thread::sleep(whole.mul_f64(0.6 * moments.next()));
                child.kill().unwrap();
            }
            let killed = child.wait().unwrap().signal() == Some(9);
            kills += usize::from(killed);
            let runs = place.runs();
            let Some(dir) = runs.first() else { continue };
            assert_eq!(runs.len(), 1, "every attempt is the same run");
            let record = dir.record().unwrap();
            let own = (record.id.clone(), record.started);
            assert_eq!(*identity.get_or_insert(own.clone()), own, "id and beginning stay");
            if record.state == RunState::Finished {
                break;
            }
            assert!(killed);
            assert_eq!(place.listed(), [(record.id, "lost".to_string())]);
            lost += 1;
            in_training += usize::from(has_checkpoint(Some(dir)));
        }
        let runs = place.runs();
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
    let alone = Place::new(&spec);
    assert_eq!(alone.run(&[]).status.code(), Some(0));

    let place = Place::new(&spec);
    let child = place.begin(&[], has_checkpoint);
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(
        said.contains("the same command goes on from here, a training from its last finished epoch"),
        "{said}"
    );
    let dir = &place.runs()[0];
    assert_eq!(dir.record().unwrap().state, RunState::Interrupted);
    assert!(dir.path().join("report.html").is_file(), "what was done is reported");

    let again = place.run(&[]);
    let said = String::from_utf8(again.stderr).unwrap();
    assert_eq!(again.status.code(), Some(0), "{said}");
    assert!(said.contains(&format!("continuing run {}, which was interrupted", dir.id())), "{said}");
    assert!(said.contains("going on from the checkpoint after epoch"), "{said}");
    assert_eq!(place.runs().len(), 1);
    assert!(results(dir) == results(&alone.runs()[0]), "the result differs");
    assert_sound(dir);
    let resumed =
        |line: &&EventLine| matches!(&line.event, RunEvent::RunResumed { was: RunState::Interrupted, .. });
    assert_eq!(dir.events().unwrap().iter().filter(resumed).count(), 1);

    assert_eq!(place.run(&[]).status.code(), Some(0));
    assert_eq!(place.runs().len(), 2, "a finished run is not continued");
}

#[test]
fn only_the_newest_run_of_the_same_spec_and_overrides_is_continued() {
    let place = Place::new(SPEC);
    let kill_one = |args: &[&str]| {
        let known = place.runs().len();
        kill(place.begin(args, |_| place.runs().len() > known));
        place.runs()[0].id().to_string()
    };
    let state = |id: &str| place.home().find(id).unwrap().record().unwrap().state;
    let first = kill_one(&["-s", "linear.train.epochs=2"]);
    assert_eq!(place.run(&[]).status.code(), Some(0));
    assert_eq!(place.runs().len(), 2, "without the override it is another run");
    assert_eq!(place.run(&["-s", "linear.train.epochs=2"]).status.code(), Some(0));
    assert_eq!((place.runs().len(), state(&first)), (2, RunState::Finished));

    let second = kill_one(&[]);
    assert_eq!(place.run(&["--fresh"]).status.code(), Some(0));
    assert_eq!((place.runs().len(), state(&second)), (4, RunState::Lost));
    // A newer one has finished: what was lost before it is no longer wanted.
    assert_eq!(place.run(&[]).status.code(), Some(0));
    assert_eq!((place.runs().len(), state(&second)), (5, RunState::Lost));
}

/// The checkpoint is of other data, so it is not used, and the run says so.
#[test]
fn a_fit_whose_data_changed_since_the_kill_begins_anew() {
    let place = Place::new(SPEC);
    kill(place.begin(&[], has_checkpoint));
    let text = fs::read_to_string(place.path("msft.csv")).unwrap();
    let fewer = text.trim_end().rsplit_once('\n').unwrap().0;
    fs::write(place.path("msft.csv"), format!("{fewer}\n")).unwrap();
    let output = place.run(&[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("`lstm` is trained from the beginning, not from its checkpoint"), "{said}");

    let alone = Place::new(SPEC);
    fs::write(alone.path("msft.csv"), format!("{fewer}\n")).unwrap();
    assert_eq!(alone.run(&[]).status.code(), Some(0));
    assert!(results(&place.runs()[0]) == results(&alone.runs()[0]), "the result differs");
}
