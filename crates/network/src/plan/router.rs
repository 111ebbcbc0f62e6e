//! A virtual network: its router, its machines, its endpoints, its peerings.
//!
//! The main table is what the platform's own routes say, with each machine as a /32. A subnet with
//! a route table gets a table of its own, which packets from its machines follow first; where that
//! table says *virtual network* the search goes on in the main one.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddrV4},
};

use azure::{
    ResourceId,
    aks::API_SERVER_PORT,
    model::{Access, AddressMatch, Direction, PortRange, RuleProtocol, SecurityRule},
};
use imbl::{OrdMap, OrdSet};
use ipnet::Ipv4Net;

use super::{
    backbone,
    fabric::{Entrance, FabricNumbers},
    filter::{Addresses, Endpoint, Filter, GroupId, InterfaceFilter, PacketRule, PeerFilter, Protocol, RouterFilter},
    numbers::nth,
    types::{
        API_SERVER_RANGE, BACKBONE_HOP, DNS_PORT, FABRIC_MAC, LinkEnd, LinkName, Listener, MAIN_TABLE, Namespace,
        Place, Route, RouteTarget, STEERING_BASE, mac_of,
    },
    unit::{Unit, main_route, stand_in, via},
};
use crate::{
    answer::ViewId,
    network::Network,
    route::{self, AZURE_DNS, EffectiveRoute, NextHop},
    security::Tags,
    virtual_network::{Gateway, Interface, PeeredNetwork, Subnet, VirtualNetwork},
};

/// The router's link to the backbone.
const BACKBONE: &str = "backbone";
/// The router's link to its gateway.
const GATEWAY: &str = "gateway";
/// A machine's link.
const MACHINE: &str = "eth0";
/// Where machines in Azure ask for what they are and for tokens, by HTTP (documentation "Azure Instance
/// Metadata Service": served by the host, not routable, not under groups).
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);
const METADATA_PORT: u16 = 80;
/// Tables of links that steer come after those of subnets.
const STEERING_TABLES: u32 = 100_000;

/// The unit of a network.
pub(super) fn compile(
    network: &Network,
    compiled: &VirtualNetwork,
    visited: &OrdSet<ResourceId>,
    numbers: &mut FabricNumbers,
) -> Unit {
    let place = Place::Network(compiled.id.clone());
    let mut router = Router {
        network,
        compiled,
        place,
        numbers,
        unit: Unit::default(),
        routes: BTreeMap::new(),
        filter: RouterFilter::default(),
    };
    router.join_backbone();
    for (address, interface) in &compiled.interfaces {
        if is_machine(interface) {
            router.add_machine(*address, interface);
        } else {
            router.add_endpoint(*address, interface);
        }
    }
    for subnet in compiled.subnets.iter().filter(|subnet| subnet.forwards_names || visited.contains(&subnet.id)) {
        router.add_visitor(subnet);
    }
    for peer in compiled.open_peers() {
        router.add_peer(peer);
    }
    router.add_gateway();
    router.add_names();
    router.add_tables();
    router.finish()
}

struct Router<'a> {
    network: &'a Network,
    compiled: &'a VirtualNetwork,
    place: Place,
    numbers: &'a mut FabricNumbers,
    unit: Unit,
    routes: BTreeMap<(u32, Ipv4Net), RouteTarget>,
    filter: RouterFilter,
}

