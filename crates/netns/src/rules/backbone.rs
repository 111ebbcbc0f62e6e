//! The backbone: what comes in is what it says, and reaches the API servers that let it.

use network::plan::BackboneFilter;
use nftables::{
    schema::Nftables,
    types::{NfChainPolicy, NfChainType, NfHook},
};

use super::{
    BEFORE_TRANSLATION, keep_silent,
    lang::{Ruleset, back, destination, drop, is, is_spoofed, jump_by, prefixes, source, text},
};

pub(super) fn ruleset(filter: &BackboneFilter) -> Nftables<'static> {
    let mut rules = Ruleset::new();
    rules.hook("arrive", NfChainType::Filter, NfHook::Prerouting, BEFORE_TRANSLATION, NfChainPolicy::Accept);
    rules.rule("arrive", [is_spoofed(), drop()]);

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
        rules.hook("serve", NfChainType::Filter, NfHook::Input, 0, NfChainPolicy::Accept);
        let chains = restricted.into_iter().map(|(server, chain, _)| (text(server), chain));
        rules.rule("serve", [jump_by(destination(), chains)]);
    }
    keep_silent(&mut rules);
    rules.done()
}
