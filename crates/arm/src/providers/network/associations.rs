//! Network security groups and route tables: documents with rules and routes as children, embedded
//! when read, that are not deleted while something is associated with them.

use azure::{ArmError, Change, Estate, Kind, Resource, ResourceId};
use serde_json::{Value, json};

use super::{resource_guid, stamp, take_list};
use crate::provider::{Draft, Effect, Provider, Reply, Request, delete_tree};

/// The provider of network security groups.
pub struct NetworkSecurityGroups;

/// The provider of route tables.
pub struct RouteTables;

impl Provider for NetworkSecurityGroups {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        put(request, existing, Kind::SecurityRule)
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        let users: Vec<&str> = request.estate.referrers(existing.id()).map(|user| user.id().as_str()).collect();
        if !users.is_empty() {
            return Err(ArmError::bad_request(
                "InUseNetworkSecurityGroupCannotBeDeleted",
                format!(
                    "Network security group {} cannot be deleted because it is in use by the following resources: {}. In \
                     order to delete the Network security group, remove the association with the resource(s). To learn \
                     how to do this, see aka.ms/deletensg.",
                    existing.id(),
                    users.join(", ")
                ),
            ));
        }
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done).taking(3))
    }

    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        let mut document = render(estate, resource, Kind::SecurityRule);
        document["properties"]["defaultSecurityRules"] = default_rules(resource.id());
        document
    }
}

impl Provider for RouteTables {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        put(request, existing, Kind::Route)
    }

    fn delete(&self, request: &mut Request<'_>, existing: &Resource) -> Result<Effect, ArmError> {
        if request.estate.referrers(existing.id()).next().is_some() {
            return Err(ArmError::bad_request(
                "InUseRouteTableCannotBeDeleted",
                format!("Route table {} is in use and cannot be deleted.", existing.id().name()),
            ));
        }
        Ok(Effect::new(delete_tree(request.estate, existing.id()), Reply::Done).taking(3))
    }

    fn render(&self, estate: &Estate, resource: &Resource) -> Value {
        render(estate, resource, Kind::Route)
    }
}

/// The list of a parent's document that holds its children.
fn list_name(child: Kind) -> &'static str {
    child.collection()
}

fn put(request: &mut Request<'_>, existing: Option<&Resource>, child: Kind) -> Result<Effect, ArmError> {
    let mut draft = Draft::new(request, existing);
    let embedded = take_list(&mut draft, list_name(child));
    for derived in ["subnets", "networkInterfaces", "defaultSecurityRules"] {
        draft.properties().shift_remove(derived);
    }
    let before = existing.map(|resource| resource.document().value());
    resource_guid(&mut draft, request, before.as_ref());
    stamp(&mut draft, request);
    let mut effect = draft.finish(request, existing).taking(3);
    if let Some(list) = embedded {
        let parent = existing.map_or(request.id, Resource::id).clone();
        effect.changes.extend(replace_children(request, &parent, child, &list)?);
    }
    Ok(effect)
}

fn replace_children(
    request: &mut Request<'_>,
    parent: &ResourceId,
    kind: Kind,
    list: &[Value],
) -> Result<Vec<Change>, ArmError> {
    let mut changes = Vec::new();
    let mut kept = Vec::new();
    let whole = request.body.take();
    for body in list {
        let name = body["name"].as_str().filter(|name| !name.is_empty()).ok_or_else(|| {
            ArmError::bad_request("InvalidRequestFormat", format!("An element of '{}' has no name.", list_name(kind)))
        })?;
        let id = parent.child(kind.collection(), name);
        let existing = request.estate.get(&id).cloned();
        request.body = body.clone();
        let mut draft = Draft::new(request, existing.as_deref());
        draft.document["id"] = json!(id);
        draft.document["name"] = json!(name);
        draft.document["type"] = json!(kind.arm_type());
        stamp(&mut draft, request);
        changes.push(Change::put(draft.into_resource(&id)));
        kept.push(id);
    }
    request.body = whole;
    let gone = request.estate.children(parent, kind).filter(|child| !kept.contains(child.id()));
    changes.extend(gone.map(|child| Change::Delete(child.id().clone())));
    Ok(changes)
}

fn render(estate: &Estate, resource: &Resource, child: Kind) -> Value {
    let mut document = resource.document().value();
    let children = estate.children(resource.id(), child).map(|child| child.document().value());
    document["properties"][list_name(child)] = children.collect();
    for (list, kind) in [("subnets", Kind::Subnet), ("networkInterfaces", Kind::NetworkInterface)] {
        let users = estate.referrers(resource.id()).filter(|user| user.kind() == kind);
        let users: Vec<Value> = users.map(|user| json!({"id": user.id()})).collect();
        if !users.is_empty() {
            document["properties"][list] = Value::Array(users);
        }
    }
    document
}

/// The six rules that every network security group ends with (documentation "Default security rules").
fn default_rules(group: &ResourceId) -> Value {
    let rules = [
        ("AllowVnetInBound", 65_000, "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
        ("AllowAzureLoadBalancerInBound", 65_001, "Inbound", "Allow", "AzureLoadBalancer", "*"),
        ("DenyAllInBound", 65_500, "Inbound", "Deny", "*", "*"),
        ("AllowVnetOutBound", 65_000, "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
        ("AllowInternetOutBound", 65_001, "Outbound", "Allow", "*", "Internet"),
        ("DenyAllOutBound", 65_500, "Outbound", "Deny", "*", "*"),
    ];
    let rules = rules.iter().map(|(name, priority, direction, access, source, destination)| {
        json!({
            "name": name,
            "id": group.child("defaultSecurityRules", name),
            "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
            "properties": {
                "provisioningState": "Succeeded",
                "protocol": "*",
                "sourcePortRange": "*",
                "destinationPortRange": "*",
                "sourceAddressPrefix": source,
                "destinationAddressPrefix": destination,
                "access": access,
                "priority": priority,
                "direction": direction,
            },
        })
    });
    rules.collect()
}
