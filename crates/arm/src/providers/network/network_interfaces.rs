//! Network interfaces: each IP configuration gets an address of its subnet.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use azure::{ArmError, Estate, Json, Kind, Resource, ResourceId, addressing};
use serde_json::{Value, json};

use super::{invalid_reference, public_ip_addresses, resource_guid, stamp, vpn};
use crate::provider::{Draft, Effect, Provider, Reply, Request, delete_tree};

/// The provider of network interfaces.
pub struct NetworkInterfaces;

impl Provider for NetworkInterfaces {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        if let Some(endpoint) = existing.and_then(private_endpoint) {
            return Err(owned(request.id, &endpoint));
        }
        let mut draft = Draft::new(request, existing);
        let id = existing.map_or(request.id, Resource::id).clone();
        let before = existing.map(|resource| resource.document().value());
        let mut configurations =
            draft.properties().get("ipConfigurations").and_then(Value::as_array).cloned().unwrap_or_default();
        if configurations.is_empty() {
            return Err(ArmError::bad_request(
                "NetworkInterfaceMustHaveOneIpConfiguration",
                format!("Network interface {id} has no IP configuration."),
            ));
        }
        let mut given = BTreeSet::new();
        for (index, configuration) in configurations.iter_mut().enumerate() {
            place(request, &id, before.as_ref(), (index, configuration), &mut given)?;
        }
        draft.set("ipConfigurations", Value::Array(configurations));
        // Derived from who uses it.
        draft.properties().remove("virtualMachine");
        let group = Json::new(&draft.document).at("properties.networkSecurityGroup").id();
        if let Some(group) = group.filter(|group| !request.estate.contains(group)) {
            return Err(invalid_reference(group.as_str(), id.as_str()));
        }
        for (name, value) in [
            ("dnsSettings", json!({"dnsServers": [], "appliedDnsServers": []})),
            ("enableAcceleratedNetworking", json!(false)),
            ("enableIPForwarding", json!(false)),
            ("nicType", json!("Standard")),
        ] {
            draft.default(name, value);
        }
        let mac = before.as_ref().and_then(|before| before["properties"]["macAddress"].as_str()).map(str::to_owned);
        draft.set("macAddress", json!(mac.unwrap_or_else(|| mac_address(request))));
        resource_guid(&mut draft, request, before.as_ref());
        stamp(&mut draft, request);
        Ok(draft.finish(request, existing).taking(3))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        if let Some(endpoint) = private_endpoint(existing) {
            return Err(owned(request.id, &endpoint));
        }
        if let Some(machine) = machine(request.estate, existing.id()) {
            return Err(in_use(existing.id(), machine));
        }
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done).taking(3))
    }

    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        let mut document = resource.document().value();
        if let Some(machine) = machine(estate, resource.id()) {
            document["properties"]["virtualMachine"] = json!({"id": machine});
        }
        document
    }
}

/// A new address of Microsoft's range.
fn mac_address(request: &mut Request<'_>) -> String {
    format!("60-45-BD-{}-{}-{}", request.entropy.hex(2), request.entropy.hex(2), request.entropy.hex(2)).to_uppercase()
}

