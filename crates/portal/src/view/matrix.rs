//! Clusters × vantages × addresses. Clusters that look alike from every shown vantage are one row,
//! so that a thousand of them are a page that somebody can read.

use std::collections::BTreeMap;

use azure::ResourceId;
use explain::{Code, Verdict};
use network::{Network, Vantage};

use super::{
    has_words,
    seen::{Mark, Seen},
};

/// Columns of one page.
pub const VANTAGES_SHOWN: usize = 8;
/// Clusters of one page.
pub const CLUSTERS_SHOWN: usize = 1000;

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
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// How it fares.
    pub verdict: Verdict,
    /// By the private FQDN. Addresses are left out: clusters that differ in nothing else are alike.
    pub private: Mark,
    /// By the public FQDN.
    pub public: Mark,
    /// Why the kubeconfig does not work.
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
    let mut alike: BTreeMap<Vec<Cell>, Vec<ResourceId>> = BTreeMap::new();
    for cluster in clusters.iter().skip(filter.first_cluster).take(CLUSTERS_SHOWN) {
        let cells: Vec<Cell> = shown.iter().filter_map(|vantage| cell(network, vantage, cluster)).collect();
        if filter.outcome.is_none_or(|outcome| cells.iter().any(|cell| cell.verdict == outcome)) {
            alike.entry(cells).or_default().push((*cluster).clone());
        }
    }
    let mut rows: Vec<Row> = alike.into_iter().map(|(cells, clusters)| Row { clusters, cells }).collect();
    rows.sort_by(|a, b| b.clusters.len().cmp(&a.clusters.len()).then_with(|| a.clusters.cmp(&b.clusters)));
    Matrix {
        vantages: shown.into_iter().cloned().collect(),
        vantages_found: vantages.len(),
        clusters_found: clusters.len(),
        rows,
    }
}

fn cell(network: &Network, vantage: &Vantage, cluster: &ResourceId) -> Option<Cell> {
    let seen = Seen::of(&explain::explain(network, vantage, cluster)?);
    let plain = |mark: Mark| match mark {
        Mark::Connects(_) => Mark::Connects(None),
        Mark::Resolves(_) => Mark::Resolves(None),
        other => other,
    };
    Some(Cell {
        verdict: seen.verdict,
        private: plain(seen.private),
        public: plain(seen.public),
        cause: seen.cause.map(|(code, _)| code),
    })
}