impl Router<'_> {
    fn join_backbone(&mut self) {
        let address = self.unit.join_backbone(&self.place, BACKBONE, None, self.numbers);
        self.filter.backbone = Some(LinkName::new(BACKBONE));
        self.filter.outbound = Some(address);
    }

    fn main(&mut self, to: impl Into<Ipv4Net>, target: RouteTarget) {
        self.routes.insert((MAIN_TABLE, to.into()), target);
    }

    fn add_machine(&mut self, address: Ipv4Addr, interface: &Interface) {
        let machine = Place::Machine(interface.id.clone());
        let Some(subnet) = self.compiled.subnet(&interface.subnet) else { return };
        let Some(mut namespace) = self.seat(address, &machine, subnet) else { return };
        namespace.forwarding = interface.ip_forwarding;
        stand_in(self.network, address, ViewId::VirtualNetwork(self.compiled.id.clone()), &mut namespace);
        self.unit.add(machine, namespace);
        if let Some(public) = interface.public_address {
            self.filter.public.insert(public, address);
            let (link, hop) = (self.numbers.label(&self.place), self.numbers.address(&self.place));
            self.unit.backbone.push(main_route(public, via(link, hop)));
        }
        let own = interface.network_security_group.as_ref();
        let shared = subnet.network_security_group.as_ref();
        let filter = InterfaceFilter {
            addresses: vec![address],
            forwards: interface.ip_forwarding,
            outbound: self.groups(Direction::Outbound, [own, shared], &subnet.id),
            inbound: self.groups(Direction::Inbound, [shared, own], &subnet.id),
        };
        self.filter.interfaces.insert(machine_link(address), filter);
    }

    /// Somebody at an address of a subnet that nobody has: who asks there is answered by nobody.
    fn add_visitor(&mut self, subnet: &Subnet) {
        let visitor = Place::Visitor(subnet.id.clone());
        let Some(address) = self.network.subnet_seat(&subnet.id).map(|seat| seat.address) else { return };
        let Some(namespace) = self.seat(address, &visitor, subnet) else { return };
        self.unit.add(visitor, namespace);
        let shared = [subnet.network_security_group.as_ref()];
        let nobody = GroupId("nobody".to_owned());
        self.filter.groups.entry(nobody.clone()).or_insert_with(|| vec![PacketRule::DENY_ALL]);
        let filter = InterfaceFilter {
            addresses: vec![address],
            forwards: false,
            outbound: self.groups(Direction::Outbound, shared, &subnet.id),
            inbound: vec![nobody],
        };
        self.filter.interfaces.insert(machine_link(address), filter);
        if let Some(table) = self.table_of(&subnet.id) {
            self.filter.tables.insert(machine_link(address), table);
        }
    }

    /// Joins whoever is at an address of a subnet; gives its namespace.
    fn seat(&mut self, address: Ipv4Addr, place: &Place, subnet: &Subnet) -> Option<Namespace> {
        let hop = subnet.prefixes.iter().copied().find(|prefix| prefix.contains(&address)).map(gateway_of)?;
        self.unit.join(
            LinkEnd {
                place: self.place.clone(),
                name: machine_link(address),
                mac: FABRIC_MAC,
                addresses: Vec::new(),
                neighbours: vec![address],
            },
            LinkEnd {
                place: place.clone(),
                name: LinkName::new(MACHINE),
                mac: mac_of(address),
                addresses: vec![address],
                neighbours: vec![hop],
            },
        );
        let routes = OrdSet::unit(main_route(Ipv4Net::default(), via(MACHINE, hop)));
        Some(Namespace { routes, ..Namespace::default() })
    }

    fn add_endpoint(&mut self, address: Ipv4Addr, interface: &Interface) {
        let Some(cluster) = interface.service.as_ref().and_then(|service| self.network.cluster(service)) else {
            return;
        };
        if !cluster.running {
            return;
        }
        let Some(subnet) = self.compiled.subnet(&interface.subnet) else { return };
        let guarded = subnet.private_endpoint_policies.network_security_groups;
        let shared = subnet.network_security_group.as_ref().filter(|_| guarded);
        let own = interface.network_security_group.as_ref().filter(|_| guarded);
        let inbound = self.groups(Direction::Inbound, [shared, own], &subnet.id);
        let entrance = Entrance { interface: interface.id.clone(), cluster: cluster.id.clone() };
        let server = backbone::server(self.numbers.entrances.hold(&entrance));
        self.unit.entrances.insert(entrance);
        self.filter.endpoints.insert(address, Endpoint { port: server.port(), server, inbound });
    }

    fn add_peer(&mut self, peer: &PeeredNetwork) {
        let (name, _) = self.peer_link(&peer.network);
        let (near, far) = (self.place.clone(), Place::Network(peer.network.clone()));
        // The pair belongs to the lesser of the two units.
        if near < far {
            let end = |place, name, own: Ipv4Addr, other: Ipv4Addr| LinkEnd {
                place,
                name,
                mac: mac_of(own),
                addresses: Vec::new(),
                neighbours: vec![other],
            };
            let back = LinkName::new(self.numbers.label(&near));
            let (own, other) = (self.numbers.hop(&near), self.numbers.hop(&far));
            self.unit.join(end(near, name.clone(), own, other), end(far, back, other, own));
        }
        let mut sources = peer.prefixes.clone();
        if peer.uses_remote_gateway {
            let gateway = self.network.virtual_network(&peer.network).and_then(|remote| remote.gateway.as_ref());
            sources.extend(gateway.into_iter().flat_map(|gateway| gateway.behind().map(|(prefix, _)| prefix)));
        }
        let filter = PeerFilter { sources, forwarded: peer.accepts_forwarded, transit: peer.transit, steers: false };
        self.filter.peers.insert(name, filter);
        self.receive_steering(peer);
    }

    /// The link to a peer and the next hop on it.
    fn peer_link(&mut self, network: &ResourceId) -> (LinkName, Ipv4Addr) {
        let place = Place::Network(network.clone());
        (LinkName::new(self.numbers.label(&place)), self.numbers.hop(&place))
    }

    /// The near ends of links on which a peer's user routes lead to appliances here.
    fn receive_steering(&mut self, peer: &PeeredNetwork) {
        for appliance in steered(self.network, &peer.network, self.compiled) {
            let (number, name) = self.steering(&peer.network, appliance);
            let table = STEERING_TABLES + number;
            let name = far_end(&name);
            self.routes.insert((table, Ipv4Net::default()), RouteTarget::Via(machine_link(appliance), appliance));
            self.filter.tables.insert(name.clone(), table);
            let (sources, forwarded) = (peer.prefixes.clone(), peer.accepts_forwarded);
            self.filter.peers.insert(name, PeerFilter { sources, forwarded, transit: false, steers: true });
        }
    }

    /// The number and the sending end's name of the link by which `from` reaches `appliance` of a peer.
    fn steering(&mut self, from: &ResourceId, appliance: Ipv4Addr) -> (u32, LinkName) {
        let number = self.numbers.steering.hold(&(from.clone(), appliance));
        (number, LinkName::new(format!("s{number}")))
    }

    fn add_gateway(&mut self) {
        let Some(gateway) = &self.compiled.gateway else { return };
        let place = Place::Gateway(gateway.id.clone());
        let (hop, own) = (self.numbers.address(&place), self.numbers.address(&self.place));
        self.unit.join(
            LinkEnd {
                place: self.place.clone(),
                name: LinkName::new(GATEWAY),
                mac: FABRIC_MAC,
                addresses: Vec::new(),
                neighbours: vec![hop],
            },
            LinkEnd {
                place,
                name: LinkName::new(super::outside::NETWORK),
                mac: mac_of(hop),
                addresses: Vec::new(),
                neighbours: vec![own],
            },
        );
        self.filter.gateway = Some(LinkName::new(GATEWAY));
        if let Some(table) = self.table_of(&gateway.subnet) {
            self.filter.tables.insert(LinkName::new(GATEWAY), table);
        }
    }

    /// The main table and those of subnets with route tables.
    fn add_tables(&mut self) {
        for route in route::platform(&self.network.virtual_networks, self.compiled).iter() {
            let target = match self.target(MAIN_TABLE, route) {
                // Machines' own /32s are more specific.
                Some(RouteTarget::Throw) => RouteTarget::Blackhole,
                Some(target) => target,
                None => continue,
            };
            self.routes.entry((MAIN_TABLE, route.prefix)).or_insert(target);
        }
        for subnet in &self.compiled.subnets {
            let Some(table) = self.table_of(&subnet.id) else { continue };
            let routes = self.network.effective_routes(&subnet.id);
            for route in routes {
                if let Some(target) = self.target(table, route) {
                    self.routes.insert((table, route.prefix), target);
                }
                self.narrow_to_what_is_behind(table, route, routes);
            }
            // What an endpoint has translated is where it is to be, whatever the table says.
            self.routes.extend(servers().map(|servers| ((table, servers), RouteTarget::Throw)));
            let elsewhere = |address: &&Ipv4Addr| {
                routes.iter().find(|route| route.prefix.contains(*address)).is_some_and(|route| match &route.next_hop {
                    NextHop::VirtualNetwork { network } | NextHop::InterfaceEndpoint { network } => {
                        *network != self.compiled.id
                    }
                    _ => true,
                })
            };
            let entrances = self.filter.endpoints.keys().chain(self.filter.inbound_endpoints.keys());
            let bypassed: Vec<_> = entrances.filter(elsewhere).map(|at| (table, *at)).collect();
            self.filter.bypassed.extend(bypassed);
            // The host answers for the platform's addresses before any route.
            for address in [AZURE_DNS, METADATA] {
                self.routes.insert((table, address.into()), RouteTarget::Throw);
            }
            let inside = self.compiled.interfaces.iter().filter(|(_, interface)| interface.subnet == subnet.id);
            for (address, interface) in inside {
                if is_machine(interface) {
                    self.filter.tables.insert(machine_link(*address), table);
                }
            }
        }
    }

    /// A route into a peer's gateway is for what lies behind that gateway; the peer's router would
    /// also deliver to its own network.
    fn narrow_to_what_is_behind(&mut self, table: u32, route: &EffectiveRoute, routes: &[EffectiveRoute]) {
        let NextHop::Gateway { gateway } = &route.next_hop else { return };
        let Some(holder) = self.network.gateway_network(gateway).filter(|holder| holder.id != self.compiled.id) else {
            return;
        };
        let (link, hop) = self.peer_link(&holder.id);
        self.routes.insert((table, route.prefix), RouteTarget::Blackhole);
        for (behind, _) in holder.gateway.iter().flat_map(Gateway::behind) {
            let shared = match (route.prefix.contains(&behind), behind.contains(&route.prefix)) {
                (true, _) => behind,
                (false, true) => route.prefix,
                (false, false) => continue,
            };
            // A more specific route of the table says otherwise.
            if routes.iter().find(|other| other.prefix.contains(&shared)) == Some(route) {
                self.routes.insert((table, shared), RouteTarget::Via(link.clone(), hop));
            }
        }
    }

    /// The number of a subnet's own table, if it has a route table.
    fn table_of(&self, subnet: &ResourceId) -> Option<u32> {
        let index = self.compiled.subnets.iter().position(|held| held.id == *subnet)?;
        self.compiled.subnets[index].route_table.as_ref()?;
        u32::try_from(index + 1).ok()
    }

    /// Whether all of a prefix lies in the network's address space.
    fn is_own(&self, prefix: Ipv4Net) -> bool {
        self.compiled.address_space.iter().any(|own| own.contains(&prefix))
    }

    /// What an effective route is to Linux; `None` when there is nothing to say.
    fn target(&mut self, table: u32, route: &EffectiveRoute) -> Option<RouteTarget> {
        Some(match &route.next_hop {
            NextHop::VirtualNetwork { .. } if self.is_own(route.prefix) => RouteTarget::Throw,
            NextHop::InterfaceEndpoint { network } if *network == self.compiled.id => RouteTarget::Throw,
            NextHop::Peering { network, .. } | NextHop::InterfaceEndpoint { network } => {
                let (link, hop) = self.peer_link(network);
                RouteTarget::Via(link, hop)
            }
            NextHop::Gateway { gateway } => self.towards_gateway(gateway)?,
            NextHop::Internet => via(BACKBONE, BACKBONE_HOP),
            NextHop::VirtualAppliance { address } => self.towards_appliance(table, *address),
            // A user's route keeps what is not in the network inside it, where it finds nobody.
            NextHop::VirtualNetwork { .. } | NextHop::None | NextHop::NoGateway => RouteTarget::Blackhole,
        })
    }

    fn towards_gateway(&mut self, gateway: &ResourceId) -> Option<RouteTarget> {
        if self.compiled.gateway.as_ref().is_some_and(|own| own.id == *gateway) {
            return Some(via(GATEWAY, self.numbers.address(&Place::Gateway(gateway.clone()))));
        }
        let holder = self.network.gateway_network(gateway)?;
        let (link, hop) = self.peer_link(&holder.id);
        Some(RouteTarget::Via(link, hop))
    }

    fn towards_appliance(&mut self, table: u32, address: Ipv4Addr) -> RouteTarget {
        debug_assert_ne!(table, MAIN_TABLE, "only route tables name appliances");
        if self.compiled.contains(address) {
            let here = self.compiled.interfaces.get(&address).is_some_and(is_machine);
            return if here { RouteTarget::Via(machine_link(address), address) } else { RouteTarget::Blackhole };
        }
        let covers = |peer: &&PeeredNetwork| peer.prefixes.iter().any(|prefix| prefix.contains(&address));
        let Some(peer) = self.compiled.open_peers().find(covers) else { return RouteTarget::Blackhole };
        let Some(remote) = self.network.virtual_network(&peer.network) else { return RouteTarget::Blackhole };
        if !remote.interfaces.get(&address).is_some_and(is_machine) {
            return RouteTarget::Blackhole;
        }
        let (number, name) = self.steering(&self.compiled.id.clone(), address);
        let hop = nth(STEERING_BASE, number);
        self.steer(&name, hop, &remote.id);
        RouteTarget::Via(name, hop)
    }

    /// The pair that steers to an appliance of `remote`; the far end is told by
    /// [`Self::receive_steering`] what to do with it.
    fn steer(&mut self, name: &LinkName, hop: Ipv4Addr, remote: &ResourceId) {
        let end = |place, name, mac, neighbours| LinkEnd { place, name, mac, addresses: Vec::new(), neighbours };
        let near = end(self.place.clone(), name.clone(), FABRIC_MAC, vec![hop]);
        let far_name = far_end(name);
        let far = end(Place::Network(remote.clone()), far_name, mac_of(hop), Vec::new());
        if !self.unit.veths.iter().any(|veth| veth.near == near || veth.far == near) {
            self.unit.join(near, far);
            // Nothing is routed back over it; what comes from it is a stranger's.
            self.filter.peers.entry(name.clone()).or_default();
        }
    }

    /// The addresses at which names are asked, and that of the instance metadata service.
    fn add_names(&mut self) {
        self.main(AZURE_DNS, RouteTarget::Local);
        self.filter.dns.insert(AZURE_DNS);
        self.main(METADATA, RouteTarget::Local);
        self.routes.extend(servers().map(|servers| ((MAIN_TABLE, servers), RouteTarget::Local)));
        self.filter.metadata.insert(METADATA);
        for (address, endpoint) in &self.compiled.inbound_endpoints {
            self.main(*address, RouteTarget::Local);
            let subnet = self.compiled.subnet(&endpoint.subnet);
            let group = subnet.and_then(|subnet| subnet.network_security_group.as_ref());
            let inbound = self.groups(Direction::Inbound, [group], &endpoint.subnet);
            self.filter.inbound_endpoints.insert(*address, inbound);
        }
    }

    /// The ids of the groups that decide, in order; their rules are added to the filter.
    fn groups<const N: usize>(
        &mut self,
        direction: Direction,
        groups: [Option<&ResourceId>; N],
        subnet: &ResourceId,
    ) -> Vec<GroupId> {
        let Some(tags) = self.network.tags(subnet) else { return Vec::new() };
        let index = self.compiled.subnets.iter().position(|held| held.id == *subnet).unwrap_or_default();
        let mut ids = Vec::new();
        for group in groups.into_iter().flatten() {
            let Some(compiled) = self.network.security_group(group) else { continue };
            let id = GroupId(format!("{} {direction:?} {index}", group.key()));
            let rules = || compiled.rules(direction).iter().filter_map(|rule| packet_rule(rule, tags)).collect();
            self.filter.groups.entry(id.clone()).or_insert_with(rules);
            ids.push(id);
        }
        ids
    }

    fn finish(mut self) -> Unit {
        let dns = |address: Ipv4Addr| (SocketAddrV4::new(address, DNS_PORT), self.view());
        let entered = (!self.filter.endpoints.is_empty()).then_some(Listener::ApiServers);
        let entered = entered.map(|servers| (SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, API_SERVER_PORT), servers));
        let metadata = self.filter.metadata.iter();
        let metadata = metadata.map(|address| (SocketAddrV4::new(*address, METADATA_PORT), Listener::Metadata));
        let listeners: OrdMap<_, _> = self
            .filter
            .dns
            .iter()
            .chain(self.filter.inbound_endpoints.keys())
            .map(|address| dns(*address))
            .chain(metadata)
            .chain(entered)
            .collect();
        let routes = std::mem::take(&mut self.routes);
        let namespace = Namespace {
            forwarding: true,
            routes: routes.into_iter().map(|((table, to), target)| Route { table, to, target }).collect(),
            filter: Filter::Router(Box::new(self.filter)),
            listeners,
        };
        self.unit.add(self.place, namespace);
        self.unit
    }

    fn view(&self) -> Listener {
        Listener::Dns(ViewId::VirtualNetwork(self.compiled.id.clone()))
    }
}

