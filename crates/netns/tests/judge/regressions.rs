//! Differences that the judge has found: each with the least estate that shows it.

use crate::{
    estate::{Estate, Machine, Piece, Rule},
    from_nothing, runtime, skip,
};

/// What is said of an estate is what is seen.
fn holds(test: &str, spaces: &[u8], pieces: &[Piece]) {
    if skip(test) {
        return;
    }
    let estate = Estate { spaces: spaces.to_vec(), pieces: pieces.to_vec() };
    let differences = runtime().block_on(from_nothing(&estate));
    assert!(differences.is_empty(), "{differences:#?}");
}

fn cluster(network: usize) -> Piece {
    Piece::Cluster { name: 0, network, public_fqdn: true, running: true, status: "Approved" }
}

fn routes(network: usize, subnet: usize, routes: &[(&'static str, &'static str)]) -> Piece {
    Piece::Routes { network, subnet, routes: routes.to_vec(), propagate: true }
}

fn peering(from: usize, to: usize, forwarded: bool) -> Piece {
    Piece::Peering { from, to, both: true, access: true, forwarded }
}

fn public(network: usize, slot: usize, stopped: bool) -> Piece {
    Piece::Machine { network, slot, options: Machine { public: true, forwarding: true, stopped, servers: &[] } }
}

#[test]
fn api_servers_are_reached_by_their_endpoints_only() {
    holds("servers", &[0, 1], &[cluster(0)]);
}

#[test]
fn every_public_address_that_is_nobodys_answers_names_and_no_other_does() {
    let asks = |network, servers| Piece::Dns { network, servers };
    let cluster = Piece::PublicCluster { running: true, ranges: &[] };
    holds(
        "names",
        &[0, 1],
        &[asks(0, &["8.8.8.8"]), asks(1, &["198.18.0.1", "198.19.0.1"]), cluster, public(0, 0, true)],
    );
}

#[test]
fn what_is_not_in_the_network_finds_nobody_by_a_route_into_it() {
    holds("into", &[0, 1], &[peering(0, 1, false), routes(1, 0, &[("10.0.1.0/24", "VnetLocal")])]);
}

#[test]
fn a_route_leads_past_a_resolver_of_the_same_network() {
    holds("past", &[0, 1], &[Piece::Resolver { network: 0 }, routes(0, 1, &[("10.0.0.0/16", "10.1.0.4")])]);
}

#[test]
fn a_reply_that_is_routed_through_its_own_client_has_come_home() {
    holds("home", &[0, 1], &[routes(0, 1, &[("10.0.0.0/16", "10.0.0.4")])]);
}

#[test]
fn replies_as_well_are_forwarded_into_a_peer_only_if_it_allows() {
    holds("replies", &[0, 1, 2], &[peering(2, 0, false), routes(0, 0, &[("10.0.0.0/16", "10.2.0.5")])]);
}

#[test]
fn a_peer_that_comes_by_the_internet_is_answered_by_the_internet() {
    holds("internet", &[0, 1], &[public(1, 1, false), peering(1, 0, false)]);
}

#[test]
fn a_public_address_is_given_only_to_what_leaves_for_the_internet() {
    holds("given", &[0, 1], &[routes(1, 0, &[("0.0.0.0/0", "10.1.0.5")]), public(1, 0, false)]);
}

#[test]
fn an_endpoint_is_entered_behind_an_appliance_of_a_peered_network() {
    let routes = routes(1, 1, &[("10.0.0.20/32", "10.0.0.5")]);
    holds("steered", &[0, 1], &[cluster(0), peering(0, 1, true), routes]);
}

#[test]
fn an_endpoint_is_entered_behind_an_appliance_of_its_own_network() {
    holds("entered", &[0, 1], &[cluster(0), routes(0, 1, &[("10.0.0.20/32", "10.0.0.5")])]);
}

#[test]
fn what_is_handed_to_a_peers_gateway_is_for_those_behind_it_only() {
    holds(
        "behind",
        &[0, 1],
        &[
            Piece::Gateway { network: 1 },
            peering(0, 1, true),
            Piece::Transit { network: 0 },
            routes(0, 0, &[("10.1.0.0/24", "VirtualNetworkGateway")]),
        ],
    );
}

