//! What stands outside virtual networks: machines on the Internet, VPN clients, gateways, sites.
//!
//! The tunnel of a point-to-site client or of a site is a veth pair into the gateway's namespace;
//! real `openvpn` clients come in beside them, through the gateway's public address.

use std::{collections::BTreeSet, net::Ipv4Addr, ops::RangeInclusive};

use azure::ResourceId;
use imbl::OrdSet;
use ipnet::Ipv4Net;

use super::{
    fabric::FabricNumbers,
    filter::{Filter, GatewayFilter},
    types::{BACKBONE_HOP, FABRIC_MAC, LinkEnd, LinkName, Namespace, Place, Route, RouteTarget, mac_of},
    unit::{Unit, main_route, stand_in, via},
};
use crate::{
    answer::ViewId,
    network::{Client, Network, SiteNetwork},
    virtual_network::{Gateway, VirtualNetwork},
};

/// A gateway's link to its virtual network.
pub(super) const NETWORK: &str = "network";
/// A machine's link to the backbone.
const INTERNET: &str = "eth0";
/// A VPN client's tunnel.
const TUNNEL: &str = "tun0";
/// A machine's link into its site.
const SITE: &str = "site0";

/// The machine of the Internet vantage.
pub(super) fn internet(numbers: &mut FabricNumbers) -> Unit {
    let mut unit = Unit::default();
    unit.join_backbone(&Place::Internet, INTERNET, None, numbers);
    unit.add(Place::Internet, machine([]));
    unit
}

/// A machine outside Azure.
pub(super) fn client(network: &Network, client: &Client, numbers: &mut FabricNumbers) -> Unit {
    let mut unit = Unit::default();
    let place = Place::Client(client.id.clone());
    unit.join_backbone(&place, INTERNET, client.public_address, numbers);
    let (mut routes, mut asked) = (Vec::new(), None);
    if client.gateway.is_none() {
        numbers.leave_tunnels(&place);
    }
    if let Some((compiled, gateway)) = client.gateway.as_ref().and_then(|id| gateway_of(network, id)) {
        routes.extend(join_tunnel(&mut unit, &place, compiled, gateway, numbers));
    } else if let (Some(id), Some(address)) = (&client.site, client.address)
        && let Some(site) = network.sites.get(id)
    {
        let site_place = Place::Site(id.clone());
        let hop = numbers.address(&site_place);
        unit.join(
            end(site_place, &numbers.label(&place), FABRIC_MAC, &[], &[address]),
            end(place.clone(), SITE, mac_of(address), &[address], &[hop]),
        );
        let behind = gateways_of(network, site).flat_map(|(compiled, _)| advertised(compiled));
        let inside = site.address_space.iter().copied().chain(behind);
        routes.extend(inside.map(|prefix| main_route(prefix, via(SITE, hop))));
        asked = Some(address);
    }
    let mut namespace = machine(routes);
    if let Some(address) = asked {
        stand_in(network, address, ViewId::Public, &mut namespace);
    }
    unit.add(place, namespace);
    unit
}

/// A gateway with its default client.
pub(super) fn gateway(network: &Network, id: &ResourceId, numbers: &mut FabricNumbers) -> Option<Unit> {
    let (compiled, gateway) = gateway_of(network, id)?;
    let mut unit = Unit::default();
    let place = Place::Gateway(id.clone());
    unit.join_backbone(&place, INTERNET, gateway.public_address, numbers);
    let network_hop = numbers.address(&Place::Network(compiled.id.clone()));
    let mut filter = GatewayFilter { network: Some(LinkName::new(NETWORK)), ..GatewayFilter::default() };
    let mut routes = Vec::new();
    routes.extend(tunnelled(compiled, gateway).map(|prefix| main_route(prefix, via(NETWORK, network_hop))));
    if !gateway.client_address_pool.is_empty() {
        let client = Place::VpnClient(id.clone());
        unit.join_backbone(&client, INTERNET, None, numbers);
        let tunnelled = join_tunnel(&mut unit, &client, compiled, gateway, numbers);
        unit.add(client.clone(), machine(tunnelled));
        let machines = network.clients.values().filter(|client| client.gateway.as_ref() == Some(id));
        let clients = machines.map(|client| Place::Client(client.id.clone())).chain([client]);
        for client in clients {
            let Some(address) = tunnel_address(gateway, &client, numbers) else { continue };
            let link = tunnel_link(&client, numbers);
            filter.sources.insert(link, vec![address.into()]);
        }
    }
    for site in &gateway.sites {
        let site_place = Place::Site(site.id.clone());
        let hop = numbers.address(&site_place);
        let own = numbers.address(&place);
        let link = numbers.label(&site_place);
        let back = numbers.label(&place);
        unit.join(end(place.clone(), &link, FABRIC_MAC, &[], &[hop]), end(site_place, &back, mac_of(hop), &[], &[own]));
        routes.extend(site.prefixes.iter().map(|prefix| main_route(*prefix, via(link.clone(), hop))));
        filter.sources.insert(LinkName::new(link), site.prefixes.clone());
    }
    let routes = with_default(routes);
    unit.add(place, Namespace { forwarding: true, routes, filter: Filter::Gateway(filter), ..Namespace::default() });
    Some(unit)
}

