//! The compiled network: what every name view, route and endpoint is, at one revision.
//!
//! Persistent maps of small compiled units, each a pure function of a few resources of the
//! estate. [`Network::compile`] makes all units; [`Network::advance`] makes again only those that a
//! change can touch, and gives the same network (a property test holds the two together).

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use azure::{ById, DnsName, Estate, Finding, Kind, Resource, ResourceId, Severity, addressing, model::HostsEntry};
use imbl::{OrdMap, OrdSet};
use ipnet::Ipv4Net;

use crate::{
    route::{EffectiveRoute, SubnetRouting},
    security::{SecurityGroup, Tags},
    vantage::{Vantage, VantageError},
    virtual_network::VirtualNetwork,
    zone::Zone,
};

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
    /// The site it stands in.
    pub site: Option<ResourceId>,
    /// Its address in that site.
    pub address: Option<Ipv4Addr>,
    /// The DNS servers it is set up with; a VPN's are asked first.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Its hosts file.
    pub hosts: Vec<HostsEntry>,
    /// Its address as the Internet sees it.
    pub public_address: Option<Ipv4Addr>,
}

/// A site outside Azure (a local network gateway), whether or not it is tunnelled to anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteNetwork {
    /// The local network gateway.
    pub id: ResourceId,
    /// What lies in the site.
    pub address_space: Vec<Ipv4Net>,
    /// Its own VPN device.
    pub public_address: Option<Ipv4Addr>,
    /// The gateways it is tunnelled to, in the order of the connections' ids.
    pub gateways: Vec<ResourceId>,
}

/// Who has a public address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum PublicHolder {
    /// A public cluster.
    Cluster(ResourceId),
    /// An interface in a network.
    Interface {
        /// The network.
        network: ResourceId,
        /// The interface's own address there.
        address: Ipv4Addr,
    },
}

/// The compiled network at one revision. Cheap to clone; immutable.
#[derive(Debug, Clone, Default)]
pub struct Network {
    pub(crate) estate: Estate,
    pub(crate) virtual_networks: ById<Arc<VirtualNetwork>>,
    /// By network, by subnet.
    pub(crate) routing: ById<Arc<BTreeMap<ResourceId, SubnetRouting>>>,
    pub(crate) security_groups: ById<Arc<SecurityGroup>>,
    pub(crate) zones: ById<Arc<Zone>>,
    pub(crate) clusters: ById<Arc<Cluster>>,
    pub(crate) clients: ById<Arc<Client>>,
    pub(crate) sites: ById<Arc<SiteNetwork>>,
    /// Gateways by id, with the network each stands in.
    pub(crate) gateways: OrdMap<ResourceId, ResourceId>,
    pub(crate) public_names: OrdMap<DnsName, Ipv4Addr>,
    pub(crate) public_addresses: OrdSet<(Ipv4Addr, PublicHolder)>,
    /// What somebody is told to ask for names, address and port, with the number of those who say so.
    pub(crate) name_servers: OrdMap<(Ipv4Addr, u16), usize>,
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
    pub fn virtual_networks(&self) -> &ById<Arc<VirtualNetwork>> {
        &self.virtual_networks
    }

    /// The effective routes of a subnet, longest prefix first, one for each prefix; none if there is
    /// no such subnet.
    pub fn effective_routes(&self, subnet: &ResourceId) -> &[EffectiveRoute] {
        self.subnet_routing(subnet).map_or(&[], |routing| &routing.routes)
    }

    /// What the service tags mean for the interfaces of a subnet.
    pub fn tags(&self, subnet: &ResourceId) -> Option<&Tags> {
        Some(&self.subnet_routing(subnet)?.tags)
    }

    pub(crate) fn subnet_routing(&self, subnet: &ResourceId) -> Option<&SubnetRouting> {
        self.routing.get(&subnet.parent()?)?.get(subnet)
    }

    /// A network security group.
    pub fn security_group(&self, id: &ResourceId) -> Option<&Arc<SecurityGroup>> {
        self.security_groups.get(id)
    }

