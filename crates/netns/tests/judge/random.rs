//! Random estates, of which some show every way in which a connection can end.

use proptest::{prelude::*, sample::select};

use crate::estate::{Estate, Machine, Piece, Rule, ZONES};

const STATUSES: [&str; 5] = ["Approved", "Approved", "Pending", "Rejected", "Disconnected"];
const POLICIES: [&str; 4] = ["Disabled", "Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"];
const SERVERS: [&[&str]; 10] = [
    &[],
    &["168.63.129.16"],
    &["10.0.0.4"],
    &["10.1.0.5"],
    &["10.0.8.4"],
    &["10.1.8.4"],
    &["8.8.8.8"],
    &["192.168.0.10"],
    &["10.9.9.9", "10.0.0.5"],
    &["10.1.0.4", "10.0.0.4"],
];
const PREFIXES: [&str; 17] = [
    "0.0.0.0/0",
    "10.0.0.0/8",
    "10.0.0.0/16",
    "10.1.0.0/16",
    "10.0.0.0/24",
    "10.0.1.0/24",
    "10.1.0.0/24",
    "10.1.1.0/24",
    "10.0.0.4/32",
    "10.1.0.5/32",
    "10.0.0.20/32",
    "10.1.0.21/32",
    "10.0.0.30/32",
    "192.168.0.0/24",
    "172.16.201.0/24",
    "198.18.0.1/32",
    "8.8.8.0/24",
];
const HOPS: [&str; 12] = [
    "10.0.0.4",
    "10.0.0.5",
    "10.0.1.4",
    "10.1.0.4",
    "10.1.0.5",
    "10.1.1.4",
    "10.2.0.4",
    "10.0.0.99",
    "None",
    "Internet",
    "VnetLocal",
    "VirtualNetworkGateway",
];
/// Where machines stand that pass packets on.
const APPLIANCES: [&str; 3] = ["10.0.0.5", "10.1.0.5", "10.2.0.5"];
const PLACES: [&str; 14] = [
    "*",
    "VirtualNetwork",
    "Internet",
    "AzureLoadBalancer",
    "0.0.0.0/0",
    "10.0.0.0/16",
    "10.1.0.0/16",
    "10.0.0.4",
    "10.1.1.0/24",
    "10.0.0.20",
    "172.16.201.0/24",
    "192.168.0.0/24",
    "198.19.0.0/24",
    "198.19.255.253",
];
const PORTS: [&str; 5] = ["*", "443", "8080", "53", "80-9000"];
const RANGES: [&[&str]; 5] = [&[], &["198.19.255.254"], &["198.19.255.253"], &["198.19.0.0/24"], &["192.0.2.0/24"]];
/// Whom rules ask that a resolver forwards by.
const TARGETS: [&str; 6] = ["10.0.8.4", "10.0.0.4", "10.1.0.5", "192.168.0.10", "8.8.8.8", "10.9.9.9"];

fn network() -> impl Strategy<Value = usize> {
    0..4_usize
}

fn rule() -> impl Strategy<Value = Rule> {
    let protocols = select(vec!["*", "Tcp", "Udp"]);
    let flags = (any::<bool>(), prop::bool::weighted(0.6));
    (flags, protocols, select(&PLACES[..]), select(&PLACES[..]), select(&PORTS[..])).prop_map(
        |((inbound, allow), protocol, source, destination, port)| Rule {
            inbound,
            allow,
            protocol,
            source,
            destination,
            port,
        },
    )
}

fn machine() -> impl Strategy<Value = Machine> {
    let rarely = || prop::bool::weighted(0.15);
    let servers = prop_oneof![3 => Just(SERVERS[0]), 1 => select(&SERVERS[..])];
    (rarely(), prop::bool::weighted(0.7), rarely(), servers)
        .prop_map(|(stopped, forwarding, public, servers)| Machine { stopped, forwarding, public, servers })
}

