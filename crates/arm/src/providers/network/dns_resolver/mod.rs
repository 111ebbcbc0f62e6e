//! The DNS private resolver: resolvers with their endpoints, rulesets with their rules and links.
//!
//! Sources: documentation "Azure DNS Private Resolver" (restrictions, limits) and "Endpoints and
//! rulesets"; REST specification `Microsoft.Network/DnsResolver`; Azure/azure-rest-api-specs issue
//! 21744 and MicrosoftDocs/azure-docs issue 107008 for its words. The service refuses nearly all
//! with the code `BadRequest`, and with `Conflict` what another resource or an earlier value stands against.

mod endpoints;
mod resolvers;
mod rules;
mod rulesets;

use azure::{ArmError, Estate, Json, Kind, Resource, ResourceId};
pub use endpoints::{InboundEndpoints, OutboundEndpoints};
pub use resolvers::DnsResolvers;
pub use rules::ForwardingRules;
pub use rulesets::{ForwardingRulesets, RulesetLinks};
use serde_json::{Value, json};

use crate::provider::{Draft, Request};

/// What a virtual network's `POST` of this name lists: the resolvers in it, the rulesets linked to it.
pub(super) fn list_by_network(estate: &Estate, network: &ResourceId, action: &str) -> Option<Value> {
    let referrers = estate.referrers(network);
    let values: Vec<Value> = match action {
        "listdnsresolvers" => {
            referrers.filter(|one| one.kind() == Kind::DnsResolver).map(|one| json!({"id": one.id()})).collect()
        }
        "listdnsforwardingrulesets" => referrers
            .filter(|one| one.kind() == Kind::RulesetLink)
            .map(|link| json!({"id": link.id().parent(), "properties": {"virtualNetworkLink": {"id": link.id()}}}))
            .collect(),
        _ => return None,
    };
    Some(json!({"value": values}))
}

fn bad_request(message: String) -> ArmError {
    ArmError::bad_request("BadRequest", message)
}

fn conflict(message: String) -> ArmError {
    ArmError::conflict("Conflict", message)
}

/// Gives a document a new etag, quoted as this service does.
fn stamp(draft: &mut Draft, request: &mut Request<'_>) {
    draft.document["etag"] = json!(format!("\"{}\"", request.entropy.guid()));
}

/// The reference `properties.<name>` of a body.
fn reference(draft: &mut Draft, name: &str, of: &ResourceId) -> Result<ResourceId, ArmError> {
    let properties = Value::Object(draft.properties().clone());
    Json::new(&properties)
        .get(name)
        .id()
        .ok_or_else(|| bad_request(format!("The request for {of} does not specify the required property '{name}'.")))
}

fn location(document: &Value) -> String {
    Json::new(document).get("location").text().unwrap_or_default().to_owned()
}

/// Refuses a document whose resource belongs to what lies in another region.
fn check_region(document: &Value, of: &ResourceId, other: &Resource) -> Result<(), ArmError> {
    let (here, there) = (location(document), location(&other.document().value()));
    if here.eq_ignore_ascii_case(&there) {
        return Ok(());
    }
    Err(bad_request(format!("{of} in '{here}' must be in the same region as {}, which is in '{there}'.", other.id())))
}

/// The resource a body refers to, which is there.
fn require<'a>(estate: &'a Estate, reference: &ResourceId, by: &ResourceId) -> Result<&'a Resource, ArmError> {
    let found = estate.get(reference).map(AsRef::as_ref);
    found.ok_or_else(|| super::invalid_reference(reference.as_str(), by.as_str()))
}

/// Refuses to go beyond a limit of the service.
fn check_limit(count: usize, max: usize, what: &str, of: &ResourceId) -> Result<(), ArmError> {
    if count <= max {
        return Ok(());
    }
    Err(bad_request(format!("{of} cannot have more than {max} {what}.")))
}
