//! VPN gateways: point-to-site clients and sites, and what they are told.

use azure::{Kind, sketch::Sketch};
use network::{Disposition, Network, Responder, Silent};
use serde_json::json;

use crate::ask::{arrives, end};

/// A hub with a gateway, a site behind it with two machines, a VPN client, and a spoke.
fn hub() -> Sketch {
    Sketch::new()
        .network("hub", "10.0.0.0/16")
        .vpn_gateway("gw", "hub")
        .site("office", "gw", "192.168.0.0/24")
        .site_client("desk", "office", "192.168.0.10", &[])
        .site_client("printer", "office", "192.168.0.11", &[])
        .client("laptop", Some("gw"), &[])
        .network("spoke", "10.1.0.0/16")
        .nic("vm-hub", "hub", "10.0.0.4")
        .nic("vm-spoke", "spoke", "10.1.0.4")
        .private_cluster("c", "spoke", "10.1.0.10", true)
}

fn with_transit(sketch: Sketch) -> Sketch {
    sketch.half_peering("hub", "spoke", json!({"allowGatewayTransit": true})).half_peering(
        "spoke",
        "hub",
        json!({"useRemoteGateways": true}),
    )
}

#[test]
fn clients_and_sites_reach_the_gateways_network_and_are_reached_from_it() {
    let sketch = hub();
    for vantage in ["laptop", "gw", "desk"] {
        assert!(arrives(&sketch, vantage, "10.0.0.4"), "{vantage}: {:?}", end(&sketch, vantage, "10.0.0.4"));
    }
    assert!(arrives(&sketch, "vm-hub", "192.168.0.10"));
    assert!(matches!(end(&sketch, "vm-hub", "192.168.0.99"), Disposition::NothingThere { .. }));
    assert!(arrives(&sketch, "desk", "192.168.0.11"), "machines of one site need no gateway");
    assert!(
        matches!(end(&sketch, "laptop", "192.168.0.10"), Disposition::NoRoute { .. }),
        "no tunnel leads into another"
    );
}

#[test]
fn peers_are_behind_the_gateway_only_with_transit() {
    let (without, with) = (hub().peering("hub", "spoke"), with_transit(hub()));
    for vantage in ["laptop", "desk"] {
        for to in ["10.1.0.4", "10.1.0.10"] {
            assert!(!arrives(&without, vantage, to), "{vantage} → {to}");
            assert!(arrives(&with, vantage, to), "{vantage} → {to}: {:?}", end(&with, vantage, to));
        }
    }
    assert!(arrives(&with, "vm-spoke", "192.168.0.10"), "{:?}", end(&with, "vm-spoke", "192.168.0.10"));
    assert!(matches!(end(&without, "vm-spoke", "192.168.0.10"), Disposition::NoRoute { .. }));
}

#[test]
fn custom_routes_are_for_point_to_site_clients_and_lead_where_the_network_leads() {
    let sketch =
        hub().nic_in("fw", "hub", "default", "10.0.0.9", json!({"enableIPForwarding": true})).peering("hub", "spoke");
    let gateway = sketch.id(Kind::VirtualNetworkGateway, "gw");
    let custom = sketch.amend(gateway, json!({"customRoutes": {"addressPrefixes": ["10.1.0.0/16"]}}));
    assert!(!arrives(&custom, "laptop", "10.1.0.4"), "the tunnel takes it, but no transit lets it into the peer");
    let half = custom.id(Kind::Peering, "spoke/to-hub");
    let routed = custom
        .amend(half, json!({"allowForwardedTraffic": true}))
        .route_table("in", &[("10.1.0.0/16", "10.0.0.9")])
        .routed_by("hub/GatewaySubnet", "in")
        .route_table("back", &[("172.16.201.0/24", "10.0.0.9")])
        .routed_by("spoke/default", "back");
    assert!(arrives(&routed, "laptop", "10.1.0.4"), "{:?}", end(&routed, "laptop", "10.1.0.4"));
    assert!(matches!(end(&routed, "desk", "10.1.0.4"), Disposition::NoRoute { .. }), "a site is told nothing of it");
}

