//! A virtual network, compiled: who stands where in it, whom it is connected to, whom it asks for names.
//!
//! Plain data. What it means for packets is in [`crate::route`] and [`crate::security`].

use std::{collections::BTreeMap, net::Ipv4Addr};

use azure::{
    DnsName, Finding, ResourceId,
    model::{PrivateEndpointPolicies, ResolutionPolicy},
};
use ipnet::Ipv4Net;

/// A virtual network, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualNetwork {
    /// The network.
    pub id: ResourceId,
    /// Its address space.
    pub address_space: Vec<Ipv4Net>,
    /// Its subnets, in id order.
    pub subnets: Vec<Subnet>,
    /// Its custom DNS servers; none means Azure-provided DNS.
    pub dns_servers: Vec<Ipv4Addr>,
    /// The private zones it asks, by zone name.
    pub linked_zones: BTreeMap<DnsName, LinkedZone>,
    /// Zones linked to it that it does not ask, since another linked one has their name: Azure refuses
    /// such a link.
    pub silent_zones: Vec<LinkedZone>,
    /// The rules of the forwarding rulesets linked to it, by domain.
    pub forwarding_rules: BTreeMap<DnsName, ForwardingRule>,
    /// The networks its peerings name.
    pub peers: Vec<PeeredNetwork>,
    /// Who is at which address.
    pub interfaces: BTreeMap<Ipv4Addr, Interface>,
    /// The inbound endpoints of DNS private resolvers, by address.
    pub inbound_endpoints: BTreeMap<Ipv4Addr, InboundEndpoint>,
    /// Its VPN gateway.
    pub gateway: Option<Gateway>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

impl VirtualNetwork {
    /// The subnet `id`, if it is one of this network's.
    pub fn subnet(&self, id: &ResourceId) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.id == *id)
    }

    /// Whether `address` lies in the address space.
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        self.address_space.iter().any(|prefix| prefix.contains(&address))
    }

    /// The peerings that carry traffic: both halves exist and allow virtual network access.
    pub fn open_peers(&self) -> impl Iterator<Item = &PeeredNetwork> {
        self.peers.iter().filter(|peer| peer.connected && peer.access)
    }

    /// What lies behind the gateway as seen from its tunnels: the own address space and that of the
    /// peers that use the gateway; each with the network or the peering.
    pub fn advertised(&self) -> impl Iterator<Item = (Ipv4Net, &ResourceId)> {
        let own = self.address_space.iter().map(|prefix| (*prefix, &self.id));
        let peers = self.open_peers().filter(|peer| peer.transit);
        own.chain(peers.flat_map(|peer| peer.prefixes.iter().map(|prefix| (*prefix, &peer.peering))))
    }

    /// The open peering to `network`.
    pub fn peer(&self, network: &ResourceId) -> Option<&PeeredNetwork> {
        self.open_peers().find(|peer| peer.network == *network)
    }
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// The subnet.
    pub id: ResourceId,
    /// Its prefixes.
    pub prefixes: Vec<Ipv4Net>,
    /// Its network security group.
    pub network_security_group: Option<ResourceId>,
    /// Its route table.
    pub route_table: Option<ResourceId>,
    /// What governs traffic to private endpoints in it.
    pub private_endpoint_policies: PrivateEndpointPolicies,
    /// An outbound endpoint of a DNS private resolver stands in it.
    pub forwards_names: bool,
}

/// Who is at an address of a virtual network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The network interface.
    pub id: ResourceId,
    /// The subnet it stands in.
    pub subnet: ResourceId,
    /// The private endpoint it belongs to.
    pub private_endpoint: Option<ResourceId>,
    /// What that endpoint leads to, while the connection is approved.
    pub service: Option<ResourceId>,
    /// Its own network security group.
    pub network_security_group: Option<ResourceId>,
    /// Whether it passes on what is not for its own address.
    pub ip_forwarding: bool,
    /// The public address the Internet knows it by.
    pub public_address: Option<Ipv4Addr>,
    /// Its machine is stopped: nothing is sent from here and nothing answers. Where no virtual
    /// machine is declared, one that runs is taken to be there.
    pub stopped: bool,
}

/// An inbound endpoint of a DNS private resolver: answers as 168.63.129.16 does in its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundEndpoint {
    /// The endpoint.
    pub id: ResourceId,
    /// The subnet it stands in.
    pub subnet: ResourceId,
}

/// A peering, both halves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeredNetwork {
    /// The half on this side.
    pub peering: ResourceId,
    /// The half on the other side.
    pub remote_peering: Option<ResourceId>,
    /// The network on the other side.
    pub network: ResourceId,
    /// Its address space, as the half on this side knows it.
    pub prefixes: Vec<Ipv4Net>,
    /// The other half exists, and neither was cut off from one that is gone.
    pub connected: bool,
    /// Both halves allow virtual network access.
    pub access: bool,
    /// This half allows forwarded traffic: what a machine over there passes on may come in here.
    pub accepts_forwarded: bool,
    /// The other half allows forwarded traffic: what a machine here passes on may go in there.
    pub remote_accepts_forwarded: bool,
    /// The peered network uses this network's gateway: this half allows gateway transit and the
    /// other half uses the remote gateway.
    pub transit: bool,
    /// This network uses the gateway on the other side (the reverse of `transit`).
    pub uses_remote_gateway: bool,
}

impl PeeredNetwork {
    /// Whether `address` lies in the peered address space, as far as this side knows it.
    pub fn covers(&self, address: Ipv4Addr) -> bool {
        self.prefixes.iter().any(|prefix| prefix.contains(&address))
    }
}

/// A VPN gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The gateway.
    pub id: ResourceId,
    /// The `GatewaySubnet` it stands in.
    pub subnet: ResourceId,
    /// Where clients and sites connect to.
    pub public_address: Option<Ipv4Addr>,
    /// Where its point-to-site clients' addresses come from; none: it takes no clients.
    pub client_address_pool: Vec<Ipv4Net>,
    /// Further prefixes that its clients send into the tunnel.
    pub custom_routes: Vec<Ipv4Net>,
    /// The sites tunnelled to it.
    pub sites: Vec<Site>,
}

impl Gateway {
    /// Every prefix that lies behind the gateway, with the resource that says so.
    pub fn behind(&self) -> impl Iterator<Item = (Ipv4Net, &ResourceId)> {
        let clients = self.client_address_pool.iter().map(|prefix| (*prefix, &self.id));
        let sites = self.sites.iter().flat_map(|site| site.prefixes.iter().map(|prefix| (*prefix, &site.connection)));
        clients.chain(sites)
    }
}

/// A site outside Azure that is tunnelled to a gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// The local network gateway.
    pub id: ResourceId,
    /// The connection.
    pub connection: ResourceId,
    /// What lies in the site.
    pub prefixes: Vec<Ipv4Net>,
}

/// A private DNS zone that a virtual network asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedZone {
    /// The zone.
    pub zone: ResourceId,
    /// The link.
    pub link: ResourceId,
    /// What happens when the zone does not have the name.
    pub policy: ResolutionPolicy,
}

/// A forwarding rule that a virtual network's questions obey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForwardingRule {
    /// The rule.
    pub id: ResourceId,
    /// The servers, address and port, in order.
    pub targets: Vec<(Ipv4Addr, u16)>,
    /// The subnet of the outbound endpoint that its questions leave from.
    pub outbound: Option<ResourceId>,
}
