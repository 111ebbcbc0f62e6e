//! What the service knows of a cluster or an agent pool and does not show: the hidden documents.
//!
//! Never part of a reply. [`Credentials`] holds private keys, redacted in its `Debug`.

use std::net::Ipv4Addr;

use azure::{Resource, ResourceId};
use pki::{AuthorityPem, Identity, Redacted};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// The hidden document of a cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ClusterState {
    /// Unique for this incarnation: a cluster deleted and made again has another.
    pub(super) uid: String,
    /// The `<8>` in the cluster's FQDNs.
    pub(super) hash: String,
    /// The eight digits in the names of nodes and of the network AKS makes.
    pub(super) digits: String,
    /// The 32 hexadecimal digits of a private cluster's portal FQDN.
    pub(super) portal_hash: String,
    /// Address of a public cluster's API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) public_address: Option<Ipv4Addr>,
    /// The zone that holds the cluster's `A` record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) zone: Option<ResourceId>,
    /// The virtual network link that AKS made in that zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) link: Option<ResourceId>,
    /// The private endpoint's address, also while the cluster is stopped and has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) endpoint_address: Option<Ipv4Addr>,
    /// When the cluster was stopped, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) stopped_at: Option<String>,
    /// Keys and tokens.
    pub(super) credentials: Credentials,
}

impl ClusterState {
    /// The state of a cluster that this provider made.
    pub(super) fn of(cluster: &Resource) -> Option<Self> {
        serde_json::from_str(cluster.hidden().text()).ok()
    }

    /// The hidden document.
    pub(super) fn document(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({}))
    }
}

/// The hidden document of an agent pool.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PoolState {
    /// The subnet the nodes stand in, also where AKS chose it and does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) subnet: Option<ResourceId>,
    /// The nodes' addresses, in the order of the nodes.
    #[serde(default)]
    pub(super) addresses: Vec<Ipv4Addr>,
    /// When the nodes were made, seconds since 1970, in the order of the nodes.
    #[serde(default)]
    pub(super) born: Vec<i64>,
    /// How many addresses of the subnet the pool may come to need: all nodes it may have, nodes
    /// that an upgrade adds for a while, and with classic Azure CNI all their pods.
    #[serde(default)]
    pub(super) reserved: u64,
}

impl PoolState {
    /// The state of a pool.
    pub(super) fn of(pool: &Resource) -> Self {
        serde_json::from_str(pool.hidden().text()).unwrap_or_default()
    }

    /// The hidden document.
    pub(super) fn document(&self) -> Value {
        serde_json::to_value(self).unwrap_or_else(|_| json!({}))
    }
}

/// The keys and tokens of one cluster, as its API server and its kubeconfigs need them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    /// The cluster's own certificate authority.
    pub authority: AuthorityPem,
    /// What `listClusterUserCredential` hands out.
    pub user: Access,
    /// What `listClusterAdminCredential` hands out.
    pub admin: Access,
}

/// The two ways one user is known to the API server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The client certificate, issued by [`Credentials::authority`].
    pub certificate: Identity,
    /// The bearer token.
    pub token: Redacted<String>,
}

/// The keys and tokens of a managed cluster; `None` for what is none.
pub fn credentials(cluster: &Resource) -> Option<Credentials> {
    ClusterState::of(cluster).map(|state| state.credentials)
}

/// The id of this incarnation of a managed cluster: whoever keeps things for a cluster throws
/// them away when it changes.
pub fn incarnation(cluster: &Resource) -> Option<String> {
    ClusterState::of(cluster).map(|state| state.uid)
}
