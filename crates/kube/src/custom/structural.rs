//! Structural schemas: what an object has too much, and what it lacks that has a default.
//!
//! Source: the Kubernetes documentation "Extend the Kubernetes API with custom resource definitions", pruning and
//! defaulting.

use serde_json::{Map, Value};

/// How the fields of an object stand to its schema.
fn is_known(schema: &Value, name: &str) -> bool {
    !schema["properties"][name].is_null()
}

/// What every object has at its root and every embedded one, too.
fn is_envelope(schema: &Value, root: bool, name: &str) -> bool {
    (root || schema["x-kubernetes-embedded-resource"] == true) && matches!(name, "apiVersion" | "kind" | "metadata")
}

fn keeps_unknown(schema: &Value) -> bool {
    schema["x-kubernetes-preserve-unknown-fields"] == true
}

/// The schema below a field; `None` when the field is not known.
fn below<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    if is_known(schema, name) {
        return Some(&schema["properties"][name]);
    }
    match &schema["additionalProperties"] {
        Value::Object(_) => Some(&schema["additionalProperties"]),
        Value::Bool(true) => Some(&Value::Null),
        _ => None,
    }
}

/// The paths of fields that the schema does not know.
pub(super) fn unknown(schema: &Value, object: &Value) -> Vec<String> {
    let mut found = Vec::new();
    search(schema, object, true, "", &mut found);
    found
}

fn search(schema: &Value, value: &Value, root: bool, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                if is_envelope(schema, root, name) {
                } else if let Some(below) = below(schema, name) {
                    if !below.is_null() {
                        search(below, value, false, &at, found);
                    }
                } else if !keeps_unknown(schema) {
                    found.push(at);
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            for (index, item) in items.iter().enumerate() {
                search(&schema["items"], item, false, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

/// Takes out what the schema does not know.
pub(super) fn prune(schema: &Value, object: &mut Value) {
    cut(schema, object, true);
}

fn cut(schema: &Value, value: &mut Value, root: bool) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, value| {
                if is_envelope(schema, root, name) {
                    return true;
                }
                let Some(below) = below(schema, name) else { return keeps_unknown(schema) };
                // What has a default may not be null unless it says so: then the default comes.
                if value.is_null() && !below["default"].is_null() && below["nullable"] != true {
                    return false;
                }
                if !below.is_null() {
                    cut(below, value, false);
                }
                true
            });
        }
        Value::Array(items) if schema["items"].is_object() => {
            for item in items {
                cut(&schema["items"], item, false);
            }
        }
        _ => {}
    }
}

/// Puts in what has a default and is not there.
pub(super) fn default(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let properties = schema["properties"].as_object();
            for (name, below) in properties.into_iter().flatten() {
                if !below["default"].is_null() && !fields.contains_key(name) {
                    fields.insert(name.clone(), below["default"].clone());
                }
                if let Some(value) = fields.get_mut(name) {
                    default(below, value);
                }
            }
            if schema["additionalProperties"].is_object() {
                let known = |name: &str| properties.is_some_and(|properties: &Map<_, _>| properties.contains_key(name));
                fields.iter_mut().filter(|(name, _)| !known(name)).for_each(|(_, value)| {
                    default(&schema["additionalProperties"], value);
                });
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| default(&schema["items"], item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_unknown_goes_and_what_has_a_default_comes() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "size": {"type": "integer", "default": 1},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "items": {"type": "array", "items": {"type": "object", "properties": {"on": {"type": "boolean", "default": true}}}},
        }}}});
        let mut object = json!({"apiVersion": "a/v1", "kind": "A", "metadata": {"name": "a"}, "other": 1,
            "spec": {"siz": 2, "free": {"x": 1}, "items": [{}, {"on": false}], "size": null}});
        assert_eq!(unknown(&schema, &object), ["other", "spec.siz"]);
        prune(&schema, &mut object);
        default(&schema, &mut object);
        assert_eq!(object["spec"], json!({"free": {"x": 1}, "items": [{"on": true}, {"on": false}], "size": 1}));
        assert!(object["other"].is_null());
    }
}
