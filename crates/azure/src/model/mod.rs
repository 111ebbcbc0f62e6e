//! What noren understands of a resource: one plain struct for each kind, public fields, no JSON.

mod compute;
mod dns_resolver;
mod routing;
mod security;
mod vpn;

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv4Net;

pub use compute::VirtualMachine;
pub use dns_resolver::{
    DnsResolver, ForwardingRule, ForwardingRuleset, InboundEndpoint, OutboundEndpoint, RulesetLink,
};
pub use routing::{Route, RouteNextHop, RouteTable};
pub use security::{
    Access, AddressMatch, Direction, NetworkSecurityGroup, PortRange, RuleProtocol, SecurityRule, ServiceTag,
};
pub use vpn::{Connection, LocalNetworkGateway, VirtualNetworkGateway};

use crate::{DnsName, ResourceId};

/// The typed view of a resource.
#[derive(Debug, Clone, PartialEq)]
pub enum Model {
    /// A resource group.
    ResourceGroup,
    /// A virtual network.
    VirtualNetwork(VirtualNetwork),
    /// A subnet.
    Subnet(Subnet),
    /// One half of a peering.
    Peering(Peering),
    /// A network interface.
    NetworkInterface(NetworkInterface),
    /// A public IP address.
    PublicIpAddress(PublicIpAddress),
    /// A virtual machine.
    VirtualMachine(VirtualMachine),
    /// A network security group.
    NetworkSecurityGroup(NetworkSecurityGroup),
    /// A rule of a network security group.
    SecurityRule(SecurityRule),
    /// A route table.
    RouteTable(RouteTable),
    /// A route of a route table.
    Route(Route),
    /// A private endpoint.
    PrivateEndpoint(PrivateEndpoint),
    /// A private DNS zone.
    PrivateDnsZone(PrivateDnsZone),
    /// A record set of a private DNS zone.
    RecordSet(RecordSet),
    /// A virtual network link.
    VirtualNetworkLink(VirtualNetworkLink),
    /// A managed cluster.
    ManagedCluster(ManagedCluster),
    /// An agent pool.
    AgentPool(AgentPool),
    /// A virtual network gateway.
    VirtualNetworkGateway(VirtualNetworkGateway),
    /// A site outside Azure.
    LocalNetworkGateway(LocalNetworkGateway),
    /// A tunnel between a gateway and a site.
    Connection(Connection),
    /// A DNS private resolver.
    DnsResolver(DnsResolver),
    /// An inbound endpoint of a DNS private resolver.
    InboundEndpoint(InboundEndpoint),
    /// An outbound endpoint of a DNS private resolver.
    OutboundEndpoint(OutboundEndpoint),
    /// A DNS forwarding ruleset.
    ForwardingRuleset(ForwardingRuleset),
    /// A rule of a DNS forwarding ruleset.
    ForwardingRule(ForwardingRule),
    /// A link from a DNS forwarding ruleset to a network.
    RulesetLink(RulesetLink),
    /// A user-assigned identity.
    UserAssignedIdentity(UserAssignedIdentity),
    /// A role assignment.
    RoleAssignment(RoleAssignment),
    /// A machine outside Azure.
    LabClient(LabClient),
    /// Kept as a document only.
    Unmodelled,
}

/// `Microsoft.Network/virtualNetworks`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VirtualNetwork {
    /// `addressSpace.addressPrefixes`, IPv4.
    pub address_space: Vec<Ipv4Net>,
    /// `dhcpOptions.dnsServers`; empty means Azure-provided DNS (168.63.129.16).
    pub dns_servers: Vec<Ipv4Addr>,
}

/// `…/subnets`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Subnet {
    /// `addressPrefix` and `addressPrefixes`, IPv4.
    pub prefixes: Vec<Ipv4Net>,
    /// `networkSecurityGroup.id`.
    pub network_security_group: Option<ResourceId>,
    /// `routeTable.id`.
    pub route_table: Option<ResourceId>,
    /// `privateEndpointNetworkPolicies`.
    pub private_endpoint_policies: PrivateEndpointPolicies,
}

/// `privateEndpointNetworkPolicies`: what of the subnet's governs traffic to private endpoints in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PrivateEndpointPolicies {
    /// `NetworkSecurityGroupEnabled` or `Enabled`: the subnet's network security group.
    pub network_security_groups: bool,
    /// `RouteTableEnabled` or `Enabled`: user-defined routes, so that the endpoint's own /32 goes.
    pub route_tables: bool,
}

