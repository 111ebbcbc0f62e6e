//! The backbone: what comes in is what it says, and reaches the API servers that let it.

use ipnet::Ipv4Net;
use network::{
    DEFAULT_OUTBOUND_ADDRESS, INTERNET_HOST_ADDRESS,
    plan::{BACKBONE_HOP, BackboneFilter, HOST_RANGE, NETWORK_RANGE, PUBLIC_DNS},
};
use nftables::{
    schema::Nftables,
    types::{NfChainPolicy, NfChainType, NfHook},
};

use super::{
    BEFORE_TRACKING, keep_silent,
    lang::{
        Ruleset, accept, back, destination, drop, is, is_not, is_question, is_spoofed, is_unrouted, jump_by, prefix,
        prefixes, source, text, to_destination, to_source,
    },
};

pub(super) fn ruleset(filter: &BackboneFilter) -> Nftables<'static> {
    let mut rules = Ruleset::new();
    rules.hook("arrive", NfChainType::Filter, NfHook::Prerouting, BEFORE_TRACKING, NfChainPolicy::Accept);
    rules.rule("arrive", [is_spoofed(), drop()]);
    answer_for_public_dns(&mut rules, filter);
    show_public_addresses(&mut rules);
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
    keep_silent(&mut rules, BEFORE_TRACKING);
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

/// Who has no public address is known on the Internet by the one that all such share.
fn show_public_addresses(rules: &mut Ruleset) {
    const CHAIN: &str = "translate_source";
    rules.hook(CHAIN, NfChainType::NAT, NfHook::Postrouting, 100, NfChainPolicy::Accept);
    for (range, shown) in [(NETWORK_RANGE, DEFAULT_OUTBOUND_ADDRESS), (HOST_RANGE, INTERNET_HOST_ADDRESS)] {
        let hidden = prefix(Ipv4Net::new_assert(range.0, range.1));
        rules.rule(CHAIN, [is(source(), hidden), to_source(text(shown))]);
    }
}

/// Nobody talks to the backbone itself, save for names.
fn keep_own_addresses(rules: &mut Ruleset) {
    rules.rule("serve", [is(destination(), text(BACKBONE_HOP)), drop()]);
    let to_dns = || is(destination(), text(PUBLIC_DNS));
    rules.rule("serve", [to_dns()].into_iter().chain(is_question()).chain([accept()]));
    rules.rule("serve", [to_dns(), drop()]);
}
