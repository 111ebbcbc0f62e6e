//! Private DNS zones. Each begins with its start of authority.

use azure::{ArmError, Change, DnsName, Estate, Kind, Resource, ResourceId};
use serde_json::{Value, json};

use super::{records::has_suffix, stamp};
use crate::{
    page::{self, Page},
    provider::{Draft, Effect, Provider, Reply, Request, delete_tree},
};

/// The provider of private DNS zones.
pub struct PrivateDnsZones;

impl Provider for PrivateDnsZones {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        if DnsName::parse(id.name()).is_err() || !id.name().contains('.') {
            return Err(ArmError::bad_request(
                "BadRequest",
                format!(
                    "The zone name '{}' is not valid: it must have two labels or more, separated by periods.",
                    id.name()
                ),
            ));
        }
        let mut draft = Draft::new(request, existing);
        for (name, value) in limits() {
            draft.set(name, value);
        }
        stamp(&mut draft, request);
        let mut effect = draft.finish(request, existing);
        if existing.is_none() {
            effect.changes.push(start_of_authority(&id));
        }
        Ok(effect.taking(15))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        if let Some(link) = request.estate.children(existing.id(), Kind::VirtualNetworkLink).next() {
            let relative = link.id().as_str().rsplit_once("/providers/").map_or("", |(_, relative)| relative);
            return Err(ArmError::conflict(
                "CannotDeleteResource",
                format!(
                    "Cannot delete resource while nested resources exist. Some existing nested resource IDs include: \
                     '{relative}'. Please delete all nested resources before deleting this resource."
                ),
            ));
        }
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done).taking(10))
    }

    fn view(&self, request: &mut Request<'_>, existing: &Resource, view: &str) -> Result<Value, ArmError> {
        if view != "all" && view != "recordsets" {
            return Err(ArmError::not_found("NotFound", format!("The resource '{}' has no '{view}'.", request.id)));
        }
        let sets = request.estate.below(existing.id()).filter(|resource| resource.kind().is_record_set());
        let part = Page::of(request, page::RECORD_SETS)?.cut(sets.filter(|set| has_suffix(request, set)));
        Ok(page::listed(part.resources.iter().map(|set| set.document().value()).collect(), part.next))
    }

    fn called(&self, id: &ResourceId) -> Option<String> {
        Some(format!("Zone {}", id.name()))
    }

    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        let mut document = resource.document().value();
        let links = || estate.children(resource.id(), Kind::VirtualNetworkLink);
        let registering = links().filter(|link| link.document().value()["properties"]["registrationEnabled"] == true);
        let sets = estate.below(resource.id()).filter(|resource| resource.kind().is_record_set());
        document["properties"]["numberOfRecordSets"] = json!(sets.count());
        document["properties"]["numberOfVirtualNetworkLinks"] = json!(links().count());
        document["properties"]["numberOfVirtualNetworkLinksWithRegistration"] = json!(registering.count());
        document
    }
}

fn limits() -> [(&'static str, Value); 3] {
    [
        ("maxNumberOfRecordSets", json!(25_000)),
        ("maxNumberOfVirtualNetworkLinks", json!(1_000)),
        ("maxNumberOfVirtualNetworkLinksWithRegistration", json!(100)),
    ]
}

/// The document of a zone that a service makes.
pub(crate) fn zone_document(id: &ResourceId, etag: &str) -> Value {
    let mut document = json!({
        "id": id, "name": id.name(), "type": Kind::PrivateDnsZone.arm_type(), "location": "global", "etag": etag,
        "tags": {}, "properties": {"provisioningState": "Succeeded"},
    });
    for (name, value) in limits() {
        document["properties"][name] = value;
    }
    document
}

/// The SOA record set every new zone has.
pub(crate) fn start_of_authority(zone: &ResourceId) -> Change {
    let id = zone.child("SOA", "@");
    let document = json!({
        "id": id,
        "name": "@",
        "type": Kind::RecordSoa.arm_type(),
        "etag": "00000000-0000-0000-0000-000000000000",
        "properties": {
            "fqdn": format!("{}.", zone.name()),
            "isAutoRegistered": false,
            "ttl": 3600,
            "soaRecord": {
                "email": "azureprivatedns-host.microsoft.com",
                "expireTime": 2_419_200,
                "host": "azureprivatedns.net",
                "minimumTtl": 10,
                "refreshTime": 3600,
                "retryTime": 300,
                "serialNumber": 1,
            },
        },
    });
    Change::put(Resource::new(id, &document))
}
