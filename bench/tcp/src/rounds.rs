//! Rivals that take turns, and the table of what they did.

use std::sync::Arc;

use anyhow::{Context as _, Result};

use crate::{
    Rounds,
    load::{Client, Measure, Server},
};

/// A way to connect to a server.
pub(crate) struct Rival {
    pub(crate) name: &'static str,
    pub(crate) server: Arc<Server>,
    pub(crate) client: Client,
}

/// Measures all rivals and says how each does beside the last one; gives the first one's ratios, in
/// the order of [`Measure::ALL`].
///
/// # Errors
/// A connection fails.
#[expect(clippy::print_stdout, reason = "a benchmark reports to the terminal")]
pub(crate) fn compare(rivals: &[Rival], rounds: Rounds) -> Result<Vec<f64>> {
    let mut firsts = Vec::new();
    for measure in Measure::ALL {
        let mut rates: Vec<Vec<f64>> = vec![Vec::new(); rivals.len()];
        // The first round is for caches to warm up.
        for round in 0..=rounds.rounds {
            for (number, rival) in rivals.iter().enumerate() {
                let rate = rival.server.measure(measure, rounds, &rival.client);
                let rate = rate.with_context(|| format!("{}: {}", rival.name, measure.unit()))?;
                if round > 0 {
                    rates[number].push(rate);
                }
            }
        }
        println!("{}", measure.unit());
        let last = rates.last().cloned().unwrap_or_default();
        for (rival, rates) in rivals.iter().zip(rates) {
            let ratio = median(rates.iter().zip(&last).map(|(rate, last)| rate / last));
            println!("  {:<30}{:>10.0}   {ratio:.2}", rival.name, median(rates.into_iter()));
            firsts.push(ratio);
        }
        firsts.truncate(firsts.len() + 1 - rivals.len());
    }
    Ok(firsts)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
