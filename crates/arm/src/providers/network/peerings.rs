//! Peerings: two halves, each in its own network. A half is Initiated until the other exists, then
//! both are Connected; when one goes, the other is Disconnected and must be written again before
//! its counterpart can be. Each half keeps the address space of the other network as it was when it
//! was last synchronised.

use azure::{
    ArmError, Change, Estate, Json, Kind, Resource, ResourceId, addressing,
    model::{Model, Peering},
};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{invalid_reference, stamp};
use crate::provider::{Draft, Effect, Provider, Reply, Request};

/// The provider of peerings.
pub struct Peerings;

impl Provider for Peerings {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        let body = request.body.clone();
        let network = id.parent().unwrap_or_else(|| id.clone());
        let space = request.estate.virtual_network(&network).map(|near| near.address_space.clone());
        let changes = make(request, &id, &body, &space.unwrap_or_default())?;
        let reply = if existing.is_some() { Reply::Updated } else { Reply::Created };
        Ok(Effect::new(changes, reply).taking(8))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        Ok(Effect::new(remove(request.estate, existing.id()), Reply::Done).taking(8))
    }

    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        let mut document = resource.document().value();
        let (Model::Peering(half), Some(network)) = (resource.model(), resource.id().parent()) else {
            return document;
        };
        let far = estate.virtual_network(&half.remote);
        document["properties"]["peeringSyncLevel"] = json!(sync_level(estate, &network, half));
        if let Some(far) = far {
            document["properties"]["remoteVirtualNetworkAddressSpace"] = json!({"addressPrefixes": far.address_space});
        }
        document
    }
}

/// `peeringSyncLevel`: whether each half knows the address space that the other network has now. A
/// half that does not exist knows nothing.
fn sync_level(estate: &Estate, network: &ResourceId, half: &Peering) -> &'static str {
    let knows = |half: &Peering, network: &ResourceId| {
        estate.virtual_network(network).is_none_or(|network| half.remote_address_space == network.address_space)
    };
    let remote = match other_half(estate, network, &half.remote).map(Resource::model) {
        Some(Model::Peering(other)) => knows(other, network),
        _ => false,
    };
    match (knows(half, &half.remote), remote) {
        (true, true) => "FullyInSync",
        (true, false) => "RemoteNotInSync",
        (false, true) => "LocalNotInSync",
        (false, false) => "LocalAndRemoteNotInSync",
    }
}

/// A half from a body, and what becomes of the other half. `near_space` is the address space of the
/// half's own network, which may be new in this same request.
pub(super) fn make(
    request: &mut Request<'_>,
    id: &ResourceId,
    body: &Value,
    near_space: &[Ipv4Net],
) -> Result<Vec<Change>, ArmError> {
    let existing = request.estate.get(id).cloned();
    let before = existing.as_ref().and_then(|resource| match resource.model() {
        Model::Peering(before) => Some(before),
        _ => None,
    });
    let network = id.parent().unwrap_or_else(|| id.clone());
    let whole = std::mem::replace(&mut request.body, body.clone());
    let mut draft = Draft::new(request, existing.as_deref());
    request.body = whole;
    draft.document["id"] = json!(existing.as_ref().map_or(id, |resource| resource.id()));
    draft.document["name"] = json!(id.name());
    draft.document["type"] = json!(Kind::Peering.arm_type());
    for (name, value) in [
        ("allowVirtualNetworkAccess", json!(true)),
        ("allowForwardedTraffic", json!(false)),
        ("allowGatewayTransit", json!(false)),
        ("useRemoteGateways", json!(false)),
        ("peerCompleteVnets", json!(true)),
    ] {
        draft.default(name, value);
    }
    for derived in ["peeringSyncLevel", "remoteVirtualNetworkAddressSpace"] {
        draft.properties().shift_remove(derived);
    }
    let properties = Value::Object(draft.properties().clone());
    let remote = Json::new(&properties).get("remoteVirtualNetwork").id();
    let remote = remote.ok_or_else(|| {
        ArmError::bad_request("InvalidRequestFormat", format!("Peering '{}' names no remoteVirtualNetwork.", id.name()))
    })?;
    let Some(far) = request.estate.virtual_network(&remote) else {
        return Err(invalid_reference(remote.as_str(), id.as_str()));
    };
    if before.is_some_and(|before| before.remote != remote) {
        return Err(ArmError::bad_request(
            "ChangingRemoteVirtualNetworkNotAllowed",
            format!("Changing the remote virtual network of peering {id} is not allowed."),
        ));
    }
    check_apart(request.estate, id, &network, near_space, &remote, &far.address_space)?;
    if draft.properties().get("useRemoteGateways") == Some(&json!(true)) && !has_gateway(request.estate, &remote) {
        return Err(ArmError::bad_request(
            "RemoteVnetHasNoGateways",
            format!(
                "Peering {id} cannot have UseRemoteGateways flag set to true because remote virtual network {remote} \
                 referenced by the peering does not have any gateways."
            ),
        ));
    }
    let other = other_half(request.estate, &network, &remote);
    if let Some(other) = other.filter(|other| matches!(other.model(), Model::Peering(half) if half.disconnected)) {
        return Err(ArmError::bad_request(
            "RemotePeeringIsDisconnected",
            format!(
                "Cannot create or update peering {id} because remote peering {} referencing parent virtual network \
                 {network} is in Disconnected state. Update or re-create the remote peering to get it back to \
                 Initiated state. Peering gets Disconnected when remote vnet or remote peering is deleted and \
                 re-created.",
                other.id()
            ),
        ));
    }
    let synchronise = request.query("syncremoteaddressspace").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let known = before.filter(|before| !synchronise && !before.disconnected && !before.remote_address_space.is_empty());
    let known = known.map_or(&far.address_space, |before| &before.remote_address_space);
    draft.set("remoteAddressSpace", json!({"addressPrefixes": known}));
    draft.set("peeringState", json!(if other.is_some() { "Connected" } else { "Initiated" }));
    stamp(&mut draft, request);
    let mut changes = vec![Change::put(draft.into_resource(existing.as_ref().map_or(id, |resource| resource.id())))];
    changes.extend(other.map(|other| with_state(other, "Connected")));
    Ok(changes)
}

