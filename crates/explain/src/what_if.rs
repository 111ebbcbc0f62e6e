//! What would change: edits in a few words, and the difference of two estates as a difference of
//! answers.
//!
//! ```text
//! cluster NAME: publicFqdn=true|false     stop(CLUSTER)   start(CLUSTER)
//! link(ZONE, NETWORK)   unlink(ZONE, NETWORK)
//! peer(NETWORK, NETWORK)   unpeer(NETWORK, NETWORK)   transit(HUB, SPOKE)
//! dns(NETWORK, ADDRESS…)   record(ZONE, NAME, ADDRESS)   approve(ENDPOINT)
//! authorize(CLUSTER, ADDRESS)   allow(GROUP, in|out, FROM, TO)   endpoint(CLUSTER, NETWORK/SUBNET)
//! resolver(NETWORK)   unroute(TABLE/ROUTE)   hosts(CLIENT, NAME, ADDRESS)
//! ```
//!
//! Several are separated by `;`. Names are a resource's, `GROUP/NAME` or a whole id; a zone may also
//! be a cluster's name, whose zone is meant.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
    str::FromStr,
    sync::Arc,
};

use azure::{Estate, Kind, ResourceId};
use network::{Network, Vantage};
use serde::Serialize;

use crate::{
    edit::{Edit, EditError},
    matrix::{Class, Matrix, Outcome},
    place, question,
};

/// Why a text is no edit of this estate; positions count characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WhatIfError {
    /// The text is not of the language.
    #[error("at character {at}: expected {expected}")]
    Syntax {
        /// Where.
        at: usize,
        /// What should stand there.
        expected: String,
    },
    /// Nothing, or more than one thing, has that name.
    #[error("at character {at}: {why}")]
    Name {
        /// Where.
        at: usize,
        /// Why not.
        why: String,
    },
    /// The edit cannot be made.
    #[error("at character {at}: {source}")]
    Edit {
        /// Where.
        at: usize,
        /// Why not.
        source: EditError,
    },
}

/// Reads `text` and applies it to `estate`, one edit after the other.
///
/// # Errors
/// With the position of what is wrong.
pub fn apply(text: &str, estate: &Estate) -> Result<(Estate, Vec<Edit>, Vec<ResourceId>), WhatIfError> {
    let (mut estate, mut edits, mut changed) = (estate.clone(), Vec::new(), Vec::new());
    let mut at = 1;
    for part in text.split(';') {
        if !part.trim().is_empty() {
            let start = at + part.chars().take_while(|letter| letter.is_whitespace()).count();
            let edit = Statement { text: part.trim(), at: start, estate: &estate }.edit()?;
            let (next, ids) = edit.apply(&estate).map_err(|source| WhatIfError::Edit { at: start, source })?;
            estate = next;
            edits.push(edit);
            changed.extend(ids);
        }
        at += part.chars().count() + 1;
    }
    if edits.is_empty() {
        return Err(WhatIfError::Syntax { at: 1, expected: "an edit such as `link(ZONE, NETWORK)`".to_owned() });
    }
    Ok((estate, edits, changed))
}

const VERBS: &str = "`cluster NAME: publicFqdn=true|false` or one of link, unlink, peer, unpeer, transit, stop, start, dns, \
                     record, approve, authorize, allow, endpoint, resolver, unroute, hosts";

/// One edit's text.
struct Statement<'a> {
    text: &'a str,
    /// The position of its first character.
    at: usize,
    estate: &'a Estate,
}

/// An argument with its position.
type Argument<'a> = (usize, &'a str);

