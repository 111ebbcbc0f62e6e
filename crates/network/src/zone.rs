//! A private DNS zone, compiled for answering: exact names, empty non-terminals, wildcards.
//!
//! Names are kept by their labels in reverse (`www.a` as `a.www`), so that everything below a name
//! is a range. Changing one record set costs a logarithm of the zone, not the zone.

use std::{borrow::Cow, ops::Bound, sync::Arc};

use azure::{
    DnsName, Estate, Kind, ResourceId,
    model::{Model, RecordData, RecordSet, RecordType, Soa},
};
use imbl::OrdMap;

/// Seconds a negative answer may be kept when a zone does not say (Azure's private zones say 10).
const DEFAULT_NEGATIVE_TTL_S: u32 = 10;
/// Time to live of an automatically registered record, in seconds (Azure registers with 10).
const REGISTERED_TTL_S: u32 = 10;

/// The kinds of record sets, by type.
const RECORD_KINDS: [(Kind, RecordType); 8] = [
    (Kind::RecordA, RecordType::A),
    (Kind::RecordAaaa, RecordType::Aaaa),
    (Kind::RecordCname, RecordType::Cname),
    (Kind::RecordMx, RecordType::Mx),
    (Kind::RecordPtr, RecordType::Ptr),
    (Kind::RecordSoa, RecordType::Soa),
    (Kind::RecordSrv, RecordType::Srv),
    (Kind::RecordTxt, RecordType::Txt),
];

/// All records of one name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Node {
    sets: Vec<(RecordType, RecordSet)>,
}

impl Node {
    /// The record set of a type.
    pub fn get(&self, record_type: RecordType) -> Option<&RecordSet> {
        self.sets.iter().find(|(held, _)| *held == record_type).map(|(_, set)| set)
    }

    /// Every record set, with its type.
    pub fn sets(&self) -> impl Iterator<Item = (RecordType, &RecordSet)> {
        self.sets.iter().map(|(held, set)| (*held, set))
    }
}

/// A private DNS zone at one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The zone's resource.
    pub id: ResourceId,
    /// The zone's name.
    pub name: DnsName,
    soa: Soa,
    nodes: OrdMap<Arc<str>, Arc<Node>>,
    registered: OrdMap<Arc<str>, Arc<Node>>,
    /// How many names are aliases.
    aliases: usize,
}

/// What a zone says of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup<'a> {
    /// The name exists with these records (perhaps made by a wildcard).
    Exists(&'a Node),
    /// Only names below it exist, so it has no records (RFC 8020).
    EmptyNonTerminal,
    /// It does not exist.
    Absent,
}

impl Zone {
    /// Compiles the zone `id`; `None` when there is no such zone.
    pub fn compile(estate: &Estate, id: &ResourceId) -> Option<Self> {
        let name = estate.private_dns_zone(id)?.name.clone();
        let mut zone = Self {
            id: estate.get(id)?.id().clone(),
            soa: default_soa(),
            name,
            nodes: OrdMap::new(),
            registered: OrdMap::new(),
            aliases: 0,
        };
        let names: std::collections::BTreeSet<String> = estate
            .below(id)
            .filter(|resource| resource.kind().is_record_set())
            .map(|resource| resource.id().name().to_ascii_lowercase())
            .collect();
        for name in names {
            zone.recompile_name(estate, &name);
        }
        zone.recompile_registered(estate);
        Some(zone)
    }

    /// Brings the records of one relative name (`@` for the zone itself) up to date.
    pub fn recompile_name(&mut self, estate: &Estate, relative: &str) {
        let mut node = Node::default();
        for (kind, record_type) in RECORD_KINDS {
            let id = self.id.child(kind.collection(), relative);
            let Some(set) = estate.record_set(&id) else { continue };
            if let Some(RecordData::Soa(soa)) = set.records.first() {
                self.soa = soa.clone();
            }
            if !set.records.is_empty() {
                node.sets.push((record_type, set.clone()));
            }
        }
        let key = reversed(if relative == "@" { "" } else { relative });
        let is_alias = |node: &Node| node.get(RecordType::Cname).is_some();
        let comes = usize::from(is_alias(&node));
        let old =
            if node.sets.is_empty() { self.nodes.remove(&*key) } else { self.nodes.insert(key.into(), Arc::new(node)) };
        self.aliases = self.aliases + comes - usize::from(old.is_some_and(|old| is_alias(&old)));
    }