/// Refuses a peering of networks that share an address, or that a third one stands between: no two
/// networks that a network is peered with, not even by a half that is disconnected, may overlap.
fn check_apart(
    estate: &Estate,
    id: &ResourceId,
    network: &ResourceId,
    near_space: &[Ipv4Net],
    remote: &ResourceId,
    far_space: &[Ipv4Net],
) -> Result<(), ArmError> {
    if remote == network {
        return Err(ArmError::bad_request(
            "VnetCannotBePeeredWithItself",
            format!("Virtual network {network} cannot be peered with itself."),
        ));
    }
    if let Some((near, far)) = addressing::overlap(near_space, far_space) {
        return Err(ArmError::bad_request(
            "VnetAddressSpacesOverlap",
            format!(
                "Cannot create or update peering {id}. Virtual networks {network} and {remote} cannot be peered because \
                 their address spaces overlap. Overlapping address prefixes: {near}, {far}"
            ),
        ));
    }
    for other in estate.children(network, Kind::Peering).filter(|other| other.id() != id) {
        let Model::Peering(third) = other.model() else { continue };
        if third.remote == *remote {
            return Err(ArmError::bad_request(
                "AnotherPeeringAlreadyReferencesRemoteVnet",
                format!(
                    "Peering {} already references remote virtual network {remote}. Cannot add another peering \
                     referencing the same remote virtual network.",
                    other.id()
                ),
            ));
        }
        if addressing::overlap(far_space, &third.remote_address_space).is_some() {
            return Err(ArmError::bad_request(
                "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
                format!(
                    "Cannot create or update peering {id}. Virtual networks {remote} and {network} cannot be peered \
                     because address space of the first virtual network overlaps with address space of virtual network \
                     {} already peered with the second virtual network.",
                    third.remote
                ),
            ));
        }
    }
    Ok(())
}

/// Refuses an address space for `network` that overlaps with a network it is peered with *(our words)*.
pub(super) fn check_space(estate: &Estate, network: &ResourceId, space: &[Ipv4Net]) -> Result<(), ArmError> {
    for peering in estate.children(network, Kind::Peering) {
        let Model::Peering(half) = peering.model() else { continue };
        if let Some((near, far)) = addressing::overlap(space, &half.remote_address_space) {
            return Err(ArmError::bad_request(
                "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
                format!(
                    "Address space of virtual network {network} overlaps with address space of virtual network {} it is \
                     already peered with. Overlapping address prefixes: {near}, {far}",
                    half.remote
                ),
            ));
        }
    }
    Ok(())
}

fn has_gateway(estate: &Estate, network: &ResourceId) -> bool {
    let mut gateways = estate.subnets(network).flat_map(|(subnet, _)| estate.referrers(subnet));
    gateways.any(|user| user.kind() == Kind::VirtualNetworkGateway)
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

/// The half that `remote` has of the peering with `network`.
pub(super) fn other_half<'a>(estate: &'a Estate, network: &ResourceId, remote: &'a ResourceId) -> Option<&'a Resource> {
    let mut halves = estate.children(remote, Kind::Peering);
    halves.find(|half| matches!(half.model(), Model::Peering(half) if half.remote == *network)).map(AsRef::as_ref)
}

fn with_state(half: &Resource, state: &str) -> Change {
    let mut document = half.document().value();
    document["properties"]["peeringState"] = json!(state);
    Change::put(Resource::with_hidden(half.id().clone(), &document, &half.hidden().value()))
}
