//! What the whole kernel must look like at one revision, kept up to date by the changes only.
//!
//! The fabric is the union of [`Unit`]s: what one virtual network, one gateway or one machine
//! outside Azure contributes. Advancing makes again the units whose compiled inputs changed; the
//! backbone is the sum of the units' contributions, kept in persistent sets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use azure::{ResourceId, model::Model};
use imbl::{OrdMap, OrdSet, ordmap::DiffItem};

use super::{
    backbone,
    numbers::{Numbers, nth},
    types::{HOST_RANGE, NETWORK_RANGE, Namespace, PEERS_BASE, Place, Route, Veth},
    unit::{Unit, UnitId},
};
use crate::{
    network::{Client, Network},
    virtual_network::{Gateway, VirtualNetwork},
};

/// Every namespace and every veth pair.
#[derive(Debug, Clone, Default)]
pub struct Fabric {
    /// The namespaces.
    pub namespaces: OrdMap<Place, Arc<Namespace>>,
    /// The pairs between them.
    pub veths: OrdSet<Veth>,
    source: Network,
    /// The subnets that somebody visits.
    visited: OrdSet<ResourceId>,
    numbers: FabricNumbers,
    units: OrdMap<UnitId, Arc<Unit>>,
    backbone_routes: OrdSet<Route>,
}

/// The way from a private endpoint to an API server: connections by it are accepted at an address of
/// its own, so that they can be ended when it leads there no longer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entrance {
    /// The endpoint's network interface.
    pub interface: ResourceId,
    /// The cluster.
    pub cluster: ResourceId,
}

/// Who has which number.
#[derive(Debug, Clone, Default)]
pub(super) struct FabricNumbers {
    /// Virtual networks.
    networks: Numbers<Place>,
    /// All other places.
    hosts: Numbers<Place>,
    /// Private endpoints' ways to API servers, by their address among these.
    pub(super) entrances: Numbers<Entrance>,
    /// Clients of each gateway, by their tunnels' addresses.
    tunnels: BTreeMap<ResourceId, Numbers<Place>>,
    /// Links that steer from a network to an appliance in a peered one.
    pub(super) steering: Numbers<(ResourceId, Ipv4Addr)>,
}

impl Fabric {
    /// The fabric of `network`, from nothing.
    pub fn compile(network: &Network) -> Self {
        Self::default().advance(network)
    }

    /// The fabric of `network`, given that of an earlier one. Costs the size of what changed.
    #[must_use]
    pub fn advance(&self, network: &Network) -> Self {
        self.advance_with(network, &self.visited)
    }

    /// The same, with a place in each of the subnets in `visited` where somebody can stand at an address
    /// that nobody has.
    #[must_use]
    pub fn advance_with(&self, network: &Network, visited: &OrdSet<ResourceId>) -> Self {
        let mut next = self.clone();
        next.source = network.clone();
        next.visited = visited.clone();
        let come_or_gone = self.visited.clone().symmetric_difference(visited.clone());
        let visited = come_or_gone.iter().filter_map(ResourceId::parent).map(UnitId::Network);
        next.replace(self.changed(network).into_iter().chain(visited).collect(), network);
        let backbone = backbone::namespace(network, &next.backbone_routes);
        if next.namespaces.get(&Place::Backbone).is_none_or(|old| **old != backbone) {
            next.namespaces.insert(Place::Backbone, Arc::new(backbone));
        }
        next
    }

    /// The cluster whose API server was reached at this address of the backbone.
    pub fn cluster_at(&self, address: Ipv4Addr) -> Option<&ResourceId> {
        match backbone::number_of(address) {
            Some(number) => self.numbers.entrances.key_of(number).map(|entrance| &entrance.cluster),
            None => backbone::public_cluster(&self.source, address),
        }
    }

    /// The subnets in which there is a place for a visitor, if they have an address for one.
    pub fn visited(&self) -> &OrdSet<ResourceId> {
        &self.visited
    }

    /// By which private endpoint whoever was accepted at this address of the backbone has come; nothing
    /// if the address is a public one, or that endpoint leads there no longer.
    pub fn entrance_at(&self, address: Ipv4Addr) -> Option<&Entrance> {
        self.numbers.entrances.key_of(backbone::number_of(address)?)
    }

