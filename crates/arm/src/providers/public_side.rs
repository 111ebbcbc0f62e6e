//! The lab's public side: addresses of public IP addresses, of machines outside Azure and of public
//! API servers, of which no two have the same.

use std::{collections::BTreeSet, net::Ipv4Addr};

use azure::{Estate, Kind, ResourceId, model::Model};
use ipnet::Ipv4Net;

/// The half of RFC 2544's benchmarking range that public API servers do not use.
pub(super) const PUBLIC_SIDE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 19, 0, 0), 16);

/// The lowest address that nobody has.
pub(super) fn free_address(estate: &Estate) -> Option<Ipv4Addr> {
    let taken: BTreeSet<Ipv4Addr> = held(estate).map(|(address, _)| address).collect();
    PUBLIC_SIDE.hosts().find(|address| !taken.contains(address))
}

/// Who has a public address.
pub(super) fn holder(estate: &Estate, address: Ipv4Addr) -> Option<&ResourceId> {
    held(estate).find(|(held, _)| *held == address).map(|(_, holder)| holder)
}

/// Every public address with the one who has it.
fn held(estate: &Estate) -> impl Iterator<Item = (Ipv4Addr, &ResourceId)> {
    let kinds = [Kind::PublicIpAddress, Kind::LabClient, Kind::ManagedCluster];
    kinds.into_iter().flat_map(|kind| estate.of_kind(kind)).filter_map(|holder| {
        let address = match holder.model() {
            Model::PublicIpAddress(public) => public.address,
            Model::LabClient(client) => client.public_address,
            Model::ManagedCluster(cluster) => cluster.public_address,
            _ => None,
        };
        Some((address?, holder.id()))
    })
}
