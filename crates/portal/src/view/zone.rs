//! Private DNS zones: their record sets and their virtual network links.

use azure::{
    DnsName, Kind, ResourceId,
    model::{Model, RecordData, ResolutionPolicy},
};
use network::Network;

/// A private DNS zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// The zone.
    pub id: ResourceId,
    /// Its name.
    pub name: DnsName,
    /// Its record sets.
    pub records: Vec<Record>,
    /// Its links.
    pub links: Vec<Link>,
    /// The clusters whose private names lie in it.
    pub clusters: Vec<ResourceId>,
}

/// A record set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The name, relative to the zone; `@` for the zone itself.
    pub name: String,
    /// The type.
    pub kind: &'static str,
    /// Seconds.
    pub ttl_s: u32,
    /// The records, as a zone file has them.
    pub values: Vec<String>,
}

/// A virtual network link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The link.
    pub id: ResourceId,
    /// The network that asks the zone.
    pub network: ResourceId,
    /// `registrationEnabled`.
    pub registration: bool,
    /// `resolutionPolicy: NxDomainRedirect`.
    pub redirects: bool,
}

/// A zone in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The zone.
    pub id: ResourceId,
    /// How many record sets it has.
    pub records: usize,
    /// How many networks ask it.
    pub links: usize,
}

/// Every zone whose id has the words of `search`.
pub fn list(network: &Network, search: &str) -> Vec<Line> {
    let estate = network.estate();
    let zones = estate.of_kind(Kind::PrivateDnsZone).map(|zone| zone.id());
    let found = zones.filter(|id| super::has_words(id.as_str(), search));
    let line = |id: &ResourceId| {
        let (mut records, mut links) = (0, 0);
        for below in estate.below(id) {
            records += usize::from(below.kind().is_record_set());
            links += usize::from(below.kind() == Kind::VirtualNetworkLink);
        }
        Line { id: id.clone(), records, links }
    };
    found.map(line).collect()
}

/// The networks that are linked to a zone.
pub(super) fn linked<'a>(network: &'a Network, zone: &'a ResourceId) -> impl Iterator<Item = &'a ResourceId> {
    network.estate().below(zone).filter_map(|below| match below.model() {
        Model::VirtualNetworkLink(link) => Some(&link.virtual_network),
        _ => None,
    })
}

/// One zone.
pub fn zone(network: &Network, id: &ResourceId) -> Option<Zone> {
    let estate = network.estate();
    let declared = estate.private_dns_zone(id)?;
    let (mut records, mut links) = (Vec::new(), Vec::new());
    for below in estate.below(id) {
        match below.model() {
            Model::RecordSet(set) => records.push(Record {
                name: below.id().name().to_owned(),
                kind: below.kind().collection(),
                ttl_s: set.ttl_s,
                values: set.records.iter().map(value).collect(),
            }),
            Model::VirtualNetworkLink(link) => links.push(Link {
                id: below.id().clone(),
                network: link.virtual_network.clone(),
                registration: link.registration_enabled,
                redirects: link.resolution_policy == ResolutionPolicy::NxDomainRedirect,
            }),
            _ => {}
        }
    }
    let within = |name: &DnsName| name.is_within(&declared.name);
    let clusters = network.clusters().values().filter(|cluster| cluster.private_fqdn.as_ref().is_some_and(within));
    let clusters = clusters.map(|cluster| cluster.id.clone()).collect();
    Some(Zone { id: estate.get(id)?.id().clone(), name: declared.name.clone(), records, links, clusters })
}

fn value(data: &RecordData) -> String {
    match data {
        RecordData::A(address) => address.to_string(),
        RecordData::Aaaa(address) => address.to_string(),
        RecordData::Cname(name) | RecordData::Ptr(name) => name.to_string(),
        RecordData::Mx { preference, exchange } => format!("{preference} {exchange}"),
        RecordData::Soa(soa) => format!("{} {} {}", soa.host, soa.email, soa.serial),
        RecordData::Srv { priority, weight, port, target } => format!("{priority} {weight} {port} {target}"),
        RecordData::Txt(texts) => texts.join(" "),
    }
}
