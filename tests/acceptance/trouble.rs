//! Full disks, folders that cannot be written, data that is gone: a clear error, its exit code, a readable run.

use super::bench::{Bench, Ended};
use azuraforge::pipelines::run::RunState;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
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

fn prices() -> Bench {
    Bench::with_prices(SPEC)
}

/// Begins a run and waits until its newest directory holds `file`.
fn begin(bench: &Bench, args: &str, file: &str) -> Child {
    let mut command = bench.command(&format!("run spec.yaml {args}"));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !bench.home().find("latest").is_ok_and(|dir| dir.path().join(file).exists()) {
        assert!(Instant::now() < deadline, "the run has not come to {file}");
        std::thread::sleep(Duration::from_millis(1));
    }
    child
}

fn ended(child: Child) -> Ended {
    Ended::from(child.wait_with_output().unwrap())
}

/// With the signal ignored a write fails half-way, as on a full disk; lifted, the same command goes on.
#[test]
fn a_full_disk_ends_the_run_and_room_lets_it_go_on() {
    let whole = prices();
    whole.forge("run spec.yaml").with_code(0);
    let bench = prices();
    let program = bench.command("run spec.yaml");
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 6; exec \"$0\" \"$@\""]).arg(program.get_program());
    shell.args(program.get_args()).current_dir(bench.path("")).env("FORGE_HOME", "home");
    let full = Ended::from(shell.stdin(Stdio::null()).output().unwrap()).with_code(7);
    assert!(full.stderr.contains("error[E0701]: cannot append to `home/runs/"), "{}", full.stderr);
    let dir = bench.latest();
    assert_eq!(dir.record().unwrap().state, RunState::Failed);
    let events = dir.events().unwrap();
    assert!(events.len() > 5 && events.iter().enumerate().all(|(n, line)| line.seq == n as u64));
    assert!(!dir.metrics().unwrap().is_empty());

    let again = bench.forge("run spec.yaml").with_code(0);
    let words = format!("continuing run {}, which was failed", dir.id());
    assert!(again.stderr.contains(&words), "{}", again.stderr);
    assert_eq!(bench.latest().id(), dir.id());
    let file = |bench: &Bench, name: &str| fs::read(bench.latest().path().join(name)).unwrap();
    for name in ["predictions.parquet", "fits/linear/best.safetensors"] {
        assert!(file(&bench, name) == file(&whole, name), "{name} differs");
    }
}

#[test]
fn a_file_in_the_way_of_the_home_is_named() {
    let bench = prices();
    bench.write("home", "");
    let words = bench.forge("run spec.yaml").with_code(7).stderr;
    assert!(words.contains("`home` is a file where a folder is needed"), "{words}");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let bench = prices();
    let home = bench.path("home");
    fs::create_dir(&home).unwrap();
    fs::set_permissions(&home, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(home.join("probe"), "").is_ok() {
        let required = std::env::var("FORGE_REQUIRE").unwrap_or_default();
        assert!(!required.split(',').any(|word| word == "user"), "this user writes to read-only folders");
        eprintln!("SKIPPED: read-only folders are not tested, this user writes to them all the same");
        return;
    }
    let ended = bench.forge("run spec.yaml");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).unwrap();
    let words = ended.with_code(7).stderr;
    assert!(words.contains("make the folder writable for this user"), "{words}");
}

/// Nobody writes there, whoever they are.
#[cfg(target_os = "linux")]
#[test]
fn a_home_that_nobody_can_make_is_named() {
    let bench = prices();
    let words = bench.forge("run spec.yaml --home /proc/self/home").with_code(7).stderr;
    assert!(words.contains("error[E0701]") && words.contains("/proc/self/home"), "{words}");
}

/// Words that cannot be printed are lost; the run is not.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_the_output_loses_only_the_output() {
    let bench = prices();
    let full = || fs::File::options().write(true).open("/dev/full").unwrap();
    for args in ["run spec.yaml", "run spec.yaml --json"] {
        let status = bench.command(args).stdout(full()).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(0), "{args}");
        assert_eq!(bench.latest().record().unwrap().state, RunState::Finished);
    }
}

#[test]
fn a_run_whose_data_is_gone_says_so_and_can_be_read() {
    let bench = prices();
    let mut child = begin(&bench, "", "fits/linear/last.safetensors");
    child.kill().unwrap();
    child.wait().unwrap();
    fs::rename(bench.path("msft.csv"), bench.path("elsewhere.csv")).unwrap();
    let words = bench.forge("run spec.yaml").with_code(3).stderr;
    assert!(words.contains("error[E0301]") && words.contains("msft.csv"), "{words}");
    let dir = bench.latest();
    assert_eq!(dir.record().unwrap().state, RunState::Failed);
    assert!(dir.path().join("report.html").is_file() && dir.events().is_ok());
}

/// Data is read once, so that a file that goes away while models are trained harms nothing.
#[test]
fn data_that_goes_away_while_a_model_is_trained_harms_nothing() {
    let bench = prices();
    let child = begin(&bench, "", "fits/linear");
    fs::remove_file(bench.path("msft.csv")).unwrap();
    ended(child).with_code(0);
}

/// A checkpoint cannot be written in the middle of training.
#[test]
fn a_fit_folder_that_cannot_be_written_is_a_resource_that_is_missing() {
    let bench = prices();
    let child = begin(&bench, "-s linear.train.epochs=5000", "fits/linear/last.json");
    // A folder stands where the next checkpoint has to go.
    let taken = bench.latest().path().join("fits/linear/last.json");
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::remove_file(&taken).and_then(|()| fs::create_dir(&taken)).is_err() {
        assert!(Instant::now() < deadline);
    }
    fs::write(taken.join("inside"), "").unwrap();
    let words = ended(child).with_code(7).stderr;
    assert!(words.contains("last.json"), "{words}");
    assert_eq!(bench.latest().record().unwrap().state, RunState::Failed);
}

/// Somebody removes the whole directory while the run is at work.
#[test]
fn a_run_directory_that_goes_away_is_a_resource_that_is_missing() {
    let bench = prices();
    let child = begin(&bench, "-s linear.train.epochs=5000", "fits/linear/last.json");
    let dir = bench.latest();
    let deadline = Instant::now() + Duration::from_secs(30);
    while fs::remove_dir_all(dir.path()).is_err() {
        assert!(Instant::now() < deadline);
    }
    let words = ended(child).with_code(7).stderr;
    assert!(words.contains("error[E0701]"), "{words}");
    bench.forge("run spec.yaml").with_code(0);
}
