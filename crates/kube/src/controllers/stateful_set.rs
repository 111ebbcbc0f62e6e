//! Stateful sets: pods with names and claims of their own, one after the other.
//!
//! Source: kubernetes/kubernetes `pkg/controller/statefulset`.

use serde_json::{Value, json};

use super::{
    revision,
    view::{Plan, View, count, is_ready, name, pod_from},
};

const REVISION: &str = "controller-revision-hash";

/// Moves every set one step further.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for set in view.of("statefulsets") {
        one(view, plan, set);
    }
}

fn ordinal(set: &Value, pod: &Value) -> Option<i64> {
    name(pod).strip_prefix(name(set))?.strip_prefix('-')?.parse().ok()
}

fn one(view: &View, plan: &mut Plan, set: &Value) {
    let spec = &set["spec"];
    let wanted = count(&spec["replicas"]);
    let first = count(&spec["ordinals"]["start"]);
    let mut pods: Vec<(i64, &Value)> =
        view.owned("pods", set).into_iter().filter_map(|pod| Some((ordinal(set, pod)?, pod))).collect();
    pods.sort_by_key(|(ordinal, _)| *ordinal);
    let revision_of = |pod: &Value| pod["metadata"]["labels"][REVISION].as_str().unwrap_or_default().to_owned();
    let in_use: Vec<String> = pods.iter().map(|(_, pod)| revision_of(pod)).collect();
    let newest = revision::current(view, plan, set, &in_use);
    let current = set["status"]["currentRevision"].as_str().unwrap_or(&newest).to_owned();
    let parallel = spec["podManagementPolicy"] == "Parallel";
    let partition = count(&spec["updateStrategy"]["rollingUpdate"]["partition"]);
    let mut settled = true;
    for index in first..first + wanted {
        let pod = pods.iter().find(|(ordinal, _)| *ordinal == index).map(|(_, pod)| *pod);
        match pod {
            Some(pod) => settled &= is_ready(pod),
            None if settled || parallel => {
                claims(view, plan, set, index);
                plan.create("pods", new_pod(set, index, &newest));
                settled = false;
            }
            None => {}
        }
        if !settled && !parallel {
            break;
        }
    }
    let surplus: Vec<&Value> = pods
        .iter()
        .rev()
        .filter(|(ordinal, _)| *ordinal >= first + wanted || *ordinal < first)
        .map(|(_, pod)| *pod)
        .collect();
    let together = if parallel { surplus.len() } else { 1 };
    surplus.iter().take(together).for_each(|pod| plan.delete("pods", pod));
    // From the last to the first, one at a time, and only while all are well.
    if settled && surplus.is_empty() && spec["updateStrategy"]["type"] != "OnDelete" {
        let stale =
            pods.iter().rev().find(|(ordinal, pod)| *ordinal >= first + partition && revision_of(pod) != newest);
        if let Some((_, pod)) = stale {
            plan.delete("pods", pod);
        }
    }
    let updated = pods.iter().filter(|(_, pod)| revision_of(pod) == newest).count();
    let ready = pods.iter().filter(|(_, pod)| is_ready(pod)).count();
    let done = i64::try_from(updated) == Ok(wanted) && i64::try_from(ready) == Ok(wanted) && surplus.is_empty();
    let current = if done { newest.clone() } else { current };
    let held = pods.iter().filter(|(_, pod)| revision_of(pod) == current).count();
    let mut next = set.clone();
    let mut status = json!({
        "observedGeneration": set["metadata"]["generation"],
        "replicas": pods.len(),
        "availableReplicas": ready,
        "collisionCount": 0,
        "currentRevision": current,
        "updateRevision": newest,
    });
    for (field, number) in [("readyReplicas", ready), ("currentReplicas", held), ("updatedReplicas", updated)] {
        if number > 0 {
            status[field] = json!(number);
        }
    }
    next["status"] = status;
    plan.replace("statefulsets", set, next);
}

fn new_pod(set: &Value, index: i64, revision: &str) -> Value {
    let pod_name = format!("{}-{index}", name(set));
    let mut pod = pod_from(&set["spec"]["template"], set);
    pod["metadata"]["name"] = json!(pod_name);
    let labels = &mut pod["metadata"]["labels"];
    labels["statefulset.kubernetes.io/pod-name"] = json!(pod_name);
    labels["apps.kubernetes.io/pod-index"] = json!(index.to_string());
    labels[REVISION] = json!(revision);
    pod["spec"]["hostname"] = json!(pod_name);
    if set["spec"]["serviceName"].as_str().is_some_and(|service| !service.is_empty()) {
        pod["spec"]["subdomain"] = set["spec"]["serviceName"].clone();
    }
    for template in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let claim = json!({"claimName": format!("{}-{pod_name}", name(template))});
        let volume = json!({"name": name(template), "persistentVolumeClaim": claim});
        match pod["spec"]["volumes"].as_array_mut() {
            Some(volumes) => volumes.push(volume),
            None => pod["spec"]["volumes"] = json!([volume]),
        }
    }
    pod
}

fn claims(view: &View, plan: &mut Plan, set: &Value, index: i64) {
    for template in set["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
        let claim_name = format!("{}-{}-{index}", name(template), name(set));
        if view.named("persistentvolumeclaims", &claim_name).is_some() {
            continue;
        }
        let mut claim = json!({"metadata": template["metadata"], "spec": template["spec"]});
        claim["metadata"]["name"] = json!(claim_name);
        claim["metadata"]["namespace"] = set["metadata"]["namespace"].clone();
        for (key, value) in set["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten() {
            claim["metadata"]["labels"][key] = value.clone();
        }
        plan.create("persistentvolumeclaims", claim);
    }
}
