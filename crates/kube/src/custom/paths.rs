//! The simple JSON paths of definitions: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`,
//! `.metadata.annotations.example\.org/x`, `.spec.ports[0].port`, `.spec.hosts[*]`.

use serde_json::Value;

/// A path into an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Field(String),
    Index(usize),
    Every,
    /// Items of which a field has a value.
    Where(String, String),
}

impl Path {
    /// Reads a path; what cannot be read leads nowhere.
    pub(crate) fn parse(text: &str) -> Self {
        let mut steps = Vec::new();
        let mut rest = text.trim().trim_start_matches('{').trim_end_matches('}').trim_start_matches('$');
        while !rest.is_empty() {
            if let Some(bracketed) = rest.strip_prefix('[') {
                let Some((inner, behind)) = bracketed.split_once(']') else { break };
                steps.push(bracket(inner));
                rest = behind;
                continue;
            }
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let mut field = String::new();
            let mut letters = name.char_indices();
            let mut end = name.len();
            while let Some((at, letter)) = letters.next() {
                match letter {
                    '\\' => field.extend(letters.next().map(|(_, letter)| letter)),
                    '.' | '[' => {
                        end = at;
                        break;
                    }
                    letter => field.push(letter),
                }
            }
            if !field.is_empty() {
                steps.push(Step::Field(field));
            } else if end == 0 && !name.starts_with('[') {
                break;
            }
            rest = &name[end..];
        }
        Self(steps)
    }

    /// What lies there, in order.
    pub(crate) fn find<'a>(&self, object: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![object];
        for step in &self.0 {
            found = found.into_iter().flat_map(|value| step.follow(value)).collect();
        }
        found
    }

    /// Puts a value there; does nothing for a path that is no chain of fields.
    pub(crate) fn set(&self, object: &mut Value, value: Value) {
        let mut at = object;
        for step in &self.0 {
            let Step::Field(name) = step else { return };
            if !at.is_object() {
                *at = Value::Object(serde_json::Map::new());
            }
            at = &mut at[name.as_str()];
        }
        *at = value;
    }
}

fn bracket(inner: &str) -> Step {
    let inner = inner.trim();
    if inner == "*" {
        return Step::Every;
    }
    if let Ok(index) = inner.parse() {
        return Step::Index(index);
    }
    let unquoted = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let condition = inner.strip_prefix("?(").and_then(|inner| inner.strip_suffix(')'));
    match condition.and_then(|condition| condition.split_once("==")) {
        Some((field, value)) => Step::Where(field.trim().trim_start_matches("@.").to_owned(), unquoted(value)),
        None => Step::Field(unquoted(inner)),
    }
}

impl Step {
    fn follow<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Field(name), value) => value.get(name).into_iter().collect(),
            (Self::Index(index), value) => value.get(index).into_iter().collect(),
            (Self::Every, Value::Array(items)) => items.iter().collect(),
            (Self::Every, Value::Object(fields)) => fields.values().collect(),
            (Self::Where(field, wanted), Value::Array(items)) => items
                .iter()
                .filter(|item| match &item[field.as_str()] {
                    Value::String(text) => text == wanted,
                    Value::Bool(holds) => wanted == if *holds { "true" } else { "false" },
                    _ => false,
                })
                .collect(),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_fields_items_and_those_that_meet_a_condition() {
        let object = json!({
            "spec": {"ports": [{"port": 80}, {"port": 443}]},
            "metadata": {"annotations": {"example.org/x": "y"}},
            "status": {"conditions": [{"type": "A", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        let find = |path: &str| Path::parse(path).find(&object).into_iter().cloned().collect::<Vec<_>>();
        assert_eq!(find(".spec.ports[1].port"), [json!(443)]);
        assert_eq!(find(".spec.ports[*].port"), [json!(80), json!(443)]);
        assert_eq!(find(".status.conditions[?(@.type==\"Ready\")].status"), [json!("True")]);
        assert_eq!(find(".metadata.annotations.example\\.org/x"), [json!("y")]);
        assert_eq!(find(".metadata.annotations['example.org/x']"), [json!("y")]);
        assert!(find(".spec.nothing.at.all").is_empty());
        find("...x[[");
    }
}
