//! The lab's public side: addresses of public IP addresses and of machines outside Azure, of which no
//! two have the same.

use std::{collections::BTreeSet, net::Ipv4Addr};

use azure::{Estate, Kind, model::Model};
use ipnet::Ipv4Net;

/// The half of RFC 2544's benchmarking range that public API servers do not use.
pub(super) const PUBLIC_SIDE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 19, 0, 0), 16);

/// The lowest address that nobody has.
pub(super) fn free_address(estate: &Estate) -> Option<Ipv4Addr> {
    let holders = estate.of_kind(Kind::PublicIpAddress).chain(estate.of_kind(Kind::LabClient));
    let taken: BTreeSet<Ipv4Addr> = holders
        .filter_map(|holder| match holder.model() {
            Model::PublicIpAddress(public) => public.address,
            Model::LabClient(client) => client.public_address,
            _ => None,
        })
        .collect();
    PUBLIC_SIDE.hosts().find(|address| !taken.contains(address))
}
