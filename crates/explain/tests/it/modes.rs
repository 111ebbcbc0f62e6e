//! Every failure mode that an estate can show is recognised, by its code, and what is offered cures it.

use azure::{Kind, sketch::Sketch};
use explain::Code;
use serde_json::json;

use crate::stage::{article, ask, private_name, told, zone};

#[track_caller]
fn is(sketch: &Sketch, vantage: &str, cluster: &str, code: Code) {
    let (_, found, fixes) = ask(sketch, vantage, cluster);
    let cause = found.cause.unwrap_or_else(|| panic!("{cluster} connects from {vantage}"));
    assert_eq!(cause.code, code, "{}\n{}", cause.sentence, told(sketch, vantage, cluster));
    assert!(!cause.evidence.is_empty());
    assert!(!fixes.is_empty(), "nothing is offered against {code}");
}

#[test]
fn peering_is_no_link() {
    is(&article(), "vm-unlinked", "b", Code::ZoneNotLinkedToClientVnet);
}

#[test]
fn a_link_is_no_route() {
    let sketch = article()
        .network("island", "10.3.0.0/16")
        .link(&zone("b"), "island", json!({}))
        .nic("vm", "island", "10.3.0.4");
    is(&sketch, "vm", "b", Code::LinkedButNotPeered);
}

#[test]
fn a_custom_dns_server_in_a_network_without_the_link_bypasses_the_zone() {
    let sketch = article()
        .network_with_dns("spoke", "10.4.0.0/16", &["10.2.0.4"])
        .peering("spoke", "unlinked")
        .peering("spoke", "aks")
        .link(&zone("b"), "spoke", json!({}))
        .nic("vm", "spoke", "10.4.0.4");
    is(&sketch, "vm", "b", Code::CustomDnsBypassesZone);
    let public = article()
        .network_with_dns("spoke", "10.4.0.0/16", &["8.8.8.8"])
        .peering("spoke", "aks")
        .link(&zone("b"), "spoke", json!({}))
        .nic("vm", "spoke", "10.4.0.4");
    is(&public, "vm", "b", Code::CustomDnsBypassesZone);
}

#[test]
fn the_platforms_resolver_does_not_answer_on_premises() {
    let sketch = article().site("office", "vpn", "192.168.0.0/24").site_client(
        "desk",
        "office",
        "192.168.0.10",
        &["168.63.129.16"],
    );
    is(&sketch, "desk", "b", Code::OnPremForwardTo168);
}

#[test]
fn a_vpn_client_without_a_public_name_is_told_that_it_is_disabled() {
    is(&article(), "laptop", "b", Code::PublicFqdnDisabled);
}

#[test]
fn the_portal_shows_one_name_and_the_kubeconfig_has_the_other() {
    is(&article(), "laptop", "a", Code::KubeconfigHasPrivateName);
}

#[test]
fn a_private_name_outlives_its_zone() {
    let sketch = article();
    let cluster = sketch.id(Kind::ManagedCluster, "a");
    let access = json!({"enablePrivateCluster": true, "privateDNSZone": "none"});
    let zone_id = azure::ResourceId::group("00000000-0000-0000-0000-000000000001", "MC_a")
        .resource(Kind::PrivateDnsZone.arm_type(), &zone("a"));
    let gone = sketch.id(Kind::PrivateDnsZone, &zone("a"));
    let sketch = sketch
        .amend(cluster, json!({"apiServerAccessProfile": access}))
        .delete(zone_id)
        .delete(gone.child("virtualNetworkLinks", "to-aks"))
        .delete(gone.child("virtualNetworkLinks", "to-linked"))
        .delete(gone.child("A", "a"))
        .delete(gone);
    is(&sketch, "vm-aks", "a", Code::ZoneNoneButNameCached);
}

