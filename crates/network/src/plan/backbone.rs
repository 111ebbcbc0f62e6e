//! The backbone: public API servers, public DNS, and the roads between public addresses.

use std::net::{Ipv4Addr, SocketAddrV4};

use azure::{ResourceId, aks::API_SERVER_PORT};
use imbl::{OrdMap, OrdSet};
use ipnet::Ipv4Net;

use super::{
    filter::{BackboneFilter, Filter},
    numbers::nth,
    types::{
        API_SERVER_RANGE, DNS_PORT, HOST_RANGE, Listener, MAIN_TABLE, NETWORK_RANGE, Namespace, PUBLIC_DNS, Route,
        RouteTarget,
    },
};
use crate::{
    answer::ViewId,
    attachment::{DEFAULT_OUTBOUND_ADDRESS, INTERNET_HOST_ADDRESS},
    network::{Network, PublicHolder},
    route,
};

/// Where connections through the private endpoint with this number are accepted.
pub(super) fn server(number: u32) -> SocketAddrV4 {
    SocketAddrV4::new(nth(API_SERVER_RANGE.0, number), API_SERVER_PORT)
}

/// The number of the private endpoint whose connections are accepted at `address`.
pub(super) fn number_of(address: Ipv4Addr) -> Option<u32> {
    u32::from(address).checked_sub(API_SERVER_RANGE.0.into()).filter(|number| *number > 0)
}

/// The cluster that has a public address.
pub(super) fn public_cluster(network: &Network, address: Ipv4Addr) -> Option<&ResourceId> {
    match network.public_holder(address)? {
        PublicHolder::Cluster(id) => Some(id),
        PublicHolder::Interface { .. } => None,
    }
}

/// Sources as packets have them: whoever has no public address of its own comes from an address
/// that only the fabric knows.
pub(super) fn sources(declared: &[Ipv4Net]) -> Vec<Ipv4Net> {
    let covers = |address| declared.iter().any(|range| range.contains(&address));
    let pool = |(base, length), stands_for| Ipv4Net::new(base, length).ok().filter(|_| covers(stands_for));
    let networks = pool(NETWORK_RANGE, DEFAULT_OUTBOUND_ADDRESS);
    let hosts = pool(HOST_RANGE, INTERNET_HOST_ADDRESS);
    Ipv4Net::aggregate(&declared.iter().copied().chain(networks).chain(hosts).collect())
}

/// The backbone, given the routes that lead out of it.
pub(super) fn namespace(network: &Network, leaving: &OrdSet<Route>) -> Namespace {
    let local = |to| Route { table: MAIN_TABLE, to, target: RouteTarget::Local };
    let mut routes = leaving.clone();
    routes.insert(local(PUBLIC_DNS.into()));
    let mut filter = BackboneFilter { unasked: route::unrouted().collect(), ..BackboneFilter::default() };
    for (address, holder) in &network.public_addresses {
        filter.unasked.push((*address).into());
        let PublicHolder::Cluster(id) = holder else { continue };
        let Some(cluster) = network.cluster(id).filter(|cluster| cluster.running) else { continue };
        routes.insert(local((*address).into()));
        if !cluster.authorized_ranges.is_empty() {
            filter.authorized.insert(*address, sources(&cluster.authorized_ranges));
        }
    }
    Namespace {
        forwarding: true,
        routes,
        filter: Filter::Backbone(filter),
        listeners: OrdMap::from_iter([
            (SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, API_SERVER_PORT), Listener::ApiServers),
            (SocketAddrV4::new(PUBLIC_DNS, DNS_PORT), Listener::Dns(ViewId::Public)),
        ]),
    }
}
