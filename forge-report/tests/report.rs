//! What a written report promises: one file, nothing from outside, nothing executed that a notebook says.

#![expect(clippy::unwrap_used, reason = "what a test does not expect may panic")]

mod sample;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;
use forge_core::history::*;
use forge_report::Report;
use std::io::Read;

const HOSTILE: &str = "</script><script>alert(1)</script>\"'<img src=x onerror=alert(1)>";

fn html() -> String {
    Report::from(&sample::notebook()).html().unwrap()
}

/// All attributes of all elements: a small reader of the HTML that this crate writes.
fn attributes(html: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        let end = rest.find('>').unwrap_or(rest.len());
        let mut inside = rest[..end].get(name.len()..).unwrap_or_default();
        while let Some((key, value)) = inside.split_once("=\"") {
            let (value, after) = value.split_once('"').unwrap_or((value, ""));
            found.push((key.trim().to_owned(), value.to_owned()));
            inside = after;
        }
        rest = &rest[end..];
        // The text of these elements is no markup.
        if matches!(name.as_str(), "script" | "style") {
            rest = rest.find(&format!("</{name}")).map_or("", |i| &rest[i + 2..]);
        }
    }
    found
}

#[test]
fn a_typical_report_is_one_small_file() {
    let html = html();
    assert!(html.len() < 3_000_000, "{} bytes", html.len());
    assert_eq!(html.matches("id=\"library\"").count(), 1);
    assert!(html.starts_with("<!doctype html>\n<html lang=\"en\">"));
}

#[test]
fn no_attribute_holds_an_address() {
    let mut notebook = sample::notebook();
    notebook.sources[0].location = "https://example.org/a.csv".into();
    notebook.cells[0].outputs =
        vec![Output::Prose { markdown: "[a](http://b.org) ![c](//d.org/e.png) <http://f.org>".into() }];
    let html = Report::from(&notebook).html().unwrap();
    let all = attributes(&html);
    assert!(all.iter().any(|(k, v)| k == "href" && v == "#notebook"), "the reader reads");
    for (key, value) in &all {
        assert!(!value.contains("//") && !value.starts_with("http"), "{key}=\"{value}\"");
        if matches!(key.as_str(), "href" | "src") {
            assert!(value.starts_with('#'), "{key}=\"{value}\"");
        }
    }
    assert!(
        !html.contains("<link")
            && !html.contains("<iframe")
            && !html.contains("@import")
            && !html.contains("url(")
    );
}

#[test]
fn nothing_a_notebook_says_is_executed() {
    let mut notebook = sample::notebook();
    notebook.title = HOSTILE.into();
    notebook.verdict = Some(Verdict { level: Level::Good, text: HOSTILE.into() });
    notebook.resolved_spec = HOSTILE.into();
    notebook.reproduce = HOSTILE.into();
    notebook.facts.push(Fact::new(HOSTILE, HOSTILE).detail(HOSTILE));
    notebook.notices[0].text = HOSTILE.into();
    notebook.notices[0].code = HOSTILE.into();
    notebook.asserts[0].claim = HOSTILE.into();
    notebook.sources[0].location = HOSTILE.into();
    notebook.sources[0].columns = vec![HOSTILE.into()];
    for cell in &mut notebook.cells {
        cell.id = HOSTILE.into();
        cell.source = HOSTILE.into();
        cell.actions = vec![HOSTILE.into()];
        for output in &mut cell.outputs {
            match output {
                Output::Prose { markdown } => *markdown = HOSTILE.into(),
                Output::Table { table } => {
                    table.caption = HOSTILE.into();
                    table.head[0] = HOSTILE.into();
                    table.rows[0][0] = HOSTILE.into();
                }
                Output::Plotly { title, figure } => {
                    *title = HOSTILE.into();
                    figure["layout"]["title"] = HOSTILE.into();
                }
                Output::SkillTable { table } => table.scores[0].name = HOSTILE.into(),
                Output::Forecast { forecasts, .. } | Output::Residuals { forecasts, .. } => {
                    forecasts[0].name = HOSTILE.into();
                }
                Output::ErrorByHorizon { table } => table.scores[0].name = HOSTILE.into(),
                Output::Heatmap { heatmap } => {
                    heatmap.metric = HOSTILE.into();
                    heatmap.x_title = HOSTILE.into();
                    heatmap.x[0] = HOSTILE.into();
                    heatmap.layers[0].name = HOSTILE.into();
                }
                Output::DataOverview { overview } => overview.name = HOSTILE.into(),
                Output::LearningCurves { fits } => fits[0].name = HOSTILE.into(),
                Output::Facts { .. } | Output::Asserts { .. } => {}
            }
        }
    }
    notebook.cells[6].state = CellState::Failed { message: HOSTILE.into() };
    notebook.cells[7].state = CellState::Cached { made: HOSTILE.into(), key: HOSTILE.into() };
    let report = Report::from(&notebook);
    let html = report.html().unwrap();
    assert!(!html.contains("<script>alert") && !html.contains("<img"), "markup got through");
    assert!(html.matches("&lt;script&gt;alert").count() > 20);
    // The elements that this crate writes are all there is: theme, page, library, and one for each figure.
    assert_eq!(html.matches("<script").count(), 3 + report.figures().len());
    assert_eq!(html.matches("</script").count(), 3 + report.figures().len());
    assert!(attributes(&html).iter().all(|(key, _)| !key.starts_with("on")));
}

