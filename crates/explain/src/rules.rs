//! Rules that an estate must keep, for pipelines: `RULES.toml`, documented in `docs/explain.md`.

use std::collections::BTreeSet;

use azure::{Estate, ResourceId};
use network::{Network, Vantage};
use serde::{Deserialize, Serialize};

use crate::{
    cause::Code,
    matrix::{Matrix, Outcome},
    question::Verdict,
    render::table,
    security::{self, SecurityView},
};

/// A file of rules.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The version of the format: 1.
    pub version: u32,
    /// The rules.
    #[serde(default, rename = "rule")]
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// A name of its own, for reports.
    pub id: String,
    /// What it is for, in words.
    #[serde(default)]
    pub description: String,
    /// What must hold.
    pub require: Requirement,
    /// The vantages it is about; all where nothing is said.
    #[serde(default)]
    pub from: Selector,
    /// The clusters it is about; all where nothing is said.
    #[serde(default)]
    pub to: Selector,
}

/// What must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// Every vantage connects by the kubeconfig as it is.
    Connects,
    /// Every vantage connects, if only by the public FQDN.
    ConnectsByAnyName,
    /// No vantage connects by any name.
    NoConnection,
    /// No private address of these clusters is in public DNS.
    NoPrivateAddressInPublicDns,
    /// Nothing is orphaned and nothing contradicts itself.
    NoContradictions,
    /// No address spaces overlap.
    NoOverlaps,
}

/// Which vantages or clusters a rule is about; all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Selector {
    /// Names, with `*` for anything: `ops-*`, `hub/default`.
    #[serde(default)]
    pub names: Vec<String>,
    /// Tags that the resource or its resource group must have, with these values.
    #[serde(default)]
    pub tags: std::collections::BTreeMap<String, String>,
    /// Kinds of vantages: `internet`, `interface`, `subnet`, `vpn-client`, `client`.
    #[serde(default)]
    pub kinds: Vec<String>,
}

/// A rule that is not kept: for one cluster, in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceId>,
    /// The cause's code, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// One sentence.
    pub message: String,
}

/// A rule, and whether it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// The rule's name.
    pub id: String,
    /// What it is for.
    pub description: String,
    /// How many questions it asked.
    pub asked: usize,
    /// Where it is not kept.
    pub violations: Vec<Violation>,
}

/// The version of the format that is read here.
pub const VERSION: u32 = 1;

/// Checks every rule. A rule that is about nothing is not kept: it was meant to be about something.
pub fn check(rules: &Rules, network: &Network, matrix: &Matrix) -> Vec<Checked> {
    let view = security::security(network, matrix);
    rules.rules.iter().map(|rule| Checking { rule, network, matrix, view: &view }.check()).collect()
}

struct Checking<'a> {
    rule: &'a Rule,
    network: &'a Network,
    matrix: &'a Matrix,
    view: &'a SecurityView,
}

impl Checking<'_> {
    fn check(&self) -> Checked {
        let (asked, violations) = match self.rule.require {
            Requirement::Connects | Requirement::ConnectsByAnyName | Requirement::NoConnection => self.connections(),
            Requirement::NoPrivateAddressInPublicDns => self.disclosures(),
            Requirement::NoContradictions => {
                let found = self.view.contradictions.iter().map(|found| Violation {
                    resource: Some(found.resource.clone()),
                    code: Some(found.code.to_owned()),
                    message: format!("{}: {}", found.resource.name(), found.sentence),
                });
                (self.network.estate().len(), found.collect())
            }
            Requirement::NoOverlaps => {
                let found = self.view.overlaps.iter().map(|overlap| {
                    let names: Vec<&str> = overlap.places.iter().map(ResourceId::name).collect();
                    Violation {
                        resource: overlap.places.first().cloned(),
                        code: Some(Code::AddressSpaceOverlap.as_str().to_owned()),
                        message: format!("{} overlap in {}", names.join(", "), overlap.prefix),
                    }
                });
                (self.network.virtual_networks().len(), found.collect())
            }
        };
        Checked { id: self.rule.id.clone(), description: self.rule.description.clone(), asked, violations }
    }

    fn clusters(&self) -> BTreeSet<ResourceId> {
        let estate = self.network.estate();
        let meant = |id: &&ResourceId| self.rule.to.selects(estate, id.name(), Some(id), None);
        self.network.clusters().keys().filter(meant).cloned().collect()
    }

    /// Each cluster with each way in which the rule is not kept for it, and who it is not kept for.
    fn connections(&self) -> (usize, Vec<Violation>) {
        let clusters = self.clusters();
        let about: Vec<bool> = self.matrix.clusters().map(|cluster| clusters.contains(cluster)).collect();
        let mut asked = 0;
        let mut broken_for: Vec<Vec<(Outcome, Names)>> = vec![Vec::new(); about.len()];
        for class in self.matrix.classes() {
            let meant = |vantage: &&Vantage| {
                self.rule.from.selects(self.network.estate(), &vantage.name(), vantage.resource(), Some(kind(vantage)))
            };
            let vantages: Vec<&Vantage> = class.vantages.iter().filter(meant).collect();
            if vantages.is_empty() {
                continue;
            }
            asked += vantages.len() * clusters.len();
            let broken = |outcome: Outcome| match self.rule.require {
                Requirement::Connects => outcome.verdict != Verdict::Connects,
                Requirement::NoConnection => outcome.verdict != Verdict::Fails,
                _ => outcome.verdict == Verdict::Fails,
            };
            let outcomes = self.matrix.outcomes(class).into_iter().zip(&about).zip(&mut broken_for);
            for ((outcome, _), broken_for) in outcomes.filter(|((_, about), _)| **about) {
                let Some(outcome) = outcome.filter(|outcome| broken(*outcome)) else { continue };
                let place = broken_for.iter().position(|(held, _)| *held == outcome).unwrap_or_else(|| {
                    broken_for.push((outcome, Names::default()));
                    broken_for.len() - 1
                });
                broken_for[place].1.add(&vantages);
            }
        }
        let of_cluster = |(cluster, broken_for): (&ResourceId, Vec<(Outcome, Names)>)| {
            let violation = |(outcome, names): (Outcome, Names)| Violation {
                resource: Some(cluster.clone()),
                code: outcome.cause.map(|code| code.as_str().to_owned()),
                message: format!(
                    "{} from {}: {}",
                    cluster.name(),
                    table::some_of(names.all, names.first.into_iter()),
                    match (outcome.verdict, outcome.cause) {
                        (Verdict::Connects, _) => "connects".to_owned(),
                        (Verdict::ConnectsByPublicFqdn, _) => "connects by the public FQDN only".to_owned(),
                        (Verdict::Fails, cause) => cause.map_or("does not connect", Code::title).to_owned(),
                    }
                ),
            };
            broken_for.into_iter().map(violation).collect::<Vec<_>>()
        };
        let mut violations: Vec<Violation> = self.matrix.clusters().zip(broken_for).flat_map(of_cluster).collect();
        if asked == 0 {
            violations.push(about_nothing());
        }
        (asked, violations)
    }

    fn disclosures(&self) -> (usize, Vec<Violation>) {
        let clusters = self.clusters();
        let told = self.view.disclosed.iter().filter(|told| clusters.contains(&told.cluster));
        let mut violations: Vec<Violation> = told
            .map(|told| Violation {
                resource: Some(told.cluster.clone()),
                code: None,
                message: format!("public DNS says {} for {}", told.address, told.name),
            })
            .collect();
        if clusters.is_empty() {
            violations.push(about_nothing());
        }
        (clusters.len(), violations)
    }
}

