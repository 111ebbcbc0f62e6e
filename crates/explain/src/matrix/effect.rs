//! What a change can matter to: never too little, sometimes too much.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use azure::{
    DnsName, Kind, Resource, ResourceId,
    model::{Model, RecordData},
};
use foldhash::HashMap;
use ipnet::Ipv4Net;
use network::{Cells, Difference, Interface, Network, RouteSource, Vantage, VirtualNetwork, Zone};

use super::{
    Class,
    index::{At, Changed, Index, Number},
};

/// How many clusters are asked about one by one rather than all.
const ALONE_MAX: usize = 32;

/// What a change can matter to.
#[derive(Default)]
pub(super) struct Effect {
    /// Clusters that differ themselves.
    clusters: Vec<Changed>,
    /// Vantages that may behave otherwise than their class.
    pub(super) vantages: BTreeSet<Vantage>,
    /// Networks in which packets may fare otherwise.
    networks: BTreeSet<At>,
    /// Networks with endpoints that stand where they stood and let others through than before: that matters to
    /// their clusters, and to those that stand out, whose names may lead there.
    endpoints: BTreeSet<At>,
    /// Those that stand out, whoever asks.
    alone: Vec<Number>,
    /// Networks whose views may answer any name otherwise.
    views: BTreeSet<At>,
    /// Networks whose views may answer the names of these clusters otherwise.
    names: HashMap<At, BTreeSet<Number>>,
}

impl Effect {
    /// What the change from `network` to `next` can matter to; `None` where it may be anything.
    pub(super) fn new(index: &mut Index, cells: &Cells, network: &Network, next: &Network) -> Option<Self> {
        let difference = network.difference(next);
        let mut effect = Self::default();
        if difference.sites
            || network.clusters().len() != next.clusters().len()
            || !cells.cover(&[], said_by_vantages(next, &difference))
        {
            return None;
        }
        effect.vantages.extend(difference.vantages.iter().cloned());
        let mut clusters = difference.clusters.clone();
        clusters.extend(declared_otherwise(network, next));
        for id in &difference.networks {
            let (old, new) = (network.virtual_network(id)?, next.virtual_network(id)?);
            effect.of_network(index, cells, [network, next], [old, new], &mut clusters)?;
        }
        for id in &clusters {
            let cluster = next.cluster(id)?;
            if !cells.cover(&cluster.authorized_ranges, cluster.address) {
                return None;
            }
            let changed = index.update(next, cells, index.number(id)?)?;
            effect.call(index, next, &changed);
            effect.clusters.push(changed);
        }
        for id in &difference.routing {
            let compiled = next.virtual_network(id)?;
            let routes = compiled.subnets.iter().flat_map(|subnet| next.effective_routes(&subnet.id));
            let user = routes.filter(|route| route.source == RouteSource::User);
            if !cells.cover(&user.map(|route| route.prefix).collect::<Vec<_>>(), []) {
                return None;
            }
            effect.networks.insert(index.at(id)?);
        }
        for id in &difference.security_groups {
            let prefixes: Vec<Ipv4Net> =
                next.security_group(id).into_iter().flat_map(|group| group.prefixes()).collect();
            if !cells.cover(&prefixes, []) {
                return None;
            }
            let guarded = [network, next].into_iter().flat_map(|network| guarded(network, id));
            effect.networks.extend(guarded.filter_map(|id| index.at(&id)));
        }
        let records = differing_records(network, next);
        let said = records.iter().filter_map(|record| next.estate().record_set(record));
        if !cells.cover(&[], said.flat_map(|set| &set.records).filter_map(address)) {
            return None;
        }
        for id in &difference.zones {
            for side in [network, next] {
                let Some(zone) = side.zone(id) else { continue };
                let names = renamed(side, zone, &records);
                for asking in linked(side, id) {
                    effect.rename(index, [network, next], &asking, &names);
                }
            }
        }
        if !effect.endpoints.is_empty() {
            let facts = (0..).zip(index.facts.iter());
            effect.alone = facts.filter(|(_, facts)| facts.alone).map(|(number, _)| number).collect();
            if effect.alone.len() > ALONE_MAX {
                effect.networks.append(&mut effect.endpoints);
            }
        }
        Some(effect)
    }

    /// Whether a class is to be made anew.
    pub(super) fn remakes(&self, class: &Class) -> bool {
        let fares = &class.fares;
        let by_names = || {
            !self.views.is_empty() || !self.names.is_empty() || !self.networks.is_empty() || !self.endpoints.is_empty()
        };
        fares.depends_on(&self.networks)
            || fares.asks().is_some_and(|asks| self.views.contains(&asks))
            || (fares.forwards() && by_names())
            // A hosts file may lead anywhere.
            || (!self.endpoints.is_empty() && matches!(class.vantages.first(), Some(Vantage::Client(_))))
    }