/// `…/virtualNetworkPeerings`: one half. The pair is connected when the other half exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peering {
    /// `remoteVirtualNetwork.id`.
    pub remote: ResourceId,
    /// `allowVirtualNetworkAccess` (default true): the two address spaces may talk.
    pub allow_virtual_network_access: bool,
    /// `allowForwardedTraffic` (default false).
    pub allow_forwarded_traffic: bool,
    /// `allowGatewayTransit` (default false): the remote network may use this network's gateway.
    pub allow_gateway_transit: bool,
    /// `useRemoteGateways` (default false): this network uses the remote network's gateway.
    pub use_remote_gateways: bool,
    /// `peeringState` is `Disconnected`: the other half was there and is gone.
    pub disconnected: bool,
    /// `remoteAddressSpace.addressPrefixes`: what of the remote network was known when this half was
    /// last synchronised; empty where nobody said.
    pub remote_address_space: Vec<Ipv4Net>,
}

/// One IP configuration of a network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IpConfiguration {
    /// The subnet it stands in.
    pub subnet: ResourceId,
    /// `privateIPAddress`, once allocated.
    pub address: Option<Ipv4Addr>,
    /// `publicIPAddress.id`: the Internet sees it by that address.
    pub public_address: Option<ResourceId>,
}

/// `Microsoft.Network/networkInterfaces`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkInterface {
    /// IP configurations, the primary one first.
    pub ip_configurations: Vec<IpConfiguration>,
    /// `dnsSettings.dnsServers`: stronger than the network's.
    pub dns_servers: Vec<Ipv4Addr>,
    /// The private endpoint this interface belongs to; such an interface is no vantage.
    pub private_endpoint: Option<ResourceId>,
    /// `networkSecurityGroup.id`.
    pub network_security_group: Option<ResourceId>,
    /// `enableIPForwarding`: it may send and take what is not from or for its own address.
    pub ip_forwarding: bool,
}

/// `Microsoft.Network/publicIPAddresses`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublicIpAddress {
    /// `ipAddress`, once allocated.
    pub address: Option<Ipv4Addr>,
}

/// `privateLinkServiceConnectionState.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionStatus {
    /// Traffic flows.
    Approved,
    /// Waits for approval: the address exists, nothing answers.
    Pending,
    /// Refused by the service's owner.
    Rejected,
    /// The service is gone or has dropped the connection.
    Disconnected,
}

/// `Microsoft.Network/privateEndpoints`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateEndpoint {
    /// The subnet its interface stands in.
    pub subnet: Option<ResourceId>,
    /// `privateLinkServiceId`: what it leads to.
    pub service: Option<ResourceId>,
    /// The state of the connection.
    pub status: ConnectionStatus,
    /// Its network interfaces.
    pub network_interfaces: Vec<ResourceId>,
}

/// `Microsoft.Network/privateDnsZones`; the zone's name is the resource's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateDnsZone {
    /// The zone's name.
    pub name: DnsName,
}

/// `…/virtualNetworkLinks`: makes one virtual network ask this zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualNetworkLink {
    /// The network that may ask.
    pub virtual_network: ResourceId,
    /// `registrationEnabled`: virtual machines of the network are registered in the zone.
    pub registration_enabled: bool,
    /// `resolutionPolicy`.
    pub resolution_policy: ResolutionPolicy,
}

/// What happens when a linked zone does not have the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResolutionPolicy {
    /// The zone's NXDOMAIN is the answer: an empty linked zone shadows public DNS.
    #[default]
    Default,
    /// `NxDomainRedirect`: ask public DNS instead.
    NxDomainRedirect,
}

/// A record set of a private DNS zone; zone, type and name are in the resource id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// Time to live in seconds.
    pub ttl_s: u32,
    /// The records.
    pub records: Vec<RecordData>,
}

/// The type of a DNS record that a private zone can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the DNS type of that name")]
pub enum RecordType {
    A,
    Aaaa,
    Cname,
    Mx,
    Ptr,
    Soa,
    Srv,
    Txt,
}

/// The data of one DNS record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "RFC 1035, 2782 and 3596 name the fields")]
pub enum RecordData {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(DnsName),
    Mx { preference: u16, exchange: DnsName },
    Ptr(DnsName),
    Soa(Soa),
    Srv { priority: u16, weight: u16, port: u16, target: DnsName },
    Txt(Vec<String>),
}

impl RecordData {
    /// The record's type.
    pub const fn record_type(&self) -> RecordType {
        match self {
            Self::A(_) => RecordType::A,
            Self::Aaaa(_) => RecordType::Aaaa,
            Self::Cname(_) => RecordType::Cname,
            Self::Mx { .. } => RecordType::Mx,
            Self::Ptr(_) => RecordType::Ptr,
            Self::Soa(_) => RecordType::Soa,
            Self::Srv { .. } => RecordType::Srv,
            Self::Txt(_) => RecordType::Txt,
        }
    }
}

