//! The matrix: every cluster from every vantage, by classes of vantages that behave alike and groups
//! of clusters, so that it costs what stands out and not every pair.

mod advance;
mod bits;
mod class;
mod effect;
mod fares;
mod index;
mod near;
mod rows;
mod view;

use std::{panic::resume_unwind, sync::Arc};

use azure::ResourceId;
use network::{Cells, Likeness, Network, Vantage};
use serde::Serialize;

use crate::{
    cause::Code,
    question::{self, Verdict},
};
use class::Maker;
use fares::Fares;
use index::{Index, Number};
use near::Shared;

pub use rows::{Clusters, Row};

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

/// Vantages that behave alike.
#[derive(Debug, Clone)]
pub struct Class {
    /// The vantages, in order; at least one.
    pub vantages: Arc<[Vantage]>,
    likeness: Arc<Likeness>,
    fares: Fares,
}

/// How everybody fares with everything.
#[derive(Debug, Clone)]
pub struct Matrix {
    index: Index,
    cells: Cells,
    /// Sorted by likeness.
    classes: Vec<Arc<Class>>,
}

/// One pair's outcome, asked in full.
pub fn outcome(network: &Network, vantage: &Vantage, cluster: &ResourceId) -> Option<Outcome> {
    let (verdict, cause) = question::outcome(network, vantage, cluster)?;
    Some(Outcome { verdict, cause })
}

impl Matrix {
    /// The matrix of a whole network.
    pub fn new(network: &Network) -> Self {
        let cells = network.cells();
        let index = Index::new(network, &cells);
        let alike: Vec<(Likeness, Vec<&Vantage>)> = network.alike(&cells).into_iter().collect();
        let maker = Maker { network, index: &index };
        let classes = in_threads(&alike, |run| {
            let mut shared = Shared::default();
            let class = |(likeness, vantages): &(Likeness, Vec<&Vantage>)| {
                let fares = maker.fares(vantages.first()?, &mut shared);
                let vantages = vantages.iter().copied().cloned().collect();
                Some(Arc::new(Class { vantages, likeness: Arc::new(likeness.clone()), fares }))
            };
            run.iter().filter_map(class).collect()
        });
        Self { index, cells, classes }
    }

    /// The classes.
    pub fn classes(&self) -> &[Arc<Class>] {
        &self.classes
    }

    /// Every cluster, in id order.
    pub fn clusters(&self) -> impl ExactSizeIterator<Item = &ResourceId> {
        self.index.facts.iter().map(|facts| &facts.cluster.id)
    }

    /// The clusters of which `next`, which came about by changes, knows something else: a class that both share
    /// may fare otherwise with these alone.
    pub fn known_otherwise<'a>(&'a self, next: &'a Self) -> impl Iterator<Item = &'a ResourceId> {
        let both = self.index.facts.iter().zip(next.index.facts.iter());
        both.filter(|(was, is)| !Arc::ptr_eq(was, is)).map(|(was, _)| &was.cluster.id)
    }

    /// How a class fares with a cluster.
    pub fn outcome(&self, class: &Class, cluster: &ResourceId) -> Option<Outcome> {
        self.outcome_of(class, self.index.number(cluster)?)
    }

    /// The clusters that a class has an outcome with that is wanted, in id order. Costs what stands out
    /// and what is found, not every cluster.
    pub fn having(&self, class: &Class, wanted: impl Fn(Outcome) -> bool) -> Vec<(&ResourceId, Outcome)> {
        let found = class.fares.having(&self.index, wanted).into_iter();
        found.map(|(number, outcome)| (&self.index.facts[number as usize].cluster.id, outcome)).collect()
    }

    fn outcome_of(&self, class: &Class, number: Number) -> Option<Outcome> {
        class.fares.with(number, self.index.facts.get(number as usize)?)
    }
}

/// How many items are worth the start of a thread.
const WORTH_A_THREAD: usize = 16;

/// The results of `work` over runs of `items`, one for each processor, in order.
fn in_threads<T: Sync, R: Send>(items: &[T], work: impl Fn(&[T]) -> Vec<R> + Sync) -> Vec<R> {
    if items.len() < WORTH_A_THREAD {
        return work(items);
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let runs = items.chunks(items.len().div_ceil(threads).max(1));
    std::thread::scope(|scope| {
        let work = &work;
        let started: Vec<_> = runs.map(|run| scope.spawn(move || work(run))).collect();
        let joined = started.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        joined.flatten().collect()
    })
}
