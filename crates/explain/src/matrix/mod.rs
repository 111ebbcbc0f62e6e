//! The matrix: every cluster from every vantage, grouped so that what behaves alike is one row.

use std::collections::BTreeMap;

use azure::ResourceId;
use network::{Network, Vantage};
use serde::Serialize;

use crate::{
    cause::Code,
    question::{Verdict, explain},
};

/// How a vantage fares with a cluster, in short.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Whether it connects.
    pub verdict: Verdict,
    /// Why the kubeconfig does not work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Code>,
}

/// Vantages that fare alike with clusters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The clusters, in id order.
    pub clusters: Vec<ResourceId>,
    /// The vantages, in order.
    pub vantages: Vec<Vantage>,
    /// How each of these fares with each of those.
    pub outcome: Outcome,
}

/// How everybody fares with everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix {
    /// Disjoint, and together every pair.
    pub rows: Vec<Row>,
}

/// One pair's outcome, asked in full.
pub fn outcome(network: &Network, vantage: &Vantage, cluster: &ResourceId) -> Option<Outcome> {
    let found = explain(network, vantage, cluster)?;
    Some(Outcome { verdict: found.verdict, cause: found.cause.map(|cause| cause.code) })
}

/// The matrix by asking every pair: what any quicker way must agree with.
pub fn every(network: &Network, vantage: Option<&Vantage>, cluster: Option<&ResourceId>) -> Matrix {
    let vantages: Vec<&Vantage> =
        network.vantages().iter().filter(|held| vantage.is_none_or(|only| only == *held)).collect();
    let clusters: Vec<&ResourceId> =
        network.clusters().keys().filter(|held| cluster.is_none_or(|only| only == *held)).collect();
    let mut answers: BTreeMap<Vec<Option<Outcome>>, Vec<Vantage>> = BTreeMap::new();
    for vantage in vantages {
        let row: Vec<Option<Outcome>> = clusters.iter().map(|cluster| outcome(network, vantage, cluster)).collect();
        answers.entry(row).or_default().push(vantage.clone());
    }
    let mut rows = Vec::new();
    for (outcomes, vantages) in answers {
        let mut alike: BTreeMap<Outcome, Vec<ResourceId>> = BTreeMap::new();
        for (cluster, outcome) in clusters.iter().zip(outcomes) {
            alike
                .entry(outcome.unwrap_or(Outcome { verdict: Verdict::Fails, cause: None }))
                .or_default()
                .push((*cluster).clone());
        }
        rows.extend(alike.into_iter().map(|(outcome, clusters)| Row { clusters, vantages: vantages.clone(), outcome }));
    }
    rows.sort();
    Matrix { rows }
}