/// Where API servers stand.
fn servers() -> Option<Ipv4Net> {
    Ipv4Net::new(API_SERVER_RANGE.0, API_SERVER_RANGE.1).ok()
}

/// The name, at the appliance's network, of a link that steers.
fn far_end(near: &LinkName) -> LinkName {
    LinkName::new(format!("t{}", &near.as_str()[1..]))
}

/// Whether a machine that runs is behind an interface.
fn is_machine(interface: &Interface) -> bool {
    interface.private_endpoint.is_none() && !interface.stopped
}

/// The link of the machine with this address.
fn machine_link(address: Ipv4Addr) -> LinkName {
    LinkName::new(format!("i{:08x}", u32::from(address)))
}

/// The first address of a subnet, which machines have as their gateway.
fn gateway_of(prefix: Ipv4Net) -> Ipv4Addr {
    nth(prefix.network(), 1)
}

/// The appliances of `network` that user routes of its peer `from` lead to.
fn steered(network: &Network, from: &ResourceId, holder: &VirtualNetwork) -> BTreeSet<Ipv4Addr> {
    let Some(sender) = network.virtual_network(from) else { return BTreeSet::new() };
    let routes = sender.subnets.iter().flat_map(|subnet| network.effective_routes(&subnet.id));
    let appliances = routes.filter_map(|route| match route.next_hop {
        NextHop::VirtualAppliance { address } => Some(address),
        _ => None,
    });
    let here =
        |address: &Ipv4Addr| !sender.contains(*address) && holder.interfaces.get(address).is_some_and(is_machine);
    appliances.filter(here).collect()
}