    /// Every network security group, in id order.
    pub fn security_groups(&self) -> &ById<Arc<SecurityGroup>> {
        &self.security_groups
    }

    /// Who has a public address.
    pub fn public_holder(&self, address: Ipv4Addr) -> Option<&PublicHolder> {
        let first = (address, PublicHolder::Cluster(ResourceId::subscription_scope("")));
        self.public_addresses.range(first..).next().filter(|(held, _)| *held == address).map(|(_, holder)| holder)
    }

    /// A private DNS zone.
    pub fn zone(&self, id: &ResourceId) -> Option<&Arc<Zone>> {
        self.zones.get(id)
    }

    /// Every private DNS zone, in id order.
    pub fn zones(&self) -> &ById<Arc<Zone>> {
        &self.zones
    }

    /// A cluster.
    pub fn cluster(&self, id: &ResourceId) -> Option<&Arc<Cluster>> {
        self.clusters.get(id)
    }

    /// Every cluster, in id order.
    pub fn clusters(&self) -> &ById<Arc<Cluster>> {
        &self.clusters
    }

    /// A machine outside Azure.
    pub fn client(&self, id: &ResourceId) -> Option<&Arc<Client>> {
        self.clients.get(id)
    }

    /// Every machine outside Azure, in id order.
    pub fn clients(&self) -> &ById<Arc<Client>> {
        &self.clients
    }

    /// Every site outside Azure, in id order.
    pub fn sites(&self) -> &ById<Arc<SiteNetwork>> {
        &self.sites
    }

    /// The address public DNS has for a name.
    pub fn public_name(&self, name: &DnsName) -> Option<Ipv4Addr> {
        self.public_names.get(name).copied()
    }

    /// The network a gateway stands in.
    pub fn gateway_network(&self, gateway: &ResourceId) -> Option<&Arc<VirtualNetwork>> {
        self.virtual_networks.get(self.gateways.get(gateway)?)
    }

    /// The ports at which somebody is told to ask whoever has `address` for names: as custom DNS server
    /// or as the target of a forwarding rule.
    pub fn name_server_ports(&self, address: Ipv4Addr) -> impl Iterator<Item = u16> {
        self.name_servers.range((address, 0)..=(address, u16::MAX)).map(|((_, port), _)| *port)
    }

    /// Every vantage: the Internet, interfaces, subnets, VPN gateways' clients, lab clients.
    pub fn vantages(&self) -> &OrdSet<Vantage> {
        &self.vantages
    }

