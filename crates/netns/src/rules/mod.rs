//! [`Filter`] → nftables. Pure: the whole table of a namespace as one transaction.

mod appliances;
mod backbone;
mod gateway;
mod groups;
mod lang;
mod name_server;
mod router;

use network::plan::Filter;
use nftables::{
    schema::Nftables,
    types::{NfChainPolicy, NfChainType, NfHook},
};

use self::lang::{Ruleset, any_of, drop, header, is, is_not, text};

/// Before connection tracking looks at a packet.
const BEFORE_TRACKING: i32 = -300;
/// After connection tracking has looked at a packet, before its addresses are translated.
const BEFORE_TRANSLATION: i32 = -150;

/// The table that a filter is, in place of the one that stands.
pub fn ruleset(filter: &Filter) -> Nftables<'static> {
    match filter {
        Filter::None => Ruleset::none().done(),
        Filter::Router(filter) => router::ruleset(filter),
        Filter::Backbone(filter) => backbone::ruleset(filter),
        Filter::Gateway(filter) => gateway::ruleset(filter),
        Filter::NameServer(filter) => name_server::ruleset(filter),
    }
}

/// The table that a filter is, where none stands.
pub(crate) fn first_ruleset(filter: &Filter) -> Nftables<'static> {
    let whole = ruleset(filter).objects.into_owned();
    Nftables { objects: whole.into_iter().skip(lang::REMOVAL).collect() }
}

/// Azure's fabric has no routers that one could see: where no way leads on, there is silence. What
/// path MTU discovery needs passes.
fn keep_silent(rules: &mut Ruleset, priority: i32) {
    rules.hook("output", NfChainType::Filter, NfHook::Output, priority, NfChainPolicy::Accept);
    let errors = ["destination-unreachable", "redirect", "time-exceeded"].map(text);
    rules.rule(
        "output",
        [is(header("icmp", "type"), any_of(errors)), is_not(header("icmp", "code"), text("frag-needed")), drop()],
    );
}