impl Statement<'_> {
    fn edit(&self) -> Result<Edit, WhatIfError> {
        if let Some(rest) = self.text.strip_prefix("cluster ") {
            return self.setting(rest);
        }
        let Some(open) = self.text.find('(') else { return Err(self.syntax(0, VERBS)) };
        let Some(inside) = self.text[open + 1..].strip_suffix(')') else {
            return Err(self.syntax(self.text.chars().count(), "`)`"));
        };
        let mut arguments: Vec<Argument<'_>> = Vec::new();
        let mut at = self.text[..=open].chars().count();
        for part in inside.split(',') {
            let blank = part.chars().take_while(|letter| letter.is_whitespace()).count();
            if !part.trim().is_empty() {
                arguments.push((at + blank, part.trim()));
            }
            at += part.chars().count() + 1;
        }
        self.call(self.text[..open].trim(), &arguments)
    }

    /// `NAME: publicFqdn=true|false`.
    fn setting(&self, rest: &str) -> Result<Edit, WhatIfError> {
        let prefix = "cluster ".len();
        let Some((name, setting)) = rest.split_once(':') else {
            return Err(self.syntax(self.text.chars().count(), "`: publicFqdn=true|false`"));
        };
        let cluster = self.named((prefix, name.trim()), Kind::ManagedCluster, "cluster")?;
        let at = prefix + name.chars().count() + 1;
        let (key, value) = setting.split_once('=').unwrap_or((setting, ""));
        match (key.trim(), value.trim().parse()) {
            (key, Ok(enabled)) if key.eq_ignore_ascii_case("publicFqdn") => Ok(Edit::PublicFqdn { cluster, enabled }),
            _ => Err(self.syntax(at, "`publicFqdn=true` or `publicFqdn=false`")),
        }
    }

    fn call(&self, verb: &str, arguments: &[Argument<'_>]) -> Result<Edit, WhatIfError> {
        let network = |argument| self.named(argument, Kind::VirtualNetwork, "virtual network");
        let cluster = |argument| self.named(argument, Kind::ManagedCluster, "cluster");
        Ok(match (verb, arguments) {
            ("link", &[zone, to]) => Edit::Link { zone: self.zone(zone)?, network: network(to)? },
            ("unlink", &[zone, from]) => {
                let (zone, network) = (self.zone(zone)?, network(from)?);
                let link = place::links_to(self.estate, &network).find(|(linked, _)| *linked == zone);
                let why = || format!("zone {} is not linked to {}", zone.name(), network.name());
                Edit::Unlink { link: link.ok_or_else(|| self.name(from.0, why()))?.1.clone() }
            }
            ("peer", &[a, b]) => Edit::Peer { a: network(a)?, b: network(b)? },
            ("unpeer", &[a, b]) => Edit::Unpeer { a: network(a)?, b: network(b)? },
            ("transit", &[hub, spoke]) => Edit::Transit { hub: network(hub)?, spoke: network(spoke)? },
            ("stop", &[name]) => Edit::Stop { cluster: cluster(name)? },
            ("start", &[name]) => Edit::Start { cluster: cluster(name)? },
            ("dns", &[of, ref servers @ ..]) => {
                let servers: Result<Vec<_>, _> =
                    servers.iter().map(|server| self.parsed(*server, "an IPv4 address")).collect();
                Edit::DnsServers { network: network(of)?, servers: servers? }
            }
            ("record", &[zone, name, address]) => Edit::Record {
                zone: self.zone(zone)?,
                name: self.parsed(name, "a DNS name")?,
                address: self.parsed(address, "an IPv4 address")?,
            },
            ("approve", &[endpoint]) => {
                Edit::Approve { endpoint: self.named(endpoint, Kind::PrivateEndpoint, "private endpoint")? }
            }
            ("authorize", &[name, source]) => {
                Edit::Authorize { cluster: cluster(name)?, source: self.parsed(source, "an IPv4 address")? }
            }
            ("allow", &[group, way, source, destination]) => Edit::Allow {
                group: self.named(group, Kind::NetworkSecurityGroup, "network security group")?,
                inbound: match way.1 {
                    "in" => true,
                    "out" => false,
                    _ => return Err(self.syntax(way.0, "`in` or `out`")),
                },
                source: self.parsed(source, "an IPv4 address")?,
                destination: self.parsed(destination, "an IPv4 address")?,
            },
            ("endpoint", &[name, subnet]) => {
                Edit::MakeEndpoint { cluster: cluster(name)?, subnet: self.named(subnet, Kind::Subnet, "subnet")? }
            }
            ("resolver", &[of]) => Edit::MakeResolver { network: network(of)? },
            ("unroute", &[(at, text)]) => {
                let (table, name) = text.rsplit_once('/').ok_or_else(|| self.syntax(at, "`TABLE/ROUTE`"))?;
                let table = self.named((at, table), Kind::RouteTable, "route table")?;
                Edit::RemoveRoute { route: table.child(Kind::Route.collection(), name) }
            }
            ("hosts", &[client, name, address]) => Edit::Hosts {
                client: self.named(client, Kind::LabClient, "machine outside Azure")?,
                name: self.parsed(name, "a DNS name")?,
                address: self.parsed(address, "an IPv4 address")?,
            },
            ("link" | "unlink", _) => return Err(self.arguments(verb, "(ZONE, NETWORK)")),
            ("peer" | "unpeer", _) => return Err(self.arguments(verb, "(NETWORK, NETWORK)")),
            ("transit", _) => return Err(self.arguments(verb, "(HUB, SPOKE)")),
            ("stop" | "start", _) => return Err(self.arguments(verb, "(CLUSTER)")),
            ("dns", _) => return Err(self.arguments(verb, "(NETWORK, ADDRESS…)")),
            ("record", _) => return Err(self.arguments(verb, "(ZONE, NAME, ADDRESS)")),
            ("approve", _) => return Err(self.arguments(verb, "(ENDPOINT)")),
            ("authorize", _) => return Err(self.arguments(verb, "(CLUSTER, ADDRESS)")),
            ("allow", _) => return Err(self.arguments(verb, "(GROUP, in|out, FROM, TO)")),
            ("endpoint", _) => return Err(self.arguments(verb, "(CLUSTER, NETWORK/SUBNET)")),
            ("resolver", _) => return Err(self.arguments(verb, "(NETWORK)")),
            ("unroute", _) => return Err(self.arguments(verb, "(TABLE/ROUTE)")),
            ("hosts", _) => return Err(self.arguments(verb, "(CLIENT, NAME, ADDRESS)")),
            _ => return Err(self.syntax(0, VERBS)),
        })
    }

    fn syntax(&self, offset: usize, expected: &str) -> WhatIfError {
        WhatIfError::Syntax { at: self.at + offset, expected: expected.to_owned() }
    }

    fn arguments(&self, verb: &str, expected: &str) -> WhatIfError {
        self.syntax(verb.chars().count(), expected)
    }

    fn name(&self, offset: usize, why: String) -> WhatIfError {
        WhatIfError::Name { at: self.at + offset, why }
    }

    fn parsed<T: FromStr>(&self, (at, text): Argument<'_>, expected: &str) -> Result<T, WhatIfError> {
        text.parse().map_err(|_| self.syntax(at, expected))
    }

    /// A zone by its own name, or by its cluster's.
    fn zone(&self, argument: Argument<'_>) -> Result<ResourceId, WhatIfError> {
        let of_cluster = || {
            let cluster = self.named(argument, Kind::ManagedCluster, "cluster").ok()?;
            place::zone_of(self.estate, self.estate.managed_cluster(&cluster)?)
        };
        self.named(argument, Kind::PrivateDnsZone, "private DNS zone").or_else(|error| of_cluster().ok_or(error))
    }

    fn named(&self, (at, text): Argument<'_>, kind: Kind, what: &str) -> Result<ResourceId, WhatIfError> {
        let is_meant = |id: &ResourceId| {
            let parent = match kind {
                Kind::Subnet => id.parent().map(|parent| parent.name().to_owned()),
                _ => id.group_name().map(str::to_owned),
            };
            let in_parent = parent.map(|parent| format!("{parent}/{}", id.name()));
            [Some(id.name()), Some(id.as_str()), in_parent.as_deref()]
                .into_iter()
                .flatten()
                .any(|name| name.eq_ignore_ascii_case(text))
        };
        let mut found = self.estate.of_kind(kind).map(|resource| resource.id()).filter(|id| is_meant(id));
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only.clone()),
            (None, _) => Err(self.name(at, format!("there is no {what} `{text}`"))),
            (Some(_), Some(_)) => {
                Err(self.name(at, format!("`{text}` names more than one {what}: write GROUP/NAME or the id")))
            }
        }
    }
}