fn piece() -> impl Strategy<Value = Piece> {
    let name = || 0..2_usize;
    let status = || select(&STATUSES[..]);
    let mostly = || prop::bool::weighted(0.8);
    let rules = || prop::collection::vec(rule(), 0..4);
    let hop = || prop_oneof![1 => select(&HOPS[..]), 2 => select(&APPLIANCES[..])];
    prop_oneof![
        1 => (network(), select(&SERVERS[..])).prop_map(|(network, servers)| Piece::Dns { network, servers }),
        2 => (network(), name(), select(&POLICIES[..]))
            .prop_map(|(network, subnet, policies)| Piece::Policies { network, subnet, policies }),
        2 => (network(), name(), rules())
            .prop_map(|(network, subnet, rules)| Piece::SubnetGroup { network, subnet, rules }),
        1 => (network(), 0..3_usize, rules())
            .prop_map(|(network, slot, rules)| Piece::MachineGroup { network, slot, rules }),
        5 => (network(), name(), prop::collection::vec((select(&PREFIXES[..]), hop()), 1..4), mostly())
            .prop_map(|(network, subnet, routes, propagate)| Piece::Routes { network, subnet, routes, propagate }),
        6 => (network(), 0..3_usize, machine())
            .prop_map(|(network, slot, options)| Piece::Machine { network, slot, options }),
        5 => (network(), network(), mostly(), mostly(), any::<bool>())
            .prop_map(|(from, to, both, access, forwarded)| Piece::Peering { from, to, both, access, forwarded }),
        3 => (name(), network(), any::<bool>(), mostly(), status())
            .prop_map(|(name, network, public_fqdn, running, status)| {
                Piece::Cluster { name, network, public_fqdn, running, status }
            }),
        2 => (name(), network(), name(), status())
            .prop_map(|(name, network, cluster, status)| Piece::Endpoint { name, network, cluster, status }),
        1 => (mostly(), select(&RANGES[..])).prop_map(|(running, ranges)| Piece::PublicCluster { running, ranges }),
        1 => (name(), mostly()).prop_map(|(zone, records)| Piece::Zone { zone, records }),
        2 => (0..ZONES.len(), network(), any::<bool>(), any::<bool>()).prop_map(
            |(zone, network, registration, redirect)| Piece::Link { zone, network, registration, redirect }
        ),
        1 => network().prop_map(|network| Piece::Resolver { network }),
        1 => (select(&TARGETS[..]), network()).prop_map(|(target, network)| Piece::Ruleset { target, network }),
        1 => network().prop_map(|network| Piece::Gateway { network }),
        1 => network().prop_map(|network| Piece::Transit { network }),
        1 => select(&SERVERS[..]).prop_map(|servers| Piece::Site { servers }),
        1 => (any::<bool>(), any::<bool>()).prop_map(|(vpn, hosts)| Piece::Client { vpn, hosts }),
    ]
}

/// Estates of two to four networks, each with three machines, one of which passes packets on: most of
/// everything, some of little but appliances.
pub(crate) fn estate() -> impl Strategy<Value = Estate> {
    const SPACES: [&[u8]; 6] = [&[0, 1], &[0, 1, 2], &[0, 1, 0], &[0, 1, 2, 0], &[0, 1, 2, 1], &[0, 0, 1]];
    // Only what does not overlap can be joined.
    let (spaces, apart) = (select(&SPACES[..]), select(&SPACES[..2]));
    prop_oneof![
        3 => (spaces, prop::collection::vec(piece(), 8..40)),
        1 => (apart, prop::collection::vec(detour(), 6..16)),
    ]
    .prop_map(|(spaces, pieces)| Estate { spaces: spaces.to_vec(), pieces })
}

/// What leads requests by one appliance and replies by another, which may have none of them.
fn detour() -> impl Strategy<Value = Piece> {
    const TO: [&str; 4] = ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16", "0.0.0.0/0"];
    // Appliances stand in the first subnet, and would send one another around in circles.
    let slot = || prop_oneof![1 => Just(0_usize), 4 => Just(1)];
    let none = |inbound| Rule { inbound, allow: false, protocol: "*", source: "*", destination: "*", port: "*" };
    let rules = || prop_oneof![any::<bool>().prop_map(move |inbound| vec![none(inbound)]), Just(Vec::new())];
    prop_oneof![
        4 => (network(), slot(), prop::collection::vec(select(&APPLIANCES[..]), TO.len())).prop_map(|(network, subnet, hops)| {
            Piece::Routes { network, subnet, routes: TO.into_iter().zip(hops).collect(), propagate: true }
        }),
        4 => (network(), network()).prop_map(|(from, to)| {
            Piece::Peering { from, to, both: true, access: true, forwarded: true }
        }),
        2 => (network(), rules()).prop_map(|(network, rules)| Piece::MachineGroup { network, slot: 1, rules }),
        1 => (network(), slot(), rules())
            .prop_map(|(network, subnet, rules)| Piece::SubnetGroup { network, subnet, rules }),
        1 => piece(),
    ]
}

/// The same without anything that joins networks or lets anybody in.
pub(crate) fn islands() -> impl Strategy<Value = Estate> {
    estate().prop_map(|mut estate| {
        estate.pieces.retain(|piece| !matches!(piece, Piece::Peering { .. } | Piece::Gateway { .. }));
        for piece in &mut estate.pieces {
            if let Piece::Machine { options, .. } = piece {
                options.public = false;
            }
        }
        estate
    })
}
