//! Specs that are right: what they become.

mod spec_sample;

use forge_pipelines::spec::{
    DataPlace, Diagnostic, Diagnostics, Document, Origin, Path, Place, Spec, Task, load,
};
use serde_json::json;
use spec_sample::vocabulary;

/// A spec without mistakes that uses most of the language.
const GOOD: &str = include_str!("spec_sample/good.yaml");

fn spec_with(text: &str, overrides: &[&str]) -> Spec {
    let mut document = Document::parse("stock.yaml", text).unwrap_or_else(|e| panic!("{e}"));
    overrides.iter().for_each(|text| document.set(text));
    load(document, &vocabulary()).unwrap_or_else(|e| panic!("{e}"))
}

fn codes(text: &str, overrides: &[&str]) -> Vec<&'static str> {
    let mut document = Document::parse("stock.yaml", text).unwrap_or_else(|e| panic!("{e}"));
    overrides.iter().for_each(|text| document.set(text));
    let findings = load(document, &vocabulary()).map(|_| ()).expect_err("the spec has a mistake");
    findings.items().iter().map(|item| item.code).collect()
}

#[test]
fn a_notebook_becomes_cells() {
    let spec = spec_with(GOOD, &[]);
    assert_eq!(
        (spec.seed, spec.task, spec.device.as_str(), spec.threads),
        (42, Task::Forecast, "auto", None)
    );
    let ids: Vec<&str> = spec.cells.iter().map(|cell| cell.id.as_str()).collect();
    assert_eq!(
        ids,
        ["md", "prices", "split", "prep", "window", "naive", "lstm", "linear", "score", "md-2", "show"]
    );
    let prices = spec.cell("prices").unwrap();
    assert_eq!(prices.line, 12);
    assert_eq!(
        prices.source,
        "id: prices\n\
         data: {csv: data/msft_daily.csv, time: Date, freq: sessions}     # the rows are the calendar\n\
         check: {min_rows: 1000, duplicates: error}"
    );
    assert_eq!(spec.cell("window").unwrap().source, "window: {lookback: 60, horizon: 5}");
    assert_eq!(
        spec.cell("md").unwrap().source,
        "md: |\n  ## Question\n  Does a small LSTM beat *\"the next five closes equal today's\"*?"
    );
    let actions: Vec<&str> = prices.actions.iter().map(|action| action.name.as_str()).collect();
    assert_eq!(actions, ["data", "check"]);
    assert_eq!(spec.cell("linear").unwrap().from, ["window"]);
    assert_eq!(spec.claims[0].number, 0.4);
    assert!(spec.claims[0].holds(0.39) && !spec.claims[0].holds(0.4));
}

#[test]
fn bare_names_become_what_the_types_read() {
    let spec = spec_with(GOOD, &[]);
    let model = spec.cell("linear").unwrap().action("model").unwrap();
    assert_eq!(model.params, json!({"linear": {}}));
    assert!(matches!(spec.read(model).unwrap(), spec_sample::Model::Linear(_)));
    let naive = spec.cell("naive").unwrap().action("baseline").unwrap();
    let baselines: Vec<spec_sample::Baseline> = spec.read(naive).unwrap();
    assert!(matches!(baselines.as_slice(), [_, _, spec_sample::Baseline::Seasonal(24)]));
    let named = spec_with(&GOOD.replace("[last, drift,", "[{last: }, {drift: {}},"), &[]);
    assert_eq!(named.cell("naive").unwrap().actions[0].params, json!(["last", "drift", {"seasonal": 24}]));
}

#[test]
fn actions_run_in_the_order_of_the_language_however_they_are_written() {
    let swapped = "forge: 1\ntask: forecast\ntrain: {epochs: 2}\nmodel: linear\nwindow: {horizon: 1, lookback: 3}\n\
                   past: [Volume]\ntarget: Close\ndata: {csv: p.csv}\n";
    let spec = spec_with(swapped, &[]);
    let cells: Vec<(&str, Vec<&str>)> = spec
        .cells
        .iter()
        .map(|cell| (cell.id.as_str(), cell.actions.iter().map(|action| action.name.as_str()).collect()))
        .collect();
    assert_eq!(
        cells,
        [
            ("data", vec!["data"]),
            ("target", vec!["target", "past"]),
            ("window", vec!["window"]),
            ("model", vec!["model", "train"]),
        ]
    );
    assert_eq!(spec.cells[3].source, "model: linear\ntrain: {epochs: 2}");
}

