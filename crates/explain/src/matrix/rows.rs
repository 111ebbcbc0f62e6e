//! The matrix as rows: vantages that fare alike with the same clusters. A set of clusters is a bit for
//! each of them, since a large estate has tens of thousands of rows with thousands of clusters each.

use std::{cmp::Ordering, sync::Arc};

use azure::ResourceId;
use foldhash::HashMap;
use network::Vantage;
use serde::{Serialize, Serializer};

use super::{Class, Matrix, Outcome, bits::Bits, in_threads};

/// Vantages that fare alike with clusters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The clusters.
    pub clusters: Clusters,
    /// The vantages, in order.
    pub vantages: Vec<Vantage>,
    /// How each of these fares with each of those.
    pub outcome: Outcome,
}

/// Some of the clusters of a matrix. Two sets of one matrix, or of matrices of the same clusters, are
/// ordered by their first members.
#[derive(Debug, Clone)]
pub struct Clusters {
    all: Arc<[ResourceId]>,
    members: Bits,
}

impl Clusters {
    /// The clusters, in id order.
    pub fn iter(&self) -> impl Iterator<Item = &ResourceId> {
        self.members.iter().filter_map(|number| self.all.get(number))
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.len() == 0
    }
}

impl PartialEq for Clusters {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Clusters {}

impl PartialOrd for Clusters {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Clusters {
    fn cmp(&self, other: &Self) -> Ordering {
        if Arc::ptr_eq(&self.all, &other.all) || self.all == other.all {
            self.members.cmp(&other.members)
        } else {
            self.iter().cmp(other.iter())
        }
    }
}

impl Serialize for Clusters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// The clusters of one class, by outcome.
type Sets = Vec<(Outcome, Bits)>;

impl Matrix {
    /// How a class fares with each cluster, in their order.
    pub fn outcomes(&self, class: &Class) -> Vec<Option<Outcome>> {
        let mut row = vec![None; self.index.facts.len()];
        class.fares.write(&self.index, &mut row);
        row
    }

    /// The matrix as rows that are disjoint and together every pair of the vantages and clusters
    /// asked for; all of them where none are named.
    pub fn rows(&self, vantage: Option<&Vantage>, cluster: Option<&ResourceId>) -> Vec<Row> {
        let is_meant = |held: &&Vantage| vantage.is_none_or(|only| only == *held);
        let classes: Vec<&Class> = self.classes().iter().map(AsRef::as_ref).collect();
        let sets = in_threads(&classes, |run| {
            let sets =
                |class: &&Class| class.vantages.iter().any(|held| is_meant(&held)).then(|| self.sets(class, cluster));
            run.iter().map(sets).collect()
        });
        let mut alike: HashMap<(Outcome, Bits), Vec<Vantage>> = HashMap::default();
        for (class, sets) in classes.iter().zip(sets) {
            for set in sets.into_iter().flatten() {
                alike.entry(set).or_default().extend(class.vantages.iter().filter(is_meant).cloned());
            }
        }
        let all: Arc<[ResourceId]> = self.clusters().cloned().collect();
        let row = |((outcome, members), mut vantages): ((Outcome, Bits), Vec<Vantage>)| {
            vantages.sort();
            Row { clusters: Clusters { all: Arc::clone(&all), members }, vantages, outcome }
        };
        let mut rows: Vec<Row> = alike.into_iter().map(row).collect();
        rows.sort();
        rows
    }

    /// The clusters of one class, or the only one meant, by outcome.
    fn sets(&self, class: &Class, only: Option<&ResourceId>) -> Sets {
        let mut sets = Sets::new();
        let mut add = |number: usize, outcome: Outcome| {
            let place = sets.iter().position(|(held, _)| *held == outcome).unwrap_or_else(|| {
                sets.push((outcome, Bits::new(self.index.facts.len())));
                sets.len() - 1
            });
            sets[place].1.insert(number);
        };
        if let Some(cluster) = only {
            let number = self.index.number(cluster);
            if let Some((number, outcome)) = number.and_then(|number| Some((number, self.outcome_of(class, number)?))) {
                add(number as usize, outcome);
            }
            return sets;
        }
        for (number, outcome) in self.outcomes(class).into_iter().enumerate() {
            if let Some(outcome) = outcome {
                add(number, outcome);
            }
        }
        sets
    }
}
