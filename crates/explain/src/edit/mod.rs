//! Edits: changes of an estate as people think of them. Each knows the resource changes that it
//! stands for, what Azure would refuse, and the commands that make it.
//!
//! `fix` proposes them, `--what-if` tries them.

mod command;
mod commands;
mod documents;
mod refusal;
mod room;

use std::net::Ipv4Addr;

use azure::{Change, DnsName, Estate, ResourceId};

pub use command::{Command, Tool, az_kinds};
pub(crate) use command::{in_group, quoted};
pub(crate) use commands::hosts_line;

/// A change of an estate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Links a private DNS zone to a network.
    Link {
        /// The zone.
        zone: ResourceId,
        /// The network.
        network: ResourceId,
    },
    /// Removes a link.
    Unlink {
        /// The link.
        link: ResourceId,
    },
    /// Makes a private DNS zone in the resource group of another resource.
    MakeZone {
        /// The zone.
        zone: ResourceId,
    },
    /// Makes a zone say an address for a name.
    Record {
        /// The zone.
        zone: ResourceId,
        /// The name, which lies in the zone.
        name: DnsName,
        /// The address.
        address: Ipv4Addr,
    },
    /// Peers two networks, both halves; a half that exists is completed.
    Peer {
        /// One network.
        a: ResourceId,
        /// The other one.
        b: ResourceId,
    },
    /// Removes both halves of a peering.
    Unpeer {
        /// One network.
        a: ResourceId,
        /// The other one.
        b: ResourceId,
    },
    /// Lets `spoke` use the gateway of `hub` over their peering.
    Transit {
        /// The network with the gateway.
        hub: ResourceId,
        /// The network that is to be reached through it.
        spoke: ResourceId,
    },
    /// Lets a half of a peering take what an appliance passes on.
    AcceptForwarded {
        /// The half.
        peering: ResourceId,
    },
    /// Enables or disables the public FQDN of a private cluster.
    PublicFqdn {
        /// The cluster.
        cluster: ResourceId,
        /// Whether there is to be one.
        enabled: bool,
    },
    /// Starts a cluster.
    Start {
        /// The cluster.
        cluster: ResourceId,
    },
    /// Stops a cluster: its name and its endpoint go.
    Stop {
        /// The cluster.
        cluster: ResourceId,
    },
    /// Adds a range to those authorized at a public API server.
    Authorize {
        /// The cluster.
        cluster: ResourceId,
        /// The source address.
        source: Ipv4Addr,
    },
    /// Approves a private endpoint's connection.
    Approve {
        /// The endpoint.
        endpoint: ResourceId,
    },
    /// Makes a private endpoint to a cluster.
    MakeEndpoint {
        /// The cluster.
        cluster: ResourceId,
        /// The subnet.
        subnet: ResourceId,
    },
    /// Allows TCP 443 between two addresses, before the rule that denies it.
    Allow {
        /// The network security group.
        group: ResourceId,
        /// Whether the flow comes in, seen from the interface.
        inbound: bool,
        /// Where it comes from.
        source: Ipv4Addr,
        /// Where it goes.
        destination: Ipv4Addr,
    },
    /// Removes a route from its table.
    RemoveRoute {
        /// The route.
        route: ResourceId,
    },
    /// Lets an interface pass on what is not for it.
    Forwarding {
        /// The interface.
        interface: ResourceId,
    },
    /// Starts a virtual machine.
    StartMachine {
        /// The machine.
        machine: ResourceId,
    },
    /// Sets the DNS servers of a network; none means Azure-provided DNS.
    DnsServers {
        /// The network.
        network: ResourceId,
        /// The servers.
        servers: Vec<Ipv4Addr>,
    },
    /// Makes a DNS private resolver with an inbound endpoint in a network.
    MakeResolver {
        /// The network.
        network: ResourceId,
    },
    /// Sets the DNS servers of a machine outside Azure.
    ClientDns {
        /// The machine.
        client: ResourceId,
        /// The servers.
        servers: Vec<Ipv4Addr>,
    },
    /// Puts a line into the hosts file of a machine outside Azure.
    Hosts {
        /// The machine.
        client: ResourceId,
        /// The name.
        name: DnsName,
        /// Its address.
        address: Ipv4Addr,
    },
}

