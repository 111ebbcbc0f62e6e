//! The names and values of tags that resources of a subscription have: `az tag list`.
//!
//! Tags that are created without any resource (`az tag create -n`) are not kept.
//!
//! Source: Azure REST specification, `Microsoft.Resources` 2021-04-01, `Tags_List`.

use std::collections::BTreeMap;

use azure::{Estate, ResourceId};
use serde_json::{Value, json};

/// `GET /subscriptions/S/tagNames`. Names are the same without regard to case, values are not.
pub fn list(estate: &Estate, subscription: &ResourceId) -> Value {
    let mut used: BTreeMap<String, (String, BTreeMap<String, u64>)> = BTreeMap::new();
    for resource in estate.below(subscription) {
        let document = resource.document().value();
        for (name, value) in document.get("tags").and_then(Value::as_object).into_iter().flatten() {
            let (_, values) = used.entry(name.to_lowercase()).or_insert_with(|| (name.clone(), BTreeMap::new()));
            *values.entry(value.as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
    }
    let count = |number: u64| json!({"type": "Total", "value": number});
    let tags = used.into_values().map(|(name, values)| {
        let id = format!("{subscription}/tagNames/{name}");
        let total = values.values().sum();
        let values = values.into_iter().map(|(value, number)| {
            json!({"id": format!("{id}/tagValues/{value}"), "tagValue": value, "count": count(number)})
        });
        json!({"id": id, "tagName": name, "count": count(total), "values": values.collect::<Vec<_>>()})
    });
    json!({"value": tags.collect::<Vec<_>>()})
}
