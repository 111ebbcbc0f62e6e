//! Whether an object has the form that its schema wants, in the real server's words.
//!
//! Source: k8s.io/kube-openapi `pkg/validation/validate` and its messages.

use std::collections::HashMap;

use regex::Regex;
use serde_json::{Value, json};

use crate::status::Cause;

/// The regular expressions of a schema by their text.
pub(super) type Patterns = HashMap<String, Regex>;

/// Collects them; those that this engine cannot read are left out.
pub(super) fn patterns(schema: &Value) -> Patterns {
    let mut found = Patterns::new();
    collect(schema, &mut found);
    found
}

fn collect(schema: &Value, found: &mut Patterns) {
    match schema {
        Value::Object(fields) => {
            if let Some(Value::String(pattern)) = fields.get("pattern")
                && let Ok(regex) = Regex::new(pattern)
            {
                found.insert(pattern.clone(), regex);
            }
            fields.values().for_each(|below| collect(below, found));
        }
        Value::Array(items) => items.iter().for_each(|below| collect(below, found)),
        _ => {}
    }
}

/// What is wrong.
pub(super) fn validate(schema: &Value, object: &Value, patterns: &Patterns) -> Vec<Cause> {
    let mut validator = Validator { patterns, causes: Vec::new() };
    validator.value(schema, object, "");
    validator.causes
}

struct Validator<'a> {
    patterns: &'a Patterns,
    causes: Vec<Cause>,
}

