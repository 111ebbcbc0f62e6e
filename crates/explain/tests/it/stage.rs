//! Estates to ask about.

use azure::{DnsName, Kind, sketch::Sketch};
use explain::{Explanation, Fix, fixes};
use network::Network;

/// The system zone of a sketched private cluster.
pub(crate) fn zone(cluster: &str) -> String {
    format!("{cluster}-zone.privatelink.japaneast.azmk8s.io")
}

/// Clusters `a` (public FQDN on) and `b` (off) in network `aks`; machines in it and in three peered
/// or unpeered networks; a VPN gateway with clients.
pub(crate) fn article() -> Sketch {
    Sketch::article().nic("vm-aks", "aks", "10.224.0.10").client(
        "laptop-hosts",
        Some("vpn"),
        &[("10.224.0.5", "b.b-zone.privatelink.japaneast.azmk8s.io")],
    )
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
