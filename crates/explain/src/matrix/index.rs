//! The clusters' side of the matrix: what of a cluster decides how clients fare with it, and where to
//! find clusters by network, by address and by the zone that covers their names.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use azure::{
    DnsName, ResourceId,
    model::{ConnectionStatus, PrivateDnsZoneMode},
};
use foldhash::{HashMap, HashSet};
use imbl::Vector;
use ipnet::Ipv4Net;
use network::{Cells, Cluster, Hop, Network, Outcome as NameOutcome, PublicHolder, QueryType, RecordType, ViewId};

use crate::{
    place::{self, Endpoint},
    question::{Role, kubeconfig_role},
};

/// A cluster's number in an [`Index`].
pub(super) type Number = u32;

/// A network's number in an [`Index`].
pub(super) type At = u32;

/// Members of a group with their addresses, sorted; one without has 0.0.0.0.
pub(super) type Members = Vec<(Ipv4Addr, Number)>;

/// What one name leads to in one view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Leads {
    /// There is no such name in the cluster.
    Unnamed,
    /// To the cluster's address.
    Home,
    /// To another address.
    Elsewhere,
    /// Nowhere: the outcome, whether a linked zone said so, whether a forwarding rule was obeyed.
    Nowhere(u8, bool, bool),
}

/// What the kubeconfig's name and the public one lead to.
pub(super) type Status = (Leads, Leads);

/// What decides, besides names and ways; clusters that agree in it are one group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Traits {
    running: bool,
    private: bool,
    public_role: bool,
    fqdn: bool,
    zone_none: bool,
    addressed: bool,
    /// For public API servers: who may connect, and which prefixes cover the address.
    public: Option<(Vec<Ipv4Net>, u32)>,
    status: Status,
    /// Is like no other one.
    alone: Option<Number>,
}

/// A subnet's number, a cell of addresses in it, whether the connection is approved.
pub(super) type Door = (u32, u32, bool);

/// A cluster.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) cluster: Arc<Cluster>,
    pub(super) endpoints: Vec<Endpoint>,
    /// The network of the first of these.
    pub(super) network: Option<At>,
    /// The number of its group.
    pub(super) group: u32,
    /// Whether it is to be asked about by itself wherever it is within reach.
    pub(super) alone: bool,
    /// What it shares with neighbours to whom the same ways lead: the number of its endpoint's subnet,
    /// the cell of its address there, whether its connection is approved.
    pub(super) door: Option<Door>,
}

/// Every cluster, in id order. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Index {
    pub(super) facts: Vector<Arc<Facts>>,
    /// The groups, and the members of each.
    pub(super) groups: Vec<Arc<Members>>,
    numbers: Arc<HashMap<Traits, u32>>,
    /// The numbers of the networks.
    networks: Arc<HashMap<ResourceId, At>>,
    places: Arc<Places>,
    /// The clusters with a name that a zone of this name would cover.
    covered: Arc<HashMap<Box<str>, Vec<Number>>>,
    /// Names that clusters have got since.
    renamed: Vec<(DnsName, Number)>,
}

/// Where clusters stand, and perhaps where they stood.
#[derive(Debug, Clone, Default)]
struct Places {
    /// The clusters with an endpoint in a network.
    by_network: Vec<Vec<Number>>,
    by_address: BTreeMap<Ipv4Addr, Vec<Number>>,
    /// The networks with endpoints, by the prefixes of their address spaces.
    spaces: BTreeMap<(Ipv4Addr, u8), Vec<At>>,
    /// The numbers of subnets with endpoints.
    subnets: HashMap<ResourceId, u32>,
}

/// How a cluster has changed.
pub(super) struct Changed {
    pub(super) number: Number,
    /// It may be within reach of clients of whom it was not before.
    pub(super) moved: bool,
    /// The names that it has got.
    pub(super) names: Vec<DnsName>,
}

