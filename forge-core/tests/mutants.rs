//! The historical mistakes of `mutants/` still apply to today's code, so that `scripts/mutants` can put each back and see
//! the other tests fail.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

#[test]
fn every_mutant_still_applies() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut patches: Vec<_> = std::fs::read_dir(here.join("tests/mutants"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "patch"))
        .collect();
    patches.sort();
    assert!(patches.len() >= 55, "{} mutants are left", patches.len());
    for patch in &patches {
        let text = std::fs::read_to_string(patch).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.starts_with("# ") && first.contains('#') && first.contains(": "),
            "{}: the first line is `# library#issue: what`, not {first:?}",
            patch.display()
        );
    }
    let apply = |patch: &Path| {
        Command::new("git").args(["apply", "--check"]).arg(patch).current_dir(here.join("..")).output()
    };
    for patch in &patches {
        let Ok(done) = apply(patch) else {
            assert!(
                !std::env::var("FORGE_REQUIRE").is_ok_and(|list| list.split(',').any(|name| name == "git")),
                "FORGE_REQUIRE names git, which is not installed"
            );
            eprintln!("SKIPPED: git is not installed, so nobody looked whether the mutants still apply");
            return;
        };
        assert!(
            done.status.success(),
            "{} does not apply any more; make it again for today's code:\n{}",
            patch.display(),
            String::from_utf8_lossy(&done.stderr)
        );
    }
}
