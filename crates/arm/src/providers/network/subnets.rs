//! Subnets: inside their network, apart from each other, not deleted while something stands in them.

use azure::{ArmError, Estate, Json, Kind, Resource, ResourceId, addressing, model::Model};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{stamp, virtual_networks::exact_prefix};
use crate::provider::{Draft, Effect, Provider, Reply, Request, delete_tree};

/// The provider of subnets.
pub struct Subnets;

impl Provider for Subnets {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let id = existing.map_or(request.id, Resource::id).clone();
        let network = id.parent().unwrap_or_else(|| id.clone());
        let space = request.estate.virtual_network(&network).map(|network| network.address_space.clone());
        let others: Vec<(ResourceId, Vec<Ipv4Net>)> = request
            .estate
            .subnets(&network)
            .filter(|(other, _)| **other != id)
            .map(|(other, subnet)| (other.clone(), subnet.prefixes.clone()))
            .collect();
        let body = request.body.clone();
        let resource = make(request, &id, &body, &space.unwrap_or_default(), &others)?;
        let reply = if existing.is_some() { Reply::Updated } else { Reply::Created };
        Ok(Effect::new(vec![azure::Change::put(resource)], reply).taking(4))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        refuse_in_use(request.estate, existing.id())?;
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done).taking(4))
    }

    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        let mut document = resource.document().value();
        let mut configurations = Vec::new();
        let mut endpoints = Vec::new();
        for referrer in estate.referrers(resource.id()) {
            match referrer.model() {
                Model::NetworkInterface(_) => {
                    let nic = referrer.document().value();
                    let held = Json::new(&nic).at("properties.ipConfigurations");
                    configurations
                        .extend(held.items().filter_map(|held| held.get("id").text().map(|id| json!({"id": id}))));
                }
                Model::PrivateEndpoint(_) => endpoints.push(json!({"id": referrer.id()})),
                _ => {}
            }
        }
        if !configurations.is_empty() {
            document["properties"]["ipConfigurations"] = Value::Array(configurations);
        }
        if !endpoints.is_empty() {
            document["properties"]["privateEndpoints"] = Value::Array(endpoints);
        }
        document
    }
}

/// What governs private endpoints in a subnet, and private link services (specification `SubnetPropertiesFormat`).
const NETWORK_POLICIES: [(&str, &[&str]); 2] = [
    ("privateEndpointNetworkPolicies", &["Disabled", "Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"]),
    ("privateLinkServiceNetworkPolicies", &["Disabled", "Enabled"]),
];

/// Refuses a property that has none of its values.
fn refuse_unknown_value(properties: Json<'_>, name: &str, values: &[&str]) -> Result<(), ArmError> {
    let held = properties.get(name);
    let known = |text: &str| values.iter().any(|value| value.eq_ignore_ascii_case(text));
    if held.text().is_some_and(known) || held.value().is_none_or(Value::is_null) {
        return Ok(());
    }
    let detail = ArmError::bad_request(
        "InvalidJson",
        format!(
            "Error converting value {} to one of {}. Path 'properties.{name}'.",
            held.value().unwrap_or(&Value::Null),
            values.join(", ")
        ),
    );
    Err(ArmError {
        details: vec![detail],
        ..ArmError::bad_request("InvalidRequestFormat", "Cannot parse the request.")
    })
}

