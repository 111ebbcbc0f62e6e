//! Where things stand in an estate: a client's network, a cluster's endpoints, the zones that could
//! hold a name. Looked up, not decided: who answers and what connects is `network`'s to say.

use std::net::Ipv4Addr;

use azure::{
    DnsName, Estate, Kind, ResourceId, aks,
    model::{ConnectionStatus, ManagedCluster, Model, PrivateDnsZoneMode, RecordData},
};
use network::{Network, Vantage, VirtualNetwork};

/// The network that a vantage's traffic enters by: its own, or that of its VPN gateway.
pub fn network_of<'a>(network: &'a Network, vantage: &Vantage) -> Option<&'a VirtualNetwork> {
    let estate = network.estate();
    let inside = |subnet: &ResourceId| network.virtual_network(&subnet.parent()?).map(AsRef::as_ref);
    match vantage {
        Vantage::Internet => None,
        Vantage::Subnet(id) => inside(id),
        Vantage::Interface(id) => inside(&estate.network_interface(id)?.ip_configurations.first()?.subnet),
        Vantage::VpnClient(gateway) => network.gateway_network(gateway).map(AsRef::as_ref),
        Vantage::Client(id) => {
            let client = network.client(id)?;
            match (&client.gateway, &client.site) {
                (Some(gateway), _) => network.gateway_network(gateway).map(AsRef::as_ref),
                (None, Some(site)) => {
                    let gateways = &network.sites().get(site)?.gateways;
                    gateways.iter().find_map(|gateway| network.gateway_network(gateway)).map(AsRef::as_ref)
                }
                (None, None) => None,
            }
        }
    }
}

/// Whether the vantage stands inside Azure.
pub fn is_inside(vantage: &Vantage) -> bool {
    matches!(vantage, Vantage::Interface(_) | Vantage::Subnet(_))
}

/// A private endpoint that leads to a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The endpoint.
    pub id: ResourceId,
    /// The network it stands in.
    pub network: ResourceId,
    /// The subnet it stands in.
    pub subnet: ResourceId,
    /// Its address.
    pub address: Ipv4Addr,
    /// The state of its connection.
    pub status: ConnectionStatus,
    /// Whether AKS made it; others are the user's.
    pub own: bool,
}

/// Every private endpoint to `cluster` that has an address, AKS's own first.
pub fn endpoints(estate: &Estate, cluster: &ResourceId) -> Vec<Endpoint> {
    let group = estate.managed_cluster(cluster).and_then(|declared| declared.node_resource_group.clone());
    let own_id = group.map(|group| group.resource(Kind::PrivateEndpoint.arm_type(), aks::PRIVATE_ENDPOINT_NAME));
    let endpoint = |id: &ResourceId| {
        let declared = estate.private_endpoint(id)?;
        let nics = declared.network_interfaces.iter().filter_map(|nic| estate.network_interface(nic));
        let configuration = nics.flat_map(|nic| &nic.ip_configurations).find(|held| held.address.is_some())?;
        Some(Endpoint {
            id: id.clone(),
            network: configuration.subnet.parent()?,
            subnet: configuration.subnet.clone(),
            address: configuration.address?,
            status: declared.status,
            own: own_id.as_ref() == Some(id),
        })
    };
    let of_kind = estate.referrers(cluster).filter(|resource| resource.kind() == Kind::PrivateEndpoint);
    let leads_here = of_kind.filter(|resource| match resource.model() {
        Model::PrivateEndpoint(declared) => declared.service.as_ref() == Some(cluster),
        _ => false,
    });
    let mut found: Vec<Endpoint> = leads_here.filter_map(|resource| endpoint(resource.id())).collect();
    found.sort_by_key(|endpoint| !endpoint.own);
    found
}

/// The zone that holds a cluster's private name: its own zone, or the one that AKS made.
pub fn zone_of(estate: &Estate, cluster: &ManagedCluster) -> Option<ResourceId> {
    // For one question a look through all zones is cheap.
    zone_among(estate, cluster, |name| {
        let mut zones = estate.of_kind(Kind::PrivateDnsZone).map(|zone| zone.id());
        zones.find(|id| estate.private_dns_zone(id).is_some_and(|zone| zone.name == *name)).cloned()
    })
}

/// The same, where `called` finds the first zone of a name.
pub(crate) fn zone_among(
    estate: &Estate,
    cluster: &ManagedCluster,
    called: impl FnOnce(&DnsName) -> Option<ResourceId>,
) -> Option<ResourceId> {
    let name = zone_name(cluster)?;
    match &cluster.zone {
        PrivateDnsZoneMode::Own(zone) => Some(zone.clone()),
        PrivateDnsZoneMode::System | PrivateDnsZoneMode::None => {
            let group = cluster.node_resource_group.as_ref()?;
            let zone = group.resource(Kind::PrivateDnsZone.arm_type(), name.as_str());
            // A source may have it under another group; its name has a GUID and is nobody else's.
            if estate.private_dns_zone(&zone).is_some() { Some(zone) } else { called(&name) }
        }
    }
}

/// The name of the zone that a cluster's private name lies in.
pub fn zone_name(cluster: &ManagedCluster) -> Option<DnsName> {
    let (_, zone) = cluster.private_fqdn.as_ref()?.as_str().split_once('.')?;
    zone.parse().ok()
}

/// The zones linked to a network, each with its link: all of them, also where two have one name.
pub fn links_to<'a>(
    estate: &'a Estate,
    network: &'a ResourceId,
) -> impl Iterator<Item = (ResourceId, &'a ResourceId)> + 'a {
    let links = estate.referrers(network).filter(|resource| resource.kind() == Kind::VirtualNetworkLink);
    links.filter_map(|link| Some((link.id().parent()?, link.id())))
}

/// The addresses that a zone has for a name in it.
pub fn addresses_in(estate: &Estate, zone: &ResourceId, name: &DnsName) -> Vec<Ipv4Addr> {
    let Some(declared) = estate.private_dns_zone(zone) else { return Vec::new() };
    let Some(relative) = name.relative_to(&declared.name) else { return Vec::new() };
    let relative = if relative.is_empty() { "@" } else { relative };
    let set = estate.record_set(&zone.child(Kind::RecordA.collection(), relative));
    let address = |data: &RecordData| match data {
        RecordData::A(address) => Some(*address),
        _ => None,
    };
    set.into_iter().flat_map(|set| &set.records).filter_map(address).collect()
}

/// Whether `az aks command invoke` is switched off (`apiServerAccessProfile.disableRunCommand`).
pub fn run_command_disabled(estate: &Estate, cluster: &ResourceId) -> bool {
    let Some(resource) = estate.get(cluster) else { return false };
    let document = resource.document().value();
    let flag = azure::Json::new(&document).at("properties.apiServerAccessProfile.disableRunCommand").flag();
    flag == Some(true)
}
