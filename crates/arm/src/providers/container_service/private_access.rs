//! What makes a private cluster reachable: the endpoint in the nodes' network, the zone with the
//! API server's record, and the zone's link to that network.
//!
//! AKS writes the record itself and keeps it where the endpoint is: while the cluster runs, the
//! record and the endpoint have one address; while it is stopped there is neither.

use std::net::Ipv4Addr;

use azure::{
    ArmError, Estate, Kind, Resource, ResourceId, addressing, aks,
    model::{Model, RecordData, RecordSet},
};
use serde_json::{Value, json};

use super::{documents, fields, identity::ControlPlane, naming::Labels, placement, refusal, site::Site};
use crate::{provider::Entropy, stage::Stage};

/// Refuses an own zone that cannot serve the cluster: its name, its existence, the rights on it.
/// AKS looks before every write, so that a cluster does not end up half made.
pub(super) fn check_own_zone(
    estate: &Estate,
    zone: &ResourceId,
    site: &Site,
    control_plane: &ControlPlane,
    subnet: Option<&ResourceId>,
) -> Result<(), ArmError> {
    if *control_plane == ControlPlane::SystemAssigned {
        return Err(refusal::own_zone_with_system_identity(zone));
    }
    let region = &site.region;
    if !zone.name().parse().is_ok_and(|name| aks::is_own_zone_name(&name, region)) {
        return Err(refusal::zone_id(
            zone.as_str(),
            &format!(
                "the zone's name must be 'privatelink.{region}.azmk8s.io' or '<subzone>.privatelink.{region}.azmk8s.io' \
                 with a subzone of at most {} characters.",
                aks::ZONE_PREFIX_LEN_MAX
            ),
        ));
    }
    if !estate.contains(zone) {
        return Err(refusal::zone_not_found(zone));
    }
    control_plane.check_zone_rights(estate, zone, subnet)
}

/// Makes the zone of a cluster in zone mode `system` and gives its id.
pub(super) fn make_system_zone(stage: &mut Stage, site: &Site, entropy: &mut Entropy) -> ResourceId {
    let name = format!("{}.privatelink.{}.azmk8s.io", entropy.guid(), site.region);
    let zone = site.node_group.resource(Kind::PrivateDnsZone.arm_type(), &name);
    for change in documents::zone(&zone, entropy) {
        stage.change(change);
    }
    zone
}

/// Links `zone` to the nodes' network, unless it is already, and gives the link it made.
///
/// # Errors
/// When the network is linked to another zone of that name.
pub(super) fn link(
    stage: &mut Stage,
    zone: &ResourceId,
    subnet: &ResourceId,
    labels: &Labels<'_>,
    entropy: &mut Entropy,
) -> Result<Option<ResourceId>, ArmError> {
    let network = subnet.parent().unwrap_or_else(|| subnet.clone());
    for link in stage.estate().referrers(&network).filter(|link| link.kind() == Kind::VirtualNetworkLink) {
        let Some(other) = link.id().parent() else { continue };
        if other == *zone {
            return Ok(None);
        }
        if other.name().eq_ignore_ascii_case(zone.name()) {
            return Err(refusal::link_conflict(zone, &network, &other));
        }
    }
    let id = zone.child(Kind::VirtualNetworkLink.collection(), &labels.host());
    stage.put(documents::virtual_network_link(&id, &network, entropy));
    Ok(Some(id))
}

/// Makes the private endpoint at the subnet's next free address from `from` on.
///
/// # Errors
/// When the subnet is gone or full.
pub(super) fn make_endpoint(
    stage: &mut Stage,
    site: &Site,
    subnet: &ResourceId,
    from: Option<Ipv4Addr>,
    entropy: &mut Entropy,
) -> Result<Ipv4Addr, ArmError> {
    let prefix = placement::prefix_of(stage.estate(), subnet)?;
    let taken = addressing::taken(stage.estate(), subnet);
    let from = from.filter(|from| prefix.contains(from));
    let address = addressing::next_free(prefix, &taken, from).ok_or_else(|| placement::subnet_full(subnet, prefix))?;
    for resource in documents::private_endpoint(site, subnet, address, entropy) {
        stage.put(resource);
    }
    Ok(address)
}

