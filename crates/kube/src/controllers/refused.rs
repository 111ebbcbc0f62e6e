//! What is said when admission refuses what a controller makes.
//!
//! Source: kubernetes/kubernetes `pkg/controller/controller_utils.go`, `pkg/controller/replicaset`,
//! `pkg/controller/statefulset/stateful_pod_control.go`.

use serde_json::Value;

use super::view::{Plan, View, Write, controller, name, set_condition, uid};

/// Says of the owner of a refused object why it has less than it wants.
pub(super) fn tell(view: &View, plan: &mut Plan, object: &Value, why: &str) {
    let Some(owner) = controller(object) else { return };
    let kinds = ["replicasets", "replicationcontrollers", "statefulsets", "daemonsets", "jobs", "cronjobs"];
    let found = kinds.into_iter().find_map(|plural| {
        let owner = view.of(plural).find(|held| uid(held) == owner["uid"])?;
        Some((plural, owner))
    });
    let Some((plural, owner)) = found else { return };
    if plan.events.iter().any(|(about, reason, ..)| *reason == "FailedCreate" && uid(about) == uid(owner)) {
        return;
    }
    plan.events.retain(|(about, reason, ..)| *reason != "SuccessfulCreate" || uid(about) != uid(owner));
    let message = if plural == "statefulsets" {
        format!("create Pod {} in StatefulSet {} failed error: {why}", name(object), name(owner))
    } else {
        format!("Error creating: {why}")
    };
    plan.warn(owner, "FailedCreate", message);
    if matches!(plural, "replicasets" | "replicationcontrollers") {
        let time = view.time();
        let mut next = owner.clone();
        for write in &mut plan.writes {
            if let Write::Replace(_, before, next) = write
                && uid(before) == uid(owner)
            {
                set_condition(&mut next["status"], "ReplicaFailure", "True", "FailedCreate", why, &time);
                return;
            }
        }
        set_condition(&mut next["status"], "ReplicaFailure", "True", "FailedCreate", why, &time);
        plan.replace(plural, owner, next);
    }
}