/// A site's own router: between its machines and the tunnels.
pub(super) fn site(network: &Network, id: &ResourceId, numbers: &mut FabricNumbers) -> Option<Unit> {
    let site = network.sites.get(id)?;
    let mut unit = Unit::default();
    let place = Place::Site(id.clone());
    let mut routes: Vec<Route> =
        site.address_space.iter().map(|prefix| main_route(*prefix, RouteTarget::Blackhole)).collect();
    for (compiled, gateway) in gateways_of(network, site) {
        let there = Place::Gateway(gateway.id.clone());
        let (link, hop) = (numbers.label(&there), numbers.address(&there));
        let tunnel = |prefix| main_route(prefix, via(link.clone(), hop));
        routes.extend(advertised(compiled).map(tunnel));
    }
    let routes = first_of_each_prefix(routes.into_iter());
    unit.add(place, Namespace { forwarding: true, routes, ..Namespace::default() });
    Some(unit)
}

fn gateway_of<'a>(network: &'a Network, id: &ResourceId) -> Option<(&'a VirtualNetwork, &'a Gateway)> {
    let compiled = network.gateway_network(id)?;
    Some((compiled, compiled.gateway.as_ref()?))
}

/// The gateways that a site is tunnelled to, each with its network.
fn gateways_of<'a>(
    network: &'a Network,
    site: &'a SiteNetwork,
) -> impl Iterator<Item = (&'a VirtualNetwork, &'a Gateway)> + 'a {
    site.gateways.iter().filter_map(|gateway| gateway_of(network, gateway))
}

/// Joins a client to its gateway; gives the routes that go into the tunnel.
fn join_tunnel(
    unit: &mut Unit,
    client: &Place,
    compiled: &VirtualNetwork,
    gateway: &Gateway,
    numbers: &mut FabricNumbers,
) -> Vec<Route> {
    let Some(address) = tunnel_address(gateway, client, numbers) else { return Vec::new() };
    let place = Place::Gateway(gateway.id.clone());
    let hop = numbers.address(&place);
    let link = tunnel_link(client, numbers);
    unit.join(
        end(place, link.as_str(), FABRIC_MAC, &[], &[address]),
        end(client.clone(), TUNNEL, mac_of(address), &[address], &[hop]),
    );
    tunnelled(compiled, gateway).map(|prefix| main_route(prefix, via(TUNNEL, hop))).collect()
}

fn tunnel_link(client: &Place, numbers: &mut FabricNumbers) -> LinkName {
    LinkName::new(numbers.label(client))
}

/// How a client address pool is shared between the lab's own clients, whose tunnels are veth pairs, and
/// those that a real server lets in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TunnelAddresses {
    /// The gateway's own end.
    pub gateway: Ipv4Addr,
    /// What a server may give to its clients: the upper half of the pool.
    pub served: RangeInclusive<Ipv4Addr>,
}

/// The most addresses that one server gives out.
const SERVED_MAX: u32 = 1 << 15;

impl TunnelAddresses {
    /// The shares of `pool`; `None` when it is too small to be shared.
    pub fn of(pool: Ipv4Net) -> Option<Self> {
        let half = 1_u32.checked_shl(31_u32.checked_sub(pool.prefix_len().into())?)?;
        let (network, first) = (u32::from(pool.network()), u32::from(pool.network()).checked_add(half)?);
        // All but the broadcast address; the lower half holds the gateway and one client at least.
        let last = first.checked_add(half.min(SERVED_MAX).checked_sub(2)?)?;
        let served = first.into()..=last.into();
        (half > 2).then_some(Self { gateway: (network + 1).into(), served })
    }
}

