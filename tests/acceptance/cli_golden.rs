//! Broken specs and broken data through the real program: `golden/NAME.yaml` and `golden/NAME.stderr`, which holds the exit
//! code and everything that the program says from its first error on. `FORGE_BLESS=1` rewrites the answers.

use super::support::{Bench, Ended, ROOT};
use azuraforge::pipelines::run::{RunEvent, RunState};
use std::path::{Path, PathBuf};

#[test]
fn every_mistake_is_answered_as_written_down() {
    let folder = Path::new(ROOT).join("tests/acceptance/golden");
    let mut specs: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    specs.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    specs.sort();
    assert!(specs.len() >= 50, "only {} golden specs", specs.len());
    let bless = std::env::var_os("FORGE_BLESS").is_some();
    let mut wrong = Vec::new();
    for spec in specs {
        let name = spec.file_name().unwrap().to_str().unwrap();
        let bench = Bench::new();
        for entry in std::fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            if entry.path().extension().is_none_or(|extension| extension != "stderr") {
                std::fs::copy(entry.path(), bench.path(entry.file_name().to_str().unwrap())).unwrap();
            }
        }
        let ended = bench.forge(&format!("run {name}"));
        let code = ended.code.unwrap();
        if bench.path("home").exists() {
            assert!(
                [2, 3, 4, 5, 6].contains(&code),
                "{name} with exit code {code} should not have begun to run"
            );
            the_run_is_whole(&bench, &ended);
        } else {
            assert!(
                [2, 4, 7].contains(&code),
                "{name} with exit code {code} should have left a run directory"
            );
        }
        let found = answer(&ended);
        let expected = spec.with_extension("stderr");
        if bless {
            std::fs::write(&expected, found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("--- {name} is now answered with:\n{found}"));
        }
    }
    assert!(wrong.is_empty(), "{}\nFORGE_BLESS=1 accepts this", wrong.join("\n"));
}

/// Exit code and errors; progress before them holds times, which differ.
fn answer(ended: &Ended) -> String {
    let errors: Vec<&str> = ended.stderr.lines().skip_while(|line| !line.starts_with("error")).collect();
    assert!(!errors.is_empty(), "no error in: {}", ended.stderr);
    format!("exit code {}\n{}\n", ended.code.unwrap(), errors.join("\n"))
}

fn the_run_is_whole(bench: &Bench, ended: &Ended) {
    let dir = bench.run();
    let record = dir.record().unwrap();
    // A broken claim says something about the result; the run itself reached its end.
    let state = if ended.code == Some(6) { RunState::Finished } else { RunState::Failed };
    assert_eq!((record.state, record.exit_code), (state, ended.code), "{}", ended.stderr);
    let events = dir.events().unwrap();
    assert!((0..).zip(&events).all(|(seq, line)| line.seq == seq), "{events:?}");
    let last = &events.last().unwrap().event;
    assert!(matches!(last, RunEvent::RunFinished { .. }), "{last:?}");
    assert!(dir.environment().is_ok() && dir.sources().is_ok());
    let report = std::fs::read_to_string(dir.path().join("report.html")).unwrap();
    assert!(report.contains("</html>") && report.len() > 1000);
    assert!(!dir.path().join("lease.json").exists(), "the lease is given back");
    assert!(ended.stdout.contains("report.html"), "a failed run names its report too: {}", ended.stdout);
}
