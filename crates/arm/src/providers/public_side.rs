//! The lab's public side: addresses of public IP addresses, of machines outside Azure and of public
//! API servers, of which no two have the same.

use std::net::Ipv4Addr;

use azure::Estate;
use ipnet::Ipv4Net;

/// The half of RFC 2544's benchmarking range that public API servers do not use.
pub(super) const PUBLIC_SIDE: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 19, 0, 0), 16);

/// The lowest address that nobody has.
pub(super) fn free_address(estate: &Estate) -> Option<Ipv4Addr> {
    let mut hosts = PUBLIC_SIDE.hosts();
    estate.free_public_address(hosts.next()?, hosts.next_back()?)
}
