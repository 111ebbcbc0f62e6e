//! Private DNS: zones, their record sets, their links to virtual networks.

pub mod links;
pub mod records;
pub mod zones;

use serde_json::json;

use crate::provider::{Draft, Request};

/// Gives a document a new etag.
fn stamp(draft: &mut Draft, request: &mut Request<'_>) {
    let etag = request.entropy.guid();
    draft.document["etag"] = json!(etag);
}
