//! A node object, as the kubelet and the cloud provider of an AKS node would have written it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    object::rfc3339,
    registry::Resource,
    spec::{Capacity, ClusterSpec, NodeSpec},
};

/// The node's object without uid.
pub(crate) fn object(cluster: &ClusterSpec, node: &NodeSpec, now: Timestamp) -> Value {
    let born = node.born.unwrap_or(now);
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name, "labels": labels(node), "creationTimestamp": rfc3339(born)},
        "spec": {
            "providerID": format!("azure:///{}/{}", node.node_resource_group, node.name),
            "taints": node.taints.iter().filter_map(|taint| parse_taint(taint)).collect::<Vec<_>>(),
        },
        "status": status(cluster, node, born, now),
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

fn status(cluster: &ClusterSpec, node: &NodeSpec, born: Timestamp, now: Timestamp) -> Value {
    let (born, now) = (rfc3339(born), rfc3339(now));
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
               "lastHeartbeatTime": now, "lastTransitionTime": born})
    };
    json!({
        "addresses": [
            {"type": "InternalIP", "address": node.internal_ip.to_string()},
            {"type": "Hostname", "address": node.name},
        ],
        "allocatable": allocatable(node.capacity),
        "capacity": capacity(node.capacity),
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

fn capacity(of: Capacity) -> Value {
    json!({
        "cpu": of.vcpus.to_string(),
        "ephemeral-storage": format!("{}Gi", of.disk_gib),
        "hugepages-1Gi": "0",
        "hugepages-2Mi": "0",
        "memory": format!("{}Ki", u64::from(of.memory_mib) * 1024),
        "pods": of.pods.to_string(),
    })
}

/// What AKS leaves to pods of a node's capacity.
///
/// Source: Microsoft's "Node resource reservations in AKS", for Kubernetes 1.29 and later.
fn allocatable(of: Capacity) -> Value {
    /// Virtual CPUs → thousandths of one that are reserved.
    const CPU_RESERVED: [(u32, u64); 7] = [(64, 740), (32, 420), (16, 260), (8, 180), (4, 140), (2, 100), (0, 60)];
    /// The kubelet evicts pods when this much memory is left, in MiB.
    const EVICTION_MIB: u64 = 100;
    let cpu_reserved = CPU_RESERVED.iter().find(|(vcpus, _)| of.vcpus >= *vcpus).map_or(0, |(_, reserved)| *reserved);
    let memory = u64::from(of.memory_mib);
    let memory_reserved = (20 * u64::from(of.pods) + 50).min(memory / 4) + EVICTION_MIB;
    let mut allocatable = capacity(of);
    allocatable["cpu"] =
        json!(format!("{}m", u64::from(of.vcpus) * 1000 - cpu_reserved.min(u64::from(of.vcpus) * 1000)));
    allocatable["memory"] = json!(format!("{}Ki", memory.saturating_sub(memory_reserved) * 1024));
    // The kubelet's own threshold: a tenth of the disk, in bytes.
    allocatable["ephemeral-storage"] = json!((u64::from(of.disk_gib) << 30) / 10 * 9).to_string().into();
    allocatable
}

/// The lease by which a node is known to be alive.
pub(crate) fn lease(node: &Value, now: Timestamp) -> Value {
    let name = &node["metadata"]["name"];
    json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": LEASES, "ownerReferences": [
            {"apiVersion": "v1", "kind": "Node", "name": name, "uid": node["metadata"]["uid"]}
        ]},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": micro(now)},
    })
}

/// The namespace of the nodes' leases.
pub(crate) const LEASES: &str = "kube-node-lease";

/// Whether objects of a kind show a heart that beats.
pub(crate) fn beats(row: &Resource) -> bool {
    row.kind == "Lease" && row.custom().is_none()
}

/// Shows a node's lease as its kubelet would have renewed it by now: a node lives as long as this server does, and nothing
/// is written for it.
pub(crate) fn beat(row: &Resource, object: &mut Value, now: Timestamp) {
    if !beats(row) || object["metadata"]["namespace"] != LEASES {
        return;
    }
    let beat = Timestamp::from_second(now.as_second() / BEAT_S * BEAT_S).map_or_else(|_| micro(now), micro);
    let owned = object["metadata"]["ownerReferences"][0]["kind"] == "Node";
    if owned && object["spec"]["renewTime"].as_str().is_some_and(|held| *held < *beat) {
        object["spec"]["renewTime"] = json!(beat);
    }
}

/// How often a kubelet renews its lease, in seconds.
const BEAT_S: i64 = 10;

/// RFC 3339 with microseconds, as leases have it.
fn micro(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aks_keeps_a_part_of_a_node_for_itself() {
        let left = |vcpus, memory_gib: u32, pods| {
            let left = allocatable(Capacity { vcpus, memory_mib: memory_gib * 1024, disk_gib: 128, pods });
            (left["cpu"].as_str().unwrap().to_owned(), left["memory"].as_str().unwrap().to_owned())
        };
        let text = |cpu: &str, mib: u64| (cpu.to_owned(), format!("{}Ki", mib * 1024));
        assert_eq!(left(2, 8, 30), text("1900m", 8192 - 650 - 100));
        assert_eq!(left(8, 32, 250), text("7820m", 32_768 - 5050 - 100));
        assert_eq!(left(2, 4, 250), text("1900m", 4096 - 1024 - 100));
    }
}