#[test]
fn what_a_machine_passes_on_reaches_a_peers_gateway_only_if_the_peer_lets_it_in() {
    holds(
        "passed",
        &[0, 1],
        &[
            routes(0, 1, &[("192.168.0.0/24", "10.1.0.5")]),
            peering(1, 0, false),
            Piece::Site { servers: &["10.1.0.5"] },
            Piece::Gateway { network: 0 },
            Piece::Transit { network: 1 },
        ],
    );
}

#[test]
fn nobody_is_at_the_address_from_which_an_outbound_endpoint_asks() {
    holds("outbound", &[0, 1], &[Piece::Resolver { network: 0 }, peering(0, 1, true)]);
}

#[test]
fn a_refusal_comes_back_by_an_appliance_to_who_takes_nothing_else() {
    holds("refusal", &[0, 1], &[Piece::Resolver { network: 0 }, routes(0, 1, &[("10.0.0.0/16", "10.0.0.5")])]);
    let nothing = Rule { inbound: true, allow: false, protocol: "*", source: "*", destination: "*", port: "*" };
    holds(
        "guarded",
        &[0, 1],
        &[
            Piece::MachineGroup { network: 0, slot: 0, rules: vec![nothing] },
            routes(0, 1, &[("10.0.0.0/16", "10.0.0.5")]),
        ],
    );
}

#[test]
fn network_policies_of_a_private_endpoint_are_kept() {
    let deny = |source, port| Rule { inbound: true, allow: false, protocol: "*", source, destination: "*", port };
    for policies in ["Disabled", "Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"] {
        holds(
            policies,
            &[0, 1],
            &[
                cluster(0),
                peering(0, 1, true),
                Piece::Policies { network: 0, subnet: 0, policies },
                Piece::SubnetGroup { network: 0, subnet: 0, rules: vec![deny("10.0.1.0/24", "443")] },
                routes(1, 0, &[("10.0.0.0/16", "None")]),
                routes(1, 1, &[("0.0.0.0/0", "None")]),
            ],
        );
    }
}

#[test]
fn the_tag_of_azures_load_balancer_lets_nobody_in_and_keeps_nobody_out() {
    let rule =
        |inbound, allow, source, destination| Rule { inbound, allow, protocol: "*", source, destination, port: "*" };
    let tag = "AzureLoadBalancer";
    for (test, rules) in [
        ("probes", vec![rule(true, true, tag, "*"), rule(true, false, "*", "*")]),
        ("no probes", vec![rule(true, false, tag, "*"), rule(false, false, "*", tag)]),
    ] {
        holds(test, &[0, 1], &[peering(0, 1, true), Piece::SubnetGroup { network: 0, subnet: 0, rules }]);
    }
}

#[test]
fn a_reply_needs_the_leave_of_an_appliance_that_never_saw_the_request() {
    let nothing = Rule { inbound: true, allow: false, protocol: "*", source: "*", destination: "*", port: "*" };
    holds(
        "detour",
        &[0, 1],
        &[
            peering(0, 1, true),
            routes(1, 1, &[("198.18.0.1/32", "10.0.0.5")]),
            routes(0, 0, &[("10.1.0.0/16", "10.1.0.5")]),
            Piece::SubnetGroup { network: 1, subnet: 0, rules: vec![nothing] },
        ],
    );
}

#[test]
fn of_several_appliances_on_the_way_to_the_internet_the_last_translates() {
    let chain = [
        peering(2, 0, true),
        peering(0, 1, true),
        routes(2, 1, &[("198.18.0.1/32", "10.0.0.5")]),
        routes(0, 0, &[("198.18.0.1/32", "10.1.0.5")]),
        Piece::PublicCluster { running: true, ranges: &[] },
    ];
    // The last one has no way back to a network that it is no peer of, until a route names one.
    holds("lost", &[0, 1, 2], &chain);
    let back = routes(1, 0, &[("10.2.0.0/16", "10.0.0.5")]);
    holds("chain", &[0, 1, 2], &[chain.as_slice(), &[back]].concat());
}
