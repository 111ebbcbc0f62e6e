//! Private endpoints: each brings its network interface, and asks the service it leads to for
//! approval.

use std::net::Ipv4Addr;

use azure::{ArmError, Change, Estate, Json, Kind, Resource, ResourceId, addressing};
use serde_json::{Value, json};

use super::{dns_zone_groups, invalid_reference, network_interfaces::subnet_full, resource_guid, stamp};
use crate::provider::{Draft, Effect, Lab, Provider, Reply, Request, delete_tree};

/// The provider of private endpoints.
pub struct PrivateEndpoints;

impl Provider for PrivateEndpoints {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let id = existing.map_or(request.id, Resource::id).clone();
        let properties = Value::Object(draft.properties().clone());
        let reader = Json::new(&properties);
        let subnet = reader.get("subnet").id();
        let subnet = subnet.ok_or_else(|| {
            ArmError::bad_request("SubnetIdMissing", format!("Private endpoint {id} names no subnet."))
        })?;
        if request.estate.subnet(&subnet).is_none() {
            return Err(invalid_reference(subnet.as_str(), id.as_str()));
        }
        for (list, approved) in
            [("privateLinkServiceConnections", true), ("manualPrivateLinkServiceConnections", false)]
        {
            let connections = connect(request, &id, (list, reader.get(list)), approved, existing)?;
            draft.set(list, Value::Array(connections));
        }
        let before = existing.map(|resource| resource.document().value());
        resource_guid(&mut draft, request, before.as_ref());
        draft.default("customDnsConfigs", json!([]));
        draft.default("ipConfigurations", json!([]));
        stamp(&mut draft, request);

