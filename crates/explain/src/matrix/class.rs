//! The clients' side of the matrix: one row for each class of vantages that behave alike.
//!
//! A class is asked about every cluster that it could possibly reach, that its name view answers in
//! its own way or that somehow stands out, once for each way in which it can matter; of all others,
//! which have neither a name of their own here nor a way, once for each group.

use std::{
    collections::{BTreeMap, BTreeSet, hash_map::Entry},
    mem::{Discriminant, discriminant},
    net::Ipv4Addr,
    sync::Arc,
};

use azure::{ResourceId, addressing, aks, model::ConnectionStatus};
use foldhash::HashMap;
use network::{Disposition, Network, Silent, Standpoint, Vantage, ViewId, VirtualNetwork};

use super::{
    Outcome,
    index::{At, Facts, Index, Members, Number, spot},
    near::Shared,
    outcome,
    view::{Key, View},
};
use crate::place;

/// How a class fares with every cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Fares {
    /// Clusters that stand out, sorted.
    special: Vec<(Number, Outcome)>,
    /// Where prefixes begin or end of which something is said on this class's ways; sorted. Addresses
    /// between two of them fare alike, unless they stand out.
    bounds: Vec<u32>,
    /// The view, and between bounds, how the class fares with each of its groups.
    view: Arc<View>,
    in_view: Vec<ByCell>,
    /// How it fares with each group of clusters otherwise.
    otherwise: Vec<ByCell>,
    /// The networks that it depends on, sorted.
    networks: Vec<At>,
    /// The network whose view it asks.
    asks: Option<At>,
    /// Whether it may depend on any other one, too: forwarding rules lead elsewhere.
    forwards: bool,
}

/// Outcomes by the number of bounds at or below an address, sorted.
type ByCell = Vec<(usize, Outcome)>;

impl Fares {
    /// Whether a change of one of these networks can matter here.
    pub(super) fn depends_on(&self, networks: &BTreeSet<At>) -> bool {
        networks.iter().any(|network| self.networks.binary_search(network).is_ok())
    }

    /// Whether names are forwarded to places that the dependencies do not list.
    pub(super) fn forwards(&self) -> bool {
        self.forwards
    }

    /// The network whose view is asked.
    pub(super) fn asks(&self) -> Option<At> {
        self.asks
    }

    /// The clusters with an outcome that is wanted, in order. Costs what stands out and what is found.
    pub(super) fn having(&self, index: &Index, wanted: impl Fn(Outcome) -> bool) -> Vec<(Number, Outcome)> {
        let mut found: Vec<(Number, Outcome)> =
            self.special.iter().filter(|(_, outcome)| wanted(*outcome)).copied().collect();
        let is_special = |number: Number| self.special.binary_search_by_key(&number, |(held, _)| *held).is_ok();
        let mut far = |cells: &ByCell, members: &Members, in_view: bool| {
            for (cell, outcome) in cells.iter().filter(|(_, outcome)| wanted(*outcome)) {
                let starts = |(address, _): &(Ipv4Addr, Number), bound: usize| u32::from(*address) < self.bounds[bound];
                let from = cell.checked_sub(1).map_or(0, |bound| members.partition_point(|held| starts(held, bound)));
                let to = if *cell < self.bounds.len() {
                    members.partition_point(|held| starts(held, *cell))
                } else {
                    members.len()
                };
                let members = members[from..to].iter().map(|(_, number)| *number);
                let meant =
                    members.filter(|number| !is_special(*number) && (in_view || self.view.group(*number).is_none()));
                found.extend(meant.map(|number| (number, *outcome)));
            }
        };
        for (cells, (_, members)) in self.in_view.iter().zip(&self.view.groups) {
            far(cells, members, true);
        }
        for (cells, members) in self.otherwise.iter().zip(&index.groups) {
            far(cells, members, false);
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        found
    }

    /// Takes over how the class fares with clusters that have changed.
    pub(super) fn take(&mut self, outcomes: impl IntoIterator<Item = (Number, Outcome)>) {
        let mut special: BTreeMap<Number, Outcome> = self.special.drain(..).collect();
        special.extend(outcomes);
        self.special = special.into_iter().collect();
    }

    /// How the class fares with one cluster.
    pub(super) fn with(&self, number: Number, facts: &Facts) -> Option<Outcome> {
        if let Ok(found) = self.special.binary_search_by_key(&number, |(held, _)| *held) {
            return Some(self.special[found].1);
        }
        let cells = match self.view.group(number) {
            Some(group) => self.in_view.get(group as usize)?,
            None => self.otherwise.get(facts.group as usize)?,
        };
        let cell = self.bounds.partition_point(|bound| *bound <= u32::from(spot(&facts.cluster)));
        let found = cells.binary_search_by_key(&cell, |(held, _)| *held).ok()?;
        Some(cells[found].1)
    }
}

/// How a packet's way to an address ends, as far as a cause can differ by it.
type Way = (Discriminant<Disposition>, u8);

/// All that an outcome with a cluster depends on, for one class.
type Circumstances = (Key, Option<(Way, bool)>, Relation);

/// How a cluster's network lies to the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Relation {
    own: bool,
    peer: bool,
    transit: bool,
    by_third: bool,
    overlap: bool,
    inside: bool,
    of_view: bool,
}

