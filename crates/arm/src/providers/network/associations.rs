//! Network security groups and route tables: documents with rules and routes as children, embedded
//! when read, that are not deleted while something is associated with them.

use azure::{ArmError, Change, Estate, Kind, Resource, ResourceId, model::Model};
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

/// The provider of the rules of a network security group.
pub struct SecurityRules;

/// The provider of the routes of a route table.
pub struct Routes;

impl Provider for SecurityRules {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        put_child(request, existing)
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

impl Provider for Routes {
    fn put(&self, request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
        put_child(request, existing)
    }

    fn renders_verbatim(&self) -> bool {
        true
    }
}

fn put_child(request: &mut Request<'_>, existing: Option<&Resource>) -> Result<Effect, ArmError> {
    let id = existing.map_or(request.id, Resource::id).clone();
    let parent = id.parent().unwrap_or_else(|| id.clone());
    let mut draft = Draft::new(request, existing);
    stamp(&mut draft, request);
    let child = draft.into_resource(&id);
    check_child(&child, request.estate.children(&parent, Kind::of(&id)).map(AsRef::as_ref))?;
    let reply = if existing.is_some() { Reply::Updated } else { Reply::Created };
    Ok(Effect::new(vec![Change::put(child)], reply).taking(3))
}

/// The priorities that users' rules may have.
const PRIORITIES: std::ops::RangeInclusive<u32> = 100..=4096;

/// Refuses a rule or route that cannot be read, and a rule whose priority is out of range or taken.
fn check_child<'a>(child: &Resource, mut siblings: impl Iterator<Item = &'a Resource>) -> Result<(), ArmError> {
    let name = child.id().name();
    if child.findings().iter().any(|finding| finding.code == "UnreadableResource") {
        return Err(ArmError::bad_request(
            "InvalidRequestFormat",
            format!("'{name}' is not valid: a required property is missing or malformed."),
        ));
    }
    let Model::SecurityRule(rule) = child.model() else { return Ok(()) };
    if !PRIORITIES.contains(&rule.priority) {
        return Err(ArmError::bad_request(
            "SecurityRuleInvalidPriority",
            format!(
                "Security rule has invalid Priority. Value provided: {} Allowed range {}-{}.",
                rule.priority,
                PRIORITIES.start(),
                PRIORITIES.end()
            ),
        ));
    }
    let clashes = |other: &&Resource| match other.model() {
        Model::SecurityRule(held) => {
            other.id() != child.id() && (held.priority, held.direction) == (rule.priority, rule.direction)
        }
        _ => false,
    };
    match siblings.find(clashes) {
        None => Ok(()),
        Some(other) => Err(ArmError::bad_request(
            "SecurityRuleConflict",
            format!(
                "Security rule {name} conflicts with rule {}. Rules cannot have the same Priority and Direction.",
                other.id().name()
            ),
        )),
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
    let mut kept: Vec<Resource> = Vec::new();
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
        let child = draft.into_resource(&id);
        check_child(&child, kept.iter())?;
        kept.push(child);
    }
    request.body = whole;
    let gone = request.estate.children(parent, kind).filter(|child| !kept.iter().any(|kept| kept.id() == child.id()));
    let gone: Vec<Change> = gone.map(|child| Change::Delete(child.id().clone())).collect();
    Ok(kept.into_iter().map(Change::put).chain(gone).collect())
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