/// A client's address in the pool: the default client has the first, the others follow, below those
/// that a server gives out.
pub(super) fn tunnel_address(gateway: &Gateway, client: &Place, numbers: &mut FabricNumbers) -> Option<Ipv4Addr> {
    let pool = gateway.client_address_pool.first()?;
    // The first address is the gateway's own end.
    let skipped = match client {
        Place::VpnClient(_) => 1,
        _ => 1 + numbers.tunnel(&gateway.id, client) as usize,
    };
    let address = pool.hosts().nth(skipped)?;
    let served = TunnelAddresses::of(*pool).map(|addresses| *addresses.served.start());
    served.is_none_or(|first| address < first).then_some(address)
}

/// What a point-to-site client sends into its tunnel.
fn tunnelled<'a>(network: &'a VirtualNetwork, gateway: &'a Gateway) -> impl Iterator<Item = Ipv4Net> + 'a {
    advertised(network).chain(gateway.custom_routes.iter().copied())
}

fn advertised(network: &VirtualNetwork) -> impl Iterator<Item = Ipv4Net> + '_ {
    network.advertised().map(|(prefix, _)| prefix)
}

fn end(place: Place, name: &str, mac: [u8; 6], addresses: &[Ipv4Addr], neighbours: &[Ipv4Addr]) -> LinkEnd {
    LinkEnd { place, name: LinkName::new(name), mac, addresses: addresses.to_vec(), neighbours: neighbours.to_vec() }
}

/// The routes of a machine with a link to the backbone: the first of each prefix, and what none of
/// them covers to the Internet.
fn with_default(routes: impl IntoIterator<Item = Route>) -> OrdSet<Route> {
    let default = main_route(Ipv4Net::default(), via(INTERNET, BACKBONE_HOP));
    first_of_each_prefix(routes.into_iter().chain([default]))
}

fn first_of_each_prefix(routes: impl Iterator<Item = Route>) -> OrdSet<Route> {
    let mut taken = BTreeSet::new();
    routes.filter(|route| taken.insert(route.to)).collect()
}

fn machine(routes: impl IntoIterator<Item = Route>) -> Namespace {
    Namespace { routes: with_default(routes), ..Namespace::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_gives_out_the_upper_half_of_the_pool() {
        let shares = |pool: &str| {
            let addresses = TunnelAddresses::of(pool.parse().unwrap())?;
            Some(format!("{} {}-{}", addresses.gateway, addresses.served.start(), addresses.served.end()))
        };
        assert_eq!(shares("172.16.201.0/24").unwrap(), "172.16.201.1 172.16.201.128-172.16.201.254");
        assert_eq!(shares("10.9.0.0/29").unwrap(), "10.9.0.1 10.9.0.4-10.9.0.6");
        assert_eq!(shares("10.0.0.0/8").unwrap(), "10.0.0.1 10.128.0.0-10.128.127.254");
        assert_eq!(["10.9.0.0/30", "10.9.0.0/31", "10.9.0.0/32"].map(shares), [const { None }; 3]);
    }

    #[test]
    fn a_pool_has_addresses_for_as_many_clients_as_it_says() {
        for (pool, clients) in [("172.16.201.0/24", 125), ("10.9.0.0/29", 1), ("10.9.0.0/30", 0)] {
            let pool: Ipv4Net = pool.parse().unwrap();
            let id = |name: &str| ResourceId::subscription_scope("s").child("gateways", name);
            let gateway = Gateway {
                id: id("gw"),
                subnet: id("subnet"),
                public_address: None,
                client_address_pool: vec![pool],
                custom_routes: Vec::new(),
                sites: Vec::new(),
            };
            let mut numbers = FabricNumbers::default();
            let client = |number: usize| Place::Client(id(&number.to_string()));
            let given: Vec<_> =
                (0..200).map_while(|number| tunnel_address(&gateway, &client(number), &mut numbers)).collect();
            assert_eq!((given.len(), azure::addressing::lab_clients_max(pool)), (clients, clients), "{pool}");
            assert!(!given.contains(&tunnel_address(&gateway, &Place::VpnClient(id("gw")), &mut numbers).unwrap()));
        }
    }
}