    /// The vantage that `text` names (see [`Vantage::matches`]). A virtual machine's name stands for
    /// its primary network interface, unless a vantage has that name itself.
    ///
    /// # Errors
    /// When none or more than one has that name.
    pub fn find_vantage(&self, text: &str) -> Result<&Vantage, VantageError> {
        let own: Vec<&Vantage> = self.vantages.iter().filter(|vantage| vantage.matches(text)).collect();
        let named = if own.is_empty() { self.machines_called(text) } else { own };
        let mut matches = named.into_iter();
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

    /// The private endpoint or inbound endpoint that `text` names, or the own endpoint of the cluster it
    /// names, by name, `<group>/<name>` or full id: the network it stands in, and its address there.
    ///
    /// # Errors
    /// When none or more than one has that name.
    pub fn find_endpoint(&self, text: &str) -> Result<(&ResourceId, Ipv4Addr), VantageError> {
        let mut found: Vec<(&ResourceId, Ipv4Addr, &ResourceId)> = Vec::new();
        for network in self.virtual_networks.values() {
            for (address, interface) in &network.interfaces {
                let Some(endpoint) = &interface.private_endpoint else { continue };
                let of_cluster = interface.service.as_ref().filter(|service| {
                    self.cluster(service).is_some_and(|cluster| cluster.private && cluster.address == Some(*address))
                });
                if [Some(endpoint), of_cluster].into_iter().flatten().any(|id| is_called(id, text)) {
                    found.push((&network.id, *address, endpoint));
                }
            }
            let inbound = network.inbound_endpoints.iter().filter(|(_, endpoint)| is_called(&endpoint.id, text));
            found.extend(inbound.map(|(address, endpoint)| (&network.id, *address, &endpoint.id)));
        }
        match found[..] {
            [(network, address, _)] => Ok((network, address)),
            [] => Err(VantageError::Unknown { text: text.to_owned(), known: Vec::new() }),
            _ => Err(VantageError::Ambiguous {
                text: text.to_owned(),
                candidates: found.iter().take(10).map(|(.., id)| id.key().to_owned()).collect(),
            }),
        }
    }

    /// The primary interfaces of the virtual machines that `text` names.
    fn machines_called(&self, text: &str) -> Vec<&Vantage> {
        let machines = self.estate.of_kind(Kind::VirtualMachine).filter(|machine| is_called(machine.id(), text));
        let primary = |machine: &Arc<Resource>| {
            let nic = self.estate.virtual_machine(machine.id())?.network_interfaces.first()?;
            self.vantages.get(&Vantage::Interface(nic.clone()))
        };
        machines.filter_map(primary).collect()
    }

    /// What is wrong or not modelled, in every resource and every compiled unit.
    pub fn findings(&self) -> Vec<Finding> {
        let declared = self.estate.iter().flat_map(|resource| resource.findings());
        let compiled = self.virtual_networks.values().flat_map(|network| &network.findings);
        let unruled = self.virtual_networks.values().flat_map(|network| self.dangling_rules(network));
        declared.chain(compiled).cloned().chain(unruled).chain(self.exhausted_pools()).collect()
    }

    /// Gateways with more of the lab's clients than their pools have addresses for.
    fn exhausted_pools(&self) -> impl Iterator<Item = Finding> {
        let mut clients: BTreeMap<&ResourceId, usize> = BTreeMap::new();
        for client in self.clients.values() {
            if let Some(gateway) = &client.gateway {
                *clients.entry(gateway).or_default() += 1;
            }
        }
        clients.into_iter().filter_map(|(id, count)| {
            let gateway = self.gateway_network(id)?.gateway.as_ref()?;
            let room = gateway.client_address_pool.first().map_or(0, |pool| addressing::lab_clients_max(*pool));
            (count > room).then(|| Finding {
                resource: id.clone(),
                severity: Severity::Warning,
                code: "ClientAddressPoolExhausted",
                message: format!(
                    "its client address pool has {room} addresses for the lab's clients, of which there are {count}: \
                     some have no tunnel"
                ),
            })
        })
    }

    /// References to security groups and route tables that do not exist. Those come and go without
    /// a change of the networks under them.
    fn dangling_rules<'a>(&'a self, network: &'a VirtualNetwork) -> impl Iterator<Item = Finding> + 'a {
        let of_subnets = network.subnets.iter().map(|subnet| (&subnet.id, subnet.network_security_group.as_ref()));
        let of_interfaces = network.interfaces.values().map(|nic| (&nic.id, nic.network_security_group.as_ref()));
        let groups = of_subnets
            .chain(of_interfaces)
            .filter_map(|(id, group)| Some((id, group?)))
            .filter(|(_, group)| !self.security_groups.contains_key(group));
        let tables = network
            .subnets
            .iter()
            .filter_map(|subnet| Some((&subnet.id, subnet.route_table.as_ref()?)))
            .filter(|(_, table)| self.estate.route_table(table).is_none());
        groups.chain(tables).map(|(id, target)| Finding::dangling(id, target))
    }
}

/// Whether `text` is a resource's name, `<group>/<name>` or full id, in any case.
fn is_called(id: &ResourceId, text: &str) -> bool {
    let in_group = id.group_name().map(|group| format!("{group}/{}", id.name()));
    let names = [Some(id.name()), Some(id.key()), in_group.as_deref()];
    names.into_iter().flatten().any(|name| name.eq_ignore_ascii_case(text))
}