/// Completes one IP configuration: its id, its subnet's existence, its address.
fn place(
    request: &Request<'_>,
    nic: &ResourceId,
    before: Option<&Value>,
    (index, configuration): (usize, &mut Value),
    given: &mut BTreeSet<Ipv4Addr>,
) -> Result<(), ArmError> {
    let name = configuration["name"].as_str().unwrap_or("ipconfig1").to_owned();
    let reader = configuration.clone();
    let properties = Json::new(&reader).get("properties");
    let subnet = properties.get("subnet").id().ok_or_else(|| {
        ArmError::bad_request(
            "SubnetIdMissing",
            format!("IP configuration {name} of network interface {nic} names no subnet."),
        )
    })?;
    let Some(model) = request.estate.subnet(&subnet) else {
        return Err(invalid_reference(subnet.as_str(), nic.as_str()));
    };
    let prefix = model.prefixes.first().copied().ok_or_else(|| invalid_reference(subnet.as_str(), nic.as_str()))?;
    if subnet.name().eq_ignore_ascii_case(vpn::GATEWAY_SUBNET) {
        return Err(ArmError::bad_request(
            "GatewaySubnet",
            "Subnet with name 'GatewaySubnet' can be used only for the Gateway resource.",
        ));
    }
    if let Some(public) = properties.get("publicIPAddress").id() {
        check_public_address(request.estate, &public, nic, &format!("{nic}/ipConfigurations/{name}"))?;
    }
    let held = request.estate.network_interface(nic);
    let own: BTreeSet<Ipv4Addr> = held
        .into_iter()
        .flat_map(|held| &held.ip_configurations)
        .filter(|held| held.subnet == subnet)
        .filter_map(|held| held.address)
        .collect();
    let mut taken: BTreeSet<Ipv4Addr> = addressing::taken(request.estate, &subnet).difference(&own).copied().collect();
    taken.extend(given.iter());
    let is_static =
        properties.get("privateIPAllocationMethod").text().is_some_and(|method| method.eq_ignore_ascii_case("static"));
    let kept = before
        .and_then(|before| before["properties"]["ipConfigurations"][index]["properties"]["privateIPAddress"].as_str())
        .and_then(|address| address.parse::<Ipv4Addr>().ok())
        .filter(|address| own.contains(address));
    let address = match properties.get("privateIPAddress").parsed::<Ipv4Addr>().filter(|_| is_static) {
        Some(wanted) if !prefix.contains(&wanted) => {
            return Err(ArmError::bad_request(
                "PrivateIPAddressNotInSubnet",
                format!("Private static IP address {wanted} does not belong to the range of subnet prefix {prefix}."),
            ));
        }
        Some(wanted) if !addressing::is_assignable(prefix, wanted) => {
            return Err(ArmError::bad_request(
                "PrivateIPAddressInReservedRange",
                format!("Private static IP address {wanted} falls within reserved IP range of subnet prefix {prefix}."),
            ));
        }
        Some(wanted) if taken.contains(&wanted) => {
            return Err(ArmError::bad_request(
                "PrivateIPAddressIsAllocated",
                format!(
                    "IP configuration {nic}/ipConfigurations/{name} is using the private IP address {wanted} which is already allocated to another resource."
                ),
            ));
        }
        Some(wanted) => wanted,
        None => kept
            .filter(|_| !is_static)
            .or_else(|| addressing::next_free(prefix, &taken, None))
            .ok_or_else(|| subnet_full(&subnet))?,
    };
    given.insert(address);
    configuration["id"] = json!(format!("{nic}/ipConfigurations/{name}"));
    configuration["name"] = json!(name);
    configuration["type"] = json!("Microsoft.Network/networkInterfaces/ipConfigurations");
    let target = &mut configuration["properties"];
    target["privateIPAddress"] = json!(address);
    target["privateIPAllocationMethod"] = json!(if is_static { "Static" } else { "Dynamic" });
    target["provisioningState"] = json!("Succeeded");
    if target["primary"].is_null() {
        target["primary"] = json!(index == 0);
    }
    if target["privateIPAddressVersion"].is_null() {
        target["privateIPAddressVersion"] = json!("IPv4");
    }
    Ok(())
}

/// There is no address left.
pub(crate) fn subnet_full(subnet: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "SubnetIsFull",
        format!("Subnet {} does not have enough capacity for 1 IP addresses.", subnet.name()),
    )
}

/// The public IP address that an IP configuration of `owner` refers to is there and nobody else's.
pub(super) fn check_public_address(
    estate: &Estate,
    address: &ResourceId,
    owner: &ResourceId,
    configuration: &str,
) -> Result<(), ArmError> {
    if !estate.contains(address) {
        return Err(invalid_reference(address.as_str(), owner.as_str()));
    }
    match public_ip_addresses::user(estate, address) {
        Some(user) if !user.eq_ignore_ascii_case(configuration) => Err(ArmError::bad_request(
            "PublicIPAddressInUse",
            format!(
                "Resource {configuration} is referencing public IP address {address} that is already allocated to resource {user}."
            ),
        )),
        _ => Ok(()),
    }
}

/// The virtual machine that an interface is attached to.
pub(crate) fn machine<'a>(estate: &'a Estate, nic: &ResourceId) -> Option<&'a ResourceId> {
    estate.referrers(nic).find(|referrer| referrer.kind() == Kind::VirtualMachine).map(|machine| machine.id())
}

/// The refusal to delete an attached interface, or to attach it once more.
pub(crate) fn in_use(nic: &ResourceId, machine: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "NicInUse",
        format!(
            "Network Interface {nic} is used by existing resource {machine}. In order to delete the network interface, it must be dissociated from the resource. To learn more, see aka.ms/deletenic."
        ),
    )
}

fn private_endpoint(resource: &Resource) -> Option<ResourceId> {
    match resource.model() {
        azure::model::Model::NetworkInterface(nic) => nic.private_endpoint.clone(),
        _ => None,
    }
}

fn owned(nic: &ResourceId, endpoint: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "NicInUseWithPrivateEndpoint",
        format!(
            "Network interface {nic} cannot be changed or deleted because it is currently in use with an private \
             endpoint ({endpoint})."
        ),
    )
}