/// A start of authority; all times in seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "RFC 1035 §3.3.13 names the fields")]
pub struct Soa {
    pub host: DnsName,
    pub email: DnsName,
    pub serial: u32,
    pub refresh_s: u32,
    pub retry_s: u32,
    pub expire_s: u32,
    pub minimum_s: u32,
}

/// `apiServerAccessProfile.privateDNSZone`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum PrivateDnsZoneMode {
    /// AKS makes a zone in the node resource group.
    #[default]
    System,
    /// No zone: the public FQDN is the only name.
    None,
    /// The user's own zone.
    Own(ResourceId),
}

/// `Microsoft.ContainerService/managedClusters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedCluster {
    /// Tells this cluster from any other that has or had its id.
    pub uid: Option<String>,
    /// Whether it runs or is stopped.
    pub running: bool,
    /// `kubernetesVersion`, a full version.
    pub kubernetes_version: String,
    /// `fqdn`: absent when the public FQDN is disabled.
    pub fqdn: Option<DnsName>,
    /// `privateFQDN`: absent for public clusters and for zone mode `none`.
    pub private_fqdn: Option<DnsName>,
    /// `azurePortalFQDN`.
    pub portal_fqdn: Option<DnsName>,
    /// `enablePrivateCluster`.
    pub private: bool,
    /// `enablePrivateClusterPublicFQDN` (default true).
    pub public_fqdn: bool,
    /// `privateDNSZone`.
    pub zone: PrivateDnsZoneMode,
    /// `authorizedIPRanges` (public clusters only); empty means everybody.
    pub authorized_ranges: Vec<Ipv4Net>,
    /// The node resource group.
    pub node_resource_group: Option<ResourceId>,
    /// Address of a public cluster's API server.
    pub public_address: Option<Ipv4Addr>,
    /// Names of the agent pools, in their order; the first one's subnet holds the endpoint.
    pub agent_pools: Vec<String>,
    /// `networkProfile.serviceCidr`.
    pub service_cidr: Option<Ipv4Net>,
}

/// `…/agentPools`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentPool {
    /// Number of nodes.
    pub count: u32,
    /// `vmSize`.
    pub vm_size: String,
    /// `mode`: `System` or `User`.
    pub mode: String,
    /// `osType`: `Linux` or `Windows`.
    pub os_type: String,
    /// `orchestratorVersion` in force.
    pub kubernetes_version: String,
    /// `nodeImageVersion`.
    pub node_image_version: String,
    /// Whether the pool runs.
    pub running: bool,
    /// `vnetSubnetID`, or the subnet AKS made for the pool.
    pub subnet: Option<ResourceId>,
    /// The nodes' addresses in that subnet, in the order of the nodes. Nodes are instances of a
    /// scale set: they have addresses, but no network interface resources.
    pub node_addresses: Vec<Ipv4Addr>,
    /// `availabilityZones`.
    pub zones: Vec<String>,
    /// `nodeLabels`.
    pub labels: Vec<(String, String)>,
    /// `nodeTaints`, `key=value:effect`.
    pub taints: Vec<String>,
}

/// `Microsoft.ManagedIdentity/userAssignedIdentities`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserAssignedIdentity {
    /// Object id of its service principal.
    pub principal_id: String,
    /// Application id.
    pub client_id: String,
}

/// `Microsoft.Authorization/roleAssignments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleAssignment {
    /// Where the role holds, and below.
    pub scope: ResourceId,
    /// Who holds it.
    pub principal_id: String,
    /// The GUID of the role definition, lower case.
    pub role: String,
}

/// `Noren.Lab/clients`: a machine outside Azure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabClient {
    /// The point-to-site gateway it is connected to; with neither this nor a site it is on the Internet.
    pub gateway: Option<ResourceId>,
    /// The site outside Azure (a local network gateway) in which it stands.
    pub site: Option<ResourceId>,
    /// Its address in that site.
    pub address: Option<Ipv4Addr>,
    /// The DNS servers it is set up with; a VPN's are asked first.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Its hosts file.
    pub hosts: Vec<HostsEntry>,
    /// Its source address as the Internet sees it.
    pub public_address: Option<Ipv4Addr>,
}

/// One line of a hosts file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostsEntry {
    /// The address.
    pub address: Ipv4Addr,
    /// The names that have it.
    pub names: Vec<DnsName>,
}
