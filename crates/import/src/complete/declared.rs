//! What Azure will make with what is only declared yet, in a plan or a template.
//!
//! AKS's rules say that there will be a private endpoint, where it will stand, and which zone will have its record
//! and which network a link. They do not say the address, nor the random parts of names: these are placeholders,
//! and said to be.

use std::{collections::BTreeSet, net::Ipv4Addr};

use azure::{
    Change, DnsName, Estate, Json, Kind, Resource, ResourceId, addressing, aks,
    model::{ManagedCluster, Model, PrivateDnsZoneMode},
};
use serde_json::{Value, json};

use super::endpoint;
use crate::SourceFinding;

/// Fills in what follows from AKS's rules for those of `declared` that are clusters, and gives the interfaces and
/// resolver endpoints among them an address.
pub(super) fn complete(estate: &mut Estate, declared: &BTreeSet<ResourceId>, findings: &mut Vec<SourceFinding>) {
    let of = |kind: Kind| declared.iter().filter(move |id| Kind::of(id) == kind);
    for id in of(Kind::ManagedCluster) {
        names(estate, id, findings);
        network(estate, id, findings);
        private_side(estate, id, findings);
    }
    for id in of(Kind::PrivateEndpoint) {
        interface(estate, id);
    }
    for id in of(Kind::NetworkInterface).chain(of(Kind::PrivateEndpoint)).chain(of(Kind::InboundEndpoint)) {
        let nic = estate.private_endpoint(id).and_then(|endpoint| endpoint.network_interfaces.first().cloned());
        address(estate, nic.as_ref().unwrap_or(id), findings);
    }
}

/// The interface that Azure makes with an endpoint, and the approval of a connection that nobody has to approve.
fn interface(estate: &mut Estate, id: &ResourceId) {
    let Some(resource) = estate.get(id).cloned() else { return };
    let Model::PrivateEndpoint(endpoint) = resource.model() else { return };
    let (Some(group), Some(subnet)) = (id.group_id(), &endpoint.subnet) else { return };
    if !endpoint.network_interfaces.is_empty() {
        return;
    }
    let nic = group.resource(Kind::NetworkInterface.arm_type(), &format!("{}.nic", id.name()));
    let mut document = resource.document().value();
    document["properties"]["networkInterfaces"] = json!([{"id": nic}]);
    for connection in document["properties"]["privateLinkServiceConnections"].as_array_mut().into_iter().flatten() {
        if connection["properties"].is_object() {
            connection["properties"]["privateLinkServiceConnectionState"] = json!({"status": "Approved"});
        }
    }
    let interface = json!({"name": nic.name(), "properties": {
        "privateEndpoint": {"id": id},
        "ipConfigurations": [{"name": "ipconfig", "properties": {"primary": true, "subnet": {"id": subnet}}}],
    }});
    put(
        estate,
        [
            Change::put(Resource::new(nic, &interface)),
            Change::put(Resource::with_hidden(id.clone(), &document, &resource.hidden().value())),
        ],
    );
}