    /// The units whose inputs differ between the fabric's network and `network`.
    fn changed(&self, network: &Network) -> BTreeSet<UnitId> {
        let mut units = BTreeSet::from([UnitId::Internet]);
        units.retain(|unit| !self.units.contains_key(unit));
        let both = [&self.source, network];
        for id in differing(self.source.virtual_networks(), network.virtual_networks()) {
            units.insert(UnitId::Network(id.clone()));
            for gateway in both.iter().filter_map(|source| source.virtual_network(id)?.gateway.as_ref()) {
                units.insert(UnitId::Gateway(gateway.id.clone()));
                units.extend(gateway.sites.iter().map(|site| UnitId::Site(site.id.clone())));
                // Its clients' routes are the network's.
                let clients = network.clients.values().filter(|client| behind(client, gateway));
                units.extend(clients.map(|client| UnitId::Client(client.id.clone())));
            }
        }
        for id in differing(&self.source.clients, &network.clients) {
            units.insert(UnitId::Client(id.clone()));
            for client in both.iter().filter_map(|source| source.client(id)) {
                units.extend(client.gateway.clone().map(UnitId::Gateway));
                units.extend(client.site.clone().map(UnitId::Site));
            }
        }
        for id in differing(&self.source.sites, &network.sites) {
            units.insert(UnitId::Site(id.clone()));
            let machines = network.clients.values().filter(|client| client.site.as_ref() == Some(id));
            units.extend(machines.map(|client| UnitId::Client(client.id.clone())));
        }
        for id in differing(self.source.clusters(), network.clusters()) {
            units.extend(networks_with_endpoints_to(network, id).map(UnitId::Network));
        }
        for address in renamed(&self.source, network) {
            let standing = |compiled: &&Arc<VirtualNetwork>| compiled.interfaces.contains_key(&address);
            let networks = network.virtual_networks().values().filter(standing);
            units.extend(networks.map(|compiled| UnitId::Network(compiled.id.clone())));
            let machines = network.clients().values().filter(|client| client.address == Some(address));
            units.extend(machines.map(|client| UnitId::Client(client.id.clone())));
        }
        for id in differing(&self.source.routing, &network.routing) {
            units.insert(UnitId::Network(id.clone()));
        }
        for id in differing(&self.source.security_groups, &network.security_groups) {
            units.extend(both.iter().flat_map(|source| guarded_networks(source, id)).map(UnitId::Network));
        }
        units
    }

    /// Compiles units again. What one had and another has now, as a private endpoint that stands in
    /// another network, is kept: the old go before the new come, and numbers are given back at last.
    fn replace(&mut self, ids: BTreeSet<UnitId>, network: &Network) {
        let old: Vec<(UnitId, Option<Arc<Unit>>)> = ids.into_iter().map(|id| (id.clone(), self.take(&id))).collect();
        let mut entrances = BTreeSet::new();
        for (id, _) in &old {
            let Some(unit) = Unit::compile(id, network, &self.visited, &mut self.numbers) else { continue };
            self.namespaces.extend(unit.namespaces.iter().cloned());
            self.veths.extend(unit.veths.iter().cloned());
            self.backbone_routes.extend(unit.backbone.iter().cloned());
            entrances.extend(unit.entrances.iter().cloned());
            self.units.insert(id.clone(), Arc::new(unit));
        }
        for (id, old) in &old {
            for entrance in old.iter().flat_map(|old| &old.entrances).filter(|held| !entrances.contains(held)) {
                self.numbers.entrances.release(entrance);
            }
            if !self.units.contains_key(id) {
                let places = old.iter().flat_map(|old| &old.namespaces).map(|(place, _)| place);
                self.numbers.forget(id, places.filter(|place| !self.namespaces.contains_key(*place)));
            }
        }
    }

    /// Takes a unit out, with all that it has.
    fn take(&mut self, id: &UnitId) -> Option<Arc<Unit>> {
        let unit = self.units.remove(id)?;
        for (place, _) in &unit.namespaces {
            self.namespaces.remove(place);
        }
        for veth in &unit.veths {
            self.veths.remove(veth);
        }
        for route in &unit.backbone {
            self.backbone_routes.remove(route);
        }
        Some(unit)
    }
}

impl FabricNumbers {
    /// The address a place has in the fabric, where it has no other.
    pub(super) fn address(&mut self, place: &Place) -> Ipv4Addr {
        let number = self.number(place);
        nth(if matches!(place, Place::Network(_)) { NETWORK_RANGE.0 } else { HOST_RANGE.0 }, number)
    }

