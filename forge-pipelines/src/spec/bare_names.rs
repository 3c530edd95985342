//! The bare names of kinds, for editors: what `spec::walker` makes of `linear` where `{linear: {}}` fits.

use serde_json::{Map, Value, json};

/// Adds to each choice of kind the names of those whose parameters all have defaults.
pub(super) fn add(schema: &mut Value) {
    let root = schema.clone();
    each(schema, &root);
}

fn each(schema: &mut Value, root: &Value) {
    match schema {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                // What stands in these is data, not schema.
                if !["default", "examples", "const", "enum"].contains(&key.as_str()) {
                    each(value, root);
                }
            }
            if let Some(Value::Array(branches)) = map.get_mut("oneOf") {
                let names = missing(branches, root);
                if !names.is_empty() {
                    branches.push(json!({"type": "string", "enum": names}));
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each(item, root)),
        _ => {}
    }
}

/// The kinds among some alternatives that no alternative takes by their bare names.
fn missing(branches: &[Value], root: &Value) -> Vec<String> {
    let named = |branch: &Value, name: &str| {
        let listed = branch["enum"].as_array().is_some_and(|names| names.iter().any(|n| n == name));
        listed || branch["const"] == name
    };
    let bare = |branch: &Value| {
        let (name, parameters) = one_key(branch)?;
        let is_new = !branches.iter().any(|branch| named(branch, name));
        (is_new && takes_nothing(parameters, root)).then(|| name.to_owned())
    };
    branches.iter().filter_map(bare).collect()
}

/// The name and the parameters of a kind.
fn one_key(branch: &Value) -> Option<(&str, &Value)> {
    let properties: &Map<String, Value> = branch.get("properties")?.as_object()?;
    let (name, parameters) = properties.iter().next()?;
    let only = properties.len() == 1
        && branch["additionalProperties"] == false
        && branch["required"] == json!([name]);
    only.then_some((name, parameters))
}

/// Whether an empty map fits.
fn takes_nothing(schema: &Value, root: &Value) -> bool {
    if let Some(target) = schema["$ref"].as_str().and_then(|target| target.strip_prefix('#')) {
        return root.pointer(target).is_some_and(|schema| takes_nothing(schema, root));
    }
    let several = ["anyOf", "oneOf"].into_iter().find_map(|key| schema.get(key)?.as_array());
    if let Some(several) = several {
        return several.iter().any(|schema| takes_nothing(schema, root));
    }
    let none = |key: &str| schema[key].as_array().is_none_or(Vec::is_empty);
    schema["type"] == "object" && none("required") && schema["minProperties"].as_u64().unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_named_alone_where_all_its_parameters_have_defaults() {
        let kind = |name: &str, parameters: Value| json!({"type": "object", "properties": {name: parameters}, "required": [name], "additionalProperties": false});
        let free = json!({"type": "object", "properties": {"ridge": {"type": "number"}}});
        let bound = json!({"type": "object", "properties": {"m": {"type": "number"}}, "required": ["m"]});
        let mut schema = json!({
            "definitions": {"free": free},
            "oneOf": [
                {"type": "string", "const": "last"},
                kind("last", free.clone()),
                kind("seasonal", json!({"type": "integer"})),
                kind("bound", bound),
                kind("linear", json!({"$ref": "#/definitions/free"})),
                kind("either", json!({"anyOf": [{"type": "null"}, free]})),
            ],
            "examples": [{"oneOf": [kind("data", json!({"type": "object"}))]}],
        });
        let before = schema.clone();
        add(&mut schema);
        assert_eq!(schema["oneOf"][6], json!({"type": "string", "enum": ["linear", "either"]}));
        assert_eq!(schema["examples"], before["examples"]);
        let after = schema.clone();
        add(&mut schema);
        assert_eq!(schema, after, "once is enough");
    }
}
