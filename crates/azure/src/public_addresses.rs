//! Who has which public address, and which one is free: kept with an estate, so that neither question
//! costs the size of the estate.

use std::net::Ipv4Addr;

use imbl::OrdMap;

use crate::{Resource, ResourceId, model::Model};

/// The public addresses of an estate. An address is one resource's; where a description from elsewhere gives it to
/// several, all of them are known.
#[derive(Debug, Clone, Default)]
pub(crate) struct PublicAddresses {
    holders: OrdMap<u32, Vec<ResourceId>>,
    /// Runs of held addresses, first to last, with a free address between any two.
    runs: OrdMap<u32, u32>,
}

impl PublicAddresses {
    /// A resource that has `address`.
    pub(crate) fn holder(&self, address: Ipv4Addr) -> Option<&ResourceId> {
        self.holders.get(&u32::from(address))?.first()
    }

    /// The lowest address from `first` to `last` that nobody has.
    pub(crate) fn lowest_free(&self, first: Ipv4Addr, last: Ipv4Addr) -> Option<Ipv4Addr> {
        let (first, last) = (u32::from(first), u32::from(last));
        let free = match self.run_until(first) {
            Some((_, end)) if end >= first => end.checked_add(1)?,
            _ => first,
        };
        (free <= last).then(|| free.into())
    }

    /// Notes the address that `resource` has.
    pub(crate) fn insert(&mut self, resource: &Resource) {
        let Some(address) = address_of(resource).map(u32::from) else { return };
        let holders = self.holders.entry(address).or_default();
        holders.push(resource.id().clone());
        if holders.len() > 1 {
            return;
        }
        let next = address.checked_add(1).and_then(|next| self.runs.remove(&next));
        let start = match self.run_until(address) {
            Some((start, end)) if end.checked_add(1) == Some(address) => start,
            _ => address,
        };
        self.runs.insert(start, next.unwrap_or(address));
    }

    /// Forgets the address that `resource` had.
    pub(crate) fn remove(&mut self, resource: &Resource) {
        let Some(address) = address_of(resource).map(u32::from) else { return };
        let Some(holders) = self.holders.get_mut(&address) else { return };
        holders.retain(|holder| holder != resource.id());
        if !holders.is_empty() {
            return;
        }
        self.holders.remove(&address);
        let Some((start, end)) = self.run_until(address) else { return };
        self.runs.remove(&start);
        if start < address {
            self.runs.insert(start, address - 1);
        }
        if address < end {
            self.runs.insert(address + 1, end);
        }
    }

    /// The last run that starts at or before `address`.
    fn run_until(&self, address: u32) -> Option<(u32, u32)> {
        self.runs.range(..=address).next_back().map(|(start, end)| (*start, *end))
    }
}

fn address_of(resource: &Resource) -> Option<Ipv4Addr> {
    match resource.model() {
        Model::PublicIpAddress(public) => public.address,
        Model::LabClient(client) => client.public_address,
        Model::ManagedCluster(cluster) => cluster.public_address,
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::Kind;

    fn address(number: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 19, 0, 0)) + number)
    }

    fn resource(name: u8, number: u32) -> Resource {
        let id = ResourceId::group("s", "rg").resource(Kind::PublicIpAddress.arm_type(), &name.to_string());
        Resource::new(id, &json!({"properties": {"ipAddress": address(number)}}))
    }

    proptest! {
        /// Beside a map that is searched from end to end.
        #[test]
        fn the_lowest_free_address_and_the_holders_follow_every_change(
            changes in prop::collection::vec((0_u8..12, prop::option::of(0_u32..10)), 0..60)
        ) {
            let (mut addresses, mut held) = (PublicAddresses::default(), BTreeMap::new());
            for (name, number) in changes {
                if let Some(old) = held.remove(&name) {
                    addresses.remove(&resource(name, old));
                }
                if let Some(number) = number {
                    addresses.insert(&resource(name, number));
                    held.insert(name, number);
                }
                let is_held = |number: u32| held.values().any(|held| *held == number);
                for first in 0..10 {
                    let lowest = (first..9).find(|number| !is_held(*number)).map(address);
                    prop_assert_eq!(addresses.lowest_free(address(first), address(8)), lowest);
                    prop_assert_eq!(addresses.holder(address(first)).is_some(), is_held(first));
                }
            }
        }
    }
}