    /// The address by which its peers know a network's router: another than the one it has in the
    /// backbone, to which the way is never over a peering.
    pub(super) fn hop(&mut self, network: &Place) -> Ipv4Addr {
        nth(PEERS_BASE, self.number(network))
    }

    /// A short name for a place, unique in the fabric, for links that lead there.
    pub(super) fn label(&mut self, place: &Place) -> String {
        let number = self.number(place);
        format!("{}{number}", if matches!(place, Place::Network(_)) { 'n' } else { 'h' })
    }

    /// The number of a place among its like.
    pub(super) fn number(&mut self, place: &Place) -> u32 {
        self.of(place).hold(place)
    }

    /// The number of a client among those of `gateway`, from 1 on.
    pub(super) fn tunnel(&mut self, gateway: &ResourceId, client: &Place) -> u32 {
        for (_, others) in self.tunnels.iter_mut().filter(|(id, _)| *id != gateway) {
            others.release(client);
        }
        self.tunnels.entry(gateway.clone()).or_default().hold(client)
    }

    /// A client has no tunnel any more.
    pub(super) fn leave_tunnels(&mut self, client: &Place) {
        self.tunnels.values_mut().for_each(|clients| clients.release(client));
    }

    fn of(&mut self, place: &Place) -> &mut Numbers<Place> {
        if matches!(place, Place::Network(_)) { &mut self.networks } else { &mut self.hosts }
    }

    /// Gives back the numbers of a unit that is no more, and of its places that nobody has now.
    fn forget<'a>(&mut self, id: &UnitId, places: impl Iterator<Item = &'a Place>) {
        for place in places {
            self.of(place).release(place);
        }
        match id {
            UnitId::Network(network) => self.steering.release_all(|(from, _)| from == network),
            UnitId::Gateway(gateway) => _ = self.tunnels.remove(gateway),
            UnitId::Client(client) => self.leave_tunnels(&Place::Client(client.clone())),
            UnitId::Internet | UnitId::Site(_) => {}
        }
    }
}

/// The networks in which endpoints lead to `cluster`.
fn networks_with_endpoints_to(network: &Network, cluster: &ResourceId) -> impl Iterator<Item = ResourceId> {
    let estate = network.estate();
    let endpoints = estate.referrers(cluster).filter_map(|referrer| estate.private_endpoint(referrer.id()));
    endpoints.filter_map(|endpoint| endpoint.subnet.as_ref()?.parent())
}

/// The networks in which `group` guards subnets or interfaces.
fn guarded_networks(network: &Network, group: &ResourceId) -> Vec<ResourceId> {
    let mut networks = Vec::new();
    for referrer in network.estate().referrers(group) {
        match referrer.model() {
            Model::Subnet(_) => networks.extend(referrer.id().parent()),
            Model::NetworkInterface(nic) => {
                networks.extend(nic.ip_configurations.iter().filter_map(|configuration| configuration.subnet.parent()));
            }
            _ => {}
        }
    }
    networks
}

/// Whether a machine's routes are those of this gateway.
fn behind(client: &Client, gateway: &Gateway) -> bool {
    client.gateway.as_ref() == Some(&gateway.id)
        || client.site.as_ref().is_some_and(|site| gateway.sites.iter().any(|held| held.id == *site))
}

/// The keys at which two maps differ; costs the difference.
fn differing<'a, T: PartialEq>(
    before: &'a OrdMap<ResourceId, Arc<T>>,
    after: &'a OrdMap<ResourceId, Arc<T>>,
) -> impl Iterator<Item = &'a ResourceId> {
    before.diff(after).map(|item| match item {
        DiffItem::Add(id, _) | DiffItem::Remove(id, _) | DiffItem::Update { new: (id, _), .. } => id,
    })
}

/// The addresses that began or ceased to be asked for names.
fn renamed(before: &Network, after: &Network) -> BTreeSet<Ipv4Addr> {
    let differing = before.name_servers.diff(&after.name_servers).filter_map(|item| match item {
        DiffItem::Add((address, _), _) | DiffItem::Remove((address, _), _) => Some(*address),
        DiffItem::Update { .. } => None,
    });
    differing.collect()
}