/// Why an edit cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no such resource, or it is not of the kind that the edit is about.
    #[error("there is no {kind} `{id}`")]
    Missing {
        /// What was looked for.
        kind: &'static str,
        /// Under which id.
        id: ResourceId,
    },
    /// Azure would refuse.
    #[error("Azure refuses that: {0}")]
    Refused(String),
}

impl Edit {
    /// The changes of `estate` that this edit stands for.
    ///
    /// # Errors
    /// When what it is about does not exist, or Azure would refuse it.
    pub fn changes(&self, estate: &Estate) -> Result<Vec<Change>, EditError> {
        refusal::check(self, estate)?;
        documents::changes(self, estate)
    }

    /// The estate after this edit, with the ids of what changed.
    ///
    /// # Errors
    /// Those of [`Edit::changes`].
    pub fn apply(&self, estate: &Estate) -> Result<(Estate, Vec<ResourceId>), EditError> {
        let changes = self.changes(estate)?;
        let ids = changes.iter().map(|change| change.id().clone()).collect();
        Ok((estate.apply(estate.revision() + 1, &changes), ids))
    }

    /// The edit in words, in the imperative: "link zone x to y".
    pub fn describe(&self) -> String {
        match self {
            Self::Link { zone, network } => format!("link zone {} to {}", zone.name(), network.name()),
            Self::Unlink { link } => format!("remove link {} from zone {}", link.name(), parent_name(link)),
            Self::MakeZone { zone } => format!("make private DNS zone {}", zone.name()),
            Self::Record { zone, name, address } => format!("make zone {} say {address} for {name}", zone.name()),
            Self::Peer { a, b } => format!("peer {} with {}, both halves", a.name(), b.name()),
            Self::Unpeer { a, b } => format!("remove the peering of {} with {}", a.name(), b.name()),
            Self::Transit { hub, spoke } => format!("let {} use the VPN gateway of {}", spoke.name(), hub.name()),
            Self::AcceptForwarded { peering } => {
                format!("allow forwarded traffic at peering {} of {}", peering.name(), parent_name(peering))
            }
            Self::PublicFqdn { cluster, enabled: true } => format!("enable the public FQDN of {}", cluster.name()),
            Self::PublicFqdn { cluster, enabled: false } => format!("disable the public FQDN of {}", cluster.name()),
            Self::Start { cluster } => format!("start cluster {}", cluster.name()),
            Self::Stop { cluster } => format!("stop cluster {}", cluster.name()),
            Self::Authorize { cluster, source } => format!("authorize {source} at {}", cluster.name()),
            Self::Approve { endpoint } => format!("approve the connection of private endpoint {}", endpoint.name()),
            Self::MakeEndpoint { cluster, subnet } => {
                format!("make a private endpoint to {} in {}/{}", cluster.name(), parent_name(subnet), subnet.name())
            }
            Self::Allow { group, inbound, source, destination } => {
                let way = if *inbound { "inbound" } else { "outbound" };
                format!("allow {source} to {destination}, TCP 443, {way} in network security group {}", group.name())
            }
            Self::RemoveRoute { route } => format!("remove route {} from table {}", route.name(), parent_name(route)),
            Self::Forwarding { interface } => format!("enable IP forwarding at interface {}", interface.name()),
            Self::StartMachine { machine } => format!("start virtual machine {}", machine.name()),
            Self::DnsServers { network, servers } if servers.is_empty() => {
                format!("let {} use Azure-provided DNS", network.name())
            }
            Self::DnsServers { network, servers } => format!("let {} ask {}", network.name(), list(servers)),
            Self::MakeResolver { network } => format!("make a DNS private resolver in {}", network.name()),
            Self::ClientDns { client, servers } => format!("let {} ask {}", client.name(), list(servers)),
            Self::Hosts { client, name, address } => {
                format!("put `{address} {name}` into the hosts file of {}", client.name())
            }
        }
    }
}

fn parent_name(id: &ResourceId) -> String {
    id.parent().map_or_else(String::new, |parent| parent.name().to_owned())
}

fn list(servers: &[Ipv4Addr]) -> String {
    servers.iter().map(Ipv4Addr::to_string).collect::<Vec<_>>().join(", ")
}

/// The address that the inbound endpoint of a resolver made by [`Edit::MakeResolver`] gets; `None`
/// when the network has no room for its subnet.
pub(crate) fn resolver_address(estate: &Estate, network: &ResourceId) -> Option<Ipv4Addr> {
    documents::free_subnet(estate, network).map(azure::addressing::first_usable)
}
