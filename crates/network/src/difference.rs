//! What differs between two networks, unit by unit: cheap where one came about by changes of the other.

use std::collections::BTreeSet;

use azure::ResourceId;
use imbl::{OrdMap, ordmap::DiffItem, ordset};

use crate::{network::Network, vantage::Vantage};

/// The units that differ between two networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Virtual networks.
    pub networks: BTreeSet<ResourceId>,
    /// Virtual networks that route otherwise.
    pub routing: BTreeSet<ResourceId>,
    /// Private DNS zones.
    pub zones: BTreeSet<ResourceId>,
    /// Network security groups.
    pub security_groups: BTreeSet<ResourceId>,
    /// Clusters.
    pub clusters: BTreeSet<ResourceId>,
    /// Vantages that come or go, interfaces with other settings and machines outside Azure that differ.
    pub vantages: BTreeSet<Vantage>,
    /// Whether sites outside Azure differ.
    pub sites: bool,
}

impl Network {
    /// What differs in `next`.
    pub fn difference(&self, next: &Self) -> Difference {
        let vantage = |item: ordset::DiffItem<'_, '_, Vantage>| match item {
            ordset::DiffItem::Add(vantage) | ordset::DiffItem::Remove(vantage) => vantage.clone(),
        };
        let mut vantages: BTreeSet<Vantage> = self.vantages.diff(&next.vantages).map(vantage).collect();
        vantages.extend(changed(&self.clients, &next.clients).into_iter().map(Vantage::Client));
        let interfaces = self.estate.differing(&next.estate).map(|id| Vantage::Interface(id.clone()));
        vantages.extend(interfaces.filter(|vantage| next.vantages.contains(vantage)));
        Difference {
            networks: changed(&self.virtual_networks, &next.virtual_networks),
            routing: changed(&self.routing, &next.routing),
            zones: changed(&self.zones, &next.zones),
            security_groups: changed(&self.security_groups, &next.security_groups),
            clusters: changed(&self.clusters, &next.clusters),
            vantages,
            sites: self.sites.diff(&next.sites).next().is_some(),
        }
    }
}

fn changed<V: Clone + PartialEq>(old: &OrdMap<ResourceId, V>, new: &OrdMap<ResourceId, V>) -> BTreeSet<ResourceId> {
    let id = |item: DiffItem<'_, '_, ResourceId, V>| match item {
        DiffItem::Add(id, _) | DiffItem::Remove(id, _) | DiffItem::Update { old: (id, _), .. } => id.clone(),
    };
    old.diff(new).map(id).collect()
}