    /// Brings the automatically registered names up to date: every virtual machine of a network
    /// linked with `registrationEnabled`, by its primary interface; an interface without a machine
    /// is taken for one of its own name. A record that somebody wrote wins.
    pub fn recompile_registered(&mut self, estate: &Estate) {
        let mut registered: OrdMap<Arc<str>, Arc<Node>> = OrdMap::new();
        for resource in estate.children(&self.id, Kind::VirtualNetworkLink) {
            let Model::VirtualNetworkLink(link) = resource.model() else { continue };
            if !link.registration_enabled {
                continue;
            }
            for (subnet, _) in estate.subnets(&link.virtual_network) {
                for nic in estate.referrers(subnet) {
                    let Model::NetworkInterface(interface) = nic.model() else { continue };
                    let Some(name) = registered_name(estate, nic.id()) else { continue };
                    let addresses: Vec<RecordData> = interface
                        .ip_configurations
                        .iter()
                        .filter_map(|configuration| configuration.address.map(RecordData::A))
                        .collect();
                    if interface.private_endpoint.is_none() && !addresses.is_empty() {
                        let set = RecordSet { ttl_s: REGISTERED_TTL_S, records: addresses };
                        let node = Node { sets: vec![(RecordType::A, set)] };
                        registered.insert(reversed(&name).into(), Arc::new(node));
                    }
                }
            }
        }
        self.registered = registered;
    }

    /// Whether names in it stand for others, which may lie in other zones.
    pub fn has_aliases(&self) -> bool {
        self.aliases > 0
    }

    /// The zone's start of authority.
    pub fn soa(&self) -> &Soa {
        &self.soa
    }

    /// What the zone says of the name `relative` (without the zone; empty for the zone itself).
    pub fn lookup(&self, relative: &str) -> Lookup<'_> {
        match self.exact(relative) {
            Lookup::Absent => self.wildcard(relative),
            found => found,
        }
    }

    fn exact(&self, relative: &str) -> Lookup<'_> {
        let key = reversed(relative);
        if let Some(node) = self.node(&key) {
            return Lookup::Exists(node);
        }
        if self.encloses(&key) { Lookup::EmptyNonTerminal } else { Lookup::Absent }
    }

    /// RFC 4592 §3.3: a wildcard directly below the closest encloser stands in for what is absent.
    fn wildcard(&self, relative: &str) -> Lookup<'_> {
        let mut encloser = relative;
        while !encloser.is_empty() {
            encloser = encloser.split_once('.').map_or("", |(_, rest)| rest);
            if !encloser.is_empty() && matches!(self.exact(encloser), Lookup::Absent) {
                continue;
            }
            let wildcard = if encloser.is_empty() { "*".into() } else { reversed(encloser) + ".*" };
            return self.node(&wildcard).map_or(Lookup::Absent, Lookup::Exists);
        }
        Lookup::Absent
    }

    /// The records of the name with this reversed key; what somebody wrote comes first.
    fn node(&self, key: &str) -> Option<&Node> {
        self.nodes.get(key).or_else(|| self.registered.get(key)).map(Arc::as_ref)
    }

    /// Whether the name with this reversed key is the zone itself or has names below it.
    fn encloses(&self, key: &str) -> bool {
        if key.is_empty() {
            return true;
        }
        let start = format!("{key}.");
        let from = (Bound::Included(start.as_str()), Bound::Unbounded);
        [&self.nodes, &self.registered]
            .into_iter()
            .any(|names| names.range::<_, str>(from).next().is_some_and(|(next, _)| next.starts_with(&start)))
    }
}

/// The name under which an interface registers its addresses; none for a machine's further ones.
fn registered_name(estate: &Estate, nic: &ResourceId) -> Option<String> {
    let mut holders = estate.referrers(nic).filter(|holder| holder.kind() == Kind::VirtualMachine);
    let Some(holder) = holders.next() else { return Some(nic.name().to_ascii_lowercase()) };
    let primary = estate.virtual_machine(holder.id())?.network_interfaces.first();
    (primary == Some(nic)).then(|| holder.id().name().to_ascii_lowercase())
}

/// A dotted name with its labels in reverse order.
fn reversed(relative: &str) -> Cow<'_, str> {
    if !relative.contains('.') {
        return relative.into();
    }
    let mut key = String::with_capacity(relative.len());
    for label in relative.rsplit('.') {
        if !key.is_empty() {
            key.push('.');
        }
        key.push_str(label);
    }
    key.into()
}

/// What Azure puts into a private zone that has no SOA record set of its own.
pub(crate) fn default_soa() -> Soa {
    let name = |text: &str| DnsName::parse(text).unwrap_or_else(|_| DnsName::root());
    Soa {
        host: name("azureprivatedns.net"),
        email: name("azureprivatedns-host.microsoft.com"),
        serial: 1,
        refresh_s: 3600,
        retry_s: 300,
        expire_s: 2_419_200,
        minimum_s: DEFAULT_NEGATIVE_TTL_S,
    }
}