/// Removes the private endpoint and its interface.
pub(super) fn remove_endpoint(stage: &mut Stage, site: &Site) {
    let id = site.endpoint();
    let nics = stage.estate().private_endpoint(&id).map(|endpoint| endpoint.network_interfaces.clone());
    for nic in nics.unwrap_or_default() {
        stage.delete_tree(&nic);
    }
    stage.delete_tree(&id);
}

/// The cluster's `A` record in a zone.
pub(super) fn record_id(zone: &ResourceId, labels: &Labels<'_>) -> ResourceId {
    zone.child(Kind::RecordA.collection(), &labels.record())
}

/// Points the cluster's record at the endpoint, unless it does already.
pub(super) fn put_record(
    stage: &mut Stage,
    zone: &ResourceId,
    labels: &Labels<'_>,
    address: Ipv4Addr,
    entropy: &mut Entropy,
) {
    let id = record_id(zone, labels);
    let right = |set: &RecordSet| set.records == [RecordData::A(address)];
    if stage.estate().record_set(&id).is_some_and(right) {
        return;
    }
    stage.put(documents::a_record(&id, zone, address, entropy));
}

/// Takes a cluster out of a zone: its record, the link that AKS made for it unless another cluster
/// stands on that link, and the zone itself if AKS made it.
pub(super) fn leave_zone(
    stage: &mut Stage,
    site: &Site,
    zone: &ResourceId,
    link: Option<&ResourceId>,
    labels: &Labels<'_>,
) {
    if zone.is_below(&site.node_group) {
        stage.delete_tree(zone);
        return;
    }
    stage.delete_tree(&record_id(zone, labels));
    let Some(link) = link else { return };
    let network = stage.estate().get(link).and_then(|link| match link.model() {
        Model::VirtualNetworkLink(link) => Some(link.virtual_network.clone()),
        _ => None,
    });
    if network.is_some_and(|network| !others_need(stage.estate(), &site.cluster, zone, &network)) {
        stage.delete_tree(link);
    }
}

/// Whether another cluster of the same zone has nodes in `network`.
fn others_need(estate: &Estate, cluster: &ResourceId, zone: &ResourceId, network: &ResourceId) -> bool {
    let stands_there = |other: &Resource| {
        let mut pools = estate.children(other.id(), Kind::AgentPool);
        pools.any(|pool| match pool.model() {
            Model::AgentPool(pool) => pool.subnet.as_ref().is_some_and(|subnet| subnet.is_below(network)),
            _ => false,
        })
    };
    let mut clusters = estate.referrers(zone).filter(|other| other.kind() == Kind::ManagedCluster);
    clusters.any(|other| other.id() != cluster && stands_there(other))
}

/// Tells every private endpoint that a user made for the cluster that its service is gone.
pub(super) fn disconnect_others(stage: &mut Stage, site: &Site) {
    let own = site.endpoint();
    let others: Vec<Resource> = stage
        .estate()
        .referrers(&site.cluster)
        .filter(|resource| resource.kind() == Kind::PrivateEndpoint && *resource.id() != own)
        .map(|endpoint| with_connection_state(endpoint, "Disconnected", "The private link service was removed."))
        .collect();
    for endpoint in others {
        stage.put(endpoint);
    }
}

/// The private endpoint with another state of its connection.
pub(super) fn with_connection_state(endpoint: &Resource, status: &str, description: &str) -> Resource {
    let mut document = endpoint.document().value();
    for list in ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"] {
        let connections = document["properties"].get_mut(list).and_then(Value::as_array_mut);
        for connection in connections.into_iter().flatten().filter_map(Value::as_object_mut) {
            let state = fields::object(fields::object(connection, "properties"), "privateLinkServiceConnectionState");
            state.insert("status".to_owned(), json!(status));
            state.insert("description".to_owned(), json!(description));
        }
    }
    Resource::with_hidden(endpoint.id().clone(), &document, &endpoint.hidden().value())
}
