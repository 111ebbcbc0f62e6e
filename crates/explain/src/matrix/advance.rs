//! The matrix after a change: only the classes that a change can matter to are asked again, those that
//! it can matter to by names alone only about the clusters with such names, and all the others only
//! about clusters that have changed themselves.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    Class, Matrix, Outcome,
    class::{Fares, Maker},
    effect::Effect,
    in_threads,
    index::Number,
    near::Shared,
    outcome,
};
use network::{Network, Vantage};

/// How many clusters may have changed before everything is made anew.
const STALE_MAX: usize = 64;

/// What is to be done about a class.
enum Work<'a> {
    /// All of it again.
    Again,
    /// These clusters only.
    Ask(BTreeSet<&'a Number>),
}

impl Matrix {
    /// The matrix of `next`, which came about by changes of `network`, whose matrix this is. Makes
    /// everything anew where clusters, networks or sites come or go, or something is said of addresses
    /// of which nothing was said before.
    #[must_use]
    pub fn advance(&self, network: &Network, next: &Network) -> Self {
        let Some(mut effect) = Effect::new(&self.index, &self.cells, network, next) else { return Self::new(next) };
        let mut matrix = self.clone();
        matrix.stale.extend(&effect.clusters);
        if matrix.stale.len() > STALE_MAX {
            return Self::new(next);
        }
        effect.doubt(&matrix.stale);
        let unmade = matrix.regroup(network, next, &effect.vantages);
        let classes = (0..).zip(&matrix.classes);
        let work: Vec<(usize, Work<'_>)> = classes
            .filter_map(|(place, class)| {
                let again = unmade.iter().any(|made| Arc::ptr_eq(made, class)) || effect.remakes(&class.fares);
                if again {
                    return Some((place, Work::Again));
                }
                let asked: BTreeSet<&Number> = effect.asks(&class.fares).collect();
                (!asked.is_empty()).then_some((place, Work::Ask(asked)))
            })
            .collect();
        let maker = Maker { network: next, index: &matrix.index, stale: &matrix.stale };
        let made = in_threads(&work, |run| {
            let mut shared = Shared::default();
            let make = |(place, work): &(usize, Work<'_>)| {
                let class = &matrix.classes[*place];
                let first = class.vantages.first()?;
                let fares = match work {
                    Work::Again => maker.fares(first, &mut shared),
                    Work::Ask(numbers) => {
                        let mut fares = class.fares.clone();
                        fares.take(numbers.iter().filter_map(|number| Some((**number, ask(&maker, first, **number)?))));
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
            let place = |classes: &[Arc<Class>], wanted| classes.binary_search_by(|class| class.likeness.cmp(wanted));
            if let Some(Ok(found)) = old.as_ref().map(|old| place(&self.classes, old)) {
                let class = Arc::make_mut(&mut self.classes[found]);
                class.vantages.retain(|held| held != vantage);
                if class.vantages.is_empty() {
                    new.remove(&self.classes.remove(found).likeness);
                }
            }
            let Some(likeness) = now else { continue };
            match place(&self.classes, &likeness) {
                Ok(found) => {
                    let class = Arc::make_mut(&mut self.classes[found]);
                    let spot = class.vantages.partition_point(|held| held < vantage);
                    class.vantages.insert(spot, vantage.clone());
                }
                Err(spot) => {
                    new.insert(likeness.clone());
                    let class = Class { vantages: vec![vantage.clone()], likeness, fares: Fares::default() };
                    self.classes.insert(spot, Arc::new(class));
                }
            }
        }
        let find = |likeness| self.classes.binary_search_by(|class| class.likeness.cmp(likeness)).ok();
        new.iter().filter_map(|likeness| Some(Arc::clone(&self.classes[find(likeness)?]))).collect()
    }
}

fn ask(maker: &Maker<'_>, vantage: &Vantage, number: Number) -> Option<Outcome> {
    outcome(maker.network, vantage, &maker.index.facts.get(number as usize)?.cluster.id)
}
