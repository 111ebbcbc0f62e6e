//! Clusters × vantages × addresses. Vantages that behave alike are one column, and clusters that look
//! alike from every shown column one row, so that a thousand of them are a page that somebody can read.

use std::collections::BTreeMap;

use azure::{DnsName, ResourceId, aks};
use explain::{Code, Outcome, Verdict};
use network::{Cluster, Disposition, Host, Network, Silent, Vantage};

use super::{has_words, seen::Mark};

/// Columns of one page.
pub const COLUMNS_SHOWN: usize = 8;
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
    pub first_column: usize,
    /// The first cluster to show.
    pub first_cluster: usize,
}

/// How a vantage fares with a cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// How it fares.
    pub verdict: Verdict,
    /// Why the kubeconfig does not work.
    pub cause: Option<Code>,
    /// By the private FQDN. Addresses are left out: clusters that differ in nothing else are alike.
    pub private: Mark,
    /// By the public FQDN.
    pub public: Mark,
}

/// Clusters that look alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The clusters.
    pub clusters: Vec<ResourceId>,
    /// How each shown column fares with each of them.
    pub cells: Vec<Cell>,
}

/// A page of the matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The shown columns: vantages that behave alike, the first of them a matching one.
    pub columns: Vec<Vec<Vantage>>,
    /// How many columns match.
    pub columns_found: usize,
    /// How many clusters match.
    pub clusters_found: usize,
    /// The rows, the largest first.
    pub rows: Vec<Row>,
}

/// The page of `matrix`, which is that of `network`, that `filter` asks for.
pub fn page(network: &Network, matrix: &explain::Matrix, filter: &Filter) -> Page {
    let is_meant = |vantage: &&Vantage| {
        has_words(&format!("{} {} {}", vantage.name(), vantage.key(), vantage.describe()), &filter.vantage)
    };
    let columns = matrix.classes().iter().filter_map(|class| {
        let (mut meant, others): (Vec<&Vantage>, Vec<&Vantage>) = class.vantages.iter().partition(is_meant);
        let first = *meant.first()?;
        meant.extend(others);
        Some((class, first, meant))
    });
    let mut columns: Vec<_> = columns.collect();
    columns.sort_by_key(|(_, first, _)| *first);
    let columns_found = columns.len();
    let shown: Vec<_> = columns.into_iter().skip(filter.first_column).take(COLUMNS_SHOWN).collect();
    let is_meant = |cluster: &&std::sync::Arc<Cluster>| {
        let names = [&cluster.fqdn, &cluster.private_fqdn].into_iter().flatten();
        has_words(&names.fold(cluster.id.to_string(), |text, name| format!("{text} {name}")), &filter.cluster)
    };
    let clusters: Vec<_> = network.clusters().values().filter(is_meant).collect();
    let mut alike: BTreeMap<Vec<Cell>, Vec<ResourceId>> = BTreeMap::new();
    for cluster in clusters.iter().skip(filter.first_cluster).take(CLUSTERS_SHOWN) {
        let cells: Vec<Cell> = shown
            .iter()
            .filter_map(|(class, first, _)| Some(cell(network, first, cluster, matrix.outcome(class, &cluster.id)?)))
            .collect();
        if filter.outcome.is_none_or(|outcome| cells.iter().any(|cell| cell.verdict == outcome)) {
            alike.entry(cells).or_default().push(cluster.id.clone());
        }
    }
    let mut rows: Vec<Row> = alike.into_iter().map(|(cells, clusters)| Row { clusters, cells }).collect();
    rows.sort_by(|a, b| b.clusters.len().cmp(&a.clusters.len()).then_with(|| a.clusters.cmp(&b.clusters)));
    let columns = shown.into_iter().map(|(_, _, vantages)| vantages.into_iter().cloned().collect()).collect();
    Page { columns, columns_found, clusters_found: clusters.len(), rows }
}

fn cell(network: &Network, vantage: &Vantage, cluster: &Cluster, outcome: Outcome) -> Cell {
    let ask = |name: Option<&DnsName>| {
        let Some(name) = name else { return Mark::Absent };
        match network.connect(vantage, &Host::Name(name.clone()), aks::API_SERVER_PORT, &mut Silent) {
            Disposition::Connected { cluster: reached, .. } if reached == cluster.id => Mark::Connects(None),
            Disposition::NameNotFound { .. }
            | Disposition::NoAddress { .. }
            | Disposition::NoResolver { .. }
            | Disposition::ForwarderUnreachable { .. }
            | Disposition::AliasLoop { .. }
            | Disposition::NoVantage => Mark::Unresolved,
            _ => Mark::Resolves(None),
        }
    };
    Cell {
        verdict: outcome.verdict,
        cause: outcome.cause,
        private: ask(cluster.private_fqdn.as_ref()),
        public: ask(cluster.fqdn.as_ref()),
    }
}
