//! The private endpoint of each private cluster: `kube-apiserver` in its node resource group.
//!
//! Exports often lack it, since the node resource group is AKS's. The cluster's record in a private zone
//! has the same address (AKS writes both), and its subnet is that of the first agent pool.

use std::net::Ipv4Addr;

use azure::{
    Change, Estate, Json, Kind, Resource, ResourceId, aks,
    model::{ManagedCluster, Model, PrivateDnsZoneMode, RecordData},
};
use serde_json::{Value, json};

use crate::SourceFinding;

/// Pools without a subnet of the user's stand in the one that AKS made in the node resource group.
pub(super) fn pools(estate: &mut Estate) {
    let mut changes = Vec::new();
    for cluster in estate.of_kind(Kind::ManagedCluster) {
        let Model::ManagedCluster(declared) = cluster.model() else { continue };
        let Some(made) = declared.node_resource_group.as_ref().and_then(|group| made_subnet(estate, group)) else {
            continue;
        };
        for pool in estate.children(cluster.id(), Kind::AgentPool) {
            if let Model::AgentPool(declared) = pool.model()
                && declared.subnet.is_none()
            {
                changes.push(with_hidden(pool, "subnet", json!(made)));
            }
        }
    }
    *estate = estate.apply(1, &changes);
}

/// `aks-vnet-<digits>/aks-subnet` in the node resource group.
fn made_subnet(estate: &Estate, group: &ResourceId) -> Option<ResourceId> {
    let networks = estate.below(group).filter(|resource| resource.kind() == Kind::VirtualNetwork);
    let mut subnets = networks.map(|network| network.id().child("subnets", aks::DEFAULT_SUBNET_NAME));
    subnets.find(|subnet| estate.contains(subnet))
}

/// Sees to it that each private cluster's endpoint leads to it and has an address, or says that nobody knows it.
pub(super) fn endpoints(estate: &mut Estate, findings: &mut Vec<SourceFinding>) {
    let mut changes = Vec::new();
    for cluster in estate.of_kind(Kind::ManagedCluster) {
        let Model::ManagedCluster(declared) = cluster.model() else { continue };
        if declared.private && declared.running {
            one(estate, cluster.id(), declared, &mut changes, findings);
        }
    }
    *estate = estate.apply(1, &changes);
}

fn one(
    estate: &Estate,
    cluster: &ResourceId,
    declared: &ManagedCluster,
    changes: &mut Vec<Change>,
    findings: &mut Vec<SourceFinding>,
) {
    let Some(group) = &declared.node_resource_group else {
        let message = "its document does not say its node resource group, so that its private endpoint is unknown";
        findings.push(SourceFinding::warning("EndpointUnknown", message).of(cluster));
        return;
    };
    let id = group.resource(Kind::PrivateEndpoint.arm_type(), aks::PRIVATE_ENDPOINT_NAME);
    let found = estate.get(&id);
    let endpoint = found.and_then(|_| estate.private_endpoint(&id));
    if let (Some(resource), Some(endpoint)) = (found, endpoint) {
        // AKS may have connected it to a private link service of its own instead of the cluster's id.
        if endpoint.service.as_ref().is_none_or(|service| !estate.contains(service)) {
            changes.push(with_hidden(resource, "service", json!(cluster)));
        }
        let nics = endpoint.network_interfaces.iter().filter_map(|nic| estate.network_interface(nic));
        if nics.flat_map(|nic| &nic.ip_configurations).any(|held| held.address.is_some()) {
            return;
        }
    }
    let subnet =
        endpoint.and_then(|endpoint| endpoint.subnet.clone()).or_else(|| first_subnet(estate, cluster, declared));
    let configured = found.and_then(|resource| configured(resource)).map(|address| (address, "own DNS configuration"));
    let address = configured.or_else(|| Some((recorded(estate, declared)?, "record")));
    let (Some((address, from)), Some(subnet)) = (address, subnet) else {
        let message = format!(
            "the address of its private endpoint is unknown: neither `{id}` with its network interface nor its record in \
             a private DNS zone is in the source; add `az network private-endpoint list` and `az network nic list`"
        );
        findings.push(SourceFinding::warning("EndpointUnknown", message).of(cluster));
        return;
    };
    let nic = endpoint.and_then(|endpoint| endpoint.network_interfaces.first().cloned()).unwrap_or_else(|| {
        group.resource(Kind::NetworkInterface.arm_type(), &format!("{}.nic", aks::PRIVATE_ENDPOINT_NAME))
    });
    let message = format!("its private endpoint is not wholly in the source: the address {address} is from its {from}");
    findings.push(SourceFinding::note("EndpointFromRecord", message).of(cluster));
    changes.extend(made(&id, &nic, cluster, &subnet, address, endpoint.is_none()));
}

