//! What the probes saw: immutable, printable, and all that a diagnosis may rest on. No secret is in it.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    address::{AddressKind, is_private},
    proxy::Proxy,
    resolvers::Configuration,
};

/// Everything that was seen.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observations {
    /// When, by this machine's clock.
    pub at: Timestamp,
    /// What the kubeconfig names.
    pub target: Target,
    /// Where this machine stands.
    pub place: Place,
    /// The machine's DNS configuration.
    pub dns: Configuration,
    /// The server's name first, then names that its cluster has besides; empty when the server is an address.
    pub names: Vec<NameObservation>,
    /// What asking for the zones above a private name says, by server.
    pub zones: Vec<ZoneAnswer>,
    /// The proxy in use, and what it says.
    pub proxy: Option<ProxyObservation>,
    /// Connections to every address that anything gave.
    pub connections: Vec<Connection>,
    /// What the API server answered.
    pub requests: Vec<Request>,
    /// How the user proves who they are.
    pub credentials: Vec<Credential>,
    /// What `--deep` found.
    pub deep: Option<Deep>,
}

/// What the kubeconfig names.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// The context.
    pub context: String,
    /// The cluster's name and resource group, where the user's name tells them.
    pub cluster: Option<Cluster>,
    /// The server's URL.
    pub server: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What the host is.
    #[serde(flatten)]
    pub kind: AddressKind,
    /// The name the certificate is to have instead.
    pub tls_server_name: Option<String>,
    /// Whether certificates are taken unseen.
    pub insecure: bool,
    /// What of the authority cannot be read.
    pub authority_error: Option<String>,
}

/// A cluster as `az` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// Its resource group.
    pub group: String,
}

impl Cluster {
    /// Reads a user's name as AKS writes it, `clusterUser_<group>_<name>`; the context has the cluster's name.
    pub fn of_user(user: &str, context: &str) -> Option<Self> {
        let name = context.strip_suffix("-admin").unwrap_or(context);
        let rest = ["clusterUser_", "clusterAdmin_"].iter().find_map(|begin| user.strip_prefix(begin))?;
        let group = rest.strip_suffix(name)?.strip_suffix('_').filter(|group| !group.is_empty())?;
        Some(Self { name: name.to_owned(), group: group.to_owned() })
    }
}

impl Target {
    /// Whether only a private zone has the server's name.
    pub fn is_private_name(&self) -> bool {
        matches!(self.kind, AddressKind::PrivateFqdn { .. })
    }

    /// Whether anything says that AKS made the cluster: its server's name or its user's.
    pub fn is_aks(&self) -> bool {
        self.cluster.is_some() || self.is_private_name() || self.is_public_name()
    }

    /// Whether the context is named as tools name those of clusters on this machine.
    pub fn is_local(&self) -> bool {
        const EXACT: [&str; 7] =
            ["minikube", "docker-desktop", "rancher-desktop", "orbstack", "colima", "microk8s", "podman-desktop"];
        ["kind-", "k3d-"].iter().any(|tool| self.context.starts_with(tool)) || EXACT.contains(&self.context.as_str())
    }

    /// Whether public DNS should have it.
    pub fn is_public_name(&self) -> bool {
        matches!(self.kind, AddressKind::PublicFqdn { .. })
    }
}

/// Where this machine stands.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Place {
    /// The service that hosts this build agent, if one does.
    pub hosted_agent: Option<String>,
    /// Whether 168.63.129.16 answers here: an Azure network.
    pub azure: bool,
    /// Windows Subsystem for Linux, which writes `resolv.conf` by itself.
    pub wsl: bool,
    /// Networks of this machine's own interfaces.
    pub interfaces: Vec<Interface>,
}

/// A network interface's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its address and network.
    pub network: IpNet,
    /// Whether it leads to one other end only, as tunnels do.
    pub point_to_point: bool,
}

/// One name, asked everywhere.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NameObservation {
    /// The name.
    pub name: String,
    /// What the hosts file gives it.
    pub hosts: Vec<IpAddr>,
    /// What programs are told.
    pub system: SystemReply,
    /// What each server says.
    pub servers: Vec<ServerAnswer>,
}

impl NameObservation {
    /// Answers of the servers of one kind.
    pub fn from(&self, origin: Origin) -> impl Iterator<Item = &ServerAnswer> {
        self.servers.iter().filter(move |answer| answer.origin == origin)
    }

    /// The addresses that servers give, each with the server.
    pub fn answered(&self) -> impl Iterator<Item = (&ServerAnswer, &[IpAddr])> {
        self.servers.iter().filter_map(|answer| Some((answer, answer.reply.addresses()?)))
    }
}

