//! Pods: a node for each, and then the life that a kubelet would report. No container runs; pods are marked as running,
//! those of jobs as having succeeded.
//!
//! Source: kubernetes/kubernetes `pkg/scheduler` for what fits where and its words; the idea of pods that live without a
//! kubelet is sigs.k8s.io/kwok's.

use std::{collections::HashMap, net::Ipv4Addr};

use serde_json::{Value, json};

use super::view::{Plan, View, controller, is_over, name, set_condition, uid};

/// Where pods have their addresses.
const PODS: u32 = 0x0a_f4_00_00;

/// Moves every pod one step further.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    let mut load: HashMap<String, usize> = view.load.clone();
    for pod in view.of("pods").filter(|pod| !is_over(pod)) {
        if let Some(node) = pod["spec"]["nodeName"].as_str() {
            *load.entry(node.to_owned()).or_default() += 1;
        }
    }
    for pod in view.of("pods").filter(|pod| !is_over(pod)) {
        let gated = pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty());
        match pod["spec"]["nodeName"].as_str().filter(|node| !node.is_empty()) {
            None if pod["spec"]["schedulerName"] == "default-scheduler" && !gated => {
                schedule(view, plan, pod, &mut load);
            }
            None => {}
            Some(node) => live(view, plan, pod, node),
        }
    }
}

/// Gives a pod the node with the fewest pods of those that it fits.
fn schedule(view: &View, plan: &mut Plan, pod: &Value, load: &mut HashMap<String, usize>) {
    let spec = &pod["spec"];
    if let Some(claim) = unbound_claim(view, pod) {
        let message =
            format!("0/{} nodes are available: persistentvolumeclaim \"{claim}\" not found.", view.nodes.len());
        return unschedulable(view, plan, pod, &message);
    }
    let (mut unready, mut tainted, mut unfit) = (0, 0, 0);
    let mut open = Vec::new();
    for node in &view.nodes {
        if node["spec"]["unschedulable"] == true {
            unready += 1;
        } else if !tolerated(spec, node) {
            tainted += 1;
        } else if !fits(spec, node) {
            unfit += 1;
        } else {
            open.push(name(node));
        }
    }
    let Some(node) = open.into_iter().min_by_key(|node| (load.get(*node).copied().unwrap_or(0), (*node).to_owned()))
    else {
        let reasons = [
            (unfit, "node(s) didn't match Pod's node affinity/selector"),
            (tainted, "node(s) had untolerated taint(s)"),
            (unready, "node(s) were unschedulable"),
        ];
        let reasons: Vec<String> =
            reasons.iter().filter(|(count, _)| *count > 0).map(|(count, why)| format!("{count} {why}")).collect();
        let total = view.nodes.len();
        let message = if total == 0 {
            "no nodes available to schedule pods".to_owned()
        } else {
            format!("0/{total} nodes are available: {}.", reasons.join(", "))
        };
        return unschedulable(view, plan, pod, &message);
    };
    *load.entry(node.to_owned()).or_default() += 1;
    let mut next = pod.clone();
    next["spec"]["nodeName"] = json!(node);
    set_condition(&mut next["status"], "PodScheduled", "True", "", "", &view.time());
    tidy(&mut next["status"]);
    plan.replace("pods", pod, next);
    plan.say(pod, "Scheduled", format!("Successfully assigned {}/{} to {node}", view.namespace, name(pod)));
}

fn unschedulable(view: &View, plan: &mut Plan, pod: &Value, message: &str) {
    let mut next = pod.clone();
    set_condition(&mut next["status"], "PodScheduled", "False", "Unschedulable", message, &view.time());
    if next != *pod {
        plan.warn(pod, "FailedScheduling", message.to_owned());
    }
    plan.replace("pods", pod, next);
}

fn unbound_claim(view: &View, pod: &Value) -> Option<String> {
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let mut claims = volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str());
    claims.find(|claim| view.named("persistentvolumeclaims", claim).is_none()).map(str::to_owned)
}

/// Conditions do not carry empty reasons.
fn tidy(status: &mut Value) {
    for condition in status["conditions"].as_array_mut().into_iter().flatten() {
        if let Value::Object(fields) = condition {
            fields.retain(|_, value| value != "");
        }
    }
}

/// What a kubelet reports of a pod on its node.
fn live(view: &View, plan: &mut Plan, pod: &Value, node: &str) {
    let Some(node) = view.nodes.iter().find(|held| held["metadata"]["name"] == node) else {
        // Its node is gone, and the pod with it.
        plan.delete("pods", pod);
        return;
    };
    if evicted_by_taint(&pod["spec"], node) {
        plan.warn(pod, "TaintManagerEviction", format!("Marking for deletion Pod {}/{}", view.namespace, name(pod)));
        plan.delete("pods", pod);
        return;
    }
    let running = pod["status"]["phase"] == "Running";
    let finite = controller(pod).is_some_and(|owner| owner["kind"] == "Job");
    let never_again = pod["spec"]["restartPolicy"] != "Always";
    let next = match (running, finite && never_again) {
        (false, _) => {
            plan.say(pod, "Started", "Marked as running".to_owned());
            started(view, pod, node)
        }
        (true, true) => ended(view, pod),
        (true, false) => return,
    };
    plan.replace("pods", pod, next);
}