#[test]
fn an_empty_linked_zone_shadows() {
    let sketch = article().zone("privatelink.japaneast.azmk8s.io").link(
        "privatelink.japaneast.azmk8s.io",
        "unlinked",
        json!({}),
    );
    is(&sketch, "vm-unlinked", "b", Code::ZoneLinkedRecordMissing);
}

#[test]
fn two_zones_of_one_name_at_one_network() {
    let group = azure::ResourceId::group("00000000-0000-0000-0000-000000000001", "zz");
    let other = group.resource(Kind::PrivateDnsZone.arm_type(), &zone("b"));
    let sketch = article();
    let network = sketch.id(Kind::VirtualNetwork, "linked");
    let sketch = sketch
        .put(other.clone(), &json!({"properties": {}}))
        .put(other.child("virtualNetworkLinks", "again"), &json!({"properties": {"virtualNetwork": {"id": network}}}));
    is(&sketch, "vm-linked", "b", Code::DuplicateZoneOverlap);
    let findings = network::Network::compile(&sketch.estate()).findings();
    let found: Vec<_> = findings.iter().filter(|finding| finding.code == "DuplicateZoneLink").collect();
    assert_eq!(found.len(), 1, "the link that is not followed is said: {findings:?}");
}

#[test]
fn nobody_makes_a_record_for_an_endpoint_of_ones_own() {
    let sketch = article()
        .network("island", "10.3.0.0/16")
        .nic("vm", "island", "10.3.0.4")
        .private_endpoint("mine", "island", "10.3.0.9", "a");
    is(&sketch, "vm", "a", Code::RecordNotManagedForExtraPe);
    is(&sketch.link(&zone("a"), "island", json!({})), "vm", "a", Code::RecordNotManagedForExtraPe);
}

#[test]
fn aks_links_the_zone_to_its_own_network_and_somebody_undid_it() {
    let sketch = article();
    let link = sketch.id(Kind::VirtualNetworkLink, &format!("{}/to-aks", zone("b")));
    is(&sketch.delete(link), "vm-aks", "b", Code::AutoLinkConflict);
}

#[test]
fn the_endpoint_moved_and_somebody_remembers() {
    let name = private_name("b");
    is(&article().a_record(&zone("b"), "b", "10.224.0.77"), "vm-linked", "b", Code::StaleRecordAfterStopStart);
    let sketch = article().client("old", Some("vpn"), &[("10.224.0.99", name.as_str())]);
    is(&sketch, "old", "b", Code::StaleRecordAfterStopStart);
}

#[test]
fn a_gateway_without_transit_does_not_reach_the_peer() {
    let sketch =
        article().network("far", "10.5.0.0/16").private_cluster("c", "far", "10.5.0.4", true).peering("aks", "far");
    is(&sketch, "laptop", "c", Code::NotGatewayTransit);
}

#[test]
fn peering_is_not_transitive() {
    let sketch = article()
        .network("third", "10.6.0.0/16")
        .peering("third", "linked")
        .link(&zone("b"), "third", json!({}))
        .nic("vm", "third", "10.6.0.4");
    is(&sketch, "vm", "b", Code::PeeringNotTransitive);
}

#[test]
fn routes_that_drop_and_routes_that_lead_nowhere() {
    let drops = article().route_table("t", &[("10.224.0.0/24", "None")]).routed_by("linked/default", "t").subnet(
        "aks",
        "pe",
        "10.224.1.0/24",
    );
    let pe = drops.id(Kind::Subnet, "aks/default");
    let drops = drops.amend(pe, json!({"privateEndpointNetworkPolicies": "Enabled"}));
    is(&drops, "vm-linked", "b", Code::UdrDrops);
    let nowhere = article().route_table("t", &[("10.224.0.5/32", "10.1.0.99")]).routed_by("linked/default", "t");
    is(&nowhere, "vm-linked", "b", Code::UdrNvaBroken);
    let no_gateway =
        article().route_table("t", &[("10.224.0.5/32", "VirtualNetworkGateway")]).routed_by("linked/default", "t");
    is(&no_gateway, "vm-linked", "b", Code::UdrNoGateway);
}

