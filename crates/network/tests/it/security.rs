//! Network security groups: who is let in and out.

use azure::{Kind, sketch::Sketch};
use network::{Disposition, Network};
use serde_json::json;

use crate::ask::{arrives, end};

fn two_networks() -> Sketch {
    Sketch::new()
        .network("a", "10.0.0.0/16")
        .network("b", "10.1.0.0/16")
        .peering("a", "b")
        .nic("vm-a", "a", "10.0.0.4")
        .nic("vm-b", "b", "10.1.0.4")
        .private_cluster("c", "b", "10.1.0.10", true)
}

fn denied_by(disposition: &Disposition) -> (String, String) {
    match disposition {
        Disposition::SecurityRuleDenies { group, rule, .. } => (group.name().to_owned(), rule.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_empty_group_lets_in_what_is_connected_and_out_everything() {
    let sketch = two_networks()
        .security_group("nsg", &[])
        .guarded_by(Kind::Subnet, "a/default", "nsg")
        .guarded_by(Kind::Subnet, "b/default", "nsg")
        .public_address("vm-b", "198.19.0.7");
    assert!(arrives(&sketch, "vm-a", "10.1.0.4"));
    assert_eq!(denied_by(&end(&sketch, "internet", "198.19.0.7")), ("nsg".into(), "DenyAllInBound".into()));
    let denied = end(&sketch, "internet", "198.19.0.7").sentence();
    insta::assert_snapshot!(denied, @"inbound rule DenyAllInBound of network security group nsg denies 198.19.255.253 to 10.1.0.4");
}

#[test]
fn the_lowest_priority_that_matches_decides() {
    let rules = [(200, "Inbound", "Deny", "10.0.0.0/8", "*", "*"), (100, "Inbound", "Allow", "10.0.0.4", "*", "443")];
    let sketch = two_networks()
        .security_group("nsg", &rules)
        .guarded_by(Kind::NetworkInterface, "vm-b", "nsg")
        .nic("vm-other", "a", "10.0.0.5");
    assert!(arrives(&sketch, "vm-a", "10.1.0.4"));
    assert_eq!(denied_by(&end(&sketch, "vm-other", "10.1.0.4")).1, "rule-200");
}

#[test]
fn both_the_interfaces_and_the_subnets_group_must_allow() {
    let closed = [(100, "Inbound", "Deny", "*", "*", "443")];
    for (kind, name) in [(Kind::NetworkInterface, "vm-b"), (Kind::Subnet, "b/default")] {
        let sketch = two_networks()
            .security_group("open", &[])
            .guarded_by(Kind::Subnet, "b/default", "open")
            .guarded_by(Kind::NetworkInterface, "vm-b", "open")
            .security_group("closed", &closed)
            .guarded_by(kind, name, "closed");
        assert_eq!(denied_by(&end(&sketch, "vm-a", "10.1.0.4")).0, "closed", "{name}");
    }
}

#[test]
fn an_outbound_rule_stops_a_flow_at_its_source() {
    let rules = [(100, "Outbound", "Deny", "*", "10.1.0.0/16", "*")];
    let sketch = two_networks().security_group("nsg", &rules).guarded_by(Kind::NetworkInterface, "vm-a", "nsg");
    assert_eq!(denied_by(&end(&sketch, "vm-a", "10.1.0.4")).1, "rule-100");
    assert!(arrives(&sketch, "vm-b", "10.0.0.4"), "groups are stateful: the reply may leave");
}

#[test]
fn a_private_endpoint_is_guarded_only_where_its_subnet_says_so() {
    let closed = two_networks().security_group("nsg", &[(100, "Inbound", "Deny", "*", "*", "*")]).guarded_by(
        Kind::Subnet,
        "b/default",
        "nsg",
    );
    assert!(end(&closed, "vm-a", "10.1.0.10").is_connected());
    let subnet = closed.id(Kind::Subnet, "b/default");
    for (policies, connected) in
        [("NetworkSecurityGroupEnabled", false), ("Enabled", false), ("RouteTableEnabled", true), ("Disabled", true)]
    {
        let sketch = closed.clone().amend(subnet.clone(), json!({"privateEndpointNetworkPolicies": policies}));
        assert_eq!(end(&sketch, "vm-a", "10.1.0.10").is_connected(), connected, "{policies}");
    }
}

/// 168.63.129.16, where probes come from (documentation "Service tags"): no traffic of anybody's.
#[test]
fn the_tag_of_azures_load_balancer_covers_the_hosts_address_alone() {
    let under = |rules: &[(u32, &str, &str, &str, &str, &str)]| {
        two_networks().security_group("nsg", rules).guarded_by(Kind::Subnet, "b/default", "nsg")
    };
    let probes_only =
        under(&[(100, "Inbound", "Allow", "AzureLoadBalancer", "*", "*"), (200, "Inbound", "Deny", "*", "*", "*")]);
    assert!(!arrives(&probes_only, "vm-a", "10.1.0.4"), "the rule lets nobody else in");
    let no_probes = under(&[
        (100, "Inbound", "Deny", "AzureLoadBalancer", "*", "*"),
        (110, "Outbound", "Deny", "*", "AzureLoadBalancer", "*"),
    ]);
    assert!(arrives(&no_probes, "vm-a", "10.1.0.4"), "and keeps nobody else out");
    assert!(arrives(&no_probes, "vm-b", "10.0.0.4"));
    assert!(end(&no_probes, "vm-b", "c.c-zone.privatelink.japaneast.azmk8s.io").is_connected(), "nor names");
}

#[test]
fn names_are_asked_whatever_the_groups_say_but_custom_servers_are_filtered() {
    let silent = [(100, "Outbound", "Deny", "*", "*", "53"), (110, "Outbound", "Deny", "*", "168.63.129.16", "*")];
    let sketch = two_networks().security_group("nsg", &silent).guarded_by(Kind::Subnet, "b/default", "nsg");
    assert!(end(&sketch, "vm-b", "c.c-zone.privatelink.japaneast.azmk8s.io").is_connected());
    let b = sketch.id(Kind::VirtualNetwork, "b");
    let sketch = sketch.amend(b, json!({"dhcpOptions": {"dnsServers": ["10.0.0.4"]}}));
    let unanswered = end(&sketch, "vm-b", "c.c-zone.privatelink.japaneast.azmk8s.io");
    assert!(matches!(unanswered, Disposition::NoResolver { .. }), "{unanswered:?}");
}

#[test]
fn a_rule_written_as_a_resource_of_its_own_counts_and_replaces_its_namesake() {
    let sketch = two_networks().security_group("nsg", &[(100, "Inbound", "Deny", "*", "*", "*")]).guarded_by(
        Kind::Subnet,
        "b/default",
        "nsg",
    );
    let rule = sketch.id(Kind::SecurityRule, "nsg/Rule-100");
    let sketch = sketch.put(
        rule,
        &json!({"properties": {
            "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp", "sourceAddressPrefix": "*",
            "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "443",
        }}),
    );
    assert!(arrives(&sketch, "vm-a", "10.1.0.4"));
}

#[test]
fn an_appliance_is_guarded_on_the_way_in_and_on_the_way_out() {
    let through = |rules: &[(u32, &str, &str, &str, &str, &str)]| {
        let sketch = two_networks()
            .network("hub", "10.9.0.0/16")
            .nic_in("fw", "hub", "default", "10.9.0.4", json!({"enableIPForwarding": true}))
            .peering("a", "hub")
            .half_peering("b", "hub", json!({"allowForwardedTraffic": true}))
            .half_peering("hub", "b", json!({}))
            .route_table("fw", &[("10.1.0.0/16", "10.9.0.4")])
            .routed_by("a/default", "fw")
            .security_group("nsg", rules)
            .guarded_by(Kind::NetworkInterface, "fw", "nsg");
        end(&sketch, "vm-a", "10.1.0.4")
    };
    assert!(matches!(through(&[]), Disposition::PortClosed { .. }), "{:?}", through(&[]));
    for direction in ["Inbound", "Outbound"] {
        let denied = through(&[(100, direction, "Deny", "10.0.0.4", "10.1.0.4", "443")]);
        assert_eq!(denied_by(&denied).1, "rule-100", "{direction}");
    }
}

#[test]
fn a_group_that_does_not_exist_filters_nothing_and_is_said() {
    let sketch = two_networks().guarded_by(Kind::Subnet, "b/default", "gone");
    assert!(arrives(&sketch, "vm-a", "10.1.0.4"));
    let findings = Network::compile(&sketch.estate()).findings();
    assert!(findings.iter().any(|finding| finding.code == "DanglingReference"), "{findings:?}");
}
