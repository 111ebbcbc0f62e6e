//! The compiled network: what every name view, route and endpoint is, at one revision.
//!
//! Persistent maps of small compiled units, each a pure function of a few resources of the
//! estate. [`Network::compile`] makes all units; [`Network::advance`] makes again only those that a
//! change can touch, and gives the same network (a property test holds the two together).

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use azure::{
    DnsName, Estate, Finding, ResourceId,
    model::{HostsEntry, ResolutionPolicy},
};
use imbl::{OrdMap, OrdSet};
use ipnet::Ipv4Net;

use crate::{
    vantage::{Vantage, VantageError},
    zone::Zone,
};

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

/// A peering that some prefix of another network lies behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeeredNetwork {
    /// The half on this side.
    pub peering: ResourceId,
    /// The network on the other side.
    pub network: ResourceId,
    /// Its address space, as the half on this side knows it.
    pub prefixes: Vec<Ipv4Net>,
    /// The other half exists, and neither was cut off from one that is gone.
    pub connected: bool,
    /// Both halves allow virtual network access.
    pub access: bool,
    /// Clients of this network's gateway may go on into the peered network: this half allows
    /// gateway transit and the other half uses the remote gateway.
    pub transit: bool,
    /// This network uses the gateway on the other side (the reverse of `transit`).
    pub uses_remote_gateway: bool,
}

/// Who is at an address of a virtual network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The network interface.
    pub id: ResourceId,
    /// The private endpoint it belongs to.
    pub private_endpoint: Option<ResourceId>,
}

/// A point-to-site gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The gateway.
    pub id: ResourceId,
    /// Where its clients' addresses come from.
    pub client_address_pool: Vec<Ipv4Net>,
}

/// A virtual network, compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualNetwork {
    /// The network.
    pub id: ResourceId,
    /// Its address space.
    pub address_space: Vec<Ipv4Net>,
    /// Its subnets.
    pub subnets: Vec<(ResourceId, Vec<Ipv4Net>)>,
    /// Its custom DNS servers; none means Azure-provided DNS.
    pub dns_servers: Vec<Ipv4Addr>,
    /// The private zones it asks, by zone name.
    pub linked_zones: BTreeMap<DnsName, LinkedZone>,
    /// The networks its peerings name.
    pub peers: Vec<PeeredNetwork>,
    /// Who is at which address.
    pub interfaces: BTreeMap<Ipv4Addr, Interface>,
    /// Its point-to-site gateway.
    pub gateway: Option<Gateway>,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// A managed cluster as the network sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// The cluster.
    pub id: ResourceId,
    /// Tells it from any other cluster that has or had its id.
    pub uid: Option<String>,
    /// Whether it runs.
    pub running: bool,
    /// Whether its API server is private.
    pub private: bool,
    /// Its public FQDN, unless disabled.
    pub fqdn: Option<DnsName>,
    /// Its private FQDN.
    pub private_fqdn: Option<DnsName>,
    /// The address public DNS has for `fqdn`: the private endpoint's for a private cluster.
    pub address: Option<Ipv4Addr>,
    /// Who may connect to a public API server; empty means everybody.
    pub authorized_ranges: Vec<Ipv4Net>,
    /// The names public DNS has for it, all with `address`.
    pub public_names: Vec<DnsName>,
}

/// A machine outside Azure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The machine.
    pub id: ResourceId,
    /// The gateway it is a VPN client of.
    pub gateway: Option<ResourceId>,
    /// Its hosts file.
    pub hosts: Vec<HostsEntry>,
    /// Its address as the Internet sees it.
    pub public_address: Option<Ipv4Addr>,
}

/// The compiled network at one revision. Cheap to clone; immutable.
#[derive(Debug, Clone, Default)]
pub struct Network {
    pub(crate) estate: Estate,
    pub(crate) virtual_networks: OrdMap<ResourceId, Arc<VirtualNetwork>>,
    pub(crate) zones: OrdMap<ResourceId, Arc<Zone>>,
    pub(crate) clusters: OrdMap<ResourceId, Arc<Cluster>>,
    pub(crate) clients: OrdMap<ResourceId, Arc<Client>>,
    /// Gateways by id, with the network each stands in.
    pub(crate) gateways: OrdMap<ResourceId, ResourceId>,
    pub(crate) public_names: OrdMap<DnsName, Ipv4Addr>,
    pub(crate) public_addresses: OrdMap<Ipv4Addr, ResourceId>,
    pub(crate) vantages: OrdSet<Vantage>,
}

impl Network {
    /// The estate this was compiled from.
    pub fn estate(&self) -> &Estate {
        &self.estate
    }

    /// The revision of that estate.
    pub fn revision(&self) -> u64 {
        self.estate.revision()
    }

    /// A virtual network.
    pub fn virtual_network(&self, id: &ResourceId) -> Option<&Arc<VirtualNetwork>> {
        self.virtual_networks.get(id)
    }

    /// Every virtual network, in id order.
    pub fn virtual_networks(&self) -> &OrdMap<ResourceId, Arc<VirtualNetwork>> {
        &self.virtual_networks
    }

    /// A private DNS zone.
    pub fn zone(&self, id: &ResourceId) -> Option<&Arc<Zone>> {
        self.zones.get(id)
    }

    /// A cluster.
    pub fn cluster(&self, id: &ResourceId) -> Option<&Arc<Cluster>> {
        self.clusters.get(id)
    }

    /// Every cluster, in id order.
    pub fn clusters(&self) -> &OrdMap<ResourceId, Arc<Cluster>> {
        &self.clusters
    }

    /// A machine outside Azure.
    pub fn client(&self, id: &ResourceId) -> Option<&Arc<Client>> {
        self.clients.get(id)
    }

    /// The address public DNS has for a name.
    pub fn public_name(&self, name: &DnsName) -> Option<Ipv4Addr> {
        self.public_names.get(name).copied()
    }

    /// The network a gateway stands in.
    pub fn gateway_network(&self, gateway: &ResourceId) -> Option<&Arc<VirtualNetwork>> {
        self.virtual_networks.get(self.gateways.get(gateway)?)
    }

    /// Every vantage: the Internet, interfaces, subnets, VPN gateways' clients, lab clients.
    pub fn vantages(&self) -> &OrdSet<Vantage> {
        &self.vantages
    }

    /// The vantage that `text` names (see [`Vantage::matches`]).
    ///
    /// # Errors
    /// When none or more than one has that name.
    pub fn find_vantage(&self, text: &str) -> Result<&Vantage, VantageError> {
        let mut matches = self.vantages.iter().filter(|vantage| vantage.matches(text));
        match (matches.next(), matches.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(VantageError::Unknown {
                text: text.to_owned(),
                known: self.vantages.iter().take(10).map(Vantage::name).collect(),
            }),
            (Some(first), Some(second)) => Err(VantageError::Ambiguous {
                text: text.to_owned(),
                candidates: [first, second].into_iter().chain(matches).take(10).map(Vantage::key).collect(),
            }),
        }
    }

    /// What is wrong or not modelled, in every resource and every compiled unit.
    pub fn findings(&self) -> Vec<Finding> {
        let declared = self.estate.iter().flat_map(|resource| resource.findings());
        let compiled = self.virtual_networks.values().flat_map(|network| &network.findings);
        declared.chain(compiled).cloned().collect()
    }
}
