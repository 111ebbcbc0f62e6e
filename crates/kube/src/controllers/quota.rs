//! Resource quotas: how much is in use, said in their status.
//!
//! Source: kubernetes/kubernetes `pkg/controller/resourcequota`.

use serde_json::json;

use super::view::{Plan, View};

/// Writes the status of every quota whose use was counted.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for quota in view.of("resourcequotas") {
        let name = quota["metadata"]["name"].as_str().unwrap_or_default();
        let Some(used) = view.used.get(name) else { continue };
        let mut next = quota.clone();
        next["status"] = json!({"hard": quota["spec"]["hard"], "used": used});
        plan.replace("resourcequotas", quota, next);
    }
}
