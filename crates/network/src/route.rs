//! Effective routes: where each subnet sends what.
//!
//! Azure decides for each packet that leaves an interface by the effective routes of the
//! interface's subnet: the longest matching prefix; of equal prefixes a user-defined route before
//! a gateway's before a system route. Routes to the own and to peered address spaces are preferred
//! over more specific ones of a gateway. Sources: documentation "Virtual network traffic routing"
//! (virtual-networks-udr-overview), "Manage network policies for private endpoints".

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use azure::{
    ById, Estate, Kind, ResourceId,
    model::{self, Model, RouteNextHop, RouteTable},
};
use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{
    security::Tags,
    virtual_network::{Gateway, Subnet, VirtualNetwork},
};

/// Azure's DNS server inside every virtual network.
pub const AZURE_DNS: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Ranges that system routes send nowhere unless something more specific covers them.
pub(crate) const PRIVATE_RANGES: [Ipv4Net; 4] = [
    Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8),
    Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12),
    Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16),
    Ipv4Net::new_assert(Ipv4Addr::new(100, 64, 0, 0), 10),
];

/// Further ranges that the Internet does not route (RFC 6890): link-local and reserved ones.
const UNROUTED_RANGES: [Ipv4Net; 2] =
    [Ipv4Net::new_assert(Ipv4Addr::new(169, 254, 0, 0), 16), Ipv4Net::new_assert(Ipv4Addr::new(240, 0, 0, 0), 4)];

/// Who put a route there. Of equal prefixes the greatest wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum RouteSource {
    /// The platform.
    Default,
    /// A VPN gateway.
    Gateway,
    /// A route table.
    User,
}

/// Where a packet goes next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum NextHop {
    /// Stays in the virtual network.
    VirtualNetwork {
        /// The network.
        network: ResourceId,
    },
    /// Into a peered virtual network.
    Peering {
        /// The half on this side.
        peering: ResourceId,
        /// The network on the other side.
        network: ResourceId,
    },
    /// To a private endpoint, wherever its network is (Azure: `InterfaceEndpoint`).
    InterfaceEndpoint {
        /// The network that the endpoint stands in.
        network: ResourceId,
    },
    /// Through a VPN gateway.
    Gateway {
        /// The gateway.
        gateway: ResourceId,
    },
    /// A gateway is asked for and there is none.
    NoGateway,
    /// To a machine that passes it on.
    VirtualAppliance {
        /// The machine's address.
        address: Ipv4Addr,
    },
    /// To the Internet.
    Internet,
    /// Nowhere.
    None,
}

/// One effective route of a subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveRoute {
    /// What it is for.
    pub prefix: Ipv4Net,
    /// Who put it there.
    pub source: RouteSource,
    /// Where it leads.
    pub next_hop: NextHop,
    /// The resource that made it so: the network, the peering, the private endpoint,
    /// the gateway, the connection, the route. Nothing for the platform's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<ResourceId>,
}

/// What leaves a subnet: where it goes, and what the service tags mean there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SubnetRouting {
    /// Longest prefix first, one route for each prefix.
    pub(crate) routes: Arc<[EffectiveRoute]>,
    pub(crate) tags: Arc<Tags>,
}

impl SubnetRouting {
    /// The route for `address`; there always is one, if only the platform's default route.
    pub(crate) fn lookup(&self, address: Ipv4Addr) -> Option<&EffectiveRoute> {
        // Routes of one length stand together, sorted: a look into each run, the longest first.
        let mut left = &*self.routes;
        while let Some(first) = left.first() {
            let length = first.prefix.prefix_len();
            let (run, shorter) = left.split_at(left.partition_point(|route| route.prefix.prefix_len() == length));
            let network = Ipv4Net::new_assert(address, length).network();
            if let Ok(found) = run.binary_search_by(|route| route.prefix.network().cmp(&network)) {
                return Some(&run[found]);
            }
            left = shorter;
        }
        None
    }
}

