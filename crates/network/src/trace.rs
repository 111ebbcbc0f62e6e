//! Explanations as data: what was asked, which way it went, how it ended, each fact with its cause.
//!
//! The serving paths and the explaining paths run the same code; what differs is the [`Recorder`]
//! passed in: [`Silent`] compiles to nothing, a `Vec<Hop>` keeps every step.

use std::net::Ipv4Addr;

use azure::{DnsName, ResourceId, model::Direction};
use serde::Serialize;

use crate::{answer::Answer, disposition::Disposition, route::EffectiveRoute, vantage::Vantage};

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
    /// An inbound endpoint of a DNS private resolver, which answers as 168.63.129.16 does in its
    /// network.
    InboundEndpoint {
        /// The endpoint.
        endpoint: ResourceId,
        /// The network it stands in.
        network: ResourceId,
    },
    /// A DNS server in a site outside Azure, which knows public DNS only.
    SiteServer {
        /// The server.
        address: Ipv4Addr,
        /// The machine.
        machine: ResourceId,
    },
    /// Public DNS.
    PublicDns,
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
    /// A forwarding rule covers the name, so its servers are asked.
    ForwardingRule {
        /// The rule.
        rule: ResourceId,
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
        /// The subnet whose effective route it is; a machine outside Azure has its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        subnet: Option<ResourceId>,
        /// The route.
        #[serde(flatten)]
        route: EffectiveRoute,
    },
    /// A rule of a network security group decided.
    SecurityRule {
        /// The group.
        group: ResourceId,
        /// The rule.
        rule: String,
        /// Which way.
        direction: Direction,
        /// What it decided.
        allowed: bool,
    },
    /// A machine takes what a user-defined route sends it, to pass it on.
    Appliance {
        /// Its interface.
        interface: ResourceId,
        /// Its address.
        address: Ipv4Addr,
    },
    /// The request has arrived; what follows is the way of the reply.
    Reply {
        /// Who replies.
        from: Ipv4Addr,
        /// Whom the reply is for.
        to: Ipv4Addr,
    },
    /// The private endpoint at the destination takes the connection to its service.
    PrivateEndpoint {
        /// The endpoint.
        endpoint: ResourceId,
        /// What it leads to.
        service: ResourceId,
    },
    /// A public address is an interface's.
    PublicAddress {
        /// The public address.
        address: Ipv4Addr,
        /// The interface's own.
        private: Ipv4Addr,
    },
    /// The public address of a cluster takes the connection.
    PublicEndpoint {
        /// The cluster.
        cluster: ResourceId,
    },
}

impl Responder {
    /// Who it is, in words.
    pub fn describe(&self) -> String {
        match self {
            Self::HostsFile => "the hosts file".to_owned(),
            Self::AzureDns { network } => format!("168.63.129.16 in {}", network.name()),
            Self::CustomServer { address, network } => format!("DNS server {address} in {}", network.name()),
            Self::InboundEndpoint { endpoint, network } => {
                format!("inbound endpoint {} in {}", endpoint.name(), network.name())
            }
            Self::SiteServer { address, machine } => format!("DNS server {address} on {}", machine.name()),
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
