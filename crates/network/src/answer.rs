//! What a DNS view answers: the one resolver that servers, proxies and explanations share.
//!
//! A virtual network's view is what 168.63.129.16 says there: the linked private zone with the
//! longest matching name is authoritative, also for what it does not have, unless its link says
//! `NxDomainRedirect`. Where no linked zone matches, the rule with the longest matching domain of
//! the forwarding ruleset linked to the network says whom to ask; everything else is public DNS.
//! Sources: azure-truth "Zones"; documentation "What is a private Azure DNS zone", "Fallback to
//! internet for Azure Private DNS zones", "What is Azure DNS Private Resolver" (its nine steps).

use std::sync::LazyLock;

use azure::{
    DnsName, ResourceId,
    model::{RecordData, RecordSet, RecordType, ResolutionPolicy, Soa},
};
use serde::{Deserialize, Serialize};

use crate::{
    attachment::Attachment,
    network::Network,
    trace::{Hop, Recorder, Silent},
    virtual_network::{ForwardingRule, LinkedZone},
    zone::{Lookup, Node, Zone, default_soa},
};

/// Longest chain of aliases that is followed.
const ALIASES_MAX: usize = 16;
/// Longest chain of servers that forward to each other; a longer one is a loop and answers nothing.
const FORWARDS_MAX: usize = 4;
/// Time to live, in seconds, of the public names AKS makes.
const PUBLIC_TTL_S: u32 = 300;
/// The domain in which AKS's public names live.
const PUBLIC_ZONE: &str = "azmk8s.io";

/// A DNS world.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "view", content = "network")]
pub enum ViewId {
    /// Public DNS.
    Public,
    /// Azure-provided DNS as seen from one virtual network.
    VirtualNetwork(ResourceId),
}

/// A question's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueryType {
    /// A type the zones can hold.
    Record(RecordType),
    /// `ANY`: whatever there is.
    Any,
    /// Any other type: no record has it.
    Other,
}

/// How the question came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The name exists (perhaps without records of the type).
    NoError,
    /// The name does not exist.
    NxDomain,
    /// The aliases do not end.
    AliasLoop,
    /// There is no such view.
    NoView,
    /// A forwarding rule covers the name and none of its servers answers: `SERVFAIL`.
    ForwarderUnreachable,
}

/// One record of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerRecord {
    /// Its owner.
    pub name: DnsName,
    /// Time to live in seconds.
    pub ttl_s: u32,
    /// Its data.
    pub data: RecordData,
}

/// The start of authority that goes with a negative answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The zone.
    pub zone: DnsName,
    /// Its start of authority.
    pub soa: Soa,
    /// Seconds the negative answer may be kept (RFC 2308: the smaller of TTL and MINIMUM).
    pub ttl_s: u32,
}

/// A question that a view passes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// The aliases that lead from the name asked for to the one that is left.
    pub aliases: Vec<AnswerRecord>,
    /// The name to be asked.
    pub name: DnsName,
    /// The rule that says whom.
    pub rule: ForwardingRule,
}

/// A view's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// How it came out.
    pub outcome: Outcome,
    /// Aliases on the way first, then the records asked for.
    pub records: Vec<AnswerRecord>,
    /// Present when the answer is negative.
    pub authority: Option<Authority>,
    /// The forwarding rule whose servers do not answer.
    pub failed_rule: Option<ResourceId>,
}

impl Answer {
    pub(crate) fn new(outcome: Outcome) -> Self {
        Self { outcome, records: Vec::new(), authority: None, failed_rule: None }
    }

    /// The IPv4 addresses in the answer.
    pub fn addresses(&self) -> impl Iterator<Item = std::net::Ipv4Addr> {
        self.records.iter().filter_map(|record| match record.data {
            RecordData::A(address) => Some(address),
            _ => None,
        })
    }
}

impl Network {
    /// What the view answers for `name` (lower case, no trailing dot) and `query`.
    pub fn answer(&self, view: &ViewId, name: &DnsName, query: QueryType, recorder: &mut impl Recorder) -> Answer {
        self.answer_after(0, view, name, query, recorder)
    }

