//! Endpoints of a resolver: each in a subnet of its own, delegated to the service.

use std::net::Ipv4Addr;

use azure::{ArmError, Json, Kind, Resource, ResourceId, addressing};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{bad_request, check_limit, check_region, conflict, reference, require, stamp};
use crate::{
    provider::{Draft, Effect, Provider, Reply, Request, delete_tree},
    providers::network::{network_interfaces::subnet_full, resource_guid},
};

/// Endpoints of each direction that a resolver can have.
const ENDPOINTS_MAX: usize = 5;
/// The service an endpoint's subnet is delegated to.
const SERVICE: &str = "Microsoft.Network/dnsResolvers";
/// Smallest and largest subnet of an endpoint, as prefix lengths.
const SUBNET_SIZES: std::ops::RangeInclusive<u8> = 24..=28;
/// What Azure takes to make an endpoint, in seconds.
const TAKES_S: u64 = 60;

/// The provider of inbound endpoints.
pub struct InboundEndpoints;

/// The provider of outbound endpoints.
pub struct OutboundEndpoints;

impl Provider for InboundEndpoints {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let id = existing.map_or(request.id, Resource::id).clone();
        let mut configurations =
            draft.properties().get("ipConfigurations").and_then(Value::as_array).cloned().unwrap_or_default();
        let [configuration] = configurations.as_mut_slice() else {
            return Err(bad_request(format!("Inbound endpoint {id} must have exactly one IP configuration.")));
        };
        let reader = configuration.clone();
        let reader = Json::new(&reader);
        let subnet = reader.get("subnet").id();
        let subnet = subnet.ok_or_else(|| bad_request(format!("The IP configuration of {id} names no subnet.")))?;
        let before = request.estate.inbound_endpoint(&id);
        check_unmoved(&id, before.map(|before| &before.subnet), &subnet)?;
        let prefix = check_place(request, &draft, &id, &subnet)?;
        let fixed =
            reader.get("privateIpAllocationMethod").text().is_some_and(|how| how.eq_ignore_ascii_case("Static"));
        let wanted = reader.get("privateIpAddress").parsed::<Ipv4Addr>().filter(|_| fixed);
        if fixed && wanted.is_none() {
            return Err(bad_request(format!("Inbound endpoint {id} with a static IP address does not name one.")));
        }
        let held = before.map(|before| before.address);
        let address = address(request, &id, &subnet, prefix, wanted.or(held))?;
        configuration["privateIpAddress"] = json!(address);
        configuration["privateIpAllocationMethod"] = json!(if fixed { "Static" } else { "Dynamic" });
        draft.set("ipConfigurations", Value::Array(configurations));
        finish(draft, request, existing)
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done).taking(TAKES_S))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

impl Provider for OutboundEndpoints {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let id = existing.map_or(request.id, Resource::id).clone();
        let subnet = reference(&mut draft, "subnet", &id)?;
        check_unmoved(&id, request.estate.outbound_endpoint(&id).map(|before| &before.subnet), &subnet)?;
        check_place(request, &draft, &id, &subnet)?;
        finish(draft, request, existing)
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let id = existing.id();
        if let Some(ruleset) = request.estate.referrers(id).find(|user| user.kind() == Kind::ForwardingRuleset) {
            return Err(conflict(format!(
                "Outbound endpoint {id} cannot be deleted because DNS forwarding ruleset {} refers to it.",
                ruleset.id()
            )));
        }
        Ok(Effect::new(delete_tree(request.estate, id), Reply::Done).taking(TAKES_S))
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

fn finish(mut draft: Draft, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
    let id = existing.map_or(request.id, Resource::id);
    if let Some(resolver) = id.parent() {
        let others = request.estate.children(&resolver, Kind::of(id)).filter(|other| other.id() != id);
        check_limit(
            others.count() + 1,
            ENDPOINTS_MAX,
            id.resource_type().rsplit('/').next().unwrap_or_default(),
            &resolver,
        )?;
    }
    let before = existing.map(|resource| resource.document().value());
    resource_guid(&mut draft, request, before.as_ref());
    stamp(&mut draft, request);
    Ok(draft.finish(request, existing).taking(TAKES_S))
}

fn check_unmoved(id: &ResourceId, before: Option<&ResourceId>, subnet: &ResourceId) -> Result<(), ArmError> {
    match before {
        Some(before) if before != subnet => {
            Err(conflict(format!("The subnet of {id} cannot be changed from {before} to {subnet}.")))
        }
        _ => Ok(()),
    }
}

/// The subnet lies in the resolver's network, has the right size, is delegated, and is nobody else's.
fn check_place(
    request: &Request<'_>,
    draft: &Draft,
    id: &ResourceId,
    subnet: &ResourceId,
) -> Result<Ipv4Net, ArmError> {
    let estate = request.estate;
    if let Some(resolver) = id.parent() {
        let found = require(estate, &resolver, id)?;
        check_region(&draft.document, id, found)?;
        let network = estate.dns_resolver(&resolver).map(|resolver| resolver.virtual_network.clone());
        if network != subnet.parent() {
            return Err(bad_request(format!(
                "Subnet {subnet} of {id} does not belong to the virtual network of DNS resolver {resolver}."
            )));
        }
    }
    let found = require(estate, subnet, id)?;
    let prefix = estate.subnet(subnet).and_then(|subnet| subnet.prefixes.first().copied());
    let document = found.document().value();
    let delegated = Json::new(&document).at("properties.delegations").items().any(|delegation| {
        delegation.at("properties.serviceName").text().is_some_and(|service| service.eq_ignore_ascii_case(SERVICE))
    });
    if !delegated {
        return Err(ArmError::bad_request(
            "SubnetMissingRequiredDelegation",
            format!(
                "Subnet {subnet} requires any of the following delegation(s) [{SERVICE}] to reference service association \
                 link {subnet}/serviceAssociationLinks/dnsResolverLink."
            ),
        ));
    }
    let taken = estate.referrers(subnet).any(|user| user.id() != id);
    prefix.filter(|prefix| SUBNET_SIZES.contains(&prefix.prefix_len()) && !taken).ok_or_else(|| unusable(id, subnet))
}

/// Azure's one sentence for a subnet of the wrong size or in use, without its list of reserved spaces.
fn unusable(id: &ResourceId, subnet: &ResourceId) -> ArmError {
    let direction = if Kind::of(id) == Kind::InboundEndpoint { "inbound" } else { "outbound" };
    bad_request(format!(
        "The specified subnet {subnet} could not be used to provision the {direction} endpoint. Please make sure you \
         use a subnet of at least /28 and at most /24 size, which is not currently in use by any other DNS resolver \
         endpoint or any other Azure service workloads."
    ))
}

/// The endpoint's address: the wanted one, or the subnet's next.
fn address(
    request: &Request<'_>,
    id: &ResourceId,
    subnet: &ResourceId,
    prefix: Ipv4Net,
    wanted: Option<Ipv4Addr>,
) -> Result<Ipv4Addr, ArmError> {
    match wanted {
        Some(address) if !addressing::is_assignable(prefix, address) => Err(bad_request(format!(
            "The IP address {address} of inbound endpoint {id} is not an assignable address of subnet {subnet} ({prefix})."
        ))),
        Some(address) => Ok(address),
        None => {
            let taken = addressing::taken(request.estate, subnet);
            addressing::next_free(prefix, &taken, None).ok_or_else(|| subnet_full(subnet))
        }
    }
}
