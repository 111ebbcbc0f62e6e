//! Virtual networks, subnets, peerings, interfaces, groups, routes, private endpoints.

use azure::{Kind, ResourceId};
use serde_json::{Value, json};

use super::super::reader::Reader;
use crate::{SourceFinding, draft::Draft};

pub(super) fn virtual_network(draft: &mut Draft, reader: Reader<'_>) -> Value {
    let subnets = (0..reader.blocks("subnet")).filter_map(|at| {
        let path = |name: &str| format!("subnet.{at}.{name}");
        let name = reader.text(&path("name"))?;
        let group = reader.reference(draft, &path("security_group"), &[Kind::NetworkSecurityGroup]);
        let table = reader.reference(draft, &path("route_table_id"), &[Kind::RouteTable]);
        Some(json!({"name": name, "properties": {
            "addressPrefix": reader.value(&path("address_prefix")),
            "addressPrefixes": reader.value(&path("address_prefixes")),
            "networkSecurityGroup": group,
            "routeTable": table,
            "privateEndpointNetworkPolicies": reader.value(&path("private_endpoint_network_policies")),
        }}))
    });
    let subnets: Vec<Value> = subnets.collect();
    json!({
        "addressSpace": {"addressPrefixes": reader.value("address_space")},
        "dhcpOptions": {"dnsServers": reader.value("dns_servers")},
        "subnets": subnets,
    })
}

pub(super) fn subnet(draft: &mut Draft, reader: Reader<'_>) -> Value {
    let policies = reader.text("private_endpoint_network_policies").or_else(|| {
        let enabled = reader.flag("private_endpoint_network_policies_enabled");
        let enforced = reader.flag("enforce_private_link_endpoint_network_policies").map(|enforced| !enforced);
        enabled.or(enforced).map(|enabled| if enabled { "Enabled" } else { "Disabled" })
    });
    json!({
        "addressPrefix": reader.value("address_prefix"),
        "addressPrefixes": reader.value("address_prefixes"),
        "networkSecurityGroup": reader.reference(draft, "network_security_group_id", &[Kind::NetworkSecurityGroup]),
        "routeTable": reader.reference(draft, "route_table_id", &[Kind::RouteTable]),
        "privateEndpointNetworkPolicies": policies,
    })
}

pub(super) fn peering(draft: &mut Draft, reader: Reader<'_>) -> Value {
    json!({
        "remoteVirtualNetwork": reader.reference(draft, "remote_virtual_network_id", &[Kind::VirtualNetwork]),
        "allowVirtualNetworkAccess": reader.flag("allow_virtual_network_access").unwrap_or(true),
        "allowForwardedTraffic": reader.flag("allow_forwarded_traffic").unwrap_or(false),
        "allowGatewayTransit": reader.flag("allow_gateway_transit").unwrap_or(false),
        "useRemoteGateways": reader.flag("use_remote_gateways").unwrap_or(false),
    })
}

pub(super) fn interface(draft: &mut Draft, id: &ResourceId, reader: Reader<'_>) -> Value {
    let mut configurations = Vec::new();
    for at in 0..reader.blocks("ip_configuration") {
        let path = |name: &str| format!("ip_configuration.{at}.{name}");
        let subnet = reader.reference(draft, &path("subnet_id"), &[Kind::Subnet]);
        let public = reader.reference(draft, &path("public_ip_address_id"), &[Kind::PublicIpAddress]);
        // Before it is applied, the first one is not said to be the primary.
        let primary = reader.flag(&path("primary")).unwrap_or(at == 0);
        configurations.push(json!({"name": reader.value(&path("name")), "properties": {
            "primary": primary,
            "privateIPAddress": reader.text(&path("private_ip_address")),
            "privateIPAllocationMethod": reader.value(&path("private_ip_address_allocation")),
            "subnet": subnet,
            "publicIPAddress": public,
        }}));
    }
    if reader.is_unknown("ip_configuration.0.private_ip_address")
        || reader.text("ip_configuration.0.private_ip_address").is_none()
    {
        draft.declared.insert(id.clone());
    }
    json!({
        "ipConfigurations": configurations,
        "dnsSettings": {"dnsServers": reader.value("dns_servers")},
        "enableIPForwarding": reader.flag_of(&["ip_forwarding_enabled", "enable_ip_forwarding"]).unwrap_or(false),
    })
}

pub(super) fn public_address(draft: &mut Draft, id: &ResourceId, reader: Reader<'_>) -> Value {
    if reader.is_unknown("ip_address") {
        let message = "its address is not known before it is applied: what filters by it cannot be told";
        draft.find(SourceFinding::note("PublicAddressUnknown", message).of(id).at(&reader.instance.address));
    }
    json!({"ipAddress": reader.text("ip_address"), "publicIPAllocationMethod": reader.value("allocation_method")})
}

pub(super) fn security_group(reader: Reader<'_>) -> Value {
    let rules = (0..reader.blocks("security_rule")).map(|at| {
        let path = format!("security_rule.{at}.");
        json!({"name": reader.value(&format!("{path}name")), "properties": security_rule(reader, &path)})
    });
    json!({"securityRules": rules.collect::<Vec<_>>()})
}

