//! Which way packets go, and where they stop.

use azure::{Kind, sketch::Sketch};
use network::{Disposition, Host, Network, PeeringFault, Vantage};
use serde_json::{Value, json};

fn end(sketch: &Sketch, vantage: &str, address: &str) -> Disposition {
    let network = Network::compile(&sketch.estate());
    let vantage = network.find_vantage(vantage).unwrap().clone();
    network.reach(&vantage, &Host::Address(address.parse().unwrap()), 443).disposition
}

fn hub_and_spokes() -> Sketch {
    Sketch::new()
        .network("hub", "10.0.0.0/16")
        .network("left", "10.1.0.0/16")
        .network("right", "10.2.0.0/16")
        .private_cluster("c", "right", "10.2.0.4", true)
        .nic("vm-hub", "hub", "10.0.0.10")
        .nic("vm-left", "left", "10.1.0.10")
}

#[test]
fn peering_is_not_transitive() {
    let sketch = hub_and_spokes().peering("hub", "left").peering("hub", "right");
    assert!(end(&sketch, "vm-hub", "10.2.0.4").is_connected());
    assert_eq!(end(&sketch, "vm-left", "10.2.0.4"), Disposition::NoRoute { to: "10.2.0.4".parse().unwrap() });
}

#[test]
fn half_a_peering_carries_nothing() {
    let sketch = hub_and_spokes().half_peering("hub", "right", json!({}));
    let fault = end(&sketch, "vm-hub", "10.2.0.4");
    assert!(matches!(fault, Disposition::PeeringBlocks { why: PeeringFault::OneSided, .. }), "{fault:?}");
}

#[test]
fn a_half_that_is_disconnected_carries_nothing_even_when_its_counterpart_is_back() {
    let cut_off = json!({"peeringState": "Disconnected"});
    let sketch = hub_and_spokes().half_peering("hub", "right", cut_off).half_peering("right", "hub", json!({}));
    let fault = end(&sketch, "vm-hub", "10.2.0.4");
    assert!(matches!(fault, Disposition::PeeringBlocks { why: PeeringFault::OneSided, .. }), "{fault:?}");
}

#[test]
fn a_half_routes_to_what_it_knew_of_the_other_network_when_it_was_last_synchronised() {
    let known = |prefix: &str| json!({"remoteAddressSpace": {"addressPrefixes": [prefix]}});
    let peered = |prefix: &str| hub_and_spokes().peering("right", "hub").half_peering("hub", "right", known(prefix));
    assert!(end(&peered("10.2.0.0/24"), "vm-hub", "10.2.0.4").is_connected());
    let unknown = end(&peered("10.2.8.0/24"), "vm-hub", "10.2.0.4");
    assert_eq!(unknown, Disposition::NoRoute { to: "10.2.0.4".parse().unwrap() });
}

#[test]
fn either_half_can_disallow_access() {
    let closed = json!({"allowVirtualNetworkAccess": false});
    let sketch = hub_and_spokes().half_peering("hub", "right", json!({})).half_peering("right", "hub", closed);
    let fault = end(&sketch, "vm-hub", "10.2.0.4");
    assert!(matches!(fault, Disposition::PeeringBlocks { why: PeeringFault::AccessDisallowed, .. }), "{fault:?}");
}

#[test]
fn a_vpn_client_goes_on_to_peers_only_by_gateway_transit() {
    let with = |near: Value, far: Value| {
        let sketch = hub_and_spokes()
            .vpn_gateway("vpn", "hub")
            .half_peering("hub", "right", near)
            .half_peering("right", "hub", far);
        end(&sketch, "vpn", "10.2.0.4").is_connected()
    };
    let (allow, use_remote) = (json!({"allowGatewayTransit": true}), json!({"useRemoteGateways": true}));
    assert!(with(allow.clone(), use_remote.clone()));
    assert!(!with(allow, json!({})));
    assert!(!with(json!({}), use_remote));
}

#[test]
fn overlapping_networks_stay_apart() {
    let sketch = Sketch::new()
        .network("one", "10.224.0.0/16")
        .network("two", "10.224.0.0/16")
        .private_cluster("a", "one", "10.224.0.4", true)
        .private_cluster("b", "two", "10.224.0.4", true)
        .nic("vm-one", "one", "10.224.0.9")
        .nic("vm-two", "two", "10.224.0.9");
    let reached = |vantage: &str| match end(&sketch, vantage, "10.224.0.4") {
        Disposition::Connected { cluster, .. } => cluster.name().to_owned(),
        other => format!("{other:?}"),
    };
    assert_eq!((reached("vm-one"), reached("vm-two")), ("a".to_owned(), "b".to_owned()));
}

