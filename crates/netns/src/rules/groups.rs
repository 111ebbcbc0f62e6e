//! Network security groups: each is a chain from which one returns when it allows. Links that ask
//! for the same groups share a chain that leads through them.

use std::{collections::BTreeSet, fmt::Display};

use ipnet::Ipv4Net;
use network::plan::{Addresses, GroupId, PacketRule, Protocol, RouterFilter};

use super::lang::{
    Expr, Ruleset, Stmt, any_of, back, destination, drop, header, is, is_not, jump, l4, ports, prefixes, source, text,
};

/// Makes the chains of every list of groups that the router uses.
pub(super) fn chains(rules: &mut Ruleset, filter: &RouterFilter) {
    let links = filter.interfaces.values().flat_map(|interface| [&interface.outbound, &interface.inbound]);
    let endpoints = filter.endpoints.values().map(|endpoint| &endpoint.inbound);
    let lists: BTreeSet<&Vec<GroupId>> = links.chain(endpoints).filter(|list| !list.is_empty()).collect();
    let groups: BTreeSet<&GroupId> = lists.iter().copied().flatten().collect();
    for group in groups {
        let name = format!("group_{}", group.0);
        rules.chain(&name);
        for rule in filter.groups.get(group).into_iter().flatten() {
            if let Some(statements) = matches(rule) {
                rules.rule(&name, statements);
            }
        }
        rules.rule(&name, [drop()]);
    }
    for list in lists {
        let name = through(list);
        rules.chain(&name);
        for group in list {
            rules.rule(&name, [jump(&format!("group_{}", group.0))]);
        }
    }
}

/// Which chain leads through the groups of each key; keys without groups have none.
pub(super) fn by_key<'a, K: Display + 'a>(
    lists: impl IntoIterator<Item = (K, &'a Vec<GroupId>)>,
) -> Vec<(Expr, String)> {
    lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(key, list)| (text(key), through(list))).collect()
}

fn through(list: &[GroupId]) -> String {
    list.iter().fold("through".to_owned(), |name, group| name + "_" + &group.0)
}

/// A rule of a group: none if nothing can match it.
fn matches(rule: &PacketRule) -> Option<Vec<Stmt>> {
    let mut statements = Vec::new();
    let ported = !(rule.ports.is_empty() && rule.source_ports.is_empty());
    match rule.protocol {
        Some(Protocol::Tcp) => statements.push(is(l4(), text("tcp"))),
        Some(Protocol::Udp) => statements.push(is(l4(), text("udp"))),
        Some(Protocol::Icmp) => statements.push(is(l4(), text("icmp"))),
        None if ported => statements.push(is(l4(), any_of([text("tcp"), text("udp")]))),
        None => {}
    }
    for (field, addresses) in [(source(), &rule.sources), (destination(), &rule.destinations)] {
        match address(field, addresses) {
            Matches::Nothing => return None,
            Matches::Everything => {}
            Matches::If(statement) => statements.push(statement),
        }
    }
    // ICMP has no ports; a rule that names both is about the messages.
    if rule.protocol != Some(Protocol::Icmp) {
        for (field, ranges) in [("sport", &rule.source_ports), ("dport", &rule.ports)] {
            if !ranges.is_empty() {
                statements.push(is(header("th", field), ports(ranges)));
            }
        }
    }
    statements.push(if rule.allow { back() } else { drop() });
    Some(statements)
}

/// Which addresses a set matches.
enum Matches {
    Nothing,
    Everything,
    If(Stmt),
}

fn address(field: Expr, addresses: &Addresses) -> Matches {
    let everything = |nets: &[Ipv4Net]| nets.iter().any(|net| net.prefix_len() == 0);
    match addresses {
        Addresses::In(nets) if nets.is_empty() => Matches::Nothing,
        Addresses::NotIn(nets) if everything(nets) => Matches::Nothing,
        Addresses::Any => Matches::Everything,
        Addresses::In(nets) if everything(nets) => Matches::Everything,
        Addresses::NotIn(nets) if nets.is_empty() => Matches::Everything,
        Addresses::In(nets) => Matches::If(is(field, prefixes(nets))),
        Addresses::NotIn(nets) => Matches::If(is_not(field, prefixes(nets))),
    }
}
