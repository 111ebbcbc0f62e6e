//! What a running lab tells its own command line: where it listens and the key to its controls.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The contents of `running.json`, readable by the lab's owner only.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Running {
    /// The lab's process id.
    pub(crate) pid: u32,
    /// Where ARM, Entra ID and the lab's controls listen: `https://localhost:<port>`.
    pub(crate) url: String,
    /// Bearer token of the lab's controls.
    pub(crate) control_token: String,
    /// The lab's facts that clients need to sign in.
    pub(crate) sign_in: SignIn,
}

/// How a client signs in to the lab.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignIn {
    /// The tenant.
    pub(crate) tenant: String,
    /// The subscription.
    pub(crate) subscription: String,
    /// The service principal's application id.
    pub(crate) client_id: String,
    /// Its secret.
    pub(crate) client_secret: String,
    /// The secret of the managed-identity endpoint.
    pub(crate) identity_secret: String,
}

/// The lab's state as `noren status` shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Status {
    /// noren's version.
    pub(crate) version: String,
    /// The lab's process id.
    pub(crate) pid: u32,
    /// Where its data lies; absent for an ephemeral lab.
    pub(crate) data: Option<String>,
    /// The data plane: how clients get at a vantage.
    pub(crate) plane: PlaneStatus,
    /// The VPN servers of gateways that take point-to-site clients.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) vpn_servers: Vec<VpnServerStatus>,
    /// Where ARM listens.
    pub(crate) arm: String,
    /// The estate's revision.
    pub(crate) revision: u64,
    /// How many resources there are.
    pub(crate) resources: usize,
    /// The DNS views.
    pub(crate) views: Vec<ViewStatus>,
    /// The vantages.
    pub(crate) vantages: Vec<VantageStatus>,
    /// The clusters.
    pub(crate) clusters: Vec<ClusterStatus>,
    /// What is broken or not modelled.
    pub(crate) findings: Vec<serde_json::Value>,
}

/// A data plane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlaneStatus {
    /// `kernel` or `proxy`.
    pub(crate) name: String,
    /// Why it is not the kernel's, or not yet.
    pub(crate) why: Option<String>,
    /// What this machine does not let it do, and what to do about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lacks: Vec<String>,
}

impl PlaneStatus {
    /// Packets pass through network namespaces.
    pub(crate) const KERNEL: &str = "kernel";
    /// Connections pass through the vantages' proxies.
    pub(crate) const PROXY: &str = "proxy";

    /// A plane by its name.
    pub(crate) fn new(name: &str, why: Option<String>) -> Self {
        Self { name: name.to_owned(), why, lacks: Vec::new() }
    }
}

/// The VPN server of a gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VpnServerStatus {
    /// The gateway's name.
    pub(crate) gateway: String,
    /// The public address that clients connect to.
    pub(crate) address: Option<Ipv4Addr>,
    /// Why no server runs.
    pub(crate) why: Option<String>,
}

/// Who asks how to stand where.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StandRequest {
    /// The vantage, by any of its names.
    pub(crate) vantage: String,
}

/// The way into the portal.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PortalLink {
    /// Lets one browser in, once.
    pub(crate) url: String,
}

/// How to stand at a vantage.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "plane")]
pub(crate) enum Stand {
    /// In the namespace of the machine there.
    #[cfg(target_os = "linux")]
    Kernel {
        /// The way in.
        entrance: netns::Entrance,
        /// What it reads about names.
        files: netns::ClientFiles,
    },
    /// Behind the vantage's proxy.
    Proxy {
        /// Why not in a namespace.
        why: String,
    },
}

/// Where packets are seen.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Lookout {
    /// Where one has to stand.
    pub(crate) stand: Stand,
    /// Whose packets are meant, if not everybody's there: an endpoint's.
    pub(crate) address: Option<Ipv4Addr>,
}

/// A DNS view.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ViewStatus {
    /// `public` or the virtual network's name.
    pub(crate) name: String,
    /// The virtual network.
    pub(crate) network: Option<String>,
    /// Where it listens, UDP and TCP.
    pub(crate) address: SocketAddr,
}

/// A vantage.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VantageStatus {
    /// The short name.
    pub(crate) name: String,
    /// What kind of place it is.
    pub(crate) kind: String,
    /// The resource it stands at.
    pub(crate) id: Option<String>,
    /// Its SOCKS5 and HTTP CONNECT listener.
    pub(crate) proxy: SocketAddr,
    /// Who answers its names, in words.
    pub(crate) names: String,
    /// Where those answers come from, on this machine.
    pub(crate) dns: Option<SocketAddr>,
    /// Its hosts file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) hosts: Vec<(String, String)>,
}

/// A cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClusterStatus {
    /// The cluster's name.
    pub(crate) name: String,
    /// Its resource group.
    pub(crate) group: String,
    /// `Running` or `Stopped`.
    pub(crate) power: String,
    /// `fqdn`.
    pub(crate) fqdn: Option<String>,
    /// `privateFQDN`.
    pub(crate) private_fqdn: Option<String>,
    /// The address its names have.
    pub(crate) address: Option<String>,
    /// Its control plane, where that is not the embedded one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) control_plane: Option<String>,
}
