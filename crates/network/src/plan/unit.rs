//! A part of the fabric that is compiled as a whole.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
};

use azure::ResourceId;
use imbl::OrdSet;

use super::{
    fabric::{Entrance, FabricNumbers},
    filter::{Filter, NameServerFilter},
    outside, router,
    types::{
        BACKBONE_HOP, FABRIC_MAC, LinkEnd, LinkName, Listener, MAIN_TABLE, Namespace, Place, Route, RouteTarget,
        STAND_IN_PORT, Veth, mac_of,
    },
};
use crate::{answer::ViewId, network::Network};

/// Which part.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum UnitId {
    /// The machine of the Internet vantage.
    Internet,
    /// A virtual network: its router and its machines.
    Network(ResourceId),
    /// A VPN gateway with its default client.
    Gateway(ResourceId),
    /// A site's own router.
    Site(ResourceId),
    /// A machine outside Azure.
    Client(ResourceId),
}

/// What it contributes.
#[derive(Debug, Clone, Default)]
pub(super) struct Unit {
    /// Namespaces.
    pub(super) namespaces: Vec<(Place, Arc<Namespace>)>,
    /// Pairs, among them those to other units' namespaces: each pair belongs to one unit.
    pub(super) veths: Vec<Veth>,
    /// Routes of the backbone that lead into it.
    pub(super) backbone: Vec<Route>,
    /// Its endpoints' ways to API servers.
    pub(super) entrances: BTreeSet<Entrance>,
}

impl Unit {
    /// The unit, if there is such a thing in `network`.
    ///
    /// `visited` are the subnets that somebody visits.
    pub(super) fn compile(
        id: &UnitId,
        network: &Network,
        visited: &OrdSet<ResourceId>,
        numbers: &mut FabricNumbers,
    ) -> Option<Self> {
        match id {
            UnitId::Internet => Some(outside::internet(numbers)),
            UnitId::Network(id) => Some(router::compile(network, network.virtual_network(id)?, visited, numbers)),
            UnitId::Gateway(id) => outside::gateway(network, id, numbers),
            UnitId::Site(id) => outside::site(network, id, numbers),
            UnitId::Client(id) => Some(outside::client(network, network.client(id)?, numbers)),
        }
    }

    /// Adds a namespace.
    pub(super) fn add(&mut self, place: Place, namespace: Namespace) {
        self.namespaces.push((place, Arc::new(namespace)));
    }

    /// Adds a pair.
    pub(super) fn join(&mut self, one: LinkEnd, other: LinkEnd) {
        let (near, far) = if one < other { (one, other) } else { (other, one) };
        self.veths.push(Veth { near, far });
    }

    /// Joins `place` to the backbone by a link called `name`; gives the public address it has there.
    pub(super) fn join_backbone(
        &mut self,
        place: &Place,
        name: &str,
        public: Option<Ipv4Addr>,
        numbers: &mut FabricNumbers,
    ) -> Ipv4Addr {
        let address = public.unwrap_or_else(|| numbers.address(place));
        let near = LinkEnd {
            place: Place::Backbone,
            name: LinkName::new(numbers.label(place)),
            mac: FABRIC_MAC,
            addresses: vec![BACKBONE_HOP],
            neighbours: vec![address],
        };
        // A router translates to its address and never is at it: an answer that goes back to it by way
        // of another translation must be routed on.
        let addresses = if matches!(place, Place::Network(_)) { Vec::new() } else { vec![address] };
        let far = LinkEnd {
            place: place.clone(),
            name: LinkName::new(name),
            mac: mac_of(address),
            addresses,
            neighbours: vec![BACKBONE_HOP],
        };
        self.join(near, far);
        address
    }
}

/// A route of the main table.
pub(super) fn main_route(to: impl Into<ipnet::Ipv4Net>, target: RouteTarget) -> Route {
    Route { table: MAIN_TABLE, to: to.into(), target }
}

/// Out of `link` through `hop`.
pub(super) fn via(link: impl Into<String>, hop: Ipv4Addr) -> RouteTarget {
    RouteTarget::Via(LinkName::new(link), hop)
}

/// The lab's stand-in at a machine, if somebody is told to ask `address` for names: it answers out of
/// `view` what no program there listens for.
pub(super) fn stand_in(network: &Network, address: Ipv4Addr, view: ViewId, namespace: &mut Namespace) {
    let ports: BTreeSet<u16> = network.name_server_ports(address).collect();
    if !ports.is_empty() {
        namespace.filter = Filter::NameServer(NameServerFilter { address, ports });
        namespace.listeners.insert(SocketAddrV4::new(address, STAND_IN_PORT), Listener::Dns(view));
    }
}
