//! `Estate` → `Network`: pure, total, and incremental.
//!
//! The network consists of units (a virtual network, its routing, a security group, a zone or one
//! name of it, a cluster, a client). [`touched`] says which units a resource can influence; a change recompiles the units
//! touched by the resource as it was and as it is now. Compiling from nothing recompiles all.

mod virtual_network;

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use azure::{
    Estate, Kind, Resource, ResourceId, aks,
    model::{self, Model},
};

use crate::{
    names::DNS_PORT,
    network::{Client, Cluster, Network, PublicHolder, SiteNetwork},
    route,
    security::SecurityGroup,
    vantage::Vantage,
    virtual_network::VirtualNetwork,
    zone::Zone,
};

/// A part of the network that is compiled as a whole. In this order: routing is compiled from
/// virtual networks that are up to date.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    VirtualNetwork(ResourceId),
    /// The effective routes of a virtual network's subnets, and what service tags mean in them.
    Routing(ResourceId),
    SecurityGroup(ResourceId),
    Zone(ResourceId),
    /// The records of one name of a zone (relative, lower case).
    ZoneName(ResourceId, String),
    /// The automatically registered names of a zone.
    ZoneRegistered(ResourceId),
    Cluster(ResourceId),
    Client(ResourceId),
    Site(ResourceId),
    Vantage(Vantage),
}

impl Network {
    /// Compiles everything. Linear in the estate (times a logarithm).
    pub fn compile(estate: &Estate) -> Self {
        let mut network = Self { estate: estate.clone(), ..Self::default() };
        network.vantages.insert(Vantage::Internet);
        let mut units: BTreeSet<Unit> = BTreeSet::new();
        for resource in estate.iter() {
            match resource.kind() {
                Kind::VirtualNetwork => {
                    units.insert(Unit::Routing(resource.id().clone()));
                    units.insert(Unit::VirtualNetwork(resource.id().clone()))
                }
                Kind::NetworkSecurityGroup => units.insert(Unit::SecurityGroup(resource.id().clone())),
                Kind::PrivateDnsZone => units.insert(Unit::Zone(resource.id().clone())),
                Kind::ManagedCluster => units.insert(Unit::Cluster(resource.id().clone())),
                Kind::LocalNetworkGateway => units.insert(Unit::Site(resource.id().clone())),
                Kind::LabClient => units.insert(Unit::Client(resource.id().clone())),
                _ => false,
            };
            network.count_name_servers(resource, true);
            units.extend(vantage_of(resource).map(Unit::Vantage));
        }
        network.recompile(units);
        network
    }

