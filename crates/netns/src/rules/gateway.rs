//! A VPN gateway or the router of a site: its network on one side, clients and sites on the other.

use network::plan::GatewayFilter;
use nftables::{
    schema::Nftables,
    types::{NfChainPolicy, NfChainType, NfHook},
};

use super::{
    BEFORE_TRANSLATION, keep_silent,
    lang::{Ruleset, accept, drop, iif, is, is_not, oif, prefixes, source, text},
};

/// The tunnels of VPN servers that run at the gateway, which know their clients' addresses.
const SERVED: &str = "tun*";

pub(super) fn ruleset(filter: &GatewayFilter) -> Nftables<'static> {
    let mut rules = Ruleset::new();
    rules.hook("arrive", NfChainType::Filter, NfHook::Prerouting, BEFORE_TRANSLATION, NfChainPolicy::Accept);
    for (link, sources) in &filter.sources {
        if sources.iter().any(|net| net.prefix_len() == 0) {
            continue;
        }
        let foreign = (!sources.is_empty()).then(|| is_not(source(), prefixes(sources)));
        rules.rule("arrive", [is(iif(), text(link))].into_iter().chain(foreign).chain([drop()]));
    }
    rules.hook("onward", NfChainType::Filter, NfHook::Forward, 0, NfChainPolicy::Drop);
    if let Some(network) = &filter.network {
        let tunnels = filter.sources.keys().map(text).chain([text(SERVED)]);
        for tunnel in tunnels {
            rules.rule("onward", [is(iif(), text(network)), is(oif(), tunnel.clone()), accept()]);
            rules.rule("onward", [is(iif(), tunnel), is(oif(), text(network)), accept()]);
        }
    }
    keep_silent(&mut rules, 0);
    rules.done()
}