impl Index {
    pub(super) fn new(network: &Network, cells: &Cells) -> Self {
        let mut numbers: HashMap<Traits, u32> = HashMap::default();
        let networks: HashMap<ResourceId, At> = network.virtual_networks().keys().cloned().zip(0..).collect();
        let mut places = Places::default();
        places.by_network.resize(networks.len(), Vec::new());
        let mut index = Self { networks: Arc::new(networks), ..Self::default() };
        let mut groups: Vec<Members> = Vec::new();
        let mut covered: HashMap<Box<str>, Vec<Number>> = HashMap::default();
        let mut all: Vec<Facts> = Vec::new();
        for (number, cluster) in (0..).zip(network.clusters().values()) {
            let mut facts = Facts::new(network, cells, &index.networks, cluster, number, |traits| {
                let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
                *numbers.entry(traits).or_insert(next)
            });
            if facts.group as usize == groups.len() {
                groups.push(Vec::new());
            }
            groups[facts.group as usize].push((spot(cluster), number));
            places.enter(&index.networks, number, &mut facts, cells);
            for name in cluster.fqdn.iter().chain(&cluster.private_fqdn) {
                for suffix in name.suffixes() {
                    if !covered.contains_key(suffix) {
                        covered.insert(suffix.into(), Vec::new());
                    }
                    if let Some(members) = covered.get_mut(suffix).filter(|held| held.last() != Some(&number)) {
                        members.push(number);
                    }
                }
            }
            all.push(facts);
        }
        for ((at, held), clusters) in (0..).zip(network.virtual_networks().values()).zip(&places.by_network) {
            for prefix in held.address_space.iter().filter(|_| !clusters.is_empty()) {
                places.spaces.entry((prefix.network(), prefix.prefix_len())).or_default().push(at);
            }
        }
        separate(network, &mut all);
        for members in &mut groups {
            members.sort_unstable();
        }
        index.groups = groups.into_iter().map(Arc::new).collect();
        index.facts = all.into_iter().map(Arc::new).collect();
        (index.numbers, index.places, index.covered) = (Arc::new(numbers), Arc::new(places), Arc::new(covered));
        index
    }

    /// Brings a cluster up to date. Where it stood and what it was called is not forgotten: to ask about
    /// it there once more does no harm.
    pub(super) fn update(&mut self, network: &Network, cells: &Cells, number: Number) -> Option<Changed> {
        let old = Arc::clone(self.facts.get(number as usize)?);
        let cluster = network.cluster(&old.cluster.id)?;
        let numbers = &mut self.numbers;
        let mut facts = Facts::new(network, cells, &self.networks, cluster, number, |traits| {
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            numbers.get(&traits).copied().unwrap_or_else(|| *Arc::make_mut(numbers).entry(traits).or_insert(next))
        });
        let stood = |endpoint: &Endpoint| {
            let mut before = old.endpoints.iter();
            before.any(|held| (held.address, &held.subnet) == (endpoint.address, &endpoint.subnet))
        };
        let moved = !facts.endpoints.iter().all(stood)
            || cluster.address.is_some_and(|address| Some(address) != old.cluster.address);
        if moved {
            let at = facts.network;
            let places = Arc::make_mut(&mut self.places);
            places.enter(&self.networks, number, &mut facts, cells);
            let held = at.and_then(|_| network.virtual_network(&facts.endpoints.first()?.network));
            for (at, prefix) in at
                .zip(held)
                .into_iter()
                .flat_map(|(at, held)| held.address_space.iter().map(move |prefix| (at, prefix)))
            {
                let here = places.spaces.entry((prefix.network(), prefix.prefix_len())).or_default();
                if !here.contains(&at) {
                    here.push(at);
                }
            }
        }
        // Whether its door leads to its neighbours, too, was found out for the whole.
        facts.door = None;
        while self.groups.len() <= facts.group as usize {
            self.groups.push(Arc::default());
        }
        let places = [(old.group, spot(&old.cluster), false), (facts.group, spot(cluster), true)];
        for (group, address, comes) in places {
            let members = Arc::make_mut(&mut self.groups[group as usize]);
            match members.binary_search(&(address, number)) {
                Ok(place) if !comes => _ = members.remove(place),
                Err(place) if comes => members.insert(place, (address, number)),
                _ => {}
            }
        }
        let had = |name: &&DnsName| {
            [&old.cluster.fqdn, &old.cluster.private_fqdn].iter().any(|had| had.as_ref() == Some(*name))
        };
        let names: Vec<DnsName> =
            cluster.fqdn.iter().chain(&cluster.private_fqdn).filter(|name| !had(name)).cloned().collect();
        self.renamed.extend(
            names
                .iter()
                .filter(|name| !self.covered_by(name).any(|held| held == number))
                .map(|name| (name.clone(), number))
                .collect::<Vec<_>>(),
        );
        self.facts.set(number as usize, Arc::new(facts));
        Some(Changed { number, moved, names })
    }