/// Eight hexadecimal digits in place of the random ones; the same ones for the same cluster each time.
fn digits(id: &ResourceId) -> String {
    let hash = id.key().bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

/// The names that the cluster will have.
fn names(estate: &mut Estate, id: &ResourceId, findings: &mut Vec<SourceFinding>) {
    let Some(resource) = estate.get(id) else { return };
    let Model::ManagedCluster(cluster) = resource.model() else { return };
    let mut document = resource.document().value();
    let read = Json::new(&document).get("properties");
    let location = Json::new(&document).get("location").text().unwrap_or("unknown");
    let region: String = location.to_lowercase().split_whitespace().collect();
    let (hash, prefix) = (digits(id), read.get("dnsPrefix").text().unwrap_or(id.name()).to_lowercase());
    let subdomain = read.get("fqdnSubdomain").text().map(str::to_lowercase);
    let zone = match &cluster.zone {
        PrivateDnsZoneMode::System => {
            aks::system_zone(&format!("00000000-0000-0000-0000-0000{hash}"), &region).ok().map(|zone| zone.to_string())
        }
        PrivateDnsZoneMode::Own(zone) => Some(zone.name().to_owned()),
        PrivateDnsZoneMode::None => None,
    };
    let mut set = Vec::new();
    if cluster.fqdn.is_none() && (!cluster.private || cluster.public_fqdn) {
        set.push(("fqdn", aks::public_fqdn(&prefix, &hash, &region).ok()));
    }
    if let Some(zone) = zone.filter(|_| cluster.private && cluster.private_fqdn.is_none()) {
        let label = subdomain.unwrap_or_else(|| format!("{prefix}-{hash}"));
        set.push(("privateFQDN", DnsName::parse(&format!("{label}.{zone}")).ok()));
    }
    let group = cluster
        .node_resource_group
        .is_none()
        .then(|| aks::node_resource_group(id.group_name().unwrap_or_default(), id.name(), &region));
    if !set.is_empty() {
        let message = format!("Azure makes a part of its names at random: {hash} stands for it");
        findings.push(SourceFinding::note("NamePlaceholder", message).of(id));
    }
    if let Some(properties) = document["properties"].as_object_mut() {
        for (name, value) in set {
            properties.extend(value.map(|value| (name.to_owned(), json!(value.as_str()))));
        }
        properties.extend(group.map(|group| ("nodeResourceGroup".to_owned(), json!(group))));
    }
    put(estate, [Change::put(Resource::with_hidden(id.clone(), &document, &resource.hidden().value()))]);
}

/// The network that AKS makes for pools without a subnet.
fn network(estate: &mut Estate, id: &ResourceId, findings: &mut Vec<SourceFinding>) {
    let Some(cluster) = estate.managed_cluster(id) else { return };
    let unplaced =
        |pool: &&std::sync::Arc<Resource>| matches!(pool.model(), Model::AgentPool(pool) if pool.subnet.is_none());
    let pools: Vec<_> = estate.children(id, Kind::AgentPool).filter(unplaced).cloned().collect();
    let (Some(group), false) = (cluster.node_resource_group.clone(), pools.is_empty()) else { return };
    let network = group.resource(Kind::VirtualNetwork.arm_type(), &format!("aks-vnet-{}", digits(id)));
    let subnet = network.child(Kind::Subnet.collection(), aks::DEFAULT_SUBNET_NAME);
    let space = json!({"properties": {"addressSpace": {"addressPrefixes": [aks::DEFAULT_ADDRESS_SPACE]}}});
    let mut changes = vec![
        Change::put(Resource::new(network.clone(), &space)),
        Change::put(Resource::new(subnet.clone(), &json!({"properties": {"addressPrefix": aks::DEFAULT_SUBNET}}))),
    ];
    changes.extend(pools.iter().map(|pool| endpoint::with_hidden(pool, "subnet", json!(subnet))));
    put(estate, changes);
    let message =
        format!("AKS will make its network, {} in {}: the digits are placeholders", network.name(), group.name());
    findings.push(SourceFinding::note("NetworkPlaceholder", message).of(id));
}

/// The private endpoint, its record and the link of the zone to the nodes' network.
fn private_side(estate: &mut Estate, id: &ResourceId, findings: &mut Vec<SourceFinding>) {
    let Some(cluster) = estate.managed_cluster(id).filter(|cluster| cluster.private && cluster.running).cloned() else {
        return;
    };
    let Some(group) = &cluster.node_resource_group else { return };
    let Some(subnet) = endpoint::first_subnet(estate, id, &cluster) else {
        let message = "the subnet of its first pool is unknown, and so is the place of its private endpoint";
        findings.push(SourceFinding::warning("EndpointUnknown", message).of(id));
        return;
    };
    let at = group.resource(Kind::PrivateEndpoint.arm_type(), aks::PRIVATE_ENDPOINT_NAME);
    if estate.contains(&at) {
        return;
    }
    let recorded = endpoint::recorded(estate, &cluster);
    let Some(address) = recorded.or_else(|| free(estate, &subnet)) else {
        let message =
            format!("`{subnet}` is not in the source or is full, so that the address of its endpoint is unknown");
        findings.push(SourceFinding::warning("EndpointUnknown", message).of(id));
        return;
    };
    let nic = group.resource(Kind::NetworkInterface.arm_type(), &format!("{}.nic", aks::PRIVATE_ENDPOINT_NAME));
    put(estate, endpoint::made(&at, &nic, id, &subnet, address, true));
    if recorded.is_none() {
        let message = format!(
            "the address that Azure gives its private endpoint in {}/{} is not in the source: {address} stands for it",
            subnet.parent().map(|network| network.name().to_owned()).unwrap_or_default(),
            subnet.name()
        );
        findings.push(SourceFinding::note("EndpointPlaceholder", message).of(id));
    }
    zone(estate, id, &cluster, address, &subnet, findings);
}

fn zone(
    estate: &mut Estate,
    id: &ResourceId,
    cluster: &ManagedCluster,
    address: Ipv4Addr,
    subnet: &ResourceId,
    findings: &mut Vec<SourceFinding>,
) {
    let (Some(name), Some(zone)) = (&cluster.private_fqdn, endpoint::zone_id(cluster)) else { return };
    let Some(relative) = zone.name().parse().ok().and_then(|zone: DnsName| name.relative_to(&zone).map(str::to_owned))
    else {
        let message = format!("its private name {name} does not lie in its zone {}", zone.name());
        findings.push(SourceFinding::warning("ZoneMismatch", message).of(id));
        return;
    };
    let mut changes = Vec::new();
    if !estate.contains(&zone) {
        if let PrivateDnsZoneMode::Own(zone) = &cluster.zone {
            let message = format!(
                "its zone `{zone}` is not in the source: only the record and the link that AKS makes are known of it"
            );
            findings.push(SourceFinding::warning("ZonePartlyKnown", message).of(id));
        }
        changes.push(Change::put(Resource::new(zone.clone(), &json!({"properties": {}}))));
    }
    let record = zone.child(Kind::RecordA.collection(), &relative);
    if !estate.contains(&record) {
        let document = json!({"properties": {"ttl": 300, "aRecords": [{"ipv4Address": address}]}});
        changes.push(Change::put(Resource::new(record, &document)));
    }
    if let Some(network) = subnet.parent() {
        let linked = |link: &std::sync::Arc<Resource>| matches!(link.model(), Model::VirtualNetworkLink(link) if link.virtual_network == network);
        if !estate.children(&zone, Kind::VirtualNetworkLink).any(linked) {
            let document = json!({"properties": {"virtualNetwork": {"id": network}, "registrationEnabled": false}});
            let link = zone.child(Kind::VirtualNetworkLink.collection(), &format!("{}-{}", id.name(), digits(id)));
            changes.push(Change::put(Resource::new(link, &document)));
        }
    }
    put(estate, changes);
}

/// Gives an interface or a resolver's endpoint without an address one of its subnet.
fn address(estate: &mut Estate, id: &ResourceId, findings: &mut Vec<SourceFinding>) {
    let Some(resource) = estate.get(id).cloned() else { return };
    let mut document = resource.document().value();
    let of_resolver = resource.kind() == Kind::InboundEndpoint;
    let key = if of_resolver { "privateIpAddress" } else { "privateIPAddress" };
    for at in 0..Json::new(&document).at("properties.ipConfigurations").items().count() {
        let configuration = &mut document["properties"]["ipConfigurations"][at];
        let properties = if of_resolver { configuration } else { &mut configuration["properties"] };
        let (held, subnet) =
            (Json::new(properties).get(key).text().is_some(), Json::new(properties).get("subnet").id());
        let Some(address) = subnet.filter(|_| !held).and_then(|subnet| free(estate, &subnet)) else { continue };
        if let Value::Object(properties) = properties {
            properties.insert(key.to_owned(), json!(address));
        }
        put(estate, [Change::put(Resource::with_hidden(id.clone(), &document, &resource.hidden().value()))]);
        let message = format!("the address that Azure gives it is not in the source: {address} stands for it");
        findings.push(SourceFinding::note("AddressPlaceholder", message).of(id));
    }
}

/// A free address of a subnet, if the subnet is there.
fn free(estate: &Estate, subnet: &ResourceId) -> Option<Ipv4Addr> {
    let taken = addressing::taken(estate, subnet);
    let prefixes = &estate.subnet(subnet)?.prefixes;
    prefixes.iter().find_map(|prefix| addressing::next_free(*prefix, &taken, None))
}

fn put(estate: &mut Estate, changes: impl IntoIterator<Item = Change>) {
    let changes: Vec<Change> = changes.into_iter().collect();
    *estate = estate.apply(1, &changes);
}
