//! What a deployment's status says where no pod ever runs.
//!
//! A real cluster's deployment controller writes it. Here nothing starts pods, and the status says so
//! in the terms clients know: the wish is observed, no replica is available, and no progress will be
//! made, so that `kubectl rollout status` ends at once instead of waiting for ever. Whoever runs
//! controllers of their own writes another status, which stays until the wish changes.
//!
//! Source: k8s.io/api `apps/v1` and kubernetes/kubernetes `pkg/controller/deployment`.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::object::rfc3339;

/// Why nothing happens.
const NO_PODS: &str = "nothing starts pods in this cluster: objects are kept, containers do not run";

/// Writes the status of a deployment whose wish has changed since it was last looked at.
pub(crate) fn observe(deployment: &mut Value, now: Timestamp) {
    let generation = deployment["metadata"]["generation"].clone();
    if deployment["status"]["observedGeneration"] == generation {
        return;
    }
    let wanted = deployment["spec"]["replicas"].as_u64().unwrap_or(1);
    let time = rfc3339(now);
    let condition = |kind: &str, holds: bool, reason: &str, message: &str| {
        json!({"type": kind, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message,
               "lastUpdateTime": time, "lastTransitionTime": time})
    };
    let conditions = if wanted == 0 {
        json!([
            condition("Available", true, "MinimumReplicasAvailable", "Deployment has minimum availability."),
            condition("Progressing", true, "NewReplicaSetAvailable", "no replicas are wanted"),
        ])
    } else {
        json!([
            condition("Available", false, "MinimumReplicasUnavailable", NO_PODS),
            condition("Progressing", false, "ProgressDeadlineExceeded", NO_PODS),
        ])
    };
    let mut status = json!({"observedGeneration": generation, "conditions": conditions});
    if wanted > 0 {
        status["unavailableReplicas"] = json!(wanted);
    }
    deployment["status"] = status;
}
