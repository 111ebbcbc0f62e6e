//! azapi's resources: ARM's own documents, under `body`.

use azure::{Kind, ResourceId};
use serde_json::{Map, Value, json};

use super::super::reader::Reader;
use crate::{SourceFinding, draft::Draft};

/// `<type>` of `<type>@<api version>`.
fn arm_type(reader: Reader<'_>) -> Option<&str> {
    Some(reader.text("type")?.split('@').next().unwrap_or_default())
}

pub(super) fn id(reader: Reader<'_>) -> Option<ResourceId> {
    let arm_type = arm_type(reader)?;
    if let Some(known) = reader.text("id").and_then(|text| text.parse().ok()) {
        return Some(known);
    }
    let name = super::name(reader.world, reader.instance);
    if arm_type.eq_ignore_ascii_case(Kind::ResourceGroup.arm_type()) {
        return Some(ResourceId::group(reader.world.subscription(), &name));
    }
    let parent = reader.quiet_id("parent_id", Kind::ALL)?;
    match arm_type.rsplit_once('/') {
        Some((of, child)) if of.contains('/') && parent.resource_type().eq_ignore_ascii_case(of) => {
            Some(parent.child(child, &name))
        }
        _ => Some(parent.resource(arm_type, &name)),
    }
}

/// `body` is an object, or in older versions its text; what is unknown in it is not there.
pub(super) fn document(draft: &mut Draft, id: &ResourceId, reader: Reader<'_>) -> Map<String, Value> {
    let body = match reader.value("body") {
        Value::String(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        other => other.clone(),
    };
    if reader.is_unknown("body") {
        let message = "its `body` is not known before it is applied: what it says is missing";
        draft.find(SourceFinding::warning("ReferenceUnknown", message).of(id).at(&reader.instance.address));
    }
    let mut document = body.as_object().cloned().unwrap_or_default();
    document.insert("name".to_owned(), json!(id.name()));
    if let Some(location) = reader.text("location") {
        document.insert("location".to_owned(), json!(location));
    }
    document.entry("properties").or_insert_with(|| json!({}));
    if matches!(Kind::of(id), Kind::ManagedCluster | Kind::NetworkInterface | Kind::InboundEndpoint) {
        draft.declared.insert(id.clone());
    }
    document
}