    /// The network of `estate`, given that it differs from this network's estate in `changed` only.
    /// Costs the size of the change and of the units it touches.
    #[must_use]
    pub fn advance<'a>(&self, estate: &Estate, changed: impl IntoIterator<Item = &'a ResourceId>) -> Self {
        let mut units = BTreeSet::new();
        let mut network = self.clone();
        for id in changed.into_iter().collect::<BTreeSet<_>>() {
            for (estate, comes) in [(&self.estate, false), (estate, true)] {
                if let Some(resource) = estate.get(id) {
                    touched(estate, resource, &mut units);
                    network.count_name_servers(resource, comes);
                }
            }
        }
        network.estate = estate.clone();
        network.vantages.insert(Vantage::Internet);
        network.recompile(units);
        network
    }

    /// Counts the name servers that a resource, which comes or goes, tells somebody to ask.
    fn count_name_servers(&mut self, resource: &Resource, comes: bool) {
        let told = |servers: &[Ipv4Addr]| servers.iter().map(|server| (*server, DNS_PORT)).collect();
        let servers: Vec<(Ipv4Addr, u16)> = match resource.model() {
            Model::VirtualNetwork(network) => told(&network.dns_servers),
            Model::NetworkInterface(nic) => told(&nic.dns_servers),
            Model::LabClient(client) => told(&client.dns_servers),
            Model::ForwardingRule(rule) => rule.targets.clone(),
            _ => return,
        };
        for server in servers {
            let count = self.name_servers.get(&server).copied().unwrap_or_default();
            match if comes { count + 1 } else { count.saturating_sub(1) } {
                0 => self.name_servers.remove(&server),
                count => self.name_servers.insert(server, count),
            };
        }
    }

    fn recompile(&mut self, units: BTreeSet<Unit>) {
        for unit in units {
            match unit {
                Unit::VirtualNetwork(id) => self.recompile_virtual_network(&id),
                Unit::Routing(id) => match self.virtual_networks.get(&id) {
                    Some(network) => {
                        let routing = route::compile(&self.estate, &self.virtual_networks, network);
                        self.routing.insert(id, Arc::new(routing));
                    }
                    None => drop(self.routing.remove(&id)),
                },
                Unit::SecurityGroup(id) => match SecurityGroup::compile(&self.estate, &id) {
                    Some(group) => drop(self.security_groups.insert(id, Arc::new(group))),
                    None => drop(self.security_groups.remove(&id)),
                },
                Unit::Zone(id) => match Zone::compile(&self.estate, &id) {
                    Some(zone) => drop(self.zones.insert(id, Arc::new(zone))),
                    None => drop(self.zones.remove(&id)),
                },
                Unit::ZoneName(id, name) => self.recompile_zone(&id, |zone, estate| zone.recompile_name(estate, &name)),
                Unit::ZoneRegistered(id) => self.recompile_zone(&id, Zone::recompile_registered),
                Unit::Cluster(id) => self.recompile_cluster(&id),
                Unit::Client(id) => match client(&self.estate, &id) {
                    Some(client) => drop(self.clients.insert(id, Arc::new(client))),
                    None => drop(self.clients.remove(&id)),
                },
                Unit::Site(id) => match site(&self.estate, &id) {
                    Some(site) => drop(self.sites.insert(id, Arc::new(site))),
                    None => drop(self.sites.remove(&id)),
                },
                Unit::Vantage(vantage) => {
                    let exists = vantage
                        .resource()
                        .and_then(|id| self.estate.get(id))
                        .is_some_and(|resource| vantage_of(resource).as_ref() == Some(&vantage));
                    if exists {
                        self.vantages.insert(vantage);
                    } else {
                        self.vantages.remove(&vantage);
                    }
                }
            }
        }
    }

    fn recompile_zone(&mut self, id: &ResourceId, update: impl FnOnce(&mut Zone, &Estate)) {
        let Some(mut zone) = self.zones.get(id).cloned() else { return };
        update(Arc::make_mut(&mut zone), &self.estate);
        self.zones.insert(id.clone(), zone);
    }

    fn recompile_virtual_network(&mut self, id: &ResourceId) {
        if let Some(old) = self.virtual_networks.remove(id) {
            for held in public_addresses(&old) {
                self.public_addresses.remove(&held);
            }
            // A gateway may have moved to a network compiled before this one: leave its new place alone.
            if let Some(gateway) = &old.gateway
                && self.gateways.get(&gateway.id) == Some(id)
            {
                self.gateways.remove(&gateway.id);
            }
        }
        let Some(network) = virtual_network::compile(&self.estate, id) else { return };
        if let Some(gateway) = &network.gateway {
            self.gateways.insert(gateway.id.clone(), id.clone());
        }
        self.public_addresses.extend(public_addresses(&network));
        self.virtual_networks.insert(id.clone(), Arc::new(network));
    }

    fn recompile_cluster(&mut self, id: &ResourceId) {
        if let Some(old) = self.clusters.remove(id) {
            for name in &old.public_names {
                self.public_names.remove(name);
            }
            if let Some(address) = old.address.filter(|_| !old.private) {
                self.public_addresses.remove(&(address, PublicHolder::Cluster(id.clone())));
            }
        }
        let Some(cluster) = cluster(&self.estate, id) else { return };
        if let Some(address) = cluster.address {
            for name in &cluster.public_names {
                self.public_names.insert(name.clone(), address);
            }
            if !cluster.private {
                self.public_addresses.insert((address, PublicHolder::Cluster(id.clone())));
            }
        }
        self.clusters.insert(id.clone(), Arc::new(cluster));
    }
}

