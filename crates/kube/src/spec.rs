//! What a cluster is to its API server: decided elsewhere, served here.

use std::net::IpAddr;

use pki::{AuthorityPem, Redacted};

/// One cluster, as the assembly wants it served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSpec {
    /// Unique among all clusters that ever were, lower case: the place of its objects in the store.
    pub id: String,
    /// The cluster's name.
    pub name: String,
    /// The Kubernetes version, `1.33.2`.
    pub version: String,
    /// The nodes it has.
    pub nodes: Vec<NodeSpec>,
    /// The DNS names its certificate is for.
    pub certificate_names: Vec<String>,
    /// The addresses its certificate is for.
    pub certificate_addresses: Vec<IpAddr>,
    /// The authority that signs its certificate and its clients'.
    pub authority: AuthorityPem,
    /// Who may come in by a token.
    pub tokens: Vec<TokenUser>,
    /// Where services get their addresses, `10.0.0.0/16`.
    pub service_cidr: String,
}

/// A node of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// The node's name.
    pub name: String,
    /// Its agent pool.
    pub pool: String,
    /// `System` or `User`.
    pub mode: String,
    /// Its address.
    pub internal_ip: IpAddr,
    /// Its size.
    pub vm_size: String,
    /// What it has.
    pub capacity: Capacity,
    /// When it was made; `None` if nobody noted that.
    pub born: Option<jiff::Timestamp>,
    /// Its region.
    pub region: String,
    /// Its zone, if it has one.
    pub zone: Option<String>,
    /// `linux` or `windows`.
    pub os: String,
    /// The kubelet's version, `1.33.2`.
    pub version: String,
    /// Its image.
    pub node_image_version: String,
    /// The node resource group.
    pub node_resource_group: String,
    /// Labels its pool gives it.
    pub labels: Vec<(String, String)>,
    /// Taints its pool gives it, `key=value:effect`.
    pub taints: Vec<String>,
}

/// What a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// The disk of its operating system in GiB.
    pub disk_gib: u32,
    /// The most pods it may run.
    pub pods: u32,
}

/// A bearer token and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUser {
    /// The token.
    pub token: Redacted<String>,
    /// The user's name.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
}
