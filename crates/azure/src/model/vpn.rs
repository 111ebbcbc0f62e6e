//! Virtual network gateways, and the sites and connections behind them.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::ResourceId;

/// `Microsoft.Network/virtualNetworkGateways`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VirtualNetworkGateway {
    /// Tells this gateway, and its keys, from any other that has or had its id.
    pub uid: Option<String>,
    /// The `GatewaySubnet` it stands in.
    pub subnet: Option<ResourceId>,
    /// The public IP address that clients and sites connect to.
    pub public_address: Option<ResourceId>,
    /// `vpnClientConfiguration.vpnClientAddressPool`: point-to-site clients get addresses here.
    pub client_address_pool: Vec<Ipv4Net>,
    /// Names of `vpnClientRootCertificates`: a client whose certificate one of them signed may connect.
    pub root_certificates: Vec<String>,
    /// Thumbprints of `vpnClientRevokedCertificates`: SHA-1 of the certificate, upper-case hexadecimal.
    pub revoked_thumbprints: Vec<String>,
    /// `customRoutes.addressPrefixes`, advertised to clients.
    pub custom_routes: Vec<Ipv4Net>,
}

/// `Microsoft.Network/localNetworkGateways`: a site outside Azure, as Azure sees it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalNetworkGateway {
    /// `localNetworkAddressSpace.addressPrefixes`: what lies in the site.
    pub address_space: Vec<Ipv4Net>,
    /// `gatewayIpAddress`: the site's own VPN device; absent when it is given by name.
    pub public_address: Option<Ipv4Addr>,
}

/// `Microsoft.Network/connections` of type `IPsec`: a tunnel between a gateway and a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// `virtualNetworkGateway1`.
    pub gateway: ResourceId,
    /// `localNetworkGateway2`.
    pub local: ResourceId,
}
