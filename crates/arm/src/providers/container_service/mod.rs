//! `Microsoft.ContainerService`: managed clusters and their agent pools.
//!
//! `cluster` is the heart: a cluster is read, changed and realised there. Around it, one file for
//! each question: who may reach it (`access`), where its nodes stand (`placement`), how it is
//! reached privately (`private_access`), what it is called (`naming`), what is refused (`refusal`).

mod access;
mod agent_pools;
mod cluster;
mod connections;
mod documents;
mod fields;
mod identity;
mod keys;
mod kubeconfig;
mod managed_clusters;
mod naming;
mod node_resources;
mod nodes;
mod placement;
mod pool;
mod private_access;
mod profile;
mod refusal;
mod site;
mod state;
mod versions;

pub use agent_pools::AgentPools;
pub use connections::PrivateEndpointConnections;
pub use managed_clusters::ManagedClusters;
pub use nodes::{Node, certificate_names, nodes};
pub use state::{Access, Credentials, credentials, incarnation};

/// `GET …/locations/L/kubernetesVersions`: every region offers the same.
pub(super) fn kubernetes_versions() -> serde_json::Value {
    versions::kubernetes_versions()
}
