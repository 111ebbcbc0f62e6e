//! How a class of vantages fares with every cluster: one by one where clusters stand out, by groups and
//! by where they stand otherwise.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use super::{
    Outcome,
    class::Manner,
    index::{At, Facts, Index, Members, Number, spot},
    view::View,
};

/// How a class fares with every cluster: as it was found out, and with whom otherwise since.
#[derive(Debug, Clone)]
pub(super) struct Fares {
    made: Arc<Made>,
    /// Clusters asked about again since then, sorted: they go before all else.
    since: Vec<(Number, Outcome)>,
}

/// What was found out about a class at one time.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Clusters that stand out, sorted.
    pub(super) special: Vec<(Number, Outcome)>,
    /// Where prefixes begin or end of which something is said on this class's ways; sorted. Addresses
    /// between two of them fare alike, unless they stand out.
    pub(super) bounds: Vec<u32>,
    /// The view, and between bounds, how the class fares with each of its groups.
    pub(super) view: Arc<View>,
    pub(super) in_view: Vec<ByCell>,
    /// How it fares with each group of clusters otherwise.
    pub(super) otherwise: Vec<ByCell>,
    /// The networks that it depends on, sorted.
    pub(super) networks: Vec<At>,
    /// The network whose view it asks.
    pub(super) asks: Option<At>,
    /// Whether it may depend on any other one, too: forwarding rules lead elsewhere.
    pub(super) forwards: bool,
    /// What of it decides besides its ways.
    pub(super) manner: Manner,
}

/// Outcomes by the number of bounds at or below an address, sorted.
pub(super) type ByCell = Vec<(usize, Outcome)>;

impl Made {
    /// The outcome in a cluster's cell.
    fn at(&self, cells: &ByCell, facts: &Facts) -> Option<Outcome> {
        let cell = self.bounds.partition_point(|bound| *bound <= u32::from(spot(&facts.cluster)));
        let found = cells.binary_search_by_key(&cell, |(held, _)| *held).ok()?;
        Some(cells[found].1)
    }

    /// Which of these members have an address in a cell.
    fn within(&self, members: &Members, cell: usize) -> Range<usize> {
        let start = |bound: u32| members.partition_point(|(address, _)| u32::from(*address) < bound);
        let from = cell.checked_sub(1).map_or(0, |below| start(self.bounds[below]));
        from..self.bounds.get(cell).map_or(members.len(), |bound| start(*bound))
    }
}

impl From<Made> for Fares {
    fn from(made: Made) -> Self {
        Self { made: Arc::new(made), since: Vec::new() }
    }
}

impl Fares {
    /// Whether a change of one of these networks can matter here.
    pub(super) fn depends_on(&self, networks: &BTreeSet<At>) -> bool {
        networks.iter().any(|network| self.made.networks.binary_search(network).is_ok())
    }

    /// Whether names are forwarded to places that the dependencies do not list.
    pub(super) fn forwards(&self) -> bool {
        self.made.forwards
    }

    /// The network whose view is asked.
    pub(super) fn asks(&self) -> Option<At> {
        self.made.asks
    }

    /// What the view asked makes of the clusters.
    pub(super) fn view(&self) -> &View {
        &self.made.view
    }

    /// What decides besides ways.
    pub(super) fn manner(&self) -> Manner {
        self.made.manner
    }

    /// How many clusters were asked about again since it was made.
    pub(super) fn amended(&self) -> usize {
        self.since.len()
    }

    /// Whether a cluster was asked about by itself, or has names that are answered here in a way of their own.
    pub(super) fn singles_out(&self, number: Number) -> bool {
        self.one(number).is_some() || self.made.view.group(number).is_some()
    }

    /// The clusters with an outcome that is wanted, in order. Costs what stands out and what is found.
    pub(super) fn having(&self, index: &Index, wanted: impl Fn(Outcome) -> bool) -> Vec<(Number, Outcome)> {
        let made = &self.made;
        let is_new = |number: Number| find(&self.since, number).is_some();
        let special = made.special.iter().filter(|(number, _)| !is_new(*number)).chain(&self.since);
        let mut found: Vec<(Number, Outcome)> = special.filter(|(_, outcome)| wanted(*outcome)).copied().collect();
        let mut far = |cells: &ByCell, members: &Members, in_view: bool| {
            for (cell, outcome) in cells.iter().filter(|(_, outcome)| wanted(*outcome)) {
                let members = members[made.within(members, *cell)].iter().map(|(_, number)| *number);
                let meant = members
                    .filter(|number| self.one(*number).is_none() && (in_view || made.view.group(*number).is_none()));
                found.extend(meant.map(|number| (number, *outcome)));
            }
        };
        for (cells, (_, members)) in made.in_view.iter().zip(&made.view.groups) {
            far(cells, members, true);
        }
        for (cells, members) in made.otherwise.iter().zip(&index.groups) {
            far(cells, members, false);
        }
        found.sort_unstable_by_key(|(number, _)| *number);
        found
    }

    /// Writes down how the class fares with each cluster, by their numbers. Costs the clusters, once.
    pub(super) fn write(&self, index: &Index, row: &mut [Option<Outcome>]) {
        let made = &self.made;
        let mut far = |cells: &ByCell, members: &Members| {
            for (cell, outcome) in cells {
                for (_, number) in &members[made.within(members, *cell)] {
                    row[*number as usize] = Some(*outcome);
                }
            }
        };
        for (cells, members) in made.otherwise.iter().zip(&index.groups) {
            far(cells, members);
        }
        for (cells, (_, members)) in made.in_view.iter().zip(&made.view.groups) {
            far(cells, members);
        }
        for (number, outcome) in made.special.iter().chain(&self.since) {
            row[*number as usize] = Some(*outcome);
        }
    }

    /// Takes over how the class fares with clusters that were asked about again.
    pub(super) fn take(&mut self, outcomes: impl IntoIterator<Item = (Number, Outcome)>) {
        for (number, outcome) in outcomes {
            match self.since.binary_search_by_key(&number, |(held, _)| *held) {
                Ok(place) => self.since[place].1 = outcome,
                Err(place) => self.since.insert(place, (number, outcome)),
            }
        }
    }

    /// How the class fares with one cluster.
    pub(super) fn with(&self, number: Number, facts: &Facts) -> Option<Outcome> {
        if let Some(outcome) = self.one(number) {
            return Some(outcome);
        }
        match self.made.view.group(number) {
            Some(group) => self.made.at(self.made.in_view.get(group as usize)?, facts),
            None => self.as_its_group(facts),
        }
    }

    /// How it fares with those of a cluster's group that do not stand out, where the cluster is.
    pub(super) fn as_its_group(&self, facts: &Facts) -> Option<Outcome> {
        self.made.at(self.made.otherwise.get(facts.group as usize)?, facts)
    }

    /// How it fares with a cluster that was asked about by itself.
    fn one(&self, number: Number) -> Option<Outcome> {
        find(&self.since, number).or_else(|| find(&self.made.special, number))
    }
}

fn find(outcomes: &[(Number, Outcome)], number: Number) -> Option<Outcome> {
    let found = outcomes.binary_search_by_key(&number, |(held, _)| *held).ok()?;
    Some(outcomes[found].1)
}
