//! Where nodes stand: the subnets of the agent pools, the rules they must keep, and the nodes'
//! addresses.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use azure::{ArmError, Estate, Json, Kind, ResourceId, addressing, aks, model::Model, parse_prefix};
use ipnet::Ipv4Net;

use super::{
    documents,
    fields::{self, Fields},
    pool::Pool,
    profile, refusal,
    site::Site,
    state::PoolState,
};
use crate::{provider::Entropy, stage::Stage};

/// Subnets that belong to one service by their name.
const RESERVED_SUBNETS: &[&str] = &[
    "GatewaySubnet",
    "AzureFirewallSubnet",
    "AzureFirewallManagementSubnet",
    "AzureBastionSubnet",
    "RouteServerSubnet",
];

/// What the nodes' network has to carry besides the nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs<'a> {
    /// The cluster's `networkProfile`.
    pub(super) network: &'a Fields,
    /// Whether a private endpoint stands in the first pool's subnet.
    pub(super) private: bool,
    /// The eight digits in the name of a network that AKS makes.
    pub(super) digits: &'a str,
}

/// Gives every pool its subnet: the client's, or that of the network AKS makes.
///
/// # Errors
/// Azure's refusals of subnets that do not exist, do not fit or are somebody else's.
pub(super) fn settle(
    stage: &mut Stage,
    site: &Site,
    pools: &mut [Pool],
    needs: Needs<'_>,
    entropy: &mut Entropy,
) -> Result<(), ArmError> {
    if pools.iter().any(Pool::has_own_subnet) {
        if let Some(pool) = pools.iter().find(|pool| !pool.has_own_subnet()) {
            return Err(ArmError::bad_request(
                "AgentPoolsWithEmptySubnetError",
                format!("The Agentpool {} does not have subnet defined.", pool.id.name()),
            )
            .with_target("agentPoolProfile.vnetSubnetID"));
        }
    } else {
        let made = pools.iter().find_map(|pool| pool.state.subnet.clone());
        let subnet = made.unwrap_or_else(|| default_network(stage, site, needs.digits, entropy));
        for pool in pools.iter_mut() {
            pool.state.subnet = Some(subnet.clone());
        }
    }
    check_same_network(pools)?;
    let subnets: BTreeSet<&ResourceId> = pools.iter().filter_map(|pool| pool.state.subnet.as_ref()).collect();
    for subnet in subnets {
        check_subnet(stage.estate(), site, subnet, needs)?;
        check_capacity(stage.estate(), site, subnet, pools, needs)?;
    }
    Ok(())
}

fn default_network(stage: &mut Stage, site: &Site, digits: &str, entropy: &mut Entropy) -> ResourceId {
    let network = site.node_group.resource(Kind::VirtualNetwork.arm_type(), &format!("aks-vnet-{digits}"));
    let subnet = network.child(Kind::Subnet.collection(), aks::DEFAULT_SUBNET_NAME);
    stage.put(documents::virtual_network(&network, site, entropy));
    stage.put(documents::subnet(&subnet, entropy));
    subnet
}

fn check_same_network(pools: &[Pool]) -> Result<(), ArmError> {
    let network = |pool: &Pool| pool.state.subnet.as_ref().and_then(ResourceId::parent);
    let first = pools.first().and_then(network);
    match pools.iter().find(|pool| network(pool) != first) {
        None => Ok(()),
        Some(pool) => Err(ArmError::bad_request(
            "InvalidParameter",
            format!(
                "All agent pools must be in the same virtual network: subnet {} of agent pool {} is not in {}.",
                pool.state.subnet.as_ref().map_or("", |subnet| subnet.as_str()),
                pool.id.name(),
                first.as_ref().map_or("", |network| network.as_str())
            ),
        )
        .with_target("agentPoolProfile.vnetSubnetID")),
    }
}

fn check_subnet(estate: &Estate, site: &Site, subnet: &ResourceId, needs: Needs<'_>) -> Result<(), ArmError> {
    let network = subnet.parent().unwrap_or_else(|| subnet.clone());
    let (Some(found), Some(model)) = (estate.get(subnet), estate.subnet(subnet)) else {
        return Err(refusal::subnet_not_found(subnet, &network));
    };
    if RESERVED_SUBNETS.iter().any(|reserved| reserved.eq_ignore_ascii_case(subnet.name())) {
        return Err(refusal::subnet_reserved(subnet));
    }
    if Json::new(&found.document().value()).at("properties.delegations").items().next().is_some() {
        return Err(refusal::subnet_delegated(subnet));
    }
    if model.prefixes.len() > 1 {
        return Err(ArmError::bad_request(
            "MultipleAddressPrefixesSubnetNotSupported",
            format!("Subnet {subnet} has more than one address prefix, which is not supported."),
        )
        .with_target("agentPoolProfile.vnetSubnetID"));
    }
    let document = estate.get(&network).map(|network| network.document().value()).unwrap_or_default();
    match Json::new(&document).get("location").text() {
        Some(location) if crate::provider::normal_location(location) != site.region => {
            return Err(ArmError::bad_request(
                "InvalidParameter",
                format!(
                    "Virtual network {network} is in location '{location}' but the cluster is in '{}': they must be \
                     in the same location.",
                    site.region
                ),
            )
            .with_target("agentPoolProfile.vnetSubnetID"));
        }
        _ => {}
    }
    let routed = fields::text(needs.network, "outboundType") == Some("userDefinedRouting");
    if routed && model.route_table.is_none() {
        return Err(ArmError::bad_request(
            "ExistingRouteTableNotAssociatedWithSubnet",
            format!("An existing route table has not been associated with subnet {subnet}. Please update the route table association"),
        )
        .with_target("networkProfile.outboundType"));
    }
    check_ranges(estate, &network, needs.network)
}

