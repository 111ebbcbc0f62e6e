//! Addresses of services, out of the cluster's service CIDR.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use serde_json::{Value, json};

use crate::{
    objects::ObjectStore,
    registry,
    request::{Objects, Options},
    status::{Cause, Status},
};

/// Gives a service what the cluster has only so many of: its address and its node ports.
///
/// # Errors
/// 422 when a wanted address is taken or outside the range, 500 when none is left.
pub(crate) fn assign(objects: &ObjectStore, service: &mut Value) -> Result<(), Status> {
    assign_cluster_ip(objects, service)?;
    assign_node_ports(objects, service)
}

/// Gives a changed service what it now wants and did not have.
///
/// # Errors
/// As [`assign`].
pub(crate) fn reassign(objects: &ObjectStore, before: &Value, service: &mut Value) -> Result<(), Status> {
    let held = before["spec"]["ports"].as_array().map_or(&[][..], Vec::as_slice);
    let node_ports = matches!(service["spec"]["type"].as_str(), Some("NodePort" | "LoadBalancer"));
    for port in service["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let same = held.iter().find(|held| held["port"] == port["port"] && held["protocol"] == port["protocol"]);
        if !node_ports {
            port.as_object_mut().and_then(|port| port.remove("nodePort"));
        } else if port["nodePort"].is_null()
            && let Some(same) = same.filter(|same| same["nodePort"].is_u64())
        {
            port["nodePort"] = same["nodePort"].clone();
        }
    }
    if service["spec"]["clusterIP"].is_null() {
        assign_cluster_ip(objects, service)?;
    }
    assign_node_ports(objects, service)
}

/// Where node ports are.
const NODE_PORTS: std::ops::RangeInclusive<u64> = 30_000..=32_767;

/// Gives the ports of a service their node ports, unless they brought some.
///
/// # Errors
/// 422 for one that is taken or outside the range, 500 when none is left.
fn assign_node_ports(objects: &ObjectStore, service: &mut Value) -> Result<(), Status> {
    let name = service["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let spec = &service["spec"];
    let wants = spec["type"] == "NodePort"
        || (spec["type"] == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false);
    if !wants {
        return Ok(());
    }
    let others = services(objects)?;
    let others = others.iter().filter(|held| held["metadata"]["uid"] != service["metadata"]["uid"]);
    let mut taken: BTreeSet<u64> = others
        .flat_map(|held| held["spec"]["ports"].as_array().into_iter().flatten())
        .filter_map(|port| port["nodePort"].as_u64())
        .collect();
    for (index, port) in service["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
        let wanted = port["nodePort"].as_u64().filter(|number| *number != 0);
        let number = if let Some(number) = wanted {
            let problem = if !NODE_PORTS.contains(&number) {
                Some("provided port is not in the valid range. The range of valid ports is 30000-32767")
            } else if taken.contains(&number) {
                Some("provided port is already allocated")
            } else {
                None
            };
            if let Some(problem) = problem {
                let cause = Cause::invalid(&format!("spec.ports[{index}].nodePort"), &json!(number), problem);
                return Err(Status::invalid("", "Service", &name, &[cause]));
            }
            number
        } else {
            let start = rand::random_range(NODE_PORTS);
            let mut free = (start..=*NODE_PORTS.end()).chain(*NODE_PORTS.start()..start);
            let free = free.find(|number| !taken.contains(number));
            free.ok_or_else(|| Status::internal("failed to allocate a nodePort: range is full"))?
        };
        taken.insert(number);
        port["nodePort"] = json!(number);
    }
    Ok(())
}

/// Gives a service its address, unless it wants none or brought one.
fn assign_cluster_ip(objects: &ObjectStore, service: &mut Value) -> Result<(), Status> {
    let name = service["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let spec = &mut service["spec"];
    if spec["type"] == "ExternalName" || spec["clusterIP"] == "None" {
        return Ok(());
    }
    let taken = taken(objects)?;
    let mut range = addresses(&objects.service_cidr);
    let address = match spec["clusterIP"].as_str().filter(|wanted| !wanted.is_empty()) {
        None => range.find(|address| !taken.contains(address)),
        Some(wanted) => {
            let refuse = |detail: &str| {
                let cause = Cause::invalid("spec.clusterIPs", &json!([wanted]), detail);
                Status::invalid("", "Service", &name, &[cause])
            };
            let address: Ipv4Addr = wanted.parse().map_err(|_| refuse("must be a valid IP address"))?;
            if taken.contains(&address) {
                return Err(refuse("failed to allocate IP: provided IP is already allocated"));
            }
            if !range.any(|known| known == address) {
                return Err(refuse("failed to allocate IP: the provided IP is not in the valid range"));
            }
            Some(address)
        }
    };
    let address = address.ok_or_else(|| Status::internal("failed to allocate a serviceIP: range is full"))?;
    spec["clusterIP"] = json!(address);
    spec["clusterIPs"] = json!([address]);
    Ok(())
}

fn taken(objects: &ObjectStore) -> Result<BTreeSet<Ipv4Addr>, Status> {
    Ok(services(objects)?.iter().filter_map(|service| service["spec"]["clusterIP"].as_str()?.parse().ok()).collect())
}

fn services(objects: &ObjectStore) -> Result<Vec<Value>, Status> {
    let Some(row) = registry::find("", "v1", "services") else { return Ok(Vec::new()) };
    let everywhere = Objects { resource: Arc::clone(row), namespace: None, name: None, subresource: None };
    Ok(objects.list(&everywhere, &Options::default())?.items)
}

/// One of the addresses that services may have, counted from 0.
pub(crate) fn address(cidr: &str, index: usize) -> Option<Ipv4Addr> {
    addresses(cidr).nth(index)
}

/// The addresses of `a.b.c.d/n` that a service may have: all but the first and the last.
fn addresses(cidr: &str) -> impl Iterator<Item = Ipv4Addr> + use<> {
    let (network, length) = cidr.split_once('/').unwrap_or((cidr, "32"));
    let network = network.parse::<Ipv4Addr>().map_or(0, u32::from);
    let size = 1_u32.checked_shl(32 - length.parse::<u32>().unwrap_or(32).clamp(8, 32)).unwrap_or(1);
    (1..size.saturating_sub(1)).map(move |offset| Ipv4Addr::from(network.saturating_add(offset)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kubernetes_service_has_the_first_address() {
        let mut range = addresses("10.0.0.0/16");
        assert_eq!(range.next(), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(range.last(), Some(Ipv4Addr::new(10, 0, 255, 254)));
        assert_eq!(addresses("nonsense").count(), 0);
    }
}