/// What `getaddrinfo` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum SystemReply {
    /// These.
    Addresses {
        /// In the system's order.
        addresses: Vec<IpAddr>,
    },
    /// In the system's words.
    Failed {
        /// As it says it.
        error: String,
    },
    /// It took too long.
    Silent,
}

impl SystemReply {
    /// The addresses, if there are any.
    pub fn addresses(&self) -> &[IpAddr] {
        match self {
            Self::Addresses { addresses } => addresses,
            Self::Failed { .. } | Self::Silent => &[],
        }
    }
}

/// Why a server was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Origin {
    /// This machine is configured with it, for this name.
    Configured,
    /// This machine is configured with it, for other names.
    Elsewhere,
    /// It is a public resolver.
    Public,
    /// It is 168.63.129.16, Azure's own.
    Azure,
}

/// What one server says of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerAnswer {
    /// The server.
    pub server: SocketAddr,
    /// Why it was asked.
    pub origin: Origin,
    /// Its answer.
    #[serde(flatten)]
    pub reply: Reply,
    /// A second answer, where it is another one.
    pub then: Option<Reply>,
}

/// A DNS server's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "SCREAMING_SNAKE_CASE", rename_all_fields = "camelCase")]
pub enum Reply {
    /// NOERROR with addresses.
    #[serde(rename = "NOERROR")]
    Addresses {
        /// Of the last name of the chain.
        addresses: Vec<IpAddr>,
        /// Names that aliases led to.
        aliases: Vec<String>,
    },
    /// NOERROR without an address.
    NoData {
        /// Who is authoritative.
        authority: Option<Authority>,
    },
    /// NXDOMAIN.
    #[serde(rename = "NXDOMAIN")]
    NoSuchName {
        /// Who is authoritative.
        authority: Option<Authority>,
    },
    /// SERVFAIL, REFUSED and their like.
    #[serde(rename = "ERROR")]
    Refused {
        /// The response code.
        code: String,
    },
    /// No answer came.
    #[serde(rename = "TIMEOUT")]
    Silent,
    /// The server cannot be reached, or what it says cannot be read.
    Unreachable {
        /// Why.
        error: String,
    },
}

/// The zone that a negative answer comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Authority {
    /// The zone.
    pub zone: String,
    /// Its primary server (`MNAME`).
    pub host: String,
}

impl Authority {
    /// Whether it is an Azure private zone: those name this host and are below `azmk8s.io`'s own.
    pub fn is_private_zone(&self) -> bool {
        self.host.ends_with("azureprivatedns.net")
            && (self.zone.contains("privatelink.")
                || self.zone.starts_with("private.")
                || self.zone.contains(".private."))
    }
}

impl Reply {
    /// The addresses, if it gives any.
    pub fn addresses(&self) -> Option<&[IpAddr]> {
        match self {
            Self::Addresses { addresses, .. } => Some(addresses),
            _ => None,
        }
    }

    /// Who says that there is no such name or address.
    pub fn authority(&self) -> Option<&Authority> {
        match self {
            Self::NoData { authority } | Self::NoSuchName { authority } => authority.as_ref(),
            _ => None,
        }
    }

    /// Whether it says that there is no such name or address.
    pub fn is_negative(&self) -> bool {
        matches!(self, Self::NoData { .. } | Self::NoSuchName { .. })
    }

    /// Whether the server did not help: no answer, or an error.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Silent | Self::Unreachable { .. })
    }
}

/// What a server says of a zone's SOA.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneAnswer {
    /// The zone that was asked for.
    pub zone: String,
    /// The server.
    pub server: SocketAddr,
    /// The zone's own authority, if the server knows the zone.
    pub authority: Option<Authority>,
    /// Whether it answered at all.
    pub answered: bool,
}

/// What became of the proxy.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyObservation {
    /// The proxy.
    #[serde(flatten)]
    pub proxy: Proxy,
    /// What it said.
    pub outcome: ProxyOutcome,
    /// What TLS said behind it.
    pub tls: Option<Tls>,
}

impl ProxyObservation {
    /// Whether it wants the user and password that `kubectl` would send it, and the doctor does not.
    pub fn wants_credentials(&self) -> bool {
        let asks = matches!(&self.outcome, ProxyOutcome::Refused { answer } if answer.starts_with("407"));
        asks && self.proxy.has_credentials
    }
}

/// What a proxy did with the wish for a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ProxyOutcome {
    /// It connected.
    Connected,
    /// It answered something else.
    Refused {
        /// HTTP's status or SOCKS's words.
        answer: String,
    },
    /// It was not reached.
    Unreachable {
        /// Why.
        error: String,
    },
    /// It did not answer in time.
    Silent,
}

/// A connection to one address.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    /// The address.
    pub address: IpAddr,
    /// Whether `kubectl` would take it.
    pub chosen: bool,
    /// The way packets to it leave.
    pub route: Option<Route>,
    /// What TCP said.
    pub tcp: Tcp,
    /// What TLS said.
    pub tls: Option<Tls>,
}

