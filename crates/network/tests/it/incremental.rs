//! Advancing by a change and compiling from nothing give the same network.

use azure::{Change, Estate};
use network::{DnsName, Network, QueryType, RecordType, Silent, ViewId};
use proptest::prelude::*;

use crate::edits::{changes, edit};

/// Everything a network says, in words.
pub(crate) fn describe(network: &Network) -> String {
    let mut text = String::new();
    let names: Vec<DnsName> = ["z.example", "www.z.example", "x.apps.z.example", "b.sub.z.example", "vm0.z.example"]
        .into_iter()
        .chain(["c0.hcp.japaneast.azmk8s.io", "c0.c0-zone.privatelink.japaneast.azmk8s.io"])
        .map(|name| name.parse().unwrap())
        .collect();
    for (id, compiled) in network.virtual_networks() {
        text += &format!("{compiled:?}\n");
        for subnet in &compiled.subnets {
            text += &format!("{:?} {:?}\n", network.effective_routes(&subnet.id), network.tags(&subnet.id));
        }
        for name in &names {
            let view = ViewId::VirtualNetwork(id.clone());
            text += &format!("{:?}\n", network.answer(&view, name, QueryType::Record(RecordType::A), &mut Silent));
        }
    }
    for (_, cluster) in network.clusters() {
        text += &format!("{cluster:?}\n");
    }
    text += &format!("{:?}\n", network.findings());
    text += &format!("{:?}\n{:?}\n", network.sites(), network.clients());
    for (_, group) in network.security_groups() {
        text += &format!("{group:?}\n");
    }
    for vantage in network.vantages() {
        text += &format!("{vantage:?}\n");
        for address in ["10.0.0.5", "10.1.0.5", "10.2.0.6", "192.168.0.10", "198.19.0.1", "198.19.0.2"] {
            let host = network::Host::Address(address.parse().unwrap());
            text += &format!("{:?}\n", network.reach(vantage, &host, 443));
        }
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
            let (advanced, compiled) = (describe(&network), describe(&Network::compile(&estate)));
            if advanced != compiled {
                let differing = advanced.lines().zip(compiled.lines()).find(|(advanced, compiled)| advanced != compiled);
                prop_assert!(false, "after {:?}: {:?}", batch, differing);
            }
        }
    }
}