#[test]
fn an_endpoint_replies_straight_and_so_past_the_appliance() {
    let sketch = article()
        .network("hub", "10.7.0.0/16")
        .nic_in("fw", "hub", "default", "10.7.0.4", json!({"enableIPForwarding": true}))
        .half_peering("hub", "aks", json!({"allowForwardedTraffic": true}))
        .half_peering("aks", "hub", json!({"allowForwardedTraffic": true}))
        .network("spoke", "10.8.0.0/16")
        .half_peering("spoke", "hub", json!({"allowForwardedTraffic": true}))
        .half_peering("hub", "spoke", json!({"allowForwardedTraffic": true}))
        .link(&zone("b"), "spoke", json!({}))
        .route_table("t", &[("0.0.0.0/0", "10.7.0.4"), ("10.0.0.0/8", "10.7.0.4")])
        .routed_by("spoke/default", "t")
        .nic("vm", "spoke", "10.8.0.4");
    is(&sketch, "vm", "b", Code::UdrNvaAsymmetric);
}

#[test]
fn a_security_group_blocks() {
    let sketch = article().security_group("nsg", &[(100, "Outbound", "Deny", "*", "10.224.0.0/16", "443")]).guarded_by(
        Kind::Subnet,
        "linked/default",
        "nsg",
    );
    is(&sketch, "vm-linked", "b", Code::NsgBlocks443);
}

#[test]
fn address_spaces_that_overlap_cannot_be_joined() {
    let sketch =
        article().network("twin", "10.224.0.0/16").link(&zone("b"), "twin", json!({})).nic("vm", "twin", "10.224.0.10");
    is(&sketch, "vm", "b", Code::AddressSpaceOverlap);
}

#[test]
fn a_connection_that_nobody_approved() {
    for (status, code) in [
        ("Pending", Code::PeConnectionPending),
        ("Rejected", Code::PeConnectionRejected),
        ("Disconnected", Code::PeConnectionDisconnected),
    ] {
        let sketch = article();
        let cluster = sketch.id(Kind::ManagedCluster, "b");
        let endpoint = azure::ResourceId::group("00000000-0000-0000-0000-000000000001", "MC_b")
            .resource(Kind::PrivateEndpoint.arm_type(), "kube-apiserver");
        let connection = json!([{"properties": {
            "privateLinkServiceId": cluster, "privateLinkServiceConnectionState": {"status": status},
        }}]);
        let sketch = sketch.amend(endpoint, json!({"privateLinkServiceConnections": connection}));
        is(&sketch, "vm-linked", "b", code);
    }
}

#[test]
fn a_source_that_is_not_listed() {
    let sketch = article().public_cluster("p", "198.18.0.9", &["203.0.113.0/24"]);
    is(&sketch, "internet", "p", Code::NotInAuthorizedRanges);
}

#[test]
fn a_stopped_cluster_has_no_name() {
    let sketch = article();
    let cluster = sketch.id(Kind::ManagedCluster, "b");
    let record = sketch.id(Kind::PrivateDnsZone, &zone("b")).child("A", "b");
    let sketch = sketch.amend(cluster, json!({"powerState": {"code": "Stopped"}})).delete(record);
    is(&sketch, "vm-aks", "b", Code::ClusterStopped);
}

#[test]
fn one_half_of_a_peering_is_none() {
    let sketch = article();
    let half = sketch.id(Kind::Peering, "aks/to-linked");
    is(&sketch.delete(half), "vm-linked", "b", Code::PeeringIncomplete);
}

#[test]
fn what_cannot_be_cured_offers_nothing_but_says_why() {
    let (network, found, fixes) = ask(&article(), "internet", "b");
    assert_eq!(found.cause.as_ref().unwrap().code, Code::PrivateNameNotResolvable);
    assert!(fixes.is_empty());
    assert!(explain::fix::meanwhile(&network, &found).is_some(), "a command can be run in the cluster");
}
