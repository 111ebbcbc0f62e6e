//! Estates to ask about.

use azure::{DnsName, Kind, sketch::Sketch};
use explain::{Explanation, Fix, fixes};
use network::Network;
use serde_json::json;

/// The system zone of a sketched private cluster.
pub(crate) fn zone(cluster: &str) -> String {
    format!("{cluster}-zone.privatelink.japaneast.azmk8s.io")
}

/// Clusters `a` (public FQDN on) and `b` (off) in network `aks`; machines in it and in three peered
/// or unpeered networks; a VPN gateway with clients.
pub(crate) fn article() -> Sketch {
    Sketch::new()
        .network("aks", "10.224.0.0/16")
        .network("linked", "10.1.0.0/16")
        .network("unlinked", "10.2.0.0/16")
        .private_cluster("a", "aks", "10.224.0.4", true)
        .private_cluster("b", "aks", "10.224.0.5", false)
        .peering("aks", "linked")
        .peering("aks", "unlinked")
        .link(&zone("a"), "linked", json!({}))
        .link(&zone("b"), "linked", json!({}))
        .nic("vm-aks", "aks", "10.224.0.10")
        .nic("vm-linked", "linked", "10.1.0.4")
        .nic("vm-unlinked", "unlinked", "10.2.0.4")
        .vpn_gateway("vpn", "aks")
        .client("laptop", Some("vpn"), &[])
        .client("laptop-hosts", Some("vpn"), &[("10.224.0.5", "b.b-zone.privatelink.japaneast.azmk8s.io")])
}

/// What is found and what is offered.
pub(crate) fn ask(sketch: &Sketch, vantage: &str, cluster: &str) -> (Network, Explanation, Vec<Fix>) {
    let network = Network::compile(&sketch.estate());
    let vantage = network.find_vantage(vantage).unwrap().clone();
    let found = explain::explain(&network, &vantage, &sketch.id(Kind::ManagedCluster, cluster)).unwrap();
    let fixes = fixes(&network, &found);
    (network, found, fixes)
}

/// The cause's code, and the titles of the fixes.
pub(crate) fn told(sketch: &Sketch, vantage: &str, cluster: &str) -> String {
    let (_, found, fixes) = ask(sketch, vantage, cluster);
    let Some(cause) = &found.cause else { return "connects".to_owned() };
    let mut text = format!("{}: {}\n", cause.code, cause.sentence);
    text.extend(cause.evidence.iter().map(|line| format!("  {line}\n")));
    text.extend(fixes.iter().map(|fix| format!("  {} {}\n", fix.effort, fix.title)));
    text
}

/// The private name of a sketched cluster.
pub(crate) fn private_name(cluster: &str) -> DnsName {
    format!("{cluster}.{}", zone(cluster)).parse().unwrap()
}