/// A rule whose attributes stand at `path`, which is empty or ends with a dot.
pub(super) fn security_rule(reader: Reader<'_>, path: &str) -> Value {
    let value = |name: &str| reader.value(&format!("{path}{name}")).clone();
    let groups = |name: &str| {
        let ids = value(name).as_array().cloned().unwrap_or_default();
        ids.into_iter().map(|id| json!({"id": id})).collect::<Vec<_>>()
    };
    json!({
        "priority": value("priority"), "direction": value("direction"), "access": value("access"), "protocol": value("protocol"),
        "sourceAddressPrefix": value("source_address_prefix"),
        "sourceAddressPrefixes": value("source_address_prefixes"),
        "sourcePortRange": value("source_port_range"),
        "sourcePortRanges": value("source_port_ranges"),
        "sourceApplicationSecurityGroups": groups("source_application_security_group_ids"),
        "destinationAddressPrefix": value("destination_address_prefix"),
        "destinationAddressPrefixes": value("destination_address_prefixes"),
        "destinationPortRange": value("destination_port_range"),
        "destinationPortRanges": value("destination_port_ranges"),
        "destinationApplicationSecurityGroups": groups("destination_application_security_group_ids"),
    })
}

pub(super) fn route_table(reader: Reader<'_>) -> Value {
    let routes = (0..reader.blocks("route")).map(|at| {
        let path = format!("route.{at}.");
        json!({"name": reader.value(&format!("{path}name")), "properties": route(reader, &path)})
    });
    let propagates = reader.flag("bgp_route_propagation_enabled");
    let disabled = reader.flag("disable_bgp_route_propagation").or(propagates.map(|propagates| !propagates));
    json!({"routes": routes.collect::<Vec<_>>(), "disableBgpRoutePropagation": disabled.unwrap_or(false)})
}

/// A route whose attributes stand at `path`, which is empty or ends with a dot.
pub(super) fn route(reader: Reader<'_>, path: &str) -> Value {
    let value = |name: &str| reader.value(&format!("{path}{name}")).clone();
    json!({
        "addressPrefix": value("address_prefix"),
        "nextHopType": value("next_hop_type"),
        "nextHopIpAddress": value("next_hop_in_ip_address"),
    })
}

/// The endpoint, and its interface beside it, which Terraform does not manage.
pub(super) fn private_endpoint(draft: &mut Draft, id: &ResourceId, reader: Reader<'_>) -> Value {
    let service_path = "private_service_connection.0.private_connection_resource_id";
    let subnet = reader.reference(draft, "subnet_id", &[Kind::Subnet]);
    let service = reader.quiet_id(service_path, &[Kind::ManagedCluster]);
    let manual = reader.flag("private_service_connection.0.is_manual_connection").unwrap_or(false);
    let nic = reader
        .text("network_interface.0.id")
        .and_then(|text| text.parse::<ResourceId>().ok())
        .or_else(|| Some(id.group_id()?.resource(Kind::NetworkInterface.arm_type(), &format!("{}.nic", id.name()))));
    let places = ["private_service_connection.0.private_ip_address", "ip_configuration.0.private_ip_address"];
    let address = places.into_iter().find_map(|path| reader.text(path));
    if let Some(nic) = &nic {
        let interface = json!({"properties": {
            "privateEndpoint": {"id": id},
            "ipConfigurations": [{"name": "ipconfig", "properties": {"primary": true, "privateIPAddress": address, "subnet": subnet}}],
        }});
        draft.add(nic.clone(), interface.as_object().cloned().unwrap_or_default());
        if address.is_none() {
            draft.declared.insert(nic.clone());
        }
    }
    let connection = json!({"name": reader.value("private_service_connection.0.name"), "properties": {
        "privateLinkServiceId": service.map_or_else(|| reader.value(service_path).clone(), |id| json!(id)),
        "groupIds": reader.value("private_service_connection.0.subresource_names"),
        "privateLinkServiceConnectionState": {"status": if manual { "Pending" } else { "Approved" }},
    }});
    let list = if manual { "manualPrivateLinkServiceConnections" } else { "privateLinkServiceConnections" };
    json!({"subnet": subnet, "networkInterfaces": nic.map(|nic| json!({"id": nic})).into_iter().collect::<Vec<_>>(), list: [connection]})
}

/// Whether resources of this type set something on others instead of being anything.
pub(super) fn is_association(kind: &str) -> bool {
    associations(kind).is_some()
}

/// The attribute with the resource that is changed, its kind; the property that is set, the attribute with what it
/// refers to, and the kind of that.
type Association = (&'static str, Kind, &'static str, &'static str, Kind);

fn associations(kind: &str) -> Option<Association> {
    Some(match kind.strip_prefix("azurerm_")? {
        "subnet_network_security_group_association" => {
            ("subnet_id", Kind::Subnet, "networkSecurityGroup", "network_security_group_id", Kind::NetworkSecurityGroup)
        }
        "subnet_route_table_association" => {
            ("subnet_id", Kind::Subnet, "routeTable", "route_table_id", Kind::RouteTable)
        }
        "network_interface_security_group_association" => (
            "network_interface_id",
            Kind::NetworkInterface,
            "networkSecurityGroup",
            "network_security_group_id",
            Kind::NetworkSecurityGroup,
        ),
        "virtual_network_dns_servers" => {
            ("virtual_network_id", Kind::VirtualNetwork, "dhcpOptions", "dns_servers", Kind::Other)
        }
        _ => return None,
    })
}

/// Sets what an association says, if `reader` is one.
pub(super) fn associate(draft: &mut Draft, reader: Reader<'_>) {
    let Some((place, kind, property, attribute, target_kind)) = associations(&reader.instance.kind) else { return };
    let Some(id) = reader.id(draft, place, &[kind]) else { return };
    let value = if target_kind == Kind::Other {
        json!({"dnsServers": reader.value(attribute)})
    } else {
        reader.reference(draft, attribute, &[target_kind])
    };
    if let Some(Value::Object(properties)) =
        draft.entries.get_mut(&id).and_then(|entry| entry.document.get_mut("properties"))
    {
        properties.insert(property.to_owned(), value);
    }
}
