//! The columns of custom kinds: those of their definition, or name and age.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cells::age;
use crate::custom::{Column, Version};

/// The heads of the columns.
pub(super) fn definitions(version: &Version) -> Vec<Value> {
    let name = json!({"name": "Name", "type": "string", "format": "name", "description": "Name", "priority": 0});
    let mut all = vec![name];
    if version.columns.is_empty() {
        all.push(json!({"name": "Age", "type": "date", "format": "", "description": "Age", "priority": 0}));
    }
    all.extend(version.columns.iter().map(|column| {
        json!({"name": column.name, "type": column.value_type, "format": column.format,
               "description": column.description, "priority": column.priority})
    }));
    all
}

/// The cells of one object; null where it has nothing to show.
pub(super) fn cells(version: &Version, object: &Value, now: Timestamp) -> Vec<Value> {
    let metadata = &object["metadata"];
    let mut all = vec![metadata["name"].clone()];
    if version.columns.is_empty() {
        all.push(age(&metadata["creationTimestamp"], now));
    }
    all.extend(version.columns.iter().map(|column| cell(column, object, now)));
    all
}

fn cell(column: &Column, object: &Value, now: Timestamp) -> Value {
    let found = column.path.find(object);
    let Some(first) = found.first() else { return Value::Null };
    match column.value_type.as_str() {
        "date" => age(first, now),
        "integer" | "number" | "boolean" => (*first).clone(),
        _ => {
            let texts = found.iter().map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned));
            json!(texts.collect::<Vec<_>>().join(","))
        }
    }
}