    /// The clusters that a class is to be asked about again, and whether each may stand out.
    pub(super) fn asks(&self, index: &Index, class: &Class) -> BTreeMap<Number, bool> {
        let fares = &class.fares;
        let named = fares.asks().and_then(|asks| self.names.get(&asks)).into_iter().flatten();
        let mut asked: BTreeMap<Number, bool> = named.map(|number| (*number, true)).collect();
        // A hosts file may have any name.
        let knows_names = matches!(class.vantages.first(), Some(Vantage::Client(_)));
        if fares.depends_on(&self.endpoints) {
            asked.extend(self.alone.iter().chain(&fares.view().alone).map(|number| (*number, true)));
        }
        for changed in &self.clusters {
            let number = changed.number;
            if changed.moved || knows_names || fares.singles_out(number) {
                asked.insert(number, true);
            } else if fares.as_its_group(&index.facts[number as usize]).is_none() {
                asked.entry(number).or_insert(false);
            }
        }
        asked
    }

    /// The views that have zones which cover the names that a cluster has got.
    fn call(&mut self, index: &Index, next: &Network, changed: &Changed) {
        if changed.names.is_empty() {
            return;
        }
        let covers = |zone: &&Arc<Zone>| changed.names.iter().any(|name| name.is_within(&zone.name));
        for zone in next.zones().values().filter(covers) {
            for at in linked(next, &zone.id).filter_map(|network| index.at(&network)) {
                self.names.entry(at).or_default().insert(changed.number);
            }
        }
    }

    fn of_network(
        &mut self,
        index: &Index,
        cells: &Cells,
        sides: [&Network; 2],
        [old, new]: [&VirtualNetwork; 2],
        clusters: &mut BTreeSet<ResourceId>,
    ) -> Option<()> {
        let at = index.at(&new.id)?;
        if old.address_space != new.address_space
            || old.gateway != new.gateway
            || !cells.cover(&new.said_prefixes().collect::<Vec<_>>(), new.said_addresses())
        {
            return None;
        }
        if old.peers != new.peers
            || old.dns_servers != new.dns_servers
            || old.inbound_endpoints != new.inbound_endpoints
            || old.subnets != new.subnets
        {
            self.networks.insert(at);
        }
        if old.forwarding_rules != new.forwarding_rules {
            self.views.insert(at);
        }
        let zones = old.linked_zones.keys().chain(new.linked_zones.keys());
        let relinked = zones.filter(|name| old.linked_zones.get(*name) != new.linked_zones.get(*name));
        self.rename(index, sides, &new.id, relinked);
        for (compiled, other) in [(old, new), (new, old)] {
            let differing =
                compiled.interfaces.iter().filter(|(address, held)| other.interfaces.get(address) != Some(held));
            for (address, held) in differing {
                if let Some(endpoint) = &held.private_endpoint {
                    let services = sides.into_iter().filter_map(|side| side.estate().private_endpoint(endpoint));
                    clusters.extend(services.filter_map(|endpoint| endpoint.service.clone()));
                    let leads = |held: &Interface| Interface { service: None, ..held.clone() };
                    let stands = other.interfaces.get(address).is_some_and(|other| leads(other) == leads(held));
                    if stands {
                        self.endpoints.insert(at)
                    } else {
                        self.networks.insert(at)
                    };
                } else if held.public_address.is_some() || cells.names(*address) {
                    self.networks.insert(at);
                }
            }
        }
        if old.interfaces != new.interfaces
            || old.subnets != new.subnets
            || old.inbound_endpoints != new.inbound_endpoints
        {
            let compiled = [old, new].into_iter();
            self.vantages
                .extend(compiled.clone().flat_map(|held| &held.subnets).map(|held| Vantage::Subnet(held.id.clone())));
            let machines = compiled.flat_map(|held| held.interfaces.values());
            self.vantages.extend(machines.map(|held| Vantage::Interface(held.id.clone())));
        }
        Some(())
    }

    /// The view of a network answers otherwise what is at or below these names, and aliases that lead
    /// there.
    fn rename<'n>(
        &mut self,
        index: &Index,
        sides: [&Network; 2],
        network: &ResourceId,
        names: impl IntoIterator<Item = &'n DnsName>,
    ) {
        let mut names = names.into_iter().peekable();
        let Some(at) = index.at(network).filter(|_| names.peek().is_some()) else { return };
        let linked = sides.into_iter().filter_map(|side| Some((side, side.virtual_network(network)?)));
        let mut asked =
            linked.flat_map(|(side, held)| held.linked_zones.values().filter_map(|held| side.zone(&held.zone)));
        if asked.any(|zone| zone.has_aliases()) {
            self.views.insert(at);
        } else {
            self.names.entry(at).or_default().extend(names.flat_map(|name| index.covered_by(name)));
        }
    }
}

