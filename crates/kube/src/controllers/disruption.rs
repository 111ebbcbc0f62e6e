//! Pod disruption budgets: how many pods may go now.
//!
//! Source: kubernetes/kubernetes `pkg/controller/disruption`.

use serde_json::{Value, json};

use super::view::{Plan, View, is_over, is_ready, resolved, selects, set_condition};

/// Writes the status of every budget.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for budget in view.of("poddisruptionbudgets") {
        let mut next = budget.clone();
        next["status"] = status(view, budget);
        plan.replace("poddisruptionbudgets", budget, next);
    }
}

fn status(view: &View, budget: &Value) -> Value {
    let spec = &budget["spec"];
    let pods: Vec<&Value> = view.of("pods").filter(|pod| !is_over(pod) && selects(&spec["selector"], pod)).collect();
    let expected = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    let healthy = i64::try_from(pods.iter().filter(|pod| is_ready(pod)).count()).unwrap_or(i64::MAX);
    let wanted = if spec["maxUnavailable"].is_null() {
        resolved(&spec["minAvailable"], expected, true)
    } else {
        (expected - resolved(&spec["maxUnavailable"], expected, true)).max(0)
    };
    let allowed = if expected == 0 { 0 } else { (healthy - wanted).max(0) };
    let mut status = json!({
        "currentHealthy": healthy,
        "desiredHealthy": wanted,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": budget["metadata"]["generation"],
    });
    if budget["status"]["conditions"].is_array() {
        status["conditions"] = budget["status"]["conditions"].clone();
    }
    let (holds, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    set_condition(&mut status, "DisruptionAllowed", holds, reason, "", &view.time());
    status
}
