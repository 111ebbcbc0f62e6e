//! The backbone: what comes in is what it says, and reaches the API servers that let it.

use ipnet::Ipv4Net;
use network::plan::{API_SERVER_RANGE, BACKBONE_HOP, BackboneFilter, NETWORK_RANGE, PUBLIC_DNS};
use nftables::{
    schema::Nftables,
    types::{NfChainPolicy, NfChainType, NfHook},
};

use super::{
    BEFORE_TRANSLATION, keep_silent,
    lang::{
        Ruleset, accept, back, destination, drop, is, is_not, is_question, is_spoofed, is_unrouted, jump_by, prefix,
        prefixes, source, text, to_destination,
    },
};

pub(super) fn ruleset(filter: &BackboneFilter) -> Nftables<'static> {
    let mut rules = Ruleset::new();
    rules.hook("arrive", NfChainType::Filter, NfHook::Prerouting, BEFORE_TRANSLATION, NfChainPolicy::Accept);
    rules.rule("arrive", [is_spoofed(), drop()]);
    answer_for_public_dns(&mut rules, filter);
    rules.hook("serve", NfChainType::Filter, NfHook::Input, 0, NfChainPolicy::Accept);
    keep_own_addresses(&mut rules);

    let restricted: Vec<_> = filter
        .authorized
        .iter()
        .enumerate()
        .map(|(number, (server, ranges))| (server, format!("authorized_{number}"), ranges))
        .collect();
    for (_, chain, ranges) in &restricted {
        rules.chain(chain);
        if ranges.iter().any(|range| range.prefix_len() == 0) {
            rules.rule(chain, [back()]);
        } else if !ranges.is_empty() {
            rules.rule(chain, [is(source(), prefixes(ranges)), back()]);
        }
        rules.rule(chain, [drop()]);
    }
    if !restricted.is_empty() {
        // Not only new connections: a range that is taken away is closed at once.
        let chains = restricted.into_iter().map(|(server, chain, _)| (text(server), chain));
        rules.rule("serve", [jump_by(destination(), chains)]);
    }
    keep_silent(&mut rules);
    rules.done()
}

/// Every public address that is nobody's here is taken for a public DNS server, as many are that
/// people configure: what is asked there is answered.
fn answer_for_public_dns(rules: &mut Ruleset, filter: &BackboneFilter) {
    const CHAIN: &str = "translate_destination";
    rules.hook(CHAIN, NfChainType::NAT, NfHook::Prerouting, -100, NfChainPolicy::Accept);
    let elsewhere = (!filter.unasked.is_empty()).then(|| is_not(destination(), prefixes(&filter.unasked)));
    let redirected = [is_unrouted(), to_destination(text(PUBLIC_DNS))];
    rules.rule(CHAIN, is_question().into_iter().chain(elsewhere).chain(redirected));
}

/// What only the fabric knows: API servers take what comes through networks' private endpoints, and
/// nobody talks to the backbone itself.
fn keep_own_addresses(rules: &mut Ruleset) {
    let range = |(base, length)| prefix(Ipv4Net::new_assert(base, length));
    let (servers, networks) = (range(API_SERVER_RANGE), range(NETWORK_RANGE));
    rules.rule("serve", [is(destination(), servers), is_not(source(), networks), drop()]);
    rules.rule("serve", [is(destination(), text(BACKBONE_HOP)), drop()]);
    let to_dns = || is(destination(), text(PUBLIC_DNS));
    rules.rule("serve", [to_dns()].into_iter().chain(is_question()).chain([accept()]));
    rules.rule("serve", [to_dns(), drop()]);
}