/// The routing of every subnet of `network`; `networks` has its peers, compiled.
pub(crate) fn compile(
    estate: &Estate,
    networks: &ById<Arc<VirtualNetwork>>,
    network: &VirtualNetwork,
) -> BTreeMap<ResourceId, SubnetRouting> {
    let system = system_routes(networks, network);
    let gateway = gateway_in_use(networks, network);
    let learnt = gateway.map(|gateway| gateway_routes(network, gateway)).unwrap_or_default();
    let private = tagged_private(network, gateway);
    let plain = SubnetRouting {
        routes: effective(system.iter().chain(&learnt).cloned()),
        tags: Arc::new(Tags::new(private.iter().copied())),
    };
    let routing_of = |subnet: &Subnet| {
        let Some(id) = &subnet.route_table else { return plain.clone() };
        let Some(table) = estate.route_table(id) else { return plain.clone() };
        let learnt = if table.disable_bgp_route_propagation { &[] } else { &*learnt };
        let user = user_routes(estate, id, table, network, gateway);
        let tags = private.iter().copied().chain(user.iter().map(|route| route.prefix));
        SubnetRouting {
            tags: Arc::new(Tags::new(tags)),
            routes: effective(system.iter().chain(learnt).cloned().chain(user)),
        }
    };
    network.subnets.iter().map(|subnet| (subnet.id.clone(), routing_of(subnet))).collect()
}

/// The routes of a subnet without a route table, which are also those of the network itself.
pub(crate) fn platform(networks: &ById<Arc<VirtualNetwork>>, network: &VirtualNetwork) -> Arc<[EffectiveRoute]> {
    let gateway = gateway_in_use(networks, network);
    let learnt = gateway.map(|gateway| gateway_routes(network, gateway)).unwrap_or_default();
    effective(system_routes(networks, network).into_iter().chain(learnt))
}

/// The gateway that this network's traffic takes: its own, or that of a peer.
pub(crate) fn gateway_in_use<'a>(
    networks: &'a ById<Arc<VirtualNetwork>>,
    network: &'a VirtualNetwork,
) -> Option<&'a Gateway> {
    let remote = || {
        let peer = network.open_peers().find(|peer| peer.uses_remote_gateway)?;
        networks.get(&peer.network)?.gateway.as_ref()
    };
    network.gateway.as_ref().or_else(remote)
}

fn system_routes(networks: &ById<Arc<VirtualNetwork>>, network: &VirtualNetwork) -> Vec<EffectiveRoute> {
    let route = |prefix, next_hop, because| EffectiveRoute { prefix, source: RouteSource::Default, next_hop, because };
    let mut routes = Vec::new();
    for prefix in &network.address_space {
        let next_hop = NextHop::VirtualNetwork { network: network.id.clone() };
        routes.push(route(*prefix, next_hop, Some(network.id.clone())));
    }
    let mut endpoints = |network: &VirtualNetwork, known: &dyn Fn(Ipv4Addr) -> bool| {
        for (address, interface) in &network.interfaces {
            let governed = network.subnet(&interface.subnet).is_some_and(|s| s.private_endpoint_policies.route_tables);
            if let Some(endpoint) = interface.private_endpoint.as_ref().filter(|_| !governed && known(*address)) {
                let next_hop = NextHop::InterfaceEndpoint { network: network.id.clone() };
                routes.push(route(Ipv4Net::from(*address), next_hop, Some(endpoint.clone())));
            }
        }
    };
    endpoints(network, &|_| true);
    for peer in network.open_peers() {
        if let Some(remote) = networks.get(&peer.network) {
            endpoints(remote, &|address| peer.covers(address));
        }
    }
    for peer in network.open_peers() {
        for prefix in &peer.prefixes {
            let next_hop = NextHop::Peering { peering: peer.peering.clone(), network: peer.network.clone() };
            routes.push(route(*prefix, next_hop, Some(peer.peering.clone())));
        }
    }
    routes.push(route(Ipv4Net::default(), NextHop::Internet, None));
    routes.extend(PRIVATE_RANGES.map(|range| route(range, NextHop::None, None)));
    routes
}

