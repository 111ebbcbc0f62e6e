//! A small vocabulary over the `nftables` crate, so that rules read like rules.

use std::{borrow::Cow, fmt::Display, net::Ipv4Addr};

use ipnet::Ipv4Net;
use network::plan::LinkName;
use nftables::{
    batch::Batch,
    expr::{
        CT, CTDir, Expression, Fib, FibFlag, FibResult, Map, Meta, MetaKey, NamedExpression, Payload, PayloadField,
        Prefix, Range, SetItem, Socket, SocketAttr, Verdict,
    },
    schema::{Chain, NfListObject, Nftables, Rule, Set, SetFlag, SetType, SetTypeValue, Table},
    stmt::{
        self, JumpTarget, Mangle, Match, NAT, NATFamily, Operator, Reject, RejectType, SetOp, Statement, VerdictMap,
    },
    types::{NfChainPolicy, NfChainType, NfFamily, NfHook},
};

/// The one table of a namespace.
const TABLE: &str = "noren";
/// How long a flow is remembered after its last request.
const FLOW_SECONDS: u32 = 240;

pub(super) type Expr = Expression<'static>;
pub(super) type Stmt = Statement<'static>;

/// How many commands at the beginning of a ruleset take away the table that stands.
pub(super) const REMOVAL: usize = 2;

/// A table in the making.
pub(super) struct Ruleset(Batch<'static>);

impl Ruleset {
    /// A table that takes the place of the one that may stand: made, so that it can be removed.
    pub(super) fn new() -> Self {
        let mut rules = Self::none();
        rules.0.add(table());
        rules
    }

    /// No table.
    pub(super) fn none() -> Self {
        let mut batch = Batch::new();
        batch.add(table());
        batch.delete(table());
        Self(batch)
    }

    /// A chain that packets come to by themselves.
    pub(super) fn hook(&mut self, name: &str, kind: NfChainType, hook: NfHook, priority: i32, policy: NfChainPolicy) {
        self.0.add(NfListObject::Chain(Chain {
            _type: Some(kind),
            hook: Some(hook),
            prio: Some(priority),
            policy: Some(policy),
            ..chain(name)
        }));
    }

    /// A chain that rules lead to. It must be made before they are.
    pub(super) fn chain(&mut self, name: &str) {
        self.0.add(NfListObject::Chain(chain(name)));
    }

    /// Appends a rule.
    pub(super) fn rule(&mut self, chain: &str, statements: impl IntoIterator<Item = Stmt>) {
        self.0.add(NfListObject::Rule(Rule {
            family: NfFamily::IP,
            table: TABLE.into(),
            chain: chain.to_owned().into(),
            expr: statements.into_iter().collect::<Vec<_>>().into(),
            ..Rule::default()
        }));
    }

    /// A set of links that several rules ask for by name.
    pub(super) fn link_set<'a>(&mut self, name: &'static str, links: impl IntoIterator<Item = &'a LinkName>) {
        let links: Vec<Expr> = links.into_iter().map(text).collect();
        self.0.add(NfListObject::Set(Box::new(Set {
            family: NfFamily::IP,
            table: TABLE.into(),
            name: name.into(),
            set_type: SetTypeValue::Single(SetType::Ifname),
            elem: (!links.is_empty()).then(|| links.into()),
            ..Set::default()
        })));
    }

    /// A set that packets put flows into: a link, addresses, protocol, ports. It forgets them.
    pub(super) fn flow_set(&mut self, name: &'static str) {
        const PARTS: [SetType; 6] = [
            SetType::Ifname,
            SetType::Ipv4Addr,
            SetType::Ipv4Addr,
            SetType::InetProto,
            SetType::InetService,
            SetType::InetService,
        ];
        self.0.add(NfListObject::Set(Box::new(Set {
            family: NfFamily::IP,
            table: TABLE.into(),
            name: name.into(),
            set_type: SetTypeValue::Concatenated(PARTS.as_slice().into()),
            flags: Some([SetFlag::Timeout].into()),
            timeout: Some(FLOW_SECONDS),
            ..Set::default()
        })));
    }

    pub(super) fn done(self) -> Nftables<'static> {
        self.0.to_nftables()
    }
}

fn table() -> NfListObject<'static> {
    NfListObject::Table(Table { family: NfFamily::IP, name: TABLE.into(), handle: None })
}

fn chain(name: &str) -> Chain<'static> {
    Chain { family: NfFamily::IP, table: TABLE.into(), name: name.to_owned().into(), ..Chain::default() }
}

