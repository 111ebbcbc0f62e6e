//! Addresses of services, out of the cluster's service CIDR.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use serde_json::{Value, json};

use crate::{
    objects::ObjectStore,
    registry,
    request::{Objects, Options},
    status::{Cause, Status},
};

/// Gives a service its address, unless it wants none or brought one.
///
/// # Errors
/// 422 when the wanted address is taken or outside the range, 500 when none is left.
pub(crate) fn assign_cluster_ip(objects: &ObjectStore, service: &mut Value) -> Result<(), Status> {
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
    let Some(row) = registry::find("", "v1", "services") else { return Ok(BTreeSet::new()) };
    let everywhere = Objects { resource: Arc::clone(row), namespace: None, name: None, subresource: None };
    let services = objects.list(&everywhere, &Options::default())?.items;
    Ok(services.iter().filter_map(|service| service["spec"]["clusterIP"].as_str()?.parse().ok()).collect())
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
