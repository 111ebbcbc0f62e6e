//! Small steps over JSON objects: what "absent", "choose for me" and "as it was" mean in a body.

use serde_json::{Map, Value};

/// A JSON object.
pub(super) type Fields = Map<String, Value>;

/// Whether a value leaves the choice to the service: absent, `null` or an empty text.
pub(super) fn is_open(value: Option<&Value>) -> bool {
    value.is_none_or(|value| value.is_null() || value == "")
}

/// Drops every property that leaves the choice to the service.
pub(super) fn drop_open(fields: &mut Fields) {
    fields.retain(|_, value| !is_open(Some(value)));
}

/// Sets a property whose choice is open.
pub(super) fn default(fields: &mut Fields, name: &str, value: Value) {
    if is_open(fields.get(name)) {
        fields.insert(name.to_owned(), value);
    }
}

/// The object at `name`; anything else there is replaced by an empty one.
pub(super) fn object<'a>(fields: &'a mut Fields, name: &str) -> &'a mut Fields {
    let slot = fields.entry(name.to_owned()).or_insert(Value::Null);
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(object) => object,
        _ => unreachable!("invariant: the slot was made an object above"),
    }
}

/// Takes every property that `fields` leaves open from what was there before.
pub(super) fn inherit(fields: &mut Fields, before: &Fields) {
    for (name, value) in before {
        default(fields, name, value.clone());
    }
}

/// The text at `name`; an empty one counts as absent.
pub(super) fn text<'a>(fields: &'a Fields, name: &str) -> Option<&'a str> {
    fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// The same fields, the named ones first and in this order.
pub(super) fn ordered(mut fields: Fields, order: &[&str]) -> Fields {
    let mut sorted = Fields::with_capacity(fields.len());
    for name in order {
        if let Some(value) = fields.shift_remove(*name) {
            sorted.insert((*name).to_owned(), value);
        }
    }
    sorted.extend(fields);
    sorted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_text_asks_for_the_default_and_then_for_what_was() {
        let Value::Object(mut fields) = json!({"a": "", "b": null, "c": "x"}) else { unreachable!() };
        let Value::Object(before) = json!({"a": "was", "c": "was", "d": [1]}) else { unreachable!() };
        inherit(&mut fields, &before);
        default(&mut fields, "b", json!("default"));
        let sorted = Value::Object(ordered(fields, &["d", "c"]));
        assert_eq!(sorted.to_string(), r#"{"d":[1],"c":"x","a":"was","b":"default"}"#);
    }
}
