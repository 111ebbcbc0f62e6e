//! Explanations as JSON. The schema is `docs/explain.md`'s and has a version: a field may be added
//! without a new one, and none is removed or changes its meaning.

use std::net::Ipv4Addr;

use azure::{DnsName, ResourceId};
use network::{Hop, Responder, Vantage};
use serde::Serialize;
use serde_json::Value;

use crate::{
    cause::Cause,
    edit::Command,
    fix::Fix,
    matrix::{Clusters, Outcome, Row},
    question::{Explanation, NameAnswer, Role, Verdict},
};

/// The version of the schema.
pub const SCHEMA: &str = "noren.explain/1";

/// A vantage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VantageJson {
    /// Its short name.
    pub name: String,
    /// `internet`, `interface`, `subnet`, `vpnClient`, `client`.
    pub kind: &'static str,
    /// The resource it stands at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<ResourceId>,
}

impl From<&Vantage> for VantageJson {
    fn from(vantage: &Vantage) -> Self {
        let kind = match vantage {
            Vantage::Internet => "internet",
            Vantage::Interface(_) => "interface",
            Vantage::Subnet(_) => "subnet",
            Vantage::VpnClient(_) => "vpnClient",
            Vantage::Client(_) => "client",
        };
        Self { name: vantage.name(), kind, id: vantage.resource().cloned() }
    }
}

/// One cluster seen from one vantage.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplanationJson<'a> {
    vantage: VantageJson,
    cluster: &'a ResourceId,
    verdict: Verdict,
    shown: Shown<'a>,
    names: Vec<NameJson<'a>>,
    cause: &'a Option<Cause>,
    notes: &'a [Cause],
    fixes: &'a [Fix],
    meanwhile: Option<&'a Command>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    address: Option<&'a DnsName>,
    because: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NameJson<'a> {
    role: Role,
    name: &'a DnsName,
    in_kubeconfig: bool,
    addresses: Vec<Ipv4Addr>,
    answered_by: Option<Responder>,
    connects: bool,
    outcome: String,
    end: &'a network::Disposition,
    hops: &'a [Hop],
}

impl<'a> NameJson<'a> {
    fn new(answer: &'a NameAnswer) -> Self {
        Self {
            role: answer.role,
            name: &answer.name,
            in_kubeconfig: answer.in_kubeconfig,
            addresses: answer.addresses(),
            answered_by: answer.responder(),
            connects: answer.connects,
            outcome: answer.trace.disposition.sentence(),
            end: &answer.trace.disposition,
            hops: &answer.trace.hops,
        }
    }
}

impl<'a> ExplanationJson<'a> {
    /// The explanation with what to do about it.
    pub fn new(found: &'a Explanation, fixes: &'a [Fix], meanwhile: Option<&'a Command>) -> Self {
        Self {
            vantage: VantageJson::from(&found.vantage),
            cluster: &found.cluster,
            verdict: found.verdict,
            shown: Shown { address: found.shown.as_ref(), because: found.shown_because.sentence() },
            names: found.names.iter().map(NameJson::new).collect(),
            cause: &found.cause,
            notes: &found.notes,
            fixes,
            meanwhile,
        }
    }
}

/// What `noren explain -o json` prints: the schema's version, what was asked and what was found of
/// the sources themselves.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<T> {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// Where the estate comes from.
    pub origin: Vec<String>,
    /// What is missing, broken or not modelled in it.
    pub findings: Vec<Value>,
    /// The answer.
    #[serde(flatten)]
    pub answer: T,
}

impl<T: Serialize> Document<T> {
    /// An answer as a document.
    pub fn new(origin: Vec<String>, findings: Vec<Value>, answer: T) -> Self {
        Self { schema: SCHEMA, origin, findings, answer }
    }
}

/// The matrix: rows that are disjoint and together every pair.
#[derive(Debug, Serialize)]
pub struct MatrixJson<'a> {
    matrix: Vec<RowJson<'a>>,
}

#[derive(Debug, Serialize)]
struct RowJson<'a> {
    clusters: &'a Clusters,
    vantages: Vec<VantageJson>,
    #[serde(flatten)]
    outcome: Outcome,
}

impl<'a> MatrixJson<'a> {
    /// The rows of a matrix.
    pub fn new(rows: &'a [Row]) -> Self {
        let row = |row: &'a Row| RowJson {
            clusters: &row.clusters,
            vantages: row.vantages.iter().map(VantageJson::from).collect(),
            outcome: row.outcome,
        };
        Self { matrix: rows.iter().map(row).collect() }
    }
}
