//! A virtual network's router, in the order in which a packet meets the rules.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use network::plan::{API_SERVER_RANGE, InterfaceFilter, LinkName, PeerFilter, RouterFilter};
use nftables::{
    expr::MetaKey,
    schema::Nftables,
    types::{NfChainPolicy, NfChainType, NfHook},
};

use super::{
    BEFORE_TRACKING, BEFORE_TRANSLATION,
    appliances::Appliances,
    groups::Groups,
    keep_silent,
    lang::{
        Expr, Ruleset, Stmt, accept, addresses, any_of, back, concat, destination, drop, goto, header, iif, is,
        is_known, is_new, is_not, is_question, is_reply, is_reset, is_translated, jump_by, lookup, meta, oif,
        original_destination, port, prefix, prefixes, reset, set_mark, source, text, to_destination, to_source,
        track_apart,
    },
};

/// Where connections to an endpoint's other ports are sent to be refused: among the API servers, so
/// that routes and groups see what they see of any connection; no server has it.
const REFUSED: Ipv4Addr = Ipv4Addr::new(247, 255, 255, 255);
/// What enters endpoints, and what is said in return.
const TO_SERVER: &str = "to_server";
const FROM_SERVER: &str = "from_server";
/// The set of links to machines.
const INTERFACES: &str = "interfaces";

pub(super) fn ruleset(filter: &RouterFilter) -> Nftables<'static> {
    let mut rules = Ruleset::new();
    rules.link_set(INTERFACES, filter.interfaces.keys());
    let groups = Groups::new(&mut rules, filter);
    let appliances = Appliances::new(&mut rules, filter, &groups);
    choose_table(&mut rules, filter);
    arrive(&mut rules, filter, &groups, &appliances);
    translate_destination(&mut rules, filter);
    enter(&mut rules, filter);
    serve(&mut rules, filter);
    forward(&mut rules, filter, &groups, &appliances);
    translate_source(&mut rules, filter);
    keep_silent(&mut rules, 0);
    rules.rule("output", [is(source(), servers()), goto(FROM_SERVER)]);
    rules.done()
}

fn interfaces() -> Expr {
    text(format!("@{INTERFACES}"))
}

fn links(names: &[&LinkName]) -> Expr {
    any_of(names.iter().map(text))
}

fn steering(filter: &RouterFilter) -> Vec<&LinkName> {
    filter.peers.iter().filter(|(_, peer)| peer.steers).map(|(link, _)| link).collect()
}

/// Links by which a packet never enters an endpoint.
fn no_entrance(filter: &RouterFilter) -> Vec<&LinkName> {
    steering(filter).into_iter().chain(&filter.backbone).collect()
}

fn servers() -> Expr {
    let (network, length) = API_SERVER_RANGE;
    prefix(Ipv4Net::new_assert(network, length))
}

/// A packet to an endpoint that its routing table leads elsewhere.
fn is_bypassed(filter: &RouterFilter) -> Option<Stmt> {
    let elements = filter.bypassed.iter().map(|(table, address)| concat([Expr::Number(*table), text(address)]));
    let key = concat([meta(MetaKey::Mark), destination()]);
    (!filter.bypassed.is_empty()).then(|| is(key, any_of(elements)))
}

/// By which table it is routed. What passes by an endpoint on its way to an appliance comes here once
/// more and enters then, which connection tracking must not take for the same flow: only a flow's
/// first packet is translated.
fn choose_table(rules: &mut Ruleset, filter: &RouterFilter) {
    const CHAIN: &str = "choose_table";
    if filter.tables.is_empty() {
        return;
    }
    rules.hook(CHAIN, NfChainType::Filter, NfHook::Prerouting, BEFORE_TRACKING, NfChainPolicy::Accept);
    let tables = filter.tables.iter().map(|(link, table)| (text(link), Expr::Number(*table)));
    rules.rule(CHAIN, [set_mark(lookup(iif(), tables))]);
    if let Some(bypassed) = is_bypassed(filter) {
        rules.rule(CHAIN, [bypassed, track_apart()]);
    }
    let steering = steering(filter);
    let mut entrances = filter.endpoints.keys().chain(filter.inbound_endpoints.keys()).peekable();
    if !steering.is_empty() && entrances.peek().is_some() {
        rules.rule(CHAIN, [is(iif(), links(&steering)), is(destination(), addresses(entrances)), track_apart()]);
    }
}

