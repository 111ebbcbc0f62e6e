//! The security view, differences of answers and checked rules, for people.

use azure::ResourceId;
use network::Vantage;

use super::table::{columns, some};
use crate::{matrix::Outcome, question::Verdict, rules::Checked, security::SecurityView, what_if::Shift};

/// How many violations of one rule are written out.
const VIOLATIONS_MAX: usize = 10;

/// The security view.
pub fn security(view: &SecurityView) -> String {
    let mut text = format!("Private addresses in public DNS, told to whoever asks: {}\n", view.disclosed.len());
    if !view.disclosed.is_empty() {
        let mut lines = vec![["  CLUSTER", "ADDRESS", "NAME", "WITHOUT IT"].map(str::to_owned).to_vec()];
        lines.extend(view.disclosed.iter().map(|told| {
            let without = match (&told.refused, told.needed_by.len()) {
                (Some(why), _) => why.clone(),
                (None, 0) => "nobody loses anything".to_owned(),
                (None, _) => format!("{} lose it", some(told.needed_by.iter().cloned())),
            };
            let kubeconfigs = if told.in_kubeconfig { ", and every kubeconfig names it" } else { "" };
            let name = format!("  {}", told.cluster.name());
            vec![name, told.address.to_string(), told.name.to_string(), without + kubeconfigs]
        }));
        text += &columns(&lines, 2);
    }
    text += &format!("\nOrphaned or contradicting: {}\n", view.contradictions.len());
    for found in &view.contradictions {
        text += &format!("  {} {}\n    {}\n", found.code, found.resource, found.sentence);
    }
    text += &format!("\nOverlapping address spaces: {}\n", view.overlaps.len());
    for overlap in &view.overlaps {
        text += &format!("  {}: {}\n", overlap.prefix, some(names(&overlap.places)));
        if !overlap.clusters.is_empty() {
            text += &format!("    clusters with one address: {}\n", some(names(&overlap.clusters)));
        }
    }
    text
}

fn names(ids: &[ResourceId]) -> impl ExactSizeIterator<Item = String> + '_ {
    ids.iter().map(|id| id.name().to_owned())
}

/// A difference of answers: one line for each group, what is lost first.
pub fn difference(shifts: &[Shift]) -> String {
    if shifts.is_empty() {
        return "nothing changes for any vantage\n".to_owned();
    }
    let mut sorted: Vec<&Shift> = shifts.iter().collect();
    let rank = |shift: &Shift| ["loses", "gains", "changes"].iter().position(|kind| *kind == shift.kind());
    sorted.sort_by_key(|shift| rank(shift));
    let mut text = String::new();
    for shift in sorted {
        let vantages = some(shift.vantages.iter().map(Vantage::name));
        let verb = match (shift.kind(), shift.vantages.len()) {
            ("loses", 1) => "loses",
            ("loses", _) => "lose",
            ("gains", 1) => "gains",
            ("gains", _) => "gain",
            (_, 1) => "sees a change of",
            _ => "see a change of",
        };
        let count = shift.vantages.len();
        let who = if count == 1 { "1 vantage".to_owned() } else { format!("{count} vantages") };
        let clusters = some(names(&shift.clusters));
        text +=
            &format!("{who} {verb} {clusters}: {vantages}\n    {} → {}\n", outcome(shift.before), outcome(shift.after));
    }
    text
}

fn outcome(outcome: Option<Outcome>) -> String {
    let Some(outcome) = outcome else { return "not there".to_owned() };
    let cause = outcome.cause.map_or_else(String::new, |code| format!(" ({code})"));
    match outcome.verdict {
        Verdict::Connects => "connects".to_owned(),
        Verdict::ConnectsByPublicFqdn => format!("by the public FQDN only{cause}"),
        Verdict::Fails => format!("does not connect{cause}"),
    }
}

/// Checked rules: a line each, and where they are not kept.
pub fn rules(checked: &[Checked]) -> String {
    let mut text = String::new();
    for rule in checked {
        let mark = if rule.violations.is_empty() { "✓" } else { "✗" };
        let about = if rule.description.is_empty() { String::new() } else { format!(": {}", rule.description) };
        text += &format!("{mark} {}{about} ({} asked, {} not kept)\n", rule.id, rule.asked, rule.violations.len());
        for violation in rule.violations.iter().take(VIOLATIONS_MAX) {
            let code = violation.code.as_ref().map_or_else(String::new, |code| format!(" [{code}]"));
            text += &format!("    {}{code}\n", violation.message);
        }
        if rule.violations.len() > VIOLATIONS_MAX {
            text += &format!("    and {} more\n", rule.violations.len() - VIOLATIONS_MAX);
        }
    }
    text
}