#[test]
fn the_page_holds_the_very_figures_that_the_report_gives() {
    let report = Report::from(&sample::notebook());
    let html = report.html().unwrap();
    let figures = report.figures();
    let names: Vec<&str> = figures.iter().map(|f| f.name.as_str()).collect();
    let wanted = [
        "data_overview",
        "learning_curves",
        "error_by_step",
        "forecast",
        "last_window",
        "residuals",
        "residuals-2",
        "error_by_step-2",
        "heatmap",
        "volume_by_weekday",
        "profile",
    ];
    assert_eq!(names, wanted);
    let packed = html.split("class=\"data\">").skip(1).map(|s| s.split('<').next().unwrap());
    for (figure, packed) in figures.iter().zip(packed) {
        let mut text = String::new();
        GzDecoder::new(&STANDARD.decode(packed).unwrap()[..]).read_to_string(&mut text).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), figure.json, "{}", figure.name);
    }
    let dates = figures[0].json["data"][0]["x"].as_array().unwrap();
    assert!(dates.len() <= 2000 && dates.len() > 1000, "{}", dates.len());
    assert_eq!((&dates[0], &dates[dates.len() - 1]), (&"2000-03-01".into(), &"2013-03-01".into()));
}

#[test]
fn headings_descend_one_level_at_a_time() {
    let html = html();
    let levels: Vec<u32> = html
        .split("<h")
        .skip(1)
        .filter(|s| s.as_bytes()[1] == b'>' || s.as_bytes()[1] == b' ')
        .filter_map(|s| s.chars().next().and_then(|c| c.to_digit(10)))
        .collect();
    assert_eq!(levels[0], 1);
    assert_eq!(levels.iter().filter(|l| **l == 1).count(), 1);
    assert!(levels.windows(2).all(|w| w[1] <= w[0] + 1), "{levels:?}");
}

#[test]
fn tables_are_there_without_javascript() {
    let html = html();
    let table = html.split("<table class=\"skill\">").nth(1).unwrap().split("</table>").next().unwrap();
    let rows: Vec<&str> =
        table.split("<th scope=\"row\">").skip(1).map(|r| r.split('<').next().unwrap()).collect();
    assert_eq!(rows, ["lstm", "linear", "last", "drift", "seasonal(5)"]);
    assert_eq!(table.matches("reference").count(), 3);
    assert!(html.contains("MASE scale") && html.contains("BLAKE3 5d1f0c77") && html.contains("ran 41 s"));
}

#[test]
fn a_contradictory_history_leaves_a_message_in_its_place() {
    let mut notebook = sample::notebook();
    for output in &mut notebook.cells[4].outputs {
        if let Output::Forecast { forecasts, .. } = output {
            forecasts[1].predicted.truncate(3);
        }
    }
    let report = Report::from(&notebook);
    assert!(report.html().unwrap().contains("forecast `linear`"));
    assert_eq!(report.figures().len(), 8);
}

#[test]
fn a_profile_has_a_section_and_a_run_without_one_shows_nothing_of_it() {
    let mut notebook = sample::notebook();
    let html = Report::from(&notebook).html().unwrap();
    let section = html.split("<h2 id=\"profile\">").nth(1).unwrap().split("</section>").next().unwrap();
    for words in
        ["31.3 s in 2 cells", "linear + relu", "callbacks&#x2f;prediction", "64.6", "19.2 s", "3.2 MB"]
    {
        assert!(section.contains(words), "{words}");
    }
    notebook.profile = None;
    let html = Report::from(&notebook).html().unwrap();
    assert!(!html.contains("id=\"profile\"") && !html.contains("GFLOP/s"));
    // Alone, it brings the library that draws it.
    let mut alone = Notebook::new("a loop");
    alone.profile = sample::notebook().profile;
    let report = Report::from(&alone);
    assert!(report.html().unwrap().contains("id=\"library\""));
    assert_eq!(report.figures().iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["profile"]);
}

#[test]
fn an_empty_notebook_and_a_bare_fit_render() {
    let html = Report::from(&Notebook::new("")).html().unwrap();
    assert!(html.len() < 100_000, "no figure, no library: {} bytes", html.len());
    let fit = sample::notebook().cells.iter().flat_map(|c| c.outputs.clone()).find_map(|o| match o {
        Output::LearningCurves { mut fits } => fits.pop(),
        _ => None,
    });
    let report = Report::from(&fit.unwrap());
    assert_eq!(report.figures()[0].name, "learning_curves");
    let folder = tempfile::tempdir().unwrap();
    let written = report.write(folder.path().join("report.html")).unwrap();
    assert_eq!(written.bytes as u64, folder.path().join("report.html").metadata().unwrap().len());
    assert_eq!(written.warning, None);
}