impl Validator<'_> {
    fn wrong(&mut self, path: &str, value: &Value, detail: &str) {
        let detail = format!("{path} in body {detail}");
        self.causes.push(Cause::invalid(path, value, &detail));
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if value.is_null() && schema["nullable"] == true {
            return;
        }
        if !self.has_type(schema, value, path) {
            return;
        }
        if let Value::Array(allowed) = &schema["enum"]
            && !allowed.contains(value)
        {
            let allowed: Vec<String> = allowed.iter().map(ToString::to_string).collect();
            let message = format!("Unsupported value: {value}: supported values: {}", allowed.join(", "));
            self.causes.push(Cause { reason: "FieldValueNotSupported", field: path.to_owned(), message });
        }
        match value {
            Value::Object(fields) => {
                for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if fields.get(name).is_none() {
                        self.causes.push(Cause::required(&join(path, name), ""));
                    }
                }
                for (name, value) in fields {
                    let known = &schema["properties"][name.as_str()];
                    let below = if known.is_null() { &schema["additionalProperties"] } else { known };
                    if below.is_object() {
                        self.value(below, value, &join(path, name));
                    }
                }
                self.count(schema, value, path, fields.len(), ("minProperties", "maxProperties", "properties"));
            }
            Value::Array(items) => {
                if schema["items"].is_object() {
                    for (index, item) in items.iter().enumerate() {
                        self.value(&schema["items"], item, &format!("{path}[{index}]"));
                    }
                }
                self.count(schema, value, path, items.len(), ("minItems", "maxItems", "items"));
                self.different(schema, items, path);
            }
            Value::String(text) => self.text(schema, text, path),
            Value::Number(_) => self.number(schema, value, path),
            Value::Null | Value::Bool(_) => {}
        }
        self.combined(schema, value, path);
    }

    fn has_type(&mut self, schema: &Value, value: &Value, path: &str) -> bool {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() && number.as_f64().is_some_and(|n| n.fract() != 0.0) => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        if schema["x-kubernetes-int-or-string"] == true {
            let fits = matches!(found, "integer" | "string");
            if !fits {
                self.wrong(path, &json!(found), &format!("must be of type integer,string: \"{found}\""));
            }
            return fits;
        }
        let Some(wanted) = schema["type"].as_str() else { return true };
        let fits = found == wanted || (wanted == "number" && found == "integer");
        if !fits {
            self.wrong(path, &json!(found), &format!("must be of type {wanted}: \"{found}\""));
        }
        fits
    }

    fn count(
        &mut self,
        schema: &Value,
        value: &Value,
        path: &str,
        count: usize,
        (least, most, of): (&str, &str, &str),
    ) {
        let bound = |name: &str| schema[name].as_u64().and_then(|bound| usize::try_from(bound).ok());
        if let Some(least) = bound(least).filter(|least| count < *least) {
            self.wrong(path, value, &format!("should have at least {least} {of}"));
        }
        if let Some(most) = bound(most).filter(|most| count > *most) {
            let message = format!("Too many: {count}: must have at most {most} items");
            self.causes.push(Cause { reason: "FieldValueTooMany", field: path.to_owned(), message });
        }
    }

    fn different(&mut self, schema: &Value, items: &[Value], path: &str) {
        let keys: Vec<&str> = match schema["x-kubernetes-list-type"].as_str() {
            Some("map") => schema["x-kubernetes-list-map-keys"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
            Some("set") => Vec::new(),
            _ if schema["uniqueItems"] == true => Vec::new(),
            _ => return,
        };
        let mut seen = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let by: Value = if keys.is_empty() {
                item.clone()
            } else {
                keys.iter().map(|key| ((*key).to_owned(), item[*key].clone())).collect()
            };
            if seen.contains(&by) {
                let message = format!("Duplicate value: {by}");
                self.causes.push(Cause { reason: "FieldValueDuplicate", field: format!("{path}[{index}]"), message });
            } else {
                seen.push(by);
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        let (value, length) = (json!(text), text.chars().count() as u64);
        if let Some(least) = schema["minLength"].as_u64().filter(|least| length < *least) {
            self.wrong(path, &value, &format!("should be at least {least} chars long"));
        }
        if let Some(most) = schema["maxLength"].as_u64().filter(|most| length > *most) {
            let message = format!("Too long: may not be more than {most} bytes");
            self.causes.push(Cause { reason: "FieldValueTooLong", field: path.to_owned(), message });
        }
        if let Some(pattern) = schema["pattern"].as_str()
            && self.patterns.get(pattern).is_some_and(|regex| !regex.is_match(text))
        {
            self.wrong(path, &value, &format!("should match '{pattern}'"));
        }
        if schema["format"] == "date-time" && text.parse::<jiff::Timestamp>().is_err() {
            self.wrong(path, &value, &format!("must be of type date-time: {value}"));
        }
    }

    fn number(&mut self, schema: &Value, value: &Value, path: &str) {
        let Some(number) = value.as_f64() else { return };
        let bound = |name: &str| schema[name].as_f64();
        if let Some(least) = bound("minimum") {
            let open = schema["exclusiveMinimum"] == true;
            if number < least || (open && number <= least) {
                let or = if open { "" } else { " or equal to" };
                self.wrong(path, value, &format!("should be greater than{or} {}", schema["minimum"]));
            }
        }
        if let Some(most) = bound("maximum") {
            let open = schema["exclusiveMaximum"] == true;
            if number > most || (open && number >= most) {
                let or = if open { "" } else { " or equal to" };
                self.wrong(path, value, &format!("should be less than{or} {}", schema["maximum"]));
            }
        }
        if let Some(factor) = bound("multipleOf").filter(|factor| *factor != 0.0)
            && (number / factor).fract().abs() > f64::EPSILON
        {
            self.wrong(path, value, &format!("should be a multiple of {}", schema["multipleOf"]));
        }
    }

    fn combined(&mut self, schema: &Value, value: &Value, path: &str) {
        let fits = |schema: &&Value| validate(schema, value, self.patterns).is_empty();
        let list = |name: &str| schema[name].as_array().map(|all| (all.len(), all.iter().filter(fits).count()));
        let (all, any, one) = (list("allOf"), list("anyOf"), list("oneOf"));
        let forbidden = schema["not"].is_object() && fits(&&schema["not"]);
        let mut refuse = |detail: String| self.causes.push(Cause::invalid(path, &json!(""), &detail));
        if any.is_some_and(|(_, fitting)| fitting == 0) {
            refuse(format!("\"{path}\" must validate at least one schema (anyOf)"));
        }
        if let Some((_, fitting)) = one.filter(|(_, fitting)| *fitting != 1) {
            let found = if fitting == 0 { "none valid".to_owned() } else { format!("{fitting} valid alternatives") };
            refuse(format!("\"{path}\" must validate one and only one schema (oneOf). Found {found}"));
        }
        if all.is_some_and(|(all, fitting)| fitting < all) {
            refuse(format!("\"{path}\" must validate all the schemas (allOf)"));
        }
        if forbidden {
            refuse(format!("\"{path}\" must not validate the schema (not)"));
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_as_the_real_server_says_it() {
        let schema = json!({"type": "object", "required": ["spec"], "properties": {"spec": {
            "type": "object", "required": ["image"], "properties": {
                "replicas": {"type": "integer", "minimum": 1}, "mode": {"type": "string", "enum": ["a", "b"]},
                "name": {"type": "string", "pattern": "^x"}, "size": {"type": "integer"},
                "hosts": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            },
        }}});
        let object = json!({"spec": {"replicas": 0, "mode": "c", "name": "y", "size": "big", "hosts": ["h", "h"]}});
        let causes = validate(&schema, &object, &patterns(&schema));
        let said: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
        assert_eq!(
            said,
            [
                "spec.image: Required value",
                "spec.replicas: Invalid value: 0: spec.replicas in body should be greater than or equal to 1",
                "spec.mode: Unsupported value: \"c\": supported values: \"a\", \"b\"",
                "spec.name: Invalid value: \"y\": spec.name in body should match '^x'",
                "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
                "spec.hosts[1]: Duplicate value: \"h\"",
            ]
        );
    }
}
