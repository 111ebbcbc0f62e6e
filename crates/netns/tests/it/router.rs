//! What a router lets pass: each clause of `network::plan::RouterFilter`.

use network::plan::{Addresses, GroupId, PacketRule, Place, Protocol, Route, RouteTarget};

use crate::stage::{Seen, Stage, at, gateway, ip, is_alive, link, machine, network, skip, world};

fn connected(from: &str, at: &str) -> Seen {
    Seen::Connected(from.to_owned(), at.to_owned())
}

#[tokio::test]
async fn an_endpoint_leads_to_its_api_server_and_nothing_else_does() {
    if skip("endpoint") {
        return;
    }
    let stage = Stage::set(world()).await;
    let reached = |from| connected(from, "240.0.0.1:443");
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.9:443").await, reached("10.0.0.4"));
    assert_eq!(stage.connect(&machine("vm-3"), "10.0.0.9:443").await, reached("10.1.0.4"), "from a peered network");
    assert_eq!(stage.connect(&crate::stage::client(), "10.0.0.9:443").await, reached("172.16.0.2"), "a VPN client");
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.9:80").await, Seen::Refused, "other ports are refused");
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.10:443").await, Seen::Silence, "nobody is there");
    for machine in ["vm-1", "vm-3"].map(machine) {
        assert_eq!(stage.connect(&machine, "240.0.0.1:443").await, Seen::Silence, "no way past the endpoint");
    }
    assert_eq!(stage.connect(&Place::Internet, "10.0.0.9:443").await, Seen::Silence, "not from the Internet");
}

#[tokio::test]
async fn a_connection_ends_at_once_when_its_endpoint_does_and_lives_through_other_changes() {
    if skip("cut") {
        return;
    }
    let mut stage = Stage::set(world()).await;
    let one = network("one");
    let mut stream = stage.hold(&machine("vm-1"), "10.0.0.9:443").await;
    assert!(is_alive(&mut stream));
    stage.change(|world| world.router(&one).outbound = Some(ip("248.0.0.1"))).await;
    stage.change(|world| world.router(&one).inbound_endpoints = [(ip("10.0.0.20"), Vec::new())].into()).await;
    assert!(is_alive(&mut stream), "another filter, the same connection");
    stage.change(|world| drop(world.router(&one).endpoints.remove(&ip("10.0.0.9")))).await;
    assert!(!is_alive(&mut stream), "rejected: cut");
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.9:443").await, Seen::Silence);
}

#[tokio::test]
async fn machines_send_from_their_own_addresses_unless_they_forward() {
    if skip("spoof") {
        return;
    }
    let mut stage = Stage::set(world()).await;
    stage.serve(&machine("vm-2"), "10.0.0.5:80").await;
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.5:80").await, connected("10.0.0.4", "10.0.0.5:80"));
    stage
        .output(
            &machine("vm-1"),
            "ip addr add 10.0.0.77/32 dev eth0; ip route change default via 10.0.0.1 dev eth0 src 10.0.0.77",
        )
        .await;
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.5:80").await, Seen::Silence);
    stage
        .change(|world| {
            world.router(&network("one")).interfaces.get_mut(&link("vm-1")).expect("a link").forwards = true;
            world.route(&network("one"), "10.0.0.77/32", RouteTarget::Via(link("vm-1"), ip("10.0.0.4")));
        })
        .await;
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.5:80").await, connected("10.0.0.77", "10.0.0.5:80"));
}