/// What the gateway makes known, less what lies in the own or in a peered address space.
fn gateway_routes(network: &VirtualNetwork, gateway: &Gateway) -> Vec<EffectiveRoute> {
    let peered = network.open_peers().flat_map(|peer| &peer.prefixes);
    let preferred: Vec<&Ipv4Net> = network.address_space.iter().chain(peered).collect();
    gateway
        .behind()
        .filter(|(prefix, _)| !preferred.iter().any(|held| held.contains(prefix)))
        .map(|(prefix, because)| EffectiveRoute {
            prefix,
            source: RouteSource::Gateway,
            next_hop: NextHop::Gateway { gateway: gateway.id.clone() },
            because: Some(because.clone()),
        })
        .collect()
}

fn user_routes(
    estate: &Estate,
    id: &ResourceId,
    table: &RouteTable,
    network: &VirtualNetwork,
    gateway: Option<&Gateway>,
) -> Vec<EffectiveRoute> {
    let make = |route: &model::Route| EffectiveRoute {
        prefix: route.prefix,
        source: RouteSource::User,
        next_hop: match route.next_hop {
            RouteNextHop::VnetLocal => NextHop::VirtualNetwork { network: network.id.clone() },
            RouteNextHop::VirtualNetworkGateway => match gateway {
                Some(gateway) => NextHop::Gateway { gateway: gateway.id.clone() },
                None => NextHop::NoGateway,
            },
            RouteNextHop::Internet => NextHop::Internet,
            RouteNextHop::VirtualAppliance(address) => NextHop::VirtualAppliance { address },
            RouteNextHop::None => NextHop::None,
        },
        because: Some(id.child(Kind::Route.collection(), &route.name)),
    };
    let children: Vec<&model::Route> = estate
        .children(id, Kind::Route)
        .filter_map(|child| match child.model() {
            Model::Route(route) => Some(route),
            _ => None,
        })
        .collect();
    // A child is newer than a route of the same name in the table's own document.
    let newer = |own: &&model::Route| children.iter().any(|child| child.name.eq_ignore_ascii_case(&own.name));
    table.routes.iter().filter(|own| !newer(own)).chain(children.iter().copied()).map(make).collect()
}

/// The prefixes of the service tag `VirtualNetwork`, without those of user-defined routes: the own
/// and the peered address spaces, what is behind the gateway, and the platform's own address.
fn tagged_private(network: &VirtualNetwork, gateway: Option<&Gateway>) -> Vec<Ipv4Net> {
    let peered = network.open_peers().flat_map(|peer| &peer.prefixes);
    let behind = gateway.into_iter().flat_map(Gateway::behind).map(|(prefix, _)| prefix);
    network.address_space.iter().chain(peered).copied().chain(behind).chain([Ipv4Net::from(AZURE_DNS)]).collect()
}

/// The routes that count, longest prefix first: one for each prefix, that of the strongest source.
/// Of equally strong ones the first stays.
fn effective(routes: impl Iterator<Item = EffectiveRoute>) -> Arc<[EffectiveRoute]> {
    let mut routes: Vec<EffectiveRoute> = routes.collect();
    let rank = |route: &EffectiveRoute| {
        (std::cmp::Reverse(route.prefix.prefix_len()), route.prefix.network(), std::cmp::Reverse(route.source))
    };
    routes.sort_by_key(rank);
    routes.dedup_by_key(|route| route.prefix);
    routes.into()
}

/// Whether the Internet routes an address. 168.63.129.16 answers only inside Azure networks.
pub(crate) fn is_public(address: Ipv4Addr) -> bool {
    !unrouted().any(|range| range.contains(&address))
}

/// Every prefix that the Internet does not route.
pub(crate) fn unrouted() -> impl Iterator<Item = Ipv4Net> {
    PRIVATE_RANGES.into_iter().chain(UNROUTED_RANGES).chain([Ipv4Net::from(AZURE_DNS)])
}

/// Whether an address belongs to the ranges for private use.
pub(crate) fn is_private(address: Ipv4Addr) -> bool {
    PRIVATE_RANGES.iter().any(|range| range.contains(&address))
}
