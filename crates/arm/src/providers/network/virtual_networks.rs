//! Virtual networks. Subnets and peerings are resources of their own, embedded when read; a PUT
//! that carries their lists replaces the set, one that leaves a list out keeps it.

use azure::{ArmError, Change, Estate, Json, Kind, Resource, ResourceId, model::Model};
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{dns_resolver, peerings, resource_guid, stamp, subnets, take_list};
use crate::provider::{Draft, Effect, Provider, Reply, Request, delete_tree, unknown_action};

/// The provider of virtual networks.
pub struct VirtualNetworks;

impl Provider for VirtualNetworks {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        let mut draft = Draft::new(request, existing);
        let embedded_subnets = take_list(&mut draft, "subnets");
        let embedded_peerings = take_list(&mut draft, "virtualNetworkPeerings");
        let space = address_space(request.id, &draft)?;
        draft.default("enableDdosProtection", json!(false));
        draft.default("privateEndpointVNetPolicies", json!("Disabled"));
        draft.default("dhcpOptions", json!({"dnsServers": []}));
        let before = existing.map(|resource| resource.document().value());
        resource_guid(&mut draft, request, before.as_ref());
        stamp(&mut draft, request);

        let mut effect = draft.finish(request, existing);
        let network = existing.map_or(request.id, Resource::id).clone();
        let kept: Vec<(ResourceId, Vec<Ipv4Net>)> =
            request.estate.subnets(&network).map(|(id, subnet)| (id.clone(), subnet.prefixes.clone())).collect();
        match embedded_subnets {
            None => subnets::check_all_inside(&network, &space, &kept)?,
            Some(list) => replace_subnets(request, &network, &space, &list, &mut effect)?,
        }
        if let Some(list) = embedded_peerings {
            replace_peerings(request, &network, &space, &list, &mut effect)?;
        }
        peerings::check_space(request.estate, &network, &space)?;
        Ok(effect.taking(5))
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let network = existing.id();
        for (subnet, _) in request.estate.subnets(network) {
            subnets::refuse_in_use(request.estate, subnet)?;
        }
        let mut changes = delete_tree(request.estate, network);
        changes.extend(peerings::disconnect_remotes(request.estate, network));
        // The links of private zones go with the network they lead to.
        let links = request.estate.referrers(network).filter(|resource| resource.kind() == Kind::VirtualNetworkLink);
        changes.extend(links.map(|link| Change::Delete(link.id().clone())));
        Ok(Effect::new(changes, Reply::Done).taking(5))
    }

    fn action(&self, request: &mut Request<'_>, existing: &Resource, action: &str) -> Result<Effect, ArmError> {
        let listed = dns_resolver::list_by_network(request.estate, existing.id(), action);
        listed.map(Effect::read).ok_or_else(|| unknown_action(request.id, action))
    }

    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        let mut document = resource.document().value();
        let children = |kind: Kind| -> Vec<Value> {
            estate.children(resource.id(), kind).map(|child| crate::providers::of(kind).render(estate, child)).collect()
        };
        document["properties"]["subnets"] = Value::Array(children(Kind::Subnet));
        document["properties"]["virtualNetworkPeerings"] = Value::Array(children(Kind::Peering));
        document
    }
}

/// The network's prefixes, checked.
fn address_space(network: &ResourceId, draft: &Draft) -> Result<Vec<Ipv4Net>, ArmError> {
    let given = Json::new(&draft.document).at("properties.addressSpace.addressPrefixes");
    let texts: Vec<&str> = given.items().filter_map(Json::text).collect();
    if texts.is_empty() {
        return Err(ArmError::bad_request(
            "NoAddressPrefixOrPoolProvided",
            format!(
                "AddressSpace of the virtual network {network} does not have any address prefixes in addressPrefixes \
                 array. AddressSpace and prefixes must be specified within properties object."
            ),
        ));
    }
    let mut space: Vec<Ipv4Net> = Vec::new();
    for text in texts.iter().filter(|text| !text.contains(':')) {
        let prefix = exact_prefix(text)?;
        if let Some(other) = space.iter().find(|other| other.contains(&prefix) || prefix.contains(*other)) {
            return Err(ArmError::bad_request(
                "OverlappingAddressSpacePrefixes",
                format!("Address prefixes {other} and {prefix} in the address space overlap."),
            ));
        }
        space.push(prefix);
    }
    Ok(space)
}

/// A prefix in Azure's strict notation: no host bits.
pub(super) fn exact_prefix(text: &str) -> Result<Ipv4Net, ArmError> {
    let net: Ipv4Net = text.parse().map_err(|_| {
        ArmError::bad_request(
            "InvalidAddressPrefixFormat",
            format!("Address prefix {text} is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24."),
        )
    })?;
    if net.trunc() != net {
        return Err(ArmError::bad_request(
            "InvalidCIDRNotation",
            format!(
                "The address prefix {text} has an invalid CIDR notation. For the given prefix length, the address prefix should be {}.",
                net.trunc()
            ),
        ));
    }
    Ok(net)
}

fn replace_subnets(
    request: &mut Request<'_>,
    network: &ResourceId,
    space: &[Ipv4Net],
    list: &[Value],
    effect: &mut Effect,
) -> Result<(), ArmError> {
    let mut placed: Vec<(ResourceId, Vec<Ipv4Net>)> = Vec::new();
    for body in list {
        let name = body["name"].as_str().unwrap_or_default();
        if name.is_empty() {
            return Err(ArmError::bad_request("InvalidRequestFormat", "A subnet in the list has no name."));
        }
        let id = network.child("subnets", name);
        let resource = subnets::make(request, &id, body, space, &placed)?;
        if let Model::Subnet(subnet) = resource.model() {
            placed.push((id, subnet.prefixes.clone()));
        }
        effect.changes.push(Change::put(resource));
    }
    let gone: Vec<ResourceId> = request
        .estate
        .subnets(network)
        .filter(|(id, _)| !placed.iter().any(|(kept, _)| kept == *id))
        .map(|(id, _)| id.clone())
        .collect();
    for id in gone {
        subnets::refuse_in_use(request.estate, &id)?;
        effect.changes.push(Change::Delete(id));
    }
    Ok(())
}

fn replace_peerings(
    request: &mut Request<'_>,
    network: &ResourceId,
    space: &[Ipv4Net],
    list: &[Value],
    effect: &mut Effect,
) -> Result<(), ArmError> {
    let wanted: Vec<ResourceId> = list
        .iter()
        .filter_map(|body| body["name"].as_str().map(|name| network.child("virtualNetworkPeerings", name)))
        .collect();
    let gone: Vec<ResourceId> = request
        .estate
        .children(network, Kind::Peering)
        .map(|peering| peering.id().clone())
        .filter(|id| !wanted.contains(id))
        .collect();
    for id in gone {
        effect.changes.extend(peerings::remove(request.estate, &id));
    }
    for (id, body) in wanted.iter().zip(list) {
        // Clients send back the halves they read: one that is disconnected stays so until it is itself written.
        let stays = request.estate.get(id).is_some_and(|half| match half.model() {
            Model::Peering(half) => half.disconnected,
            _ => false,
        });
        if !stays {
            effect.changes.extend(peerings::make(request, id, body, space)?);
        }
    }
    Ok(())
}
