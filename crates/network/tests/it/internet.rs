//! The public side: who is known by which address, who gets in.

use azure::{Kind, sketch::Sketch};
use network::{DEFAULT_OUTBOUND_ADDRESS, Disposition, Host, Network, Vantage};
use serde_json::json;

use crate::ask::{arrives, end};

fn network() -> Sketch {
    Sketch::new().network("a", "10.0.0.0/16").nic("vm", "a", "10.0.0.4")
}

#[test]
fn a_public_cluster_sees_a_machines_public_address_or_the_default_one() {
    let default = DEFAULT_OUTBOUND_ADDRESS.to_string();
    let plain = network().public_cluster("p", "198.18.0.1", &[&default]);
    assert!(end(&plain, "vm", "p.hcp.japaneast.azmk8s.io").is_connected());
    let own = plain.public_address("vm", "198.19.0.5");
    assert!(matches!(end(&own, "vm", "198.18.0.1"), Disposition::SourceNotAuthorized { .. }));
    assert!(end(&own.public_cluster("p", "198.18.0.1", &["0.0.0.0/0"]), "vm", "198.18.0.1").is_connected());
}

#[test]
fn a_machine_with_a_public_address_is_reached_from_the_internet_and_from_other_networks() {
    let sketch = network()
        .public_address("vm", "198.19.0.5")
        .network("b", "10.0.0.0/16")
        .nic("stranger", "b", "10.0.0.4")
        .client("laptop", None, &[]);
    for vantage in ["internet", "laptop", "stranger"] {
        assert!(arrives(&sketch, vantage, "198.19.0.5"), "{vantage}: {:?}", end(&sketch, vantage, "198.19.0.5"));
    }
    assert!(matches!(end(&sketch, "internet", "198.19.0.6"), Disposition::NothingThere { .. }));
}

#[test]
fn a_reply_to_the_internet_must_leave_where_the_request_came_in() {
    let sketch = network()
        .public_address("vm", "198.19.0.5")
        .subnet("a", "fw", "10.0.8.0/24")
        .nic_in("fw", "a", "fw", "10.0.8.4", json!({"enableIPForwarding": true}))
        .route_table("t", &[("0.0.0.0/0", "10.0.8.4")])
        .routed_by("a/default", "t");
    let lost = end(&sketch, "internet", "198.19.0.5");
    assert!(matches!(lost, Disposition::ReplyLost { .. }), "asymmetric routing: {lost:?}");
}

#[test]
fn a_machine_cut_off_from_the_internet_does_not_reach_public_clusters() {
    let cut_off = network()
        .public_cluster("p", "198.18.0.1", &[])
        .route_table("t", &[("0.0.0.0/0", "None")])
        .routed_by("a/default", "t");
    assert!(matches!(end(&cut_off, "vm", "198.18.0.1"), Disposition::RouteDrops { .. }));
    let filtered = network()
        .public_cluster("p", "198.18.0.1", &[])
        .security_group("nsg", &[(100, "Outbound", "Deny", "*", "Internet", "*")])
        .guarded_by(Kind::Subnet, "a/default", "nsg");
    assert!(matches!(end(&filtered, "vm", "198.18.0.1"), Disposition::SecurityRuleDenies { .. }));
}

#[test]
fn the_platforms_name_server_is_there_in_networks_only() {
    let sketch = network().public_address("vm", "198.19.0.5").client("laptop", None, &[]);
    assert!(matches!(end(&sketch, "vm", "168.63.129.16"), Disposition::NameServer { .. }));
    assert!(matches!(end(&sketch, "laptop", "168.63.129.16"), Disposition::NothingThere { .. }));
}

#[test]
fn a_virtual_machine_stands_for_its_primary_interface_and_is_silent_while_stopped() {
    let sketch = network().nic("second", "a", "10.0.0.5").nic("peer", "a", "10.0.0.6");
    let running = sketch.clone().machine("box", &["vm", "second"], true);
    assert!(arrives(&running, "box", "10.0.0.6") && arrives(&running, "rg/box", "10.0.0.6"));
    let stopped = sketch.machine("box", &["vm", "second"], false);
    for (vantage, to) in [("box", "10.0.0.6"), ("peer", "10.0.0.4"), ("peer", "10.0.0.5")] {
        assert!(matches!(end(&stopped, vantage, to), Disposition::MachineStopped { .. }), "{vantage} → {to}");
    }
}

#[test]
fn a_public_address_that_is_nobodys_is_a_name_server_and_a_reserved_one_is_nothing() {
    let network = Network::compile(&network().estate());
    let at = |address: &str| {
        let host = Host::Address(address.parse().unwrap());
        network.reach(&Vantage::Internet, &host, 53).disposition
    };
    assert!(matches!(at("8.8.8.8"), Disposition::NameServer { .. }));
    for address in ["240.0.0.1", "248.0.0.1", "169.254.0.1", "10.0.0.4"] {
        assert!(!matches!(at(address), Disposition::NameServer { .. }), "{address}");
    }
}
