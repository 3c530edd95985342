//! Whatever the text: no panic, and every finding points into its text at whole characters.

mod spec_sample;

use forge_pipelines::spec::{Diagnostics, Document, Level, Origin, Path, Place, Vocabulary, load};
use proptest::prelude::*;
use serde_json::Value;
use std::sync::LazyLock;

const GOOD: &str = include_str!("spec_sample/good.yaml");

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(spec_sample::vocabulary);

/// Reads a spec to the end and looks at everything that comes of it.
fn swallow(bytes: Vec<u8>, overrides: &[String]) -> Result<(), TestCaseError> {
    let lossy = String::from_utf8_lossy(&bytes).into_owned();
    let answer = Document::from_bytes("fuzz.yaml", bytes).and_then(|mut document| {
        overrides.iter().for_each(|text| document.set(text));
        load(document, &VOCABULARY)
    });
    match answer {
        Ok(spec) => {
            every_value_has_its_place(spec.document(), spec.document().value(), &Path::root())?;
            for cell in &spec.cells {
                prop_assert!(cell.line >= 1 && cell.line <= lossy.matches('\n').count() + 1);
                let _ = spec.prose(cell, |_| Some(0.5));
            }
            Ok(())
        }
        Err(findings) => points_inside(&findings, &lossy, overrides),
    }
}

/// The two parsers must agree on what stands in a text, or places would be guesses.
fn every_value_has_its_place(document: &Document, value: &Value, path: &Path) -> Result<(), TestCaseError> {
    prop_assert!(
        document.origin_of(path) != Origin::Default,
        "{} has no place in {:?}",
        path,
        document.text()
    );
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(n, item)| every_value_has_its_place(document, item, &path.index(n))),
        Value::Object(map) => {
            map.iter().try_for_each(|(key, item)| every_value_has_its_place(document, item, &path.key(key)))
        }
        _ => Ok(()),
    }
}

fn points_inside(findings: &Diagnostics, text: &str, overrides: &[String]) -> Result<(), TestCaseError> {
    prop_assert!(findings.has_errors());
    for item in findings.items() {
        prop_assert_eq!(item.level, Level::Error);
        for place in item.place.iter().chain(item.context.iter().map(|(place, _)| place)) {
            let (text, range) = match place {
                Place::Spec(range) => (text.to_string(), range),
                Place::Override { number, range } => (format!("-s {}", overrides[*number]), range),
                Place::Data(_) => continue,
            };
            prop_assert!(text.get(range.clone()).is_some(), "{:?} in {:?}: {:?}", range, text, item);
        }
    }
    prop_assert!(findings.render(true).len() > findings.render(false).len());
    prop_assert_eq!(findings.to_json().len(), findings.items().len());
    Ok(())
}

/// Pieces that YAML or the spec language gives a meaning to.
fn piece() -> impl Strategy<Value = String> {
    let signs = [
        "{",
        "}",
        "[",
        "]",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\n    - ",
        "\t",
        "\r\n",
        "\"",
        "'",
        "|\n",
        ">",
        "#",
        " #",
        "&a ",
        "*a",
        "!t ",
        "<<: ",
        "? ",
        "---\n",
        "...\n",
        "{{ ",
        " }}",
        "`",
        "%",
        "@",
        ",",
        "~",
        "null",
        ".nan",
        "1e999",
        "-1",
        "99999999999999999999",
        "0x",
        "\u{feff}",
        "\u{0}",
        "\u{7f}",
        "\u{2028}",
        "ß",
        "温度",
        "🌡",
        "e\u{301}",
        "forge: 1\n",
        "cells:\n",
        "- md: x\n",
        "id: a\n",
        "model: ",
        "lstm",
        "from: ",
        "assert: ",
        "a.result.b.c < 1",
    ];
    prop_oneof![4 => proptest::sample::select(signs.map(str::to_string).to_vec()), 1 => any::<char>().prop_map(String::from)]
}

