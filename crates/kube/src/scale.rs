//! The `scale` subresource: how many replicas, whatever the kind.

use serde_json::{Value, json};

use crate::{custom::Path, registry::Resource};

/// The scale of an object.
pub(crate) fn of(row: &Resource, object: &Value) -> Value {
    let metadata = &object["metadata"];
    let (wanted, held, selector) = if let Some(paths) = row.custom().and_then(|version| version.scale.as_ref()) {
        let first = |path: &Path| path.find(object).first().map_or(Value::Null, |found| (*found).clone());
        let selector = paths.selector.as_ref().map(first).and_then(|text| text.as_str().map(str::to_owned));
        (first(&paths.wanted), first(&paths.held), selector.unwrap_or_default())
    } else {
        let selector = &object["spec"]["selector"];
        let labels = if row.is_core("ReplicationController") { selector } else { &selector["matchLabels"] };
        (object["spec"]["replicas"].clone(), object["status"]["replicas"].clone(), pairs(labels))
    };
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
            "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": wanted},
        "status": {"replicas": held.as_u64().unwrap_or(0), "selector": selector},
    })
}

/// The patch of the object that a scale, or a patch of one, stands for. The resource version, if
/// the client names one, stays a condition.
pub(crate) fn replica_patch(row: &Resource, scale: &Value) -> Value {
    let mut patch = json!({});
    let replicas = scale["spec"]["replicas"].clone();
    match row.custom().and_then(|version| version.scale.as_ref()) {
        Some(paths) => paths.wanted.set(&mut patch, replicas),
        None => patch["spec"]["replicas"] = replicas,
    }
    if scale["metadata"]["resourceVersion"].is_string() {
        patch["metadata"] = json!({"resourceVersion": scale["metadata"]["resourceVersion"]});
    }
    patch
}

fn pairs(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> =
        pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    pairs.join(",")
}
