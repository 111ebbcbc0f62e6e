//! Virtual network gateways: the resource, its actions, what it looks like.

use azure::{ArmError, Json, Kind, Resource};
use serde_json::{Value, json};

use super::{client_configuration, client_package, keys::GatewayState, placement};
use crate::{
    provider::{Draft, Effect, Provider, Reply, Request, delete_tree, unknown_action},
    providers::network::{resource_guid, stamp},
};

/// The SKU of a gateway that names none.
const DEFAULT_SKU: &str = "VpnGw1";
/// SKUs of VPN gateways (documentation "About gateway SKUs"), with those of before 2017.
const VPN_SKUS: &[&str] = &[
    "Basic",
    "Standard",
    "HighPerformance",
    "VpnGw1",
    "VpnGw2",
    "VpnGw3",
    "VpnGw4",
    "VpnGw5",
    "VpnGw1AZ",
    "VpnGw2AZ",
    "VpnGw3AZ",
    "VpnGw4AZ",
    "VpnGw5AZ",
];
/// What Azure takes to make a gateway, in seconds.
const TAKES_S: u64 = 1500;

/// The provider of virtual network gateways.
pub struct VirtualNetworkGateways;

impl Provider for VirtualNetworkGateways {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let gateway = existing.map_or(request.id, Resource::id).clone();
        let before = existing.map(|resource| resource.document().value());
        stamp(&mut draft, request);
        let etag = draft.document["etag"].as_str().unwrap_or_default().to_owned();
        let gateway_type = gateway_type(&mut draft)?;
        sku(&mut draft, &gateway_type)?;
        let (subnet, prefix) = placement::place(&mut draft, request, &gateway, &etag)?;
        placement::check_alone(request, &gateway, &subnet, &gateway_type)?;
        if let Some(network) = subnet.parent() {
            client_configuration::complete(&mut draft, request, &gateway, &network, &etag)?;
        }
        let defaults = [
            ("vpnType", json!("RouteBased")),
            ("vpnGatewayGeneration", json!(if gateway_type == "Vpn" { "Generation1" } else { "None" })),
            ("activeActive", json!(false)),
            ("enableBgp", json!(false)),
            ("enablePrivateIpAddress", json!(false)),
            ("enableBgpRouteTranslationForNat", json!(false)),
            ("disableIPSecReplayProtection", json!(false)),
            ("allowRemoteVnetTraffic", json!(false)),
            ("allowVirtualWanTraffic", json!(false)),
            ("packetCaptureDiagnosticState", json!("None")),
            ("natRules", json!([])),
            ("virtualNetworkGatewayPolicyGroups", json!([])),
        ];
        for (name, value) in defaults {
            draft.default(name, value);
        }
        placement::bgp_settings(&mut draft, prefix);
        resource_guid(&mut draft, request, before.as_ref());
        let state = match existing.and_then(GatewayState::of) {
            Some(state) => state,
            None => GatewayState::new(request)?,
        };
        draft.hidden = state.document();
        Ok(draft.finish(request, existing).taking(TAKES_S))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let id = existing.id();
        if let Some(connection) = connections(request, existing).next() {
            return Err(ArmError::bad_request(
                "VirtualNetworkGatewayCannotBeDeletedWithConnections",
                format!(
                    "Virtual network gateway {id} cannot be deleted because connection {} uses it.",
                    connection.id()
                ),
            ));
        }
        Ok(Effect::new(delete_tree(request.estate, id), Reply::Done).taking(600))
    }

    fn action(&self, request: &mut Request<'_>, existing: &Resource, action: &str) -> Result<Effect, ArmError> {
        match action {
            "generatevpnclientpackage" | "generatevpnprofile" | "getvpnprofilepackageurl" => {
                Ok(Effect::read(json!(client_package::link(request, existing)?)))
            }
            "reset" => Ok(Effect::read(self.render(request.estate, existing))),
            "getbgppeerstatus" | "getlearnedroutes" | "getadvertisedroutes" => Ok(Effect::read(json!({"value": []}))),
            _ => Err(unknown_action(request.id, action)),
        }
    }

    fn view(&self, request: &mut Request<'_>, existing: &Resource, view: &str) -> Result<Value, ArmError> {
        if view != "connections" {
            return Err(ArmError::not_found("NotFound", format!("The resource '{}' has no '{view}'.", request.id)));
        }
        let connections: Vec<Value> = connections(request, existing).map(|one| one.document().value()).collect();
        Ok(json!({"value": connections}))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// The connections of a gateway, also those whose type has no effect here.
fn connections<'a>(request: &Request<'a>, gateway: &'a Resource) -> impl Iterator<Item = &'a Resource> + use<'a> {
    request.estate.of_kind(Kind::Connection).map(AsRef::as_ref).filter(|connection| {
        let document = connection.document().value();
        let properties = Json::new(&document).get("properties");
        let ends = ["virtualNetworkGateway1", "virtualNetworkGateway2"];
        ends.into_iter().any(|end| properties.get(end).id().as_ref() == Some(gateway.id()))
    })
}

/// `gatewayType` in Azure's spelling.
fn gateway_type(draft: &mut Draft) -> Result<String, ArmError> {
    draft.default("gatewayType", json!("Vpn"));
    let given = draft.properties().get("gatewayType").and_then(Value::as_str).unwrap_or_default().to_owned();
    let known = ["Vpn", "ExpressRoute", "LocalGateway"].into_iter().find(|known| known.eq_ignore_ascii_case(&given));
    let known = known.ok_or_else(|| {
        ArmError::bad_request(
            "InvalidRequestFormat",
            format!("Cannot parse the request: '{given}' is no type of virtual network gateway."),
        )
    })?;
    draft.set("gatewayType", json!(known));
    Ok(known.to_owned())
}

/// Completes `sku`: tier as name, two instances.
fn sku(draft: &mut Draft, gateway_type: &str) -> Result<(), ArmError> {
    let given = draft.properties().get("sku").cloned().unwrap_or_else(|| json!({}));
    let reader = Json::new(&given);
    let name = reader.get("name").text().or_else(|| reader.get("tier").text()).unwrap_or(DEFAULT_SKU).to_owned();
    if gateway_type == "Vpn" {
        if !VPN_SKUS.iter().any(|known| known.eq_ignore_ascii_case(&name)) {
            return Err(ArmError::bad_request(
                "InvalidGatewaySkuSpecifiedForGatewayDeploymentType",
                format!(
                    "Virtual network gateway Sku specified is not valid for gateway. The allowed Skus are {}.",
                    VPN_SKUS.join(",")
                ),
            ));
        }
        let bgp = draft.properties().get("enableBgp").and_then(Value::as_bool) == Some(true);
        if bgp && name.eq_ignore_ascii_case("Basic") {
            return Err(ArmError::bad_request(
                "BasicSkuVirtualNetworkGatewayDoesNotSupportBgp",
                format!(
                    "A virtual network gateway SKU of Standard or higher is required for BGP support on virtual \
                     network gateway {}",
                    draft.document["id"].as_str().unwrap_or_default()
                ),
            ));
        }
    }
    let mut sku = if given.is_object() { given } else { json!({}) };
    for (key, value) in [("name", json!(name)), ("tier", json!(name)), ("capacity", json!(2))] {
        if sku[key].is_null() {
            sku[key] = value;
        }
    }
    draft.set("sku", sku);
    Ok(())
}