fn public_addresses(network: &VirtualNetwork) -> impl Iterator<Item = (Ipv4Addr, PublicHolder)> + '_ {
    network.interfaces.iter().filter_map(|(address, interface)| {
        let holder = PublicHolder::Interface { network: network.id.clone(), address: *address };
        Some((interface.public_address?, holder))
    })
}

/// The units that a resource of `estate` has a part in.
fn touched(estate: &Estate, resource: &Resource, units: &mut BTreeSet<Unit>) {
    let id = resource.id();
    units.extend(vantage_of(resource).map(Unit::Vantage));
    match resource.model() {
        Model::VirtualNetwork(_) => {
            touch_network_and_neighbours(estate, id, units);
            touch_registrations(estate, id, |_| true, units);
        }
        Model::Subnet(_) => touch_subnet(estate, id, units),
        Model::Peering(peering) => {
            for network in id.parent().iter().chain([&peering.remote]) {
                touch_network(network, units);
            }
        }
        Model::NetworkInterface(nic) => {
            for network in nic.ip_configurations.iter().filter_map(|held| held.subnet.parent()) {
                touch_registrations(estate, &network, |link| link.registration_enabled, units);
                // Peers have a route to a private endpoint, and none to a machine.
                if nic.private_endpoint.is_some() {
                    touch_network(&network, units);
                    touch_routing_of_neighbours(estate, &network, units);
                } else {
                    units.insert(Unit::VirtualNetwork(network));
                }
            }
            let endpoint = nic.private_endpoint.as_ref().and_then(|endpoint| estate.private_endpoint(endpoint));
            units.extend(endpoint.and_then(|endpoint| endpoint.service.clone()).map(Unit::Cluster));
        }
        Model::PublicIpAddress(_) => {
            touch_interfaces(estate, estate.referrers(id), units);
            let gateways = estate.referrers(id).filter_map(|referrer| estate.virtual_network_gateway(referrer.id()));
            let networks = gateways.filter_map(|gateway| gateway.subnet.as_ref()?.parent());
            units.extend(networks.map(Unit::VirtualNetwork));
        }
        Model::VirtualMachine(machine) => {
            touch_interfaces(estate, machine.network_interfaces.iter().filter_map(|nic| estate.get(nic)), units);
        }
        Model::NetworkSecurityGroup(_) => {
            units.insert(Unit::SecurityGroup(id.clone()));
        }
        Model::SecurityRule(_) => units.extend(id.parent().map(Unit::SecurityGroup)),
        Model::RouteTable(_) => touch_routed_by(estate, id, units),
        Model::Route(_) => {
            if let Some(table) = id.parent() {
                touch_routed_by(estate, &table, units);
            }
        }
        Model::PrivateEndpoint(endpoint) => {
            units.extend(endpoint.service.clone().map(Unit::Cluster));
            touch_interfaces(estate, estate.referrers(id), units);
        }
        Model::PrivateDnsZone(_) => {
            units.insert(Unit::Zone(id.clone()));
            for link in estate.children(id, Kind::VirtualNetworkLink) {
                units.extend(link_network(link).map(Unit::VirtualNetwork));
            }
        }
        Model::VirtualNetworkLink(link) => {
            units.insert(Unit::VirtualNetwork(link.virtual_network.clone()));
            units.extend(id.parent().map(Unit::ZoneRegistered));
        }
        Model::RecordSet(_) => {
            units.extend(id.parent().map(|zone| Unit::ZoneName(zone, id.name().to_ascii_lowercase())));
        }
        Model::ManagedCluster(_) => {
            units.insert(Unit::Cluster(id.clone()));
        }
        Model::VirtualNetworkGateway(_) => touch_gateway(estate, id, units),
        Model::Connection(connection) => {
            units.insert(Unit::Site(connection.local.clone()));
            touch_gateway(estate, &connection.gateway, units);
        }
        Model::LocalNetworkGateway(_) => {
            units.insert(Unit::Site(id.clone()));
            for connection in estate.referrers(id).filter_map(|referrer| estate.connection(referrer.id())) {
                touch_gateway(estate, &connection.gateway, units);
            }
        }
        Model::InboundEndpoint(endpoint) => units.extend(endpoint.subnet.parent().map(Unit::VirtualNetwork)),
        Model::OutboundEndpoint(endpoint) => {
            units.extend(endpoint.subnet.parent().map(Unit::VirtualNetwork));
            for ruleset in estate.referrers(id) {
                touch_forwarding(estate, ruleset.id(), units);
            }
        }
        Model::ForwardingRuleset(_) => touch_forwarding(estate, id, units),
        Model::ForwardingRule(_) => {
            if let Some(ruleset) = id.parent() {
                touch_forwarding(estate, &ruleset, units);
            }
        }
        Model::RulesetLink(link) => {
            units.insert(Unit::VirtualNetwork(link.virtual_network.clone()));
        }
        Model::LabClient(_) => {
            units.insert(Unit::Client(id.clone()));
        }
        Model::ResourceGroup
        | Model::AgentPool(_)
        | Model::UserAssignedIdentity(_)
        | Model::RoleAssignment(_)
        | Model::DnsResolver(_)
        | Model::Unmodelled => {}
    }
}