/// Nothing is routed back to its source over the link that it came by.
pub(super) fn is_spoofed() -> Stmt {
    has_no_route([FibFlag::Saddr, FibFlag::Iif])
}

/// Nothing is routed to its destination.
pub(super) fn is_unrouted() -> Stmt {
    has_no_route([FibFlag::Daddr])
}

fn has_no_route(flags: impl IntoIterator<Item = FibFlag>) -> Stmt {
    let route = Fib { result: FibResult::Oif, flags: flags.into_iter().collect() };
    is(Expression::Named(NamedExpression::Fib(route)), Expression::Boolean(false))
}

/// It asks a DNS server.
pub(super) fn is_question() -> [Stmt; 2] {
    [is(l4(), any_of([text("tcp"), text("udp")])), is(header("th", "dport"), port(53))]
}

pub(super) fn text(value: impl Display) -> Expr {
    Expression::String(value.to_string().into())
}

pub(super) fn port(number: u16) -> Expr {
    Expression::Number(number.into())
}

pub(super) fn ports(ranges: &[(u16, u16)]) -> Expr {
    any_of(ranges.iter().map(|&(from, to)| {
        if from == to { port(from) } else { Expression::Range(Box::new(Range { range: [port(from), port(to)] })) }
    }))
}

pub(super) fn prefix(net: Ipv4Net) -> Expr {
    if net.prefix_len() == 32 {
        return text(net.addr());
    }
    let addr = Box::new(text(net.network()));
    Expression::Named(NamedExpression::Prefix(Prefix { addr, len: net.prefix_len().into() }))
}

/// Prefixes as few as can be: nft refuses a set whose elements overlap.
pub(super) fn prefixes(nets: &[Ipv4Net]) -> Expr {
    any_of(Ipv4Net::aggregate(&nets.to_vec()).into_iter().map(prefix))
}

pub(super) fn addresses<'a>(addresses: impl IntoIterator<Item = &'a Ipv4Addr>) -> Expr {
    any_of(addresses.into_iter().map(text))
}

/// A set; where there is one element only, the element, which the kernel compares with quicker than it
/// looks into a set. (Several fields at once can only be looked up.)
pub(super) fn any_of(elements: impl IntoIterator<Item = Expr>) -> Expr {
    let mut elements: Vec<Expr> = elements.into_iter().collect();
    match elements.pop() {
        Some(only) if elements.is_empty() && !matches!(only, Expression::Named(NamedExpression::Concat(_))) => only,
        last => {
            Expression::Named(NamedExpression::Set(elements.into_iter().chain(last).map(SetItem::Element).collect()))
        }
    }
}

pub(super) fn concat(parts: impl IntoIterator<Item = Expr>) -> Expr {
    Expression::Named(NamedExpression::Concat(parts.into_iter().collect()))
}

pub(super) fn meta(key: MetaKey) -> Expr {
    Expression::Named(NamedExpression::Meta(Meta { key }))
}

pub(super) fn iif() -> Expr {
    meta(MetaKey::Iifname)
}

pub(super) fn oif() -> Expr {
    meta(MetaKey::Oifname)
}

pub(super) fn l4() -> Expr {
    meta(MetaKey::L4proto)
}

pub(super) fn header(protocol: &'static str, field: &'static str) -> Expr {
    Expression::Named(NamedExpression::Payload(Payload::PayloadField(PayloadField {
        protocol: protocol.into(),
        field: field.into(),
    })))
}

pub(super) fn source() -> Expr {
    header("ip", "saddr")
}

pub(super) fn destination() -> Expr {
    header("ip", "daddr")
}

/// The address that the sender of a flow's first packet wrote.
pub(super) fn original_destination() -> Expr {
    Expression::Named(NamedExpression::CT(CT { key: "ip daddr".into(), family: None, dir: Some(CTDir::Original) }))
}

fn ct(key: &'static str) -> Expr {
    Expression::Named(NamedExpression::CT(CT { key: key.into(), family: None, dir: None }))
}

pub(super) fn is(left: Expr, right: Expr) -> Stmt {
    Statement::Match(Match { left, right, op: Operator::EQ })
}

pub(super) fn is_not(left: Expr, right: Expr) -> Stmt {
    Statement::Match(Match { left, right, op: Operator::NEQ })
}

