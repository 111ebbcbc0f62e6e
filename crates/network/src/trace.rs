//! Explanations as data: what was asked, which way it went, how it ended, each fact with its cause.
//!
//! The serving paths and the explaining paths run the same code; what differs is the [`Recorder`]
//! passed in: [`Silent`] compiles to nothing, a `Vec<Hop>` keeps every step.

use std::net::Ipv4Addr;

use azure::{DnsName, ResourceId, model::ConnectionStatus};
use ipnet::Ipv4Net;
use serde::Serialize;

use crate::{answer::Answer, vantage::Vantage};

/// Takes the steps of a question as they happen.
pub trait Recorder {
    /// One step; `hop` is only called by recorders that keep it.
    fn record(&mut self, hop: impl FnOnce() -> Hop);
}

/// A recorder that keeps nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Recorder for Silent {
    #[inline]
    fn record(&mut self, _hop: impl FnOnce() -> Hop) {}
}

impl Recorder for Vec<Hop> {
    fn record(&mut self, hop: impl FnOnce() -> Hop) {
        self.push(hop());
    }
}

/// Who answers a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum Responder {
    /// The machine's own hosts file.
    HostsFile,
    /// Azure-provided DNS, 168.63.129.16, as seen from a virtual network.
    AzureDns {
        /// The network.
        network: ResourceId,
    },
    /// A custom DNS server on a machine of a virtual network, which forwards to that network's
    /// Azure-provided DNS.
    CustomServer {
        /// The server.
        address: Ipv4Addr,
        /// The network the server stands in.
        network: ResourceId,
    },
    /// Public DNS.
    PublicDns,
}

/// Where a packet goes next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "kind")]
pub enum NextHop {
    /// Stays in the virtual network.
    VirtualNetwork {
        /// The network.
        network: ResourceId,
    },
    /// Into a peered virtual network.
    Peering {
        /// The half on this side.
        peering: ResourceId,
        /// The network on the other side.
        network: ResourceId,
    },
    /// Through a VPN gateway.
    Gateway {
        /// The gateway.
        gateway: ResourceId,
    },
    /// To the Internet.
    Internet,
    /// Nowhere: the system route for private address ranges.
    None,
}

/// One step on the way to an answer or a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "step")]
pub enum Hop {
    /// The hosts file has the name.
    HostsEntry {
        /// The name.
        name: DnsName,
        /// Its address.
        address: Ipv4Addr,
    },
    /// A DNS server is asked.
    Ask {
        /// Who.
        responder: Responder,
    },
    /// A configured DNS server cannot be asked.
    ServerUnreachable {
        /// Which.
        address: Ipv4Addr,
    },
    /// The name lies in a private zone linked to the network, so that zone answers.
    LinkedZone {
        /// The zone.
        zone: ResourceId,
        /// The link that made the network ask it.
        link: ResourceId,
    },
    /// No linked zone covers the name, so public DNS answers.
    NoLinkedZone {
        /// The network without such a link.
        network: ResourceId,
    },
    /// The linked zone has no such name and its link says to ask public DNS (`NxDomainRedirect`).
    RedirectedToPublic {
        /// The link.
        link: ResourceId,
    },
    /// An alias: the search goes on with its target.
    Alias {
        /// The alias.
        name: DnsName,
        /// What it stands for.
        target: DnsName,
    },
    /// The name has these addresses.
    Addresses {
        /// The name asked last.
        name: DnsName,
        /// Its addresses.
        addresses: Vec<Ipv4Addr>,
    },
    /// A route matched.
    Route {
        /// The destination.
        to: Ipv4Addr,
        /// The prefix that matched.
        prefix: Ipv4Net,
        /// Where it leads.
        next_hop: NextHop,
    },
    /// The private endpoint at the destination takes the connection to its service.
    PrivateEndpoint {
        /// The endpoint.
        endpoint: ResourceId,
        /// What it leads to.
        service: ResourceId,
    },
    /// The public address of a cluster takes the connection.
    PublicEndpoint {
        /// The cluster.
        cluster: ResourceId,
    },
}

