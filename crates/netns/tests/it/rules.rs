//! What nft is told, for one router.

use std::fmt::Write;

use network::plan::{Addresses, Endpoint, Filter, GroupId, PacketRule, Protocol};

use crate::stage::{World, at, ip, link, network, world};

/// One line for each object: chains and sets, and rules without their braces.
fn render(filter: &Filter) -> String {
    let rules = serde_json::to_value(netns::ruleset(filter)).expect("JSON");
    let mut text = String::new();
    for object in rules["nftables"].as_array().expect("objects") {
        let (command, object) = object.as_object().expect("a command").iter().next().expect("a command");
        let (kind, value) = object.as_object().expect("an object").iter().next().expect("an object");
        match kind.as_str() {
            "rule" => {
                let words = value["expr"].as_array().expect("statements").iter().map(ToString::to_string);
                let words: Vec<String> = words.map(|word| word.replace('"', "")).collect();
                let chain = value["chain"].as_str().expect("a chain");
                writeln!(text, "  {chain}: {}", words.join(" ")).expect("a text");
            }
            _ => writeln!(text, "{command} {kind} {}", value.to_string().replace('"', "")).expect("a text"),
        }
    }
    text
}

#[test]
fn a_routers_rules_read_in_the_order_in_which_packets_meet_them() {
    let mut world: World = world();
    let router = world.router(&network("one"));
    let group = GroupId("/subscriptions/0/…/networksecuritygroups/web Inbound 0".into());
    let rule = PacketRule {
        protocol: Some(Protocol::Tcp),
        sources: Addresses::NotIn(vec!["10.0.0.0/8".parse().expect("a net")]),
        source_ports: Vec::new(),
        destinations: Addresses::Any,
        ports: vec![(80, 80), (8000, 8100)],
        allow: true,
    };
    router.groups.insert(group.clone(), vec![rule]);
    router.interfaces.get_mut(&link("vm-1")).expect("a link").inbound = vec![group.clone()];
    router.interfaces.get_mut(&link("vm-2")).expect("a link").forwards = true;
    router.tables.insert(link("vm-1"), 1);
    router.bypassed.insert((1, ip("10.0.0.9")));
    router.public.insert(ip("20.0.0.4"), ip("10.0.0.4"));
    router.inbound_endpoints.insert(ip("10.0.0.20"), Vec::new());
    router.peers.get_mut(&link("to-two")).expect("a peer").transit = true;
    let endpoint = Endpoint { port: 443, server: at("240.0.0.2:443"), inbound: vec![group] };
    router.endpoints.insert(ip("10.0.0.11"), endpoint);
    insta::assert_snapshot!(render(&world.space(&network("one")).filter));
}
