//! The vocabulary of the fabric: places, links, routes, listeners.

use std::{
    fmt,
    net::{Ipv4Addr, SocketAddrV4},
};

use azure::ResourceId;
use imbl::{OrdMap, OrdSet};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::filter::Filter;
use crate::answer::ViewId;
pub(super) use crate::names::DNS_PORT;

/// The table every packet falls back to.
pub const MAIN_TABLE: u32 = 254;
/// The next hop towards the backbone, the same on every link to it: it is on the link only.
pub const BACKBONE_HOP: Ipv4Addr = Ipv4Addr::new(169, 254, 0, 1);
/// Where connections through private endpoints are accepted, at an address for each endpoint, in the
/// router of the endpoint's network.
pub const API_SERVER_RANGE: (Ipv4Addr, u8) = (Ipv4Addr::new(240, 0, 0, 0), 5);
/// Public DNS, for clients that have no other server (TEST-NET-2, RFC 5737).
pub const PUBLIC_DNS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 53);
/// Where the lab answers for a machine that is to be asked for names while no program there listens.
pub const STAND_IN_PORT: u16 = 9953;
/// Where networks' routers have their addresses in the backbone, and with them all in a network
/// that has no public address. Like the API servers', these are reserved (RFC 1112): neither Azure
/// nor the management plane gives them to anybody.
pub const NETWORK_RANGE: (Ipv4Addr, u8) = (Ipv4Addr::new(248, 0, 0, 0), 8);
/// Where machines outside Azure, gateways and sites have theirs.
pub const HOST_RANGE: (Ipv4Addr, u8) = (Ipv4Addr::new(249, 0, 0, 0), 8);
/// Where the links that steer to appliances have theirs.
pub(super) const STEERING_BASE: Ipv4Addr = Ipv4Addr::new(250, 0, 0, 0);
/// Where networks' routers have theirs on links to peers.
pub(super) const PEERS_BASE: Ipv4Addr = Ipv4Addr::new(251, 0, 0, 0);
/// The hardware address of every router-side link end: the one machines in Azure see.
pub const FABRIC_MAC: [u8; 6] = [0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc];

/// The hardware address of a link end whose neighbour must know it without asking.
pub fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x0d, a, b, c, d]
}

/// A namespace, by what it stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "place", content = "id")]
pub enum Place {
    /// Microsoft's side, and the public Internet.
    Backbone,
    /// The machine of the Internet vantage.
    Internet,
    /// The router of a virtual network.
    Network(ResourceId),
    /// A VPN gateway.
    Gateway(ResourceId),
    /// The router of an on-premises site (a local network gateway).
    Site(ResourceId),
    /// The machine behind a network interface.
    Machine(ResourceId),
    /// Somebody in a subnet, at an address that nobody has: whoever visits it, and the outbound
    /// endpoint of a DNS private resolver.
    Visitor(ResourceId),
    /// A point-to-site client of a gateway.
    VpnClient(ResourceId),
    /// A machine outside Azure.
    Client(ResourceId),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backbone => f.write_str("backbone"),
            Self::Internet => f.write_str("internet"),
            Self::Network(id) => write!(f, "network {}", id.name()),
            Self::Gateway(id) => write!(f, "gateway {}", id.name()),
            Self::Site(id) => write!(f, "site {}", id.name()),
            Self::Machine(id) => write!(f, "machine {}", id.name()),
            Self::Visitor(id) => write!(f, "visitor of {}", id.name()),
            Self::VpnClient(id) => write!(f, "vpn client of {}", id.name()),
            Self::Client(id) => write!(f, "client {}", id.name()),
        }
    }
}

/// The name of a link in its namespace; at most 15 octets, as Linux demands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LinkName(String);

impl LinkName {
    /// # Panics
    /// Never: a longer text is cut.
    pub fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.truncate(15);
        Self(text)
    }

    /// As Linux knows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One end of a veth pair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinkEnd {
    /// Where it is.
    pub place: Place,
    /// What it is called there.
    pub name: LinkName,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Addresses it has, each a /32.
    pub addresses: Vec<Ipv4Addr>,
    /// Who is at the other end, known without asking (permanent neighbours with the other end's
    /// hardware address; each also gets a link-scope route in the main table).
    pub neighbours: Vec<Ipv4Addr>,
}

/// A veth pair; `near` sorts before `far`, so that a pair has one spelling.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Veth {
    /// One end.
    pub near: LinkEnd,
    /// The other.
    pub far: LinkEnd,
}

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RouteTarget {
    /// Out of a link, to the one at its other end.
    Link(LinkName),
    /// Out of a link, through this next hop (which the link knows as a neighbour).
    Via(LinkName, Ipv4Addr),
    /// To this namespace itself (`local … dev lo`).
    Local,
    /// Dropped in silence.
    Blackhole,
    /// This table does not say: the search goes on in the main table.
    Throw,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Route {
    /// The table; every table but the main one is looked up for packets marked with its number.
    pub table: u32,
    /// What it is for.
    pub to: Ipv4Net,
    /// Where it leads.
    pub target: RouteTarget,
}

/// What serves on a socket inside a namespace. The sockets are handed to the lab.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Listener {
    /// A DNS view, UDP and TCP.
    Dns(ViewId),
    /// The instance metadata service, TCP.
    Metadata,
    /// The API servers, TCP, told apart by the local address of the accepted connection.
    ApiServers,
}

/// What one namespace must look like; its links are [`Veth`]s of the fabric.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespace {
    /// Whether it forwards packets that are not its own.
    pub forwarding: bool,
    /// Its routes, beside those of its link ends' neighbours.
    pub routes: OrdSet<Route>,
    /// What it lets pass and translates.
    pub filter: Filter,
    /// Its sockets: an address may serve one listener only.
    pub listeners: OrdMap<SocketAddrV4, Listener>,
}
