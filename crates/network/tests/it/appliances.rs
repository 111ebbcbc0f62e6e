//! User-defined routes, and the machines that pass packets on.

use azure::{Kind, sketch::Sketch};
use network::{ApplianceFault, Disposition, Network, NextHop, RouteSource};
use serde_json::json;

use crate::ask::{arrives, end, trace};

/// A hub with a firewall, `fw`, and two spokes that are not peered with each other; each spoke
/// sends everything private to the firewall and takes what it passes on.
fn hub_and_spokes() -> Sketch {
    Sketch::new()
        .network("hub", "10.0.0.0/16")
        .network("left", "10.1.0.0/16")
        .network("right", "10.2.0.0/16")
        .nic_in("fw", "hub", "default", "10.0.0.4", json!({"enableIPForwarding": true}))
        .nic("vm-left", "left", "10.1.0.4")
        .nic("vm-right", "right", "10.2.0.4")
        .half_peering("hub", "left", json!({}))
        .half_peering("left", "hub", json!({"allowForwardedTraffic": true}))
        .half_peering("hub", "right", json!({}))
        .half_peering("right", "hub", json!({"allowForwardedTraffic": true}))
        .route_table("through-fw", &[("10.0.0.0/8", "10.0.0.4")])
        .routed_by("left/default", "through-fw")
        .routed_by("right/default", "through-fw")
}

const REACHED: fn(&str) -> Disposition = |to| Disposition::PortClosed { to: to.parse().unwrap(), port: 443 };

#[test]
fn spokes_talk_through_an_appliance_in_the_hub() {
    let sketch = hub_and_spokes();
    assert_eq!(end(&sketch, "vm-left", "10.2.0.4"), REACHED("10.2.0.4"));
    assert_eq!(end(&sketch, "vm-right", "10.1.0.4"), REACHED("10.1.0.4"));
    insta::assert_json_snapshot!(trace(&sketch, "vm-left", "10.2.0.4").hops);
}

#[test]
fn without_ip_forwarding_an_appliance_passes_nothing_on() {
    let sketch = hub_and_spokes();
    let fw = sketch.id(Kind::NetworkInterface, "fw");
    let sketch = sketch.amend(fw, json!({"enableIPForwarding": false}));
    let fault = end(&sketch, "vm-left", "10.2.0.4");
    assert!(matches!(fault, Disposition::NoAppliance { why: ApplianceFault::NotForwarding, .. }), "{fault:?}");
    assert_eq!(end(&sketch, "vm-left", "10.0.0.4"), REACHED("10.0.0.4"), "what is for itself it takes");
}

#[test]
fn a_route_to_nobody_is_a_black_hole() {
    let nobody = hub_and_spokes().route_table("through-fw", &[("10.0.0.0/8", "10.0.9.9")]);
    let fault = end(&nobody, "vm-left", "10.2.0.4");
    assert!(matches!(fault, Disposition::NoAppliance { why: ApplianceFault::NothingThere, .. }), "{fault:?}");
    let far = hub_and_spokes().route_table("through-fw", &[("10.0.0.0/8", "10.9.9.9")]);
    let fault = end(&far, "vm-left", "10.2.0.4");
    assert!(matches!(fault, Disposition::NoAppliance { why: ApplianceFault::OutOfReach, .. }), "{fault:?}");
    insta::assert_snapshot!(fault.sentence(), @"route r0 of route table through-fw sends what goes to 10.2.0.4 through 10.9.9.9, which is neither in this network nor in a directly peered one");
}

#[test]
fn the_receiving_half_must_allow_forwarded_traffic() {
    let sketch = hub_and_spokes().half_peering("right", "hub", json!({}));
    let refused = end(&sketch, "vm-left", "10.2.0.4");
    assert!(matches!(refused, Disposition::ForwardedTrafficRefused { .. }), "{refused:?}");
    insta::assert_snapshot!(refused.sentence(), @"peering to-hub of right does not allow forwarded traffic, such as from 10.1.0.4 to 10.2.0.4");
    let sketch = hub_and_spokes().half_peering("left", "hub", json!({}));
    let lost = end(&sketch, "vm-left", "10.2.0.4");
    assert!(matches!(lost, Disposition::ReplyLost { .. }), "{lost:?}");
}

