//! `Microsoft.Network` without DNS zones: virtual networks, what stands in them and leads into them.

pub mod associations;
pub mod dns_resolver;
pub mod dns_zone_groups;
pub mod network_interfaces;
pub mod peerings;
pub mod private_endpoints;
pub mod public_ip_addresses;
pub mod subnets;
pub mod virtual_networks;
pub mod vpn;

use azure::ArmError;
use serde_json::{Value, json};

use crate::provider::{Draft, Request};

/// Gives a document a new etag, at the top and (as Network does) quoted as a weak validator.
pub(super) fn stamp(draft: &mut Draft, request: &mut Request<'_>) {
    let etag = format!("W/\"{}\"", request.entropy.guid());
    draft.document["etag"] = json!(etag);
}

/// Sets `properties.resourceGuid` once and for all.
pub(super) fn resource_guid(draft: &mut Draft, request: &mut Request<'_>, before: Option<&Value>) {
    let kept = before.and_then(|document| document["properties"]["resourceGuid"].as_str()).map(str::to_owned);
    let guid = kept.unwrap_or_else(|| request.entropy.guid());
    draft.set("resourceGuid", json!(guid));
}

/// Takes a list of embedded children out of the body; `None` when the client left it out.
pub(super) fn take_list(draft: &mut Draft, name: &str) -> Option<Vec<Value>> {
    match draft.properties().shift_remove(name) {
        Some(Value::Array(list)) => Some(list),
        _ => None,
    }
}

/// A reference to what does not exist.
pub(crate) fn invalid_reference(reference: &str, by: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidResourceReference",
        format!(
            "Resource {reference} referenced by resource {by} was not found. Please make sure that the referenced \
             resource exists, and that both resources are in the same region."
        ),
    )
}
