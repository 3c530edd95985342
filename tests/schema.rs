//! What an editor says by the committed JSON Schema: nothing against the examples, and something against every mistake that
//! a schema can express.
#![allow(clippy::unwrap_used)] // the functions beside the tests are tests, too

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where the broken specs are.
const FOLDERS: [&str; 2] = ["tests/acceptance/golden", "forge-pipelines/tests/golden"];

/// Why no schema can express a mistake, with the broken specs that have it.
const BEYOND_A_SCHEMA: &[(&str, &[&str])] = &[
    (
        "the file of the data is at fault, which a schema does not read",
        &[
            "binary_file",
            "constant",
            "cut_short",
            "duplicate_date",
            "either_day",
            "empty_file",
            "gaps",
            "header_only",
            "latin1",
            "log_of_zero",
            "missing_file",
            "nan_in_target",
            "newest_first",
            "not_known_ahead",
            "off_the_grid",
            "one_row",
            "ragged_row",
            "text_in_target",
            "thousands",
            "too_few_rows",
            "two_columns",
            "unknown_column",
            "unparsable_date",
        ],
    ),
    (
        "how many rows there are, only the data tells",
        &["embargo_eats_train", "empty_part", "long_horizon", "long_lookback"],
    ),
    ("what comes out, only the run tells", &["assert_fails", "diverges"]),
    ("what the machine has, a schema does not know", &["no_cuda"]),
    ("the time zones are those of the system", &["unknown_zone"]),
    ("a schema does not add up", &["shares_above_all"]),
    ("a value here (`val: 0`) forbids one in another cell", &["nothing_to_watch"]),
    ("a schema does not compare a number with one of another cell", &["beyond_the_horizon"]),
    ("a guard: right for images, and a matter of the data", &["random_split"]),
    ("a guard that `allow` switches off", &["filled_from_behind", "stop_on_test"]),
    ("the order of cells and what they give", &["transform_before_split"]),
    ("a schema does not compare cells", &["quantiles_of_points", "quantiles_through_diff"]),
    ("a schema does not follow references", &["later_cell", "unknown_cell"]),
    ("a schema does not compare ids", &["duplicate_id", "two_ids"]),
    ("a schema does not compare the keys of two maps", &["two_roles"]),
    ("a claim is text with a grammar and references", &["assert_on_nothing", "bad_claims"]),
    ("placeholders are text with a grammar and references", &["bad_prose", "prose_about_nothing"]),
    ("anchors are resolved before a schema is asked", &["alias"]),
    (
        "a reader of YAML keeps one of two keys before a schema is asked",
        &["duplicate_key", "duplicate_root_key"],
    ),
    (
        "on the command line, not in the file",
        &[
            "override_ambiguous",
            "override_form",
            "override_leads_nowhere",
            "override_second_kind",
            "override_type",
            "override_unknown",
        ],
    ),
    ("no mistake here: only the vocabulary of that test lacks `clean` and `forecast`", &["later_action"]),
    ("no mistake here: only the vocabulary of that test wants a list", &["one_value_for_a_list"]),
];

fn schema() -> jsonschema::Validator {
    let text = std::fs::read_to_string(Path::new(ROOT).join("schema/v1.json")).unwrap();
    jsonschema::draft7::new(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn specs(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    paths.sort();
    paths
}

fn complaints(schema: &jsonschema::Validator, bytes: &[u8]) -> Vec<String> {
    // What is no YAML, an editor marks before it looks at any schema.
    match serde_yaml::from_slice::<Value>(bytes) {
        Ok(value) => schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect(),
        Err(error) => vec![error.to_string()],
    }
}

#[test]
fn every_example_is_valid() {
    let schema = schema();
    let readme = std::fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap();
    let shown = readme.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let mut texts = vec![("README.md".to_string(), shown.to_string())];
    texts.extend(
        specs("examples")
            .iter()
            .map(|path| (path.display().to_string(), std::fs::read_to_string(path).unwrap())),
    );
    assert!(texts.len() > 1);
    for (name, text) in texts {
        assert_eq!(complaints(&schema, text.as_bytes()), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn every_mistake_that_a_schema_can_express_is_seen() {
    let schema = schema();
    let mut beyond: BTreeSet<&str> =
        BEYOND_A_SCHEMA.iter().flat_map(|(_, names)| names.iter().copied()).collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in FOLDERS.iter().flat_map(|folder| specs(folder)) {
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        let valid = complaints(&schema, &std::fs::read(&path).unwrap()).is_empty();
        match (valid, beyond.contains(name.as_str())) {
            (true, false) => wrong.push(format!("{name} passes the schema")),
            (false, true) => wrong.push(format!("{name} is seen by the schema: take it off the list")),
            (false, false) => seen += 1,
            (true, true) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let listed = beyond.len();
    beyond.retain(|name| {
        FOLDERS.iter().all(|folder| !Path::new(ROOT).join(folder).join(format!("{name}.yaml")).exists())
    });
    assert!(beyond.is_empty(), "listed, and no broken spec: {beyond:?}");
    assert!(seen >= 60 && seen + listed >= 110, "{seen} seen, {listed} beyond a schema");
}

/// Kinds by their bare names, which the program takes where every parameter has a default.
#[test]
fn bare_names_are_valid_where_the_program_takes_them() {
    use azuraforge::pipelines::{Registry, engine};
    let (schema, registry) = (schema(), Registry::standard());
    let folder = tempfile::tempdir().unwrap();
    let judged = |baseline: &str, model: &str| {
        let text = format!(
            "forge: 1\ntask: forecast\ndata: prices.csv\ntarget: Close\nwindow: {{lookback: 9, horizon: 2}}\n\
             baseline: {baseline}\nmodel: {model}\n"
        );
        let path = folder.path().join("spec.yaml");
        std::fs::write(&path, &text).unwrap();
        (engine::check(&path, &[], &registry).is_ok(), complaints(&schema, text.as_bytes()).is_empty())
    };
    for baseline in
        ["last", "linear", "climatology", "[last, linear]", "{linear: {ridge: val}}", "{linear: {}}"]
    {
        assert_eq!(judged(baseline, "linear"), (true, true), "{baseline}");
    }
    assert_eq!(judged("last", "lstm"), (true, true));
    for baseline in ["seasonal", "ridge", "{linear: {ridge: no}}", "{last: 1}"] {
        assert_eq!(judged(baseline, "linear"), (false, false), "{baseline}");
    }
}