fn touch_network(network: &ResourceId, units: &mut BTreeSet<Unit>) {
    units.insert(Unit::VirtualNetwork(network.clone()));
    units.insert(Unit::Routing(network.clone()));
}

/// A network, and those that have a peering to it: they know its address space and its gateway.
fn touch_network_and_neighbours(estate: &Estate, network: &ResourceId, units: &mut BTreeSet<Unit>) {
    touch_network(network, units);
    for neighbour in neighbours(estate, network) {
        touch_network(&neighbour, units);
    }
}

fn touch_routing_of_neighbours(estate: &Estate, network: &ResourceId, units: &mut BTreeSet<Unit>) {
    units.extend(neighbours(estate, network).map(Unit::Routing));
}

/// The networks with a peering to `network`.
fn neighbours<'a>(estate: &'a Estate, network: &'a ResourceId) -> impl Iterator<Item = ResourceId> + 'a {
    let peerings = estate.referrers(network).filter(|referrer| matches!(referrer.model(), Model::Peering(_)));
    peerings.filter_map(|peering| peering.id().parent())
}

/// A subnet matters to its own network; with a private endpoint or a gateway in it also to peers.
fn touch_subnet(estate: &Estate, subnet: &ResourceId, units: &mut BTreeSet<Unit>) {
    let Some(network) = subnet.parent() else { return };
    touch_registrations(estate, &network, |link| link.registration_enabled, units);
    touch_network(&network, units);
    let known_to_peers = estate.referrers(subnet).any(|referrer| match referrer.model() {
        Model::NetworkInterface(nic) => nic.private_endpoint.is_some(),
        Model::VirtualNetworkGateway(_) => true,
        _ => false,
    });
    if known_to_peers {
        touch_routing_of_neighbours(estate, &network, units);
    }
}

/// The networks that some interfaces stand in, and where these are registered.
fn touch_interfaces<'a>(
    estate: &Estate,
    resources: impl Iterator<Item = &'a Arc<Resource>>,
    units: &mut BTreeSet<Unit>,
) {
    for resource in resources {
        let Model::NetworkInterface(nic) = resource.model() else { continue };
        for network in nic.ip_configurations.iter().filter_map(|held| held.subnet.parent()) {
            touch_registrations(estate, &network, |link| link.registration_enabled, units);
            units.insert(Unit::VirtualNetwork(network));
        }
    }
}

/// The networks with a subnet that a route table governs.
fn touch_routed_by(estate: &Estate, table: &ResourceId, units: &mut BTreeSet<Unit>) {
    let subnets = estate.referrers(table).filter(|referrer| matches!(referrer.model(), Model::Subnet(_)));
    units.extend(subnets.filter_map(|subnet| subnet.id().parent()).map(Unit::Routing));
}

/// A gateway's network, and those that may use the gateway from next door.
fn touch_gateway(estate: &Estate, gateway: &ResourceId, units: &mut BTreeSet<Unit>) {
    let subnet = estate.virtual_network_gateway(gateway).and_then(|gateway| gateway.subnet.as_ref());
    let Some(network) = subnet.and_then(ResourceId::parent) else { return };
    touch_network(&network, units);
    touch_routing_of_neighbours(estate, &network, units);
}

