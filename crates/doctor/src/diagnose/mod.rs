//! Observations → diagnosis: exactly one root cause or none. Pure: the same observations give the same diagnosis.
//!
//! Causes are looked for in the order in which a connection comes about, and the first that keeps it from coming about
//! is the root: proxy or names, route, TCP, TLS, who the user is. What only Azure can tell apart is named as candidates.

mod behind;
mod fix;
mod names;
mod notes;
mod path;
mod tls;
mod user;

use serde::Serialize;

use crate::{address::AddressKind, code::Code, observation::Observations};

/// What is wrong, or that nothing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// The root cause; `None` when nothing is wrong.
    pub cause: Option<Finding>,
    /// What else is worth knowing.
    pub notes: Vec<Finding>,
    /// What works, in the order of a connection.
    pub works: Vec<String>,
}

/// Something that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Its stable name.
    pub code: Code,
    /// What it means.
    pub title: &'static str,
    /// What was seen that proves it.
    pub evidence: Vec<String>,
    /// What to do, in order of effort.
    pub fixes: Vec<Fix>,
    /// What may lie behind it and only the Azure side can tell apart (`noren explain` does).
    pub candidates: Vec<&'static str>,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fix {
    /// In words.
    pub what: String,
    /// What to type, if that does it.
    pub command: Option<String>,
}

impl Finding {
    fn new(code: Code) -> Self {
        Self { code, title: code.title(), evidence: Vec::new(), fixes: Vec::new(), candidates: Vec::new() }
    }

    fn seen(mut self, evidence: impl Into<String>) -> Self {
        self.evidence.push(evidence.into());
        self
    }

    fn all_seen(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    fn fix(mut self, what: impl Into<String>) -> Self {
        self.fixes.push(Fix { what: what.into(), command: None });
        self
    }

    fn command(mut self, what: impl Into<String>, command: impl Into<String>) -> Self {
        self.fixes.push(Fix { what: what.into(), command: Some(command.into()) });
        self
    }

    fn may_be(mut self, candidates: &[&'static str]) -> Self {
        self.candidates.extend(candidates);
        self
    }
}

/// Codes that a hosted agent explains: it never has a way in.
const HOSTED: [Code; 4] =
    [Code::PrivateNameNotResolvable, Code::KubeconfigHasPrivateName, Code::NoRoute, Code::Blocked];

/// Takes out of a finding what only makes sense for AKS: its own commands, and what explain tells apart.
fn of_any_cluster(finding: &mut Finding) {
    finding.candidates.clear();
    finding.fixes.retain(|fix| !fix.what.contains("Azure") && !fix.what.contains("`az aks get-credentials`"));
    for fix in &mut finding.fixes {
        fix.command = fix.command.take().filter(|command| !command.starts_with("az "));
    }
}

/// Says what keeps `kubectl` from the API server.
pub fn diagnose(seen: &Observations) -> Diagnosis {
    let cause = cause(seen);
    let mut notes = notes::all(seen);
    let cause = match (cause, &seen.place.hosted_agent) {
        (Some(finding), Some(agent)) if HOSTED.contains(&finding.code) => {
            let hosted = Finding::new(Code::HostedCiAgent)
                .seen(format!("this is a hosted agent of {agent}"))
                .all_seen(finding.evidence.clone())
                .fix("run the job on a self-hosted agent in a network that reaches the cluster")
                .command("or have Azure run the command inside the cluster", fix::command_invoke(&seen.target));
            notes.insert(0, finding);
            Some(hosted)
        }
        (cause, _) => cause,
    };
    let mut cause = cause;
    // A tunnel and an address may lead to any cluster; only AKS's own are known to be private.
    if !seen.target.is_aks() && (seen.target.is_local() || seen.target.kind == AddressKind::Custom) {
        cause.iter_mut().chain(&mut notes).for_each(of_any_cluster);
    }
    notes.retain(|note| cause.as_ref().is_none_or(|cause| cause.code != note.code));
    Diagnosis { works: notes::works(seen), notes, cause }
}

fn cause(seen: &Observations) -> Option<Finding> {
    let behind_proxy = path::proxy(seen);
    if behind_proxy.is_some() {
        return behind_proxy;
    }
    if seen.proxy.is_none() {
        let no_way = names::cause(seen).or_else(|| path::cause(seen));
        if no_way.is_some() {
            return no_way;
        }
    }
    tls::cause(seen).or_else(|| user::cause(seen))
}
