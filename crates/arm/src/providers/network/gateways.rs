//! Virtual network gateways, as far as a VPN client's vantage needs them.

use azure::{ArmError, Json, Resource};
use serde_json::{Value, json};

use super::{invalid_reference, resource_guid, stamp};
use crate::provider::{Draft, Effect, Provider, Request};

/// The provider of virtual network gateways.
pub struct VirtualNetworkGateways;

impl Provider for VirtualNetworkGateways {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let properties = Value::Object(draft.properties().clone());
        for configuration in Json::new(&properties).get("ipConfigurations").items() {
            let Some(subnet) = configuration.at("properties.subnet").id() else { continue };
            if request.estate.subnet(&subnet).is_none() {
                return Err(invalid_reference(subnet.as_str(), request.id.as_str()));
            }
            if !subnet.name().eq_ignore_ascii_case("GatewaySubnet") {
                return Err(ArmError::bad_request(
                    "VirtualNetworkGatewaySubnetMustBeGatewaySubnet",
                    format!(
                        "Virtual network gateway {} must stand in a subnet named GatewaySubnet, not {}.",
                        request.id,
                        subnet.name()
                    ),
                ));
            }
        }
        draft.default("activeActive", json!(false));
        draft.default("enableBgp", json!(false));
        let before = existing.map(|resource| resource.document().value());
        resource_guid(&mut draft, request, before.as_ref());
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(1500))
    }

    fn action(&self, request: &mut Request<'_>, existing: &Resource, action: &str) -> Result<Effect, ArmError> {
        let _ = existing;
        Err(ArmError::bad_request(
            "NotSupported",
            format!("'{action}' of {} is not supported by this lab yet.", request.id),
        ))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}
