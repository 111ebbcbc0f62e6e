//! Forwarding rules: which domain's questions go to which servers. They are made at once, without
//! an operation.

use std::net::Ipv4Addr;

use azure::{ArmError, DnsName, Json, Kind, Resource, ResourceId};
use serde_json::{Value, json};

use super::{bad_request, check_limit, conflict, stamp};
use crate::provider::{Draft, Effect, Provider, Request};

/// Rules of a ruleset.
const RULES_MAX: usize = 1000;
/// Servers of a rule.
const TARGETS_MAX: usize = 6;
/// Labels of a rule's domain.
const LABELS_MAX: usize = 34;
const DNS_PORT: u32 = 53;
/// Azure's own resolver: it is where questions come from, and cannot be where they go.
const AZURE_DNS: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// The provider of forwarding rules.
pub struct ForwardingRules;

impl Provider for ForwardingRules {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let id = existing.map_or(request.id, Resource::id).clone();
        let domain = domain(&mut draft, &id)?;
        targets(&mut draft, &id)?;
        draft.default("forwardingRuleState", json!("Enabled"));
        let state =
            draft.properties().get("forwardingRuleState").and_then(Value::as_str).unwrap_or_default().to_owned();
        let known = ["Enabled", "Disabled"].into_iter().find(|known| known.eq_ignore_ascii_case(&state));
        let known = known.ok_or_else(|| bad_request(format!("'{state}' is no state of forwarding rule {id}.")))?;
        draft.set("forwardingRuleState", json!(known));
        if let Some(before) = request.estate.forwarding_rule(&id)
            && before.domain != domain
        {
            return Err(conflict(format!("The domain name of forwarding rule {id} cannot be changed.")));
        }
        if let Some(ruleset) = id.parent() {
            let others = || request.estate.children(&ruleset, Kind::ForwardingRule).filter(|other| *other.id() != id);
            let same =
                |other: &ResourceId| request.estate.forwarding_rule(other).is_some_and(|other| other.domain == domain);
            if let Some(other) = others().find(|other| same(other.id())) {
                return Err(conflict(format!("Forwarding rule {} already has the domain name of {id}.", other.id())));
            }
            check_limit(others().count() + 1, RULES_MAX, "forwarding rules", &ruleset)?;
        }
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

fn domain(draft: &mut Draft, id: &ResourceId) -> Result<DnsName, ArmError> {
    let text = draft.properties().get("domainName").and_then(Value::as_str).unwrap_or_default().to_owned();
    if text == "." {
        return Ok(DnsName::root());
    }
    let name = text.strip_suffix('.').and_then(|name| DnsName::parse(name).ok());
    let name = name.filter(|name| name.as_str().split('.').count() <= LABELS_MAX && !name.as_str().contains('*'));
    name.ok_or_else(|| {
        bad_request(format!(
            "The domain name '{text}' of forwarding rule {id} is invalid: it ends in a dot and has at most {LABELS_MAX} labels."
        ))
    })
}

fn targets(draft: &mut Draft, id: &ResourceId) -> Result<(), ArmError> {
    let mut servers = draft.properties().get("targetDnsServers").and_then(Value::as_array).cloned().unwrap_or_default();
    if servers.is_empty() {
        return Err(bad_request(format!("Forwarding rule {id} must have at least one target DNS server.")));
    }
    check_limit(servers.len(), TARGETS_MAX, "target DNS servers", id)?;
    for server in &mut servers {
        let reader = server.clone();
        let (address, port) = (Json::new(&reader).get("ipAddress"), Json::new(&reader).get("port"));
        let refused = |what: &str| Err(bad_request(format!("The target DNS server {reader} of {id} {what}.")));
        match address.parsed::<Ipv4Addr>() {
            None => return refused("has no valid IPv4 address"),
            Some(AZURE_DNS) => return refused("is Azure's own resolver, which is not supported"),
            Some(_) => {}
        }
        match port.number().or((!port.is_present()).then_some(DNS_PORT)) {
            Some(number @ 1..=65_535) => server["port"] = json!(number),
            _ => return refused("has no valid port"),
        }
    }
    draft.set("targetDnsServers", Value::Array(servers));
    Ok(())
}