#[test]
fn an_endpoint_that_is_not_approved_answers_nothing() {
    let sketch = hub_and_spokes().peering("hub", "right");
    let group = azure::ResourceId::group("00000000-0000-0000-0000-000000000001", "MC_c");
    let endpoint = group.resource(Kind::PrivateEndpoint.arm_type(), "kube-apiserver");
    let estate = sketch.estate();
    let mut document = estate.get(&endpoint).unwrap().document().value();
    document["properties"]["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"]["status"] =
        json!("Rejected");
    let sketch = sketch.put(endpoint, &document);
    assert!(matches!(end(&sketch, "vm-hub", "10.2.0.4"), Disposition::EndpointNotApproved { .. }));
}

#[test]
fn public_clusters_let_in_whom_they_authorize() {
    let cluster = |ranges: Value| {
        let sketch = Sketch::new().client("office", None, &[]);
        let id = sketch.id(Kind::ManagedCluster, "p");
        let office = sketch.id(Kind::LabClient, "office");
        let document = json!({"properties": {
            "fqdn": "p.hcp.japaneast.azmk8s.io",
            "apiServerAccessProfile": {"authorizedIPRanges": ranges},
        }});
        let public = azure::Resource::with_hidden(id, &document, &json!({"publicAddress": "198.18.0.1"}));
        let estate = sketch
            .put(office, &json!({"properties": {"publicIPAddress": "198.19.0.7"}}))
            .estate()
            .apply(2, &[azure::Change::put(public)]);
        let network = Network::compile(&estate);
        let host = Host::Name("p.hcp.japaneast.azmk8s.io".parse().unwrap());
        let office = network.find_vantage("office").unwrap().clone();
        [office, Vantage::Internet].map(|vantage| network.reach(&vantage, &host, 443).disposition.is_connected())
    };
    assert_eq!(cluster(json!([])), [true, true]);
    assert_eq!(cluster(json!(["198.19.0.0/24"])), [true, false]);
    assert_eq!(cluster(json!(["203.0.113.0/24"])), [false, false]);
}

#[test]
fn a_custom_dns_server_is_asked_only_where_it_can_be_reached() {
    let with = |server: &str| {
        Sketch::new()
            .network("hub", "10.0.0.0/16")
            .network_with_dns("spoke", "10.1.0.0/16", &[server])
            .private_cluster("c", "hub", "10.0.0.4", false)
            .nic("dns", "hub", "10.0.0.53")
            .nic("vm", "spoke", "10.1.0.4")
            .peering("hub", "spoke")
    };
    let name = Host::Name("c.c-zone.privatelink.japaneast.azmk8s.io".parse().unwrap());
    let ask = |sketch: Sketch| {
        let network = Network::compile(&sketch.estate());
        network.reach(&network.find_vantage("vm").unwrap().clone(), &name, 443).disposition
    };
    assert!(ask(with("10.0.0.53")).is_connected(), "the server forwards to its own network's DNS");
    assert!(matches!(ask(with("10.9.9.9")), Disposition::NoResolver { .. }));
    assert!(matches!(ask(with("168.63.129.16")), Disposition::NameNotFound { .. }));
}

#[test]
fn a_stopped_cluster_says_so() {
    let sketch = hub_and_spokes();
    let id = sketch.id(Kind::ManagedCluster, "c");
    let mut document = sketch.estate().get(&id).unwrap().document().value();
    document["properties"]["powerState"] = json!({"code": "Stopped"});
    let sketch = sketch.put(id.clone(), &document).nic("vm", "right", "10.2.0.9");
    assert_eq!(end(&sketch, "vm", "10.2.0.4"), Disposition::ClusterStopped { cluster: id });
}

#[test]
fn an_endpoints_own_route_yields_to_user_defined_ones_where_its_subnet_says_so() {
    let sketch = hub_and_spokes()
        .peering("hub", "right")
        .route_table("t", &[("10.2.0.0/16", "None")])
        .routed_by("hub/default", "t");
    assert!(end(&sketch, "vm-hub", "10.2.0.4").is_connected(), "its /32 is the longest prefix");
    let subnet = sketch.id(Kind::Subnet, "right/default");
    let governed = |sketch: &Sketch, policies: &str| {
        sketch.clone().amend(subnet.clone(), json!({"privateEndpointNetworkPolicies": policies}))
    };
    for (policies, drops) in
        [("RouteTableEnabled", true), ("Enabled", true), ("NetworkSecurityGroupEnabled", false), ("Disabled", false)]
    {
        let end = end(&governed(&sketch, policies), "vm-hub", "10.2.0.4");
        assert_eq!(matches!(end, Disposition::RouteDrops { .. }), drops, "{policies}: {end:?}");
    }
    // "User-defined routes must have a prefix size that is equal to or smaller than the virtual network address space".
    for (prefix, drops) in [("10.2.0.0/24", true), ("10.2.0.4/32", true), ("10.0.0.0/8", false), ("0.0.0.0/0", false)] {
        let sketch = sketch.clone().route_table("t", &[(prefix, "None")]);
        let end = end(&governed(&sketch, "RouteTableEnabled"), "vm-hub", "10.2.0.4");
        assert_eq!(matches!(end, Disposition::RouteDrops { .. }), drops, "{prefix}: {end:?}");
    }
}
