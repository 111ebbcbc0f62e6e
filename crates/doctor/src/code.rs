//! The stable names of what can be wrong. Scripts rely on them: a name is never given another meaning.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $title:literal;)*) => {
        /// What is wrong, or worth knowing.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $(#[$doc])* $variant,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in a sentence without a full stop.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    PrivateNameNotResolvable = "PRIVATE_NAME_NOT_RESOLVABLE",
        "the kubeconfig names the private FQDN, which nothing resolves from here";
    KubeconfigHasPrivateName = "KUBECONFIG_HAS_PRIVATE_NAME_BUT_ONLY_PUBLIC_RESOLVES",
        "the kubeconfig names the private FQDN, but from here only the cluster's public FQDN resolves";
    CustomDnsBypassesZone = "CUSTOM_DNS_BYPASSES_ZONE",
        "the virtual network's own DNS servers do not know the private zone, while Azure's resolver does";
    OnPremForwardTo168 = "ON_PREM_FORWARD_TO_168",
        "the DNS server answers other names, but cannot get an answer for this zone: it forwards it to a server it does not reach";
    ConditionalForwardWrongZone = "CONDITIONAL_FORWARD_WRONG_ZONE",
        "the DNS server forwards a part of the name's domains only, or not always";
    SplitDns = "SPLIT_DNS_CLIENT_IGNORES_VPN_RESOLVER",
        "a configured DNS server knows the name, but this machine does not ask it";
    RebindProtection = "REBIND_PROTECTION",
        "the local resolver withholds a public name because its address is private";
    PublicFqdnDisabled = "PUBLIC_FQDN_DISABLED",
        "public DNS does not have the cluster's public FQDN: it is disabled, or the cluster is stopped or gone";
    PublicFqdnResolvesPrivate = "PUBLIC_FQDN_RESOLVES_PRIVATE_IP",
        "the public FQDN resolves to a private address, as intended: it connects only where that network is reached";
    ZoneLinkedRecordMissing = "ZONE_LINKED_RECORD_MISSING",
        "a private zone answers for this name and does not have it: the cluster is stopped or gone, or another zone shadows its own";
    StaleRecord = "STALE_RECORD_AFTER_STOP_START",
        "the name leads to an address the cluster no longer has";
    ClusterRecreated = "CLUSTER_DELETED_OR_RECREATED",
        "a cluster answers to this name whose authority is not the kubeconfig's: it was made anew, or its certificates were rotated";
    NameNotResolvable = "NAME_NOT_RESOLVABLE",
        "the server's name does not resolve here";
    DnsServersSilent = "DNS_SERVERS_SILENT",
        "none of the configured DNS servers gives an answer";
    NoRoute = "NO_ROUTE_FROM_HERE",
        "nothing answers at the API server's private address: no route leads there from here";
    Blocked = "NSG_OR_FIREWALL_BLOCKS_443",
        "a route leads to the API server's network, but packets to it are dropped";
    AddressOverlap = "ADDRESS_SPACE_OVERLAP",
        "the API server's address lies in a network this machine is in itself, so packets never leave it";
    AuthorizedIpRanges = "AUTHORIZED_IP_RANGES",
        "the public API server drops connections from here: this address is not in its authorized ranges, or a firewall on the way blocks them";
    ConnectionRefused = "CONNECTION_REFUSED",
        "something is at the API server's address, but does not take connections at its port";
    ProxyInTheWay = "PROXY_IN_THE_WAY",
        "connections go to a proxy that does not lead to the API server";
    HostedCiAgent = "HOSTED_CI_AGENT",
        "a hosted agent has no way into a private cluster's network";
    TunnelKubeconfig = "TUNNEL_KUBECONFIG",
        "the kubeconfig leads through a tunnel on this machine that is not open";
    LocalClusterNotRunning = "LOCAL_CLUSTER_NOT_RUNNING",
        "the kubeconfig's cluster is one on this machine (kind, k3d, minikube, …), and it does not run";
    TlsNameMismatch = "TLS_NAME_MISMATCH",
        "the API server's certificate is not for the name that is used";
    IpUsed = "IP_USED",
        "the kubeconfig names an address, which the API server's certificate does not";
    TlsIntercepted = "TLS_INTERCEPTED",
        "somebody else's certificate is shown in the API server's place";
    TlsNotSpoken = "TLS_NOT_SPOKEN",
        "what answers does not speak TLS";
    TlsHandshakeCut = "TLS_HANDSHAKE_CUT",
        "the connection is cut when TLS begins";
    TlsUnacceptable = "TLS_UNACCEPTABLE",
        "the API server's certificate cannot be accepted";
    ServerCertificateExpired = "SERVER_CERTIFICATE_EXPIRED",
        "the API server's certificate has expired";
    ClockSkew = "CLOCK_SKEW",
        "this machine's clock is wrong";
    AuthorityUnreadable = "KUBECONFIG_AUTHORITY_UNREADABLE",
        "the kubeconfig's certificate authority cannot be read";
    AuthNotNetwork = "AUTH_NOT_NETWORK",
        "names and network are fine; the API server does not accept who you are";
    ApiServerUnhealthy = "API_SERVER_UNHEALTHY",
        "the API server is reached, but does not answer as it should";
    LogsExecFail = "API_OK_LOGS_EXEC_FAIL",
        "the API server is fine, but does not reach the nodes: logs, exec and port-forward fail";
    LargePacketsLost = "LARGE_PACKETS_LOST",
        "small requests are answered and large ones are not: a link on the way takes smaller packets only";
    Ipv6NotReached = "IPV6_NOT_REACHED",
        "the name has IPv6 addresses that are not reached, while IPv4 is: programs that try IPv6 first wait";
    DnsServersDisagree = "DNS_SERVERS_DISAGREE",
        "the configured DNS servers disagree about the name: programs that ask all at once (musl) or another first (Go, systemd) differ";
    HostsEntryUsed = "HOSTS_ENTRY_USED",
        "the address comes from the hosts file, which does not follow the cluster when it moves";
    CredentialsNotTried = "CREDENTIALS_NOT_TRIED",
        "the credentials were not tried";
    InsecureTls = "INSECURE_TLS",
        "the kubeconfig takes any certificate (insecure-skip-tls-verify)";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