    /// The same after some servers have forwarded the question.
    fn answer_after(
        &self,
        forwards: usize,
        view: &ViewId,
        name: &DnsName,
        query: QueryType,
        recorder: &mut impl Recorder,
    ) -> Answer {
        let (answer, onward) = self.follow(view, name, query, recorder);
        let Some((name, rule)) = onward else { return answer };
        let rest = match self.forward(rule, forwards, recorder) {
            Some(view) => self.answer_after(forwards + 1, &view, &name, query, recorder),
            None => Answer { failed_rule: Some(rule.id.clone()), ..Answer::new(Outcome::ForwarderUnreachable) },
        };
        Answer { records: [answer.records, rest.records].concat(), ..rest }
    }

    /// What of a question the view passes on: the aliases on the way, the name that is left, the rule
    /// that says to whom. Nothing if the view answers it itself.
    pub fn forwarding(&self, view: &ViewId, name: &DnsName, query: QueryType) -> Option<Forwarding> {
        let ViewId::VirtualNetwork(id) = view else { return None };
        self.virtual_network(id).filter(|network| !network.forwarding_rules.is_empty())?;
        let (answer, onward) = self.follow(view, name, query, &mut Silent);
        onward.map(|(name, rule)| Forwarding { aliases: answer.records, name, rule: rule.clone() })
    }

    /// The view's own part of an answer; what is left and the rule for it, if that is somebody else's.
    fn follow(
        &self,
        view: &ViewId,
        name: &DnsName,
        query: QueryType,
        recorder: &mut impl Recorder,
    ) -> (Answer, Option<(DnsName, &ForwardingRule)>) {
        let mut answer = Answer::new(Outcome::NoError);
        let mut name = name.clone();
        for _ in 0..ALIASES_MAX {
            let found = self.find(view, &name, recorder);
            match found {
                Found::Node(zone, node) => {
                    if let Some(target) = alias(node, query) {
                        recorder.record(|| Hop::Alias { name: name.clone(), target: target.1.clone() });
                        let data = RecordData::Cname(target.1.clone());
                        answer.records.push(AnswerRecord { name, ttl_s: target.0, data });
                        name = target.1;
                        continue;
                    }
                    let before = answer.records.len();
                    answer.records.extend(matching(node, query).flat_map(|set| {
                        set.records.iter().map(|data| AnswerRecord {
                            name: name.clone(),
                            ttl_s: set.ttl_s,
                            data: data.clone(),
                        })
                    }));
                    if answer.records.len() == before {
                        answer.authority = Some(zone_authority(zone));
                    }
                }
                Found::Empty(zone) => answer.authority = Some(zone_authority(zone)),
                Found::Absent(zone) => {
                    answer.outcome = Outcome::NxDomain;
                    answer.authority = Some(zone_authority(zone));
                }
                Found::Public(address) => {
                    if matches!(query, QueryType::Any | QueryType::Record(RecordType::A)) {
                        let data = RecordData::A(address);
                        answer.records.push(AnswerRecord { name: name.clone(), ttl_s: PUBLIC_TTL_S, data });
                    } else {
                        answer.authority = Some(public_authority(&name));
                    }
                }
                Found::PublicAbsent => {
                    answer.outcome = Outcome::NxDomain;
                    answer.authority = Some(public_authority(&name));
                }
                Found::Forward(rule) => return (answer, Some((name, rule))),
                Found::NoView => answer.outcome = Outcome::NoView,
            }
            let addresses = || answer.addresses().collect::<Vec<_>>();
            if answer.addresses().next().is_some() {
                recorder.record(|| Hop::Addresses { name: name.clone(), addresses: addresses() });
            }
            return (answer, None);
        }
        (Answer::new(Outcome::AliasLoop), None)
    }

