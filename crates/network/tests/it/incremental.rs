//! Advancing by a change and compiling from nothing give the same network.

use azure::{Change, Estate, Kind, Resource, ResourceId, sketch::Sketch};
use network::{DnsName, Network, QueryType, RecordType, Silent, ViewId};
use proptest::prelude::*;
use serde_json::json;

/// One edit of an estate with three networks, two zones, two clusters, a gateway and a client.
#[derive(Debug, Clone)]
pub(crate) enum Edit {
    Network { name: usize, second_octet: u8, dns: bool },
    DropNetwork(usize),
    Nic { name: usize, network: usize, host: u8 },
    DropNic(usize),
    Peer { from: usize, to: usize, transit: bool },
    DropPeering { from: usize, to: usize },
    Zone(usize),
    DropZone(usize),
    Link { zone: usize, network: usize, registration: bool, redirect: bool },
    DropLink { zone: usize, network: usize },
    Record { zone: usize, name: usize, host: u8 },
    DropRecord { zone: usize, name: usize },
    Cluster { name: usize, network: usize, host: u8, public_fqdn: bool },
    DropCluster(usize),
    Gateway { network: usize },
    DropGateway,
}

const NETWORKS: [&str; 3] = ["n0", "n1", "n2"];
const ZONES: [&str; 2] = ["z.example", "sub.z.example"];
const RECORDS: [&str; 4] = ["@", "www", "*.apps", "a.b"];
const CLUSTERS: [&str; 2] = ["c0", "c1"];

pub(crate) fn edit() -> impl Strategy<Value = Edit> {
    let (n, z, r, c) = (0..NETWORKS.len(), 0..ZONES.len(), 0..RECORDS.len(), 0..CLUSTERS.len());
    prop_oneof![
        (n.clone(), 0..4_u8, any::<bool>()).prop_map(|(name, second_octet, dns)| Edit::Network {
            name,
            second_octet,
            dns
        }),
        n.clone().prop_map(Edit::DropNetwork),
        (0..3_usize, n.clone(), 4..9_u8).prop_map(|(name, network, host)| Edit::Nic { name, network, host }),
        (0..3_usize).prop_map(Edit::DropNic),
        (n.clone(), n.clone(), any::<bool>()).prop_map(|(from, to, transit)| Edit::Peer { from, to, transit }),
        (n.clone(), n.clone()).prop_map(|(from, to)| Edit::DropPeering { from, to }),
        z.clone().prop_map(Edit::Zone),
        z.clone().prop_map(Edit::DropZone),
        (z.clone(), n.clone(), any::<bool>(), any::<bool>()).prop_map(|(zone, network, registration, redirect)| {
            Edit::Link { zone, network, registration, redirect }
        }),
        (z.clone(), n.clone()).prop_map(|(zone, network)| Edit::DropLink { zone, network }),
        (z.clone(), r.clone(), 4..9_u8).prop_map(|(zone, name, host)| Edit::Record { zone, name, host }),
        (z, r).prop_map(|(zone, name)| Edit::DropRecord { zone, name }),
        (c.clone(), n.clone(), 4..9_u8, any::<bool>()).prop_map(|(name, network, host, public_fqdn)| Edit::Cluster {
            name,
            network,
            host,
            public_fqdn
        }),
        c.prop_map(Edit::DropCluster),
        n.prop_map(|network| Edit::Gateway { network }),
        Just(Edit::DropGateway),
    ]
}

