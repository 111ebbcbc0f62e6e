//! Causes: the closed set of reasons for which a client does not reach a private cluster, each with
//! a stable code, what it means, and the facts of this estate that prove it.

use serde::{Serialize, Serializer};

/// Why a client does not get through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cause {
    /// The stable code.
    pub code: Code,
    /// What is wrong here, in one sentence.
    pub sentence: String,
    /// What was found that proves it, a line each.
    pub evidence: Vec<String>,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $title:literal;)*) => {
        /// The stable codes of causes. Scripts may rely on their spelling.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code as scripts read it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $code),* }
            }

            /// What it means, wherever it is found.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$name => $title),* }
            }
        }
    };
}

codes! {
    /// A client outside Azure asks public DNS for a name that only a private zone has.
    PrivateNameNotResolvable = "PRIVATE_NAME_NOT_RESOLVABLE",
        "a private name is asked where only public DNS answers";
    /// Peering is not a link.
    ZoneNotLinkedToClientVnet = "ZONE_NOT_LINKED_TO_CLIENT_VNET",
        "the private DNS zone is not linked to the network that the client asks in";
    /// A link is not a route.
    LinkedButNotPeered = "LINKED_BUT_NOT_PEERED",
        "the name resolves, but no peering leads to the cluster's network";
    /// A custom DNS server answers from somewhere that the zone is not linked to.
    CustomDnsBypassesZone = "CUSTOM_DNS_BYPASSES_ZONE",
        "the custom DNS server that the client asks does not see the private DNS zone";
    /// 168.63.129.16 does not answer outside Azure.
    OnPremForwardTo168 = "ON_PREM_FORWARD_TO_168",
        "168.63.129.16 is asked from outside Azure, where it does not answer";
    /// The portal shows one name, the kubeconfig has another.
    KubeconfigHasPrivateName = "KUBECONFIG_HAS_PRIVATE_NAME_BUT_ONLY_PUBLIC_RESOLVES",
        "the kubeconfig names the private FQDN, and only the public FQDN resolves here";
    /// The client could connect, were there a public name.
    PublicFqdnDisabled = "PUBLIC_FQDN_DISABLED",
        "the public FQDN is disabled, and nothing else resolves here";
    /// The cluster has no zone any more and keeps a private name.
    ZoneNoneButNameCached = "PRIVATE_DNS_ZONE_NONE_BUT_NAME_CACHED",
        "the cluster no longer has a private DNS zone, but its private name is still in use";
    /// A linked zone without the record shadows what would answer.
    ZoneLinkedRecordMissing = "ZONE_LINKED_RECORD_MISSING",
        "a linked private DNS zone covers the name and does not have it";
    /// Two zones of one name: a network asks one of them.
    DuplicateZoneOverlap = "DUPLICATE_ZONE_OVERLAP",
        "a network is linked to two private DNS zones of one name";
    /// AKS does not make records for endpoints that others make.
    RecordNotManagedForExtraPe = "RECORD_NOT_MANAGED_FOR_EXTRA_PE",
        "a further private endpoint is within reach, but the name does not lead to it";
    /// AKS links the zone to the node network, and that collides or has been undone.
    AutoLinkConflict = "AUTO_LINK_CONFLICT",
        "the private DNS zone is not linked to the cluster's own network, which AKS does itself";
    /// The endpoint's address has changed.
    StaleRecordAfterStopStart = "STALE_RECORD_AFTER_STOP_START",
        "an address is remembered that the cluster no longer has";
    /// A name of a cluster that is gone.
    ClusterDeletedOrRecreated = "CLUSTER_DELETED_OR_RECREATED",
        "a name belongs to a cluster that no longer exists";
    /// The portal's own calls fail from this browser.
    PortalFqdnNotResolvable = "PORTAL_FQDN_NOT_RESOLVABLE",
        "the name that the Azure portal calls does not resolve here";
    /// No way to a private address.
    NoRouteFromHere = "NO_ROUTE_FROM_HERE",
        "no route leads from the client to the private address";
    /// The gateway does not reach over the peering.
    NotGatewayTransit = "NOT_GATEWAY_TRANSIT",
        "the peering to the cluster's network does not let the VPN gateway through";
    /// Two peerings in a row carry nothing.
    PeeringNotTransitive = "PEERING_NOT_TRANSITIVE",
        "the networks are connected only by way of a third one, and peering is not transitive";
    /// One half of a peering is missing.
    PeeringIncomplete = "PEERING_INCOMPLETE",
        "one half of the peering is missing or disconnected";
    /// A peering forbids access.
    PeeringDeniesAccess = "PEERING_DENIES_ACCESS",
        "the peering does not allow virtual network access";
    /// A peering refuses what an appliance passes on.
    PeeringRefusesForwarded = "PEERING_REFUSES_FORWARDED_TRAFFIC",
        "the peering does not allow traffic that an appliance passes on";
    /// The way there and the way back differ.
    UdrNvaAsymmetric = "UDR_NVA_ASYMMETRIC",
        "user-defined routes send the request one way, and the reply is lost on another";
    /// A route drops.
    UdrDrops = "UDR_DROPS",
        "a user-defined route drops what goes to the cluster";
    /// A route leads to an appliance that is not one.
    UdrNvaBroken = "UDR_NVA_UNREACHABLE",
        "a user-defined route leads to an appliance that passes nothing on";
    /// A route leads to a gateway that is not there.
    UdrNoGateway = "UDR_NO_GATEWAY",
        "a user-defined route leads to a gateway, and there is none";
    /// Routes lead in a circle.
    UdrLoop = "UDR_LOOP",
        "user-defined routes lead in a circle";
    /// A security rule denies.
    NsgBlocks443 = "NSG_OR_FIREWALL_BLOCKS_443",
        "a network security group denies the connection";
    /// Address spaces overlap.
    AddressSpaceOverlap = "ADDRESS_SPACE_OVERLAP",
        "the client's own network has the address that the cluster's endpoint has in another";
    /// The connection of the private endpoint waits.
    PeConnectionPending = "PE_CONNECTION_PENDING",
        "the private endpoint's connection waits for approval";
    /// The connection of the private endpoint was refused.
    PeConnectionRejected = "PE_CONNECTION_REJECTED",
        "the private endpoint's connection was rejected";
    /// The connection of the private endpoint is gone.
    PeConnectionDisconnected = "PE_CONNECTION_DISCONNECTED",
        "the private endpoint's connection is disconnected";
    /// A public API server does not list the source.
    NotInAuthorizedRanges = "AUTHORIZED_IP_RANGES",
        "the client's public address is not in the API server's authorized IP ranges";
    /// Ranges on a private cluster.
    AuthorizedRangesWithPrivate = "AUTHORIZED_IP_RANGES_WITH_PRIVATE",
        "authorized IP ranges are not supported for private clusters";
    /// Run command is off.
    RunCommandFails = "RUN_COMMAND_FAILS",
        "`az aks command invoke` does not work for this cluster";
    /// The control plane may not write into the user's zone.
    ByoZonePermission = "BYO_ZONE_PERMISSION",
        "the cluster's identity lacks rights on its own private DNS zone";
    /// The cluster is stopped: it has neither name nor endpoint.
    ClusterStopped = "CLUSTER_STOPPED",
        "the cluster is stopped";
    /// The client's machine is stopped.
    ClientStopped = "CLIENT_STOPPED",
        "the client's own machine is stopped";
    /// No DNS server can be asked.
    DnsServerUnreachable = "DNS_SERVER_UNREACHABLE",
        "no DNS server that the client is set up with can be reached";
    /// A forwarding rule's servers do not answer.
    ForwarderUnreachable = "FORWARDER_UNREACHABLE",
        "no server of the forwarding rule that covers the name answers";
    /// Aliases in a circle, or no IPv4 address.
    NameWithoutAddress = "NAME_WITHOUT_ADDRESS",
        "the name exists and leads to no address";
    /// There is no private endpoint.
    EndpointMissing = "ENDPOINT_MISSING",
        "nothing answers at the address, or the source does not say where the private endpoint is";
    /// The cluster has no name yet.
    NameUnknown = "NAME_UNKNOWN",
        "the source does not say which names the cluster has";
}

/// What is made of a diagnosis, as it is reached: a [`Cause`] keeps every sentence, a [`Code`] alone
/// has none written.
pub(crate) trait Diagnosis: Sized {
    /// The code, and what is wrong in one sentence.
    fn of<S: Into<String>>(code: Code, sentence: impl FnOnce() -> S) -> Self;

    /// Adds a line of evidence.
    #[must_use]
    fn because<S: Into<String>>(self, line: impl FnOnce() -> S) -> Self;
}

impl Diagnosis for Cause {
    fn of<S: Into<String>>(code: Code, sentence: impl FnOnce() -> S) -> Self {
        Self { code, sentence: sentence().into(), evidence: Vec::new() }
    }

    fn because<S: Into<String>>(mut self, line: impl FnOnce() -> S) -> Self {
        self.evidence.push(line().into());
        self
    }
}

impl Diagnosis for Code {
    fn of<S: Into<String>>(code: Code, _sentence: impl FnOnce() -> S) -> Self {
        code
    }

    fn because<S: Into<String>>(self, _line: impl FnOnce() -> S) -> Self {
        self
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Code {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(text));
        found.ok_or_else(|| format!("`{text}` is no cause's code"))
    }
}
