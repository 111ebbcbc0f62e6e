//! A cluster as one vantage sees it, in the few words that a table has room for.

use std::net::Ipv4Addr;

use azure::ResourceId;
use explain::{Code, Explanation, NameAnswer, Role, Verdict};
use network::{Disposition, Network, Responder, Vantage};

/// What became of one name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    /// It connects, at this address.
    Connects(Option<Ipv4Addr>),
    /// It has an address here, and nothing connects.
    Resolves(Option<Ipv4Addr>),
    /// It has no address here.
    Unresolved,
    /// There is no such name.
    Absent,
}

/// A cluster seen from a vantage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// From where.
    pub vantage: Vantage,
    /// The private FQDN.
    pub private: Mark,
    /// The public FQDN.
    pub public: Mark,
    /// How the client fares.
    pub verdict: Verdict,
    /// Who answers its names.
    pub answered_by: Option<Responder>,
    /// Why the kubeconfig does not work here.
    pub cause: Option<(Code, String)>,
}

impl Seen {
    /// What `explain` found, in short.
    pub fn of(found: &Explanation) -> Self {
        let name = found.kubeconfig().or_else(|| found.names.first());
        Self {
            vantage: found.vantage.clone(),
            private: mark(found.name(Role::PrivateFqdn)),
            public: mark(found.name(Role::PublicFqdn)),
            verdict: found.verdict,
            answered_by: name.and_then(NameAnswer::responder),
            cause: found.cause.as_ref().map(|cause| (cause.code, cause.sentence.clone())),
        }
    }
}

fn mark(answer: Option<&NameAnswer>) -> Mark {
    let Some(answer) = answer else { return Mark::Absent };
    let address = answer.addresses().first().copied();
    match (&answer.trace.disposition, address) {
        _ if answer.connects => Mark::Connects(address),
        (Disposition::NameNotFound { .. }, _) | (_, None) => Mark::Unresolved,
        _ => Mark::Resolves(address),
    }
}

/// How a cluster looks from the vantages that matter to it most, at most `most`: those in its own
/// network first, then who is peered, then everybody else; with the number of the others.
pub fn from_everywhere(network: &Network, cluster: &ResourceId, most: usize) -> (Vec<Seen>, usize) {
    let own: Vec<ResourceId> =
        explain::place::endpoints(network.estate(), cluster).into_iter().map(|endpoint| endpoint.network).collect();
    let distance = |vantage: &Vantage| match explain::place::network_of(network, vantage) {
        None => 1,
        Some(place) if own.contains(&place.id) => 0,
        Some(place) if place.open_peers().any(|peer| own.contains(&peer.network)) => 1,
        Some(_) => 2,
    };
    let mut vantages: Vec<&Vantage> = network.vantages().iter().collect();
    vantages.sort_by_key(|vantage| distance(vantage));
    let seen = vantages.iter().take(most).filter_map(|vantage| explain::explain(network, vantage, cluster));
    (seen.map(|found| Seen::of(&found)).collect(), vantages.len().saturating_sub(most))
}
