//! Local network gateways: sites outside Azure, as address space behind a VPN device.

use std::net::Ipv4Addr;

use azure::{ArmError, Json, Kind, Resource};
use serde_json::{Value, json};

use crate::{
    provider::{Draft, Effect, Provider, Reply, Request, delete_tree},
    providers::network::{resource_guid, stamp, virtual_networks::exact_prefix},
};

/// The provider of local network gateways.
pub struct LocalNetworkGateways;

impl Provider for LocalNetworkGateways {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let properties = Value::Object(draft.properties().clone());
        let properties = Json::new(&properties);
        let address = properties.get("gatewayIpAddress");
        let named = properties.get("fqdn").text().is_some();
        match address.text() {
            Some(_) if address.parsed::<Ipv4Addr>().is_some() => {}
            Some(text) => {
                return Err(ArmError::bad_request(
                    "InvalidGatewayIpAddress",
                    format!("The gateway IP address {text} of local network gateway {} is invalid.", request.id),
                ));
            }
            None if named => {}
            None => {
                return Err(ArmError::bad_request(
                    "LocalNetworkGatewayMustHaveIpAddressOrFqdn",
                    format!("Local network gateway {} needs a gatewayIpAddress or an fqdn.", request.id),
                ));
            }
        }
        let prefixes = properties.at("localNetworkAddressSpace.addressPrefixes");
        for prefix in prefixes.items().filter_map(Json::text) {
            exact_prefix(prefix)?;
        }
        draft.default("localNetworkAddressSpace", json!({"addressPrefixes": []}));
        let before = existing.map(|resource| resource.document().value());
        resource_guid(&mut draft, request, before.as_ref());
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(5))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let id = existing.id();
        if let Some(user) = request.estate.referrers(id).find(|user| user.kind() == Kind::Connection) {
            return Err(ArmError::bad_request(
                "InUseLocalNetworkGatewayCannotBeDeleted",
                format!("Local network gateway {id} is in use by connection {} and cannot be deleted.", user.id()),
            ));
        }
        Ok(Effect::new(delete_tree(request.estate, id), Reply::Done).taking(5))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}
