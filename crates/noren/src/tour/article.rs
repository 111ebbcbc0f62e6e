//! What the article reports: for each cluster, place and address, whether the name resolves and
//! whether `kubectl` gets its answer. The tour compares what it sees with this.

use serde::Serialize;

/// A place to stand, as the article's reader knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Place {
    /// A virtual machine in the cluster's own network.
    ClusterNetwork,
    /// A virtual machine in a peered network to which the private DNS zone is linked.
    PeeredLinked,
    /// A virtual machine in a peered network without that link.
    PeeredUnlinked,
    /// A point-to-site VPN client.
    VpnClient,
    /// A point-to-site VPN client with a hosts entry for the private name.
    VpnClientWithHosts,
    /// A host on the Internet.
    Internet,
}

/// One of a cluster's two names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Address {
    /// `….hcp.<region>.azmk8s.io`.
    PublicFqdn,
    /// `….<guid>.privatelink.<region>.azmk8s.io`.
    PrivateFqdn,
}

/// What the article reports for one question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Expectation {
    /// The name has the private endpoint's address.
    pub(crate) resolves: bool,
    /// TCP, TLS and Kubernetes authentication succeed.
    pub(crate) connects: bool,
}

impl Place {
    /// Every place, from the inside out.
    pub(crate) const ALL: [Self; 6] = [
        Self::ClusterNetwork,
        Self::PeeredLinked,
        Self::PeeredUnlinked,
        Self::VpnClient,
        Self::VpnClientWithHosts,
        Self::Internet,
    ];

    /// The place in words.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::ClusterNetwork => "VM in the cluster's network",
            Self::PeeredLinked => "VM in a peered network, zone linked",
            Self::PeeredUnlinked => "VM in a peered network, no link",
            Self::VpnClient => "VPN client",
            Self::VpnClientWithHosts => "VPN client with a hosts entry",
            Self::Internet => "Internet",
        }
    }
}

impl Address {
    /// The setting's or field's name.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::PublicFqdn => "public FQDN",
            Self::PrivateFqdn => "private FQDN",
        }
    }
}

/// What the article reports for a client at `place` that uses `address` of a cluster whose public
/// FQDN is enabled or not.
///
/// The public name is in public DNS, so everybody resolves it while it exists. The private name is
/// in the private zone, so only machines of linked networks resolve it, or whoever has it in a
/// hosts file. Everybody but the Internet has a route to the private endpoint.
pub(crate) fn expected(public_fqdn: bool, place: Place, address: Address) -> Expectation {
    let resolves = match address {
        Address::PublicFqdn => public_fqdn,
        Address::PrivateFqdn => {
            matches!(place, Place::ClusterNetwork | Place::PeeredLinked | Place::VpnClientWithHosts)
        }
    };
    Expectation { resolves, connects: resolves && place != Place::Internet }
}