/// How a question of reachability ends: a closed set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", tag = "disposition")]
pub enum Disposition {
    /// The connection reaches this cluster's API server.
    Connected {
        /// The cluster.
        cluster: ResourceId,
        /// The address connected to.
        address: Ipv4Addr,
    },
    /// The name does not exist where this vantage asks.
    NameNotFound {
        /// The name.
        name: DnsName,
        /// Who said so.
        responder: Responder,
    },
    /// The name exists and has no IPv4 address.
    NoAddress {
        /// The name.
        name: DnsName,
    },
    /// No configured DNS server can be reached.
    NoResolver {
        /// The servers tried.
        servers: Vec<Ipv4Addr>,
    },
    /// The alias chain does not end.
    AliasLoop {
        /// The name asked.
        name: DnsName,
    },
    /// Nothing routes to the address from here.
    NoRoute {
        /// The address.
        to: Ipv4Addr,
    },
    /// A peering covers the address but does not carry traffic.
    PeeringBlocks {
        /// The address.
        to: Ipv4Addr,
        /// The half that is missing its partner or disallows access.
        peering: ResourceId,
        /// Why.
        why: PeeringFault,
    },
    /// Nothing is at the address.
    NothingThere {
        /// The address.
        to: Ipv4Addr,
    },
    /// The private endpoint's connection is not approved.
    EndpointNotApproved {
        /// The endpoint.
        endpoint: ResourceId,
        /// Its state.
        #[serde(serialize_with = "status_text")]
        status: ConnectionStatus,
    },
    /// The cluster is stopped.
    ClusterStopped {
        /// The cluster.
        cluster: ResourceId,
    },
    /// A machine or service is there and does not listen on the port.
    PortClosed {
        /// The address.
        to: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// The public API server does not accept this source address.
    SourceNotAuthorized {
        /// The cluster.
        cluster: ResourceId,
    },
    /// The vantage itself no longer exists or has no address.
    NoVantage,
}

/// Why a peering carries nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum PeeringFault {
    /// The other half does not exist.
    OneSided,
    /// A half has `allowVirtualNetworkAccess: false`.
    AccessDisallowed,
}

impl Disposition {
    /// Whether the client gets its connection.
    pub fn is_connected(&self) -> bool {
        matches!(self, Self::Connected { .. })
    }

    /// The outcome in one line, for people.
    pub fn sentence(&self) -> String {
        match self {
            Self::Connected { cluster, address } => format!("connected to cluster {} at {address}", cluster.name()),
            Self::NameNotFound { name, responder } => {
                format!("{} has no name {name} (NXDOMAIN)", responder.describe())
            }
            Self::NoAddress { name } => format!("{name} exists but has no IPv4 address"),
            Self::NoResolver { servers } => {
                let servers: Vec<String> = servers.iter().map(Ipv4Addr::to_string).collect();
                format!("no configured DNS server can be reached ({})", servers.join(", "))
            }
            Self::AliasLoop { name } => format!("the aliases of {name} do not end"),
            Self::NoRoute { to } => format!("no route leads to {to} from here"),
            Self::PeeringBlocks { to, peering, why } => {
                let why = match why {
                    PeeringFault::OneSided => "has no other half",
                    PeeringFault::AccessDisallowed => "does not allow virtual network access",
                };
                format!("{to} lies behind peering {}, which {why}", peering.name())
            }
            Self::NothingThere { to } => format!("nothing is at {to}"),
            Self::EndpointNotApproved { endpoint, status } => {
                format!("the connection of private endpoint {} is {}", endpoint.name(), status_name(*status))
            }
            Self::ClusterStopped { cluster } => format!("cluster {} is stopped", cluster.name()),
            Self::PortClosed { to, port } => format!("nothing listens on port {port} of {to}"),
            Self::SourceNotAuthorized { cluster } => {
                format!("the authorized IP ranges of cluster {} do not include this client", cluster.name())
            }
            Self::NoVantage => "this vantage does not exist".to_owned(),
        }
    }
}

impl Responder {
    /// Who it is, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::HostsFile => "the hosts file".to_owned(),
            Self::AzureDns { network } => format!("168.63.129.16 in {}", network.name()),
            Self::CustomServer { address, network } => format!("DNS server {address} in {}", network.name()),
            Self::PublicDns => "public DNS".to_owned(),
        }
    }
}

/// What became of a name: the answer and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The answer.
    pub answer: Answer,
    /// Who gave it.
    pub responder: Responder,
}

/// One question of reachability, answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// Who asked.
    pub vantage: Vantage,
    /// What for: a name or an address, and a port.
    pub target: String,
    /// The way, step by step.
    pub hops: Vec<Hop>,
    /// How it ended.
    #[serde(flatten)]
    pub disposition: Disposition,
}

fn status_name(status: ConnectionStatus) -> &'static str {
    match status {
        ConnectionStatus::Approved => "Approved",
        ConnectionStatus::Pending => "Pending",
        ConnectionStatus::Rejected => "Rejected",
        ConnectionStatus::Disconnected => "Disconnected",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn status_text<S: serde::Serializer>(status: &ConnectionStatus, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(status_name(*status))
}