impl Connection {
    /// Whether the cluster's API server was met here.
    pub fn is_genuine(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.verdict == Verdict::Verified)
    }

    /// Whether the address is of a private network.
    pub fn is_private(&self) -> bool {
        is_private(self.address)
    }
}

/// The way packets to an address leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// This machine's address.
    pub source: IpAddr,
    /// The interface.
    pub interface: Option<String>,
    /// The route's destination; of length 0 for the default route.
    pub prefix: Option<IpNet>,
    /// Whether the address is on the interface's own network, with no router between.
    pub on_link: bool,
}

impl Route {
    /// Whether a route was made for this address or its network.
    pub fn is_specific(&self) -> bool {
        self.prefix.is_some_and(|prefix| prefix.prefix_len() > 1)
    }
}

/// What TCP said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Tcp {
    /// Connected.
    Connected {
        /// Milliseconds it took.
        took_ms: u64,
    },
    /// A reset: the host is there, the port is not.
    Refused,
    /// Nothing came back.
    Silent,
    /// The kernel or a router knows no way.
    Unreachable {
        /// In the system's words.
        error: String,
    },
}

/// What TLS said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tls {
    /// Whether the server is the kubeconfig's.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The name it was to have.
    pub expected_name: String,
    /// What it showed, the leaf.
    pub certificate: Option<Certificate>,
}

/// Whether a certificate is the kubeconfig's server's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "camelCase")]
pub enum Verdict {
    /// Signed by the kubeconfig's authority, for the name, and in time.
    Verified,
    /// Signed by another authority.
    UnknownAuthority,
    /// For other names.
    WrongName,
    /// No longer valid by this machine's clock.
    Expired,
    /// Not yet valid by this machine's clock.
    NotYetValid,
    /// Not acceptable for another reason.
    Unacceptable {
        /// Why.
        error: String,
    },
    /// The server speaks, but not TLS.
    NotTls,
    /// The connection ended in the handshake.
    Cut {
        /// How.
        error: String,
    },
    /// The handshake did not end in time.
    Silent,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// For whom.
    pub subject: String,
    /// By whom.
    pub issuer: String,
    /// DNS names and addresses.
    pub names: Vec<String>,
    /// The first second of its validity.
    pub not_before: Timestamp,
    /// The last.
    pub not_after: Timestamp,
}

impl Certificate {
    /// Whether it is a Kubernetes API server's: those also answer to the `kubernetes` service.
    pub fn is_kubernetes(&self) -> bool {
        self.names.iter().any(|name| name == "kubernetes" || name.starts_with("kubernetes.default"))
    }

    /// Whether it is for `name`, or for all names beside it.
    pub fn is_for(&self, name: &str) -> bool {
        let matches = |pattern: &String| match pattern.strip_prefix("*.") {
            Some(rest) => name.split_once('.').is_some_and(|(_, tail)| tail.eq_ignore_ascii_case(rest)),
            None => pattern.eq_ignore_ascii_case(name),
        };
        self.names.iter().any(matches)
    }
}

/// A request for `/version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Whether with the user's credentials.
    pub with_credentials: bool,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: RequestOutcome,
    /// The server's clock.
    pub server_time: Option<Timestamp>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum RequestOutcome {
    /// An answer.
    Answered {
        /// HTTP's status.
        status: u16,
        /// What a Kubernetes `Status` gives as its message, or the version.
        message: Option<String>,
        /// Whether Kubernetes answered, by the form of the body.
        kubernetes: bool,
    },
    /// The connection failed.
    Failed {
        /// How.
        error: String,
    },
    /// No answer came in time.
    Silent,
}

/// One proof of who the user is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Credential {
    /// A client certificate.
    Certificate {
        /// Kubernetes's user.
        subject: String,
        /// When it ends.
        not_after: Timestamp,
    },
    /// A token.
    Token {
        /// When it ends, if it says so.
        expires: Option<Timestamp>,
    },
    /// A name and password.
    Basic,
    /// A program that gets a token.
    Exec {
        /// The program.
        command: String,
        /// Where it is; nothing when it is missing.
        found: Option<String>,
    },
    /// A method `kubectl` no longer has.
    AuthProvider {
        /// Its name.
        name: String,
    },
    /// One that cannot be read.
    Unreadable {
        /// What and why.
        error: String,
    },
}

/// What `--deep` found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deep {
    /// Whether a request of several packets was answered; nothing when it was not tried.
    pub large_request: Option<bool>,
    /// Octets of padding of the largest smaller request that was answered, where the large one was not.
    pub largest_answered: Option<u16>,
    /// What reading a pod's log said; nothing when there was no pod to ask about.
    pub logs: Option<RequestOutcome>,
}
