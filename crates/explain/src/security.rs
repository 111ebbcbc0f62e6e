//! The security view: which private addresses public DNS tells to everybody, what disabling a public
//! FQDN would break, which zones, links, records and settings are orphaned or contradict each other,
//! and where addresses overlap.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use azure::{
    DnsName, Estate, Kind, ResourceId, addressing,
    model::{ManagedCluster, Model, PrivateDnsZoneMode, RecordData},
};
use foldhash::HashMap;
use network::{Network, Vantage};
use serde::Serialize;

use crate::{
    cause::Code,
    edit::Edit,
    matrix::{Matrix, Outcome},
    place,
    question::Verdict,
};

/// A private address that public DNS tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disclosure {
    /// The cluster.
    pub cluster: ResourceId,
    /// The name in public DNS.
    pub name: DnsName,
    /// What it says, to whoever asks.
    pub address: Ipv4Addr,
    /// The vantages that connect by this name only: without it their connection is gone.
    pub needed_by: Vec<String>,
    /// Whether kubeconfigs name it by default: there is no private name.
    pub in_kubeconfig: bool,
    /// Why `--disable-public-fqdn` is refused, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// Something that contradicts something else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Contradiction {
    /// The stable code: a cause's, or `ORPHANED_ZONE`, `ORPHANED_LINK`, `ORPHANED_RECORD`.
    pub code: &'static str,
    /// What it is about.
    pub resource: ResourceId,
    /// One sentence.
    pub sentence: String,
}

/// Networks that share addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Overlap {
    /// The prefix that all of them have, or lie in.
    pub prefix: ipnet::Ipv4Net,
    /// The networks, sites and gateways' client pools.
    pub places: Vec<ResourceId>,
    /// Clusters of these networks that have one address.
    pub clusters: Vec<ResourceId>,
}

/// The security view of an estate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SecurityView {
    /// Private addresses in public DNS, by cluster.
    pub disclosed: Vec<Disclosure>,
    /// What is orphaned or contradicts itself.
    pub contradictions: Vec<Contradiction>,
    /// Where addresses overlap.
    pub overlaps: Vec<Overlap>,
}

/// Looks at a whole network; `matrix` is its matrix.
pub fn security(network: &Network, matrix: &Matrix) -> SecurityView {
    SecurityView {
        disclosed: disclosed(network, matrix),
        contradictions: contradictions(network),
        overlaps: overlaps(network),
    }
}

fn disclosed(network: &Network, matrix: &Matrix) -> Vec<Disclosure> {
    let mut needed_by: HashMap<&ResourceId, Vec<String>> = HashMap::default();
    for class in matrix.classes() {
        let connects = |outcome: Outcome| outcome.verdict != Verdict::Fails;
        for (cluster, outcome) in matrix.having(class, connects) {
            let only_name = || network.cluster(cluster).is_some_and(|cluster| cluster.private_fqdn.is_none());
            if outcome.verdict == Verdict::ConnectsByPublicFqdn || only_name() {
                needed_by.entry(cluster).or_default().extend(class.vantages.iter().map(Vantage::name));
            }
        }
    }
    let private = network.clusters().values().filter(|cluster| cluster.private);
    let told = private.filter_map(|cluster| {
        let name = cluster.public_names.iter().find(|name| cluster.fqdn.as_ref() == Some(*name))?;
        let without = Edit::PublicFqdn { cluster: cluster.id.clone(), enabled: false };
        Some(Disclosure {
            cluster: cluster.id.clone(),
            name: name.clone(),
            address: cluster.address?,
            needed_by: needed_by.remove(&cluster.id).unwrap_or_default(),
            in_kubeconfig: cluster.private_fqdn.is_none(),
            refused: without.changes(network.estate()).err().map(|error| error.to_string()),
        })
    });
    told.collect()
}

