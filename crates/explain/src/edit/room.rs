//! Room for a security rule that is to come before those that deny. Priorities of a group are unique in each
//! direction and begin at 100: where no number before is free, the rules from there on move by one.
//! Source: documentation "Network security groups", "Security rules".

use std::{collections::BTreeMap, net::Ipv4Addr};

use azure::{
    Change, Estate, Kind, ResourceId, aks,
    model::{Access, AddressMatch, Direction, Model, PortRange, RuleProtocol, SecurityRule},
};
use serde_json::{Value, json};

use super::{
    EditError,
    documents::{missing, put},
};

/// The lowest priority that a rule may have.
const FIRST: u32 = 100;

/// Where the rule goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Room {
    /// Its priority.
    pub(super) priority: u32,
    /// The names of the rules that move, with their new priorities: the last one first, so that no two
    /// have the same at any time.
    pub(super) moved: Vec<(String, u32)>,
}

/// Room before every rule of `group` that may deny TCP 443 from `source` to `destination`.
pub(super) fn before_denials(
    estate: &Estate,
    group: &ResourceId,
    inbound: bool,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> Room {
    let direction = if inbound { Direction::Inbound } else { Direction::Outbound };
    let rules = rules(estate, group);
    let rules: BTreeMap<u32, &SecurityRule> =
        rules.into_iter().filter(|rule| rule.direction == direction).map(|rule| (rule.priority, rule)).collect();
    let denies = |rule: &&&SecurityRule| rule.access == Access::Deny && may_match(rule, source, destination);
    let denial = rules.values().find(denies).map_or(u32::MAX, |rule| rule.priority);
    let free = |from: u32| (from..u32::MAX).find(|priority| !rules.contains_key(priority)).unwrap_or(from);
    let first = free(FIRST);
    if first < denial {
        return Room { priority: first, moved: Vec::new() };
    }
    let moved = rules.range(denial..free(denial)).rev().map(|(priority, rule)| (rule.name.clone(), priority + 1));
    Room { priority: denial, moved: moved.collect() }
}

/// The name of the rule that [`super::Edit::Allow`] makes.
pub(super) fn rule_name(inbound: bool, destination: Ipv4Addr) -> String {
    let way = if inbound { "In" } else { "Out" };
    format!("AllowApiServer{way}-{}", destination.to_string().replace('.', "-"))
}

/// The changes of an [`super::Edit::Allow`].
pub(super) fn allow(
    estate: &Estate,
    group: &ResourceId,
    inbound: bool,
    source: Ipv4Addr,
    destination: Ipv4Addr,
) -> Result<Vec<Change>, EditError> {
    estate.network_security_group(group).ok_or_else(|| missing("network security group", group))?;
    let room = before_denials(estate, group, inbound, source, destination);
    let mut changes: Vec<Change> = Vec::new();
    for (name, priority) in &room.moved {
        let (rule, mut document) = document(estate, group, name).ok_or_else(|| missing("security rule", group))?;
        document["properties"]["priority"] = json!(priority);
        changes.push(put(rule, &document));
    }
    let rule = group.child(Kind::SecurityRule.collection(), &rule_name(inbound, destination));
    let document = json!({"properties": {
        "priority": room.priority,
        "direction": if inbound { "Inbound" } else { "Outbound" },
        "access": "Allow", "protocol": "Tcp",
        "sourceAddressPrefix": source, "sourcePortRange": "*",
        "destinationAddressPrefix": destination, "destinationPortRange": aks::API_SERVER_PORT.to_string(),
    }});
    changes.push(put(rule, &document));
    Ok(changes)
}

/// The rules of a group; a child is newer than a rule of the same name in the group's own document.
fn rules<'a>(estate: &'a Estate, group: &ResourceId) -> Vec<&'a SecurityRule> {
    let children = estate.children(group, Kind::SecurityRule).filter_map(|child| match child.model() {
        Model::SecurityRule(rule) => Some(rule),
        _ => None,
    });
    let mut rules: Vec<&SecurityRule> = children.collect();
    let own = estate.network_security_group(group).into_iter().flat_map(|group| &group.rules);
    for rule in own {
        if !rules.iter().any(|held| held.name.eq_ignore_ascii_case(&rule.name)) {
            rules.push(rule);
        }
    }
    rules
}

/// A rule's document, of its own or within the group's.
fn document(estate: &Estate, group: &ResourceId, name: &str) -> Option<(ResourceId, Value)> {
    let id = group.child(Kind::SecurityRule.collection(), name);
    if let Some(child) = estate.get(&id) {
        return Some((id, child.document().value()));
    }
    let mut whole = estate.get(group)?.document().value();
    let rules = whole["properties"]["securityRules"].as_array_mut()?;
    let is_it = |held: &&mut Value| held["name"].as_str().is_some_and(|held| held.eq_ignore_ascii_case(name));
    Some((id, json!({"properties": rules.iter_mut().find(is_it)?["properties"].take()})))
}

/// Whether a rule may be about TCP 443 between two addresses: what a service tag means is not asked.
fn may_match(rule: &SecurityRule, source: Ipv4Addr, destination: Ipv4Addr) -> bool {
    let contains = |places: &[AddressMatch], address: Ipv4Addr| {
        places.iter().any(|place| match place {
            AddressMatch::Prefix(prefix) => prefix.contains(&address),
            AddressMatch::Any | AddressMatch::Tag(_) => true,
        })
    };
    let port = PortRange::one(aks::API_SERVER_PORT);
    matches!(rule.protocol, RuleProtocol::Any | RuleProtocol::Tcp)
        && rule.destination_ports.iter().any(|range| range.covers(port))
        && contains(&rule.sources, source)
        && contains(&rule.destinations, destination)
}
