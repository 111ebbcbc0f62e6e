//! Daemon sets: one pod on every node that it fits.
//!
//! Source: kubernetes/kubernetes `pkg/controller/daemon`.

use serde_json::{Value, json};

use super::{
    pod::{fits, tolerated},
    revision,
    view::{Plan, View, count, is_ready, name, pod_from, resolved},
};

const REVISION: &str = "controller-revision-hash";
/// What the pods of daemon sets tolerate beside what they say.
const TOLERATED: [(&str, &str); 6] = [
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
];

/// Moves every set one step further.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for set in view.of("daemonsets") {
        one(view, plan, set);
    }
}

fn one(view: &View, plan: &mut Plan, set: &Value) {
    let pods = view.owned("pods", set);
    let revision_of = |pod: &Value| pod["metadata"]["labels"][REVISION].as_str().unwrap_or_default().to_owned();
    let in_use: Vec<String> = pods.iter().map(|pod| revision_of(pod)).collect();
    let newest_name = revision::current(view, plan, set, &in_use);
    let newest = newest_name.rsplit('-').next().unwrap_or_default().to_owned();
    let template = pod_from(&set["spec"]["template"], set);
    let mut tolerant = template.clone();
    let tolerations = TOLERATED.map(|(key, effect)| json!({"key": key, "operator": "Exists", "effect": effect}));
    match tolerant["spec"]["tolerations"].as_array_mut() {
        Some(held) => held.extend(tolerations),
        None => tolerant["spec"]["tolerations"] = json!(tolerations),
    }
    let eligible: Vec<&Value> =
        view.nodes.iter().filter(|node| fits(&tolerant["spec"], node) && tolerated(&tolerant["spec"], node)).collect();
    let on = |node: &Value| pods.iter().find(|pod| pod["spec"]["nodeName"] == node["metadata"]["name"]).copied();
    for node in &eligible {
        if on(node).is_none() {
            let mut pod = tolerant.clone();
            pod["metadata"]["generateName"] = json!(format!("{}-", name(set)));
            pod["metadata"]["labels"][REVISION] = json!(newest);
            pod["spec"]["nodeName"] = node["metadata"]["name"].clone();
            plan.create("pods", pod);
        }
    }
    let misplaced: Vec<&&Value> = pods
        .iter()
        .filter(|pod| !eligible.iter().any(|node| node["metadata"]["name"] == pod["spec"]["nodeName"]))
        .collect();
    for pod in &misplaced {
        plan.delete("pods", pod);
    }
    let placed: Vec<&Value> = eligible.iter().filter_map(|node| on(node)).collect();
    let ready = placed.iter().filter(|pod| is_ready(pod)).count();
    let updated = placed.iter().filter(|pod| revision_of(pod) == newest).count();
    if set["spec"]["updateStrategy"]["type"] != "OnDelete" {
        let wanted = i64::try_from(eligible.len()).unwrap_or(i64::MAX);
        let missing = resolved(&set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"], wanted, true).max(1);
        let spare = missing - (wanted - i64::try_from(ready).unwrap_or(0));
        let stale = placed.iter().filter(|pod| revision_of(pod) != newest);
        stale.take(usize::try_from(spare).unwrap_or(0)).for_each(|pod| plan.delete("pods", pod));
    }
    let mut next = set.clone();
    let mut status = json!({
        "currentNumberScheduled": placed.len(),
        "desiredNumberScheduled": eligible.len(),
        "numberMisscheduled": misplaced.len(),
        "numberReady": ready,
        "observedGeneration": count(&set["metadata"]["generation"]),
    });
    let unavailable = eligible.len() - ready;
    for (field, number) in
        [("updatedNumberScheduled", updated), ("numberAvailable", ready), ("numberUnavailable", unavailable)]
    {
        if number > 0 {
            status[field] = json!(number);
        }
    }
    next["status"] = status;
    plan.replace("daemonsets", set, next);
}