    /// The number of a network.
    pub(super) fn at(&self, network: &ResourceId) -> Option<At> {
        self.networks.get(network).copied()
    }

    /// The clusters with an endpoint in a network.
    pub(super) fn in_network(&self, network: At) -> &[Number] {
        self.places.by_network.get(network as usize).map_or(&[], Vec::as_slice)
    }

    /// The clusters with a name that a zone called so covers.
    pub(super) fn covered_by(&self, zone: &DnsName) -> impl Iterator<Item = Number> {
        let since = self.renamed.iter().filter(|(name, _)| name.is_within(zone)).map(|(_, number)| *number);
        self.covered.get(zone.as_str()).map_or(&[][..], Vec::as_slice).iter().copied().chain(since)
    }

    /// The clusters with an address in a prefix.
    pub(super) fn at_addresses(&self, prefix: Ipv4Net) -> impl Iterator<Item = Number> + '_ {
        let held = self.places.by_address.range(prefix.network()..=prefix.broadcast());
        held.flat_map(|(_, numbers)| numbers.iter().copied())
    }

    /// The networks with endpoints whose address space overlaps `prefix`: prefixes nest or are apart.
    pub(super) fn overlapping(&self, prefix: Ipv4Net) -> impl Iterator<Item = At> + '_ {
        let around = (0..prefix.prefix_len()).filter_map(move |length| {
            let wider = Ipv4Net::new(prefix.addr(), length).ok()?;
            self.places.spaces.get(&(wider.network(), length))
        });
        let within = self.places.spaces.range((prefix.network(), prefix.prefix_len())..=(prefix.broadcast(), 32));
        around.chain(within.map(|(_, held)| held)).flatten().copied()
    }

    pub(super) fn number(&self, cluster: &ResourceId) -> Option<Number> {
        let found = self.facts.binary_search_by(|facts| facts.cluster.id.cmp(cluster)).ok()?;
        Number::try_from(found).ok()
    }
}

impl Facts {
    fn new(
        network: &Network,
        cells: &Cells,
        networks: &HashMap<ResourceId, At>,
        cluster: &Arc<Cluster>,
        number: Number,
        group: impl FnOnce(Traits) -> u32,
    ) -> Self {
        let endpoints = place::endpoints(network.estate(), &cluster.id);
        let (traits, alone) = traits(network, cells, cluster, &endpoints, number);
        let at = endpoints.first().and_then(|endpoint| networks.get(&endpoint.network).copied());
        Self { cluster: Arc::clone(cluster), endpoints, network: at, group: group(traits), alone, door: None }
    }
}

impl Places {
    /// Takes up where a cluster stands, and gives it its door.
    fn enter(&mut self, networks: &HashMap<ResourceId, At>, number: Number, facts: &mut Facts, cells: &Cells) {
        let add = |here: &mut Vec<Number>| {
            if !here.contains(&number) {
                here.push(number);
            }
        };
        let (cluster, endpoints) = (&facts.cluster, &facts.endpoints);
        for at in endpoints.iter().filter_map(|endpoint| networks.get(&endpoint.network)) {
            self.by_network.get_mut(*at as usize).map(add);
        }
        let addresses =
            endpoints.iter().map(|endpoint| endpoint.address).chain(cluster.address.filter(|_| cluster.private));
        for address in addresses {
            add(self.by_address.entry(address).or_default());
        }
        facts.door = endpoints.first().filter(|_| !facts.alone).map(|endpoint| {
            let next = u32::try_from(self.subnets.len()).unwrap_or(u32::MAX);
            let subnet = *self.subnets.entry(endpoint.subnet.clone()).or_insert(next);
            (subnet, cells.cell(endpoint.address), endpoint.status == ConnectionStatus::Approved)
        });
    }
}

