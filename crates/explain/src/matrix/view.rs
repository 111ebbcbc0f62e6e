//! What a name view makes of the clusters: those that it answers otherwise than public DNS, in
//! groups. Views with the same zones linked share one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use azure::{ResourceId, model::ResolutionPolicy};
use foldhash::HashMap;
use network::{Network, ViewId, VirtualNetwork};

use super::index::{Index, Leads, Members, Number, Status, spot, status};

/// The clusters that a view answers in its own way.
#[derive(Debug, Default)]
pub(super) struct View {
    /// By cluster, sorted: the group it is in here.
    pub(super) group_of: Vec<(Number, u32)>,
    /// The groups: clusters that agree in all but where they stand.
    pub(super) groups: Vec<(Key, Members)>,
    /// Those that are to be asked about one by one.
    pub(super) alone: BTreeSet<Number>,
}

/// A cluster's group everywhere, and what its names lead to here.
pub(super) type Key = (u32, Status);

/// The zones that decide, with what they do about names they lack.
type Zones = Vec<(ResourceId, bool)>;

/// The views, made when they are first asked for.
#[derive(Debug, Default)]
pub(super) struct Views {
    by_network: HashMap<ResourceId, Arc<View>>,
    by_zones: HashMap<Zones, Arc<View>>,
    nothing: Arc<View>,
}

impl Views {
    /// What `view` makes of the clusters of `index`.
    pub(super) fn get(&mut self, network: &Network, index: &Index, view: Option<&ViewId>) -> Arc<View> {
        let Some(ViewId::VirtualNetwork(id)) = view else { return Arc::clone(&self.nothing) };
        if let Some(known) = self.by_network.get(id) {
            return Arc::clone(known);
        }
        let Some(compiled) = network.virtual_network(id) else { return Arc::clone(&self.nothing) };
        let zones: Zones = compiled
            .linked_zones
            .iter()
            .filter(|(name, _)| index.covered_by(name).next().is_some())
            .map(|(_, linked)| (linked.zone.clone(), linked.policy == ResolutionPolicy::NxDomainRedirect))
            .collect();
        let rivals = !compiled.silent_zones.is_empty();
        let plain = compiled.forwarding_rules.is_empty() && !rivals;
        let made = match self.by_zones.get(&zones).filter(|_| plain) {
            Some(known) => Arc::clone(known),
            None => Arc::new(View::new(network, index, compiled, rivals)),
        };
        if plain {
            self.by_zones.insert(zones, Arc::clone(&made));
        }
        self.by_network.insert(id.clone(), Arc::clone(&made));
        made
    }
}

impl View {
    fn new(network: &Network, index: &Index, compiled: &VirtualNetwork, rivals: bool) -> Self {
        let covered: BTreeSet<Number> = if compiled.forwarding_rules.is_empty() {
            compiled.linked_zones.keys().flat_map(|name| index.covered_by(name)).collect()
        } else {
            (0..).zip(index.facts.iter()).map(|(number, _)| number).collect()
        };
        let id = ViewId::VirtualNetwork(compiled.id.clone());
        let mut groups: BTreeMap<Key, Members> = BTreeMap::new();
        let mut alone = BTreeSet::new();
        for number in covered {
            let facts = &index.facts[number as usize];
            let status = status(network, &id, &facts.cluster);
            let elsewhere = status.0 == Leads::Elsewhere || status.1 == Leads::Elsewhere;
            // Which zone of several answers, and what another one has, is each cluster's own story.
            if facts.alone || elsewhere || rivals {
                alone.insert(number);
            }
            groups.entry((facts.group, status)).or_default().push((spot(&facts.cluster), number));
        }
        for members in groups.values_mut() {
            members.sort_unstable();
        }
        let groups: Vec<(Key, Members)> = groups.into_iter().collect();
        let mut group_of: Vec<(Number, u32)> = (0..)
            .zip(&groups)
            .flat_map(|(group, (_, members))| members.iter().map(move |(_, number)| (*number, group)))
            .collect();
        group_of.sort_unstable();
        Self { group_of, groups, alone }
    }

    /// The group of a cluster here, if this view answers it in its own way.
    pub(super) fn group(&self, number: Number) -> Option<u32> {
        let found = self.group_of.binary_search_by_key(&number, |(held, _)| *held).ok()?;
        Some(self.group_of[found].1)
    }
}
