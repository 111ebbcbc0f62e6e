//! What is offered cures: on any estate, by a network compiled from nothing.

use azure::aks;
use explain::{
    Verdict,
    fix::{Step, fixes},
};
use network::{Disposition, Host, Network};
use proptest::prelude::*;

use crate::random::{pieces, sketch};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_fix_that_is_offered_cures(pieces in pieces()) {
        let network = Network::compile(&sketch(&pieces).estate());
        for vantage in network.vantages() {
            for id in network.clusters().keys() {
                let found = explain::explain(&network, vantage, id).unwrap();
                prop_assert_eq!(found.cause.is_none(), found.verdict == Verdict::Connects);
                for fix in fixes(&network, &found) {
                    let mut estate = network.estate().clone();
                    let (mut public, mut hosts) = (false, None);
                    for step in &fix.steps {
                        match step {
                            Step::UsePublicFqdn => public = true,
                            Step::HostsLine(address) => hosts = Some(*address),
                            Step::Edit(edit) => estate = edit.apply(&estate).unwrap().0,
                        }
                    }
                    let cured = Network::compile(&estate);
                    let cluster = cured.cluster(id).unwrap();
                    let name = if public { &cluster.fqdn } else if cluster.private_fqdn.is_some() { &cluster.private_fqdn } else { &cluster.fqdn };
                    let host = hosts.map_or_else(|| Host::Name(name.clone().unwrap()), Host::Address);
                    let end = cured.reach(vantage, &host, aks::API_SERVER_PORT).disposition;
                    let there = matches!(&end, Disposition::Connected { cluster, .. } if cluster == id);
                    prop_assert!(there, "{}: {:?} from {:?} to {}", fix.title, end, vantage, id);
                }
            }
        }
    }
}