/// Takes the doors where somebody else may have the address: in networks whose address spaces others
/// have, too, at the address of a machine outside Azure, at public addresses. There a way to one
/// address says nothing of the next one.
fn separate(network: &Network, all: &mut [Facts]) {
    let held = network.virtual_networks().values();
    let mut spaces: Vec<(Ipv4Net, At)> =
        (0..).zip(held).flat_map(|(at, held)| held.address_space.iter().map(move |prefix| (*prefix, at))).collect();
    // Prefixes nest or are apart: sorted, whatever lies in one follows it.
    spaces.sort_by_key(|(prefix, _)| (prefix.network(), prefix.prefix_len()));
    let mut twins: HashSet<At> = HashSet::default();
    let mut widest: Option<(Ipv4Addr, At)> = None;
    for (prefix, at) in spaces {
        if let Some((_, other)) = widest.filter(|(end, other)| prefix.network() <= *end && *other != at) {
            twins.extend([at, other]);
        }
        if widest.is_none_or(|(end, _)| prefix.broadcast() > end) {
            widest = Some((prefix.broadcast(), at));
        }
    }
    let outside: HashSet<Ipv4Addr> = network.clients().values().filter_map(|client| client.address).collect();
    for facts in all {
        let taken = |endpoint: &Endpoint| outside.contains(&endpoint.address) || !endpoint.address.is_private();
        if facts.network.is_some_and(|at| twins.contains(&at)) || facts.endpoints.first().is_some_and(taken) {
            facts.door = None;
        }
    }
}

/// Where a cluster lies among the members of its group.
pub(super) fn spot(cluster: &Cluster) -> Ipv4Addr {
    cluster.address.unwrap_or(Ipv4Addr::UNSPECIFIED)
}

fn traits(
    network: &Network,
    cells: &Cells,
    cluster: &Cluster,
    endpoints: &[Endpoint],
    number: Number,
) -> (Traits, bool) {
    let declared = network.estate().managed_cluster(&cluster.id);
    let status = status(network, &ViewId::Public, cluster);
    let held_by_it =
        |address| matches!(network.public_holder(address), Some(PublicHolder::Cluster(id)) if *id == cluster.id);
    let odd = match cluster.address {
        _ if endpoints.len() > 1 || status.0 == Leads::Elsewhere || status.1 == Leads::Elsewhere => true,
        Some(address) if cluster.private => endpoints.iter().all(|endpoint| endpoint.address != address),
        Some(address) => !held_by_it(address) || !endpoints.is_empty(),
        None => !endpoints.is_empty(),
    };
    let public = cluster.address.filter(|_| !cluster.private);
    let traits = Traits {
        running: cluster.running,
        private: cluster.private,
        public_role: kubeconfig_role(cluster) == Role::PublicFqdn,
        fqdn: cluster.fqdn.is_some(),
        zone_none: declared.is_some_and(|declared| declared.zone == PrivateDnsZoneMode::None),
        addressed: cluster.address.is_some(),
        public: public.map(|address| (cluster.authorized_ranges.clone(), cells.cell(address))),
        status,
        alone: odd.then_some(number),
    };
    (traits, odd)
}

/// What a cluster's names lead to in a view.
pub(super) fn status(network: &Network, view: &ViewId, cluster: &Cluster) -> Status {
    let leads = |name: Option<&DnsName>| {
        let Some(name) = name else { return Leads::Unnamed };
        let mut hops: Vec<Hop> = Vec::new();
        let answer = network.answer(view, name, QueryType::Record(RecordType::A), &mut hops);
        let first = answer.addresses().next();
        match first {
            Some(address) if Some(address) == cluster.address => Leads::Home,
            Some(_) => Leads::Elsewhere,
            None => {
                let outcome = match answer.outcome {
                    NameOutcome::NoError => 0,
                    NameOutcome::NxDomain => 1,
                    NameOutcome::AliasLoop => 2,
                    NameOutcome::NoView => 3,
                    NameOutcome::ForwarderUnreachable => 4,
                };
                let ruled = hops.iter().any(|hop| matches!(hop, Hop::ForwardingRule { .. }));
                Leads::Nowhere(outcome, crate::diagnose::linked_zone_in(&hops).is_some(), ruled)
            }
        }
    };
    let in_kubeconfig = match kubeconfig_role(cluster) {
        Role::PrivateFqdn => cluster.private_fqdn.as_ref(),
        Role::PublicFqdn | Role::PortalFqdn => cluster.fqdn.as_ref(),
    };
    (leads(in_kubeconfig), leads(cluster.fqdn.as_ref()))
}
