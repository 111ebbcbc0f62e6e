//! One question: a cluster seen from a vantage. Which address the portal shows and why, what each
//! of its names leads to there, whether the client connects, and if not, the one cause.

use std::net::Ipv4Addr;

use azure::{DnsName, ResourceId, aks};
use network::{Cluster, Hop, Host, Network, Responder, Trace, Vantage};
use serde::Serialize;

use crate::{
    cause::{Cause, Code},
    diagnose,
};

/// What a name is to its cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// `fqdn`.
    PublicFqdn,
    /// `privateFQDN`.
    PrivateFqdn,
    /// `azurePortalFQDN`, which the portal's pages call from the browser.
    PortalFqdn,
}

impl Role {
    /// The role in words.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::PublicFqdn => "public FQDN",
            Self::PrivateFqdn => "private FQDN",
            Self::PortalFqdn => "portal's FQDN",
        }
    }
}

/// What became of one name at a vantage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameAnswer {
    /// What the name is to the cluster.
    pub role: Role,
    /// The name.
    pub name: DnsName,
    /// Whether the kubeconfig that `az aks get-credentials` writes names it.
    pub in_kubeconfig: bool,
    /// The whole way, from the first question to the connection.
    pub trace: Trace,
    /// Whether it connects to this cluster.
    pub connects: bool,
}

impl NameAnswer {
    /// The addresses that the name has here; none if it does not resolve.
    pub fn addresses(&self) -> Vec<Ipv4Addr> {
        addresses(&self.trace)
    }

    /// Who answered.
    pub fn responder(&self) -> Option<Responder> {
        self.trace.hops.iter().rev().find_map(|hop| match hop {
            Hop::Ask { responder } => Some(responder.clone()),
            Hop::HostsEntry { .. } => Some(Responder::HostsFile),
            _ => None,
        })
    }
}

/// The addresses that the name of a trace had.
pub(crate) fn addresses(trace: &Trace) -> Vec<Ipv4Addr> {
    let found = trace.hops.iter().find_map(|hop| match hop {
        Hop::HostsEntry { address, .. } => Some(vec![*address]),
        Hop::Addresses { addresses, .. } => Some(addresses.clone()),
        _ => None,
    });
    found.unwrap_or_default()
}

/// How a client fares with a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// The kubeconfig works as it is.
    Connects,
    /// The kubeconfig does not work; with the public FQDN in it, it does.
    ConnectsByPublicFqdn,
    /// Nothing connects.
    Fails,
}

/// A cluster seen from a vantage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// Who asks.
    pub vantage: Vantage,
    /// For what.
    pub cluster: ResourceId,
    /// What the portal shows as "API server address".
    pub shown: Option<DnsName>,
    /// Why it shows that.
    pub shown_because: ShownBecause,
    /// Each of the cluster's names.
    pub names: Vec<NameAnswer>,
    /// How the client fares.
    pub verdict: Verdict,
    /// Why the kubeconfig does not work here.
    pub cause: Option<Cause>,
    /// What else does not work here: the portal's pages.
    pub notes: Vec<Cause>,
}

impl Explanation {
    /// The name in the kubeconfig and what became of it.
    pub fn kubeconfig(&self) -> Option<&NameAnswer> {
        self.names.iter().find(|name| name.in_kubeconfig)
    }

    /// What became of the name of a role.
    pub fn name(&self, role: Role) -> Option<&NameAnswer> {
        self.names.iter().find(|name| name.role == role)
    }
}

/// Why the portal shows an address as "API server address", or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShownBecause {
    /// A public cluster has one address.
    ClusterIsPublic,
    /// The public FQDN comes first where there is one.
    PublicFqdnEnabled,
    /// The private FQDN is all there is.
    PublicFqdnDisabled,
    /// The source does not say the cluster's names.
    NamesUnknown,
}

impl ShownBecause {
    /// The reason in English, as what follows "because".
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::ClusterIsPublic => "the cluster is public",
            Self::PublicFqdnEnabled => "its public FQDN is enabled, and the portal shows that when there is one",
            Self::PublicFqdnDisabled => "its public FQDN is disabled, so that the private one is all there is",
            Self::NamesUnknown => "the source does not say its names",
        }
    }
}

