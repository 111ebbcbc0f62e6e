//! Network security groups: each is a chain from which one returns when it allows. Links that ask
//! for the same groups share a chain that leads through them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
};

use ipnet::Ipv4Net;
use network::plan::{Addresses, GroupId, PacketRule, Protocol, RouterFilter};

use super::lang::{
    Expr, Ruleset, Stmt, any_of, back, destination, drop, header, is, is_not, jump, l4, ports, prefixes, source, text,
};

/// The chains of a router's groups: numbered, since the groups' own names are too long for nft.
pub(super) struct Groups<'a>(BTreeMap<&'a [GroupId], String>);

impl<'a> Groups<'a> {
    /// Makes the chains of every list of groups that the router uses.
    pub(super) fn new(rules: &mut Ruleset, filter: &'a RouterFilter) -> Self {
        let links = filter.interfaces.values().flat_map(|interface| [&interface.outbound, &interface.inbound]);
        let endpoints = filter.endpoints.values().map(|endpoint| &endpoint.inbound);
        let lists = links
            .chain(endpoints)
            .chain(filter.inbound_endpoints.values())
            .map(Vec::as_slice)
            .filter(|list| !list.is_empty());
        let lists: BTreeSet<&[GroupId]> = lists.collect();
        let groups: BTreeSet<&GroupId> = lists.iter().copied().flatten().collect();
        let names = groups.iter().enumerate().map(|(number, group)| (*group, format!("group_{number}")));
        let names: BTreeMap<&GroupId, String> = names.collect();
        for (group, name) in &names {
            rules.chain(name);
            for statements in filter.groups.get(*group).into_iter().flatten().filter_map(matches) {
                rules.rule(name, statements);
            }
            rules.rule(name, [drop()]);
        }
        let chains = lists.into_iter().enumerate().map(|(number, list)| (list, format!("through_{number}")));
        let chains: BTreeMap<&[GroupId], String> = chains.collect();
        for (list, chain) in &chains {
            rules.chain(chain);
            for name in list.iter().filter_map(|group| names.get(group)) {
                rules.rule(chain, [jump(name)]);
            }
        }
        Self(chains)
    }

    /// Which chain leads through the groups of each key; keys without groups have none.
    pub(super) fn by_key<K: Display>(
        &self,
        lists: impl IntoIterator<Item = (K, &'a Vec<GroupId>)>,
    ) -> Vec<(Expr, String)> {
        let chains = lists.into_iter().map(|(key, list)| (text(key), self.0.get(list.as_slice())));
        chains.filter_map(|(key, chain)| Some((key, chain?.clone()))).collect()
    }
}

/// A rule of a group: none if nothing can match it.
fn matches(rule: &PacketRule) -> Option<Vec<Stmt>> {
    let mut statements = Vec::new();
    let ported = !(rule.ports.is_empty() && rule.source_ports.is_empty());
    match rule.protocol {
        Some(Protocol::Tcp) => statements.push(is(l4(), text("tcp"))),
        Some(Protocol::Udp) => statements.push(is(l4(), text("udp"))),
        Some(Protocol::Icmp) => statements.push(is(l4(), text("icmp"))),
        Some(Protocol::Esp) => statements.push(is(l4(), text("esp"))),
        Some(Protocol::Ah) => statements.push(is(l4(), text("ah"))),
        None if ported => statements.push(is(l4(), any_of([text("tcp"), text("udp")]))),
        None => {}
    }
    for (field, addresses) in [(source(), &rule.sources), (destination(), &rule.destinations)] {
        match address(field, addresses) {
            Matches::Nothing => return None,
            Matches::Everything => {}
            Matches::If(statement) => statements.push(*statement),
        }
    }
    // Others have no ports; a rule that names both is about the protocol.
    if matches!(rule.protocol, None | Some(Protocol::Tcp | Protocol::Udp)) {
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
    If(Box<Stmt>),
}

fn address(field: Expr, addresses: &Addresses) -> Matches {
    let everything = |nets: &[Ipv4Net]| nets.iter().any(|net| net.prefix_len() == 0);
    match addresses {
        Addresses::In(nets) if nets.is_empty() => Matches::Nothing,
        Addresses::NotIn(nets) if everything(nets) => Matches::Nothing,
        Addresses::Any => Matches::Everything,
        Addresses::In(nets) if everything(nets) => Matches::Everything,
        Addresses::NotIn(nets) if nets.is_empty() => Matches::Everything,
        Addresses::In(nets) => Matches::If(Box::new(is(field, prefixes(nets)))),
        Addresses::NotIn(nets) => Matches::If(Box::new(is_not(field, prefixes(nets)))),
    }
}
