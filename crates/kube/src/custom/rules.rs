//! The rules of a schema, `x-kubernetes-validations`, in the Common Expression Language.
//!
//! A rule speaks of `self`, the value where it stands, and of `oldSelf`, what that takes the place of. A rule that uses a
//! function which the interpreter does not have decides nothing.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use crate::{
    expressions::{Error, Expression, Known, Scope},
    status::Cause,
};

/// The rules of a value and of what is in it.
#[derive(Debug, Default)]
pub(super) struct Rules {
    here: Vec<Rule>,
    fields: BTreeMap<String, Rules>,
    others: Option<Box<Rules>>,
    items: Option<Box<Rules>>,
    /// By what items of a list are told apart; none for lists whose items have no past.
    keys: Vec<String>,
}

struct Rule {
    text: String,
    expression: Option<Expression>,
    message: Option<String>,
    message_expression: Option<Expression>,
    reason: &'static str,
    field_path: String,
    needs_past: bool,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Rules {
    /// Reads the rules of a schema.
    pub(super) fn compile(schema: &Value) -> Self {
        let below =
            |schema: &Value| schema.is_object().then(|| Self::compile(schema)).filter(|rules| !rules.is_empty());
        let rules = schema["x-kubernetes-validations"].as_array().into_iter().flatten();
        let properties = schema["properties"].as_object().into_iter().flatten();
        let keys = schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten();
        Self {
            here: rules.map(Rule::compile).collect(),
            fields: properties.filter_map(|(name, schema)| Some((name.clone(), below(schema)?))).collect(),
            others: below(&schema["additionalProperties"]).map(Box::new),
            items: below(&schema["items"]).map(Box::new),
            keys: keys.filter_map(Value::as_str).map(str::to_owned).collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.here.is_empty() && self.fields.is_empty() && self.others.is_none() && self.items.is_none()
    }

    /// The rules that an object breaks.
    pub(super) fn check(&self, object: &Value, before: Option<&Value>) -> Vec<Cause> {
        let mut causes = Vec::new();
        self.walk(object, before, "", &mut causes);
        causes
    }

    fn walk(&self, value: &Value, before: Option<&Value>, path: &str, causes: &mut Vec<Cause>) {
        if !self.here.is_empty() {
            let (now, past) = (Known::of(value), before.map(Known::of));
            causes.extend(self.here.iter().filter_map(|rule| rule.broken(value, &now, past.as_ref(), path)));
        }
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    let rules = self.fields.get(name).or(self.others.as_deref());
                    let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    if let Some(rules) = rules {
                        rules.walk(value, before.and_then(|before| before.get(name)), &at, causes);
                    }
                }
            }
            Value::Array(items) => {
                let Some(rules) = &self.items else { return };
                for (index, item) in items.iter().enumerate() {
                    let same = |held: &&Value| self.keys.iter().all(|key| held[key] == item[key]);
                    let held = before.and_then(Value::as_array).filter(|_| !self.keys.is_empty());
                    let past = held.and_then(|held| held.iter().find(same));
                    rules.walk(item, past, &format!("{path}[{index}]"), causes);
                }
            }
            _ => {}
        }
    }
}

impl Rule {
    fn compile(rule: &Value) -> Self {
        let text = |name: &str| rule[name].as_str().map(|text| text.trim().to_owned());
        let compiled = |text: &String| Expression::compile(text).ok();
        let expression = text("rule").unwrap_or_default();
        Self {
            expression: compiled(&expression),
            message: text("message"),
            message_expression: text("messageExpression").as_ref().and_then(compiled),
            reason: match rule["reason"].as_str() {
                Some("FieldValueForbidden") => "FieldValueForbidden",
                Some("FieldValueRequired") => "FieldValueRequired",
                Some("FieldValueDuplicate") => "FieldValueDuplicate",
                _ => "FieldValueInvalid",
            },
            field_path: text("fieldPath").unwrap_or_default(),
            needs_past: expression.contains("oldSelf") && rule["optionalOldSelf"] != true,
            text: expression,
        }
    }

    fn broken(&self, value: &Value, now: &Known, past: Option<&Known>, path: &str) -> Option<Cause> {
        if self.needs_past && past.is_none() {
            return None;
        }
        let mut scope = Scope::default();
        scope.add("self", now);
        scope.add("oldSelf", past.unwrap_or(&Known::default()));
        let message = match self.expression.as_ref()?.holds(&scope) {
            Ok(true) | Err(Error::Unknown(_)) => return None,
            Ok(false) => self.message(&scope),
            Err(Error::Failed(error)) => format!("rule evaluation error: {error}"),
        };
        let field =
            path.to_owned() + if path.is_empty() { self.field_path.trim_start_matches('.') } else { &self.field_path };
        let shown = match value {
            Value::Object(_) => Value::from("object"),
            Value::Array(_) => Value::from("array"),
            plain => plain.clone(),
        };
        let message = match self.reason {
            "FieldValueForbidden" => format!("Forbidden: {message}"),
            "FieldValueRequired" => format!("Required value: {message}"),
            "FieldValueDuplicate" => format!("Duplicate value: {shown}"),
            _ => format!("Invalid value: {shown}: {message}"),
        };
        Some(Cause { reason: self.reason, field, message })
    }

    fn message(&self, scope: &Scope<'_>) -> String {
        let said = self.message_expression.as_ref().and_then(|expression| expression.text(scope).ok());
        said.or_else(|| self.message.clone()).unwrap_or_else(|| format!("failed rule: {}", self.text))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn broken(schema: &Value, object: &Value, before: Option<&Value>) -> Vec<String> {
        let causes = Rules::compile(schema).check(object, before);
        causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn rules_speak_of_what_is_and_of_what_was() {
        let schema = json!({"type": "object", "properties": {"spec": {
            "type": "object",
            "x-kubernetes-validations": [
                {"rule": "self.min <= self.max", "messageExpression": "'min ' + string(self.min) + ' is above max'"},
                {"rule": "!has(self.name) || self.name.startsWith('a')", "message": "must start with a"},
            ],
            "properties": {"min": {"type": "integer", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "Value is immutable"}]}},
        }}});
        let spec = |min: i64, name: &str| json!({"spec": {"min": min, "max": 3, "name": name}});
        assert_eq!(broken(&schema, &spec(1, "ab"), None), Vec::<String>::new());
        assert_eq!(
            broken(&schema, &spec(5, "b"), Some(&spec(1, "a"))),
            [
                "spec: Invalid value: \"object\": min 5 is above max",
                "spec: Invalid value: \"object\": must start with a",
                "spec.min: Invalid value: 5: Value is immutable",
            ]
        );
    }

    #[test]
    fn lists_are_asked_item_by_item_and_unknown_functions_decide_nothing() {
        let schema = json!({"type": "object", "x-kubernetes-validations": [
            {"rule": "self.ports.all(p, p > 0) && self.ports.exists(p, p == 80)"},
            {"rule": "isFancy(self.ports)"},
        ]});
        assert_eq!(broken(&schema, &json!({"ports": [80, 443]}), None), Vec::<String>::new());
        let said = broken(&schema, &json!({"ports": [0]}), None);
        assert_eq!(
            said,
            [": Invalid value: \"object\": failed rule: self.ports.all(p, p > 0) && self.ports.exists(p, p == 80)"]
        );
    }
}
