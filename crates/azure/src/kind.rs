//! The resource types noren understands, each with its ARM spelling.
//!
//! A type that is not here is stored and returned as a document ([`Kind::Other`]) and never
//! claimed to work.

use crate::ResourceId;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $text:literal,)*) => {
        /// A resource type that has meaning in the model.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)*
            /// Any type without a meaning here: kept losslessly, not modelled.
            Other,
        }

        impl Kind {
            /// Every kind with a meaning, in declaration order.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The type as ARM spells it, `Namespace/type[/type]`; empty for [`Kind::Other`].
            pub const fn arm_type(self) -> &'static str {
                match self {
                    $(Self::$kind => $text,)*
                    Self::Other => "",
                }
            }
        }
    };
}

kinds! {
    /// A subscription, as a scope.
    Subscription = "Microsoft.Resources/subscriptions",
    /// A resource group.
    ResourceGroup = "Microsoft.Resources/resourceGroups",
    /// A template deployment.
    Deployment = "Microsoft.Resources/deployments",
    /// A virtual network.
    VirtualNetwork = "Microsoft.Network/virtualNetworks",
    /// A subnet of a virtual network.
    Subnet = "Microsoft.Network/virtualNetworks/subnets",
    /// One half of a peering.
    Peering = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
    /// A network interface.
    NetworkInterface = "Microsoft.Network/networkInterfaces",
    /// A virtual machine.
    VirtualMachine = "Microsoft.Compute/virtualMachines",
    /// A managed disk.
    Disk = "Microsoft.Compute/disks",
    /// A private endpoint.
    PrivateEndpoint = "Microsoft.Network/privateEndpoints",
    /// The DNS zone group of a private endpoint.
    PrivateDnsZoneGroup = "Microsoft.Network/privateEndpoints/privateDnsZoneGroups",
    /// A private DNS zone.
    PrivateDnsZone = "Microsoft.Network/privateDnsZones",
    /// A virtual network link of a private DNS zone.
    VirtualNetworkLink = "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    /// `A` record set.
    RecordA = "Microsoft.Network/privateDnsZones/A",
    /// `AAAA` record set.
    RecordAaaa = "Microsoft.Network/privateDnsZones/AAAA",
    /// `CNAME` record set.
    RecordCname = "Microsoft.Network/privateDnsZones/CNAME",
    /// `MX` record set.
    RecordMx = "Microsoft.Network/privateDnsZones/MX",
    /// `PTR` record set.
    RecordPtr = "Microsoft.Network/privateDnsZones/PTR",
    /// `SOA` record set.
    RecordSoa = "Microsoft.Network/privateDnsZones/SOA",
    /// `SRV` record set.
    RecordSrv = "Microsoft.Network/privateDnsZones/SRV",
    /// `TXT` record set.
    RecordTxt = "Microsoft.Network/privateDnsZones/TXT",
    /// A network security group.
    NetworkSecurityGroup = "Microsoft.Network/networkSecurityGroups",
    /// A rule of a network security group.
    SecurityRule = "Microsoft.Network/networkSecurityGroups/securityRules",
    /// A route table.
    RouteTable = "Microsoft.Network/routeTables",
    /// A route of a route table.
    Route = "Microsoft.Network/routeTables/routes",
    /// A public IP address.
    PublicIpAddress = "Microsoft.Network/publicIPAddresses",
    /// A virtual network gateway; with a client address pool, a point-to-site VPN.
    VirtualNetworkGateway = "Microsoft.Network/virtualNetworkGateways",
    /// A site outside Azure.
    LocalNetworkGateway = "Microsoft.Network/localNetworkGateways",
    /// A connection of a virtual network gateway.
    Connection = "Microsoft.Network/connections",
    /// A DNS private resolver.
    DnsResolver = "Microsoft.Network/dnsResolvers",
    /// An inbound endpoint of a DNS private resolver.
    InboundEndpoint = "Microsoft.Network/dnsResolvers/inboundEndpoints",
    /// An outbound endpoint of a DNS private resolver.
    OutboundEndpoint = "Microsoft.Network/dnsResolvers/outboundEndpoints",
    /// A DNS forwarding ruleset.
    ForwardingRuleset = "Microsoft.Network/dnsForwardingRulesets",
    /// A rule of a DNS forwarding ruleset.
    ForwardingRule = "Microsoft.Network/dnsForwardingRulesets/forwardingRules",
    /// A virtual network link of a DNS forwarding ruleset.
    RulesetLink = "Microsoft.Network/dnsForwardingRulesets/virtualNetworkLinks",
    /// A managed (AKS) cluster.
    ManagedCluster = "Microsoft.ContainerService/managedClusters",
    /// An agent pool of a managed cluster.
    AgentPool = "Microsoft.ContainerService/managedClusters/agentPools",
    /// A private endpoint connection of a managed cluster.
    PrivateEndpointConnection = "Microsoft.ContainerService/managedClusters/privateEndpointConnections",
    /// A user-assigned managed identity.
    UserAssignedIdentity = "Microsoft.ManagedIdentity/userAssignedIdentities",
    /// A role assignment.
    RoleAssignment = "Microsoft.Authorization/roleAssignments",
    /// A role definition.
    RoleDefinition = "Microsoft.Authorization/roleDefinitions",
    /// A machine outside Azure, with a hosts file of its own. Not an Azure type: the lab's.
    LabClient = "Noren.Lab/clients",
}

impl Kind {
    /// The kind of a resource, by the type in its id.
    pub fn of(id: &ResourceId) -> Self {
        Self::from_type(&id.resource_type())
    }

    /// The kind with this ARM type, whatever its case.
    pub fn from_type(arm_type: &str) -> Self {
        Self::ALL.iter().copied().find(|kind| kind.arm_type().eq_ignore_ascii_case(arm_type)).unwrap_or(Self::Other)
    }

    /// The last part of the type: what a collection of these is called in a path.
    pub fn collection(self) -> &'static str {
        self.arm_type().rsplit('/').next().unwrap_or_default()
    }

    /// Whether this is a record set of a private DNS zone.
    pub fn is_record_set(self) -> bool {
        matches!(
            self,
            Self::RecordA
                | Self::RecordAaaa
                | Self::RecordCname
                | Self::RecordMx
                | Self::RecordPtr
                | Self::RecordSoa
                | Self::RecordSrv
                | Self::RecordTxt
        )
    }
}
