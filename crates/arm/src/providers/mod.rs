//! Which provider answers for which kind of resource, and for what lies at a location.

pub mod authorization;
pub mod compute;
pub mod container_service;
pub mod deployments;
pub mod filter;
pub mod groups;
pub mod identity;
pub mod lab;
pub mod locations;
pub mod namespaces;
pub mod network;
pub mod private_dns;
mod public_side;
pub mod resources;
pub mod tags;

use azure::{ArmError, Kind};
use serde_json::Value;

use crate::provider::{Provider, Request};

/// A resource that is nothing but its document.
struct Plain;

impl Provider for Plain {
    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// The provider of `kind`.
pub fn of(kind: Kind) -> &'static dyn Provider {
    match kind {
        Kind::Deployment => &deployments::Deployments,
        Kind::ResourceGroup => &groups::ResourceGroups,
        Kind::LabClient => &lab::LabClients,
        Kind::VirtualNetwork => &network::virtual_networks::VirtualNetworks,
        Kind::Subnet => &network::subnets::Subnets,
        Kind::Peering => &network::peerings::Peerings,
        Kind::NetworkSecurityGroup => &network::associations::NetworkSecurityGroups,
        Kind::RouteTable => &network::associations::RouteTables,
        Kind::SecurityRule => &network::associations::SecurityRules,
        Kind::Route => &network::associations::Routes,
        Kind::VirtualMachine => &compute::virtual_machines::VirtualMachines,
        Kind::Disk => &compute::disks::Disks,
        Kind::NetworkInterface => &network::network_interfaces::NetworkInterfaces,
        Kind::PrivateEndpoint => &network::private_endpoints::PrivateEndpoints,
        Kind::PrivateDnsZoneGroup => &network::dns_zone_groups::PrivateDnsZoneGroups,
        Kind::VirtualNetworkGateway => &network::vpn::VirtualNetworkGateways,
        Kind::LocalNetworkGateway => &network::vpn::LocalNetworkGateways,
        Kind::Connection => &network::vpn::Connections,
        Kind::DnsResolver => &network::dns_resolver::DnsResolvers,
        Kind::InboundEndpoint => &network::dns_resolver::InboundEndpoints,
        Kind::OutboundEndpoint => &network::dns_resolver::OutboundEndpoints,
        Kind::ForwardingRuleset => &network::dns_resolver::ForwardingRulesets,
        Kind::ForwardingRule => &network::dns_resolver::ForwardingRules,
        Kind::RulesetLink => &network::dns_resolver::RulesetLinks,
        Kind::PublicIpAddress => &network::public_ip_addresses::PublicIpAddresses,
        Kind::PrivateDnsZone => &private_dns::zones::PrivateDnsZones,
        Kind::VirtualNetworkLink => &private_dns::links::VirtualNetworkLinks,
        kind if kind.is_record_set() => &private_dns::records::RecordSets,
        Kind::ManagedCluster => &container_service::ManagedClusters,
        Kind::PrivateEndpointConnection => &container_service::PrivateEndpointConnections,
        Kind::AgentPool => &container_service::AgentPools,
        Kind::UserAssignedIdentity => &identity::UserAssignedIdentities,
        Kind::RoleDefinition => &authorization::RoleDefinitions,
        Kind::RoleAssignment => &authorization::RoleAssignments,
        _ => &Plain,
    }
}

/// What a client asks of a namespace at a location:
/// `/subscriptions/S/providers/<namespace>/locations/<location>/<view>`.
pub struct Regional<'a> {
    /// The resource provider namespace, in lower case.
    pub namespace: &'a str,
    /// The location, normalised (`westeurope`).
    pub location: &'a str,
    /// What lies below it, in lower case (`kubernetesversions`).
    pub view: &'a str,
}

/// `GET` (and `POST`, for checks that change nothing) of a [`Regional`] view. `None` when no
/// provider has it; `request.id` is the subscription.
pub fn regional(request: &mut Request<'_>, regional: &Regional<'_>) -> Option<Result<Value, ArmError>> {
    match (regional.namespace, regional.view) {
        ("microsoft.containerservice", "kubernetesversions") => Some(Ok(container_service::kubernetes_versions())),
        ("microsoft.compute", "vmsizes") => Some(Ok(compute::sizes::list())),
        ("microsoft.compute", view) => {
            let rest = view.strip_prefix("publishers")?;
            compute::images::view(request.id.name(), regional.location, rest).map(Ok)
        }
        _ => None,
    }
}

/// What a provider offers of a type of which nobody makes resources
/// (`/subscriptions/S/providers/Microsoft.Compute/skus`); `None` for any other type.
///
/// # Errors
/// 400 for a `$filter` that makes no sense.
pub fn offered(request: &Request<'_>, resource_type: &str) -> Result<Option<Vec<Value>>, ArmError> {
    if !resource_type.eq_ignore_ascii_case("Microsoft.Compute/skus") {
        return Ok(None);
    }
    let filter = request.query("$filter").filter(|text| !text.is_empty()).map(filter::Filter::parse).transpose()?;
    let wanted = filter.as_ref().and_then(|filter| filter.value_of("location"));
    let regions = locations::REGIONS.iter().map(|region| region.name);
    let locations: Vec<&str> =
        regions.filter(|name| wanted.is_none_or(|wanted| wanted.eq_ignore_ascii_case(name))).collect();
    Ok(Some(compute::sizes::skus(&locations)))
}