        let held = existing
            .and_then(|resource| request.estate.private_endpoint(resource.id()))
            .and_then(|held| held.network_interfaces.first());
        let mut changes = Vec::new();
        let nic = if let Some(nic) = held {
            nic.clone()
        } else {
            let custom = reader.get("customNetworkInterfaceName").text().map(str::to_owned);
            let name = custom.unwrap_or_else(|| format!("{}.nic.{}", id.name(), request.entropy.guid()));
            let group = id.group_id().unwrap_or_else(|| id.clone());
            let nic = group.resource(Kind::NetworkInterface.arm_type(), &name);
            let wanted = reader
                .get("ipConfigurations")
                .items()
                .find_map(|held| held.at("properties.privateIPAddress").parsed::<Ipv4Addr>());
            let address = free_address(request.estate, &subnet, wanted)?;
            let location = draft.document["location"].clone();
            changes
                .push(Change::put(Resource::new(nic.clone(), &nic_document(&nic, &id, &subnet, address, &location))));
            nic
        };
        draft.set("networkInterfaces", json!([{"id": nic}]));
        let reply = if existing.is_some() { Reply::Updated } else { Reply::Created };
        changes.push(Change::put(draft.into_resource(&id)));
        Ok(Effect::new(changes, reply).taking(30))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let mut changes = delete_tree(request.estate, existing.id());
        for group in request.estate.children(existing.id(), Kind::PrivateDnsZoneGroup) {
            changes.extend(dns_zone_groups::records(group).map(Change::Delete));
        }
        if let Some(endpoint) = request.estate.private_endpoint(existing.id()) {
            changes.extend(endpoint.network_interfaces.iter().cloned().map(Change::Delete));
        }
        Ok(Effect::new(changes, Reply::Done).taking(30))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

fn connect(
    request: &Request<'_>,
    id: &ResourceId,
    (list_name, list): (&str, Json<'_>),
    approved: bool,
    existing: Option<&Resource>,
) -> Result<Vec<Value>, ArmError> {
    let mut connections = Vec::new();
    for connection in list.items() {
        let service = connection.at("properties.privateLinkServiceId").id();
        let service = service.ok_or_else(|| {
            ArmError::bad_request(
                "InvalidPrivateLinkServiceId",
                format!("Private endpoint {id} names no privateLinkServiceId."),
            )
        })?;
        if !request.estate.contains(&service) {
            return Err(unknown_service(request.lab, &service, id));
        }
        let mut value = connection.value().cloned().unwrap_or_default();
        let name = value["name"].as_str().unwrap_or(id.name()).to_owned();
        let link = format!("{id}/{list_name}/{name}");
        check_groups(request.estate, &link, &service, connection)?;
        let message = connection.at("properties.requestMessage").text();
        let state = match held_state(existing, &service) {
            Some(held) => held,
            None if approved => state("Approved", "Auto-approved"),
            None => state("Pending", message.unwrap_or("Awaiting approval")),
        };
        value["id"] = json!(link);
        value["type"] = json!(format!("{}/{list_name}", Kind::PrivateEndpoint.arm_type()));
        value["properties"]["provisioningState"] = json!("Succeeded");
        value["properties"]["privateLinkServiceConnectionState"] = state;
        connections.push(value);
    }
    Ok(connections)
}

/// A service that is not here, or in a subscription that is somebody else's, such as AKS's own.
fn unknown_service(lab: &Lab, service: &ResourceId, by: &ResourceId) -> ArmError {
    let Some(other) = service.subscription().filter(|held| !held.eq_ignore_ascii_case(&lab.subscription)) else {
        return invalid_reference(service.as_str(), by.as_str());
    };
    ArmError::new(
        403,
        "LinkedAuthorizationFailed",
        format!(
            "The client with object id '{}' has permission to perform action 'Microsoft.Network/privateEndpoints/write' \
             on scope '{by}'; however, the current tenant '{}' is not authorized to access linked subscription \
             '{other}'.",
            lab.principal, lab.tenant
        ),
    )
}

fn state(status: &str, description: &str) -> Value {
    json!({"status": status, "description": description, "actionsRequired": "None"})
}

/// The state of the connection that an endpoint has to `service`: it is the service's to change.
fn held_state(existing: Option<&Resource>, service: &ResourceId) -> Option<Value> {
    let document = existing?.document().value();
    let properties = Json::new(&document).get("properties");
    let lists = ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"];
    let mut held = lists.into_iter().flat_map(|list| properties.get(list).items());
    let held = held.find(|held| held.at("properties.privateLinkServiceId").id().as_ref() == Some(service))?;
    held.at("properties.privateLinkServiceConnectionState").value().cloned()
}

/// A cluster is reached by the one group `management`, if it is a private cluster.
fn check_groups(estate: &Estate, link: &str, service: &ResourceId, connection: Json<'_>) -> Result<(), ArmError> {
    let Some(cluster) = estate.managed_cluster(service) else { return Ok(()) };
    let groups: Vec<String> = connection.at("properties.groupIds").list();
    match groups.as_slice() {
        [] => Err(ArmError::bad_request(
            "MissingParameterOnPrivateLinkServiceConnection",
            format!("Private link service connection {link} is missing required parameter 'group Id'."),
        )),
        [group] if cluster.private && group.eq_ignore_ascii_case("management") => Ok(()),
        [group] => Err(ArmError::bad_request(
            "BadRequest",
            format!(
                "Call to Microsoft.ContainerService/managedClusters failed. Error message: the private link resource '{group}' is not found in the cluster '{}'.",
                service.name()
            ),
        )),
        groups => Err(ArmError::bad_request(
            "OnlyOneGroupIdPermitted",
            format!(
                "Private link service connection {link} has the following group Ids: {}. Only one group Id is permitted when connecting to a first-party resource ({service}).",
                groups.join(", ")
            ),
        )),
    }
}

/// A free address of a subnet: the wanted one or the next.
///
/// # Errors
/// When it is taken, reserved or outside, or none is left.
pub(crate) fn free_address(
    estate: &Estate,
    subnet: &ResourceId,
    wanted: Option<Ipv4Addr>,
) -> Result<Ipv4Addr, ArmError> {
    let prefix = estate.subnet(subnet).and_then(|subnet| subnet.prefixes.first().copied());
    let prefix = prefix
        .ok_or_else(|| ArmError::bad_request("InvalidSubnet", format!("Subnet {subnet} has no address prefix.")))?;
    let taken = addressing::taken(estate, subnet);
    match wanted {
        Some(wanted) if !addressing::is_assignable(prefix, wanted) || taken.contains(&wanted) => {
            Err(ArmError::bad_request(
                "PrivateIPAddressInUse",
                format!("Private IP address {wanted} cannot be used in subnet {subnet}."),
            ))
        }
        Some(wanted) => Ok(wanted),
        None => addressing::next_free(prefix, &taken, None).ok_or_else(|| subnet_full(subnet)),
    }
}

/// The document of a private endpoint's interface.
pub(crate) fn nic_document(
    nic: &ResourceId,
    endpoint: &ResourceId,
    subnet: &ResourceId,
    address: Ipv4Addr,
    location: &Value,
) -> Value {
    let configuration = "privateEndpointIpConfig";
    json!({
        "id": nic,
        "name": nic.name(),
        "type": Kind::NetworkInterface.arm_type(),
        "location": location,
        "properties": {
            "provisioningState": "Succeeded",
            "privateEndpoint": {"id": endpoint},
            "ipConfigurations": [{
                "id": format!("{nic}/ipConfigurations/{configuration}"),
                "name": configuration,
                "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
                "properties": {
                    "privateIPAddress": address,
                    "privateIPAllocationMethod": "Dynamic",
                    "privateIPAddressVersion": "IPv4",
                    "primary": true,
                    "provisioningState": "Succeeded",
                    "subnet": {"id": subnet},
                },
            }],
            "dnsSettings": {"dnsServers": [], "appliedDnsServers": []},
            "enableIPForwarding": false,
            "nicType": "Standard",
        },
    })
}
