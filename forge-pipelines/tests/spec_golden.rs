//! Broken specs and the exact text that each is answered with: `golden/NAME.yaml` and `golden/NAME.stderr`.
//! `# -s ADDRESS=value` lines at the top of a spec are overrides. `FORGE_BLESS=1` rewrites the answers.

mod spec_sample;

use forge_pipelines::spec::{Diagnostics, Document, explain_code, load};
use std::path::Path;

fn answer(path: &Path) -> Result<(), Diagnostics> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = std::fs::read(path).expect("a golden spec can be read");
    let overrides: Vec<String> = String::from_utf8_lossy(&bytes)
        .lines()
        .filter_map(|line| line.strip_prefix("# -s ").map(str::to_string))
        .collect();
    let mut document = Document::from_bytes(&name, bytes)?;
    overrides.iter().for_each(|text| document.set(text));
    load(document, &spec_sample::vocabulary()).map(|_| ())
}

#[test]
fn every_broken_spec_is_answered_as_written_down() {
    let bless = std::env::var_os("FORGE_BLESS").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut specs: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    specs.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    specs.sort();
    assert!(specs.len() >= 40, "only {} golden specs", specs.len());
    let mut wrong = Vec::new();
    for spec in specs {
        let findings = answer(&spec).expect_err(&format!("{} has no mistake", spec.display()));
        assert!(findings.items().iter().all(|item| explain_code(item.code).is_some()), "{}", spec.display());
        let found = findings.to_string() + "\n";
        let expected = spec.with_extension("stderr");
        if bless {
            std::fs::write(&expected, found).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
            wrong.push(format!("--- {} now says:\n{found}", spec.display()));
        }
    }
    assert!(wrong.is_empty(), "{}\nFORGE_BLESS=1 accepts this", wrong.join("\n"));
}

#[test]
fn colour_adds_escapes_and_nothing_else() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let findings = answer(&folder.join("misspelt_key.yaml")).unwrap_err();
    let mut plain = String::new();
    let mut escaped = false;
    for c in findings.render(true).chars() {
        match c {
            '\u{1b}' => escaped = true,
            'm' if escaped => escaped = false,
            c if !escaped => plain.push(c),
            _ => {}
        }
    }
    assert_eq!(plain, findings.render(false));
    assert!(findings.render(true).contains('\u{1b}'));
}
