//! What pages show, as plain data: pure functions from a network and a question to a view. No HTML,
//! no language but the names and words of Azure and of the other crates.

pub mod cluster;
pub mod clusters;
pub mod kubernetes;
pub mod matrix;
pub mod network;
pub mod path;
pub mod picture;
pub mod seen;
pub mod vantages;
mod wiring;
pub mod zone;

use azure::ResourceId;

/// `properties.provisioningState` as documents have it; what has none is there.
fn provisioning(document: &serde_json::Value) -> String {
    document["properties"]["provisioningState"].as_str().unwrap_or("Succeeded").to_owned()
}

/// The resource group's name, or nothing.
fn group(id: &ResourceId) -> String {
    id.group_name().unwrap_or_default().to_owned()
}

/// Whether a text has every word of a search, in any case.
pub(crate) fn has_words(text: &str, search: &str) -> bool {
    let text = text.to_lowercase();
    search.split_whitespace().all(|word| text.contains(&word.to_lowercase()))
}