#[test]
fn a_model_without_train_is_trained_with_the_defaults_in_a_spec_without_cells() {
    let spec = spec_with("forge: 1\ntask: forecast\ndata: {csv: p.csv}\ntarget: Close\nmodel: lstm\n", &[]);
    let train = spec.cells[2].action("train").unwrap();
    assert_eq!(train.params, json!({}));
    assert_eq!(spec.origin_of(&train.path), Origin::Default);
}

#[test]
fn overrides_are_laid_over_the_spec_and_remembered() {
    let spec = spec_with(
        GOOD,
        &[
            "window.horizon=1",
            "lstm.train.optimizer.adam.lr=0.01",
            "seed=7",
            "prep.target.\"Adj Close\".1={divide: 3}",
            "linear.model.linear={}",
            "threads=2",
        ],
    );
    assert_eq!(spec.seed, 7);
    assert_eq!(spec.threads, Some(2));
    let window = spec.cell("window").unwrap().action("window").unwrap();
    assert_eq!(window.params, json!({"lookback": 60, "horizon": 1}));
    assert_eq!(spec.origin_of(&window.path.key("horizon")), Origin::Override("window.horizon=1".into()));
    assert_eq!(spec.origin_of(&window.path.key("lookback")), Origin::Spec { line: 23 });
    assert_eq!(spec.origin_of(&window.path.key("stride")), Origin::Default);
    let target = &spec.cell("prep").unwrap().actions[0];
    assert_eq!(target.params, json!({"Adj Close": ["log", {"divide": 3}, "standardize"]}));
    let divide = target.path.key("Adj Close").index(1).key("divide");
    assert!(matches!(spec.origin_of(&divide), Origin::Override(_)));
    assert_eq!(spec.origin_of(&Path::root().key("seed")), Origin::Override("seed=7".into()));
    // Where a spec has no cells, an override may name an action that it leaves to the defaults.
    let short = spec_with(
        "forge: 1\ntask: forecast\ndata: {csv: p.csv}\ntarget: Close\n",
        &["train.epochs=3", "model=linear"],
    );
    assert_eq!(short.cell("model").unwrap().action("train").unwrap().params, json!({"epochs": 3}));
}

#[test]
fn a_bare_kind_takes_an_override_of_its_parameter() {
    let spec = spec_with(&GOOD.replace("model: linear", "model: lstm"), &["linear.model.lstm.hidden=8"]);
    assert_eq!(spec.cell("linear").unwrap().actions[0].params, json!({"lstm": {"hidden": 8}}));
}

#[test]
fn prose_is_filled_in_or_says_what_is_missing() {
    let spec = spec_with(GOOD, &[]);
    let cell = spec.cell("md-2").unwrap();
    let shown = spec.prose(cell, |address| (address == "score.result.lstm.skill.mase").then_some(-0.031));
    assert_eq!(shown.unwrap(), "Skill: **-3.1 %**.");
    let missing = spec.prose(cell, |_| None).unwrap_err();
    let json = &missing.to_json()[0];
    assert_eq!((&json["line"], &json["column"], &json["cell"]), (&json!(44), &json!(19), &json!("md-2")));
}

#[test]
fn findings_as_json_point_at_characters() {
    let text = "forge: 1\ntask: forecast\ntarget: Größe\nwindow: {\"größe\": 1, lookback: 60, horizn: 5}\n";
    let document = Document::parse("größe.yaml", text).unwrap();
    let findings = load(document, &vocabulary()).unwrap_err();
    let horizon =
        findings.to_json().into_iter().find(|item| item["message"] == "unknown key `horizn`").unwrap();
    assert_eq!(
        horizon,
        json!({
            "code": "E0102", "level": "error", "message": "unknown key `horizn`", "file": "größe.yaml",
            "line": 4, "column": 36, "end_column": 42, "cell": "window",
            "label": "did you mean `horizon`?", "hint": "did you mean `horizon`?",
            "notes": ["known keys: lookback, horizon, stride"],
        })
    );
}

