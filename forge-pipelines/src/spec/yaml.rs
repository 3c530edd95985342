//! A spec's values as the YAML that a person would write.

use super::walker::{entry, flow};
use serde_json::{Map, Value};

/// Longest line that a map is written on.
const LINE: usize = 100;

/// A whole spec: one key a line, an empty line before each cell, maps on one line where they fit, prose as blocks.
pub(crate) fn yaml(top: &Map<String, Value>) -> String {
    let mut text = String::new();
    for (key, value) in top {
        match value {
            Value::Array(cells) if key == "cells" => {
                text.push_str("\ncells:\n");
                for (n, cell) in cells.iter().enumerate() {
                    text.push_str(if n > 0 { "\n" } else { "" });
                    let from = text.len();
                    cell.as_object().into_iter().flatten().for_each(|(k, v)| keyed(k, v, 4, &mut text));
                    // The dash of the list stands in the indentation of the cell's first key.
                    if text.len() > from {
                        text.replace_range(from..from + 4, "  - ");
                    } else {
                        text.push_str("  - {}\n");
                    }
                }
            }
            Value::Array(items) => {
                text.push_str(&format!("\n{key}:\n"));
                items.iter().for_each(|item| text.push_str(&format!("  - {}\n", flow(item))));
            }
            _ => keyed(key, value, 0, &mut text),
        }
    }
    text
}

fn keyed(key: &str, value: &Value, indent: usize, text: &mut String) {
    let margin = " ".repeat(indent);
    let line = entry(key, value);
    match value {
        Value::String(prose) if fits_a_block(prose) => {
            let chomp = if prose.ends_with('\n') { "" } else { "-" };
            text.push_str(&format!("{margin}{key}: |{chomp}\n"));
            for line in prose.lines() {
                text.push_str(if line.is_empty() { "" } else { &margin });
                text.push_str(if line.is_empty() { "" } else { "  " });
                text.push_str(line);
                text.push('\n');
            }
        }
        Value::Object(map) if indent + line.chars().count() > LINE && !map.is_empty() => {
            // The key alone, as `entry` writes it.
            let head = line.strip_suffix(&flow(value)).unwrap_or(&line).trim_end();
            text.push_str(&format!("{margin}{head}\n"));
            map.iter().for_each(|(key, value)| keyed(key, value, indent + 2, text));
        }
        _ => text.push_str(&format!("{margin}{line}\n")),
    }
}

/// Whether text of several lines means the same as a block: it begins in the first column of its first line, ends with one
/// line break or none, and holds no sign that a block cannot.
fn fits_a_block(text: &str) -> bool {
    let odd =
        |c: char| c.is_control() && c != '\n' || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}');
    let first = text.chars().next();
    text.trim_end_matches('\n').contains('\n')
        && first.is_some_and(|c| !c.is_whitespace())
        && !text.ends_with("\n\n")
        && !text.chars().any(odd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_written_reads_back() {
        let long: Map<String, Value> =
            (0..9).map(|n| (format!("column: {n}"), json!(["log", "diff"]))).collect();
        let texts = [
            "one line",
            "two\nlines",
            "ends\nwith a break\n",
            "two\n\nparagraphs\n",
            " indented\nfirst",
            "breaks\n\n",
            "a\ttab\nand \u{1b} more",
            "\n",
            "",
            "trailing \nblank",
            "- not a list\n# nor a comment\n",
            "null",
            "x: y\nz",
        ];
        let prose = texts.map(|md| json!({"md": md}));
        let cells: Vec<Value> =
            prose.into_iter().chain([json!({"target": long, "id": "a"}), json!({})]).collect();
        let top =
            json!({"forge": 1, "title": "a: b # c", "cells": cells, "assert": ["a.result.b < 1", "null"]});
        let text = yaml(top.as_object().unwrap());
        assert_eq!(serde_yaml::from_str::<Value>(&text).unwrap(), top, "{text}");
        assert!(text.contains("  - md: |-\n      two\n      lines\n\n  - md: |\n"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= LINE), "{text}");
    }
}
