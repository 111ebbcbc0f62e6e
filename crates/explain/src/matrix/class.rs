//! The clients' side of the matrix: one row for each class of vantages that behave alike.
//!
//! A class is asked about every cluster that it could possibly reach, that its name view answers in
//! its own way or that somehow stands out, once for each way in which it can matter; of all others,
//! which have neither a name of their own here nor a way, once for each group.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet, hash_map::Entry},
    mem::{Discriminant, discriminant},
    net::Ipv4Addr,
    sync::Arc,
};

use azure::{ResourceId, addressing, aks, model::ConnectionStatus};
use foldhash::HashMap;
use network::{AZURE_DNS, Disposition, Network, Responder, Silent, Standpoint, Vantage, ViewId, VirtualNetwork};

use super::{
    Outcome,
    bits::Bits,
    fares::{ByCell, Fares, Made},
    index::{At, Door, Facts, Index, Leads, Members, Number},
    near::Shared,
    outcome,
    view::{Key, View},
};
use crate::place;

/// How a packet's way to an address ends, as far as a cause can differ by it.
pub(super) type Way = (Discriminant<Disposition>, u8);

/// All that an outcome with a cluster depends on, whoever asks.
pub(super) type Circumstances = (Manner, Key, Option<(Way, bool)>, Relation);

/// What of a class decides, besides its view, its ways and how its network lies to others: where it
/// stands, and whom it asks for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Manner {
    inside: bool,
    behind_a_network: bool,
    asks: Asks,
}

/// Whom a class asks for names, as far as a cause can differ by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Asks {
    #[default]
    NoVantage,
    /// None of its servers, of which 168.63.129.16 may be one.
    Nobody(bool),
    Somebody(Discriminant<Responder>),
}

impl Manner {
    fn new(vantage: &Vantage, here: Option<&VirtualNetwork>, asked: &Result<(ViewId, Responder), Disposition>) -> Self {
        let asks = match asked {
            Ok((_, responder)) => Asks::Somebody(discriminant(responder)),
            Err(Disposition::NoResolver { servers }) => Asks::Nobody(servers.contains(&AZURE_DNS)),
            Err(_) => Asks::NoVantage,
        };
        Self { inside: place::is_inside(vantage), behind_a_network: here.is_some(), asks }
    }
}

/// How a cluster's network lies to the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Relation {
    own: bool,
    peer: bool,
    transit: bool,
    by_third: bool,
    overlap: bool,
    inside: bool,
    of_view: bool,
}

/// How many of the outcomes behind doors are looked through: a subnet has few groups of clusters.
const RECENT: usize = 8;

/// What the rows of a matrix are made from.
pub(super) struct Maker<'a> {
    pub(super) network: &'a Network,
    pub(super) index: &'a Index,
}