/// Who a rule is not kept for: how many, and the names of the first of them.
#[derive(Debug, Clone, Default)]
struct Names {
    all: usize,
    first: Vec<String>,
}

impl Names {
    fn add(&mut self, vantages: &[&Vantage]) {
        self.all += vantages.len();
        let room = table::NAMES_MAX.saturating_sub(self.first.len());
        self.first.extend(vantages.iter().take(room).map(|vantage| vantage.name()));
    }
}

fn about_nothing() -> Violation {
    Violation {
        resource: None,
        code: None,
        message: "the rule is about no vantage or no cluster of this estate".to_owned(),
    }
}

fn kind(vantage: &Vantage) -> &'static str {
    match vantage {
        Vantage::Internet => "internet",
        Vantage::Interface(_) => "interface",
        Vantage::Subnet(_) => "subnet",
        Vantage::VpnClient(_) => "vpn-client",
        Vantage::Client(_) => "client",
    }
}

impl Selector {
    fn selects(&self, estate: &Estate, name: &str, id: Option<&ResourceId>, kind: Option<&str>) -> bool {
        let in_group = id.and_then(|id| Some(format!("{}/{name}", id.group_name()?)));
        let called =
            |pattern: &String| matches(pattern, name) || in_group.as_ref().is_some_and(|full| matches(pattern, full));
        let named = self.names.is_empty() || self.names.iter().any(called);
        let of_kind = self.kinds.is_empty() || kind.is_some_and(|kind| self.kinds.iter().any(|meant| meant == kind));
        named && of_kind && self.tags.iter().all(|(key, value)| id.is_some_and(|id| tagged(estate, id, key, value)))
    }
}

/// Whether a resource, one it lies below, its machine or its resource group has this tag. Tag names
/// are compared without case, values with it, as in Azure.
fn tagged(estate: &Estate, id: &ResourceId, key: &str, value: &str) -> bool {
    let has = |id: &ResourceId| {
        estate.get(id).is_some_and(|resource| {
            let document = resource.document().value();
            let tags = document["tags"].as_object().into_iter().flatten();
            tags.into_iter().any(|(name, held)| name.eq_ignore_ascii_case(key) && held.as_str() == Some(value))
        })
    };
    let ancestors = std::iter::successors(Some(id.clone()), ResourceId::parent);
    let machines = estate
        .referrers(id)
        .filter(|holder| holder.kind() == azure::Kind::VirtualMachine)
        .map(|holder| holder.id().clone());
    ancestors.chain(machines).any(|id| has(&id))
}

/// Whether `text` is `pattern`, in which `*` stands for anything; without case.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, text) in
            [("*", "x"), ("ops-*", "Ops-1"), ("*/default", "hub/default"), ("a*b*c", "a-b-b-c"), ("x", "X")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("ops-*", "dev-1"), ("x", "xy"), ("a*b*c", "a-c-b"), ("*x", "xy")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
