//! How values and types are called in messages.

use super::view::View;
use crate::spec::path::{Path, Segment};
use serde_json::Value;

/// What stands in the spec: ``text `sixty` ``, `a list`, `nothing`.
pub(super) fn found(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_string(),
        Value::Bool(truth) => format!("`{truth}`"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("text `{}`", short(text)),
        Value::Array(_) => "a list".to_string(),
        Value::Object(_) => "a map".to_string(),
    }
}

fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(40) {
        Some((byte, _)) => format!("{}…", &line[..byte]),
        None if line.len() < text.trim_end().len() => format!("{line}…"),
        None => line.to_string(),
    }
}

/// What is wanted: `a whole number`, `a list`, `one of last, drift`.
pub(super) fn wanted(view: &View<'_>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    for leaf in view.leaves() {
        if let Some(own) = leaf.names() {
            names.extend(own);
        } else if let Some((name, _)) = leaf.one_key().filter(|_| leaf.kind) {
            names.push(name);
        } else if let Some(value) = leaf.get("const") {
            parts.push(format!("`{value}`"));
        } else {
            parts.extend(
                leaf.types().into_iter().filter(|name| *name != "null").map(|name| type_name(name, &leaf)),
            );
        }
    }
    if !names.is_empty() {
        parts.insert(0, format!("one of {}", names.join(", ")));
    }
    parts.dedup();
    if parts.is_empty() { "a value".to_string() } else { parts.join(" or ") }
}

fn type_name(name: &str, view: &View<'_>) -> String {
    match name {
        "integer" => "a whole number".to_string(),
        "number" => "a number".to_string(),
        "string" => match view.example().filter(|_| view.get("pattern").is_some()) {
            Some(example) => format!("text such as `{}`", flow(&example)),
            None => "text".to_string(),
        },
        "boolean" => "`true` or `false`".to_string(),
        "array" => {
            let items = view.get("items").map(|items| wanted(&view.inner(items)));
            match items.as_deref() {
                Some("text") => "a list of texts".to_string(),
                Some("a whole number") => "a list of whole numbers".to_string(),
                Some("a number") => "a list of numbers".to_string(),
                _ => "a list".to_string(),
            }
        }
        "object" => "a map of keys".to_string(),
        other => other.to_string(),
    }
}

/// What a path is called: `` `lookback` ``, ``item 2 of `baseline` ``, `the spec`.
pub(in crate::spec) fn subject(path: &Path) -> String {
    let name = path.last_key().map(|name| format!("`{name}`"));
    match (path.segments().last(), name) {
        (Some(Segment::Index(n)), Some(name)) if name == "`cells`" => format!("cell {}", n + 1),
        (Some(Segment::Index(n)), Some(name)) => format!("item {} of {name}", n + 1),
        (_, Some(name)) => name,
        _ => "the spec".to_string(),
    }
}

/// A value as one line of YAML.
pub(in crate::spec) fn flow(value: &Value) -> String {
    match value {
        Value::Null => "null".to_string(),
        Value::String(text) => scalar(text),
        Value::Array(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Object(map) => {
            let parts: Vec<String> = map.iter().map(|(key, value)| entry(key, value)).collect();
            format!("{{{}}}", parts.join(", "))
        }
        // Without an exponent: some readers of YAML take `1e-8` for text.
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(value) if value.fract() == 0.0 => format!("{value}.0"),
            Some(value) => value.to_string(),
            None => number.to_string(),
        },
        other => other.to_string(),
    }
}

/// `key: value` as one line of YAML.
pub(in crate::spec) fn entry(key: &str, value: &Value) -> String {
    format!("{}: {}", scalar(key), flow(value))
}

/// Text in quotes where it would be read as something else without.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || " _-./%".contains(c))
        && !text.ends_with(' ')
        && !matches!(
            text.to_lowercase().as_str(),
            "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n"
        )
        && text.parse::<f64>().is_err()
        // Numbers in other bases.
        && !["0x", "0o", "0b"].iter().any(|base| text.starts_with(base));
    if plain { text.to_string() } else { Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::flow;
    use serde_json::json;

    #[test]
    fn a_line_of_yaml_reads_back() {
        let value = json!({"lstm": {"hidden": 64, "act": "tanh"}, "odd key:": ["1e3", "no", "70%", null, 0.1, "", 1e-8, 2.0, "0x1f"]});
        let line = flow(&value);
        assert_eq!(
            line,
            r#"{lstm: {hidden: 64, act: tanh}, "odd key:": ["1e3", "no", 70%, null, 0.1, "", 0.00000001, 2.0, "0x1f"]}"#
        );
        assert_eq!(serde_yaml::from_str::<serde_json::Value>(&line).unwrap(), value);
    }
}
