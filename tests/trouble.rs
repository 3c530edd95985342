//! Full disks, folders that cannot be written, data that is gone: a clear error, its exit code, a readable run.
#![allow(clippy::unwrap_used)] // the functions beside the tests are tests, too
#![cfg(unix)]

use azuraforge::pipelines::run::{Home, RunDir, RunState};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

const SPEC: &str = "\
forge: 1
task: forecast
cells:
  - data: {csv: msft.csv, time: Date, freq: sessions}
  - split: {by: time, train: 70%, val: 10%, test: 20%}
  - target: {Close: [log, diff, standardize]}
  - window: {lookback: 10, horizon: 1}
  - id: linear
    model: linear
    train: {epochs: 8, batch: 64}
";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/msft_daily.csv");
        fs::copy(data, folder.path().join("msft.csv")).unwrap();
        fs::write(folder.path().join("spec.yaml"), SPEC).unwrap();
        Place { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_forge"));
        command.args(["run", "spec.yaml", "--home", "home"]).current_dir(self.folder.path());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn run(&self) -> (Option<i32>, String) {
        said(self.command().output().unwrap())
    }

    fn latest(&self) -> RunDir {
        Home::new(self.path("home")).find("latest").unwrap()
    }
}

fn said(output: Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// With the signal ignored a write fails half-way, as on a full disk; lifted, the same command goes on.
#[test]
fn a_full_disk_ends_the_run_and_room_lets_it_go_on() {
    let whole = Place::new();
    assert_eq!(whole.run().0, Some(0));
    let place = Place::new();
    let program = place.command();
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 6; exec \"$0\" \"$@\""]).arg(program.get_program());
    shell.args(program.get_args()).current_dir(place.folder.path());
    let (code, words) = said(shell.stdin(Stdio::null()).stdout(Stdio::null()).output().unwrap());
    assert_eq!(code, Some(7), "{words}");
    assert!(words.contains("error[E0701]: cannot append to `home/runs/"), "{words}");
    let dir = place.latest();
    assert_eq!(dir.record().unwrap().state, RunState::Failed);
    let events = dir.events().unwrap();
    assert!(events.len() > 5 && events.iter().enumerate().all(|(n, line)| line.seq == n as u64));
    assert!(!dir.metrics().unwrap().is_empty());

    let (code, words) = place.run();
    assert_eq!(code, Some(0), "{words}");
    assert!(words.contains(&format!("continuing run {}, which was failed", dir.id())), "{words}");
    assert_eq!(place.latest().id(), dir.id());
    let file = |place: &Place, name: &str| fs::read(place.latest().path().join(name)).unwrap();
    for name in ["predictions.parquet", "fits/linear/best.safetensors"] {
        assert!(file(&place, name) == file(&whole, name), "{name} differs");
    }
}

#[test]
fn a_file_in_the_way_of_the_home_is_named() {
    let place = Place::new();
    fs::write(place.path("home"), "").unwrap();
    let (code, words) = place.run();
    assert_eq!(code, Some(7), "{words}");
    assert!(words.contains("`home` is a file where a folder is needed"), "{words}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let place = Place::new();
    let home = place.path("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(home.join("probe"), "").is_ok() {
        let required = std::env::var("FORGE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "user"), "this user writes to read-only folders");
        eprintln!("SKIPPED: read-only folders are not tested, this user writes to them all the same");
        return;
    }
    let (code, words) = place.run();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(code, Some(7), "{words}");
    assert!(words.contains("make the folder writable for this user"), "{words}");
}

#[test]
fn a_run_whose_data_is_gone_says_so_and_can_be_read() {
    let place = Place::new();
    let mut child = place.command().stderr(Stdio::null()).spawn().unwrap();
    let home = Home::new(place.path("home"));
    let deadline = Instant::now() + Duration::from_secs(30);
    while !home.find("latest").is_ok_and(|dir| dir.path().join("fits/linear/last.safetensors").exists()) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    fs::rename(place.path("msft.csv"), place.path("elsewhere.csv")).unwrap();
    let (code, words) = place.run();
    assert_eq!(code, Some(3), "{words}");
    assert!(words.contains("error[E0301]") && words.contains("msft.csv"), "{words}");
    let dir = place.latest();
    assert_eq!(dir.record().unwrap().state, RunState::Failed);
    assert!(dir.path().join("report.html").is_file() && dir.events().is_ok());
}

/// Data is read once, so that a file that goes away while models are trained harms nothing.
#[test]
fn data_that_goes_away_while_a_model_is_trained_harms_nothing() {
    let place = Place::new();
    let child = place.command().spawn().unwrap();
    let home = Home::new(place.path("home"));
    let deadline = Instant::now() + Duration::from_secs(30);
    while !home.find("latest").is_ok_and(|dir| dir.path().join("fits/linear").exists()) {
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    }
    fs::remove_file(place.path("msft.csv")).unwrap();
    let (code, words) = said(child.wait_with_output().unwrap());
    assert_eq!(code, Some(0), "{words}");
}

/// A checkpoint cannot be written in the middle of training.
#[test]
fn a_fit_folder_that_cannot_be_written_is_a_resource_that_is_missing() {
    let place = Place::new();
    let child = place.command().args(["-s", "linear.train.epochs=5000"]).spawn().unwrap();
    let home = Home::new(place.path("home"));
    let deadline = Instant::now() + Duration::from_secs(30);
    let fit = loop {
        if let Some(dir) =
            home.find("latest").ok().filter(|d| d.path().join("fits/linear/last.json").exists())
        {
            break dir.path().join("fits/linear");
        }
        assert!(Instant::now() < deadline);
        std::thread::sleep(Duration::from_millis(1));
    };
    // A folder stands where the next checkpoint has to go.
    let taken = fit.join("last.json");
    while fs::remove_file(&taken).and_then(|()| fs::create_dir(&taken)).is_err() {
        assert!(Instant::now() < deadline);
    }
    fs::write(taken.join("inside"), "").unwrap();
    let (code, words) = said(child.wait_with_output().unwrap());
    assert_eq!(code, Some(7), "{words}");
    assert!(words.contains("last.json"), "{words}");
    assert_eq!(place.latest().record().unwrap().state, RunState::Failed);
}