impl Maker<'_> {
    /// How the class of `vantage` fares.
    pub(super) fn fares(&self, vantage: &Vantage, shared: &mut Shared) -> Fares {
        let asked = self.network.name_server(vantage, &mut Silent);
        let view = shared.views.get(self.network, self.index, asked.as_ref().ok().map(|(view, _)| view));
        let here = place::network_of(self.network, vantage);
        let view_network = match &asked {
            Ok((ViewId::VirtualNetwork(id), _)) => Some(id),
            _ => None,
        };
        let asks = view_network.and_then(|id| self.index.at(id));
        let horizon = shared.horizon(self.network, self.index, vantage, here, asks);
        let manner = Manner::new(vantage, here, &asked);
        let mut asking = self.asking(vantage, (&view, asks, manner), &horizon.beyond, &mut shared.known);
        let mut single: BTreeSet<Number> = view.alone.clone();
        single.extend(self.in_hosts(vantage));
        let shared_ways = horizon.near.iter().filter(|number| !single.contains(number));
        let mut special: Vec<(Number, Outcome)> =
            shared_ways.filter_map(|number| Some((*number, asking.near(*number)?))).collect();
        special.extend(single.iter().filter_map(|number| Some((*number, asking.ask(*number)?))));
        special.sort_unstable_by_key(|(number, _)| *number);
        // All that are neither near nor single: the first of each group and cell answers.
        let bounds = horizon.bounds;
        let mut apart = Bits::new(self.index.facts.len());
        for (number, _) in &special {
            apart.insert(*number as usize);
        }
        let mut far = |members: &Members, in_view: bool| {
            let stands_out =
                |number: &Number| apart.contains(*number as usize) || (!in_view && view.group(*number).is_some());
            let mut outcomes = ByCell::new();
            let mut next = 0;
            while let Some((address, _)) = members.get(next) {
                let cell = bounds.partition_point(|bound| *bound <= u32::from(*address));
                let end = bounds.get(cell).map_or(members.len(), |bound| {
                    members.partition_point(|(address, _)| u32::from(*address) < *bound)
                });
                let first = members[next..end].iter().map(|(_, number)| *number).find(|number| !stands_out(number));
                outcomes.extend(first.and_then(|number| Some((cell, asking.near(number)?))));
                next = end;
            }
            outcomes
        };
        let in_view: Vec<ByCell> = view.groups.iter().map(|(_, members)| far(members, true)).collect();
        let otherwise: Vec<ByCell> = self.index.groups.iter().map(|members| far(members, false)).collect();
        let mut networks = horizon.networks;
        if let Some(asks) = asks
            && let Err(place) = networks.binary_search(&asks)
        {
            networks.insert(place, asks);
        }
        let compiled = view_network.and_then(|id| self.network.virtual_network(id));
        let forwards = compiled.is_some_and(|network| !network.forwarding_rules.is_empty());
        Made { special, bounds, in_view, otherwise, networks, asks, forwards, manner, view: Arc::clone(&view) }.into()
    }

    /// How the class of `vantage`, which fared so, fares with some clusters now. Of those that do not
    /// stand out nothing decides but their group, and the way to them.
    pub(super) fn again(
        &self,
        vantage: &Vantage,
        fares: &Fares,
        numbers: &BTreeMap<Number, bool>,
        shared: &mut Shared,
    ) -> Vec<(Number, Outcome)> {
        let asked = (fares.view(), fares.asks(), fares.manner());
        let mut asking = self.asking(vantage, asked, &[], &mut shared.known);
        let mut ask = |number: Number, stands_out: bool| {
            let outcome = if stands_out { asking.ask(number) } else { asking.near(number) };
            Some((number, outcome?))
        };
        numbers.iter().filter_map(|(number, stands_out)| ask(*number, *stands_out)).collect()
    }

    fn asking<'b>(
        &'b self,
        vantage: &'b Vantage,
        (view, asks, manner): (&'b View, Option<At>, Manner),
        beyond: &'b [At],
        known: &'b mut HashMap<Circumstances, Option<Outcome>>,
    ) -> Asking<'b> {
        Asking {
            maker: self,
            vantage,
            from: OnceCell::new(),
            here: OnceCell::new(),
            view,
            asks,
            beyond,
            relations: HashMap::default(),
            ways: HashMap::default(),
            doors: HashMap::default(),
            recent: Vec::new(),
            manner,
            known,
        }
    }

    /// The clusters that the hosts file of the machine names.
    fn in_hosts(&self, vantage: &Vantage) -> Vec<Number> {
        let Vantage::Client(id) = vantage else { return Vec::new() };
        let Some(client) = self.network.client(id).filter(|client| !client.hosts.is_empty()) else { return Vec::new() };
        let named = |facts: &Arc<Facts>| {
            let names = facts.cluster.fqdn.iter().chain(&facts.cluster.private_fqdn);
            names.into_iter().any(|name| client.hosts.iter().any(|entry| entry.names.contains(name)))
        };
        (0..).zip(self.index.facts.iter()).filter(|(_, facts)| named(facts)).map(|(number, _)| number).collect()
    }
}

