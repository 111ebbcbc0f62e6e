//! Virtual network gateways and public IP addresses, as far as a VPN client's vantage needs them.

use azure::{ArmError, Json, Kind, Resource};
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

/// The provider of public IP addresses.
pub struct PublicIpAddresses;

impl Provider for PublicIpAddresses {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let before = existing.map(|resource| resource.document().value());
        let kept = before.as_ref().and_then(|document| document["properties"]["ipAddress"].as_str()).map(str::to_owned);
        let address = kept.unwrap_or_else(|| free_address(request));
        draft.set("ipAddress", json!(address));
        draft.default("publicIPAllocationMethod", json!("Static"));
        draft.default("publicIPAddressVersion", json!("IPv4"));
        draft.default("idleTimeoutInMinutes", json!(4));
        resource_guid(&mut draft, request, before.as_ref());
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(3))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

/// An address of the lab's public side that no other public IP address has: 198.19.0.0/16, the
/// half of RFC 2544's range that API servers do not use.
fn free_address(request: &Request<'_>) -> String {
    let taken: std::collections::BTreeSet<String> = request
        .estate
        .of_kind(Kind::PublicIpAddress)
        .filter_map(|resource| resource.document().value()["properties"]["ipAddress"].as_str().map(str::to_owned))
        .collect();
    let addresses = (1..u16::MAX).map(|host| format!("198.19.{}.{}", host >> 8, host & 0xff));
    addresses.into_iter().find(|address| !taken.contains(address)).unwrap_or_default()
}
