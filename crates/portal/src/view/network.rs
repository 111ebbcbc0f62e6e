//! Virtual networks: address space, subnets, peerings, DNS, and who stands in them.

use std::net::Ipv4Addr;

use azure::ResourceId;
use ipnet::Ipv4Net;
use network::{Network, Vantage, VirtualNetwork};

/// A network in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The network.
    pub id: ResourceId,
    /// Its address space.
    pub space: Vec<Ipv4Net>,
    /// How many subnets it has.
    pub subnets: usize,
    /// How many peerings carry traffic.
    pub peers: usize,
    /// Its custom DNS servers.
    pub dns_servers: Vec<Ipv4Addr>,
}

/// A network's page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The network, compiled.
    pub network: VirtualNetwork,
    /// Its subnets, each with the vantage that stands for it.
    pub subnets: Vec<(network::Subnet, Vantage)>,
    /// The private endpoints in it: address, endpoint, what it leads to.
    pub endpoints: Vec<(Ipv4Addr, ResourceId, Option<ResourceId>)>,
    /// Its other interfaces.
    pub interfaces: Vec<(Ipv4Addr, ResourceId)>,
}

/// Every network whose id or addresses have the words of `search`.
pub fn list(network: &Network, search: &str) -> Vec<Line> {
    let text = |held: &VirtualNetwork| {
        let space: Vec<String> = held.address_space.iter().map(ToString::to_string).collect();
        format!("{} {}", held.id, space.join(" "))
    };
    let found = network.virtual_networks().values().filter(|held| super::has_words(&text(held), search));
    let line = |held: &std::sync::Arc<VirtualNetwork>| Line {
        id: held.id.clone(),
        space: held.address_space.clone(),
        subnets: held.subnets.len(),
        peers: held.open_peers().count(),
        dns_servers: held.dns_servers.clone(),
    };
    found.map(line).collect()
}

/// One network.
pub fn page(network: &Network, id: &ResourceId) -> Option<Page> {
    let held = network.virtual_network(id)?;
    let of = |wanted: bool| held.interfaces.iter().filter(move |(_, nic)| nic.private_endpoint.is_some() == wanted);
    let endpoint = |(address, nic): (&Ipv4Addr, &network::Interface)| {
        Some((*address, nic.private_endpoint.clone()?, nic.service.clone()))
    };
    Some(Page {
        subnets: held.subnets.iter().map(|subnet| (subnet.clone(), Vantage::Subnet(subnet.id.clone()))).collect(),
        endpoints: of(true).filter_map(endpoint).collect(),
        interfaces: of(false).map(|(address, nic)| (*address, nic.id.clone())).collect(),
        network: held.as_ref().clone(),
    })
}