fn contradictions(network: &Network) -> Vec<Contradiction> {
    let estate = network.estate();
    let mut found = Vec::new();
    let writers = writers(estate);
    let mut called: HashMap<&DnsName, &ResourceId> = HashMap::default();
    for zone in network.zones().values() {
        called.entry(&zone.name).or_insert(&zone.id);
    }
    let mut owned: BTreeSet<ResourceId> = BTreeSet::new();
    for resource in estate.of_kind(Kind::ManagedCluster) {
        let Some(declared) = estate.managed_cluster(resource.id()) else { continue };
        let zone = place::zone_among(estate, declared, |name| called.get(name).map(|id| (*id).clone()));
        of_cluster(network, &writers, resource.id(), declared, zone.as_ref(), &mut found);
        owned.extend(zone);
    }
    let bearers = network.clusters().values();
    let borne = |cluster: &std::sync::Arc<network::Cluster>| {
        let names = cluster.private_fqdn.iter().chain(&cluster.fqdn).cloned();
        names.map(|name| (name, cluster.id.clone())).collect::<Vec<_>>()
    };
    let names: BTreeMap<DnsName, ResourceId> = bearers.flat_map(borne).collect();
    for zone in estate.of_kind(Kind::PrivateDnsZone).filter(|zone| is_aks(zone.id())) {
        of_zone(estate, zone.id(), &owned, &names, &mut found);
    }
    for id in network.virtual_networks().keys() {
        two_zones(estate, id, &mut found);
    }
    for client in network.clients().values() {
        for entry in &client.hosts {
            for name in
                entry.names.iter().filter(|name| name.as_str().ends_with(".azmk8s.io") && !names.contains_key(*name))
            {
                let sentence = format!("its hosts file has {name}, which is no cluster's name");
                found.push(new(Code::ClusterDeletedOrRecreated.as_str(), &client.id, sentence));
            }
        }
    }
    found.sort();
    found
}

fn new(code: &'static str, resource: &ResourceId, sentence: impl Into<String>) -> Contradiction {
    Contradiction { code, resource: resource.clone(), sentence: sentence.into() }
}

fn is_aks(zone: &ResourceId) -> bool {
    let name = zone.name().to_ascii_lowercase();
    name.ends_with(".azmk8s.io") && name.split('.').any(|label| label == "privatelink")
}

fn of_cluster(
    network: &Network,
    writers: &Writers<'_>,
    id: &ResourceId,
    declared: &ManagedCluster,
    zone: Option<&ResourceId>,
    found: &mut Vec<Contradiction>,
) {
    let estate = network.estate();
    if !declared.private {
        return;
    }
    if !declared.authorized_ranges.is_empty() {
        found.push(new(
            Code::AuthorizedRangesWithPrivate.as_str(),
            id,
            "it is private and has authorized IP ranges, which Azure refuses",
        ));
    }
    if place::run_command_disabled(estate, id) {
        found.push(new(
            Code::RunCommandFails.as_str(),
            id,
            "run command is disabled: `az aks command invoke` is no way in",
        ));
    }
    if declared.zone == PrivateDnsZoneMode::None && declared.private_fqdn.is_some() {
        found.push(new(
            Code::ZoneNoneButNameCached.as_str(),
            id,
            "its private DNS zone is `none`, and it still has a private FQDN",
        ));
    }
    let endpoints = place::endpoints(estate, id);
    let own = endpoints.iter().find(|endpoint| endpoint.own);
    if let (Some(own), Some(zone)) = (own, zone)
        && declared.running
    {
        let asking = network.virtual_network(&own.network);
        let followed = asking.and_then(|held| held.linked_zones.get(&*zone.name().to_ascii_lowercase()));
        let silent = asking.into_iter().flat_map(|held| &held.silent_zones);
        let namesakes = || {
            let all = followed.into_iter().chain(silent.clone()).map(|linked| &linked.zone);
            all.filter(|linked| linked.name().eq_ignore_ascii_case(zone.name()))
        };
        // Of a zone that the source does not have it may have the links.
        let links = estate.children(zone, Kind::VirtualNetworkLink).filter(|_| !estate.contains(zone));
        let mut linked = links.filter_map(|link| match link.model() {
            Model::VirtualNetworkLink(declared) => Some(&declared.virtual_network),
            _ => None,
        });
        let is_linked = namesakes().any(|linked| linked == zone) || linked.any(|linked| *linked == own.network);
        match (is_linked, namesakes().find(|linked| *linked != zone)) {
            (true, _) => {}
            (false, Some(other)) => found.push(new(
                Code::AutoLinkConflict.as_str(),
                id,
                format!(
                    "AKS cannot link {} to {}: a zone of that name, {other}, is linked already",
                    zone.name(),
                    own.network.name()
                ),
            )),
            (false, None) => found.push(new(
                Code::AutoLinkConflict.as_str(),
                id,
                format!(
                    "zone {} is not linked to the cluster's own network {}, and AKS will link it again",
                    zone.name(),
                    own.network.name()
                ),
            )),
        }
    }
    if let PrivateDnsZoneMode::Own(zone) = &declared.zone {
        rights(estate, writers, id, zone, found);
    }
}

