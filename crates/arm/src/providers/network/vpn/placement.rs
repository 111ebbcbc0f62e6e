//! Where a gateway stands: in the `GatewaySubnet` of a network that has no other gateway of its
//! type, with a public IP address for each IP configuration.
//!
//! Sources of the words: MicrosoftDocs/azure-docs issues 52229, 71802; architecture-center issue
//! 1529; the code of a reference that is missing is Network's general one.

use azure::{ArmError, Json, Kind, ResourceId, addressing};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::super::{invalid_reference, network_interfaces};
use crate::provider::{Draft, Request};

/// The one name a gateway's subnet can have.
pub(crate) const GATEWAY_SUBNET: &str = "GatewaySubnet";
/// Azure's own autonomous system, unless the gateway is given another.
const ASN: u32 = 65_515;

/// Checks and completes `ipConfigurations`. Gives the subnet and its prefix.
///
/// # Errors
/// Azure's refusal.
pub(super) fn place(
    draft: &mut Draft,
    request: &Request<'_>,
    gateway: &ResourceId,
    etag: &str,
) -> Result<(ResourceId, Ipv4Net), ArmError> {
    let mut configurations =
        draft.properties().get("ipConfigurations").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut place = None;
    for (index, configuration) in configurations.iter_mut().enumerate() {
        let name = configuration["name"].as_str().map_or_else(|| format!("vnetGatewayConfig{index}"), str::to_owned);
        let id = format!("{gateway}/ipConfigurations/{name}");
        let reader = configuration.clone();
        let properties = Json::new(&reader).get("properties");
        let subnet = properties.get("subnet").id().ok_or_else(|| {
            ArmError::bad_request(
                "SubnetReferenceIsRequired",
                format!("Subnet reference is required for ipconfiguration {id}."),
            )
        })?;
        let prefix = check_subnet(request, gateway, &subnet)?;
        let public = properties.get("publicIPAddress").id().ok_or_else(|| {
            ArmError::bad_request(
                "PublicIpAddressReferenceIsRequired",
                format!("Public IP address reference is required for ipconfiguration {id}."),
            )
        })?;
        network_interfaces::check_public_address(request.estate, &public, gateway, &id)?;
        if place.as_ref().is_some_and(|(other, _)| *other != subnet) {
            return Err(ArmError::bad_request(
                "IpConfigurationsMustBeInSameSubnet",
                format!("The IP configurations of virtual network gateway {gateway} are in different subnets."),
            ));
        }
        configuration["id"] = json!(id);
        configuration["name"] = json!(name);
        configuration["etag"] = json!(etag);
        configuration["type"] = json!("Microsoft.Network/virtualNetworkGateways/ipConfigurations");
        let target = &mut configuration["properties"];
        target["provisioningState"] = json!("Succeeded");
        if target["privateIPAllocationMethod"].is_null() {
            target["privateIPAllocationMethod"] = json!("Dynamic");
        }
        place.get_or_insert((subnet, prefix));
    }
    draft.set("ipConfigurations", Value::Array(configurations));
    place.ok_or_else(|| {
        ArmError::bad_request(
            "IpConfigurationIsRequired",
            format!("Virtual network gateway {gateway} has no IP configuration."),
        )
    })
}

fn check_subnet(request: &Request<'_>, gateway: &ResourceId, subnet: &ResourceId) -> Result<Ipv4Net, ArmError> {
    let model = request.estate.subnet(subnet);
    let missing = || invalid_reference(subnet.as_str(), gateway.as_str());
    let model = model.ok_or_else(missing)?;
    let prefix = model.prefixes.first().copied().ok_or_else(missing)?;
    if !subnet.name().eq_ignore_ascii_case(GATEWAY_SUBNET) {
        return Err(ArmError::bad_request(
            "VirtualNetworkGatewaySubnetMustBeGatewaySubnet",
            format!(
                "Virtual network gateway {gateway} must stand in a subnet named {GATEWAY_SUBNET}, not {}.",
                subnet.name()
            ),
        ));
    }
    if let Some(group) = &model.network_security_group {
        return Err(ArmError::bad_request(
            "NetworkSecurityGroupNotSupportedOnGatewaySubnet",
            format!(
                "The operation failed because the network security group {} can not be associated to the {GATEWAY_SUBNET}. \
                 Please remove the network security group associated to the {GATEWAY_SUBNET}. No changes have occurred on \
                 the gateway at this time.",
                group.name()
            ),
        ));
    }
    Ok(prefix)
}

/// Refuses a second gateway of one type in a network.
///
/// # Errors
/// Azure's refusal.
pub(super) fn check_alone(
    request: &Request<'_>,
    gateway: &ResourceId,
    subnet: &ResourceId,
    gateway_type: &str,
) -> Result<(), ArmError> {
    let same_type = |document: &Value| {
        Json::new(document).at("properties.gatewayType").text().unwrap_or("Vpn").eq_ignore_ascii_case(gateway_type)
    };
    let other = request.estate.referrers(subnet).find(|other| {
        other.kind() == Kind::VirtualNetworkGateway && other.id() != gateway && same_type(&other.document().value())
    });
    match other {
        Some(other) => Err(ArmError::bad_request(
            "VirtualNetworkAlreadyHasGateway",
            format!(
                "A virtual network can't be associated with more than one gateway of type {gateway_type}: {} has {}.",
                subnet.parent().map_or_else(String::new, |network| network.to_string()),
                other.id()
            ),
        )),
        None => Ok(()),
    }
}

/// Completes `bgpSettings`: Azure's own number, and the last usable address of the subnet.
pub(super) fn bgp_settings(draft: &mut Draft, prefix: Ipv4Net) {
    let mut settings = draft.properties().remove("bgpSettings").filter(Value::is_object).unwrap_or_else(|| json!({}));
    let peer = (0..8)
        .filter_map(|down| u32::from(prefix.broadcast()).checked_sub(down + 1).map(std::net::Ipv4Addr::from))
        .find(|address| addressing::is_assignable(prefix, *address));
    let defaults = [("asn", json!(ASN)), ("peerWeight", json!(0)), ("bgpPeeringAddress", json!(peer))];
    for (name, value) in defaults {
        if settings[name].is_null() {
            settings[name] = value;
        }
    }
    draft.set("bgpSettings", settings);
}
