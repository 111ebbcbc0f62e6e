//! A cluster's overview: its state, each of its addresses with who can resolve it, and the network,
//! the endpoint and the zone that make it so.

use std::net::Ipv4Addr;

use azure::{
    DnsName, ResourceId,
    model::{ConnectionStatus, ManagedCluster},
};
use explain::{Role, ShownBecause, place};
use network::Network;

use super::{
    group, provisioning,
    seen::{self, Seen},
};

/// Vantages shown on the overview; the matrix has all of them.
const VANTAGES_SHOWN: usize = 24;

/// A cluster's overview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overview {
    /// The cluster.
    pub id: ResourceId,
    /// Its resource group.
    pub group: String,
    /// Its region.
    pub location: String,
    /// `kubernetesVersion`.
    pub version: String,
    /// `provisioningState`.
    pub provisioning: String,
    /// Whether it runs.
    pub running: bool,
    /// Whether its API server is private.
    pub private: bool,
    /// `enablePrivateClusterPublicFQDN`.
    pub public_fqdn: bool,
    /// What the Azure portal shows as "API server address".
    pub shown: Option<DnsName>,
    /// Why that.
    pub because: ShownBecause,
    /// Each of its addresses.
    pub addresses: Vec<Address>,
    /// The networks of its nodes.
    pub networks: Vec<ResourceId>,
    /// The private endpoints that lead to it.
    pub endpoints: Vec<Endpoint>,
    /// The zone that holds its private name.
    pub zone: Option<Zone>,
    /// How it looks from where.
    pub seen: Vec<Seen>,
    /// How many vantages are not shown.
    pub unseen: usize,
}

/// One of a cluster's addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// What it is to the cluster.
    pub role: Role,
    /// The name.
    pub name: DnsName,
    /// What public DNS has for it.
    pub in_public_dns: Option<Ipv4Addr>,
    /// What the private zone has for it.
    pub in_zone: Vec<Ipv4Addr>,
    /// The kubeconfig that `az aks get-credentials` writes names it.
    pub in_kubeconfig: bool,
    /// The networks in which Azure-provided DNS answers it by the zone.
    pub resolved_in: Vec<ResourceId>,
}

/// A private endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The endpoint.
    pub id: ResourceId,
    /// The subnet it stands in.
    pub subnet: ResourceId,
    /// Its address.
    pub address: Ipv4Addr,
    /// The state of its connection.
    pub status: ConnectionStatus,
    /// Whether AKS made it.
    pub own: bool,
}

/// A private DNS zone and who asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The zone.
    pub id: ResourceId,
    /// The networks that are linked to it.
    pub linked: Vec<ResourceId>,
    /// Names of record sets with what they say.
    pub records: Vec<super::zone::Record>,
}

/// The overview of `id`; `None` when there is no such cluster.
pub fn overview(network: &Network, id: &ResourceId) -> Option<Overview> {
    let (cluster, estate) = (network.cluster(id)?, network.estate());
    let declared = estate.managed_cluster(id)?;
    let document = estate.get(id)?.document().value();
    let zone = place::zone_of(estate, declared).and_then(|zone| super::zone::zone(network, &zone));
    let zone = zone.map(|zone| Zone {
        linked: zone.links.iter().map(|link| link.network.clone()).collect(),
        records: zone.records,
        id: zone.id,
    });
    let (shown, because) = explain::question::shown(cluster);
    let (seen, unseen) = seen::from_everywhere(network, id, VANTAGES_SHOWN);
    let endpoint = |found: place::Endpoint| Endpoint {
        id: found.id,
        subnet: found.subnet,
        address: found.address,
        status: found.status,
        own: found.own,
    };
    Some(Overview {
        id: cluster.id.clone(),
        group: group(&cluster.id),
        location: document["location"].as_str().unwrap_or_default().to_owned(),
        version: declared.kubernetes_version.clone(),
        provisioning: provisioning(&document),
        running: cluster.running,
        private: cluster.private,
        public_fqdn: declared.public_fqdn,
        shown: shown.cloned(),
        because,
        addresses: addresses(network, cluster, declared, zone.as_ref()),
        networks: networks(network, id, declared),
        endpoints: place::endpoints(estate, id).into_iter().map(endpoint).collect(),
        zone,
        seen,
        unseen,
    })
}

fn addresses(
    network: &Network,
    cluster: &network::Cluster,
    declared: &ManagedCluster,
    zone: Option<&Zone>,
) -> Vec<Address> {
    let in_kubeconfig = explain::question::kubeconfig_role(cluster);
    let address = |role: Role, name: Option<&DnsName>| {
        let name = name?;
        let in_zone = zone.map(|zone| place::addresses_in(network.estate(), &zone.id, name)).unwrap_or_default();
        let linked = zone.map(|zone| zone.linked.clone()).unwrap_or_default();
        Some(Address {
            role,
            name: name.clone(),
            in_public_dns: network.public_name(name),
            resolved_in: if in_zone.is_empty() { Vec::new() } else { linked },
            in_zone,
            in_kubeconfig: role == in_kubeconfig,
        })
    };
    let all =
        [address(Role::PublicFqdn, declared.fqdn.as_ref()), address(Role::PrivateFqdn, declared.private_fqdn.as_ref())];
    all.into_iter().flatten().collect()
}

fn networks(network: &Network, id: &ResourceId, declared: &ManagedCluster) -> Vec<ResourceId> {
    let pools =
        declared.agent_pools.iter().filter_map(|pool| network.estate().agent_pool(&id.child("agentPools", pool)));
    let mut found: Vec<ResourceId> = pools.filter_map(|pool| pool.subnet.as_ref()?.parent()).collect();
    found.extend(place::endpoints(network.estate(), id).into_iter().map(|endpoint| endpoint.network));
    found.sort();
    found.dedup();
    found
}
