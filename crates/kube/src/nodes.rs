//! A node object, as the kubelet and the cloud provider of an AKS node would have written it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    object::rfc3339,
    spec::{ClusterSpec, NodeSpec},
};

/// The node's object without uid and creation time.
pub(crate) fn object(cluster: &ClusterSpec, node: &NodeSpec, now: Timestamp) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels(node)},
        "spec": {
            "providerID": format!("azure:///{}/{}", node.node_resource_group, node.name),
            "taints": node.taints.iter().filter_map(|taint| parse_taint(taint)).collect::<Vec<_>>(),
        },
        "status": status(cluster, node, now),
    })
}

fn labels(node: &NodeSpec) -> Map<String, Value> {
    let mode = node.mode.to_ascii_lowercase();
    let mut labels: Map<String, Value> = [
        ("agentpool", node.pool.as_str()),
        ("kubernetes.azure.com/agentpool", &node.pool),
        ("kubernetes.azure.com/cluster", &node.node_resource_group),
        ("kubernetes.azure.com/mode", &mode),
        ("kubernetes.azure.com/node-image-version", &node.node_image_version),
        ("kubernetes.azure.com/role", "agent"),
        ("kubernetes.io/arch", "amd64"),
        ("kubernetes.io/hostname", &node.name),
        ("kubernetes.io/os", &node.os),
        ("node.kubernetes.io/instance-type", &node.vm_size),
        ("topology.kubernetes.io/region", &node.region),
        ("topology.kubernetes.io/zone", node.zone.as_deref().unwrap_or("0")),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), json!(value)))
    .collect();
    labels.extend(node.labels.iter().map(|(key, value)| (key.clone(), json!(value))));
    labels
}

fn status(cluster: &ClusterSpec, node: &NodeSpec, now: Timestamp) -> Value {
    let time = rfc3339(now);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
               "lastHeartbeatTime": time, "lastTransitionTime": time})
    };
    let resources = json!({"cpu": "2", "memory": "8Gi", "pods": "250", "ephemeral-storage": "128Gi"});
    json!({
        "addresses": [
            {"type": "InternalIP", "address": node.internal_ip.to_string()},
            {"type": "Hostname", "address": node.name},
        ],
        "allocatable": resources,
        "capacity": resources,
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
        ],
        "nodeInfo": {
            "architecture": "amd64",
            "bootID": "",
            "containerRuntimeVersion": "containerd://1.7.27-1",
            "kernelVersion": "5.15.0-1092-azure",
            "kubeProxyVersion": "",
            "kubeletVersion": format!("v{}", if node.version.is_empty() { &cluster.version } else { &node.version }),
            "machineID": "",
            "operatingSystem": node.os,
            "osImage": if node.os == "windows" { "Windows Server 2022 Datacenter" } else { "Ubuntu 22.04.5 LTS" },
            "systemUUID": "",
        },
    })
}

/// `key=value:effect` or `key:effect`.
fn parse_taint(text: &str) -> Option<Value> {
    let (label, effect) = text.rsplit_once(':')?;
    let (key, value) = label.split_once('=').unwrap_or((label, ""));
    Some(json!({"key": key, "value": value, "effect": effect}))
}

/// Brings a stored node up to date with its pool: what the pool decides is set, what users added
/// (labels, annotations, taints of their own) stays.
pub(crate) fn refreshed(stored: &Value, wanted: &Value) -> Value {
    let mut next = stored.clone();
    if let Some(Value::Object(labels)) = wanted.pointer("/metadata/labels") {
        if !next["metadata"]["labels"].is_object() {
            next["metadata"]["labels"] = json!({});
        }
        for (key, value) in labels {
            next["metadata"]["labels"][key] = value.clone();
        }
    }
    for path in ["addresses", "nodeInfo", "allocatable", "capacity"] {
        next["status"][path] = wanted["status"][path].clone();
    }
    next
}
