//! What has no connection has no influence, and no path.

use azure::{Change, Estate, Kind, Resource, ResourceId};
use network::{Destination, Network, Protocol, QueryType, RecordType, Silent, Vantage, ViewId};
use proptest::prelude::*;
use serde_json::json;

use crate::{
    edits::{Edit, changes, edit},
    incremental::describe,
};

/// A network and machine in another subscription, with the addresses of everybody else.
fn stranger() -> Vec<Change> {
    let group = ResourceId::group("00000000-0000-0000-0000-000000000002", "elsewhere");
    let network = group.resource(Kind::VirtualNetwork.arm_type(), "stranger");
    let subnet = network.child("subnets", "default");
    let nic = group.resource(Kind::NetworkInterface.arm_type(), "stranger-nic");
    let put = |id: &ResourceId, properties| Change::put(Resource::new(id.clone(), &json!({"properties": properties})));
    vec![
        put(&network, json!({"addressSpace": {"addressPrefixes": ["10.0.0.0/8", "192.168.0.0/16"]}})),
        put(&subnet, json!({"addressPrefix": "10.0.0.0/8"})),
        put(
            &nic,
            json!({"ipConfigurations": [
                {"properties": {"privateIPAddress": "10.0.0.5", "subnet": {"id": subnet}}}
            ]}),
        ),
    ]
}

/// Whether an edit joins networks, or gives somebody a way in from outside.
fn connects(edit: &Edit) -> bool {
    matches!(edit, Edit::Peer { .. } | Edit::Gateway { .. } | Edit::Public(_))
}

fn network_of(network: &Network, nic: &ResourceId) -> Option<ResourceId> {
    network.estate().network_interface(nic)?.ip_configurations.first()?.subnet.parent()
}

/// The lines that say nothing of the stranger.
fn without_stranger(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.contains("stranger")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_unrelated_network_changes_no_answer(edits in prop::collection::vec(edit(), 1..30)) {
        let all: Vec<Change> = edits.iter().flat_map(changes).collect();
        let estate = Estate::default().apply(1, &all);
        let before = Network::compile(&estate);
        let changes = stranger();
        let after = before.advance(&estate.apply(1, &changes), changes.iter().map(Change::id));
        let (before, mut after) = (describe(&before), describe(&after));
        // The stranger's own vantages and views, each a header line with the answers that follow.
        after = after.replace("elsewhere", "stranger");
        let (kept, all) = (without_stranger(&before), without_stranger(&after));
        let mut rest = all.iter();
        for line in kept {
            prop_assert!(rest.any(|other| *other == line), "lost: {}", line);
        }
    }

    #[test]
    fn no_packet_goes_between_networks_that_nothing_connects(
        edits in prop::collection::vec(edit().prop_filter("joins networks", |edit| !connects(edit)), 1..40),
    ) {
        let all: Vec<Change> = edits.iter().flat_map(changes).chain(stranger()).collect();
        let network = Network::compile(&Estate::default().apply(1, &all));
        for vantage in network.vantages() {
            let Vantage::Interface(nic) = vantage else { continue };
            let own = network_of(&network, nic);
            for second in 0..3_u8 {
                for host in 4..10_u8 {
                    let address = std::net::Ipv4Addr::new(10, second, 0, host);
                    match network.route(vantage, address, Protocol::Tcp, 443, &mut Silent) {
                        Ok(Destination::Interface(reached)) => prop_assert_eq!(network_of(&network, &reached), own.clone()),
                        Ok(Destination::Cluster(_)) => {
                            let here = network.virtual_network(own.as_ref().unwrap()).unwrap();
                            prop_assert!(here.interfaces[&address].private_endpoint.is_some());
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    #[test]
    fn no_name_of_a_private_zone_is_known_in_a_network_that_nothing_links(
        edits in prop::collection::vec(edit(), 1..40),
    ) {
        let all: Vec<Change> = edits.iter().flat_map(changes).chain(stranger()).collect();
        let network = Network::compile(&Estate::default().apply(1, &all));
        let stranger = network.virtual_networks().keys().find(|id| id.name() == "stranger").unwrap();
        for name in ["z.example", "www.z.example", "x.apps.z.example", "b.sub.z.example"] {
            let view = ViewId::VirtualNetwork(stranger.clone());
            let query = QueryType::Record(RecordType::A);
            let answer = network.answer(&view, &name.parse().unwrap(), query, &mut Silent);
            prop_assert_eq!(answer.records.len(), 0);
        }
    }
}
