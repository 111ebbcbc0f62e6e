//! Which provider answers for which kind of resource, and for what lies at a location.

pub mod authorization;
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
pub mod resources;

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
        Kind::NetworkInterface => &network::network_interfaces::NetworkInterfaces,
        Kind::PrivateEndpoint => &network::private_endpoints::PrivateEndpoints,
        Kind::VirtualNetworkGateway => &network::gateways::VirtualNetworkGateways,
        Kind::PublicIpAddress => &network::public_ip_addresses::PublicIpAddresses,
        Kind::PrivateDnsZone => &private_dns::zones::PrivateDnsZones,
        Kind::VirtualNetworkLink => &private_dns::links::VirtualNetworkLinks,
        kind if kind.is_record_set() => &private_dns::records::RecordSets,
        Kind::ManagedCluster => &container_service::ManagedClusters,
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
    let _ = request;
    match (regional.namespace, regional.view) {
        ("microsoft.containerservice", "kubernetesversions") => Some(Ok(container_service::kubernetes_versions())),
        _ => None,
    }
}
