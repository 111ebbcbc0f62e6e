//! What differs between two networks, unit by unit: cheap where one came about by changes of the other.

use std::collections::BTreeSet;

use azure::ResourceId;
use imbl::{OrdMap, ordmap::DiffItem};

use crate::network::Network;

/// The units that differ between two networks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Virtual networks, by themselves or by where they route.
    pub networks: BTreeSet<ResourceId>,
    /// Private DNS zones.
    pub zones: BTreeSet<ResourceId>,
    /// Network security groups.
    pub security_groups: BTreeSet<ResourceId>,
    /// Clusters.
    pub clusters: BTreeSet<ResourceId>,
    /// Whether there are other vantages, or machines and sites outside Azure that differ.
    pub vantages: bool,
}

impl Network {
    /// What differs in `next`.
    pub fn difference(&self, next: &Self) -> Difference {
        let mut networks = changed(&self.virtual_networks, &next.virtual_networks);
        networks.extend(changed(&self.routing, &next.routing));
        Difference {
            networks,
            zones: changed(&self.zones, &next.zones),
            security_groups: changed(&self.security_groups, &next.security_groups),
            clusters: changed(&self.clusters, &next.clusters),
            vantages: self.vantages.diff(&next.vantages).next().is_some()
                || self.clients.diff(&next.clients).next().is_some()
                || self.sites.diff(&next.sites).next().is_some(),
        }
    }
}

fn changed<V: Clone + PartialEq>(old: &OrdMap<ResourceId, V>, new: &OrdMap<ResourceId, V>) -> BTreeSet<ResourceId> {
    let id = |item: DiffItem<'_, '_, ResourceId, V>| match item {
        DiffItem::Add(id, _) | DiffItem::Remove(id, _) | DiffItem::Update { old: (id, _), .. } => id.clone(),
    };
    old.diff(new).map(id).collect()
}
