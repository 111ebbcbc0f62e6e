//! What AKS refuses, in its codes and words.
//!
//! Sources: AKS's published list of error codes, its troubleshooting articles, and messages that
//! users quoted in public issues. Where only the code is known the sentence is ours; those are
//! marked *(our words)*.

use azure::{ArmError, ResourceId};
use ipnet::Ipv4Net;

/// `InvalidParameter` for one named parameter, with details.
pub(super) fn invalid_parameter(parameter: &str, details: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidParameter",
        format!(
            "The value of parameter {parameter} is invalid. Error details: {details} \
             Please see https://aka.ms/aks-naming-rules for more details."
        ),
    )
    .with_target(parameter)
}

/// A parameter that must be there.
pub(super) fn missing_parameter(parameter: &str) -> ArmError {
    ArmError::bad_request("InvalidParameter", format!("Required parameter {parameter} is missing (null)."))
        .with_target(parameter)
}

/// A property that keeps its first value.
pub(super) fn change_not_allowed(property: &str) -> ArmError {
    ArmError::bad_request("PropertyChangeNotAllowed", format!("Changing property '{property}' is not allowed."))
        .with_target(property)
}

/// What the resource's state does not allow.
pub(super) fn operation_not_allowed(message: impl Into<String>) -> ArmError {
    ArmError::bad_request("OperationNotAllowed", message)
}

/// A cluster that is asked to start runs already, or is asked to stop and is stopped. Source: Microsoft's
/// "Cluster pending operation (`OperationNotAllowed`) errors".
pub(super) fn power_state_unchanged(start: bool) -> ArmError {
    let (state, act) = if start { ("Running", "starting") } else { ("Stopped", "stopping") };
    operation_not_allowed(format!(
        "managed cluster is in Provisioning State(Succeeded) and Power State({state}), {act} cannot be performed"
    ))
}

// Versions.

/// The cluster asks for a version that does not exist.
pub(super) fn cluster_version_not_supported(cluster: &str, version: &str) -> ArmError {
    ArmError::bad_request(
        "K8sVersionNotSupported",
        format!("Managed cluster {cluster} is on version {version} which is not supported in this region. {VERSIONS}"),
    )
}

/// An agent pool asks for a version that does not exist.
pub(super) fn pool_version_not_supported(version: &str) -> ArmError {
    ArmError::bad_request(
        "AgentPoolK8sVersionNotSupported",
        format!("Version {version} is not supported in this region. {VERSIONS}"),
    )
}

const VERSIONS: &str = "Please use [az aks get-versions] command to get the supported version list in this region. \
                        For more information, please check https://aka.ms/supported-version-list";

/// A step between versions that is no upgrade, or one that skips a minor version.
pub(super) fn version_change(downgrade: bool, from: &str, to: &str, upgrades: &[&str]) -> ArmError {
    let act = if downgrade { "Downgrading" } else { "Upgrading" };
    operation_not_allowed(format!(
        "{act} Kubernetes version {from} to {to} is not allowed. Available upgrades: [{}]. \
         Please see https://aka.ms/aks-supported-k8s-ver for version details.",
        upgrades.join(" ")
    ))
}

/// A pool more than three minor versions behind its control plane.
pub(super) fn pool_too_old(pool: &str, control_plane: &str, minors: (u32, u32)) -> ArmError {
    ArmError::bad_request(
        "NodePoolMcVersionIncompatible",
        format!(
            "Node pool version {pool} and control plane version {control_plane} are incompatible. Minor version of \
             node pool cannot be more than 3 versions less than control plane's version. Minor version of node pool \
             is {} and control plane is {}. For more information, please check https://aka.ms/aks/UpgradeVersionRules",
            minors.0, minors.1
        ),
    )
}

/// A pool newer than its control plane.
pub(super) fn pool_too_new(pool: &str, control_plane: &str) -> ArmError {
    ArmError::bad_request(
        "NodePoolMcVersionIncompatible",
        format!(
            "Node pool version {pool} and control plane version {control_plane} are incompatible. Node pool version \
             cannot be newer than the control plane's version. For more information, please check \
             https://aka.ms/aks/UpgradeVersionRules"
        ),
    )
}

// Private clusters.

