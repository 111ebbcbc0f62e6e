//! What a cluster has from its first moment on: namespaces, the service `kubernetes`, roles and what AKS brings.

use serde_json::{Value, json};

use crate::{rbac, services, system};

/// The namespaces every cluster has.
const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// Every object, by its plural. The services have the addresses that AKS gives them: the first and the tenth of the range.
pub(crate) fn objects(service_cidr: &str) -> Vec<(&'static str, Value)> {
    let mut all: Vec<(&str, Value)> =
        NAMESPACES.iter().map(|name| ("namespaces", json!({"metadata": {"name": name}}))).collect();
    let address = |index| services::address(service_cidr, index);
    let kubernetes = json!({
        "metadata": {"name": "kubernetes", "namespace": "default",
                     "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 443}]},
    });
    all.push(("services", kubernetes));
    all.extend(rbac::default_objects());
    all.extend(system::objects());
    for (_, service) in all.iter_mut().filter(|(plural, _)| *plural == "services") {
        let address = address(if service["metadata"]["name"] == "kubernetes" { 0 } else { 9 });
        service["spec"]["clusterIP"] = json!(address);
        service["spec"]["clusterIPs"] = json!([address]);
    }
    all
}
