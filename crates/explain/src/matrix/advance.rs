//! The matrix after a change: only the classes that a change can matter to are asked again, those that
//! it can matter to by names alone only about the clusters with such names, and those that a cluster
//! which has changed stands out for only about that one. To all others it is one of another group.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Class, Matrix, class::Maker, effect::Effect, fares::Made, in_threads, index::Number, near::Shared};
use network::{Likeness, Network, Vantage};

/// How many clusters a class may have been asked about again before all of it is.
const AMENDED_MAX: usize = 64;

/// What is to be done about a class.
enum Work {
    /// All of it again.
    Again,
    /// These clusters only, with whether each may stand out.
    Ask(BTreeMap<Number, bool>),
}

impl Matrix {
    /// The matrix of `next`, which came about by changes of `network`, whose matrix this is. Makes
    /// everything anew where clusters, networks or sites come or go, or something is said of addresses
    /// of which nothing was said before.
    #[must_use]
    pub fn advance(&self, network: &Network, next: &Network) -> Self {
        let mut matrix = self.clone();
        let Some(effect) = Effect::new(&mut matrix.index, &self.cells, network, next) else { return Self::new(next) };
        let unmade = matrix.regroup(network, next, &effect.vantages);
        let index = &matrix.index;
        let classes: Vec<(usize, &Arc<Class>)> = (0..).zip(&matrix.classes).collect();
        let work: Vec<(usize, Work)> = in_threads(&classes, |run| {
            let work = |&(place, class): &(usize, &Arc<Class>)| {
                let again = unmade.iter().any(|made| Arc::ptr_eq(made, class))
                    || effect.remakes(class)
                    || class.fares.amended() > AMENDED_MAX;
                if again {
                    return Some((place, Work::Again));
                }
                let asked = effect.asks(index, class);
                (!asked.is_empty()).then_some((place, Work::Ask(asked)))
            };
            run.iter().filter_map(work).collect()
        });
        let maker = Maker { network: next, index };
        let made = in_threads(&work, |run| {
            let mut shared = Shared::default();
            let make = |(place, work): &(usize, Work)| {
                let class = &matrix.classes[*place];
                let first = class.vantages.first()?;
                let fares = match work {
                    Work::Again => maker.fares(first, &mut shared),
                    Work::Ask(numbers) => {
                        let mut fares = class.fares.clone();
                        let asked = maker.again(first, &fares, numbers, &mut shared);
                        fares.take(asked);
                        fares
                    }
                };
                Some((*place, Arc::new(Class { fares, ..Class::clone(class) })))
            };
            run.iter().filter_map(make).collect()
        });
        for (place, class) in made {
            matrix.classes[place] = class;
        }
        matrix
    }

    /// Puts vantages into the classes of their likenesses in `next`; gives the classes that are new.
    fn regroup(&mut self, network: &Network, next: &Network, vantages: &BTreeSet<Vantage>) -> Vec<Arc<Class>> {
        let mut new = BTreeSet::new();
        for vantage in vantages {
            let likeness = |network: &Network| {
                let exists = network.vantages().contains(vantage);
                exists.then(|| network.likeness(vantage, &self.cells))
            };
            let (old, now) = (likeness(network), likeness(next));
            if old == now {
                continue;
            }
            let place =
                |classes: &[Arc<Class>], wanted| classes.binary_search_by(|class| (*class.likeness).cmp(wanted));
            if let Some(Ok(found)) = old.as_ref().map(|old| place(&self.classes, old)) {
                let class = Arc::make_mut(&mut self.classes[found]);
                class.vantages = class.vantages.iter().filter(|held| *held != vantage).cloned().collect();
                if class.vantages.is_empty() {
                    new.remove(&self.classes.remove(found).likeness);
                }
            }
            let Some(likeness) = now else { continue };
            match place(&self.classes, &likeness) {
                Ok(found) => {
                    let class = Arc::make_mut(&mut self.classes[found]);
                    let (before, after) =
                        class.vantages.split_at(class.vantages.partition_point(|held| held < vantage));
                    class.vantages = [before, std::slice::from_ref(vantage), after].concat().into();
                }
                Err(spot) => {
                    let likeness = Arc::new(likeness);
                    new.insert(Arc::clone(&likeness));
                    let vantages = [vantage.clone()].into();
                    let class = Class { vantages, likeness, fares: Made::default().into() };
                    self.classes.insert(spot, Arc::new(class));
                }
            }
        }
        let find = |likeness: &Arc<Likeness>| self.classes.binary_search_by(|class| class.likeness.cmp(likeness)).ok();
        new.iter().filter_map(|likeness| Some(Arc::clone(&self.classes[find(likeness)?]))).collect()
    }
}