/// Vantages to whom the same happens with the same clusters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Shift {
    /// The clusters.
    pub clusters: Vec<ResourceId>,
    /// The vantages.
    #[serde(serialize_with = "by_name")]
    pub vantages: Vec<Vantage>,
    /// How it was; `null` where there was no such cluster or vantage.
    pub before: Option<Outcome>,
    /// How it is; `null` where there is none any more.
    pub after: Option<Outcome>,
}

fn by_name<S: serde::Serializer>(vantages: &[Vantage], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(vantages.iter().map(crate::render::json::VantageJson::from))
}

impl Shift {
    /// `gains`, `loses`, or `changes` where it connects as little or as much as before.
    pub fn kind(&self) -> &'static str {
        let rank = |outcome: Option<Outcome>| match outcome.map(|outcome| outcome.verdict) {
            Some(question::Verdict::Connects) => 2,
            Some(question::Verdict::ConnectsByPublicFqdn) => 1,
            Some(question::Verdict::Fails) | None => 0,
        };
        match rank(self.after).cmp(&rank(self.before)) {
            Ordering::Greater => "gains",
            Ordering::Less => "loses",
            Ordering::Equal => "changes",
        }
    }
}

/// What becomes of these, before and after.
type By<T> = (Vec<T>, Option<Outcome>, Option<Outcome>);

