//! Replica sets and replication controllers: as many pods as are wanted.
//!
//! Source: kubernetes/kubernetes `pkg/controller/replicaset`.

use serde_json::{Value, json};

use super::view::{Plan, View, count, is_over, is_ready, name, pod_from, selects, selects_plainly};

/// Brings the pods of every set to the wanted number and says in its status how many there are.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for set in view.of("replicasets") {
        one(view, plan, "replicasets", set, |pod| selects(&set["spec"]["selector"], pod));
    }
    for set in view.of("replicationcontrollers") {
        one(view, plan, "replicationcontrollers", set, |pod| selects_plainly(&set["spec"]["selector"], pod));
    }
}

fn one(view: &View, plan: &mut Plan, plural: &'static str, set: &Value, selects: impl Fn(&Value) -> bool) {
    let pods: Vec<&Value> = view.owned("pods", set).into_iter().filter(|pod| !is_over(pod) && selects(pod)).collect();
    let wanted = count(&set["spec"]["replicas"]);
    let held = i64::try_from(pods.len()).unwrap_or(i64::MAX);
    for _ in held..wanted {
        let mut pod = pod_from(&set["spec"]["template"], set);
        pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
        plan.create("pods", pod);
    }
    if held < wanted {
        plan.say(set, "SuccessfulCreate", format!("Created pods: {}", wanted - held));
    }
    if held > wanted {
        let mut surplus = pods.clone();
        // Those that are not ready go first, then the youngest.
        surplus.sort_by_key(|pod| (is_ready(pod), std::cmp::Reverse(pod["metadata"]["creationTimestamp"].to_string())));
        for pod in surplus.into_iter().take(usize::try_from(held - wanted).unwrap_or(0)) {
            plan.delete("pods", pod);
            plan.say(set, "SuccessfulDelete", format!("Deleted pod: {}", name(pod)));
        }
    }
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let mut next = set.clone();
    let mut status = json!({"replicas": held, "observedGeneration": set["metadata"]["generation"]});
    if held > 0 {
        status["fullyLabeledReplicas"] = json!(held);
    }
    if ready > 0 {
        status["readyReplicas"] = json!(ready);
        status["availableReplicas"] = json!(ready);
    }
    if set["metadata"]["generation"].is_null()
        && let Value::Object(fields) = &mut status
    {
        fields.remove("observedGeneration");
    }
    // Why there are less than are wanted stays said while there are.
    if held < wanted && set["status"]["conditions"].is_array() {
        status["conditions"] = set["status"]["conditions"].clone();
    }
    next["status"] = status;
    plan.replace(plural, set, next);
}
