//! What a source refers to, or counts, and does not have.

use std::collections::BTreeMap;

use azure::{
    Estate, Json, Kind, Resource, ResourceId,
    model::{ManagedCluster, Model, PrivateDnsZoneMode},
};

use super::endpoint;
use crate::SourceFinding;

pub(super) fn find(estate: &Estate, findings: &mut Vec<SourceFinding>) {
    let mut missing: BTreeMap<&ResourceId, &Resource> = BTreeMap::new();
    let mut stateless = 0_usize;
    for resource in estate.iter() {
        for target in resource.references() {
            if !matches!(Kind::of(target), Kind::ResourceGroup | Kind::Other) && !estate.contains(target) {
                missing.entry(target).or_insert(resource);
            }
        }
        match resource.model() {
            Model::PrivateDnsZone(_) => zone(estate, resource, findings),
            Model::VirtualMachine(_) if resource.hidden().text() == "{}" => stateless += 1,
            Model::ManagedCluster(declared) => cluster(estate, resource, declared, findings),
            _ => {}
        }
    }
    for (target, referrer) in missing {
        // The other half of a peering and a zone's far links lie where somebody may have no rights.
        let message = format!("it is referred to by `{}`, and is not in the source", referrer.id());
        findings.push(SourceFinding::warning("NotInSource", message).of(target));
    }
    if stateless > 0 {
        let message = format!(
            "whether {stateless} virtual machines run is not in the source: they are taken to run; `az vm list -d` says it"
        );
        findings.push(SourceFinding::note("PowerStateUnknown", message));
    }
}

/// A zone says how many record sets and links it has.
fn zone(estate: &Estate, zone: &Resource, findings: &mut Vec<SourceFinding>) {
    let document = zone.document().value();
    let said = |name: &str| Json::new(&document).get("properties").get(name).number().unwrap_or(0) as usize;
    let group = zone.id().group_name().unwrap_or_default();
    let (mut sets, mut links) = (0, 0);
    for child in estate.below(zone.id()) {
        sets += usize::from(child.kind().is_record_set());
        links += usize::from(child.kind() == Kind::VirtualNetworkLink);
    }
    let counts = [
        ("RecordsMissing", "numberOfRecordSets", sets, "record sets", "record-set list"),
        ("LinksMissing", "numberOfVirtualNetworkLinks", links, "virtual network links", "link vnet list"),
    ];
    for (code, count, has, what, command) in counts {
        // Every zone has its SOA record, which no name depends on.
        let said = said(count);
        let spare = usize::from(code == "RecordsMissing");
        if said > has + spare {
            let message = format!(
                "the zone has {said} {what}, the source {has}: add `az network private-dns {command} -g {group} -z {}`",
                zone.id().name()
            );
            findings.push(SourceFinding::warning(code, message).of(zone.id()));
        }
    }
}

fn cluster(estate: &Estate, cluster: &Resource, declared: &ManagedCluster, findings: &mut Vec<SourceFinding>) {
    let systems = declared.private && declared.running && declared.zone == PrivateDnsZoneMode::System;
    if let Some(zone) = endpoint::zone_id(declared).filter(|zone| systems && !estate.contains(zone)) {
        let message = format!(
            "its zone {} is not in the source, so that its private name leads nowhere: add `az network private-dns zone list`, \
             and record sets and links of the zone",
            zone.name()
        );
        findings.push(SourceFinding::warning("ZoneMissing", message).of(cluster.id()));
    }
    let document = cluster.document().value();
    let access = Json::new(&document).at("properties.apiServerAccessProfile");
    if access.get("enableVnetIntegration").flag() == Some(true) {
        let message = "API server VNet integration is not modelled: its address and its way to it may differ";
        findings.push(SourceFinding::warning("NotModelled", message).of(cluster.id()));
    }
}