#[tokio::test]
async fn azure_dns_answers_the_networks_machines_and_nobody_else() {
    if skip("dns") {
        return;
    }
    let mut world = world();
    let one = network("one");
    world.router(&one).inbound_endpoints.insert(ip("10.0.0.20"), Vec::new());
    world.route(&one, "10.0.0.20/32", RouteTarget::Local);
    let view = network::ViewId::Public;
    world.space(&one).listeners.insert(at("10.0.0.20:53"), network::plan::Listener::Dns(view));
    world.route(&network("two"), "168.63.129.17/32", RouteTarget::Link(link("to-one")));
    world.route(&gateway(), "168.63.129.16/32", RouteTarget::Link(link("network")));
    world.route(&crate::stage::client(), "168.63.129.16/32", RouteTarget::Via(link("tun0"), ip("172.16.0.1")));
    let stage = Stage::set(world).await;
    assert_eq!(stage.ask(&machine("vm-1"), "168.63.129.16:53").await.as_deref(), Some("10.0.0.4"));
    assert!(stage.connect(&machine("vm-1"), "168.63.129.16:53").await.stands(), "over TCP as well");
    assert_eq!(stage.connect(&machine("vm-1"), "168.63.129.16:80").await, Seen::Silence, "and nothing else");
    assert!(stage.ping(&machine("vm-1"), "168.63.129.16").await);
    assert!(!stage.ping(&crate::stage::client(), "168.63.129.16").await);
    assert_eq!(stage.ask(&crate::stage::client(), "168.63.129.16:53").await, None, "no VPN client");
    // A private resolver's inbound endpoint answers everybody who gets there.
    for place in [machine("vm-1"), machine("vm-3"), crate::stage::client()] {
        assert!(stage.ask(&place, "10.0.0.20:53").await.is_some(), "{place}");
    }
    assert_eq!(stage.ask(&Place::Internet, "10.0.0.20:53").await, None);
}

fn rule(protocol: Option<Protocol>, to: &str, ports: &[(u16, u16)], allow: bool) -> PacketRule {
    PacketRule {
        protocol,
        sources: Addresses::Any,
        source_ports: Vec::new(),
        destinations: Addresses::In(vec![to.parse().expect("a net")]),
        ports: ports.to_vec(),
        allow,
    }
}

#[tokio::test]
async fn groups_decide_about_new_connections_by_the_destination_as_it_was_written() {
    if skip("groups") {
        return;
    }
    let mut stage = Stage::set(world()).await;
    stage.serve(&machine("vm-2"), "10.0.0.5:80").await;
    stage.serve(&machine("vm-2"), "10.0.0.5:81").await;
    let mut open = stage.hold(&machine("vm-1"), "10.0.0.5:81").await;
    let (out, inn) = (GroupId("1out".into()), GroupId("2in".into()));
    stage
        .change(|world| {
            let router = world.router(&network("one"));
            let allowed = [
                rule(Some(Protocol::Tcp), "10.0.0.0/24", &[(80, 81)], true),
                rule(Some(Protocol::Tcp), "10.0.0.9/32", &[(443, 443)], true),
                rule(None, "0.0.0.0/0", &[], false),
            ];
            router.groups.insert(out.clone(), allowed.to_vec());
            let allowed =
                [rule(Some(Protocol::Tcp), "10.0.0.5/32", &[(80, 80)], true), rule(None, "0.0.0.0/0", &[], false)];
            router.groups.insert(inn.clone(), allowed.to_vec());
            router.interfaces.get_mut(&link("vm-1")).expect("a link").outbound = vec![out.clone()];
            router.interfaces.get_mut(&link("vm-2")).expect("a link").inbound = vec![inn.clone()];
        })
        .await;
    assert!(stage.connect(&machine("vm-1"), "10.0.0.5:80").await.stands(), "allowed on both sides");
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.5:81").await, Seen::Silence, "not inbound");
    assert!(is_alive(&mut open), "what was let in before stays");
    assert!(stage.connect(&machine("vm-1"), "10.0.0.9:443").await.stands(), "the endpoint, not its server");
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.9:82").await, Seen::Silence, "denied before it is refused");
    assert!(stage.ask(&machine("vm-1"), "168.63.129.16:53").await.is_some(), "groups do not see Azure's DNS");
    stage
        .change(|world| {
            let router = world.router(&network("one"));
            router.interfaces.get_mut(&link("vm-1")).expect("a link").outbound.clear();
            router.endpoints.get_mut(&ip("10.0.0.9")).expect("an endpoint").inbound = vec![inn.clone()];
        })
        .await;
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.9:443").await, Seen::Silence, "its subnet's policies");
}

