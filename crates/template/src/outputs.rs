//! What a template gives back.

use serde_json::{Map, Value, json};

use super::{NAMES_MAX, Problem, Scope};

/// Evaluates a template's outputs once everything is deployed; `scope` is at runtime.
pub fn outputs(scope: &Scope<'_>, template: &Value) -> Result<Value, Problem> {
    let declared = match template.get("outputs") {
        None | Some(Value::Null) => return Ok(json!({})),
        Some(Value::Object(declared)) => declared,
        Some(_) => return Err(Problem::new("The template's 'outputs' are not an object.")),
    };
    if declared.len() > NAMES_MAX {
        return Err(Problem::new(format!("The template has more than {NAMES_MAX} outputs.")));
    }
    let mut outputs = Map::new();
    for (name, output) in declared {
        if let Some(condition) = output.get("condition")
            && scope.value(condition)? == json!(false)
        {
            continue;
        }
        let shown_type = type_shown(&output["type"]);
        let value = match output.get("copy") {
            Some(copy) => {
                let declared = json!({"name": name, "count": copy["count"], "input": copy["input"]});
                Value::Array(scope.copies(&declared)?.1)
            }
            None => scope.value(&output["value"])?,
        };
        let shown = if shown_type.starts_with("Secure") {
            json!({"type": shown_type})
        } else {
            json!({"type": shown_type, "value": value})
        };
        outputs.insert(name.clone(), shown);
    }
    Ok(Value::Object(outputs))
}

/// A type as documents of deployments spell it: `SecureString`.
pub(super) fn type_shown(declared: &Value) -> String {
    let declared = declared.as_str().unwrap_or("Object");
    for known in ["String", "SecureString", "Int", "Bool", "Array", "Object", "SecureObject"] {
        if known.eq_ignore_ascii_case(declared) {
            return known.to_owned();
        }
    }
    declared.to_owned()
}