/// What the rows of a matrix are made from.
pub(super) struct Maker<'a> {
    pub(super) network: &'a Network,
    pub(super) index: &'a Index,
    /// Clusters that the index knows as they were before: asked about one by one.
    pub(super) stale: &'a BTreeSet<Number>,
}

impl Maker<'_> {
    /// How the class of `vantage` fares.
    pub(super) fn fares(&self, vantage: &Vantage, shared: &mut Shared) -> Fares {
        let asked = self.network.name_server(vantage, &mut Silent).ok().map(|(view, _)| view);
        let view = shared.views.get(self.network, self.index, asked.as_ref());
        let here = place::network_of(self.network, vantage);
        let view_network = match &asked {
            Some(ViewId::VirtualNetwork(id)) => Some(id),
            _ => None,
        };
        let asks = view_network.and_then(|id| self.index.at(id));
        let horizon = shared.horizon(self.network, self.index, vantage, here, asks);
        let mut asking = Asking {
            maker: self,
            vantage,
            from: self.network.standpoint(vantage),
            here,
            view: &view,
            asks,
            beyond: &horizon.beyond,
            relations: HashMap::default(),
            ways: HashMap::default(),
            open: HashMap::default(),
            known: HashMap::default(),
        };
        let mut single: BTreeSet<Number> = view.alone.clone();
        single.extend(self.in_hosts(vantage));
        single.extend(self.stale);
        let shared_ways = horizon.near.iter().filter(|number| !single.contains(number));
        let mut special: Vec<(Number, Outcome)> =
            shared_ways.filter_map(|number| Some((*number, asking.near(*number)?))).collect();
        special.extend(single.iter().filter_map(|number| Some((*number, asking.ask(*number)?))));
        special.sort_unstable_by_key(|(number, _)| *number);
        // All that are neither near nor single: the first of each group and cell answers.
        let bounds = horizon.bounds;
        let far = |members: &Members, in_view: bool| {
            let stands_out = |number: &Number| {
                special.binary_search_by_key(number, |(held, _)| *held).is_ok()
                    || (!in_view && view.group(*number).is_some())
            };
            let mut outcomes = ByCell::new();
            let mut next = 0;
            while let Some((address, _)) = members.get(next) {
                let cell = bounds.partition_point(|bound| *bound <= u32::from(*address));
                let end = bounds.get(cell).map_or(members.len(), |bound| {
                    members.partition_point(|(address, _)| u32::from(*address) < *bound)
                });
                let first = members[next..end].iter().map(|(_, number)| *number).find(|number| !stands_out(number));
                outcomes.extend(first.and_then(|number| Some((cell, asking.ask(number)?))));
                next = end;
            }
            outcomes
        };
        let in_view = view.groups.iter().map(|(_, members)| far(members, true)).collect();
        let otherwise = self.index.groups.iter().map(|members| far(members, false)).collect();
        let mut networks = horizon.networks;
        if let Some(asks) = asks
            && let Err(place) = networks.binary_search(&asks)
        {
            networks.insert(place, asks);
        }
        let compiled = view_network.and_then(|id| self.network.virtual_network(id));
        let forwards = compiled.is_some_and(|network| !network.forwarding_rules.is_empty());
        Fares { special, bounds, in_view, otherwise, networks, asks, forwards, view: Arc::clone(&view) }
    }

    /// The clusters that the hosts file of the machine names.
    fn in_hosts(&self, vantage: &Vantage) -> Vec<Number> {
        let Vantage::Client(id) = vantage else { return Vec::new() };
        let Some(client) = self.network.client(id).filter(|client| !client.hosts.is_empty()) else { return Vec::new() };
        let named = |facts: &Facts| {
            let names = facts.cluster.fqdn.iter().chain(&facts.cluster.private_fqdn);
            names.into_iter().any(|name| client.hosts.iter().any(|entry| entry.names.contains(name)))
        };
        (0..).zip(&self.index.facts).filter(|(_, facts)| named(facts)).map(|(number, _)| number).collect()
    }
}