/// Zone mode `none` leaves the public FQDN as the only name *(our words)*.
pub(super) fn none_without_public_fqdn() -> ArmError {
    ArmError::bad_request(
        "NonePrivateDNSZonePublicFQDNDisabledError",
        "Private cluster with private DNS zone mode 'none' must keep its public FQDN enabled: without both the API \
         server has no name. Set enablePrivateClusterPublicFQDN to true or use another private DNS zone mode.",
    )
    .with_target("apiServerAccessProfile.enablePrivateClusterPublicFQDN")
}

/// An own zone needs an identity that exists before the cluster *(our words)*.
pub(super) fn own_zone_with_system_identity(zone: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "SystemAssignedIdentityNotSupportedForCustomPrivateDNSZone",
        format!(
            "System-assigned managed identity is not supported with custom private DNS zone {zone}. \
             Please use a user-assigned identity or a service principal."
        ),
    )
    .with_target("identity.type")
}

/// The zone's rights are missing.
pub(super) fn zone_permission(zone: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "CustomPrivateDNSZoneMissingPermissionError",
        format!(
            "Service principal or user-assigned identity must be given permission to read and write to custom private \
             dns zone {zone}. Check access result not allowed for action Microsoft.Network/privateDnsZones/read."
        ),
    )
}

/// The network's rights are missing: the zone cannot be linked to it.
pub(super) fn network_permission(principal: &str, zone: &ResourceId, network: &ResourceId) -> ArmError {
    ArmError::new(
        403,
        "LinkedAuthorizationFailed",
        format!(
            "The client with object id '{principal}' has permission to perform action \
             'Microsoft.Network/privateDnsZones/virtualNetworkLinks/write' on scope '{zone}'; however, it does not \
             have permission to perform action(s) 'Microsoft.Network/virtualNetworks/join/action' on the linked \
             scope(s) '{network}' (respectively) or the linked scope(s) are invalid."
        ),
    )
}

/// What stands for the zone is neither a mode nor a zone's id, or the zone's name is wrong *(our words)*.
pub(super) fn zone_id(given: &str, details: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidPrivateDNSZoneResourceID",
        format!("The private DNS zone resource ID '{given}' is invalid: {details}"),
    )
    .with_target("apiServerAccessProfile.privateDNSZone")
}

/// The zone is not there *(our words)*.
pub(super) fn zone_not_found(zone: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "PrivateDNSZoneResourceNotFoundError",
        format!("The custom private DNS zone '{zone}' was not found."),
    )
    .with_target("apiServerAccessProfile.privateDNSZone")
}

/// Somebody else has the name *(our words)*.
pub(super) fn subdomain_taken(record: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "FQDNSubdomainRecordAlreadyExistsError",
        format!("The FQDN subdomain '{}' is already in use: record set '{record}' exists.", record.name()),
    )
    .with_target("fqdnSubdomain")
}

/// The zone's link cannot be made *(our words)*.
pub(super) fn link_conflict(zone: &ResourceId, network: &ResourceId, other: &ResourceId) -> ArmError {
    ArmError::conflict(
        "CreateOrUpdateVirtualNetworkLinkFailed",
        format!(
            "Private DNS zone '{zone}' cannot be linked to virtual network '{network}': the network is already linked \
             to zone '{other}' of the same name."
        ),
    )
}

/// Public or private is decided at creation.
pub(super) fn private_cluster_change() -> ArmError {
    ArmError::bad_request(
        "PropertyChangeNotAllowed",
        "Changing enablePrivateCluster is not allowed. It can only be set while creating the cluster.",
    )
    .with_target("apiServerAccessProfile.enablePrivateCluster")
}

/// Only `system` → `none` and own zone → `none` are supported *(our words)*.
pub(super) fn zone_change(from: &str, to: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidPrivateDNSZoneMode",
        format!(
            "Changing the private DNS zone from '{from}' to '{to}' is not allowed: it can only be changed to 'none'."
        ),
    )
    .with_target("apiServerAccessProfile.privateDNSZone")
}

// Networks.

/// A pool's subnet is not there.
pub(super) fn subnet_not_found(subnet: &ResourceId, network: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "SubnetNotFound",
        format!(
            "Could not find subnet {} in vnet {} from resource group {} of subscription {}.",
            subnet.name(),
            network.name(),
            network.group_name().unwrap_or_default(),
            network.subscription().unwrap_or_default()
        ),
    )
    .with_target("agentPoolProfile.vnetSubnetID")
}