/// Where it comes from: whether it may have this source, whether the groups of
/// its sender and of an endpoint let it start a connection. They see the destination as the sender
/// wrote it, since nothing is translated yet.
fn arrive<'a>(rules: &mut Ruleset, filter: &'a RouterFilter, groups: &Groups<'a>, appliances: &Appliances<'_>) {
    const CHAIN: &str = "arrive";
    rules.hook(CHAIN, NfChainType::Filter, NfHook::Prerouting, BEFORE_TRANSLATION, NfChainPolicy::Accept);
    let bound: Vec<(&LinkName, &InterfaceFilter)> =
        filter.interfaces.iter().filter(|(_, interface)| !interface.forwards).collect();
    if !bound.is_empty() {
        let names: Vec<&LinkName> = bound.iter().map(|(link, _)| *link).collect();
        let pairs: Vec<Expr> = bound
            .iter()
            .flat_map(|(link, interface)| interface.addresses.iter().map(move |at| concat([text(link), text(at)])))
            .collect();
        let spoofed = (!pairs.is_empty()).then(|| is_not(concat([iif(), source()]), any_of(pairs)));
        rules.rule(CHAIN, [Some(is(iif(), links(&names))), spoofed, Some(drop())].into_iter().flatten());
    }
    for (link, PeerFilter { sources, forwarded, .. }) in &filter.peers {
        if !forwarded {
            let foreign = (!sources.is_empty()).then(|| is_not(source(), prefixes(sources)));
            // Replies as well: Azure's fabric asks where a packet comes from, not whether it was awaited.
            rules.rule(CHAIN, [is(iif(), text(link))].into_iter().chain(foreign).chain([drop()]));
        }
    }
    appliances.watch_senders(rules, CHAIN);
    rules.rule(CHAIN, [is_known(), accept()]);
    rules.rule(CHAIN, [is_reset(), accept()]);
    let mut platform = filter.dns.iter().chain(&filter.metadata).peekable();
    if platform.peek().is_some() {
        // Groups do not see Azure-provided DNS, nor the host's metadata service.
        rules.rule(CHAIN, [is(destination(), addresses(platform)), accept()]);
    }
    let outbound = filter.interfaces.iter().map(|(link, interface)| (link, &interface.outbound));
    let outbound = groups.by_key(outbound);
    if !outbound.is_empty() {
        rules.rule(CHAIN, [jump_by(iif(), outbound)]);
    }
    let endpoints = filter.endpoints.iter().map(|(at, endpoint)| (at, &endpoint.inbound));
    let inbound = groups.by_key(endpoints.chain(&filter.inbound_endpoints));
    if !inbound.is_empty() {
        if let Some(bypassed) = is_bypassed(filter) {
            rules.rule(CHAIN, [bypassed, accept()]);
        }
        rules.rule(CHAIN, [jump_by(destination(), inbound)]);
    }
}