struct Asking<'a> {
    maker: &'a Maker<'a>,
    vantage: &'a Vantage,
    /// Where the class stands, and its network: looked up when it first matters.
    from: OnceCell<Result<Standpoint<'a>, Disposition>>,
    here: OnceCell<Option<&'a VirtualNetwork>>,
    view: &'a View,
    asks: Option<At>,
    beyond: &'a [At],
    relations: HashMap<At, Relation>,
    ways: HashMap<Ipv4Addr, (Way, Option<ResourceId>)>,
    doors: HashMap<Door, (Way, bool)>,
    /// The outcomes behind doors, which all have that agree in the rest: neighbours follow each other.
    recent: Vec<(Door, Key, Option<Outcome>)>,
    manner: Manner,
    known: &'a mut HashMap<Circumstances, Option<Outcome>>,
}

impl Asking<'_> {
    fn ask(&self, number: Number) -> Option<Outcome> {
        outcome(self.maker.network, self.vantage, &self.maker.index.facts[number as usize].cluster.id)
    }

    /// The outcome with a cluster, asked once for all that it depends on.
    fn near(&mut self, number: Number) -> Option<Outcome> {
        let maker = self.maker;
        let facts = &maker.index.facts[number as usize];
        if facts.alone {
            return self.ask(number);
        }
        let key = match self.view.group(number) {
            Some(group) => self.view.groups[group as usize].0,
            None => (facts.group, (Leads::Unnamed, Leads::Unnamed)),
        };
        let recent = self.recent.iter().rev().take(RECENT);
        if let Some((.., known)) = recent.into_iter().find(|(door, held, _)| Some(*door) == facts.door && *held == key)
        {
            return *known;
        }
        // While a cluster is stopped neither names nor ways decide.
        let (way, relation) = if facts.cluster.running {
            (facts.cluster.address.map(|address| self.way(facts, address)), self.relation(facts))
        } else {
            (None, Relation::default())
        };
        let outcome = match self.known.entry((self.manner, key, way, relation)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(slot) => *slot.insert(outcome(maker.network, self.vantage, &facts.cluster.id)),
        };
        self.recent.extend(facts.door.map(|door| (door, key, outcome)));
        outcome
    }

    fn here(&self) -> Option<&VirtualNetwork> {
        *self.here.get_or_init(|| place::network_of(self.maker.network, self.vantage))
    }

    /// How the way to a cluster's address ends, and whether at this cluster: one way leads to all
    /// behind the same door.
    fn way(&mut self, facts: &Facts, address: Ipv4Addr) -> (Way, bool) {
        if let Some(door) = facts.door {
            if let Some(known) = self.doors.get(&door) {
                return *known;
            }
            let (way, reached) = self.way_to(address);
            let way = (way, reached.as_ref() == Some(&facts.cluster.id));
            self.doors.insert(door, way);
            return way;
        }
        if !self.ways.contains_key(&address) {
            let way = self.way_to(address);
            self.ways.insert(address, way);
        }
        let (way, reached) = &self.ways[&address];
        (*way, reached.as_ref() == Some(&facts.cluster.id))
    }

    fn way_to(&self, address: Ipv4Addr) -> (Way, Option<ResourceId>) {
        let (network, vantage) = (self.maker.network, self.vantage);
        let end = match self.from.get_or_init(|| network.standpoint(vantage)) {
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
        let way = (discriminant(&end), detail);
        match end {
            Disposition::Connected { cluster, .. } => (way, Some(cluster)),
            _ => (way, None),
        }
    }

    /// How the cluster's network lies to the client's. The network's, but for whether the client's own
    /// network has the address.
    fn relation(&mut self, facts: &Facts) -> Relation {
        let (Some(endpoint), Some(at)) = (facts.endpoints.first(), facts.network) else { return Relation::default() };
        let inside = self.here().is_some_and(|here| here.contains(endpoint.address));
        if let Some(known) = self.relations.get(&at) {
            return Relation { inside, ..*known };
        }
        let of_view = self.asks == Some(at);
        let relation = match self.here() {
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
