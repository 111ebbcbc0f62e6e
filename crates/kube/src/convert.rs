//! Kinds that are kept once and served in several versions or groups: an object as another of them shows it.
//!
//! Source: kubernetes/kubernetes `pkg/apis/autoscaling/v1/conversion.go`, `pkg/apis/events/v1/conversion.go`. The
//! versions of custom kinds differ by name alone.

use serde_json::{Value, json};

use crate::registry::Resource;

/// Events' fields in core and in `events.k8s.io`.
const EVENT_FIELDS: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Where version 1 of autoscalers keeps the metrics that it has no field for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";

/// Makes a stored object one of the version in which it is asked for.
pub(crate) fn serve(row: &Resource, object: &mut Value) {
    let wanted = row.api_version();
    if object["apiVersion"] == wanted.as_str() {
        return;
    }
    match wanted.as_str() {
        "events.k8s.io/v1" => rename(object, EVENT_FIELDS.iter().copied()),
        "v1" => rename(object, EVENT_FIELDS.iter().map(|(core, events)| (*events, *core))),
        "autoscaling/v1" => to_version_1(object),
        "autoscaling/v2" => to_version_2(object),
        _ => {}
    }
    object["apiVersion"] = json!(wanted);
}

fn rename<'a>(object: &mut Value, names: impl Iterator<Item = (&'a str, &'a str)>) {
    let Value::Object(fields) = object else { return };
    for (from, to) in names {
        if let Some(value) = fields.remove(from) {
            fields.insert(to.to_owned(), value);
        }
    }
}

fn is_cpu(metric: &Value) -> bool {
    metric["resource"]["name"] == "cpu" && metric["resource"]["target"]["averageUtilization"].is_number()
}

fn take(object: &mut Value, field: &str) -> Value {
    object.as_object_mut().and_then(|fields| fields.remove(field)).unwrap_or_default()
}

fn to_version_1(object: &mut Value) {
    let metrics = take(&mut object["spec"], "metrics");
    let metrics = metrics.as_array().map_or(&[][..], Vec::as_slice);
    if let Some(cpu) = metrics.iter().find(|metric| is_cpu(metric)) {
        object["spec"]["targetCPUUtilizationPercentage"] = cpu["resource"]["target"]["averageUtilization"].clone();
    }
    let others: Vec<&Value> = metrics.iter().filter(|metric| !is_cpu(metric)).collect();
    if !others.is_empty() {
        object["metadata"]["annotations"][METRICS] = json!(json!(others).to_string());
    }
    if let Value::Object(status) = &mut object["status"] {
        status.remove("conditions");
        status.remove("currentMetrics");
    }
}

fn to_version_2(object: &mut Value) {
    let mut metrics = Vec::new();
    let percentage = take(&mut object["spec"], "targetCPUUtilizationPercentage");
    if percentage.is_number() {
        let target = json!({"type": "Utilization", "averageUtilization": percentage});
        metrics.push(json!({"type": "Resource", "resource": {"name": "cpu", "target": target}}));
    }
    if object["metadata"]["annotations"].is_object() {
        let others = take(&mut object["metadata"]["annotations"], METRICS);
        let others: Vec<Value> = serde_json::from_str(others.as_str().unwrap_or("[]")).unwrap_or_default();
        metrics.extend(others);
    }
    if !metrics.is_empty() {
        object["spec"]["metrics"] = json!(metrics);
    }
    if let Value::Object(status) = &mut object["status"] {
        status.remove("currentCPUUtilizationPercentage");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    #[test]
    fn events_and_autoscalers_are_the_same_in_both_their_versions() {
        let row = |group: &str, version: &str, plural: &str| registry::find(group, version, plural).unwrap();
        let event = json!({"apiVersion": "v1", "message": "m", "involvedObject": {"name": "p"}});
        let mut other = event.clone();
        serve(row("events.k8s.io", "v1", "events"), &mut other);
        assert_eq!(other, json!({"apiVersion": "events.k8s.io/v1", "note": "m", "regarding": {"name": "p"}}));
        serve(row("", "v1", "events"), &mut other);
        assert_eq!(other, event);
        let scaler = json!({"apiVersion": "autoscaling/v2", "metadata": {}, "spec": {"metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}},
            {"type": "Resource", "resource": {"name": "memory"}},
        ]}});
        let mut first = scaler.clone();
        serve(row("autoscaling", "v1", "horizontalpodautoscalers"), &mut first);
        assert_eq!(first["spec"], json!({"targetCPUUtilizationPercentage": 50}));
        serve(row("autoscaling", "v2", "horizontalpodautoscalers"), &mut first);
        assert_eq!(first["spec"], scaler["spec"]);
    }
}
