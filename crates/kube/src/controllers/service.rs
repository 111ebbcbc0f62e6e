//! Services: endpoints and endpoint slices of the pods behind them, addresses for load balancers.
//!
//! Source: kubernetes/kubernetes `pkg/controller/endpoint`, `endpointslice`; the addresses are from 20.0.0.0/8, in which
//! Azure has public addresses.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::view::{Plan, View, controlled_by, is_over, is_ready, name, selects_plainly, uid};

/// By this annotation endpoints are known to be made here.
const CHANGED: &str = "endpoints.kubernetes.io/last-change-trigger-time";

/// Brings the endpoints of every service up to date.
pub(super) fn reconcile(view: &View, plan: &mut Plan) {
    for service in view.of("services") {
        if service["spec"]["type"] != "ExternalName"
            && service["spec"]["selector"].as_object().is_some_and(|s| !s.is_empty())
        {
            endpoints(view, plan, service);
        }
        address(plan, service);
    }
    for endpoints in view.of("endpoints") {
        let managed = endpoints["metadata"]["annotations"][CHANGED].is_string();
        if managed && view.named("services", name(endpoints)).is_none() {
            plan.delete("endpoints", endpoints);
        }
    }
}

fn address(plan: &mut Plan, service: &Value) {
    let mut next = service.clone();
    let wants = service["spec"]["type"] == "LoadBalancer" && service["spec"]["loadBalancerClass"].is_null();
    let has = service["status"]["loadBalancer"]["ingress"].is_array();
    if wants && !has {
        let internal =
            service["metadata"]["annotations"]["service.beta.kubernetes.io/azure-load-balancer-internal"] == "true";
        let wished = service["spec"]["loadBalancerIP"].as_str().and_then(|text| text.parse().ok());
        let hash = uid(service).bytes().fold(5381_u32, |hash, byte| hash.wrapping_mul(33) ^ u32::from(byte));
        let range = if internal { 0x0a_e0_f0_00 + hash % 4000 } else { 0x14_00_00_00 + hash % 0x00ff_fff0 };
        let address: Ipv4Addr = wished.unwrap_or(Ipv4Addr::from(range + 1));
        next["status"]["loadBalancer"] = json!({"ingress": [{"ip": address, "ipMode": "VIP"}]});
        plan.say(service, "EnsuredLoadBalancer", "Ensured load balancer".to_owned());
    } else if !wants
        && has
        && service["spec"]["loadBalancerClass"].is_null()
        && service["spec"]["type"] != "LoadBalancer"
    {
        next["status"]["loadBalancer"] = json!({});
    }
    plan.replace("services", service, next);
}

fn endpoints(view: &View, plan: &mut Plan, service: &Value) {
    let publish = service["spec"]["publishNotReadyAddresses"] == true;
    let mut pods: Vec<&Value> = view
        .of("pods")
        .filter(|pod| {
            !is_over(pod) && selects_plainly(&service["spec"]["selector"], pod) && pod["status"]["podIP"].is_string()
        })
        .collect();
    pods.sort_by_key(|pod| name(pod));
    let target = |pod: &Value| json!({"kind": "Pod", "namespace": view.namespace, "name": name(pod), "uid": uid(pod)});
    let ports: Vec<Value> =
        service["spec"]["ports"].as_array().into_iter().flatten().map(|port| resolved(port, &pods)).collect();
    let item = |pod: &&Value| {
        let ready = publish || is_ready(pod);
        let mut endpoint = json!({
            "addresses": [pod["status"]["podIP"]],
            "conditions": {"ready": ready, "serving": ready, "terminating": false},
            "nodeName": pod["spec"]["nodeName"],
            "targetRef": target(pod),
        });
        if let Some(zone) = zone(view, pod) {
            endpoint["zone"] = json!(zone);
        }
        if pod["spec"]["subdomain"].as_str() == Some(name(service)) {
            endpoint["hostname"] = pod["spec"]["hostname"].clone();
        }
        endpoint
    };
    let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert("endpointslice.kubernetes.io/managed-by".into(), json!("endpointslice-controller.k8s.io"));
    labels.insert("kubernetes.io/service-name".into(), json!(name(service)));
    if service["spec"]["clusterIP"] == "None" {
        labels.insert("service.kubernetes.io/headless".into(), json!(""));
    }
    let (all, wanted_ports) = (pods.iter().map(item).collect::<Vec<_>>(), json!(ports));
    match view.owned("endpointslices", service).first() {
        Some(slice) => {
            let mut next = (*slice).clone();
            next["endpoints"] = json!(all);
            next["ports"] = wanted_ports;
            next["metadata"]["labels"] = json!(labels);
            plan.replace("endpointslices", slice, next);
        }
        None => plan.create(
            "endpointslices",
            json!({
                "metadata": {"generateName": format!("{}-", name(service)), "namespace": view.namespace,
                             "labels": labels, "ownerReferences": controlled_by(service)},
                "addressType": "IPv4", "endpoints": all, "ports": wanted_ports,
            }),
        ),
    }
    let (ready, not_ready): (Vec<&Value>, Vec<&Value>) = pods.iter().copied().partition(|pod| publish || is_ready(pod));
    let list = |pods: &[&Value]| -> Vec<Value> {
        pods.iter()
            .map(|pod| json!({"ip": pod["status"]["podIP"], "nodeName": pod["spec"]["nodeName"], "targetRef": target(pod)}))
            .collect()
    };
    let mut subset = json!({"ports": ports});
    for (field, pods) in [("addresses", &ready), ("notReadyAddresses", &not_ready)] {
        if !pods.is_empty() {
            subset[field] = json!(list(pods));
        }
    }
    let subsets = if pods.is_empty() { None } else { Some(json!([subset])) };
    if let Some(held) = view.named("endpoints", name(service)) {
        let mut next = held.clone();
        match subsets {
            Some(subsets) => next["subsets"] = subsets,
            None => drop(next.as_object_mut().and_then(|fields| fields.remove("subsets"))),
        }
        plan.replace("endpoints", held, next);
        return;
    }
    let mut labels = service["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.insert("endpoints.kubernetes.io/managed-by".into(), json!("endpoint-controller"));
    let annotations = json!({CHANGED: view.time()});
    let metadata =
        json!({"name": name(service), "namespace": view.namespace, "labels": labels, "annotations": annotations});
    let mut endpoints = json!({"metadata": metadata});
    if let Some(subsets) = subsets {
        endpoints["subsets"] = subsets;
    }
    plan.create("endpoints", endpoints);
}

fn zone<'a>(view: &'a View, pod: &Value) -> Option<&'a str> {
    let node = view.nodes.iter().find(|node| node["metadata"]["name"] == pod["spec"]["nodeName"])?;
    node["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str()
}

/// A service's port as the pods have it: named ports are looked up in their containers.
fn resolved(port: &Value, pods: &[&Value]) -> Value {
    let number = match &port["targetPort"] {
        Value::String(named) => {
            let containers = pods.iter().filter_map(|pod| pod["spec"]["containers"].as_array()).flatten();
            let mut ports = containers.filter_map(|container| container["ports"].as_array()).flatten();
            let held = ports.find(|held| held["name"] == named.as_str());
            held.map_or_else(|| port["port"].clone(), |held| held["containerPort"].clone())
        }
        Value::Null => port["port"].clone(),
        number => number.clone(),
    };
    let mut resolved =
        json!({"name": port["name"].as_str().unwrap_or_default(), "port": number, "protocol": port["protocol"]});
    if !port["appProtocol"].is_null() {
        resolved["appProtocol"] = port["appProtocol"].clone();
    }
    resolved
}
