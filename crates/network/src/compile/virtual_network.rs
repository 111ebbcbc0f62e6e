//! One virtual network out of the estate.

use std::collections::BTreeMap;

use azure::{
    Estate, Finding, Kind, ResourceId, Severity,
    model::{self, ConnectionStatus, Model},
};

use crate::virtual_network::{
    ForwardingRule, Gateway, InboundEndpoint, Interface, LinkedZone, PeeredNetwork, Site, Subnet, VirtualNetwork,
};

/// The halves of peerings that point at a network, by the network that they are in.
type FarHalves<'a> = BTreeMap<ResourceId, (&'a ResourceId, &'a model::Peering)>;

/// Compiles the network `id`; `None` when there is no such network.
pub(super) fn compile(estate: &Estate, id: &ResourceId) -> Option<VirtualNetwork> {
    let declared = estate.virtual_network(id)?;
    let mut network = VirtualNetwork {
        id: estate.get(id)?.id().clone(),
        address_space: declared.address_space.clone(),
        dns_servers: declared.dns_servers.clone(),
        subnets: Vec::new(),
        linked_zones: BTreeMap::new(),
        silent_zones: Vec::new(),
        forwarding_rules: BTreeMap::new(),
        peers: Vec::new(),
        interfaces: BTreeMap::new(),
        inbound_endpoints: BTreeMap::new(),
        gateway: None,
        findings: Vec::new(),
    };
    for (subnet, declared) in estate.subnets(id) {
        add_subnet(estate, &mut network, subnet, declared);
    }
    let mut far = FarHalves::new();
    for half in estate.referrers(id) {
        if let Model::Peering(declared) = half.model() {
            far.extend(half.id().parent().map(|remote| (remote, (half.id(), declared))));
        }
    }
    for peering in estate.children(id, Kind::Peering) {
        if let Model::Peering(declared) = peering.model() {
            add_peering(estate, &mut network, peering.id(), declared, &far);
        }
    }
    for link in estate.referrers(id) {
        match link.model() {
            Model::VirtualNetworkLink(declared) => add_zone(estate, &mut network, link.id(), declared),
            Model::RulesetLink(_) => add_ruleset(estate, &mut network, link.id()),
            _ => {}
        }
    }
    Some(network)
}

fn add_subnet(estate: &Estate, network: &mut VirtualNetwork, id: &ResourceId, declared: &model::Subnet) {
    network.subnets.push(Subnet {
        id: id.clone(),
        prefixes: declared.prefixes.clone(),
        network_security_group: declared.network_security_group.clone(),
        route_table: declared.route_table.clone(),
        private_endpoint_policies: declared.private_endpoint_policies,
        forwards_names: estate.referrers(id).any(|referrer| matches!(referrer.model(), Model::OutboundEndpoint(_))),
    });
    for resource in estate.referrers(id) {
        match resource.model() {
            Model::NetworkInterface(nic) => add_interface(estate, network, id, resource.id(), nic),
            Model::VirtualNetworkGateway(gateway) => {
                network.gateway = Some(Gateway {
                    id: resource.id().clone(),
                    subnet: id.clone(),
                    public_address: gateway
                        .public_address
                        .as_ref()
                        .and_then(|public| estate.public_ip_address(public)?.address),
                    client_address_pool: gateway.client_address_pool.clone(),
                    custom_routes: gateway.custom_routes.clone(),
                    sites: sites(estate, resource.id(), &mut network.findings),
                });
            }
            Model::InboundEndpoint(endpoint) => {
                let inbound = InboundEndpoint { id: resource.id().clone(), subnet: id.clone() };
                network.inbound_endpoints.insert(endpoint.address, inbound);
            }
            _ => {}
        }
    }
}

fn add_interface(
    estate: &Estate,
    network: &mut VirtualNetwork,
    subnet: &ResourceId,
    id: &ResourceId,
    nic: &model::NetworkInterface,
) {
    let mut machines = estate.referrers(id).filter_map(|referrer| estate.virtual_machine(referrer.id()));
    let endpoint = nic.private_endpoint.as_ref().and_then(|endpoint| estate.private_endpoint(endpoint));
    let approved = endpoint.filter(|endpoint| endpoint.status == ConnectionStatus::Approved);
    let stopped = machines.any(|machine| !machine.running);
    for configuration in nic.ip_configurations.iter().filter(|held| held.subnet == *subnet) {
        let Some(address) = configuration.address else { continue };
        let public = configuration.public_address.as_ref().and_then(|public| estate.public_ip_address(public));
        let interface = Interface {
            id: id.clone(),
            subnet: subnet.clone(),
            private_endpoint: nic.private_endpoint.clone(),
            service: approved.and_then(|endpoint| endpoint.service.clone()),
            network_security_group: nic.network_security_group.clone(),
            ip_forwarding: nic.ip_forwarding,
            public_address: public.and_then(|public| public.address),
            stopped,
        };
        // Azure gives an address once; where an estate does not, what peers have a route to stays.
        let held = network.interfaces.get(&address);
        if interface.private_endpoint.is_some() || held.is_none_or(|held| held.private_endpoint.is_none()) {
            network.interfaces.insert(address, interface);
        }
    }
}