/// Into an endpoint, or to the machine behind a public address.
fn translate_destination(rules: &mut Ruleset, filter: &RouterFilter) {
    const CHAIN: &str = "translate_destination";
    rules.hook(CHAIN, NfChainType::NAT, NfHook::Prerouting, -100, NfChainPolicy::Accept);
    if let Some(backbone) = filter.backbone.as_ref().filter(|_| !filter.public.is_empty()) {
        let public = filter.public.iter().map(|(public, private)| (text(public), text(private)));
        rules.rule(CHAIN, [is(iif(), text(backbone)), to_destination(lookup(destination(), public))]);
    }
    if filter.endpoints.is_empty() {
        return;
    }
    let outside = no_entrance(filter);
    if !outside.is_empty() {
        rules.rule(CHAIN, [is(iif(), links(&outside)), back()]);
    }
    if let Some(bypassed) = is_bypassed(filter) {
        rules.rule(CHAIN, [bypassed, back()]);
    }
    let servers = filter.endpoints.iter().map(|(at, endpoint)| {
        let server = [text(endpoint.server.ip()), port(endpoint.server.port())];
        (concat([text(at), port(endpoint.port)]), concat(server))
    });
    rules.rule(CHAIN, [to_destination(lookup(concat([destination(), header("tcp", "dport")]), servers))]);
    rules.rule(CHAIN, [is(destination(), addresses(filter.endpoints.keys())), to_destination(text(REFUSED))]);
}

/// What the router itself answers.
fn serve(rules: &mut Ruleset, filter: &RouterFilter) {
    const CHAIN: &str = "serve";
    rules.hook(CHAIN, NfChainType::Filter, NfHook::Input, 0, NfChainPolicy::Drop);
    rules.rule(CHAIN, [is(destination(), servers()), goto(TO_SERVER)]);
    let pinged = || [is(header("icmp", "type"), text("echo-request"))];
    if !filter.dns.is_empty() {
        let from = || [is(iif(), interfaces()), is(destination(), addresses(&filter.dns))];
        rules.rule(CHAIN, from().into_iter().chain(is_question()).chain([accept()]));
        rules.rule(CHAIN, from().into_iter().chain(pinged()).chain([accept()]));
    }
    if !filter.metadata.is_empty() {
        let asked = [is(destination(), addresses(&filter.metadata)), is(header("tcp", "dport"), port(80))];
        rules.rule(CHAIN, [is(iif(), interfaces())].into_iter().chain(asked).chain([accept()]));
    }
    if !filter.inbound_endpoints.is_empty() {
        let outside = no_entrance(filter);
        let from = || {
            let inside = (!outside.is_empty()).then(|| is_not(iif(), links(&outside)));
            inside.into_iter().chain([is(destination(), addresses(filter.inbound_endpoints.keys()))])
        };
        rules.rule(CHAIN, from().chain(is_question()).chain([accept()]));
        rules.rule(CHAIN, from().chain(pinged()).chain([accept()]));
    }
}

/// A connection to an API server, in either direction and whatever its age, must have entered by
/// an endpoint that still leads there; of any other only its end gets through.
fn enter(rules: &mut Ruleset, filter: &RouterFilter) {
    rules.chain(TO_SERVER);
    rules.chain(FROM_SERVER);
    if !filter.endpoints.is_empty() {
        let entrances = || {
            any_of(
                filter
                    .endpoints
                    .iter()
                    .map(|(at, endpoint)| concat([text(at), text(endpoint.server.ip()), port(endpoint.server.port())])),
            )
        };
        let to = concat([original_destination(), destination(), header("tcp", "dport")]);
        rules.rule(TO_SERVER, [is(to, entrances()), accept()]);
        let endpoints = addresses(filter.endpoints.keys());
        let refused = [is(destination(), text(REFUSED)), is(original_destination(), endpoints), reset()];
        rules.rule(TO_SERVER, refused);
        let from = concat([original_destination(), source(), header("tcp", "sport")]);
        rules.rule(FROM_SERVER, [is(from, entrances()), accept()]);
    }
    // The lab resets what came in by an endpoint that leads there no longer.
    rules.rule(FROM_SERVER, [is_reset(), accept()]);
    rules.rule(TO_SERVER, [drop()]);
    rules.rule(FROM_SERVER, [drop()]);
}