/// The addresses that vantages which differ speak of.
fn said_by_vantages(next: &Network, difference: &Difference) -> Vec<Ipv4Addr> {
    let estate = next.estate();
    let said = difference.vantages.iter().flat_map(|vantage| match vantage {
        Vantage::Interface(id) => estate.network_interface(id).map_or(Vec::new(), |nic| nic.dns_servers.clone()),
        Vantage::Client(id) => next.client(id).map_or(Vec::new(), |client| {
            client.hosts.iter().map(|entry| entry.address).chain(client.dns_servers.iter().copied()).collect()
        }),
        Vantage::Internet | Vantage::Subnet(_) | Vantage::VpnClient(_) => Vec::new(),
    });
    said.collect()
}

/// The clusters that are declared otherwise, or whose endpoints are: causes look at more than what is compiled.
fn declared_otherwise(network: &Network, next: &Network) -> BTreeSet<ResourceId> {
    let sides = [network.estate(), next.estate()];
    let of_endpoint = |endpoint: &ResourceId| {
        sides.into_iter().filter_map(|side| side.private_endpoint(endpoint)?.service.clone()).collect::<Vec<_>>()
    };
    let of = |resource: &Resource| match resource.model() {
        Model::ManagedCluster(_) => vec![resource.id().clone()],
        Model::PrivateEndpoint(_) => of_endpoint(resource.id()),
        Model::NetworkInterface(nic) => nic.private_endpoint.as_ref().map(of_endpoint).unwrap_or_default(),
        _ => Vec::new(),
    };
    let [before, after] = sides;
    let held = before.differing(after).flat_map(|id| sides.into_iter().filter_map(|side| side.get(id)));
    let clusters = |estate: &azure::Estate, id: &ResourceId| estate.managed_cluster(id).is_some();
    held.flat_map(|resource| of(resource)).filter(|id| sides.into_iter().any(|side| clusters(side, id))).collect()
}

fn address(data: &RecordData) -> Option<Ipv4Addr> {
    match data {
        RecordData::A(address) => Some(*address),
        _ => None,
    }
}

/// The record sets that differ.
fn differing_records<'a>(network: &'a Network, next: &'a Network) -> Vec<&'a ResourceId> {
    let is_record = |id: &&ResourceId| {
        [network, next].iter().any(|side| side.estate().get(id).is_some_and(|held| held.kind().is_record_set()))
    };
    network.estate().differing(next.estate()).filter(is_record).collect()
}

/// The names at or below which a zone, which differs, may answer otherwise: those of the record sets
/// that differ and what they make exist above them. All of it where something else may have changed.
fn renamed(side: &Network, zone: &Zone, records: &[&ResourceId]) -> Vec<DnsName> {
    let mut links = side.estate().children(&zone.id, Kind::VirtualNetworkLink);
    let registers =
        links.any(|link| matches!(link.model(), Model::VirtualNetworkLink(held) if held.registration_enabled));
    let own: Vec<&&ResourceId> = records.iter().filter(|record| record.is_below(&zone.id)).collect();
    let named: Option<Vec<DnsName>> = own
        .iter()
        .flat_map(|record| azure::suffixes(record.name()).collect::<Vec<_>>())
        .map(|relative| zone.name.prepend(relative).ok().filter(|_| !relative.starts_with(['*', '@'])))
        .collect();
    named.filter(|names| !registers && !names.is_empty()).unwrap_or_else(|| vec![zone.name.clone()])
}

/// The networks that ask a zone.
fn linked<'a>(network: &'a Network, zone: &'a ResourceId) -> impl Iterator<Item = ResourceId> + 'a {
    network.estate().children(zone, Kind::VirtualNetworkLink).filter_map(|link| match link.model() {
        Model::VirtualNetworkLink(declared) => Some(declared.virtual_network.clone()),
        _ => None,
    })
}

/// The networks with a subnet or an interface under a security group.
fn guarded<'a>(network: &'a Network, group: &ResourceId) -> impl Iterator<Item = ResourceId> + 'a {
    network.estate().referrers(group).filter_map(|place| match place.model() {
        Model::Subnet(_) => place.id().parent(),
        Model::NetworkInterface(nic) => nic.ip_configurations.first()?.subnet.parent(),
        _ => None,
    })
}
