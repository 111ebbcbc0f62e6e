//! The clusters' side of the matrix: what of a cluster decides how clients fare with it, and where to
//! find clusters by network, by address and by the zone that covers their names.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use azure::{
    DnsName, ResourceId,
    model::{ConnectionStatus, PrivateDnsZoneMode},
};
use foldhash::{HashMap, HashSet};
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
    pub(super) door: Option<(u32, u32, bool)>,
}

/// Every cluster, in id order.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) facts: Vec<Facts>,
    /// The numbers of the networks.
    networks: HashMap<ResourceId, At>,
    /// The clusters with an endpoint in a network.
    by_network: Vec<Vec<Number>>,
    pub(super) by_address: BTreeMap<Ipv4Addr, Vec<Number>>,
    /// The clusters with a name that a zone of this name would cover.
    covered: HashMap<Box<str>, Vec<Number>>,
    /// The groups, and the members of each.
    pub(super) groups: Vec<Members>,
    /// The networks with endpoints, by the prefixes of their address spaces.
    spaces: BTreeMap<(Ipv4Addr, u8), Vec<At>>,
}

impl Index {
    pub(super) fn new(network: &Network, cells: &Cells) -> Self {
        let mut index = Self::default();
        let mut numbers: HashMap<Traits, u32> = HashMap::default();
        let mut subnets: HashMap<ResourceId, u32> = HashMap::default();
        index.networks = network.virtual_networks().keys().cloned().zip(0..).collect();
        index.by_network.resize(index.networks.len(), Vec::new());
        for (number, cluster) in network.clusters().values().enumerate() {
            let number = Number::try_from(number).unwrap_or(Number::MAX);
            let endpoints = place::endpoints(network.estate(), &cluster.id);
            let (traits, alone) = traits(network, cells, cluster, &endpoints, number);
            let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
            let group = *numbers.entry(traits).or_insert(next);
            if group as usize == index.groups.len() {
                index.groups.push(Vec::new());
            }
            index.groups[group as usize].push((spot(cluster), number));
            for endpoint in &endpoints {
                let at = index.at(&endpoint.network).and_then(|at| index.by_network.get_mut(at as usize));
                if let Some(here) = at.filter(|here| here.last() != Some(&number)) {
                    here.push(number);
                }
            }
            let addresses =
                endpoints.iter().map(|endpoint| endpoint.address).chain(cluster.address.filter(|_| cluster.private));
            for address in addresses {
                let here = index.by_address.entry(address).or_default();
                if here.last() != Some(&number) {
                    here.push(number);
                }
            }
            for name in cluster.fqdn.iter().chain(&cluster.private_fqdn) {
                for suffix in name.suffixes() {
                    if !index.covered.contains_key(suffix) {
                        index.covered.insert(suffix.into(), Vec::new());
                    }
                    if let Some(members) = index.covered.get_mut(suffix).filter(|held| held.last() != Some(&number)) {
                        members.push(number);
                    }
                }
            }
            let door = endpoints.first().filter(|_| !alone).map(|endpoint| {
                let next = u32::try_from(subnets.len()).unwrap_or(u32::MAX);
                let subnet = *subnets.entry(endpoint.subnet.clone()).or_insert(next);
                (subnet, cells.cell(endpoint.address), endpoint.status == ConnectionStatus::Approved)
            });
            let at = endpoints.first().and_then(|endpoint| index.at(&endpoint.network));
            index.facts.push(Facts { cluster: Arc::clone(cluster), endpoints, network: at, group, alone, door });
        }
        for members in &mut index.groups {
            members.sort_unstable();
        }
        for ((at, held), clusters) in (0..).zip(network.virtual_networks().values()).zip(&index.by_network) {
            for prefix in held.address_space.iter().filter(|_| !clusters.is_empty()) {
                index.spaces.entry((prefix.network(), prefix.prefix_len())).or_default().push(at);
            }
        }
        index.separate();
        index
    }

    /// The number of a network.
    pub(super) fn at(&self, network: &ResourceId) -> Option<At> {
        self.networks.get(network).copied()
    }

    /// The clusters with an endpoint in a network.
    pub(super) fn in_network(&self, network: At) -> &[Number] {
        self.by_network.get(network as usize).map_or(&[], Vec::as_slice)
    }

    /// The clusters with a name that a zone called so covers.
    pub(super) fn covered_by(&self, zone: &DnsName) -> &[Number] {
        self.covered.get(zone.as_str()).map_or(&[], Vec::as_slice)
    }

    /// The networks with endpoints whose address space overlaps `prefix`: prefixes nest or are apart.
    pub(super) fn overlapping(&self, prefix: Ipv4Net) -> impl Iterator<Item = At> + '_ {
        let around = (0..prefix.prefix_len()).filter_map(move |length| {
            let wider = Ipv4Net::new(prefix.addr(), length).ok()?;
            self.spaces.get(&(wider.network(), length))
        });
        let within = self.spaces.range((prefix.network(), prefix.prefix_len())..=(prefix.broadcast(), 32));
        around.chain(within.map(|(_, held)| held)).flatten().copied()
    }

    /// Takes the doors of networks whose address spaces others have, too: there a way to one address
    /// says nothing of the next one.
    fn separate(&mut self) {
        let mut twins: HashSet<At> = HashSet::default();
        let mut widest: Option<(Ipv4Addr, At)> = None;
        for ((first, length), held) in &self.spaces {
            let last = Ipv4Net::new_assert(*first, *length).broadcast();
            for at in held {
                if let Some((end, other)) = widest
                    && *first <= end
                {
                    twins.extend([*at, other]);
                }
                if widest.is_none_or(|(end, _)| last > end) {
                    widest = Some((last, *at));
                }
            }
        }
        for facts in &mut self.facts {
            if facts.network.is_some_and(|at| twins.contains(&at)) {
                facts.door = None;
            }
        }
    }

    pub(super) fn number(&self, cluster: &ResourceId) -> Option<Number> {
        let found = self.facts.binary_search_by(|facts| facts.cluster.id.cmp(cluster)).ok()?;
        Number::try_from(found).ok()
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
