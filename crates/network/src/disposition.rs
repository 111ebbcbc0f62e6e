//! How a question of reachability ends, and what a person needs to know about it.

use std::net::Ipv4Addr;

use azure::{
    DnsName, ResourceId,
    model::{ConnectionStatus, Direction},
};
use ipnet::Ipv4Net;
use serde::Serialize;

use crate::trace::Responder;

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
    /// A forwarding rule covers the name and none of its servers answers (`SERVFAIL`).
    ForwarderUnreachable {
        /// The name.
        name: DnsName,
        /// Who was asked and says so.
        responder: Responder,
        /// The rule.
        rule: Option<ResourceId>,
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
    /// A user-defined route with next hop `None` covers the address.
    RouteDrops {
        /// The address.
        to: Ipv4Addr,
        /// What the route is for.
        prefix: Ipv4Net,
        /// The route.
        route: ResourceId,
    },
    /// A user-defined route leads to a gateway and the network has none.
    NoGateway {
        /// The address.
        to: Ipv4Addr,
        /// The route.
        route: Option<ResourceId>,
    },
    /// A user-defined route leads to an appliance that does not pass the packet on.
    NoAppliance {
        /// The address.
        to: Ipv4Addr,
        /// The appliance's address.
        appliance: Ipv4Addr,
        /// Why not.
        why: ApplianceFault,
        /// The route.
        route: Option<ResourceId>,
    },
    /// User-defined routes lead in a circle.
    RoutingLoop {
        /// The address.
        to: Ipv4Addr,
        /// The appliance that has the packet for the second time.
        through: Ipv4Addr,
    },
    /// What an appliance passes on may not go into a peered network.
    ForwardedTrafficRefused {
        /// The address.
        to: Ipv4Addr,
        /// Where the packet comes from.
        source: Ipv4Addr,
        /// The half, in the receiving network, that does not allow forwarded traffic.
        peering: ResourceId,
    },
    /// A network security group denies the flow.
    SecurityRuleDenies {
        /// The address.
        to: Ipv4Addr,
        /// Where the flow comes from.
        source: Ipv4Addr,
        /// The group.
        group: ResourceId,
        /// The rule.
        rule: String,
        /// Which way.
        direction: Direction,
    },
    /// The request arrives and the reply does not come back.
    ReplyLost {
        /// Who replies.
        from: Ipv4Addr,
        /// Whom the reply is for.
        to: Ipv4Addr,
        /// What becomes of it.
        why: Box<Disposition>,
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
    /// The machine at the address, or the one asking, is stopped.
    MachineStopped {
        /// Its interface.
        interface: ResourceId,
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
    /// A DNS server of the platform or of the Internet is there: it takes connections at its own port
    /// and says nothing at any other.
    NameServer {
        /// The address.
        to: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// The public API server does not accept this source address.
    SourceNotAuthorized {
        /// The cluster.
        cluster: ResourceId,
        /// The source address that it sees.
        source: Ipv4Addr,
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

/// Why an appliance passes nothing on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ApplianceFault {
    /// Its address is neither in the network nor in a directly peered one.
    OutOfReach,
    /// No machine has its address.
    NothingThere,
    /// Its interface does not have `enableIPForwarding`.
    NotForwarding,
    /// Its machine is stopped.
    Stopped,
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
            Self::ForwarderUnreachable { name, responder, rule } => {
                let rule = rule.as_ref().map_or_else(|| "a rule".to_owned(), rule_name);
                format!("{} has no answer for {name} (SERVFAIL): no server of {rule} answers", responder.describe())
            }
            Self::AliasLoop { name } => format!("the aliases of {name} do not end"),
            Self::NoRoute { to } => format!("no route leads to {to} from here"),
            Self::RouteDrops { to, prefix, route } => {
                format!("{} drops what goes to {prefix}, and so to {to}", route_name(route))
            }
            Self::NoGateway { to, route } => {
                let route = route.as_ref().map_or_else(|| "a route".to_owned(), route_name);
                format!("{route} sends what goes to {to} to a virtual network gateway, and there is none")
            }
            Self::NoAppliance { to, appliance, why, route } => {
                let route = route.as_ref().map_or_else(|| "a route".to_owned(), route_name);
                let why = match why {
                    ApplianceFault::OutOfReach => "is neither in this network nor in a directly peered one",
                    ApplianceFault::NothingThere => "is no machine's address",
                    ApplianceFault::Stopped => "is a machine that is stopped",
                    ApplianceFault::NotForwarding => "is a machine whose interface does not have IP forwarding enabled",
                };
                format!("{route} sends what goes to {to} through {appliance}, which {why}")
            }
            Self::RoutingLoop { to, through } => {
                format!("user-defined routes send what goes to {to} in a circle through {through}")
            }
            Self::ForwardedTrafficRefused { to, source, peering } => {
                let network = peering.parent();
                format!(
                    "peering {} of {} does not allow forwarded traffic, such as from {source} to {to}",
                    peering.name(),
                    network.as_ref().map_or("", ResourceId::name)
                )
            }
            Self::SecurityRuleDenies { to, source, group, rule, direction } => {
                let direction = match direction {
                    Direction::Inbound => "inbound",
                    Direction::Outbound => "outbound",
                };
                let group = group.name();
                format!("{direction} rule {rule} of network security group {group} denies {source} to {to}")
            }
            Self::ReplyLost { from, to, why } => {
                format!("the request arrives, but the reply from {from} to {to} is lost: {}", why.sentence())
            }
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
            Self::MachineStopped { interface } => {
                format!("the virtual machine behind network interface {} is stopped", interface.name())
            }
            Self::ClusterStopped { cluster } => format!("cluster {} is stopped", cluster.name()),
            Self::PortClosed { to, port } => format!("nothing listens on port {port} of {to}"),
            Self::NameServer { to, .. } => format!("{to} is a DNS server: it answers names and nothing else"),
            Self::SourceNotAuthorized { cluster, source } => {
                format!("the authorized IP ranges of cluster {} do not include {source}", cluster.name())
            }
            Self::NoVantage => "this vantage does not exist".to_owned(),
        }
    }
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

fn route_name(id: &ResourceId) -> String {
    let table = id.parent();
    format!("route {} of route table {}", id.name(), table.as_ref().map_or("", ResourceId::name))
}

fn rule_name(id: &ResourceId) -> String {
    let ruleset = id.parent();
    format!("rule {} of forwarding ruleset {}", id.name(), ruleset.as_ref().map_or("", ResourceId::name))
}
