//! The matrix after a change: only the classes that a change can matter to are asked again, and of
//! the others only about the clusters that have changed.

use std::{collections::BTreeSet, sync::Arc};

use azure::{ResourceId, model::RecordData};
use network::{Difference, Network, VirtualNetwork};

use super::{Class, Matrix, class::Maker, in_threads, index::Number, outcome, view::Views};

impl Matrix {
    /// The matrix of `next`, which came about by changes of `network`, whose matrix this is. Makes
    /// everything anew where who behaves like whom may have changed.
    #[must_use]
    pub fn advance(&self, network: &Network, next: &Network) -> Self {
        let difference = network.difference(next);
        let Some(changed) = self.changed(network, next, &difference) else { return Self::new(next) };
        let mut networks = difference.networks;
        networks.extend(linked(next, &difference.zones));
        networks.extend(guarded(next, &difference.security_groups));
        let maker = Maker { network: next, index: &self.index, changed };
        let classes = in_threads(&self.classes, |run| {
            let mut views = Views::default();
            let again = |class: &Class| {
                let Some(first) = class.vantages.first().filter(|_| class.fares.depends_on(&networks)) else {
                    let mut class = class.clone();
                    class.fares.take(again(&maker, &class));
                    return class;
                };
                Class { vantages: class.vantages.clone(), fares: maker.fares(first, &mut views) }
            };
            run.iter().map(again).collect()
        });
        Self { index: Arc::clone(&self.index), cells: self.cells.clone(), classes }
    }

    /// The clusters that differ, by number; `None` where classes may no longer be what they are.
    fn changed(&self, network: &Network, next: &Network, difference: &Difference) -> Option<BTreeSet<Number>> {
        if difference.vantages || network.clusters().len() != next.clusters().len() {
            return None;
        }
        let mut clusters: BTreeSet<ResourceId> = difference.clusters.clone();
        for id in &difference.networks {
            let (old, new) = (network.virtual_network(id)?, next.virtual_network(id)?);
            if !same_places(old, new)
                || !self.cells.cover(&new.said_prefixes().collect::<Vec<_>>(), new.said_addresses())
            {
                return None;
            }
            let routed = new.subnets.iter().flat_map(|subnet| next.effective_routes(&subnet.id));
            let user: Vec<ipnet::Ipv4Net> =
                routed.filter(|route| route.source == network::RouteSource::User).map(|route| route.prefix).collect();
            if !self.cells.cover(&user, []) {
                return None;
            }
            for compiled in [old, new] {
                let other = if Arc::ptr_eq(compiled, old) { new } else { old };
                let differing = compiled.interfaces.iter().filter(|(at, held)| other.interfaces.get(at) != Some(held));
                let endpoints = differing.filter_map(|(_, held)| held.private_endpoint.as_ref());
                let services = endpoints.flat_map(|endpoint| {
                    [network, next]
                        .into_iter()
                        .filter_map(|network| network.estate().private_endpoint(endpoint)?.service.clone())
                });
                clusters.extend(services);
            }
        }
        for id in &difference.security_groups {
            let group = next.security_group(id)?;
            if !self.cells.cover(&group.prefixes().collect::<Vec<_>>(), []) {
                return None;
            }
        }
        for id in &difference.zones {
            let records = next.estate().below(id).filter_map(|record| next.estate().record_set(record.id()));
            let addresses = records.flat_map(|set| &set.records).filter_map(|data| match data {
                RecordData::A(address) => Some(*address),
                _ => None,
            });
            if !self.cells.cover(&[], addresses) {
                return None;
            }
        }
        for id in &clusters {
            let cluster = next.cluster(id)?;
            if !self.cells.cover(&cluster.authorized_ranges, cluster.address) {
                return None;
            }
        }
        clusters.iter().map(|id| self.index.number(id)).collect()
    }
}

/// How a class fares with the clusters that have changed.
fn again(maker: &Maker<'_>, class: &Class) -> Vec<(Number, super::Outcome)> {
    let Some(first) = class.vantages.first() else { return Vec::new() };
    let ask = |number: &Number| {
        let cluster = &maker.index.facts.get(*number as usize)?.cluster.id;
        Some((*number, outcome(maker.network, first, cluster)?))
    };
    maker.changed.iter().filter_map(ask).collect()
}

/// Whether the same interfaces stand in the same subnets under the same security groups.
fn same_places(old: &VirtualNetwork, new: &VirtualNetwork) -> bool {
    let machines = |network: &VirtualNetwork| {
        let machines = network.interfaces.iter().filter(|(_, held)| held.private_endpoint.is_none());
        machines.map(|(at, held)| (*at, held.clone())).collect::<Vec<_>>()
    };
    old.subnets == new.subnets && machines(old) == machines(new)
}

/// The networks that ask one of these zones, before or after.
fn linked(network: &Network, zones: &BTreeSet<ResourceId>) -> Vec<ResourceId> {
    let links = zones.iter().flat_map(|zone| network.estate().children(zone, azure::Kind::VirtualNetworkLink));
    let asking = links.filter_map(|link| match link.model() {
        azure::model::Model::VirtualNetworkLink(declared) => Some(declared.virtual_network.clone()),
        _ => None,
    });
    asking.collect()
}

/// The networks with a subnet or an interface under one of these security groups.
fn guarded(network: &Network, groups: &BTreeSet<ResourceId>) -> Vec<ResourceId> {
    let estate = network.estate();
    let places = groups.iter().flat_map(|group| estate.referrers(group)).filter_map(|place| match place.model() {
        azure::model::Model::Subnet(_) => place.id().parent(),
        azure::model::Model::NetworkInterface(nic) => nic.ip_configurations.first()?.subnet.parent(),
        _ => None,
    });
    places.collect()
}
