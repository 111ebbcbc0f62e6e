//! The `scale` subresource: how many replicas, whatever the kind.

use serde_json::{Value, json};

/// The scale of an object.
pub(crate) fn of(object: &Value) -> Value {
    let metadata = &object["metadata"];
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
        "spec": {"replicas": object["spec"]["replicas"]},
        "status": {
            "replicas": object["status"]["replicas"].as_u64().unwrap_or(0),
            "selector": selector(&object["spec"]["selector"]["matchLabels"]),
        },
    })
}

/// The patch of the object that a scale, or a patch of one, stands for. The resource version, if
/// the client names one, stays a condition.
pub(crate) fn replica_patch(scale: &Value) -> Value {
    let mut patch = json!({"spec": {"replicas": scale["spec"]["replicas"]}});
    if scale["metadata"]["resourceVersion"].is_string() {
        patch["metadata"] = json!({"resourceVersion": scale["metadata"]["resourceVersion"]});
    }
    patch
}

fn selector(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    let pairs: Vec<String> =
        pairs.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    pairs.join(",")
}