fn sites(estate: &Estate, gateway: &ResourceId, findings: &mut Vec<Finding>) -> Vec<Site> {
    let mut sites = Vec::new();
    for referrer in estate.referrers(gateway) {
        let Model::Connection(connection) = referrer.model() else { continue };
        if connection.gateway != *gateway {
            continue;
        }
        match estate.local_network_gateway(&connection.local) {
            Some(site) => sites.push(Site {
                id: connection.local.clone(),
                connection: referrer.id().clone(),
                prefixes: site.address_space.clone(),
            }),
            None => findings.push(Finding::dangling(referrer.id(), &connection.local)),
        }
    }
    sites
}

fn add_peering(
    estate: &Estate,
    network: &mut VirtualNetwork,
    id: &ResourceId,
    near: &model::Peering,
    far: &FarHalves<'_>,
) {
    let Some(remote) = estate.virtual_network(&near.remote) else {
        network.findings.push(Finding::dangling(id, &near.remote));
        return;
    };
    let far = far.get(&near.remote);
    // A half routes to what it knew of the remote network when it was last synchronised.
    let known = [&near.remote_address_space, &remote.address_space].into_iter().find(|space| !space.is_empty());
    let far_allows = |flag: fn(&model::Peering) -> bool| far.is_some_and(|(_, half)| flag(half));
    network.peers.push(PeeredNetwork {
        peering: id.clone(),
        remote_peering: far.map(|(id, _)| (*id).clone()),
        network: near.remote.clone(),
        prefixes: known.cloned().unwrap_or_default(),
        connected: !near.disconnected && far_allows(|far| !far.disconnected),
        access: near.allow_virtual_network_access && far_allows(|far| far.allow_virtual_network_access),
        accepts_forwarded: near.allow_forwarded_traffic,
        remote_accepts_forwarded: far_allows(|far| far.allow_forwarded_traffic),
        transit: near.allow_gateway_transit && far_allows(|far| far.use_remote_gateways),
        uses_remote_gateway: near.use_remote_gateways && far_allows(|far| far.allow_gateway_transit),
    });
}

fn add_zone(estate: &Estate, network: &mut VirtualNetwork, link: &ResourceId, declared: &model::VirtualNetworkLink) {
    let Some(zone) = link.parent() else { return };
    match estate.private_dns_zone(&zone) {
        Some(found) => {
            let linked = LinkedZone { zone, link: link.clone(), policy: declared.resolution_policy };
            if let Some(silent) = network.linked_zones.insert(found.name.clone(), linked) {
                network.findings.push(rivals(&network.id, &silent, link));
                network.silent_zones.push(silent);
            }
        }
        None => network.findings.push(Finding::dangling(link, &zone)),
    }
}

/// Two links of a network to zones of one name, which Azure refuses: the last one in id order is followed.
fn rivals(network: &ResourceId, silent: &LinkedZone, followed: &ResourceId) -> Finding {
    Finding {
        resource: silent.link.clone(),
        severity: Severity::Warning,
        code: "DuplicateZoneLink",
        message: format!(
            "{} is linked to another zone of this name, too, by {followed}, which is the one it is taken to ask; Azure \
             refuses the second link",
            network.name()
        ),
    }
}

/// Takes over the rules of a ruleset linked to the network. Of two rules for one domain, which Azure
/// does not allow in one ruleset, the first in id order stays.
fn add_ruleset(estate: &Estate, network: &mut VirtualNetwork, link: &ResourceId) {
    let Some(ruleset) = link.parent() else { return };
    let Some(declared) = estate.forwarding_ruleset(&ruleset) else {
        network.findings.push(Finding::dangling(link, &ruleset));
        return;
    };
    let mut outbound = declared.outbound_endpoints.iter().filter_map(|endpoint| estate.outbound_endpoint(endpoint));
    let outbound = outbound.next().map(|endpoint| endpoint.subnet.clone());
    for rule in estate.children(&ruleset, Kind::ForwardingRule) {
        let Model::ForwardingRule(declared) = rule.model() else { continue };
        if declared.enabled {
            network.forwarding_rules.entry(declared.domain.clone()).or_insert_with(|| ForwardingRule {
                id: rule.id().clone(),
                targets: declared.targets.clone(),
                outbound: outbound.clone(),
            });
        }
    }
}