/// The role definition ids that let the control plane write into a zone: *Private DNS Zone
/// Contributor*, *Contributor*, *Owner* (documentation "Azure built-in roles").
const ZONE_WRITERS: [&str; 3] = [
    "b12aa53e-6015-4669-85d0-8515ebb3ae7f",
    "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
];

/// By principal: where it may write into zones; nothing for what other roles it has.
type Writers<'a> = HashMap<&'a str, Vec<Option<ResourceId>>>;

fn writers(estate: &Estate) -> Writers<'_> {
    let mut writers = Writers::default();
    for resource in estate.of_kind(Kind::RoleAssignment) {
        if let Model::RoleAssignment(held) = resource.model() {
            let scope = ZONE_WRITERS.contains(&held.role.as_str()).then(|| held.scope.clone());
            writers.entry(held.principal_id.as_str()).or_default().push(scope);
        }
    }
    writers
}

/// The control plane's rights on the user's zone, where the source knows of any role assignments.
fn rights(
    estate: &Estate,
    writers: &Writers<'_>,
    cluster: &ResourceId,
    zone: &ResourceId,
    found: &mut Vec<Contradiction>,
) {
    let Some(resource) = estate.get(cluster).filter(|_| !writers.is_empty()) else { return };
    let document = resource.document().value();
    let identities = document["identity"]["userAssignedIdentities"].as_object().into_iter().flatten();
    let principals: Vec<String> = identities
        .filter_map(|(id, shown)| {
            let known = ResourceId::parse(id)
                .ok()
                .and_then(|id| Some(estate.user_assigned_identity(&id)?.principal_id.clone()));
            known.or_else(|| shown["principalId"].as_str().map(str::to_owned))
        })
        .collect();
    let scopes = principals.iter().filter_map(|principal| writers.get(principal.as_str())).flatten();
    let may = scopes.into_iter().any(|scope| scope.as_ref().is_some_and(|scope| scope == zone || zone.is_below(scope)));
    if !principals.is_empty() && !may {
        let sentence = format!("its identity is not Private DNS Zone Contributor of its own zone {}", zone.name());
        found.push(new(Code::ByoZonePermission.as_str(), cluster, sentence));
    }
}

