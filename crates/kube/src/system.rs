//! What a new AKS cluster has in it: storage classes, priority classes, and in `kube-system` the workloads of AKS.
//!
//! Pure. Source: Microsoft's documentation "Storage options for applications in AKS", "System node pools", and what
//! `kubectl get all -n kube-system` shows on a new cluster. The workloads are marked as running, as all are.

use serde_json::{Value, json};

/// The annotation of the class that claims without a class have.
const DEFAULT: &str = "storageclass.kubernetes.io/is-default-class";

/// A class: name, driver, its sku, how volumes are bound, whether it is the default.
const CLASSES: [(&str, &str, &str, &str); 9] = [
    ("azurefile", "file.csi.azure.com", "Standard_LRS", "Immediate"),
    ("azurefile-csi", "file.csi.azure.com", "Standard_LRS", "Immediate"),
    ("azurefile-csi-premium", "file.csi.azure.com", "Premium_LRS", "Immediate"),
    ("azurefile-premium", "file.csi.azure.com", "Premium_LRS", "Immediate"),
    ("default", "disk.csi.azure.com", "StandardSSD_LRS", "WaitForFirstConsumer"),
    ("managed", "disk.csi.azure.com", "StandardSSD_LRS", "WaitForFirstConsumer"),
    ("managed-csi", "disk.csi.azure.com", "StandardSSD_LRS", "WaitForFirstConsumer"),
    ("managed-csi-premium", "disk.csi.azure.com", "Premium_LRS", "WaitForFirstConsumer"),
    ("managed-premium", "disk.csi.azure.com", "Premium_LRS", "WaitForFirstConsumer"),
];

/// A workload: kind, name, its label `k8s-app`, image, replicas.
const WORKLOADS: [(&str, &str, &str, &str, u32); 10] = [
    ("Deployment", "coredns", "kube-dns", "mcr.microsoft.com/oss/v2/kubernetes/coredns:v1.12.1", 2),
    (
        "Deployment",
        "coredns-autoscaler",
        "coredns-autoscaler",
        "mcr.microsoft.com/oss/v2/kubernetes/autoscaler/cluster-proportional-autoscaler:v1.9.0",
        1,
    ),
    (
        "Deployment",
        "konnectivity-agent",
        "konnectivity-agent",
        "mcr.microsoft.com/oss/v2/kubernetes/apiserver-network-proxy/agent:v0.31.4",
        2,
    ),
    ("Deployment", "metrics-server", "metrics-server", "mcr.microsoft.com/oss/v2/kubernetes/metrics-server:v0.7.2", 2),
    ("DaemonSet", "azure-cns", "azure-cns", "mcr.microsoft.com/containernetworking/azure-cns:v1.6.21", 0),
    ("DaemonSet", "azure-ip-masq-agent", "azure-ip-masq-agent", "mcr.microsoft.com/aks/ip-masq-agent-v2:v0.1.15", 0),
    (
        "DaemonSet",
        "cloud-node-manager",
        "cloud-node-manager",
        "mcr.microsoft.com/oss/v2/kubernetes/azure-cloud-node-manager:v1.33.1",
        0,
    ),
    (
        "DaemonSet",
        "csi-azuredisk-node",
        "csi-azuredisk-node",
        "mcr.microsoft.com/oss/v2/kubernetes-csi/azuredisk-csi:v1.33.1",
        0,
    ),
    (
        "DaemonSet",
        "csi-azurefile-node",
        "csi-azurefile-node",
        "mcr.microsoft.com/oss/v2/kubernetes-csi/azurefile-csi:v1.33.1",
        0,
    ),
    ("DaemonSet", "kube-proxy", "kube-proxy", "mcr.microsoft.com/oss/v2/kubernetes/kube-proxy:v1.33.2", 0),
];

/// Every object, by its plural; those of namespaces are in `kube-system`.
pub(crate) fn objects() -> Vec<(&'static str, Value)> {
    let mut all: Vec<(&str, Value)> = CLASSES.iter().map(|class| ("storageclasses", storage_class(*class))).collect();
    for (name, value) in [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)] {
        let description = format!(
            "Used for system critical pods that must {}.",
            if name.contains("node") {
                "not be moved from their current node"
            } else {
                "run in the cluster, but can be moved to another node if necessary"
            }
        );
        let class = json!({"metadata": {"name": name}, "value": value, "description": description});
        all.push(("priorityclasses", class));
    }
    all.push(("services", json!({
        "metadata": {"name": "kube-dns", "namespace": "kube-system",
                     "labels": {"k8s-app": "kube-dns", "kubernetes.io/cluster-service": "true", "kubernetes.io/name": "CoreDNS"}},
        "spec": {"selector": {"k8s-app": "kube-dns"},
                 "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53, "protocol": "TCP"}]},
    })));
    all.extend(WORKLOADS.iter().map(|workload| {
        (if workload.0 == "Deployment" { "deployments" } else { "daemonsets" }, self::workload(*workload))
    }));
    all
}

fn storage_class((name, driver, sku, binding): (&str, &str, &str, &str)) -> Value {
    let mut class = json!({
        "metadata": {"name": name, "labels": {"addonmanager.kubernetes.io/mode": "EnsureExists",
                                               "kubernetes.io/cluster-service": "true"}},
        "provisioner": driver,
        "parameters": {"skuname": sku},
        "allowVolumeExpansion": true,
        "volumeBindingMode": binding,
    });
    if name == "default" {
        class["metadata"]["annotations"] = json!({DEFAULT: "true"});
    }
    class
}

fn workload((kind, name, app, image, replicas): (&str, &str, &str, &str, u32)) -> Value {
    let labels = json!({"k8s-app": app, "kubernetes.azure.com/managedby": "aks"});
    let mut spec = json!({
        "selector": {"matchLabels": {"k8s-app": app}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {
                "priorityClassName": if kind == "Deployment" { "system-cluster-critical" } else { "system-node-critical" },
                "tolerations": [{"operator": "Exists"}],
                "nodeSelector": {"kubernetes.io/os": "linux"},
                "containers": [{"name": name, "image": image}],
            },
        },
    });
    if kind == "Deployment" {
        spec["replicas"] = json!(replicas);
    }
    json!({"metadata": {"name": name, "namespace": "kube-system", "labels": labels}, "spec": spec})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_class_is_the_default() {
        let classes = objects().into_iter().filter(|(plural, _)| *plural == "storageclasses");
        let default = classes.filter(|(_, class)| class["metadata"]["annotations"][DEFAULT] == "true");
        assert_eq!(default.count(), 1);
    }
}
