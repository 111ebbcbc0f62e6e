//! Random sequences of what people do to clusters, and what must hold after each step.

use std::{collections::BTreeSet, net::Ipv4Addr};

use azure::{
    Estate, Kind, Resource, ResourceId,
    model::{Model, PrivateDnsZoneMode, RecordData},
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{own_zone, prepare_own_zone, wish};
use crate::{Pace, tests::Lab};

/// How a cluster is made.
#[derive(Debug, Clone, Copy)]
enum Mode {
    Public,
    SystemZone { public_fqdn: bool },
    OwnZone { public_fqdn: bool, subdomain: bool },
    NoZone,
}

/// One thing a person does to cluster 0 or 1.
#[derive(Debug, Clone, Copy)]
enum Act {
    Create(u8, Mode),
    SetPublicFqdn(u8, bool),
    GiveUpZone(u8),
    Stop(u8),
    Start(u8),
    Scale(u8, u8),
    RotateCertificates(u8),
    DeleteEndpoint(u8),
    Delete(u8),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let mode = prop_oneof![
        Just(Mode::Public),
        any::<bool>().prop_map(|public_fqdn| Mode::SystemZone { public_fqdn }),
        any::<(bool, bool)>().prop_map(|(public_fqdn, subdomain)| Mode::OwnZone { public_fqdn, subdomain }),
        Just(Mode::NoZone),
    ];
    let which = || 0..2_u8;
    prop_oneof![
        5 => (which(), mode).prop_map(|(which, mode)| Act::Create(which, mode)),
        3 => (which(), any::<bool>()).prop_map(|(which, on)| Act::SetPublicFqdn(which, on)),
        1 => which().prop_map(Act::GiveUpZone),
        2 => which().prop_map(Act::Stop),
        2 => which().prop_map(Act::Start),
        2 => (which(), 1..9_u8).prop_map(|(which, count)| Act::Scale(which, count)),
        1 => which().prop_map(Act::RotateCertificates),
        1 => which().prop_map(Act::DeleteEndpoint),
        2 => which().prop_map(Act::Delete),
        1 => Just(Act::Restart),
    ]
}

fn path(which: u8) -> String {
    format!("/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c{which}")
}

fn body(lab: &Lab, which: u8, mode: Mode) -> Value {
    let private = |zone: &str, on: bool| json!({"enablePrivateCluster": true, "privateDNSZone": zone, "enablePrivateClusterPublicFQDN": on});
    let mut body = match mode {
        Mode::Public => wish(json!({"authorizedIPRanges": ["203.0.113.0/24"]})),
        Mode::SystemZone { public_fqdn } => wish(private("system", public_fqdn)),
        Mode::NoZone => wish(private("none", true)),
        Mode::OwnZone { public_fqdn, subdomain } => {
            let mut body = own_zone(lab);
            body["properties"]["apiServerAccessProfile"]["enablePrivateClusterPublicFQDN"] = json!(public_fqdn);
            if subdomain {
                body["properties"].as_object_mut().unwrap().shift_remove("dnsPrefix");
                body["properties"]["fqdnSubdomain"] = json!(format!("sub{which}"));
            }
            body
        }
    };
    body["properties"]["odd"] = json!({"cluster": which, "deep": [null, {"é": 1.5}]});
    body["properties"]["agentPoolProfiles"][0]["odd"] = json!(which);
    body
}

/// Does it and gives the answer's status; nothing is done to a cluster that is not there.
async fn perform(lab: &Lab, act: Act) -> u16 {
    let post = async |which: u8, action: &str| {
        lab.send("POST", &format!("{}/{action}", path(which)), Value::Null, &[]).await.status
    };
    let change = async |which: u8, name: &str, value: Value| {
        let mut document = lab.get(&path(which)).await.body;
        if !document["properties"].is_object() {
            return 404;
        }
        document["properties"]["apiServerAccessProfile"][name] = value;
        lab.put(&path(which), document).await.status
    };
    match act {
        Act::Create(which, mode) => lab.put(&path(which), body(lab, which, mode)).await.status,
        Act::SetPublicFqdn(which, on) => change(which, "enablePrivateClusterPublicFQDN", json!(on)).await,
        Act::GiveUpZone(which) => change(which, "privateDNSZone", json!("none")).await,
        Act::Stop(which) => post(which, "stop").await,
        Act::Start(which) => post(which, "start").await,
        Act::RotateCertificates(which) => post(which, "rotateClusterCertificates").await,
        Act::Scale(which, count) => {
            let pool = format!("{}/agentPools/nodepool1", path(which));
            lab.put(&pool, json!({"properties": {"count": count}})).await.status
        }
        Act::DeleteEndpoint(which) => {
            let group = format!("/resourceGroups/MC_rg_c{which}_westeurope");
            let endpoint = format!("{group}/providers/Microsoft.Network/privateEndpoints/kube-apiserver");
            let status = lab.delete(&endpoint).await.status;
            // The next write of the cluster makes it again.
            let document = lab.get(&path(which)).await.body;
            if document["properties"]["powerState"]["code"] == "Running" {
                assert_eq!(lab.put(&path(which), document).await.status, 200);
            }
            status
        }
        Act::Delete(which) => lab.delete(&path(which)).await.status,
        Act::Restart => unreachable!("the lab itself restarts"),
    }
}

fn ids(estate: &Estate) -> BTreeSet<ResourceId> {
    estate.iter().map(|resource| resource.id().clone()).collect()
}

/// What the record in the cluster's zone says; `None` without a record.
fn recorded(estate: &Estate, zone: &ResourceId, cluster: &azure::model::ManagedCluster) -> Option<Ipv4Addr> {
    let host = cluster.private_fqdn.as_ref()?.as_str().strip_suffix(&format!(".{}", zone.name()))?.to_owned();
    match estate.record_set(&zone.child("A", &host))?.records.as_slice() {
        [RecordData::A(address)] => Some(*address),
        _ => None,
    }
}

fn endpoint_address(estate: &Estate, nodes: &ResourceId) -> Option<Ipv4Addr> {
    let id = nodes.resource(Kind::PrivateEndpoint.arm_type(), azure::aks::PRIVATE_ENDPOINT_NAME);
    let nic = estate.private_endpoint(&id)?.network_interfaces.first()?;
    estate.network_interface(nic)?.ip_configurations.first()?.address
}

fn check_cluster(estate: &Estate, resource: &Resource) {
    let Model::ManagedCluster(cluster) = resource.model() else { panic!("{resource:?}") };
    let nodes = cluster.node_resource_group.as_ref().unwrap();
    let made = |id: &ResourceId| Kind::of(id) == Kind::PrivateDnsZone && id.is_below(nodes);
    let zone = match &cluster.zone {
        PrivateDnsZoneMode::Own(zone) => Some(zone.clone()),
        PrivateDnsZoneMode::System if cluster.private => ids(estate).into_iter().find(made),
        PrivateDnsZoneMode::System | PrivateDnsZoneMode::None => None,
    };
    let address = endpoint_address(estate, nodes);
    assert_eq!(address.is_some(), cluster.private && cluster.running, "an endpoint while a private cluster runs");
    match &zone {
        Some(zone) => assert_eq!(recorded(estate, zone, cluster), address, "the record is where the endpoint is"),
        None => assert_eq!(cluster.private_fqdn, None),
    }
    assert_eq!(zone.is_some(), cluster.private_fqdn.is_some(), "a private name where there is a zone");
    assert_eq!(cluster.fqdn.is_none(), cluster.private && !cluster.public_fqdn, "no public name where it is off");
    assert_eq!(cluster.public_address.is_some(), !cluster.private);
    let pool = estate.agent_pool(&resource.id().child("agentPools", "nodepool1")).unwrap();
    let distinct: BTreeSet<_> = pool.node_addresses.iter().chain(&address).collect();
    assert_eq!(distinct.len(), pool.count as usize + usize::from(address.is_some()), "each has its own address");

    let which: u64 = resource.id().name()[1..].parse().unwrap();
    let document = resource.document().value();
    assert_eq!(document["properties"]["odd"], json!({"cluster": which, "deep": [null, {"é": 1.5}]}));
    let pool = estate.get(&resource.id().child("agentPools", "nodepool1")).unwrap().document().value();
    assert_eq!(pool["properties"]["odd"], json!(which));
}

fn check(estate: &Estate, untouched: &BTreeSet<ResourceId>) {
    for resource in estate.iter() {
        assert_eq!(resource.findings(), [], "{}", resource.id());
        for target in resource.references() {
            assert!(estate.contains(target), "{} points at {target}", resource.id());
        }
    }
    for cluster in estate.of_kind(Kind::ManagedCluster) {
        check_cluster(estate, cluster);
    }
    if estate.of_kind(Kind::ManagedCluster).next().is_none() {
        assert_eq!(ids(estate), *untouched, "what AKS made is gone, and nothing else is");
    }
}

async fn run(acts: Vec<Act>) {
    let mut lab = Lab::with_group().await;
    prepare_own_zone(&lab).await;
    let untouched = ids(&lab.plane.estate());
    for act in acts {
        if matches!(act, Act::Restart) {
            lab = lab.restarted(Pace::Instant).await;
        } else {
            let before = lab.plane.estate();
            let status = perform(&lab, act).await;
            assert!(status < 500, "{act:?}: {status}");
            if status >= 400 && !matches!(act, Act::DeleteEndpoint(_)) {
                assert!(before.iter().eq(lab.plane.estate().iter()), "{act:?} was refused and changed something");
            }
        }
        check(&lab.plane.estate(), &untouched);
    }
    for which in 0..2 {
        assert_eq!(lab.delete(&path(which)).await.status, 204);
    }
    check(&lab.plane.estate(), &untouched);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_done_to_clusters_they_keep_their_invariants(acts in prop::collection::vec(act(), 1..20)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(acts));
    }
}
