//! What namespaces let pass and translate, in terms of the model. `netns` spells it in nftables.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{Ipv4Addr, SocketAddrV4},
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::types::LinkName;

/// A network security group's rules of one direction, as one subnet sees them (service tags depend
/// on the subnet): unique in a filter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GroupId(pub String);

/// A rule of a group, for packets: the first one that matches decides, and one always does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PacketRule {
    /// `None` for every protocol.
    pub protocol: Option<Protocol>,
    /// Where it comes from.
    pub sources: Addresses,
    /// Source ports, from and to; empty for all.
    pub source_ports: Vec<(u16, u16)>,
    /// Where it goes to, as the sender wrote it (before an endpoint translates it).
    pub destinations: Addresses,
    /// Destination ports, from and to; empty for all.
    pub ports: Vec<(u16, u16)>,
    /// Whether it passes.
    pub allow: bool,
}

impl PacketRule {
    /// Nothing passes.
    pub(super) const DENY_ALL: Self = Self {
        protocol: None,
        sources: Addresses::Any,
        source_ports: Vec::new(),
        destinations: Addresses::Any,
        ports: Vec::new(),
        allow: false,
    };
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the protocol of that name")]
pub enum Protocol {
    Tcp,
    Udp,
    Icmp,
    Esp,
    Ah,
}

/// A set of addresses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addresses {
    /// All.
    Any,
    /// Those in one of the prefixes.
    In(Vec<Ipv4Net>),
    /// Those in none of the prefixes.
    NotIn(Vec<Ipv4Net>),
}

/// What a namespace lets pass and translates.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Filter {
    /// Everything, nothing.
    #[default]
    None,
    /// A virtual network's router.
    Router(Box<RouterFilter>),
    /// The backbone.
    Backbone(BackboneFilter),
    /// A VPN gateway or the router of a site.
    Gateway(GatewayFilter),
    /// A machine that is to be asked for names.
    NameServer(NameServerFilter),
}

/// A router's filter. Everything that is not said to pass is dropped in silence; no error message
/// of the router's own gets out, save what path MTU discovery needs.
///
/// A packet meets, in this order: its link's table; whether it may have its source (peers' flows
/// that are known are not asked again); unless its flow is known, the groups of its sender and of
/// the endpoint it is for, none of which see [`dns`](Self::dns) and [`metadata`](Self::metadata); translation into an endpoint or to
/// the machine behind a public address; for what goes to or comes from an API server, which stands here,
/// whether the flow's endpoint still leads there, whatever the flow's age; for all else, unless its
/// flow is known, whether the one link leads to the other, and the groups of its receiver; translation
/// of its source. Groups do
/// not see TCP resets: they begin nothing, and the first one ends its flow. At an interface that
/// forwards a flow that is not its own is known, and a reset passes, only if its request passed there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RouterFilter {
    /// The link to the backbone.
    pub backbone: Option<LinkName>,
    /// Links to machines.
    pub interfaces: BTreeMap<LinkName, InterfaceFilter>,
    /// Links to peered networks (also those that only steer to an appliance).
    pub peers: BTreeMap<LinkName, PeerFilter>,
    /// The link to the network's gateway.
    pub gateway: Option<LinkName>,
    /// The routing table that packets arriving by a link follow; others follow the main table.
    pub tables: BTreeMap<LinkName, u32>,
    /// Private endpoints that lead somewhere.
    pub endpoints: BTreeMap<Ipv4Addr, Endpoint>,
    /// Endpoints, private and inbound, that packets marked with this table do not enter here, since a
    /// route of the table leads them elsewhere.
    pub bypassed: BTreeSet<(u32, Ipv4Addr)>,
    /// The public addresses of machines: (public, private).
    pub public: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// The source address of everything else that goes out to the backbone.
    pub outbound: Option<Ipv4Addr>,
    /// Addresses where Azure-provided DNS answers machines only (168.63.129.16).
    pub dns: BTreeSet<Ipv4Addr>,
    /// Addresses where the instance metadata service answers machines only (169.254.169.254).
    pub metadata: BTreeSet<Ipv4Addr>,
    /// Addresses where a DNS private resolver answers whoever gets there, with the groups that see
    /// what is asked.
    pub inbound_endpoints: BTreeMap<Ipv4Addr, Vec<GroupId>>,
    /// The rules of every group used here.
    pub groups: BTreeMap<GroupId, Vec<PacketRule>>,
}

/// A private endpoint that leads somewhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The port it takes connections at; others are refused (TCP reset).
    pub port: u16,
    /// Where the API server takes them.
    pub server: SocketAddrV4,
    /// Groups that see connections to it, if its subnet's policies say so.
    pub inbound: Vec<GroupId>,
}

/// A machine's link. Groups decide about new connections; what belongs to a known one passes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct InterfaceFilter {
    /// The source addresses it may send from.
    pub addresses: Vec<Ipv4Addr>,
    /// It may also send from any other address (IP forwarding).
    pub forwards: bool,
    /// Groups that its packets pass, in order; each must allow them.
    pub outbound: Vec<GroupId>,
    /// Groups that packets to it pass, in order; each must allow them.
    pub inbound: Vec<GroupId>,
}

/// A peer's link. What comes from it goes to machines, endpoints and inbound endpoints of this
/// network, to its gateway if that is allowed, and never on to another peer or the Internet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PeerFilter {
    /// The peer's address space: sources that may come from it.
    pub sources: Vec<Ipv4Net>,
    /// Any other source may come as well (`allowForwardedTraffic` of this network's half).
    pub forwarded: bool,
    /// It may go on to this network's gateway, and the gateway to it (gateway transit); then the
    /// gateway's clients are sources as well, in `sources` of the other side.
    pub transit: bool,
    /// Packets from it go only to machines: the link steers to an appliance.
    pub steers: bool,
}

/// The backbone's filter: who may reach which API server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct BackboneFilter {
    /// Where nothing is asked: ranges that the Internet does not route, and public addresses that
    /// are somebody's. A question to any other address that nothing is routed to is one to public DNS.
    pub unasked: Vec<Ipv4Net>,
    /// API servers that only these sources reach; all others are open to everybody who gets there.
    pub authorized: BTreeMap<Ipv4Addr, Vec<Ipv4Net>>,
}

/// A gateway's filter: between its network and its clients and sites, among them the clients of VPN
/// servers that run there (`tun…` links, whose servers know the sources). Nothing else passes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GatewayFilter {
    /// The link to the virtual network.
    pub network: Option<LinkName>,
    /// Links to clients and sites with the sources that may come by them. They do not reach each other.
    pub sources: BTreeMap<LinkName, Vec<Ipv4Net>>,
}

/// A machine's that somebody is told to ask for names: questions that no program there listens for go
/// to the lab's stand-in at [`STAND_IN_PORT`](super::STAND_IN_PORT).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameServerFilter {
    /// The machine's address.
    pub address: Ipv4Addr,
    /// The ports at which it is asked.
    pub ports: BTreeSet<u16>,
}
