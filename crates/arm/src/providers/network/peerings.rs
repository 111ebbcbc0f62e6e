//! Peerings: two halves, each in its own network. A half is Initiated until the other exists, then
//! both are Connected; deleting one leaves the other Disconnected.

use azure::{ArmError, Change, Estate, Json, Kind, Resource, ResourceId, addressing, model::Model};
use serde_json::{Value, json};

use super::{invalid_reference, stamp};
use crate::provider::{Draft, Effect, Provider, Reply, Request};

/// The provider of peerings.
pub struct Peerings;

impl Provider for Peerings {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        let body = request.body.clone();
        let changes = make(request, &id, &body)?;
        let reply = if existing.is_some() { Reply::Updated } else { Reply::Created };
        Ok(Effect::new(changes, reply).taking(8))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        Ok(Effect::new(remove(request.estate, existing.id()), Reply::Done).taking(8))
    }
}

/// A half from a body, and what becomes of the other half.
pub(super) fn make(request: &mut Request<'_>, id: &ResourceId, body: &Value) -> Result<Vec<Change>, ArmError> {
    let existing = request.estate.get(id).cloned();
    let network = id.parent().unwrap_or_else(|| id.clone());
    let before = std::mem::replace(&mut request.body, body.clone());
    let mut draft = Draft::new(request, existing.as_deref());
    request.body = before;
    draft.document["id"] = json!(existing.as_ref().map_or(id, |resource| resource.id()));
    draft.document["name"] = json!(id.name());
    draft.document["type"] = json!(Kind::Peering.arm_type());
    let properties = Value::Object(draft.properties().clone());
    let remote = Json::new(&properties).get("remoteVirtualNetwork").id();
    let remote = remote.ok_or_else(|| {
        ArmError::bad_request("InvalidRequestFormat", format!("Peering '{}' names no remoteVirtualNetwork.", id.name()))
    })?;
    let Some(far) = request.estate.virtual_network(&remote) else {
        return Err(invalid_reference(remote.as_str(), id.as_str()));
    };
    if remote == network {
        return Err(ArmError::bad_request(
            "VnetCannotBePeeredWithItself",
            format!("Virtual network {network} cannot be peered with itself."),
        ));
    }
    let taken = request
        .estate
        .children(&network, Kind::Peering)
        .find(|other| other.id() != id && matches!(other.model(), Model::Peering(other) if other.remote == remote));
    if let Some(other) = taken {
        return Err(ArmError::bad_request(
            "AnotherPeeringAlreadyReferencesRemoteVnet",
            format!(
                "Peering {id} cannot reference remote virtual network {remote} because another peering {} already references it.",
                other.id()
            ),
        ));
    }
    // The network itself may be new in this same request: then its space is not known yet, and the
    // network's own rules have checked it.
    let near_space =
        request.estate.virtual_network(&network).map(|near| near.address_space.clone()).unwrap_or_default();
    if addressing::overlap(&near_space, &far.address_space).is_some() {
        return Err(overlap_refusal(&network, &remote));
    }
    let far_space = json!({"addressPrefixes": far.address_space});
    let other = other_half(request.estate, &network, &remote);
    let state = if other.is_some() { "Connected" } else { "Initiated" };
    for (name, value) in [
        ("allowVirtualNetworkAccess", json!(true)),
        ("allowForwardedTraffic", json!(false)),
        ("allowGatewayTransit", json!(false)),
        ("useRemoteGateways", json!(false)),
        ("peerCompleteVnets", json!(true)),
    ] {
        draft.default(name, value);
    }
    draft.set("peeringState", json!(state));
    draft.set("peeringSyncLevel", json!("FullyInSync"));
    draft.set("remoteAddressSpace", far_space.clone());
    draft.set("remoteVirtualNetworkAddressSpace", far_space);
    stamp(&mut draft, request);
    let mut changes = vec![Change::put(draft.into_resource(existing.as_ref().map_or(id, |resource| resource.id())))];
    changes.extend(other.map(|other| with_state(other, "Connected")));
    Ok(changes)
}

/// The deletion of a half, and what becomes of the other.
pub(super) fn remove(estate: &Estate, id: &ResourceId) -> Vec<Change> {
    let mut changes = vec![Change::Delete(id.clone())];
    let Some(Model::Peering(peering)) = estate.get(id).map(|resource| resource.model()) else { return changes };
    if let Some(network) = id.parent() {
        changes.extend(other_half(estate, &network, &peering.remote).map(|other| with_state(other, "Disconnected")));
    }
    changes
}

/// What becomes of the halves in other networks when `network` goes.
pub(super) fn disconnect_remotes(estate: &Estate, network: &ResourceId) -> Vec<Change> {
    let halves = estate.referrers(network).filter(|resource| resource.kind() == Kind::Peering);
    halves.map(|half| with_state(half, "Disconnected")).collect()
}

fn other_half<'a>(estate: &'a Estate, network: &ResourceId, remote: &'a ResourceId) -> Option<&'a Resource> {
    let mut halves = estate.children(remote, Kind::Peering);
    halves.find(|half| matches!(half.model(), Model::Peering(half) if half.remote == *network)).map(AsRef::as_ref)
}

fn with_state(half: &Resource, state: &str) -> Change {
    let mut document = half.document().value();
    document["properties"]["peeringState"] = json!(state);
    Change::put(Resource::with_hidden(half.id().clone(), &document, &half.hidden().value()))
}

/// Networks that share an address cannot be peered.
pub(super) fn overlap_refusal(network: &ResourceId, remote: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "VnetAddressSpacesOverlap",
        format!(
            "Cannot create or update peering: the address spaces of virtual networks {network} and {remote} overlap."
        ),
    )
}
