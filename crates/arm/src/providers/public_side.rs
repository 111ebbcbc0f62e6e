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

/// Whether an address can be somebody's on the Internet.
pub(super) fn is_public(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let local = address.is_private() || address.is_loopback() || address.is_link_local();
    // 100.64.0.0/10 is the carriers', 168.63.129.16 Azure's own.
    let shared = first == 100 && (64..128).contains(&second) || address == Ipv4Addr::new(168, 63, 129, 16);
    !local && !shared && (1..224).contains(&first)
}