    fn find(&self, view: &ViewId, name: &DnsName, recorder: &mut impl Recorder) -> Found<'_> {
        let ViewId::VirtualNetwork(id) = view else { return self.find_public(name) };
        let Some(network) = self.virtual_network(id) else { return Found::NoView };
        let linked = name.suffixes().find_map(|suffix| network.linked_zones.get(suffix));
        let Some((LinkedZone { zone, link, policy }, compiled)) =
            linked.and_then(|linked| self.zone(&linked.zone).map(|zone| (linked, zone)))
        else {
            recorder.record(|| Hop::NoLinkedZone { network: network.id.clone() });
            let root = network.forwarding_rules.get(&DnsName::root());
            let rule = name.suffixes().find_map(|suffix| network.forwarding_rules.get(suffix)).or(root);
            return rule.map_or_else(|| self.find_public(name), Found::Forward);
        };
        recorder.record(|| Hop::LinkedZone { zone: zone.clone(), link: link.clone() });
        match compiled.lookup(name.relative_to(&compiled.name).unwrap_or_default()) {
            Lookup::Exists(node) => Found::Node(compiled, node),
            Lookup::EmptyNonTerminal => Found::Empty(compiled),
            Lookup::Absent if *policy == ResolutionPolicy::NxDomainRedirect => {
                recorder.record(|| Hop::RedirectedToPublic { link: link.clone() });
                self.find_public(name)
            }
            Lookup::Absent => Found::Absent(compiled),
        }
    }

    /// Whom a forwarding rule leads to: the first of its servers that its outbound endpoint reaches.
    fn forward(&self, rule: &ForwardingRule, forwards: usize, recorder: &mut impl Recorder) -> Option<ViewId> {
        recorder.record(|| Hop::ForwardingRule { rule: rule.id.clone() });
        if forwards == FORWARDS_MAX {
            return None;
        }
        let seat = self.subnet_seat(rule.outbound.as_ref()?)?;
        for &(address, port) in &rule.targets {
            if let Some((view, responder)) = self.server_at(Attachment::Inside(seat), address, port) {
                recorder.record(|| Hop::Ask { responder });
                return Some(view);
            }
            recorder.record(|| Hop::ServerUnreachable { address });
        }
        None
    }

    fn find_public(&self, name: &DnsName) -> Found<'_> {
        match self.public_name(name) {
            Some(address) => Found::Public(address),
            None => Found::PublicAbsent,
        }
    }
}

/// What a view has under a name.
enum Found<'a> {
    Node(&'a Zone, &'a Node),
    Empty(&'a Zone),
    Absent(&'a Zone),
    Public(std::net::Ipv4Addr),
    PublicAbsent,
    Forward(&'a ForwardingRule),
    NoView,
}

/// The alias that stands in for `query`, unless the alias itself is asked for.
fn alias(node: &Node, query: QueryType) -> Option<(u32, DnsName)> {
    if matches!(query, QueryType::Any | QueryType::Record(RecordType::Cname)) {
        return None;
    }
    let set = node.get(RecordType::Cname)?;
    set.records.iter().find_map(|data| match data {
        RecordData::Cname(target) => Some((set.ttl_s, target.clone())),
        _ => None,
    })
}

fn matching(node: &Node, query: QueryType) -> impl Iterator<Item = &RecordSet> {
    node.sets()
        .filter(move |&(held, _)| match query {
            QueryType::Record(wanted) => held == wanted,
            QueryType::Any => true,
            QueryType::Other => false,
        })
        .map(|(_, set)| set)
}

fn zone_authority(zone: &Zone) -> Authority {
    let soa = zone.soa().clone();
    Authority { zone: zone.name.clone(), ttl_s: soa.minimum_s, soa }
}

/// Public DNS of the lab: authoritative for AKS's domain, and for the root where nothing else is.
static PUBLIC_AUTHORITIES: LazyLock<[Authority; 2]> = LazyLock::new(|| {
    let domain = DnsName::parse(PUBLIC_ZONE).unwrap_or_else(|_| DnsName::root());
    [domain, DnsName::root()].map(|zone| {
        let soa = Soa { minimum_s: 60, ..default_soa() };
        Authority { zone, ttl_s: soa.minimum_s, soa }
    })
});

fn public_authority(name: &DnsName) -> Authority {
    let [domain, root] = &*PUBLIC_AUTHORITIES;
    if name.is_within(&domain.zone) { domain.clone() } else { root.clone() }
}
