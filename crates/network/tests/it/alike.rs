//! Vantages of one likeness get the same answers, whatever is asked.

use azure::{Change, Estate};
use network::{DnsName, Host, Network, Vantage};
use proptest::prelude::*;

use crate::edits::{changes, edit};

/// Everything that can be asked at a vantage, without what names the vantage itself.
fn answers(network: &Network, vantage: &Vantage, other: &Vantage) -> String {
    let names = ["z.example", "www.z.example", "x.apps.z.example", "c0.hcp.japaneast.azmk8s.io"];
    let private = ["c0", "c1"].map(|name| format!("{name}.{name}-zone.privatelink.japaneast.azmk8s.io"));
    let names = names.into_iter().map(str::to_owned).chain(private);
    let names = names.map(|name| Host::Name(name.parse::<DnsName>().unwrap()));
    let addresses = ["10.0.0.4", "10.0.0.5", "10.1.0.5", "10.2.0.6", "192.168.0.10", "198.19.0.1", "198.19.0.2"];
    let addresses = addresses.into_iter().map(|address| Host::Address(address.parse().unwrap()));
    let own = network.source_address(vantage).map(|address| address.to_string());
    let mut text = String::new();
    for host in names.chain(addresses) {
        // A machine is there for itself alone.
        let is_one = |address| [vantage, other].iter().any(|one| network.source_address(one) == Some(address));
        if matches!(&host, Host::Address(address) if is_one(*address)) {
            continue;
        }
        let trace = network.reach(vantage, &host, 443);
        let line = format!("{:?} {:?}\n", trace.hops, trace.disposition);
        text += &own.as_ref().map_or(line.clone(), |own| line.replace(own.as_str(), "own"));
    }
    text
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn one_of_a_class_answers_for_all(batch in prop::collection::vec(edit(), 1..60)) {
        let changes: Vec<Change> = batch.iter().flat_map(changes).collect();
        let network = Network::compile(&Estate::default().apply(1, &changes));
        for alike in network.alike(&network.cells()).values() {
            for other in &alike[1..] {
                let (first, second) = (answers(&network, alike[0], other), answers(&network, other, alike[0]));
                prop_assert_eq!(first, second, "{:?} and {:?}", alike[0], other);
            }
        }
    }
}
