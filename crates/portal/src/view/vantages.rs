//! Places to stand: those that a search finds, so many that somebody can choose from them.

use network::{Network, Vantage};

use super::has_words;

/// Places that one can choose from at a time; the search finds the others.
pub const CHOICES_MAX: usize = 50;

/// Places to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choices {
    /// The first of those that were found.
    pub places: Vec<Vantage>,
    /// The one that is chosen now; first among the places, found or not.
    pub chosen: Option<Vantage>,
    /// How many were found.
    pub found: usize,
    /// How many there are.
    pub all: usize,
}

/// The vantages whose names, ids or kinds have every word of `search`, and the chosen one.
pub fn find(network: &Network, search: &str, chosen: Option<&Vantage>) -> Choices {
    let is_meant = |vantage: &&Vantage| {
        search.is_empty() || has_words(&format!("{} {} {}", vantage.name(), vantage.key(), vantage.describe()), search)
    };
    let mut found = network.vantages().iter().filter(is_meant);
    let first: Vec<Vantage> = found.by_ref().take(CHOICES_MAX).cloned().collect();
    let count = first.len() + found.count();
    let missing = chosen.filter(|chosen| !first.contains(chosen)).cloned();
    Choices {
        places: missing.into_iter().chain(first).collect(),
        chosen: chosen.cloned(),
        found: count,
        all: network.vantages().len(),
    }
}
