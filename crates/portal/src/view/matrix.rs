//! Clusters × vantages × addresses. Clusters that look alike from every shown vantage are one row,
//! so that a thousand of them are a page that somebody can read.

use std::{
    collections::HashMap,
    mem::{Discriminant, discriminant},
};

use azure::{DnsName, ResourceId, aks};
use explain::{Code, Verdict};
use network::{Cluster, Disposition, Host, Network, Silent, Vantage};

use super::{has_words, seen::Mark};

/// Columns of one page.
pub const VANTAGES_SHOWN: usize = 8;
/// Clusters of one page.
pub const CLUSTERS_SHOWN: usize = 1000;

/// Causes that are looked for on one page: each costs as much as a hundred answers.
const CAUSES_MAX: usize = 200;

/// What to show.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// Words that a cluster's id or addresses have.
    pub cluster: String,
    /// Words that a vantage's name, id or kind have.
    pub vantage: String,
    /// Only clusters that some shown vantage fares so with.
    pub outcome: Option<Verdict>,
    /// The first column to show.
    pub first_vantage: usize,
    /// The first cluster to show.
    pub first_cluster: usize,
}

/// How a vantage fares with a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// How it fares.
    pub verdict: Verdict,
    /// By the private FQDN. Addresses are left out: clusters that differ in nothing else are alike.
    pub private: Mark,
    /// By the public FQDN.
    pub public: Mark,
    /// Why the kubeconfig does not work, with the first of the clusters; not looked for in every row of a long page.
    pub cause: Option<Code>,
}

/// Clusters that look alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The clusters.
    pub clusters: Vec<ResourceId>,
    /// How each shown vantage fares with each of them.
    pub cells: Vec<Cell>,
}

/// A page of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// The shown vantages.
    pub vantages: Vec<Vantage>,
    /// How many match.
    pub vantages_found: usize,
    /// How many clusters match.
    pub clusters_found: usize,
    /// The rows, the largest first.
    pub rows: Vec<Row>,
}

/// The page that `filter` asks for.
pub fn matrix(network: &Network, filter: &Filter) -> Matrix {
    let text = |vantage: &Vantage| format!("{} {} {}", vantage.name(), vantage.key(), vantage.describe());
    let vantages: Vec<&Vantage> =
        network.vantages().iter().filter(|vantage| has_words(&text(vantage), &filter.vantage)).collect();
    let shown: Vec<&Vantage> = vantages.iter().skip(filter.first_vantage).take(VANTAGES_SHOWN).copied().collect();
    let clusters: Vec<&ResourceId> = network
        .clusters()
        .values()
        .filter(|cluster| {
            let names = [&cluster.fqdn, &cluster.private_fqdn].into_iter().flatten();
            let text = names.fold(cluster.id.to_string(), |text, name| format!("{text} {name}"));
            has_words(&text, &filter.cluster)
        })
        .map(|cluster| &cluster.id)
        .collect();
    let mut alike: HashMap<Vec<Fares>, Vec<ResourceId>> = HashMap::new();
    for id in clusters.iter().skip(filter.first_cluster).take(CLUSTERS_SHOWN) {
        let Some(cluster) = network.cluster(id) else { continue };
        let fares: Vec<Fares> = shown.iter().map(|vantage| fares(network, vantage, cluster)).collect();
        if filter.outcome.is_none_or(|outcome| fares.iter().any(|fares| fares.verdict == outcome)) {
            alike.entry(fares).or_default().push((*id).clone());
        }
    }
    let mut groups: Vec<(Vec<Fares>, Vec<ResourceId>)> = alike.into_iter().collect();
    groups.sort_by(|(_, a), (_, b)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    let mut left = CAUSES_MAX;
    let row = |(fares, clusters): (Vec<Fares>, Vec<ResourceId>)| {
        let cells = shown.iter().zip(fares).map(|(vantage, fares)| {
            let asked = (fares.verdict != Verdict::Connects && left > 0).then(|| clusters.first()).flatten();
            left -= usize::from(asked.is_some());
            let cause = asked.and_then(|cluster| explain::matrix::outcome(network, vantage, cluster)?.cause);
            Cell { verdict: fares.verdict, private: fares.private.0, public: fares.public.0, cause }
        });
        Row { cells: cells.collect(), clusters }
    };
    let rows = groups.into_iter().map(row).collect();
    Matrix {
        vantages: shown.into_iter().cloned().collect(),
        vantages_found: vantages.len(),
        clusters_found: clusters.len(),
        rows,
    }
}

/// How a vantage fares, without the reason: what a thousand clusters can be asked for at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Fares {
    verdict: Verdict,
    /// What becomes of a name, and how the question ends.
    private: (Mark, Option<Discriminant<Disposition>>),
    public: (Mark, Option<Discriminant<Disposition>>),
}

fn fares(network: &Network, vantage: &Vantage, cluster: &Cluster) -> Fares {
    let ask = |name: Option<&DnsName>| {
        let Some(name) = name else { return (Mark::Absent, None) };
        let end = network.connect(vantage, &Host::Name(name.clone()), aks::API_SERVER_PORT, &mut Silent);
        let mark = match &end {
            Disposition::Connected { cluster: reached, .. } if *reached == cluster.id => Mark::Connects(None),
            Disposition::NameNotFound { .. }
            | Disposition::NoAddress { .. }
            | Disposition::NoResolver { .. }
            | Disposition::ForwarderUnreachable { .. }
            | Disposition::AliasLoop { .. }
            | Disposition::NoVantage => Mark::Unresolved,
            _ => Mark::Resolves(None),
        };
        (mark, Some(discriminant(&end)))
    };
    let (private, public) = (ask(cluster.private_fqdn.as_ref()), ask(cluster.fqdn.as_ref()));
    let by_kubeconfig = if private.0 == Mark::Absent { &public } else { &private };
    let verdict = match (&by_kubeconfig.0, &public.0) {
        (Mark::Connects(_), _) => Verdict::Connects,
        (_, Mark::Connects(_)) => Verdict::ConnectsByPublicFqdn,
        _ => Verdict::Fails,
    };
    Fares { verdict, private, public }
}