/// The address that an endpoint's document says its names should have.
fn configured(endpoint: &Resource) -> Option<Ipv4Addr> {
    let document = endpoint.document().value();
    let configurations = Json::new(&document).at("properties.customDnsConfigs").items();
    configurations.flat_map(|configuration| configuration.get("ipAddresses").items()).find_map(Json::parsed)
}

/// An endpoint in `subnet` with an interface that has `address`.
pub(super) fn made(
    id: &ResourceId,
    nic: &ResourceId,
    cluster: &ResourceId,
    subnet: &ResourceId,
    address: Ipv4Addr,
    with_endpoint: bool,
) -> Vec<Change> {
    let interface = json!({"name": nic.name(), "properties": {
        "privateEndpoint": {"id": id},
        "ipConfigurations": [{"name": "ipconfig", "properties": {
            "primary": true, "privateIPAddress": address, "subnet": {"id": subnet},
        }}],
    }});
    let connection = json!({"name": aks::PRIVATE_ENDPOINT_NAME, "properties": {
        "privateLinkServiceId": cluster, "groupIds": [aks::PRIVATE_LINK_GROUP],
        "privateLinkServiceConnectionState": {"status": "Approved"},
    }});
    let endpoint = json!({"name": id.name(), "properties": {
        "subnet": {"id": subnet}, "networkInterfaces": [{"id": nic}], "privateLinkServiceConnections": [connection],
    }});
    let mut changes = vec![Change::put(Resource::new(nic.clone(), &interface))];
    if with_endpoint {
        changes.push(Change::put(Resource::new(id.clone(), &endpoint)));
    }
    changes
}

/// The subnet of the first agent pool, which is the endpoint's.
pub(super) fn first_subnet(estate: &Estate, cluster: &ResourceId, declared: &ManagedCluster) -> Option<ResourceId> {
    let pool = cluster.child(Kind::AgentPool.collection(), declared.agent_pools.first()?);
    estate.agent_pool(&pool)?.subnet.clone()
}

/// The zone of the cluster's private name: the one AKS makes, or the user's own.
pub(super) fn zone_id(cluster: &ManagedCluster) -> Option<ResourceId> {
    let (_, zone) = cluster.private_fqdn.as_ref()?.as_str().split_once('.')?;
    match &cluster.zone {
        PrivateDnsZoneMode::System => {
            Some(cluster.node_resource_group.as_ref()?.resource(Kind::PrivateDnsZone.arm_type(), zone))
        }
        PrivateDnsZoneMode::Own(zone) => Some(zone.clone()),
        PrivateDnsZoneMode::None => None,
    }
}

/// The address in the record of the cluster's private name.
pub(super) fn recorded(estate: &Estate, declared: &ManagedCluster) -> Option<Ipv4Addr> {
    let label = declared.private_fqdn.as_ref()?.as_str().split('.').next()?;
    let set = estate.record_set(&zone_id(declared)?.child("A", label))?;
    set.records.iter().find_map(|record| match record {
        RecordData::A(address) => Some(*address),
        _ => None,
    })
}

pub(super) fn with_hidden(resource: &Resource, key: &str, value: Value) -> Change {
    let mut hidden = resource.hidden().value();
    hidden[key] = value;
    Change::put(Resource::with_hidden(resource.id().clone(), &resource.document().value(), &hidden))
}
