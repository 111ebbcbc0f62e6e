//! Public IP addresses: each has one address of the lab's public side as long as it lives.

use std::net::Ipv4Addr;

use azure::{ArmError, Estate, Json, Resource, ResourceId};
use serde_json::{Value, json};

use super::{
    super::public_side::{PUBLIC_SIDE, free_address, is_public},
    resource_guid, stamp,
};
use crate::provider::{Draft, Effect, Provider, Reply, Request, delete_tree};

/// The provider of public IP addresses.
pub struct PublicIpAddresses;

impl Provider for PublicIpAddresses {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        // Derived from who uses it.
        draft.properties().remove("ipConfiguration");
        let before = existing.map(|resource| resource.document().value());
        let held = existing.and_then(|resource| request.estate.public_ip_address(resource.id())?.address);
        let address = match held.or(wished(request)?) {
            Some(address) => address,
            None => free_address(request.estate).ok_or_else(no_address_left)?,
        };
        draft.set("ipAddress", json!(address));
        draft.default("publicIPAllocationMethod", json!("Static"));
        draft.default("publicIPAddressVersion", json!("IPv4"));
        draft.default("idleTimeoutInMinutes", json!(4));
        draft.default("ipTags", json!([]));
        resource_guid(&mut draft, request, before.as_ref());
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(3))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let id = existing.id();
        if let Some(user) = user(request.estate, id) {
            return Err(ArmError::bad_request(
                "PublicIPAddressCannotBeDeleted",
                format!("Public IP address {id} can not be deleted since it is still allocated to resource {user}."),
            ));
        }
        Ok(Effect::new(delete_tree(request.estate, id), Reply::Done).taking(3))
    }

    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        let mut document = resource.document().value();
        if let Some(user) = user(estate, resource.id()) {
            document["properties"]["ipConfiguration"] = json!({"id": user});
        }
        document
    }
}

/// The address that a new one asks for; the lab grants it if nobody has it.
fn wished(request: &Request<'_>) -> Result<Option<Ipv4Addr>, ArmError> {
    let wish = Json::new(&request.body).at("properties.ipAddress").parsed().filter(|wish| is_public(*wish));
    match wish.and_then(|wish| request.estate.public_address_holder(wish)).filter(|holder| *holder != request.id) {
        Some(holder) => Err(ArmError::bad_request(
            "PublicIPAddressInUse",
            format!("The address of public IP address '{}' is already allocated to '{holder}'.", request.id),
        )
        .with_target("properties.ipAddress")),
        None => Ok(wish),
    }
}

/// The IP configuration, of an interface or a gateway, that has this address.
pub(super) fn user(estate: &Estate, address: &ResourceId) -> Option<String> {
    estate.referrers(address).find_map(|referrer| {
        let document = referrer.document().value();
        let configurations = Json::new(&document).at("properties.ipConfigurations");
        let mut users = configurations
            .items()
            .filter(|configuration| configuration.at("properties.publicIPAddress").id().as_ref() == Some(address));
        users.find_map(|configuration| configuration.get("id").text().map(str::to_owned))
    })
}

fn no_address_left() -> ArmError {
    ArmError::bad_request("PublicIPAddressPoolExhausted", format!("No address of {PUBLIC_SIDE} is left in this lab."))
}