/// The address that the portal shows, and why. Source: azure-truth "Addresses".
pub fn shown(cluster: &Cluster) -> (Option<&DnsName>, ShownBecause) {
    match (&cluster.fqdn, &cluster.private_fqdn) {
        (Some(fqdn), _) if !cluster.private => (Some(fqdn), ShownBecause::ClusterIsPublic),
        (Some(fqdn), _) => (Some(fqdn), ShownBecause::PublicFqdnEnabled),
        (None, Some(private)) => (Some(private), ShownBecause::PublicFqdnDisabled),
        (None, None) => (None, ShownBecause::NamesUnknown),
    }
}

/// The role of the name in the kubeconfig that `az aks get-credentials` writes by default.
pub fn kubeconfig_role(cluster: &Cluster) -> Role {
    if cluster.private_fqdn.is_some() { Role::PrivateFqdn } else { Role::PublicFqdn }
}

/// Where `vantage` gets with one of the cluster's names.
pub(crate) fn ask(network: &Network, vantage: &Vantage, cluster: &Cluster, role: Role, name: &DnsName) -> NameAnswer {
    let trace = network.reach(vantage, &Host::Name(name.clone()), aks::API_SERVER_PORT);
    NameAnswer {
        role,
        name: name.clone(),
        in_kubeconfig: role == kubeconfig_role(cluster),
        connects: is_there(&trace, cluster),
        trace,
    }
}

/// Whether a trace ends at this cluster's API server, and not at another one's.
pub(crate) fn is_there(trace: &Trace, cluster: &Cluster) -> bool {
    matches!(&trace.disposition, network::Disposition::Connected { cluster: reached, .. } if *reached == cluster.id)
}

/// Explains `cluster` as `vantage` sees it; `None` when there is no such cluster.
pub fn explain(network: &Network, vantage: &Vantage, cluster: &ResourceId) -> Option<Explanation> {
    let cluster = network.cluster(cluster)?;
    let portal = network.estate().managed_cluster(&cluster.id).and_then(|declared| declared.portal_fqdn.as_ref());
    let mut names = asked(network, vantage, cluster);
    names.extend(portal.map(|name| ask(network, vantage, cluster, Role::PortalFqdn, name)));
    let verdict = verdict(cluster, &names);
    let cause = (verdict != Verdict::Connects).then(|| diagnose::cause(network, vantage, cluster, &names));
    let notes = diagnose::notes(cluster, verdict, &names);
    let (shown, shown_because) = shown(cluster);
    Some(Explanation {
        vantage: vantage.clone(),
        cluster: cluster.id.clone(),
        shown: shown.cloned(),
        shown_because,
        names,
        verdict,
        cause,
        notes,
    })
}

/// The verdict and the cause's code alone.
pub(crate) fn outcome(network: &Network, vantage: &Vantage, cluster: &ResourceId) -> Option<(Verdict, Option<Code>)> {
    let cluster = network.cluster(cluster)?;
    let names = asked(network, vantage, cluster);
    let verdict = verdict(cluster, &names);
    let cause = (verdict != Verdict::Connects).then(|| diagnose::cause(network, vantage, cluster, &names));
    Some((verdict, cause))
}

/// What becomes of the names by which clients connect.
fn asked(network: &Network, vantage: &Vantage, cluster: &Cluster) -> Vec<NameAnswer> {
    let names = [(Role::PublicFqdn, cluster.fqdn.as_ref()), (Role::PrivateFqdn, cluster.private_fqdn.as_ref())];
    names.into_iter().filter_map(|(role, name)| Some(ask(network, vantage, cluster, role, name?))).collect()
}

fn verdict(cluster: &Cluster, names: &[NameAnswer]) -> Verdict {
    let connects = |role: Role| names.iter().any(|name| name.role == role && name.connects);
    if connects(kubeconfig_role(cluster)) {
        Verdict::Connects
    } else if connects(Role::PublicFqdn) {
        Verdict::ConnectsByPublicFqdn
    } else {
        Verdict::Fails
    }
}
