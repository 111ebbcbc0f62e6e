//! A machine that is to be asked for names: what no program there listens for, the lab's stand-in gets.

use network::plan::{NameServerFilter, STAND_IN_PORT};
use nftables::{
    expr::MetaKey,
    schema::Nftables,
    types::{NfChainPolicy, NfChainType, NfHook},
};

use super::{
    BEFORE_TRANSLATION,
    lang::{
        Expr, Ruleset, accept, any_of, destination, has_listener, header, is, l4, meta, port, set_mark, text, to_port,
    },
};

/// The mark of a question that nobody there listens for.
const UNHEARD: u32 = 53;

pub(super) fn ruleset(filter: &NameServerFilter) -> Nftables<'static> {
    let mut rules = Ruleset::new();
    let transports = || is(l4(), any_of([text("tcp"), text("udp")]));
    let question = || {
        let ports = any_of(filter.ports.iter().copied().map(port));
        [is(destination(), text(filter.address)), transports(), is(header("th", "dport"), ports)]
    };
    rules.hook("ask", NfChainType::Filter, NfHook::Prerouting, BEFORE_TRANSLATION, NfChainPolicy::Accept);
    rules.rule("ask", question().into_iter().chain([has_listener(), accept()]));
    rules.rule("ask", question().into_iter().chain([set_mark(Expr::Number(UNHEARD))]));
    rules.hook("stand_in", NfChainType::NAT, NfHook::Prerouting, -100, NfChainPolicy::Accept);
    let unheard = is(meta(MetaKey::Mark), Expr::Number(UNHEARD));
    rules.rule("stand_in", [unheard, transports(), to_port(text(filter.address), STAND_IN_PORT)]);
    rules.done()
}
