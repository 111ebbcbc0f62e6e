//! What Azure's own tools print, in any mix: `az … -o json`, `az rest`, Resource Graph, what-if.

use azure::{Json, ResourceId};
use serde_json::{Map, Value};

use crate::{SourceFinding, draft::Draft};

/// Lists within lists are looked into this deep.
const DEPTH_MAX: usize = 8;

/// Takes in an object, or a list of them, from `place`.
pub(crate) fn read(draft: &mut Draft, place: &str, value: Value) {
    deeper(draft, place, value, 0);
}

fn deeper(draft: &mut Draft, place: &str, value: Value, depth: usize) {
    match value {
        Value::Array(items) if depth < DEPTH_MAX => {
            for item in items {
                deeper(draft, place, item, depth + 1);
            }
        }
        Value::Object(object) => self::object(draft, place, object, depth),
        _ => draft.nameless(place),
    }
}

fn object(draft: &mut Draft, place: &str, mut object: Map<String, Value>, depth: usize) {
    let id = object.get("id").and_then(|id| Json::new(id).parsed::<ResourceId>());
    if let Some(id) = id {
        draft.add(id, object);
    } else if let Some(Value::Array(changes)) = object.get_mut("changes").map(Value::take) {
        for change in changes {
            changed(draft, place, change);
        }
    } else if let Some(Value::Array(items)) = object.remove("value") {
        if Json::new(object.get("nextLink").unwrap_or(&Value::Null)).text().is_some() {
            let message = "a list that goes on (`nextLink`): what comes after its first page is missing";
            draft.find(SourceFinding::warning("Truncated", message).at(place));
        }
        deeper(draft, place, Value::Array(items), depth + 1);
    } else if let Some(data) = object.remove("data") {
        truncation(draft, place, &object);
        match data {
            Value::Object(table) => self::table(draft, place, table),
            rows => deeper(draft, place, rows, depth + 1),
        }
    } else {
        draft.nameless(place);
    }
}

/// Resource Graph answers at most a thousand rows at a time and says whether there are more.
fn truncation(draft: &mut Draft, place: &str, answer: &Map<String, Value>) {
    let answer = Value::Object(answer.clone());
    let number = |names: [&str; 2]| names.iter().find_map(|name| Json::new(&answer).get(name).number());
    let token =
        ["skipToken", "$skipToken", "skip_token"].iter().any(|name| Json::new(&answer).get(name).text().is_some());
    let (count, total) = (number(["count", "count"]), number(["totalRecords", "total_records"]));
    let fewer = count.zip(total).is_some_and(|(count, total)| count < total);
    let cut = Json::new(&answer).get("resultTruncated");
    let cut = cut.flag().unwrap_or_else(|| cut.text().is_some_and(|text| text.eq_ignore_ascii_case("true")));
    if token || fewer || cut {
        let has = count.zip(total).map_or(String::new(), |(count, total)| format!(" ({count} of {total} rows)"));
        let message =
            format!("only a part of Resource Graph's answer{has}: ask again with `--skip-token`, or `--first 1000`");
        draft.find(SourceFinding::warning("Truncated", message).at(place));
    }
}

/// Resource Graph's table format: names of columns, then rows of values.
fn table(draft: &mut Draft, place: &str, table: Map<String, Value>) {
    let table = Value::Object(table);
    let names: Vec<&str> =
        Json::new(&table).get("columns").items().filter_map(|column| column.get("name").text()).collect();
    for row in Json::new(&table).get("rows").items() {
        let cells = row.value().and_then(Value::as_array).into_iter().flatten();
        let object = names.iter().zip(cells).map(|(name, cell)| ((*name).to_owned(), cell.clone())).collect();
        self::object(draft, place, object, DEPTH_MAX);
    }
}

/// One change of `az deployment … what-if --no-pretty-print`: the resource as it will be.
fn changed(draft: &mut Draft, place: &str, mut change: Value) {
    let will_be = if Json::new(&change).get("changeType").text() == Some("Delete") {
        return;
    } else if change["after"].is_object() {
        change["after"].take()
    } else {
        change["before"].take()
    };
    match (Json::new(&change).get("resourceId").id(), will_be) {
        (Some(id), Value::Object(object)) => draft.add(id, object),
        _ => draft.nameless(place),
    }
}
