//! The clusters' side of the matrix: what of a cluster decides how clients fare with it, and where to
//! find clusters by network, by address and by the zone that covers their names.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    net::Ipv4Addr,
    sync::Arc,
};

use azure::{
    DnsName, ResourceId,
    model::{ConnectionStatus, PrivateDnsZoneMode},
};
use network::{Cells, Cluster, Hop, Network, Outcome as NameOutcome, PublicHolder, QueryType, RecordType, ViewId};

use crate::{
    place::{self, Endpoint},
    question::{Role, kubeconfig_role},
};

/// A cluster's number in an [`Index`].
pub(super) type Number = u32;

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
    public: Option<(Vec<ipnet::Ipv4Net>, u32)>,
    status: Status,
    /// Is like no other one.
    alone: Option<Number>,
}

/// A cluster.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) cluster: Arc<Cluster>,
    pub(super) endpoints: Vec<Endpoint>,
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
    /// The clusters with an endpoint in a network.
    pub(super) by_network: HashMap<ResourceId, Vec<Number>>,
    pub(super) by_address: BTreeMap<Ipv4Addr, Vec<Number>>,
    /// The clusters with a name in a zone of this name.
    pub(super) covered: HashMap<DnsName, Arc<[Number]>>,
    /// The groups, and the members of each.
    pub(super) groups: Vec<Members>,
    /// The address spaces of networks with endpoints.
    pub(super) spaces: Vec<(ResourceId, Vec<ipnet::Ipv4Net>)>,
}

impl Index {
    pub(super) fn new(network: &Network, cells: &Cells) -> Self {
        let mut index = Self::default();
        let mut numbers: HashMap<Traits, u32> = HashMap::new();
        let mut subnets: HashMap<ResourceId, u32> = HashMap::new();
        let mut covered: HashMap<DnsName, Vec<Number>> =
            network.zones().values().map(|zone| (zone.name.clone(), Vec::new())).collect();
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
                let here = index.by_network.entry(endpoint.network.clone()).or_default();
                if here.last() != Some(&number) {
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
                    if let Some(members) = covered.get_mut(suffix)
                        && members.last() != Some(&number)
                    {
                        members.push(number);
                    }
                }
            }
            let door = endpoints.first().filter(|_| !alone).map(|endpoint| {
                let next = u32::try_from(subnets.len()).unwrap_or(u32::MAX);
                let subnet = *subnets.entry(endpoint.subnet.clone()).or_insert(next);
                (subnet, cells.cell(endpoint.address), endpoint.status == ConnectionStatus::Approved)
            });
            index.facts.push(Facts { cluster: Arc::clone(cluster), endpoints, group, alone, door });
        }
        index.covered =
            covered.into_iter().filter(|(_, held)| !held.is_empty()).map(|(name, held)| (name, held.into())).collect();
        for members in &mut index.groups {
            members.sort_unstable();
        }
        let space = |id: &ResourceId| Some((id.clone(), network.virtual_network(id)?.address_space.clone()));
        index.spaces = index.by_network.keys().filter_map(space).collect();
        index.separate();
        index
    }

    /// Takes the doors of networks whose address spaces others have, too: there a way to one address
    /// says nothing of the next one.
    fn separate(&mut self) {
        let mut spaces: Vec<(u32, u32, &ResourceId)> = self
            .spaces
            .iter()
            .flat_map(|(id, space)| {
                space.iter().map(move |held| (u32::from(held.network()), u32::from(held.broadcast()), id))
            })
            .collect();
        spaces.sort_unstable();
        let mut twins: HashSet<ResourceId> = HashSet::new();
        let mut widest: Option<(u32, &ResourceId)> = None;
        for (first, last, id) in spaces {
            if let Some((end, other)) = widest
                && first <= end
            {
                twins.extend([id.clone(), other.clone()]);
            }
            if widest.is_none_or(|(end, _)| last > end) {
                widest = Some((last, id));
            }
        }
        for facts in &mut self.facts {
            if facts.endpoints.first().is_some_and(|endpoint| twins.contains(&endpoint.network)) {
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