/// A change to a text: what stands at a place (in thousandths) is replaced.
fn edit() -> impl Strategy<Value = (usize, usize, String)> {
    (0usize..1000, 0usize..12, prop_oneof![piece(), Just(String::new())])
}

fn edited(text: &str, edits: &[(usize, usize, String)]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for (at, length, new) in edits {
        let at = at * chars.len() / 1000;
        let end = (at + length).min(chars.len());
        chars.splice(at..end, new.chars());
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        swallow(bytes, &[])?;
    }

    #[test]
    fn random_pieces(pieces in proptest::collection::vec(piece(), 0..40)) {
        swallow(pieces.concat().into_bytes(), &[])?;
    }

    #[test]
    fn pieces_after_a_good_beginning(pieces in proptest::collection::vec(piece(), 0..20)) {
        swallow(format!("forge: 1\ntask: forecast\ntarget: {}", pieces.concat()).into_bytes(), &[])?;
    }

    #[test]
    fn prose_and_names_of_any_kind(title in "[\\PC&&[^\u{2028}\u{2029}]]{0,30}", name in "[\\PC&&[^\u{2028}\u{2029}]]{1,10}") {
        // JSON strings are YAML strings (but for two line breaks that only YAML 1.1 has).
        let (title, name) = (Value::from(title), Value::from(name));
        let text = format!("forge: 1\ntask: forecast\ntitle: {title}\ntarget: {{{name}: [log]}}\npast: [{name}, {title}]\n");
        let spec = load(Document::parse("fuzz.yaml", &text).unwrap(), &VOCABULARY);
        prop_assert!(spec.is_ok(), "{}", spec.unwrap_err());
        swallow(text.into_bytes(), &[])?;
    }

    #[test]
    fn a_good_spec_with_changes(edits in proptest::collection::vec(edit(), 1..6)) {
        swallow(edited(GOOD, &edits).into_bytes(), &[])?;
    }

    #[test]
    fn a_good_spec_with_lines_moved(order in proptest::collection::vec(0usize..46, 1..60)) {
        let lines: Vec<&str> = GOOD.lines().collect();
        let text: String = order.iter().filter_map(|n| lines.get(*n)).flat_map(|line| [*line, "\n"]).collect();
        swallow(text.into_bytes(), &[])?;
    }

    #[test]
    fn overrides_of_any_form(
        heads in proptest::collection::vec(prop_oneof![
            Just("window.".to_string()), Just("prep.target.\"Adj Close\".".to_string()), Just("lstm.".to_string()),
            Just("train.".to_string()), Just("optimizer.".to_string()), Just("0".to_string()), Just("horizon=".to_string()),
            Just("model=".to_string()), Just("seed=".to_string()), Just("assert=".to_string()), piece(),
        ], 1..6),
        more in proptest::collection::vec(piece(), 0..4),
    ) {
        let overrides = [heads.concat() + &more.concat(), "lstm.model=linear".to_string()];
        swallow(GOOD.as_bytes().to_vec(), &overrides)?;
    }
}

#[test]
fn hostile_texts_are_answered_quickly() {
    let start = std::time::Instant::now();
    let bomb: String = (1..30).map(|n| format!("a{n}: &a{n} [*a{m}, *a{m}]\n", m = n - 1)).collect();
    for text in [
        "[".repeat(100_000),
        "{a: ".repeat(100_000),
        "- ".repeat(100_000),
        "? ".repeat(10_000),
        format!("forge: 1\na: &a0 x\n{bomb}"),
        "a: 1\n".repeat(20_000),
        format!("title: \"{}\"", "x".repeat(1_000_000)),
    ] {
        assert!(
            Document::parse("hostile.yaml", &text).and_then(|document| load(document, &VOCABULARY)).is_err()
        );
    }
    // Generous: a debug build on a busy machine. What it guards against takes minutes.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}