/// A rule for packets; `None` when no packet can match it.
fn packet_rule(rule: &SecurityRule, tags: &Tags) -> Option<PacketRule> {
    let lists = [rule.source_ports.is_empty(), rule.destination_ports.is_empty()];
    if lists.contains(&true) {
        return None;
    }
    Some(PacketRule {
        protocol: match rule.protocol {
            RuleProtocol::Any => None,
            RuleProtocol::Tcp => Some(Protocol::Tcp),
            RuleProtocol::Udp => Some(Protocol::Udp),
            RuleProtocol::Icmp => Some(Protocol::Icmp),
            RuleProtocol::Esp => Some(Protocol::Esp),
            RuleProtocol::Ah => Some(Protocol::Ah),
        },
        sources: addresses(&backbone::sources(&prefixes(&rule.sources, tags)))?,
        source_ports: ports(&rule.source_ports),
        destinations: addresses(&prefixes(&rule.destinations, tags))?,
        ports: ports(&rule.destination_ports),
        allow: rule.access == Access::Allow,
    })
}

fn prefixes(places: &[AddressMatch], tags: &Tags) -> Vec<Ipv4Net> {
    places.iter().flat_map(|place| tags.prefixes(*place)).collect()
}

fn addresses(prefixes: &[Ipv4Net]) -> Option<Addresses> {
    let prefixes = Ipv4Net::aggregate(&prefixes.to_vec());
    match prefixes.as_slice() {
        [] => None,
        [all] if all.prefix_len() == 0 => Some(Addresses::Any),
        _ => Some(Addresses::In(prefixes)),
    }
}

fn ports(ranges: &[PortRange]) -> Vec<(u16, u16)> {
    if ranges.contains(&PortRange::ALL) {
        return Vec::new();
    }
    ranges.iter().map(|range| (range.first, range.last)).collect()
}