#[test]
fn a_subnet_that_does_not_learn_the_gateways_routes_loses_its_replies() {
    let sketch = hub().route_table("t", &[]).routed_by("hub/default", "t");
    let table = sketch.id(Kind::RouteTable, "t");
    let sketch = sketch.amend(table, json!({"disableBgpRoutePropagation": true}));
    assert!(matches!(end(&sketch, "desk", "10.0.0.4"), Disposition::ReplyLost { .. }));
    assert!(matches!(end(&sketch, "vm-hub", "192.168.0.10"), Disposition::NoRoute { .. }));
}

#[test]
fn a_route_table_of_the_gateway_subnet_leads_tunnels_through_an_appliance() {
    let sketch = with_transit(hub())
        .subnet("hub", "fw", "10.0.8.0/24")
        .nic_in("fw", "hub", "fw", "10.0.8.4", json!({"enableIPForwarding": true}))
        .route_table("in", &[("10.1.0.0/16", "10.0.8.4")])
        .routed_by("hub/GatewaySubnet", "in");
    let refused = end(&sketch, "desk", "10.1.0.4");
    assert!(matches!(refused, Disposition::ForwardedTrafficRefused { .. }), "{refused:?}");
    let half = sketch.id(Kind::Peering, "spoke/to-hub");
    assert!(arrives(&sketch.amend(half, json!({"allowForwardedTraffic": true})), "desk", "10.1.0.4"));
}

#[test]
fn a_group_sees_tunnels_as_the_virtual_network() {
    let sketch = with_transit(hub()).security_group("nsg", &[]).guarded_by(Kind::Subnet, "spoke/default", "nsg");
    assert!(arrives(&sketch, "desk", "10.1.0.4") && arrives(&sketch, "laptop", "10.1.0.4"));
}

#[test]
fn a_gateways_route_yields_to_the_own_address_space_even_when_it_is_more_specific() {
    let sketch = hub().site("annex", "gw", "10.0.0.0/24");
    let network = Network::compile(&sketch.estate());
    let routes = network.effective_routes(&sketch.id(Kind::Subnet, "hub/default"));
    assert!(routes.iter().all(|route| route.prefix != "10.0.0.0/24".parse().unwrap()));
    assert!(arrives(&sketch, "vm-hub", "10.0.0.4"));
}

fn responder(sketch: &Sketch, vantage: &str) -> Responder {
    let network = Network::compile(&sketch.estate());
    network.name_server(network.find_vantage(vantage).unwrap(), &mut Silent).unwrap().1
}

#[test]
fn a_vpn_client_gets_the_networks_servers_and_never_the_platforms() {
    let sketch = hub();
    assert_eq!(responder(&sketch, "laptop"), Responder::PublicDns);
    let network = sketch.id(Kind::VirtualNetwork, "hub");
    let custom = sketch.amend(network, json!({"dhcpOptions": {"dnsServers": ["168.63.129.16", "10.0.0.4"]}}));
    assert!(matches!(responder(&custom, "laptop"), Responder::CustomServer { .. }));
    assert!(matches!(responder(&custom, "vm-hub"), Responder::AzureDns { .. }));
}

#[test]
fn a_machine_in_a_site_asks_its_own_servers() {
    let sketch = hub();
    assert_eq!(responder(&sketch, "desk"), Responder::PublicDns);
    let local = sketch.clone().site_client("desk", "office", "192.168.0.10", &["192.168.0.11"]);
    assert!(matches!(responder(&local, "desk"), Responder::SiteServer { .. }));
    let in_azure = sketch.site_client("desk", "office", "192.168.0.10", &["10.0.0.4"]);
    assert!(matches!(responder(&in_azure, "desk"), Responder::CustomServer { .. }));
}

#[test]
fn a_gateway_with_more_clients_than_its_pool_has_room_for_is_said() {
    let exhausted = |clients: usize| {
        let sketch = (0..clients).fold(hub(), |sketch, n| sketch.client(&format!("vpn-{n}"), Some("gw"), &[]));
        let findings = Network::compile(&sketch.estate()).findings();
        findings.into_iter().find(|finding| finding.code == "ClientAddressPoolExhausted")
    };
    // The pool is a /24, whose lower half has 125 addresses for the lab's clients; the laptop has one.
    assert_eq!(exhausted(124), None);
    let finding = exhausted(125).expect("one too many");
    assert_eq!(finding.resource.name(), "gw");
    assert!(finding.message.contains("has 125 addresses") && finding.message.contains("there are 126"), "{finding:?}");
}
