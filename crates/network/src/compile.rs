//! `Estate` → `Network`: pure, total, and incremental.
//!
//! The network consists of units (a virtual network, a zone or one name of it, a cluster, a
//! client). [`touched`] says which units a resource can influence; a change recompiles the units
//! touched by the resource as it was and as it is now. Compiling from nothing recompiles all.

use std::{collections::BTreeSet, net::Ipv4Addr, sync::Arc};

use azure::{
    Estate, Finding, Kind, Resource, ResourceId, aks,
    model::{self, Model},
};

use crate::{
    network::{Client, Cluster, Gateway, Interface, LinkedZone, Network, PeeredNetwork, VirtualNetwork},
    vantage::Vantage,
    zone::Zone,
};

/// A part of the network that is compiled as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    VirtualNetwork(ResourceId),
    Zone(ResourceId),
    /// The records of one name of a zone (relative, lower case).
    ZoneName(ResourceId, String),
    /// The automatically registered names of a zone.
    ZoneRegistered(ResourceId),
    Cluster(ResourceId),
    Client(ResourceId),
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
                Kind::VirtualNetwork => units.insert(Unit::VirtualNetwork(resource.id().clone())),
                Kind::PrivateDnsZone => units.insert(Unit::Zone(resource.id().clone())),
                Kind::ManagedCluster => units.insert(Unit::Cluster(resource.id().clone())),
                Kind::LabClient => units.insert(Unit::Client(resource.id().clone())),
                _ => false,
            };
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
        for id in changed {
            for estate in [&self.estate, estate] {
                if let Some(resource) = estate.get(id) {
                    touched(estate, resource, &mut units);
                }
            }
        }
        let mut network = self.clone();
        network.estate = estate.clone();
        network.vantages.insert(Vantage::Internet);
        network.recompile(units);
        network
    }

    fn recompile(&mut self, units: BTreeSet<Unit>) {
        for unit in units {
            match unit {
                Unit::VirtualNetwork(id) => self.recompile_virtual_network(&id),
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
        let Some(zone) = self.zones.get_mut(id) else { return };
        update(Arc::make_mut(zone), &self.estate);
    }

    fn recompile_virtual_network(&mut self, id: &ResourceId) {
        // A gateway may have moved to a network compiled before this one: leave its new place alone.
        if let Some(gateway) = self.virtual_networks.get(id).and_then(|old| old.gateway.as_ref())
            && self.gateways.get(&gateway.id) == Some(id)
        {
            self.gateways.remove(&gateway.id);
        }
        let Some(network) = virtual_network(&self.estate, id) else {
            self.virtual_networks.remove(id);
            return;
        };
        if let Some(gateway) = &network.gateway {
            self.gateways.insert(gateway.id.clone(), id.clone());
        }
        self.virtual_networks.insert(id.clone(), Arc::new(network));
    }

    fn recompile_cluster(&mut self, id: &ResourceId) {
        if let Some(old) = self.clusters.remove(id) {
            for name in &old.public_names {
                self.public_names.remove(name);
            }
            if let Some(address) = old.address.filter(|_| !old.private) {
                self.public_addresses.remove(&address);
            }
        }
        let Some(cluster) = cluster(&self.estate, id) else { return };
        if let Some(address) = cluster.address {
            for name in &cluster.public_names {
                self.public_names.insert(name.clone(), address);
            }
            if !cluster.private {
                self.public_addresses.insert(address, id.clone());
            }
        }
        self.clusters.insert(id.clone(), Arc::new(cluster));
    }
}

/// The units that a resource of `estate` has a part in.
fn touched(estate: &Estate, resource: &Resource, units: &mut BTreeSet<Unit>) {
    let id = resource.id();
    units.extend(vantage_of(resource).map(Unit::Vantage));
    match resource.model() {
        Model::VirtualNetwork(_) => {
            units.insert(Unit::VirtualNetwork(id.clone()));
            touch_neighbours(estate, id, units);
        }
        Model::Subnet(_) => {
            let Some(network) = id.parent() else { return };
            touch_registrations(estate, &network, units);
            units.insert(Unit::VirtualNetwork(network));
        }
        Model::Peering(peering) => {
            units.extend(id.parent().map(Unit::VirtualNetwork));
            units.insert(Unit::VirtualNetwork(peering.remote.clone()));
        }
        Model::NetworkInterface(nic) => {
            for configuration in &nic.ip_configurations {
                let Some(network) = configuration.subnet.parent() else { continue };
                touch_registrations(estate, &network, units);
                units.insert(Unit::VirtualNetwork(network));
            }
            let endpoint = nic.private_endpoint.as_ref().and_then(|endpoint| estate.private_endpoint(endpoint));
            units.extend(endpoint.and_then(|endpoint| endpoint.service.clone()).map(Unit::Cluster));
        }
        Model::PrivateEndpoint(endpoint) => {
            units.extend(endpoint.service.clone().map(Unit::Cluster));
            units.extend(endpoint.subnet.as_ref().and_then(ResourceId::parent).map(Unit::VirtualNetwork));
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
        Model::VirtualNetworkGateway(gateway) => {
            if let Some(network) = gateway.subnet.as_ref().and_then(ResourceId::parent) {
                units.insert(Unit::VirtualNetwork(network));
            }
        }
        Model::LabClient(_) => {
            units.insert(Unit::Client(id.clone()));
        }
        Model::ResourceGroup
        | Model::AgentPool(_)
        | Model::PublicIpAddress(_)
        | Model::VirtualMachine(_)
        | Model::UserAssignedIdentity(_)
        | Model::RoleAssignment(_)
        | Model::LocalNetworkGateway(_)
        | Model::Connection(_)
        | Model::DnsResolver(_)
        | Model::InboundEndpoint(_)
        | Model::OutboundEndpoint(_)
        | Model::ForwardingRuleset(_)
        | Model::ForwardingRule(_)
        | Model::RulesetLink(_)
        | Model::Unmodelled => {}
    }
}

/// The networks that have a peering to or from `network`.
fn touch_neighbours(estate: &Estate, network: &ResourceId, units: &mut BTreeSet<Unit>) {
    for referrer in estate.referrers(network) {
        match referrer.model() {
            Model::Peering(_) => units.extend(referrer.id().parent().map(Unit::VirtualNetwork)),
            Model::VirtualNetworkLink(_) => units.extend(referrer.id().parent().map(Unit::ZoneRegistered)),
            _ => {}
        }
    }
}

/// The zones in which machines of `network` are registered.
fn touch_registrations(estate: &Estate, network: &ResourceId, units: &mut BTreeSet<Unit>) {
    for referrer in estate.referrers(network) {
        if let Model::VirtualNetworkLink(link) = referrer.model()
            && link.registration_enabled
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

fn virtual_network(estate: &Estate, id: &ResourceId) -> Option<VirtualNetwork> {
    let declared = estate.virtual_network(id)?;
    let mut network = VirtualNetwork {
        id: estate.get(id)?.id().clone(),
        address_space: declared.address_space.clone(),
        dns_servers: declared.dns_servers.clone(),
        subnets: Vec::new(),
        linked_zones: std::collections::BTreeMap::new(),
        peers: Vec::new(),
        interfaces: std::collections::BTreeMap::new(),
        gateway: None,
        findings: Vec::new(),
    };
    for (subnet, declared) in estate.subnets(id) {
        add_subnet(estate, &mut network, subnet, declared);
    }
    for peering in estate.children(id, Kind::Peering) {
        if let Model::Peering(declared) = peering.model() {
            add_peering(estate, &mut network, peering.id(), declared);
        }
    }
    for link in estate.referrers(id) {
        let Model::VirtualNetworkLink(declared) = link.model() else { continue };
        let Some(zone) = link.id().parent() else { continue };
        match estate.private_dns_zone(&zone) {
            Some(found) => {
                let linked = LinkedZone { zone, link: link.id().clone(), policy: declared.resolution_policy };
                network.linked_zones.insert(found.name.clone(), linked);
            }
            None => network.findings.push(Finding::dangling(link.id(), &zone)),
        }
    }
    Some(network)
}

fn add_subnet(estate: &Estate, network: &mut VirtualNetwork, subnet: &ResourceId, declared: &model::Subnet) {
    network.subnets.push((subnet.clone(), declared.prefixes.clone()));
    let documents = [
        (&declared.network_security_group, "the subnet's network security group"),
        (&declared.route_table, "the subnet's route table"),
    ];
    for (_, what) in documents.into_iter().filter(|(reference, _)| reference.is_some()) {
        network.findings.push(Finding::unmodelled(subnet, what));
    }
    for resource in estate.referrers(subnet) {
        match resource.model() {
            Model::NetworkInterface(nic) => {
                for configuration in nic.ip_configurations.iter().filter(|held| held.subnet == *subnet) {
                    let Some(address) = configuration.address else { continue };
                    let interface =
                        Interface { id: resource.id().clone(), private_endpoint: nic.private_endpoint.clone() };
                    network.interfaces.insert(address, interface);
                }
            }
            Model::VirtualNetworkGateway(gateway) if !gateway.client_address_pool.is_empty() => {
                network.gateway = Some(Gateway {
                    id: resource.id().clone(),
                    client_address_pool: gateway.client_address_pool.clone(),
                });
            }
            _ => {}
        }
    }
}

fn add_peering(estate: &Estate, network: &mut VirtualNetwork, id: &ResourceId, near: &model::Peering) {
    let Some(remote) = estate.virtual_network(&near.remote) else {
        network.findings.push(Finding::dangling(id, &near.remote));
        return;
    };
    let far = estate.children(&near.remote, Kind::Peering).find_map(|half| match half.model() {
        Model::Peering(far) if far.remote == network.id => Some(far),
        _ => None,
    });
    // A half routes to what it knew of the remote network when it was last synchronised.
    let known = [&near.remote_address_space, &remote.address_space].into_iter().find(|space| !space.is_empty());
    network.peers.push(PeeredNetwork {
        peering: id.clone(),
        network: near.remote.clone(),
        prefixes: known.cloned().unwrap_or_default(),
        connected: !near.disconnected && far.is_some_and(|far| !far.disconnected),
        access: near.allow_virtual_network_access && far.is_some_and(|far| far.allow_virtual_network_access),
        transit: near.allow_gateway_transit && far.is_some_and(|far| far.use_remote_gateways),
        uses_remote_gateway: near.use_remote_gateways && far.is_some_and(|far| far.allow_gateway_transit),
    });
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
        hosts: declared.hosts.clone(),
        public_address: declared.public_address,
    })
}