/// From link to link.
fn forward<'a>(rules: &mut Ruleset, filter: &'a RouterFilter, groups: &Groups<'a>, appliances: &Appliances<'_>) {
    const CHAIN: &str = "onward";
    const TO_MACHINE: &str = "to_machine";
    rules.chain(TO_MACHINE);
    appliances.watch_receivers(rules, TO_MACHINE);
    // A refusal ends its flow where it is first seen; led through an appliance it comes by once more.
    rules.rule(TO_MACHINE, [is_reset(), accept()]);
    let inbound = filter.interfaces.iter().map(|(link, interface)| (link, &interface.inbound));
    let inbound = groups.by_key(inbound);
    if !inbound.is_empty() {
        rules.rule(TO_MACHINE, [jump_by(oif(), inbound)]);
    }
    rules.rule(TO_MACHINE, [accept()]);

    rules.hook(CHAIN, NfChainType::Filter, NfHook::Forward, 0, NfChainPolicy::Drop);
    if let Some(backbone) = filter.backbone.as_ref().filter(|_| !filter.public.is_empty()) {
        // The platform gives a machine's answer its public address only where it leaves for the Internet.
        let known_publicly = is(original_destination(), addresses(filter.public.keys()));
        rules.rule(CHAIN, [is_reply(), is_translated(), known_publicly, is_not(oif(), text(backbone)), drop()]);
    }
    appliances.watch_known(rules, CHAIN);
    rules.rule(CHAIN, [is_known(), accept()]);
    let to_machine = || is(oif(), interfaces());
    let steering = steering(filter);
    if !steering.is_empty() {
        rules.rule(CHAIN, [is(iif(), links(&steering)), to_machine(), goto(TO_MACHINE)]);
        rules.rule(CHAIN, [is(iif(), links(&steering)), drop()]);
    }
    if let Some(backbone) = &filter.backbone {
        rules.rule(CHAIN, [is(iif(), text(backbone)), is_translated(), to_machine(), goto(TO_MACHINE)]);
        rules.rule(CHAIN, [is(iif(), text(backbone)), drop()]);
        // What connection tracking does not know would go out untranslated.
        rules.rule(CHAIN, [is(oif(), text(backbone)), is(iif(), interfaces()), is_new(), accept()]);
        rules.rule(CHAIN, [is(oif(), text(backbone)), drop()]);
    }
    rules.rule(CHAIN, [to_machine(), goto(TO_MACHINE)]);
    rules.rule(CHAIN, [is(iif(), interfaces()), accept()]);
    let transit: Vec<&LinkName> = filter.peers.iter().filter(|(_, peer)| peer.transit).map(|(link, _)| link).collect();
    if let Some(gateway) = filter.gateway.as_ref().filter(|_| !transit.is_empty()) {
        rules.rule(CHAIN, [is(iif(), links(&transit)), is(oif(), text(gateway)), accept()]);
        rules.rule(CHAIN, [is(iif(), text(gateway)), is(oif(), links(&transit)), accept()]);
    }
}

/// The Internet sees the network's own address or a machine's public one.
fn translate_source(rules: &mut Ruleset, filter: &RouterFilter) {
    const CHAIN: &str = "translate_source";
    let Some(backbone) = &filter.backbone else { return };
    rules.hook(CHAIN, NfChainType::NAT, NfHook::Postrouting, 100, NfChainPolicy::Accept);
    let out = || is(oif(), text(backbone));
    if !filter.public.is_empty() {
        // Of several public addresses of one machine, one is its source.
        let public: BTreeMap<Ipv4Addr, Ipv4Addr> = filter.public.iter().map(|(out, at)| (*at, *out)).collect();
        let public = public.into_iter().map(|(private, public)| (text(private), text(public)));
        rules.rule(CHAIN, [out(), to_source(lookup(source(), public))]);
    }
    if let Some(outbound) = filter.outbound {
        rules.rule(CHAIN, [out(), to_source(text(outbound))]);
    }
}
