//! Every cluster of the lab, a line each.

use azure::{DnsName, ResourceId};
use network::Network;

use super::has_words;

/// A cluster in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The cluster.
    pub id: ResourceId,
    /// Its region.
    pub location: String,
    /// `kubernetesVersion`.
    pub version: String,
    /// `provisioningState`.
    pub provisioning: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether its API server is private.
    pub private: bool,
    /// What is shown as "API server address".
    pub shown: Option<DnsName>,
}

/// The clusters whose names, groups or addresses have every word of `search`.
pub fn list(network: &Network, search: &str) -> Vec<Line> {
    let line = |cluster: &std::sync::Arc<network::Cluster>| {
        let estate = network.estate();
        let shown = explain::question::shown(cluster).0.cloned();
        let text = format!("{} {}", cluster.id, shown.as_ref().map_or("", DnsName::as_str));
        if !has_words(&text, search) {
            return None;
        }
        let document = estate.get(&cluster.id)?.document().value();
        Some(Line {
            id: cluster.id.clone(),
            location: document["location"].as_str().unwrap_or_default().to_owned(),
            version: estate.managed_cluster(&cluster.id)?.kubernetes_version.clone(),
            provisioning: super::provisioning(&document),
            running: cluster.running,
            private: cluster.private,
            shown,
        })
    };
    network.clusters().values().filter_map(line).collect()
}