fn of_zone(
    estate: &Estate,
    zone: &ResourceId,
    owned: &BTreeSet<ResourceId>,
    names: &BTreeMap<DnsName, ResourceId>,
    found: &mut Vec<Contradiction>,
) {
    let Some(declared) = estate.private_dns_zone(zone) else { return };
    let mut records = 0;
    for record in estate.below(zone).filter(|record| record.kind() == Kind::RecordA) {
        records += 1;
        let Ok(name) = declared.name.prepend(record.id().name()) else { continue };
        let Some(set) = estate.record_set(record.id()) else { continue };
        let Some(cluster) = names.get(&name) else {
            let sentence = format!("{name} is no cluster's name ({})", Code::ClusterDeletedOrRecreated);
            found.push(new("ORPHANED_RECORD", record.id(), sentence));
            continue;
        };
        let endpoints = place::endpoints(estate, cluster);
        let stale = set.records.iter().find_map(|data| match data {
            RecordData::A(address) => (!endpoints.iter().any(|end| end.address == *address)).then_some(*address),
            _ => None,
        });
        if let Some(address) = stale.filter(|_| !endpoints.is_empty()) {
            let sentence = format!("it says {address} for {name}, which is no endpoint of {}", cluster.name());
            found.push(new(Code::StaleRecordAfterStopStart.as_str(), record.id(), sentence));
        }
    }
    if !owned.contains(zone) {
        let what =
            if records == 0 { "and has no records: where it is linked, it shadows what would answer" } else { "" };
        found.push(new("ORPHANED_ZONE", zone, format!("no cluster has this zone {what}").trim_end().to_owned()));
    }
    for link in estate.children(zone, Kind::VirtualNetworkLink) {
        if let Model::VirtualNetworkLink(declared) = link.model()
            && !estate.contains(&declared.virtual_network)
        {
            let sentence = format!("it links to {}, which the source does not have", declared.virtual_network.name());
            found.push(new("ORPHANED_LINK", link.id(), sentence));
        }
    }
}

fn two_zones(estate: &Estate, network: &ResourceId, found: &mut Vec<Contradiction>) {
    let mut by_name: BTreeMap<String, Vec<ResourceId>> = BTreeMap::new();
    for (zone, _) in place::links_to(estate, network) {
        by_name.entry(zone.name().to_ascii_lowercase()).or_default().push(zone);
    }
    for (name, zones) in by_name.iter().filter(|(_, zones)| zones.len() > 1) {
        let groups: Vec<&str> = zones.iter().filter_map(ResourceId::group_name).collect();
        let sentence = format!(
            "it is linked to {} zones called {name}, of groups {}; Azure refuses the second link",
            zones.len(),
            groups.join(", ")
        );
        found.push(new(Code::DuplicateZoneOverlap.as_str(), network, sentence));
    }
}

/// Groups of address spaces that overlap: the widest prefix stands for its group.
fn overlaps(network: &Network) -> Vec<Overlap> {
    let estate = network.estate();
    let networks = network
        .virtual_networks()
        .values()
        .flat_map(|held| held.address_space.iter().map(|prefix| (*prefix, &held.id)));
    let sites = network.sites().values().flat_map(|site| site.address_space.iter().map(|prefix| (*prefix, &site.id)));
    let mut spaces: Vec<(ipnet::Ipv4Net, &ResourceId)> = networks.chain(sites).collect();
    // Prefixes nest or are apart: sorted, whatever lies in one follows it.
    spaces.sort_by_key(|(prefix, id)| (prefix.network(), prefix.prefix_len(), (*id).clone()));
    let mut groups: Vec<(ipnet::Ipv4Net, BTreeSet<ResourceId>)> = Vec::new();
    for (prefix, id) in spaces {
        match groups.last_mut().filter(|(widest, _)| addressing::overlap(&[*widest], &[prefix]).is_some()) {
            Some((_, places)) => _ = places.insert(id.clone()),
            None => groups.push((prefix, BTreeSet::from([id.clone()]))),
        }
    }
    let shared = groups.into_iter().filter(|(_, places)| places.len() > 1);
    let mut holders: BTreeMap<Ipv4Addr, Vec<(ResourceId, ResourceId)>> = BTreeMap::new();
    for cluster in network.clusters().keys() {
        for endpoint in place::endpoints(estate, cluster) {
            holders.entry(endpoint.address).or_default().push((endpoint.network, cluster.clone()));
        }
    }
    shared
        .map(|(prefix, places)| {
            let twins = holders.range(prefix.network()..=prefix.broadcast()).filter(|(_, held)| held.len() > 1);
            let clusters = twins
                .flat_map(|(_, held)| held)
                .filter(|(at, _)| places.contains(at))
                .map(|(_, cluster)| cluster.clone());
            Overlap {
                prefix,
                clusters: clusters.collect::<BTreeSet<_>>().into_iter().collect(),
                places: places.into_iter().collect(),
            }
        })
        .collect()
}