/// Services and pods may not have addresses of any subnet of the network.
fn check_ranges(estate: &Estate, network: &ResourceId, profile: &Fields) -> Result<(), ArmError> {
    let (services, pods) = (profile::cidr(profile, "serviceCidr")?, profile::cidr(profile, "podCidr")?);
    for (_, subnet) in estate.subnets(network) {
        if let Some((services, taken)) = overlap(services, &subnet.prefixes) {
            return Err(refusal::service_cidr_overlap(services, taken));
        }
        if let Some((pods, taken)) = overlap(pods, &subnet.prefixes) {
            return Err(refusal::pod_cidr_overlap(pods, taken));
        }
    }
    Ok(())
}

fn overlap(range: Option<Ipv4Net>, prefixes: &[Ipv4Net]) -> Option<(Ipv4Net, Ipv4Net)> {
    addressing::overlap(&[range?], prefixes)
}

/// Counts what the cluster may come to need against what others leave.
fn check_capacity(
    estate: &Estate,
    site: &Site,
    subnet: &ResourceId,
    pools: &[Pool],
    needs: Needs<'_>,
) -> Result<(), ArmError> {
    let prefix = prefix_of(estate, subnet)?;
    let here = |pool: &&Pool| pool.state.subnet.as_ref() == Some(subnet);
    let endpoint = needs.private && pools.first().is_some_and(|pool| here(&pool));
    let needed = pools.iter().filter(here).map(|pool| pool.state.reserved).sum::<u64>() + u64::from(endpoint);
    let own_endpoint = site.endpoint();
    let others: u64 = estate
        .referrers(subnet)
        .map(|resource| match resource.model() {
            Model::NetworkInterface(nic) if nic.private_endpoint.as_ref() == Some(&own_endpoint) => 0,
            Model::NetworkInterface(nic) => {
                nic.ip_configurations.iter().filter(|held| held.subnet == *subnet).count() as u64
            }
            Model::AgentPool(_) if !resource.id().is_below(&site.cluster) => PoolState::of(resource).reserved,
            _ => 0,
        })
        .sum();
    let available = addressing::usable_addresses(prefix).saturating_sub(others);
    if needed > available {
        return Err(refusal::subnet_too_small(needed, available, subnet, prefix));
    }
    Ok(())
}

/// The prefix of a subnet that exists.
///
/// # Errors
/// `SubnetNotFound` when it does not.
pub(super) fn prefix_of(estate: &Estate, subnet: &ResourceId) -> Result<Ipv4Net, ArmError> {
    let found = estate.subnet(subnet).and_then(|subnet| subnet.prefixes.first().copied());
    found.ok_or_else(|| refusal::subnet_not_found(subnet, &subnet.parent().unwrap_or_else(|| subnet.clone())))
}

/// Gives every node an address of its pool's subnet. Nodes keep what they have.
///
/// # Errors
/// `SubnetIsFull` when there is none left.
pub(super) fn assign_addresses(estate: &Estate, pools: &mut [Pool]) -> Result<(), ArmError> {
    let mut taken: BTreeMap<ResourceId, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    for pool in pools.iter_mut() {
        let Some(subnet) = pool.state.subnet.clone() else { continue };
        let prefix = prefix_of(estate, &subnet)?;
        let taken = taken.entry(subnet.clone()).or_insert_with(|| addressing::taken(estate, &subnet));
        let mut from = None;
        pool.assign(|| {
            let address = addressing::next_free(prefix, taken, from).ok_or_else(|| subnet_full(&subnet, prefix))?;
            taken.insert(address);
            from = Some(address);
            Ok(address)
        })?;
    }
    Ok(())
}

/// The refusal when a subnet has no address left.
pub(super) fn subnet_full(subnet: &ResourceId, prefix: Ipv4Net) -> ArmError {
    ArmError::bad_request(
        "SubnetIsFull",
        format!(
            "Subnet {} with address prefix {prefix} does not have enough capacity for 1 IP addresses.",
            subnet.name()
        ),
    )
    .with_target(subnet.as_str())
}

/// An address of a public API server that no other cluster has.
///
/// # Errors
/// When all are in use.
pub(super) fn public_address(estate: &Estate) -> Result<Ipv4Addr, ArmError> {
    let range = parse_prefix(aks::PUBLIC_API_SERVERS);
    range
        .and_then(|range| estate.free_public_address(addressing::first_usable(range), addressing::last_usable(range)))
        .ok_or_else(|| {
            ArmError::bad_request("RegionOverConstrained", "There is no public address left for another API server.")
        })
}