/// The networks linked to a forwarding ruleset.
fn touch_forwarding(estate: &Estate, ruleset: &ResourceId, units: &mut BTreeSet<Unit>) {
    let links = estate.children(ruleset, Kind::RulesetLink).filter_map(|link| estate.ruleset_link(link.id()));
    units.extend(links.map(|link| Unit::VirtualNetwork(link.virtual_network.clone())));
}

/// The zones linked to `network`, by those links that `counts`: machines of it are registered there.
fn touch_registrations(
    estate: &Estate,
    network: &ResourceId,
    counts: impl Fn(&model::VirtualNetworkLink) -> bool,
    units: &mut BTreeSet<Unit>,
) {
    for referrer in estate.referrers(network) {
        if let Model::VirtualNetworkLink(link) = referrer.model()
            && counts(link)
        {
            units.extend(referrer.id().parent().map(Unit::ZoneRegistered));
        }
    }
}

fn link_network(link: &Resource) -> Option<ResourceId> {
    match link.model() {
        Model::VirtualNetworkLink(link) => Some(link.virtual_network.clone()),
        _ => None,
    }
}

fn vantage_of(resource: &Resource) -> Option<Vantage> {
    let id = || resource.id().clone();
    match resource.model() {
        Model::NetworkInterface(nic) if nic.private_endpoint.is_none() => Some(Vantage::Interface(id())),
        Model::Subnet(_) => Some(Vantage::Subnet(id())),
        Model::VirtualNetworkGateway(gateway) if !gateway.client_address_pool.is_empty() => {
            Some(Vantage::VpnClient(id()))
        }
        Model::LabClient(_) => Some(Vantage::Client(id())),
        _ => None,
    }
}

fn cluster(estate: &Estate, id: &ResourceId) -> Option<Cluster> {
    let declared = estate.managed_cluster(id)?;
    let address = if declared.private { endpoint_address(estate, declared) } else { declared.public_address };
    let named = declared.running && (!declared.private || declared.public_fqdn);
    let public_names = declared.fqdn.iter().chain(&declared.portal_fqdn).filter(|_| named).cloned().collect();
    Some(Cluster {
        id: estate.get(id)?.id().clone(),
        uid: declared.uid.clone(),
        running: declared.running,
        private: declared.private,
        fqdn: declared.fqdn.clone(),
        private_fqdn: declared.private_fqdn.clone(),
        address,
        authorized_ranges: declared.authorized_ranges.clone(),
        public_names,
    })
}

/// The address of the endpoint AKS itself made, in the cluster's node resource group.
fn endpoint_address(estate: &Estate, cluster: &model::ManagedCluster) -> Option<Ipv4Addr> {
    let group = cluster.node_resource_group.as_ref()?;
    let endpoint = group.resource(Kind::PrivateEndpoint.arm_type(), aks::PRIVATE_ENDPOINT_NAME);
    let nics = &estate.private_endpoint(&endpoint)?.network_interfaces;
    nics.iter()
        .filter_map(|nic| estate.network_interface(nic))
        .flat_map(|nic| &nic.ip_configurations)
        .find_map(|configuration| configuration.address)
}

fn client(estate: &Estate, id: &ResourceId) -> Option<Client> {
    let resource = estate.get(id)?;
    let Model::LabClient(declared) = resource.model() else { return None };
    Some(Client {
        id: resource.id().clone(),
        gateway: declared.gateway.clone(),
        site: declared.site.clone(),
        address: declared.address,
        dns_servers: declared.dns_servers.clone(),
        hosts: declared.hosts.clone(),
        public_address: declared.public_address,
    })
}

fn site(estate: &Estate, id: &ResourceId) -> Option<SiteNetwork> {
    let declared = estate.local_network_gateway(id)?;
    let connections = estate.referrers(id).filter_map(|referrer| estate.connection(referrer.id()));
    Some(SiteNetwork {
        id: estate.get(id)?.id().clone(),
        address_space: declared.address_space.clone(),
        public_address: declared.public_address,
        gateways: connections.map(|connection| connection.gateway.clone()).collect(),
    })
}
