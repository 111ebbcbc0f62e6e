//! Virtual network links: which networks ask a zone.

use azure::{ArmError, DnsName, Json, Kind, Resource, ResourceId, model::Model};
use serde_json::{Value, json};

use super::stamp;
use crate::provider::{Draft, Effect, Provider, Request};

/// The provider of virtual network links.
pub struct VirtualNetworkLinks;

impl Provider for VirtualNetworkLinks {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        let zone = id.parent().unwrap_or_else(|| id.clone());
        let mut draft = Draft::new(request, existing);
        draft.default("registrationEnabled", json!(false));
        set_policy(&mut draft, &zone, existing)?;
        draft.set("virtualNetworkLinkState", json!("Completed"));
        let properties = Value::Object(draft.properties().clone());
        let reader = Json::new(&properties);
        let network = reader.get("virtualNetwork").id();
        let network = network.ok_or_else(|| {
            ArmError::bad_request("BadRequest", format!("The link '{}' names no virtual network.", id.name()))
        })?;
        if request.estate.virtual_network(&network).is_none() {
            return Err(ArmError::bad_request(
                "BadRequest",
                format!("The virtual network {network} of link '{}' does not exist.", id.name()),
            ));
        }
        let before = existing.map(Resource::model);
        if matches!(before, Some(Model::VirtualNetworkLink(before)) if before.virtual_network != network) {
            return Err(ArmError::bad_request(
                "BadRequest",
                format!("The virtual network of link '{}' cannot be changed.", id.name()),
            ));
        }
        check_other_links(request, &id, &zone, &network, reader.get("registrationEnabled").flag() == Some(true))?;
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(20))
    }

    fn called(&self, id: &ResourceId) -> Option<String> {
        let zone = id.parent()?;
        Some(format!("Virtual Network link '{}' for the Private DNS zone '{}'", id.name(), zone.name()))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// Only links of Private Link's zones have a resolution policy (documentation "Troubleshoot Azure Private DNS
/// zone overrides", Azure/Azure-Landing-Zones#4088: any value is refused elsewhere).
fn set_policy(draft: &mut Draft, zone: &ResourceId, existing: Option<&Resource>) -> Result<(), ArmError> {
    const POLICY: &str = "resolutionPolicy";
    if DnsName::parse(zone.name()).is_ok_and(|zone| zone.is_private_link()) {
        draft.default(POLICY, json!("Default"));
        return Ok(());
    }
    let asked = draft.properties().get(POLICY).filter(|asked| !asked.is_null());
    // What stands may be older than this rule.
    let stands =
        existing.is_some_and(|existing| existing.document().value().pointer("/properties/resolutionPolicy") == asked);
    if asked.is_none() || stands {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "BadRequest",
        "The ResolutionPolicy property is applicable exclusively to private link zones",
    ))
}

/// A network has one link to a zone, asks one zone of a name, and registers in one zone.
fn check_other_links(
    request: &Request<'_>,
    id: &ResourceId,
    zone: &ResourceId,
    network: &ResourceId,
    registering: bool,
) -> Result<(), ArmError> {
    let name = DnsName::parse(zone.name()).ok();
    for other in
        request.estate.referrers(network).filter(|other| other.kind() == Kind::VirtualNetworkLink && other.id() != id)
    {
        let Model::VirtualNetworkLink(link) = other.model() else { continue };
        let Some(other_zone) = other.id().parent() else { continue };
        if other_zone == *zone {
            return Err(ArmError::conflict(
                "Conflict",
                format!(
                    "The virtual network {network} is already linked to zone '{}' by link '{}'.",
                    zone.name(),
                    other.id().name()
                ),
            ));
        }
        if DnsName::parse(other_zone.name()).ok() == name {
            return Err(ArmError::bad_request(
                "BadRequest",
                format!(
                    "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual network with '{}' and '{}' zones.",
                    zone.name(),
                    other_zone.name()
                ),
            ));
        }
        if registering && link.registration_enabled {
            return Err(ArmError::conflict(
                "Conflict",
                format!(
                    "A virtual network can only be linked to 1 Private DNS zone(s) with auto-registration enabled; \
                     conflicting Private DNS zone is '{}'.",
                    other_zone.name()
                ),
            ));
        }
    }
    Ok(())
}