/// A text that should be a subnet's id.
pub(super) fn subnet_id(given: &str) -> ArmError {
    ArmError::bad_request(
        "LinkedInvalidPropertyId",
        format!(
            "Property id '{given}' at path 'properties.agentPoolProfiles.vnetSubnetID' is invalid. Expect fully \
             qualified resource Id that start with '/subscriptions/{{subscriptionId}}' or \
             '/providers/{{resourceProviderNamespace}}/'."
        ),
    )
    .with_target("agentPoolProfile.vnetSubnetID")
}

/// A subnet that belongs to another service.
pub(super) fn subnet_delegated(subnet: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "SubnetIsDelegated",
        format!(
            "AgentPoolProfile subnet with id {subnet} cannot be used as it's a delegated subnet. \
             Please check https://aka.ms/adv-network-prerequest for more details."
        ),
    )
    .with_target("agentPoolProfile.vnetSubnetID")
}

/// A subnet whose name is kept for a gateway, a firewall or a bastion *(our words)*.
pub(super) fn subnet_reserved(subnet: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "InvalidParameter",
        format!("AgentPoolProfile subnet with id {subnet} cannot be used: subnet '{}' is reserved.", subnet.name()),
    )
    .with_target("agentPoolProfile.vnetSubnetID")
}

/// Not enough addresses.
pub(super) fn subnet_too_small(needed: u64, available: u64, subnet: &ResourceId, prefix: Ipv4Net) -> ArmError {
    ArmError::bad_request(
        "InsufficientSubnetSize",
        format!(
            "Pre-allocated IPs {needed} exceeds IPs available {available} in Subnet Cidr {prefix}, Subnet Name {}. \
             If Autoscaler is enabled, the max-count from each nodepool is counted towards this total (which means \
             that pre-allocated IPs count represents a theoretical max value, not the actual number of IPs \
             requested). http://aka.ms/aks/insufficientsubnetsize",
            subnet.name()
        ),
    )
    .with_target("agentPoolProfile.vnetSubnetID")
}

/// Services and subnets must not share addresses.
pub(super) fn service_cidr_overlap(service: Ipv4Net, subnet: Ipv4Net) -> ArmError {
    ArmError::bad_request(
        "ServiceCidrOverlapExistingSubnetsCidr",
        format!("The specified service CIDR {service} is conflicted with an existing subnet CIDR {subnet}"),
    )
    .with_target("networkProfile.serviceCIDR")
}

/// Pods and subnets must not share addresses.
pub(super) fn pod_cidr_overlap(pods: Ipv4Net, subnet: Ipv4Net) -> ArmError {
    ArmError::bad_request(
        "PodCidrOverlapExistingSubnetsCidr",
        format!("The specified pod CIDR {pods} is conflicted with an existing subnet CIDR {subnet}"),
    )
    .with_target("networkProfile.podCIDR")
}

// Agent pools.

/// A size of machines that does not exist. AKS lists all that do.
pub(super) fn vm_size_not_supported(size: &str, subscription: &str, region: &str, available: &str) -> ArmError {
    ArmError::bad_request(
        "VMSizeNotSupported",
        format!(
            "Virtual Machine size: '{size}' is not supported for subscription {subscription} in location '{region}'. \
             The available VM sizes are '{available}'"
        ),
    )
    .with_target("agentPoolProfile.vmSize")
}

/// A pool has too few or too many nodes.
pub(super) fn node_count(count: u32, least: u32) -> ArmError {
    ArmError::bad_request(
        "InvalidParameter",
        format!(
            "The value of parameter agentPoolProfile.count is invalid. Error details: agentPoolProfile.count was \
             {count}. It must be greater or equal to minCount:{least} and less than or equal to maxCount:1000. \
             Please see https://aka.ms/aks-naming-rules for more details."
        ),
    )
    .with_target("agentPoolProfile.count")
}

/// A cluster needs somewhere to run its system pods.
pub(super) fn no_system_pool() -> ArmError {
    ArmError::bad_request("MustDefineAtLeastOneSystemPool", "Must define at least one system pool.")
}

/// A cluster has nodes.
pub(super) fn no_pool() -> ArmError {
    operation_not_allowed("There has to be at least one agent pool.")
}