#[test]
fn a_reply_without_a_way_back_is_a_lost_connection() {
    let sketch = hub_and_spokes();
    let right = sketch.id(Kind::Subnet, "right/default");
    let sketch = sketch.amend(right, json!({"routeTable": null}));
    let lost = end(&sketch, "vm-left", "10.2.0.4");
    insta::assert_snapshot!(lost.sentence(), @"the request arrives, but the reply from 10.2.0.4 to 10.1.0.4 is lost: no route leads to 10.1.0.4 from here");
    let hops = trace(&sketch, "vm-left", "10.2.0.4").hops;
    assert!(hops.iter().any(|hop| matches!(hop, network::Hop::Reply { .. })));
}

#[test]
fn routes_that_lead_in_a_circle_end() {
    let sketch = hub_and_spokes()
        .subnet("hub", "fws", "10.0.8.0/24")
        .nic_in("fw-2", "hub", "fws", "10.0.8.4", json!({"enableIPForwarding": true}))
        .route_table("to-2", &[("10.2.0.0/16", "10.0.8.4")])
        .route_table("to-1", &[("10.2.0.0/16", "10.0.0.4")])
        .routed_by("hub/default", "to-2")
        .routed_by("hub/fws", "to-1");
    let looped = end(&sketch, "vm-left", "10.2.0.4");
    assert_eq!(
        looped,
        Disposition::RoutingLoop { to: "10.2.0.4".parse().unwrap(), through: "10.0.0.4".parse().unwrap() }
    );
}

#[test]
fn a_route_with_next_hop_none_drops() {
    let sketch = hub_and_spokes().route_table("through-fw", &[("10.0.0.0/16", "None")]);
    let dropped = end(&sketch, "vm-left", "10.0.0.4");
    insta::assert_snapshot!(dropped.sentence(), @"route r0 of route table through-fw drops what goes to 10.0.0.0/16, and so to 10.0.0.4");
}

#[test]
fn an_appliance_takes_the_internet_for_its_spokes() {
    let sketch = hub_and_spokes()
        .route_table("through-fw", &[("0.0.0.0/0", "10.0.0.4")])
        .public_address("fw", "198.19.0.9")
        .public_cluster("p", "198.18.0.1", &["198.19.0.9"]);
    assert!(end(&sketch, "vm-left", "198.18.0.1").is_connected(), "the cluster sees the firewall's address");
    let outsider = end(&sketch, "internet", "198.18.0.1");
    insta::assert_snapshot!(outsider.sentence(), @"the authorized IP ranges of cluster p do not include 198.19.255.253");
}

#[test]
fn of_equal_prefixes_a_user_defined_route_wins_and_a_longer_prefix_always() {
    let sketch = hub_and_spokes().route_table("through-fw", &[("10.1.0.0/16", "10.0.0.4"), ("10.0.0.0/8", "None")]);
    let network = Network::compile(&sketch.estate());
    let routes = network.effective_routes(&sketch.id(Kind::Subnet, "left/default"));
    let of = |prefix: &str| routes.iter().find(|route| route.prefix == prefix.parse().unwrap()).unwrap();
    assert_eq!(of("10.1.0.0/16").source, RouteSource::User);
    assert_eq!(of("10.0.0.0/8").next_hop, NextHop::None);
    assert!(matches!(of("10.0.0.0/16").next_hop, NextHop::Peering { .. }));
    let lines: Vec<String> = routes.iter().map(|route| format!("{} {:?}", route.prefix, route.source)).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    10.0.0.0/16 Default
    10.1.0.0/16 User
    192.168.0.0/16 Default
    172.16.0.0/12 Default
    100.64.0.0/10 Default
    10.0.0.0/8 User
    0.0.0.0/0 Default
    ");
}

#[test]
fn a_reply_that_is_routed_through_its_own_client_has_come_home() {
    let sketch = Sketch::new()
        .network("v", "10.0.0.0/16")
        .subnet("v", "apps", "10.0.1.0/24")
        .nic("client", "v", "10.0.0.4")
        .nic_in("server", "v", "apps", "10.0.1.4", json!({}))
        .route_table("rt", &[("10.0.0.0/16", "10.0.0.4")])
        .routed_by("v/apps", "rt");
    assert!(arrives(&sketch, "client", "10.0.1.4"));
}
