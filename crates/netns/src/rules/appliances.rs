//! Appliances that groups guard: each interface remembers for itself what it has let through.
//!
//! Azure keeps the state of flows at each interface's port of its host, so that an interface that
//! never saw a request has no reason to let the reply pass. Connection tracking knows a flow in the
//! whole network; as both ends have seen the request, it is only what others pass on that their own
//! memory is asked for. A connection that both ends have agreed upon passes without being asked about.

use network::plan::{InterfaceFilter, LinkName, RouterFilter};

use super::{
    groups::Groups,
    lang::{
        Expr, Ruleset, Stmt, accept, any_of, concat, destination, goto, header, iif, is, is_agreed, is_in, is_known,
        is_new, is_not, is_reply, is_request, is_reset, jump_by, l4, oif, remember, source, text,
    },
};

/// What appliances have let through: each by its link, with the addresses and ports of the request.
const FLOWS: &str = "flows";

/// An appliance as sender or as receiver: its link, which address of its own packets is its own, and
/// the chain of those that are not.
struct Side {
    link: fn() -> Expr,
    own: fn() -> Expr,
    chain: &'static str,
}

const SENDER: Side = Side { link: iif, own: source, chain: "from_appliance" };
const RECEIVER: Side = Side { link: oif, own: destination, chain: "to_appliance" };

/// The appliances of a router that have groups.
pub(super) struct Appliances<'a>(Vec<(&'a LinkName, &'a InterfaceFilter)>);

impl<'a> Appliances<'a> {
    /// Makes the chains of all that is passed on.
    pub(super) fn new(rules: &mut Ruleset, filter: &'a RouterFilter, groups: &Groups<'a>) -> Self {
        let guarded = |interface: &InterfaceFilter| {
            interface.forwards && !(interface.outbound.is_empty() && interface.inbound.is_empty())
        };
        let appliances: Vec<_> = filter.interfaces.iter().filter(|(_, interface)| guarded(interface)).collect();
        if !appliances.is_empty() {
            let inbound = groups.by_key(appliances.iter().map(|(link, interface)| (link, &interface.inbound)));
            let outbound = groups.by_key(appliances.iter().map(|(link, interface)| (link, &interface.outbound)));
            rules.flow_set(FLOWS);
            admit(rules, &RECEIVER, inbound);
            rules.rule(RECEIVER.chain, [is_new(), remember(FLOWS, request(oif()))]);
            rules.rule(RECEIVER.chain, [accept()]);
            admit(rules, &SENDER, outbound);
            rules.rule(SENDER.chain, [accept()]);
        }
        Self(appliances)
    }

    /// Leads replies and resets that an appliance passes on to what it remembers. What is new meets
    /// the rules of every sender.
    pub(super) fn watch_senders(&self, rules: &mut Ruleset, chain: &str) {
        for which in [[has_ports(), is_reply()].as_slice(), &[is_reset()]] {
            self.lead(rules, chain, which, &SENDER);
        }
    }

    /// Leads what belongs to a known flow, and is passed on by an appliance, to what it remembers.
    pub(super) fn watch_known(&self, rules: &mut Ruleset, chain: &str) {
        self.lead(rules, chain, &[has_ports(), is_known()], &RECEIVER);
    }

    /// Leads everything that is for an appliance to pass on to what it remembers.
    pub(super) fn watch_receivers(&self, rules: &mut Ruleset, chain: &str) {
        self.lead(rules, chain, &[has_ports()], &RECEIVER);
    }

    /// Leads `which` to a side's chain where it is neither from nor to the appliance itself.
    fn lead(&self, rules: &mut Ruleset, chain: &str, which: &[Stmt], side: &Side) {
        if self.0.is_empty() {
            return;
        }
        let links = any_of(self.0.iter().map(|(link, _)| text(link)));
        let own = self.0.iter().flat_map(|(link, interface)| {
            interface.addresses.iter().map(move |address| concat([text(link), text(address)]))
        });
        let passed = [is((side.link)(), links), is_not(concat([(side.link)(), (side.own)()]), any_of(own))];
        rules.rule(chain, passed.into_iter().chain(which.iter().cloned()).chain([goto(side.chain)]));
    }
}

fn has_ports() -> Stmt {
    is(l4(), any_of([text("tcp"), text("udp")]))
}

/// A side's chain: what may pass without being new there; of anything else the groups decide.
fn admit(rules: &mut Ruleset, &Side { link, chain, .. }: &Side, groups: Vec<(Expr, String)>) {
    rules.chain(chain);
    rules.rule(chain, [is(l4(), text("tcp")), is_known(), is_agreed(), accept()]);
    rules.rule(chain, [is_in(reply(link()), FLOWS), accept()]);
    // A reset that connection tracking holds for the end of what it no longer knows.
    rules.rule(chain, [is_reset(), is_in(request(link()), FLOWS), accept()]);
    // Datagrams after the first reply: the appliance has seen the first of them.
    rules.rule(chain, [is_known(), is_request(), remember(FLOWS, request(link()))]);
    rules.rule(chain, [is_known(), is_request(), accept()]);
    if !groups.is_empty() {
        rules.rule(chain, [jump_by(link(), groups)]);
    }
}

fn request(link: Expr) -> Expr {
    concat([link, source(), destination(), l4(), header("th", "sport"), header("th", "dport")])
}

/// The request that a packet answers.
fn reply(link: Expr) -> Expr {
    concat([link, destination(), source(), l4(), header("th", "dport"), header("th", "sport")])
}