/// The changes an edit makes; the sketch's own resource group is left out.
pub(crate) fn changes(edit: &Edit) -> Vec<Change> {
    let blank = Sketch::new();
    let id = |kind, name: &str| blank.id(kind, name);
    let record_id = |zone: usize, name: usize| id(Kind::PrivateDnsZone, ZONES[zone]).child("A", RECORDS[name]);
    let sketched = |sketch: Sketch| sketch.changes()[1..].to_vec();
    match *edit {
        Edit::Network { name, second_octet, dns } => {
            let servers: &[&str] = if dns { &["10.0.0.5"] } else { &[] };
            sketched(Sketch::new().network_with_dns(NETWORKS[name], &format!("10.{second_octet}.0.0/16"), servers))
        }
        Edit::DropNetwork(name) => {
            let network = id(Kind::VirtualNetwork, NETWORKS[name]);
            vec![Change::Delete(network.child("subnets", "default")), Change::Delete(network)]
        }
        Edit::Nic { name, network, host } => {
            sketched(Sketch::new().nic(&format!("vm{name}"), NETWORKS[network], &format!("10.0.0.{host}")))
        }
        Edit::DropNic(name) => vec![Change::Delete(id(Kind::NetworkInterface, &format!("vm{name}")))],
        Edit::Peer { from, to, transit } => sketched(Sketch::new().half_peering(
            NETWORKS[from],
            NETWORKS[to],
            json!({"allowGatewayTransit": transit, "useRemoteGateways": transit}),
        )),
        Edit::DropPeering { from, to } => {
            vec![Change::Delete(id(Kind::Peering, &format!("{}/to-{}", NETWORKS[from], NETWORKS[to])))]
        }
        Edit::Zone(zone) => sketched(Sketch::new().zone(ZONES[zone])),
        Edit::DropZone(zone) => vec![Change::Delete(id(Kind::PrivateDnsZone, ZONES[zone]))],
        Edit::Link { zone, network, registration, redirect } => sketched(Sketch::new().link(
            ZONES[zone],
            NETWORKS[network],
            json!({
                "registrationEnabled": registration,
                "resolutionPolicy": if redirect { "NxDomainRedirect" } else { "Default" },
            }),
        )),
        Edit::DropLink { zone, network } => {
            vec![Change::Delete(id(Kind::VirtualNetworkLink, &format!("{}/to-{}", ZONES[zone], NETWORKS[network])))]
        }
        Edit::Record { zone, name, host } => {
            sketched(Sketch::new().a_record(ZONES[zone], RECORDS[name], &format!("10.0.0.{host}")))
        }
        Edit::DropRecord { zone, name } => vec![Change::Delete(record_id(zone, name))],
        Edit::Cluster { name, network, host, public_fqdn } => sketched(Sketch::new().private_cluster(
            CLUSTERS[name],
            NETWORKS[network],
            &format!("10.{network}.0.{host}"),
            public_fqdn,
        )),
        Edit::DropCluster(name) => vec![Change::Delete(id(Kind::ManagedCluster, CLUSTERS[name]))],
        Edit::Gateway { network } => sketched(Sketch::new().vpn_gateway("vpn", NETWORKS[network])),
        Edit::DropGateway => vec![Change::Delete(id(Kind::VirtualNetworkGateway, "vpn"))],
    }
}

/// Everything a network says, in words.
fn describe(network: &Network) -> String {
    let mut text = String::new();
    let names: Vec<DnsName> = ["z.example", "www.z.example", "x.apps.z.example", "b.sub.z.example", "vm0.z.example"]
        .into_iter()
        .chain(["c0.hcp.japaneast.azmk8s.io", "c0.c0-zone.privatelink.japaneast.azmk8s.io"])
        .map(|name| name.parse().unwrap())
        .collect();
    for (id, compiled) in network.virtual_networks() {
        text += &format!("{compiled:?}\n");
        for name in &names {
            let view = ViewId::VirtualNetwork(id.clone());
            text += &format!("{:?}\n", network.answer(&view, name, QueryType::Record(RecordType::A), &mut Silent));
        }
    }
    for (_, cluster) in network.clusters() {
        text += &format!("{cluster:?}\n");
    }
    for vantage in network.vantages() {
        text += &format!("{vantage:?}\n");
        for name in &names {
            let host = network::Host::Name(name.clone());
            text += &format!("{:?}\n", network.reach(vantage, &host, 443));
        }
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn advancing_equals_compiling_from_nothing(batches in prop::collection::vec(prop::collection::vec(edit(), 1..4), 1..20)) {
        let mut estate = Estate::default();
        let mut network = Network::compile(&estate);
        for (index, batch) in batches.iter().enumerate() {
            let changes: Vec<Change> = batch.iter().flat_map(changes).collect();
            estate = estate.apply(index as u64 + 1, &changes);
            network = network.advance(&estate, changes.iter().map(Change::id));
            prop_assert_eq!(describe(&network), describe(&Network::compile(&estate)), "after {:?}", batch);
        }
    }
}

#[test]
fn an_unrelated_network_changes_nothing() {
    let sketch = Sketch::new().network("aks", "10.224.0.0/16").private_cluster("a", "aks", "10.224.0.4", true);
    let before = Network::compile(&sketch.estate());
    let stranger = Resource::new(
        ResourceId::group("00000000-0000-0000-0000-000000000001", "x").resource(Kind::VirtualNetwork.arm_type(), "x"),
        &json!({"properties": {"addressSpace": {"addressPrefixes": ["10.224.0.0/16"]}}}),
    );
    let change = Change::put(stranger);
    let after = before.advance(&before.estate().apply(2, [&change]), [change.id()]);
    let aks = sketch.id(Kind::VirtualNetwork, "aks");
    assert_eq!(before.virtual_network(&aks), after.virtual_network(&aks));
    assert_eq!(after.virtual_networks().len(), before.virtual_networks().len() + 1);
}