/// Belongs to a flow that was let through before.
pub(super) fn is_known() -> Stmt {
    // Bits, not a set: every packet comes by here.
    let known = Expression::List(vec![text("established"), text("related")]);
    Statement::Match(Match { left: ct("state"), right: known, op: Operator::IN })
}

/// Goes the other way than the first packet of its flow.
pub(super) fn is_reply() -> Stmt {
    is(ct("direction"), text("reply"))
}

/// Goes the same way as the first packet of its flow.
pub(super) fn is_request() -> Stmt {
    is(ct("direction"), text("original"))
}

/// Both ends of its connection have heard each other.
pub(super) fn is_agreed() -> Stmt {
    Statement::Match(Match { left: ct("status"), right: text("assured"), op: Operator::IN })
}

/// A named set has it.
pub(super) fn is_in(key: Expr, set: &str) -> Stmt {
    is(key, text(format!("@{set}")))
}

/// Puts it into a named set, for as long as the set remembers.
pub(super) fn remember(set: &str, key: Expr) -> Stmt {
    Statement::Set(stmt::Set { op: SetOp::Update, elem: key, set: format!("@{set}").into() })
}

pub(super) fn is_new() -> Stmt {
    is(ct("state"), text("new"))
}

/// Its destination was translated.
pub(super) fn is_translated() -> Stmt {
    Statement::Match(Match { left: ct("status"), right: text("dnat"), op: Operator::IN })
}

pub(super) fn accept() -> Stmt {
    Statement::Accept(None)
}

pub(super) fn drop() -> Stmt {
    Statement::Drop(None)
}

/// Connection tracking holds it for another flow than the same packets elsewhere.
pub(super) fn track_apart() -> Stmt {
    Statement::Mangle(Mangle { key: ct("zone"), value: Expr::Number(1) })
}

pub(super) fn back() -> Stmt {
    Statement::Return(None)
}

pub(super) fn jump(chain: &str) -> Stmt {
    Statement::Jump(JumpTarget { target: chain.to_owned().into() })
}

pub(super) fn goto(chain: &str) -> Stmt {
    Statement::Goto(JumpTarget { target: chain.to_owned().into() })
}

pub(super) fn reset() -> Stmt {
    Statement::Reject(Some(Reject::new(Some(RejectType::TCPReset), None)))
}

pub(super) fn set_mark(value: Expr) -> Stmt {
    Statement::Mangle(Mangle { key: meta(MetaKey::Mark), value })
}

pub(super) fn lookup(key: Expr, pairs: impl IntoIterator<Item = (Expr, Expr)>) -> Expr {
    let items = pairs.into_iter().map(|(key, value)| SetItem::Mapping(key, value)).collect();
    let data = Expression::Named(NamedExpression::Set(items));
    Expression::Named(NamedExpression::Map(Box::new(Map { key, data })))
}

/// Where each key leads: to a chain, and back from it.
pub(super) fn jump_by(key: Expr, pairs: impl IntoIterator<Item = (Expr, String)>) -> Stmt {
    let verdict = |chain: String| Expression::Verdict(Verdict::Jump(JumpTarget { target: chain.into() }));
    let items = pairs.into_iter().map(|(key, chain)| SetItem::Mapping(key, verdict(chain))).collect();
    Statement::VerdictMap(VerdictMap { key, data: Expression::Named(NamedExpression::Set(items)) })
}

pub(super) fn to_source(addr: Expr) -> Stmt {
    Statement::SNAT(Some(NAT { addr: Some(addr), family: Some(NATFamily::IP), port: None, flags: None }))
}

pub(super) fn to_destination(addr: Expr) -> Stmt {
    Statement::DNAT(Some(NAT { addr: Some(addr), family: Some(NATFamily::IP), port: None, flags: None }))
}

/// To another port of the same machine.
pub(super) fn to_port(addr: Expr, number: u16) -> Stmt {
    Statement::DNAT(Some(NAT { addr: Some(addr), family: Some(NATFamily::IP), port: Some(port(number)), flags: None }))
}

/// A program here has a socket for it. (One of a transparent proxy's does not count.)
pub(super) fn has_listener() -> Stmt {
    let socket = Socket { key: Cow::Owned(SocketAttr::Transparent) };
    is(Expression::Named(NamedExpression::Socket(socket)), Expression::Number(0))
}

/// Ends its connection.
pub(super) fn is_reset() -> Stmt {
    Statement::Match(Match { left: header("tcp", "flags"), right: text("rst"), op: Operator::IN })
}