fn started(view: &View, pod: &Value, node: &Value) -> Value {
    let time = view.time();
    let mut next = pod.clone();
    let status = &mut next["status"];
    status["phase"] = json!("Running");
    status["startTime"] = json!(time);
    let addresses = node["status"]["addresses"].as_array().into_iter().flatten();
    let internal =
        addresses.clone().find(|address| address["type"] == "InternalIP").map(|address| address["address"].clone());
    if let Some(host) = internal {
        status["hostIP"] = host.clone();
        status["hostIPs"] = json!([{"ip": host}]);
    }
    let address =
        if pod["spec"]["hostNetwork"] == true { status["hostIP"].clone() } else { json!(address_of(uid(pod))) };
    status["podIP"] = address.clone();
    status["podIPs"] = json!([{"ip": address}]);
    for kind in ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"] {
        set_condition(status, kind, "True", "", "", &time);
    }
    tidy(status);
    let state = |over: bool| {
        if over {
            json!({"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": time, "finishedAt": time}})
        } else {
            json!({"running": {"startedAt": time}})
        }
    };
    let statuses = |list: &str, init: bool| -> Value {
        let containers = pod["spec"][list].as_array().into_iter().flatten();
        containers
            .map(|container| {
                let over = init && container["restartPolicy"] != "Always";
                json!({"name": container["name"], "image": container["image"], "imageID": "", "ready": true,
                       "started": !over, "restartCount": 0, "state": state(over), "lastState": {},
                       "containerID": format!("noren://{}/{}", uid(pod), container["name"].as_str().unwrap_or_default())})
            })
            .collect()
    };
    if pod["spec"]["initContainers"].is_array() {
        status["initContainerStatuses"] = statuses("initContainers", true);
    }
    status["containerStatuses"] = statuses("containers", false);
    next
}

fn ended(view: &View, pod: &Value) -> Value {
    let time = view.time();
    let mut next = pod.clone();
    let status = &mut next["status"];
    status["phase"] = json!("Succeeded");
    for kind in ["Ready", "ContainersReady"] {
        set_condition(status, kind, "False", "PodCompleted", "", &time);
    }
    tidy(status);
    for container in status["containerStatuses"].as_array_mut().into_iter().flatten() {
        let began = container["state"]["running"]["startedAt"].clone();
        let over = json!({"exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": time});
        container["state"] = json!({"terminated": over});
        container["ready"] = json!(false);
        container["started"] = json!(false);
    }
    next
}

/// An address in 10.244.0.0/16, the same for the same pod.
fn address_of(uid: &str) -> Ipv4Addr {
    let hash = uid.bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
    Ipv4Addr::from(PODS + 1 + hash % 65_533)
}

/// Whether a pod of this spec may stand on a node, by its selector and its required affinity.
pub(super) fn fits(spec: &Value, node: &Value) -> bool {
    let labels = &node["metadata"]["labels"];
    let mut wanted = spec["nodeSelector"].as_object().into_iter().flatten();
    if !wanted.all(|(key, value)| labels[key] == *value) {
        return false;
    }
    let required = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let Some(terms) = required["nodeSelectorTerms"].as_array() else { return true };
    terms.iter().any(|term| {
        let all = |list: &str, value: &dyn Fn(&str) -> Value| {
            term[list].as_array().into_iter().flatten().all(|wanted| {
                let held = value(wanted["key"].as_str().unwrap_or_default());
                let among = wanted["values"].as_array().is_some_and(|values| values.contains(&held));
                let number = |value: &Value| value.as_str().and_then(|text| text.parse::<i64>().ok());
                let bound = number(&wanted["values"][0]);
                match wanted["operator"].as_str() {
                    Some("In") => among,
                    Some("NotIn") => !among,
                    Some("Exists") => !held.is_null(),
                    Some("DoesNotExist") => held.is_null(),
                    Some("Gt") => number(&held) > bound,
                    Some("Lt") => number(&held).is_some() && number(&held) < bound,
                    _ => false,
                }
            })
        };
        all("matchExpressions", &|key| labels[key].clone())
            && all("matchFields", &|key| {
                if key == "metadata.name" { node["metadata"]["name"].clone() } else { Value::Null }
            })
    })
}

fn tolerates(spec: &Value, taint: &Value) -> bool {
    spec["tolerations"].as_array().into_iter().flatten().any(|toleration| {
        let key = toleration["key"].as_str().unwrap_or_default();
        let effect = toleration["effect"].as_str().unwrap_or_default();
        let value = toleration["value"].as_str().unwrap_or_default();
        (key.is_empty() || taint["key"] == key)
            && (effect.is_empty() || taint["effect"] == effect)
            && (toleration["operator"] == "Exists" || taint["value"].as_str().unwrap_or_default() == value)
    })
}

/// Whether a pod of this spec tolerates what keeps pods off a node.
pub(super) fn tolerated(spec: &Value, node: &Value) -> bool {
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    taints.filter(|taint| taint["effect"] != "PreferNoSchedule").all(|taint| tolerates(spec, taint))
}

fn evicted_by_taint(spec: &Value, node: &Value) -> bool {
    let mut taints = node["spec"]["taints"].as_array().into_iter().flatten();
    taints.any(|taint| taint["effect"] == "NoExecute" && !tolerates(spec, taint))
}
