//! Autoscalers: the bounds are kept; metrics there are none, and the status says so.
//!
//! Source: kubernetes/kubernetes `pkg/controller/podautoscaler`, whose words these are when no metrics are served.

use serde_json::{Value, json};

use super::view::{Plan, View, count, set_condition};

const NO_METRICS: &str = "the HPA was unable to compute the replica count: failed to get cpu utilization: unable to get metrics \
                          for resource cpu: unable to fetch metrics from resource metrics API: the server could not find \
                          the requested resource (get pods.metrics.k8s.io)";

/// Keeps every target within its bounds.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for scaler in view.of("horizontalpodautoscalers") {
        one(view, plan, scaler);
    }
}

fn one(view: &View, plan: &mut Plan, scaler: &Value) {
    let reference = &scaler["spec"]["scaleTargetRef"];
    let plural = match reference["kind"].as_str() {
        Some("Deployment") => "deployments",
        Some("StatefulSet") => "statefulsets",
        Some("ReplicaSet") => "replicasets",
        Some("ReplicationController") => "replicationcontrollers",
        _ => return,
    };
    let mut next = scaler.clone();
    let time = view.time();
    let status = &mut next["status"];
    let target = view.named(plural, reference["name"].as_str().unwrap_or_default());
    if let Some(target) = target {
        let held = count(&target["spec"]["replicas"]);
        let (least, most) = (count(&scaler["spec"]["minReplicas"]), count(&scaler["spec"]["maxReplicas"]));
        let wanted = if held == 0 { 0 } else { held.clamp(least, most.max(least)) };
        if wanted != held {
            let mut resized = target.clone();
            resized["spec"]["replicas"] = json!(wanted);
            resized["metadata"]["generation"] = json!(count(&target["metadata"]["generation"]) + 1);
            plan.replace(plural, target, resized);
            let why = if held < least { "below Spec.MinReplicas" } else { "above Spec.MaxReplicas" };
            plan.say(
                scaler,
                "SuccessfulRescale",
                format!("New size: {wanted}; reason: Current number of replicas {why}"),
            );
        }
        status["currentReplicas"] = json!(count(&target["status"]["replicas"]));
        status["desiredReplicas"] = json!(wanted);
        let message = "the HPA controller was able to get the target's current scale";
        set_condition(status, "AbleToScale", "True", "SucceededGetScale", message, &time);
        if held == 0 {
            let message = "scaling is disabled since the replica count of the target is zero";
            set_condition(status, "ScalingActive", "False", "ScalingDisabled", message, &time);
        } else {
            set_condition(status, "ScalingActive", "False", "FailedGetResourceMetric", NO_METRICS, &time);
        }
    } else {
        let name = reference["name"].as_str().unwrap_or_default();
        let message = format!(
            "the HPA controller was unable to get the target's current scale: {plural}.apps \"{name}\" not found"
        );
        set_condition(status, "AbleToScale", "False", "FailedGetScale", &message, &time);
    }
    plan.replace("horizontalpodautoscalers", scaler, next);
}