#[tokio::test]
async fn peers_reach_machines_and_not_what_lies_behind() {
    if skip("peers") {
        return;
    }
    let mut world = world();
    world.route(&network("two"), "172.16.0.0/24", RouteTarget::Link(link("to-one")));
    world.route(&network("two"), "198.51.1.1/32", RouteTarget::Link(link("to-one")));
    let mut stage = Stage::set(world).await;
    stage.serve(&machine("vm-1"), "10.0.0.4:80").await;
    stage.serve(&crate::stage::client(), "172.16.0.2:80").await;
    stage.serve(&Place::Internet, "198.51.1.1:80").await;
    assert!(stage.connect(&machine("vm-3"), "10.0.0.4:80").await.stands());
    assert!(stage.connect(&machine("vm-1"), "198.51.1.1:80").await.stands(), "the Internet from at home");
    assert_eq!(stage.connect(&machine("vm-3"), "198.51.1.1:80").await, Seen::Silence, "not through a peer");
    assert_eq!(stage.connect(&machine("vm-3"), "172.16.0.2:80").await, Seen::Silence, "nor its gateway");
    stage.serve(&machine("vm-3"), "10.1.0.4:80").await;
    assert_eq!(stage.connect(&crate::stage::client(), "10.1.0.4:80").await, Seen::Silence, "nor the other way");
    stage
        .change(|world| {
            world.router(&network("one")).peers.get_mut(&link("to-two")).expect("a peer").transit = true;
            let sources = &mut world.router(&network("two")).peers.get_mut(&link("to-one")).expect("a peer").sources;
            sources.push("172.16.0.0/24".parse().expect("a net"));
        })
        .await;
    assert!(stage.connect(&machine("vm-3"), "172.16.0.2:80").await.stands(), "gateway transit");
    assert!(stage.connect(&crate::stage::client(), "10.1.0.4:80").await.stands(), "in both directions");
    stage
        .change(|world| {
            world.router(&network("one")).peers.get_mut(&link("to-two")).expect("a peer").steers = true;
        })
        .await;
    assert!(stage.connect(&machine("vm-3"), "10.0.0.4:80").await.stands(), "a steering link leads to machines");
    assert_eq!(stage.connect(&machine("vm-3"), "10.0.0.9:443").await, Seen::Silence, "and nowhere else");
}

#[tokio::test]
async fn foreign_sources_come_from_a_peer_only_if_it_may_forward() {
    if skip("forwarded") {
        return;
    }
    let mut world = world();
    world.router(&network("two")).interfaces.get_mut(&link("vm-3")).expect("a link").forwards = true;
    world.route(&network("one"), "10.9.0.0/16", RouteTarget::Link(link("to-two")));
    world.route(&network("two"), "10.9.0.0/16", RouteTarget::Via(link("vm-3"), ip("10.1.0.4")));
    let mut stage = Stage::set(world).await;
    stage.serve(&machine("vm-1"), "10.0.0.4:80").await;
    stage
        .output(
            &machine("vm-3"),
            "ip addr add 10.9.0.1/32 dev eth0; ip route change default via 10.1.0.1 dev eth0 src 10.9.0.1",
        )
        .await;
    assert_eq!(stage.connect(&machine("vm-3"), "10.0.0.4:80").await, Seen::Silence);
    stage
        .change(|world| {
            world.router(&network("one")).peers.get_mut(&link("to-two")).expect("a peer").forwarded = true;
        })
        .await;
    assert_eq!(stage.connect(&machine("vm-3"), "10.0.0.4:80").await, connected("10.9.0.1", "10.0.0.4:80"));
}