/// The difference of two networks as a difference of answers, by their matrices.
pub fn difference(before: (&Network, &Matrix), after: (&Network, &Matrix)) -> Vec<Shift> {
    let place = |matrix: &Matrix| -> HashMap<Vantage, usize> {
        let classes = matrix.classes().iter().enumerate();
        classes.flat_map(|(index, class)| class.vantages.iter().map(move |vantage| (vantage.clone(), index))).collect()
    };
    let (old, new) = (place(before.1), place(after.1));
    // Vantages of the same class before and of the same class after share their difference.
    let mut pairs: BTreeMap<(Option<usize>, Option<usize>), Vec<Vantage>> = BTreeMap::new();
    let vantages: BTreeSet<&Vantage> = old.keys().chain(new.keys()).collect();
    for vantage in vantages {
        pairs.entry((old.get(vantage).copied(), new.get(vantage).copied())).or_default().push(vantage.clone());
    }
    let known_otherwise: Vec<&ResourceId> = before.1.known_otherwise(after.1).collect();
    let mut shifts: BTreeMap<By<Vantage>, Vec<ResourceId>> = BTreeMap::new();
    for ((was, is), vantages) in pairs {
        let class = |matrix: &'_ Matrix, index: Option<usize>| matrix.classes().get(index?).cloned();
        let (was, is) = (class(before.1, was), class(after.1, is));
        let mut shift = |cluster: &ResourceId, was: Option<Outcome>, is: Option<Outcome>| {
            if was != is {
                shifts.entry((vantages.clone(), was, is)).or_default().push(cluster.clone());
            }
        };
        // What a change did not touch is shared by both matrices.
        if let (Some(was), Some(is)) = (&was, &is)
            && Arc::ptr_eq(was, is)
        {
            for cluster in &known_otherwise {
                shift(cluster, before.1.outcome(was, cluster), after.1.outcome(is, cluster));
            }
            continue;
        }
        let row = |matrix: &'_ Matrix, class: Option<Arc<Class>>| {
            class.map_or_else(|| vec![None; matrix.clusters().len()], |class| matrix.outcomes(&class))
        };
        let mut old = before.1.clusters().zip(row(before.1, was)).peekable();
        let mut new = after.1.clusters().zip(row(after.1, is)).peekable();
        loop {
            // Both are in id order.
            let order = match (old.peek(), new.peek()) {
                (Some((old, _)), Some((new, _))) => old.cmp(new),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let was = if order.is_le() { old.next() } else { None };
            let is = if order.is_ge() { new.next() } else { None };
            if let Some((cluster, _)) = was.or(is) {
                shift(cluster, was.and_then(|(_, outcome)| outcome), is.and_then(|(_, outcome)| outcome));
            }
        }
    }
    let mut merged: BTreeMap<By<ResourceId>, Vec<Vantage>> = BTreeMap::new();
    for ((vantages, was, is), clusters) in shifts {
        merged.entry((clusters, was, is)).or_default().extend(vantages);
    }
    merged
        .into_iter()
        .map(|((clusters, before, after), mut vantages)| {
            vantages.sort();
            Shift { clusters, vantages, before, after }
        })
        .collect()
}
