//! `forge run --profile`: where the time went, with the same results.

use super::support::{Ended, files, short};
use azuraforge::history::{Profile, ProfileRow};
use azuraforge::pipelines::run::RunDir;

#[test]
fn a_profile_is_in_the_run_directory_the_report_and_on_the_terminal_and_changes_no_byte() {
    let bench = short();
    let plain = bench.forge("run short.yaml --fresh").with_code(0);
    assert!(!plain.stdout.contains("GFLOP/s"), "{}", plain.stdout);
    let without = bench.latest();
    assert_eq!(without.profile().unwrap(), None);
    assert!(without.notebook().unwrap().profile.is_none());

    let ended = bench.forge("run short.yaml --fresh --profile").with_code(0);
    let dir = bench.latest();
    for file in ["predictions.parquet", "fits/lstm/best.safetensors"] {
        let read = |dir: &RunDir| std::fs::read(dir.path().join(file)).unwrap();
        assert!(read(&dir) == read(&without), "{file}");
    }
    let profile = dir.profile().unwrap().unwrap();
    let ids: Vec<&str> = profile.cells.iter().map(|cell| &*cell.id).collect();
    assert_eq!(ids, ["data", "split", "target", "window", "lstm", "evaluate"]);
    let fit: &Profile = &profile.cells[4].profile;
    let row = |stage: &str, layer: &str, operation: &str| -> &ProfileRow {
        let found =
            |row: &&ProfileRow| (&*row.stage, &*row.layer, &*row.operation) == (stage, layer, operation);
        fit.rows
            .iter()
            .find(found)
            .unwrap_or_else(|| panic!("no {stage}/{layer}/{operation} in {:#?}", fit.rows))
    };
    // Two layers a step; a step is one of the optimizer's, in which each batch was asked for once.
    let steps = row("optimizer", "", "").forward.calls;
    let lstm = row("", "lstm", "lstm");
    assert_eq!((lstm.forward.calls, lstm.backward.calls), (2 * steps, 2 * steps));
    assert!(lstm.forward.gflops().unwrap() > 0.0 && lstm.peak_bytes > 0);
    assert_eq!(row("data", "", "").forward.calls, steps);
    assert!(row("callbacks/checkpoint", "", "").forward.calls > 0);
    assert!(row("validation", "lstm", "lstm").backward.calls == 0);
    let sum: f64 = fit.rows.iter().map(|row| row.total().seconds).sum();
    assert!(sum <= fit.seconds && profile.seconds >= fit.seconds);
    let seconds = dir.record().unwrap().seconds.unwrap();
    assert!(profile.seconds <= seconds, "{} of {seconds}", profile.seconds);
    if cfg!(target_os = "linux") {
        assert!(profile.cpu_seconds.unwrap() > 0.0 && profile.resident_bytes.unwrap() > 1 << 20);
    }

    assert!(ended.stdout.contains("profile: ") && ended.stdout.contains("GFLOP/s"), "{}", ended.stdout);
    let report = dir.path().join("report.html");
    assert!(report.ends_with(ended.stdout.lines().last().unwrap()), "the last line is still the report");
    let page = std::fs::read_to_string(&report).unwrap();
    assert!(page.contains("id=\"profile\""));
    assert!(files(&dir.path().join("figures")).iter().any(|file| file.ends_with("-profile.json")));
    // And again from what the run left.
    bench.forge("report").with_code(0);
    assert!(std::fs::read_to_string(&report).unwrap().contains("id=\"profile\""));
}

#[test]
fn a_word_that_names_no_instruction_set_is_refused_before_anything_runs() {
    let bench = short();
    let with =
        |word: &str, args: &str| Ended::from(bench.command(args).env("FORGE_SIMD", word).output().unwrap());
    let ended = with("avx3", "run short.yaml").with_code(2);
    assert!(ended.stderr.contains("FORGE_SIMD: no instruction set is called `avx3`"), "{}", ended.stderr);
    assert!(!bench.path("home").exists());
    with("portable", "check short.yaml").with_code(0);
}