#[tokio::test]
async fn a_subnets_table_leads_its_packets_elsewhere_even_past_an_endpoint() {
    if skip("tables") {
        return;
    }
    let mut world = world();
    let one = network("one");
    world.router(&one).tables.insert(link("vm-1"), 100);
    let table = |to: &str, target| Route { table: 100, to: to.parse().expect("a net"), target };
    let routes = [
        table("10.0.0.5/32", RouteTarget::Blackhole),
        table("10.0.0.9/32", RouteTarget::Via(link("vm-2"), ip("10.0.0.5"))),
    ];
    for route in routes {
        world.space(&one).routes.insert(route);
    }
    world.router(&one).bypassed.insert((100, ip("10.0.0.9")));
    world.space(&machine("vm-2")).routes.insert(crate::stage::route("10.0.0.9/32", RouteTarget::Local));
    let stage = Stage::set(world).await;
    stage.serve(&machine("vm-2"), "10.0.0.5:80").await;
    stage.serve(&machine("vm-2"), "10.0.0.9:443").await;
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.5:80").await, Seen::Silence, "its table drops it");
    assert_eq!(stage.connect(&machine("vm-3"), "10.0.0.5:80").await, connected("10.1.0.4", "10.0.0.5:80"));
    assert_eq!(stage.connect(&machine("vm-3"), "10.0.0.9:443").await, connected("10.1.0.4", "240.0.0.1:443"));
    // The appliance answers in its own name only if it may; here it may not, so nobody answers.
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.9:443").await, Seen::Silence);
}

#[tokio::test]
async fn a_machine_with_a_public_address_is_known_by_it_in_both_directions() {
    if skip("public") {
        return;
    }
    let mut world = world();
    let public = ip("20.0.0.4");
    world.router(&network("one")).public.insert(public, ip("10.0.0.4"));
    world.route(&Place::Backbone, "20.0.0.4/32", RouteTarget::Via(link("one"), ip("248.0.0.1")));
    let stage = Stage::set(world).await;
    stage.serve(&machine("vm-1"), "10.0.0.4:80").await;
    stage.serve(&Place::Internet, "198.51.1.1:80").await;
    assert_eq!(stage.connect(&Place::Internet, "20.0.0.4:80").await, connected("198.51.1.1", "10.0.0.4:80"));
    assert_eq!(stage.connect(&machine("vm-1"), "198.51.1.1:80").await, connected("20.0.0.4", "198.51.1.1:80"));
    assert_eq!(stage.connect(&machine("vm-2"), "198.51.1.1:80").await, connected("198.19.255.254", "198.51.1.1:80"));
    // Its own network's public address is reached by way of the backbone, by itself as well.
    assert_eq!(stage.connect(&machine("vm-2"), "20.0.0.4:80").await, connected("198.19.255.254", "10.0.0.4:80"));
    assert_eq!(stage.connect(&machine("vm-1"), "20.0.0.4:80").await, connected("20.0.0.4", "10.0.0.4:80"));
    assert_eq!(stage.connect(&machine("vm-1"), "10.0.0.9:443").await, connected("10.0.0.4", "240.0.0.1:443"));
    assert_eq!(stage.connect(&Place::Internet, "248.0.0.1:80").await, Seen::Silence);
}

#[tokio::test]
async fn authorized_ranges_are_kept_by_the_backbone_also_for_open_connections() {
    if skip("authorized") {
        return;
    }
    let mut world = world();
    world.route(&Place::Backbone, "20.9.9.9/32", RouteTarget::Local);
    let mut stage = Stage::set(world).await;
    let mut open = stage.hold(&Place::Internet, "20.9.9.9:443").await;
    let authorize = |world: &mut crate::stage::World, ranges: &[&str]| {
        let ranges = ranges.iter().map(|range| range.parse().expect("a net")).collect();
        world.backbone().authorized.insert(ip("20.9.9.9"), ranges);
    };
    stage.change(|world| authorize(world, &["248.0.0.0/24", "248.0.0.1/32"])).await;
    assert!(!is_alive(&mut open));
    assert_eq!(stage.connect(&Place::Internet, "20.9.9.9:443").await, Seen::Silence);
    assert!(stage.connect(&machine("vm-1"), "20.9.9.9:443").await.stands());
    stage.change(|world| authorize(world, &["0.0.0.0/0"])).await;
    assert!(stage.connect(&Place::Internet, "20.9.9.9:443").await.stands());
    stage.output(&Place::Internet, "ip addr add 248.0.0.1/32 dev backbone; ip route change default via 169.254.0.1 dev backbone onlink src 248.0.0.1").await;
    assert_eq!(stage.connect(&Place::Internet, "20.9.9.9:443").await, Seen::Silence, "another's address");
}
