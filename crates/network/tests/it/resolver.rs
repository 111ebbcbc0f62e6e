//! The DNS private resolver: names for those outside, and questions that are forwarded.

use azure::{Kind, sketch::Sketch};
use network::{Disposition, Hop, Responder};
use serde_json::json;

use crate::ask::{arrives, end, trace};

const NAME: &str = "b.b-zone.privatelink.japaneast.azmk8s.io";

/// The article's network with a private cluster, a gateway, and a resolver in it.
fn article() -> Sketch {
    Sketch::new()
        .network("aks", "10.224.0.0/16")
        .private_cluster("b", "aks", "10.224.0.5", false)
        .nic("vm", "aks", "10.224.0.10")
        .vpn_gateway("vpn", "aks")
        .client("laptop", Some("vpn"), &[])
        .site("office", "vpn", "192.168.0.0/24")
        .resolver("resolver", "aks", "10.224.8.4")
}

#[test]
fn an_inbound_endpoint_cures_vpn_clients_and_sites() {
    let ill = article().site_client("desk", "office", "192.168.0.10", &[]);
    for vantage in ["laptop", "desk"] {
        assert!(matches!(end(&ill, vantage, NAME), Disposition::NameNotFound { .. }), "{vantage}");
    }
    let aks = ill.id(Kind::VirtualNetwork, "aks");
    let cured = ill.amend(aks, json!({"dhcpOptions": {"dnsServers": ["10.224.8.4"]}})).site_client(
        "desk",
        "office",
        "192.168.0.10",
        &["10.224.8.4"],
    );
    for vantage in ["laptop", "vpn", "desk", "vm"] {
        assert!(end(&cured, vantage, NAME).is_connected(), "{vantage}: {:?}", end(&cured, vantage, NAME));
    }
    let asked = trace(&cured, "laptop", NAME).hops;
    assert!(matches!(&asked[0], Hop::Ask { responder: Responder::InboundEndpoint { .. } }), "{asked:?}");
}

#[test]
fn an_inbound_endpoint_answers_names_and_nothing_else_and_is_guarded_by_its_subnet() {
    let sketch = article();
    assert!(matches!(end(&sketch, "vm", "10.224.8.4"), Disposition::NameServer { port: 443, .. }));
    let closed = sketch
        .security_group("nsg", &[(100, "Inbound", "Deny", "*", "*", "53")])
        .guarded_by(Kind::Subnet, "aks/inbound", "nsg")
        .site_client("desk", "office", "192.168.0.10", &["10.224.8.4"]);
    assert!(matches!(end(&closed, "desk", NAME), Disposition::NoResolver { .. }));
}

/// A network of its own that is linked to a ruleset for the cluster's zone.
fn elsewhere(target: &str, domain: &str) -> Sketch {
    article()
        .network("elsewhere", "10.9.0.0/16")
        .nic("vm-elsewhere", "elsewhere", "10.9.0.4")
        .ruleset("rules", "resolver", domain, &[(target, 53)])
        .ruleset_link("rules", "elsewhere")
}

#[test]
fn a_linked_ruleset_forwards_from_the_resolvers_network_wherever_the_asker_stands() {
    let sketch = elsewhere("10.224.8.4", "azmk8s.io.");
    let found = trace(&sketch, "vm-elsewhere", NAME);
    assert!(found.hops.iter().any(|hop| matches!(hop, Hop::Addresses { .. })), "{found:?}");
    assert!(matches!(found.disposition, Disposition::NoRoute { .. }), "a rule is no route: {found:?}");
    assert!(end(&sketch.peering("aks", "elsewhere"), "vm-elsewhere", NAME).is_connected());
}

#[test]
fn a_private_zone_linked_to_the_network_comes_before_every_rule() {
    let zone = "b-zone.privatelink.japaneast.azmk8s.io";
    let sketch = elsewhere("10.224.8.4", &format!("{NAME}.")).zone("other").link(zone, "elsewhere", json!({}));
    let found = trace(&sketch, "vm-elsewhere", NAME);
    assert!(found.hops.iter().any(|hop| matches!(hop, Hop::LinkedZone { .. })));
    assert!(!found.hops.iter().any(|hop| matches!(hop, Hop::ForwardingRule { .. })));
}

#[test]
fn the_longest_domain_wins_and_a_rule_that_is_off_does_not_count() {
    let sketch = elsewhere("10.224.8.4", "privatelink.japaneast.azmk8s.io.");
    let ruleset = sketch.id(Kind::ForwardingRuleset, "rules");
    let nobody = json!({"properties": {
        "domainName": ".", "targetDnsServers": [{"ipAddress": "10.224.0.99", "port": 53}],
    }});
    let sketch = sketch.put(ruleset.child("forwardingRules", "all"), &nobody);
    assert!(matches!(end(&sketch, "vm-elsewhere", NAME), Disposition::NoRoute { .. }), "resolved");
    let unanswered = end(&sketch, "vm-elsewhere", "www.example");
    assert!(matches!(unanswered, Disposition::ForwarderUnreachable { .. }), "{unanswered:?}");
    insta::assert_snapshot!(unanswered.sentence(), @"168.63.129.16 in elsewhere has no answer for www.example (SERVFAIL): no server of rule all of forwarding ruleset rules answers");
    let off = sketch.amend(ruleset.child("forwardingRules", "all"), json!({"forwardingRuleState": "Disabled"}));
    assert!(matches!(end(&off, "vm-elsewhere", "www.example"), Disposition::NameNotFound { .. }));
}

#[test]
fn a_rule_may_lead_to_a_server_in_a_site_which_knows_public_dns() {
    let sketch = elsewhere("192.168.0.53", "azmk8s.io.").site_client("dns", "office", "192.168.0.53", &[]);
    let answer = end(&sketch, "vm-elsewhere", NAME);
    assert!(matches!(answer, Disposition::NameNotFound { .. }), "{answer:?}");
    assert!(arrives(&sketch, "vm", "192.168.0.53"));
}

#[test]
fn a_rule_that_forwards_to_its_own_network_ends_in_a_failure() {
    let sketch =
        article().ruleset("rules", "resolver", "loop.example.", &[("10.224.8.4", 53)]).ruleset_link("rules", "aks");
    assert!(matches!(end(&sketch, "vm", "www.loop.example"), Disposition::ForwarderUnreachable { .. }));
}
