//! What the whole kernel must look like at one revision, kept up to date by the changes only.
//!
//! The fabric is the union of [`Unit`]s: what one virtual network, one gateway or one machine
//! outside Azure contributes. Advancing makes again the units whose compiled inputs changed; the
//! backbone is the sum of the units' contributions, kept in persistent sets.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

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
    virtual_network::Gateway,
};

/// Every namespace and every veth pair.
#[derive(Debug, Clone, Default)]
pub struct Fabric {
    /// The namespaces.
    pub namespaces: OrdMap<Place, Arc<Namespace>>,
    /// The pairs between them.
    pub veths: OrdSet<Veth>,
    source: Network,
    numbers: FabricNumbers,
    units: OrdMap<UnitId, Arc<Unit>>,
    backbone_routes: OrdSet<Route>,
}

/// Who has which number.
#[derive(Debug, Clone, Default)]
pub(super) struct FabricNumbers {
    /// Virtual networks.
    networks: Numbers<Place>,
    /// All other places.
    hosts: Numbers<Place>,
    /// Clusters, by their address among the API servers.
    pub(super) clusters: Numbers<ResourceId>,
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
        let mut next = self.clone();
        next.source = network.clone();
        next.renumber_clusters(self.source.clusters(), network.clusters());
        for unit in self.changed(network) {
            next.replace(unit, network);
        }
        let backbone = backbone::namespace(network, &next.backbone_routes);
        if next.namespaces.get(&Place::Backbone).is_none_or(|old| **old != backbone) {
            next.namespaces.insert(Place::Backbone, Arc::new(backbone));
        }
        next
    }

    /// The cluster whose API server was reached at this address of the backbone.
    pub fn cluster_at(&self, address: Ipv4Addr) -> Option<&ResourceId> {
        match backbone::number_of(address) {
            Some(number) => self.numbers.clusters.key_of(number),
            None => backbone::public_cluster(&self.source, address),
        }
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
        for id in differing(&self.source.routing, &network.routing) {
            units.insert(UnitId::Network(id.clone()));
        }
        for id in differing(&self.source.security_groups, &network.security_groups) {
            units.extend(both.iter().flat_map(|source| guarded_networks(source, id)).map(UnitId::Network));
        }
        units
    }

    fn renumber_clusters<T>(&mut self, before: &OrdMap<ResourceId, Arc<T>>, after: &OrdMap<ResourceId, Arc<T>>)
    where
        T: PartialEq,
    {
        for item in before.diff(after) {
            match item {
                DiffItem::Add(id, _) => _ = self.numbers.clusters.hold(id),
                DiffItem::Remove(id, _) => self.numbers.clusters.release(id),
                DiffItem::Update { .. } => {}
            }
        }
    }

    fn replace(&mut self, id: UnitId, network: &Network) {
        let old = self.units.remove(&id);
        if let Some(old) = &old {
            for (place, _) in &old.namespaces {
                self.namespaces.remove(place);
            }
            for veth in &old.veths {
                self.veths.remove(veth);
            }
            for route in &old.backbone {
                self.backbone_routes.remove(route);
            }
        }
        let Some(unit) = Unit::compile(&id, network, &mut self.numbers) else {
            self.numbers.forget(&id, old.as_deref());
            return;
        };
        self.namespaces.extend(unit.namespaces.iter().cloned());
        self.veths.extend(unit.veths.iter().cloned());
        self.backbone_routes.extend(unit.backbone.iter().cloned());
        self.units.insert(id, Arc::new(unit));
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

    fn of(&mut self, place: &Place) -> &mut Numbers<Place> {
        if matches!(place, Place::Network(_)) { &mut self.networks } else { &mut self.hosts }
    }

    /// Gives back what a unit that is no more had.
    fn forget(&mut self, id: &UnitId, old: Option<&Unit>) {
        for (place, _) in old.into_iter().flat_map(|unit| &unit.namespaces) {
            self.of(place).release(place);
        }
        if let UnitId::Network(network) = id {
            self.steering.release_all(|(from, _)| from == network);
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