#[test]
fn windows_line_ends_and_a_byte_order_mark_change_nothing() {
    let text = format!("\u{feff}{}", GOOD.replace('\n', "\r\n"));
    let (plain, odd) = (spec_with(GOOD, &[]), spec_with(&text, &[]));
    let params =
        |spec: &Spec| spec.cells.iter().flat_map(|c| c.actions.clone()).map(|a| a.params).collect::<Vec<_>>();
    assert_eq!(params(&plain), params(&odd));
    assert_eq!(plain.cell("prices").unwrap().source, odd.cell("prices").unwrap().source);
    let broken = Document::parse("stock.yaml", &text.replace("lookback", "lookbak")).unwrap();
    let findings = load(broken, &vocabulary()).unwrap_err().to_json();
    assert!(findings.iter().any(|item| item["line"] == 23 && item["column"] == 14), "{findings:?}");
}

#[test]
fn default_ids_stay_clear_of_written_ones() {
    let text = "forge: 1\ntask: forecast\ncells:\n  - window: {lookback: 1, horizon: 1}\n  - id: window\n    \
                split: {by: time, train: 70%, val: 10%, test: 20%}\n";
    let spec = spec_with(text, &["window.lookback=2"]);
    assert_eq!(spec.cells[0].id, "window-2");
    assert_eq!(spec.cells[0].actions[0].params["lookback"], 2);
}

#[test]
fn whole_numbers_have_no_point_and_no_exponent() {
    let epochs = |text: &str| GOOD.replace("epochs: 75", &format!("epochs: {text}"));
    assert_eq!(codes(&epochs("5.0"), &[]), ["E0105"]);
    assert_eq!(codes(&epochs("1e3"), &[]), ["E0105"]);
    let large = Document::parse("stock.yaml", &epochs("99999999999999999999999999")).unwrap_err();
    assert_eq!(large.to_json()[0]["line"], 30);
    assert_eq!(large.items()[0].code, "E0106");
    assert_eq!(codes(&epochs("-1"), &[]), ["E0106"]);
    assert_eq!(codes(GOOD, &["seed=-1"]), ["E0106"]);
    spec_with(&epochs("0x10"), &[]);
    // A whole number is a number, too.
    spec_with(&GOOD.replace("lr: 0.001", "lr: 1"), &[]);
}

#[test]
fn the_schema_of_a_document_lists_every_action_at_both_places() {
    let schema = vocabulary().schema();
    let cell = &schema["definitions"]["cell"]["properties"];
    for action in vocabulary().actions() {
        assert_eq!(cell[&action.name], schema["properties"][&action.name]);
    }
    // Every reference has its target.
    let text = schema.to_string();
    for target in text.split("\"#/definitions/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(!schema["definitions"][target].is_null(), "{target}");
    }
}

#[test]
fn a_finding_in_a_data_file_names_file_line_and_column() {
    let place = DataPlace { path: "data/msft.csv".into(), line: Some(17), column: Some("Close".to_string()) };
    let finding =
        Diagnostic::error("E0190", "`n/a` is not a number").at(Place::Data(place), "").cell("prices");
    let findings = Diagnostics::new("stock.yaml", "", vec![finding]);
    assert_eq!(
        findings.to_string(),
        "error[E0190]: `n/a` is not a number\n--> data/msft.csv:17 (column `Close`)\n = in cell `prices`\n = \
         explain: forge explain E0190\n\nstock.yaml: 1 error"
    );
    assert_eq!(findings.to_json()[0]["line"], 17);
}

#[test]
fn anything_may_be_shown_beside_what_was_made() {
    spec_with(&GOOD.replace("\n  - show:", "\n  - baseline: [mean]\n    show:"), &[]);
    assert_eq!(
        codes(
            &GOOD.replace(
                "\n  - show:",
                "\n  - window: {lookback: 1, horizon: 1}\n    baseline: [mean]\n    show:"
            ),
            &[]
        ),
        ["E0134"]
    );
}