/// A subnet from a body, wherever the body stood.
pub(super) fn make(
    request: &mut Request<'_>,
    id: &ResourceId,
    body: &Value,
    space: &[Ipv4Net],
    others: &[(ResourceId, Vec<Ipv4Net>)],
) -> Result<Resource, ArmError> {
    let existing = request.estate.get(id).cloned();
    let before = std::mem::replace(&mut request.body, body.clone());
    let mut draft = Draft::new(request, existing.as_deref());
    request.body = before;
    draft.document["id"] = json!(existing.as_ref().map_or(id, |resource| resource.id()));
    draft.document["name"] = json!(id.name());
    draft.document["type"] = json!(Kind::Subnet.arm_type());
    for derived in ["ipConfigurations", "privateEndpoints"] {
        draft.properties().remove(derived);
    }
    for (name, value) in [
        ("delegations", json!([])),
        ("privateEndpointNetworkPolicies", json!("Disabled")),
        ("privateLinkServiceNetworkPolicies", json!("Enabled")),
    ] {
        draft.default(name, value);
    }
    stamp(&mut draft, request);
    let properties = Value::Object(draft.properties().clone());
    let properties = Json::new(&properties);
    for (name, values) in NETWORK_POLICIES {
        refuse_unknown_value(properties, name, values)?;
    }
    let mut texts: Vec<&str> = properties.get("addressPrefixes").items().filter_map(Json::text).collect();
    texts.extend(properties.get("addressPrefix").text());
    let prefixes = texts
        .iter()
        .filter(|text| !text.contains(':'))
        .map(|text| exact_prefix(text))
        .collect::<Result<Vec<_>, _>>()?;
    if prefixes.is_empty() {
        return Err(ArmError::bad_request(
            "NoAddressPrefixOrPoolProvided",
            format!("Subnet '{}' has neither an address prefix nor an address pool.", id.name()),
        ));
    }
    check_inside(id, space, &prefixes)?;
    refuse_prefix_in_use(request.estate, id, &prefixes)?;
    for prefix in &prefixes {
        let overlapping =
            others.iter().find(|(_, held)| held.iter().any(|held| held.contains(prefix) || prefix.contains(held)));
        if let Some((other, _)) = overlapping {
            return Err(ArmError::bad_request(
                "NetcfgSubnetRangesOverlap",
                format!(
                    "Subnet '{}' is not valid because its IP address range overlaps with that of an existing subnet in virtual network '{}' (subnet '{}').",
                    id.name(),
                    network_name(id),
                    other.name()
                ),
            ));
        }
    }
    for reference in
        [properties.get("networkSecurityGroup").id(), properties.get("routeTable").id()].into_iter().flatten()
    {
        if !request.estate.contains(&reference) {
            return Err(super::invalid_reference(reference.as_str(), id.as_str()));
        }
    }
    Ok(draft.into_resource(existing.as_ref().map_or(id, |resource| resource.id())))
}

/// Refuses an address space that leaves a subnet outside.
pub(super) fn check_all_inside(
    network: &ResourceId,
    space: &[Ipv4Net],
    subnets: &[(ResourceId, Vec<Ipv4Net>)],
) -> Result<(), ArmError> {
    let _ = network;
    subnets.iter().try_for_each(|(id, prefixes)| check_inside(id, space, prefixes))
}

fn check_inside(id: &ResourceId, space: &[Ipv4Net], prefixes: &[Ipv4Net]) -> Result<(), ArmError> {
    if prefixes.iter().all(|prefix| space.iter().any(|space| space.contains(prefix))) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "NetcfgSubnetRangeOutsideVnet",
        format!(
            "Subnet '{}' is not valid because its IP address range is outside the IP address range of virtual network '{}'.",
            id.name(),
            network_name(id)
        ),
    ))
}

fn network_name(subnet: &ResourceId) -> String {
    subnet.parent().map_or_else(String::new, |network| network.name().to_owned())
}

/// Refuses the deletion of a subnet in which something stands.
pub(super) fn refuse_in_use(estate: &Estate, subnet: &ResourceId) -> Result<(), ArmError> {
    let Some(user) = estate.referrers(subnet).next() else { return Ok(()) };
    Err(ArmError::bad_request(
        "InUseSubnetCannotBeDeleted",
        format!(
            "Subnet {} is in use by {} and cannot be deleted. In order to delete the subnet, delete all the resources \
             within the subnet. See aka.ms/deletesubnet.",
            subnet.name(),
            standing_in(user, subnet)
        ),
    ))
}

/// What Azure names of a resource that stands in a subnet: of an interface, the IP configuration.
fn standing_in(user: &Resource, subnet: &ResourceId) -> String {
    let document = user.document().value();
    let configurations = Json::new(&document).at("properties.ipConfigurations");
    let here = configurations.items().find(|held| held.at("properties.subnet").id().as_ref() == Some(subnet));
    here.and_then(|held| held.get("id").text()).unwrap_or(user.id().as_str()).to_owned()
}

/// Refuses to take a prefix away from under what has an address of it.
fn refuse_prefix_in_use(estate: &Estate, subnet: &ResourceId, prefixes: &[Ipv4Net]) -> Result<(), ArmError> {
    let Some(before) = estate.subnet(subnet) else { return Ok(()) };
    let taken = addressing::taken(estate, subnet);
    let mut gone = before.prefixes.iter().filter(|prefix| !prefixes.contains(prefix));
    match gone.find(|prefix| taken.iter().any(|address| prefix.contains(address))) {
        None => Ok(()),
        Some(prefix) => Err(ArmError::bad_request(
            "InUsePrefixCannotBeDeleted",
            format!("IpPrefix {prefix} on Subnet {} has active allocations and cannot be deleted.", subnet.name()),
        )),
    }
}