struct Asking<'a> {
    maker: &'a Maker<'a>,
    vantage: &'a Vantage,
    from: Result<Standpoint<'a>, Disposition>,
    here: Option<&'a VirtualNetwork>,
    view: &'a View,
    asks: Option<At>,
    beyond: &'a [At],
    relations: HashMap<At, Relation>,
    ways: HashMap<Ipv4Addr, (Way, Option<ResourceId>)>,
    open: HashMap<(u32, u32, bool), Way>,
    known: HashMap<Circumstances, Option<Outcome>>,
}

impl Asking<'_> {
    fn ask(&self, number: Number) -> Option<Outcome> {
        outcome(self.maker.network, self.vantage, &self.maker.index.facts[number as usize].cluster.id)
    }

    /// The outcome with a cluster that may be within reach; asked once for all that it depends on.
    fn near(&mut self, number: Number) -> Option<Outcome> {
        let maker = self.maker;
        let facts = &maker.index.facts[number as usize];
        if facts.alone {
            return self.ask(number);
        }
        let way = facts.cluster.address.map(|address| self.way(facts, address));
        let key = match self.view.group(number) {
            Some(group) => self.view.groups[group as usize].0,
            None => (facts.group, (super::index::Leads::Unnamed, super::index::Leads::Unnamed)),
        };
        let relation = self.relation(facts);
        match self.known.entry((key, way, relation)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(slot) => *slot.insert(outcome(self.maker.network, self.vantage, &facts.cluster.id)),
        }
    }

    /// How the way to a cluster's address ends, and whether at this cluster. Where it ends there, it
    /// does so for all behind the same door.
    fn way(&mut self, facts: &Facts, address: Ipv4Addr) -> (Way, bool) {
        if let Some(way) = facts.door.and_then(|door| self.open.get(&door)) {
            return (*way, true);
        }
        let (way, reached) = self.way_to(address);
        let (way, there) = (*way, reached.as_ref() == Some(&facts.cluster.id));
        if let Some(door) = facts.door.filter(|_| there) {
            self.open.insert(door, way);
        }
        (way, there)
    }

    fn way_to(&mut self, address: Ipv4Addr) -> &(Way, Option<ResourceId>) {
        let (network, vantage) = (self.maker.network, self.vantage);
        self.ways.entry(address).or_insert_with(|| {
            let end = match &self.from {
                Ok(from) => network.connect_from(from, address, aks::API_SERVER_PORT),
                Err(nowhere) => nowhere.clone(),
            };
            let detail = match &end {
                Disposition::PeeringBlocks { why, .. } => *why as u8,
                Disposition::EndpointNotApproved { status, .. } => match status {
                    ConnectionStatus::Rejected => 1,
                    ConnectionStatus::Disconnected => 2,
                    ConnectionStatus::Approved | ConnectionStatus::Pending => 0,
                },
                Disposition::MachineStopped { interface } => u8::from(vantage.resource() == Some(interface)),
                _ => 0,
            };
            let reached = match &end {
                Disposition::Connected { cluster, .. } => Some(cluster.clone()),
                _ => None,
            };
            ((discriminant(&end), detail), reached)
        })
    }

    /// How the cluster's network lies to the client's. The network's, but for whether the client's own
    /// network has the address.
    fn relation(&mut self, facts: &Facts) -> Relation {
        let (Some(endpoint), Some(at)) = (facts.endpoints.first(), facts.network) else { return Relation::default() };
        let inside = self.here.is_some_and(|here| here.contains(endpoint.address));
        if let Some(known) = self.relations.get(&at) {
            return Relation { inside, ..*known };
        }
        let of_view = self.asks == Some(at);
        let relation = match self.here {
            None => Relation { of_view, ..Relation::default() },
            Some(here) => {
                let peer = here.peer(&endpoint.network);
                let remote = self.maker.network.virtual_network(&endpoint.network);
                let overlap =
                    |remote: &VirtualNetwork| addressing::overlap(&here.address_space, &remote.address_space).is_some();
                Relation {
                    own: here.id == endpoint.network,
                    peer: peer.is_some(),
                    transit: peer.is_some_and(|peer| peer.transit),
                    by_third: peer.is_none() && here.id != endpoint.network && self.beyond.binary_search(&at).is_ok(),
                    overlap: remote.is_some_and(|remote| overlap(remote)),
                    inside: false,
                    of_view,
                }
            }
        };
        self.relations.insert(at, relation);
        Relation { inside, ..relation }
    }
}
