//! Addresses in subnets: which are Azure's, which are free, what overlaps.
//!
//! Azure keeps the first four addresses and the last one of every subnet (documentation
//! "virtual networks FAQ": x.x.x.0–x.x.x.3 and the broadcast address).

use std::{collections::BTreeSet, net::Ipv4Addr};

use ipnet::Ipv4Net;

use crate::{Estate, ResourceId, model::Model};

/// Addresses at the start of a subnet that Azure keeps to itself.
const RESERVED_AT_START: u32 = 4;
/// Addresses at the end of a subnet that Azure keeps to itself.
const RESERVED_AT_END: u32 = 1;

/// Whether a subnet of this prefix can hold at least one address: Azure's smallest is a /29.
pub fn is_usable_subnet(prefix: Ipv4Net) -> bool {
    prefix.prefix_len() <= 29
}

/// How many addresses of `prefix` customers may use.
pub fn usable_addresses(prefix: Ipv4Net) -> u64 {
    let all = 1_u64 << (32 - prefix.prefix_len());
    all.saturating_sub(u64::from(RESERVED_AT_START + RESERVED_AT_END))
}

/// The first address that customers may use.
pub fn first_usable(prefix: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(prefix.network()).saturating_add(RESERVED_AT_START))
}

/// The last address that customers may use.
pub fn last_usable(prefix: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(prefix.broadcast()).saturating_sub(RESERVED_AT_END))
}

/// Whether a resource may be given `address` in a subnet of `prefix`.
pub fn is_assignable(prefix: Ipv4Net, address: Ipv4Addr) -> bool {
    let (first, last) = (u32::from(first_usable(prefix)), u32::from(last_usable(prefix)));
    is_usable_subnet(prefix) && (first..=last).contains(&u32::from(address))
}

/// The lowest assignable address of `prefix` at or after `from` that is not `taken`; wraps around
/// to the start of the subnet. `None` when the subnet is full.
pub fn next_free(prefix: Ipv4Net, taken: &BTreeSet<Ipv4Addr>, from: Option<Ipv4Addr>) -> Option<Ipv4Addr> {
    if !is_usable_subnet(prefix) {
        return None;
    }
    let (first, last) = (u32::from(first_usable(prefix)), u32::from(last_usable(prefix)));
    let start = from.map_or(first, u32::from).clamp(first, last);
    let free = |address: &u32| !taken.contains(&Ipv4Addr::from(*address));
    (start..=last).find(free).or_else(|| (first..start).find(free)).map(Ipv4Addr::from)
}

/// The addresses in use in a subnet: those of the interfaces, cluster nodes and DNS resolver
/// endpoints in it.
pub fn taken(estate: &Estate, subnet: &ResourceId) -> BTreeSet<Ipv4Addr> {
    let mut taken = BTreeSet::new();
    for resource in estate.referrers(subnet) {
        match resource.model() {
            Model::NetworkInterface(nic) => taken.extend(
                nic.ip_configurations
                    .iter()
                    .filter(|configuration| configuration.subnet == *subnet)
                    .filter_map(|configuration| configuration.address),
            ),
            Model::AgentPool(pool) => taken.extend(&pool.node_addresses),
            Model::InboundEndpoint(endpoint) => taken.extend([endpoint.address]),
            _ => {}
        }
    }
    taken
}

/// How many of the lab's own clients a point-to-site client address pool has addresses for: those of its
/// lower half but for the network's, the gateway's and that of the client every gateway has. The
/// upper half is for clients that dial in. (A pool too small to be shared has no upper half.)
pub fn lab_clients_max(pool: Ipv4Net) -> usize {
    let all = usize::try_from(1_u64 << (32 - pool.prefix_len())).unwrap_or(usize::MAX);
    match all / 2 {
        half if half > 2 => half - 3,
        _ => pool.hosts().count().saturating_sub(2),
    }
}

/// The first pair of prefixes, one from each side, that share an address.
pub fn overlap(left: &[Ipv4Net], right: &[Ipv4Net]) -> Option<(Ipv4Net, Ipv4Net)> {
    left.iter().find_map(|a| right.iter().find(|b| a.contains(*b) || b.contains(a)).map(|b| (*a, *b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    fn address(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_address_of_the_default_aks_subnet_is_the_articles() {
        assert_eq!(next_free(net("10.224.0.0/16"), &BTreeSet::new(), None), Some(address("10.224.0.4")));
    }

    #[test]
    fn azure_keeps_four_addresses_in_front_and_one_behind() {
        let subnet = net("10.0.0.0/29");
        let assignable: Vec<_> = subnet.hosts().filter(|host| is_assignable(subnet, *host)).collect();
        assert_eq!(assignable, [address("10.0.0.4"), address("10.0.0.5"), address("10.0.0.6")]);
        assert_eq!(usable_addresses(subnet), 3);
        assert!(!is_usable_subnet(net("10.0.0.0/30")));
    }

    #[test]
    fn the_next_free_address_skips_what_is_taken_and_wraps() {
        let subnet = net("10.0.0.0/29");
        let taken = BTreeSet::from([address("10.0.0.4"), address("10.0.0.6")]);
        assert_eq!(next_free(subnet, &taken, None), Some(address("10.0.0.5")));
        assert_eq!(next_free(subnet, &taken, Some(address("10.0.0.6"))), Some(address("10.0.0.5")));
        let full = BTreeSet::from([address("10.0.0.4"), address("10.0.0.5"), address("10.0.0.6")]);
        assert_eq!(next_free(subnet, &full, None), None);
    }

    #[test]
    fn overlap_is_symmetric() {
        let (a, b) = ([net("10.224.0.0/12")], [net("10.0.0.0/16"), net("10.230.1.0/24")]);
        assert_eq!(overlap(&a, &b), Some((a[0], b[1])));
        assert_eq!(overlap(&b, &a), Some((b[1], a[0])));
        assert_eq!(overlap(&a, &b[..1]), None);
    }
}
