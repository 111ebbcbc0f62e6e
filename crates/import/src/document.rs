//! One resource's document, from the shapes that Azure's tools give it to ARM's own.
//!
//! `az` flattens: what ARM keeps in `properties` stands beside `id` and `name`, in nested objects too.
//! `az rest` and Resource Graph keep `properties`. Names differ in case only, which the model forgives.

use azure::{Json, Kind, ResourceId};
use serde_json::{Map, Value, json};

/// What ARM keeps outside `properties`; `az` adds the last three rows.
const ENVELOPE: &[&str] = &[
    "id",
    "name",
    "type",
    "location",
    "tags",
    "etag",
    "identity",
    "sku",
    "kind",
    "zones",
    "plan",
    "managedBy",
    "extendedLocation",
    "systemData",
    "apiVersion",
    "resourceGroup",
    "subscriptionId",
    "tenantId",
];

/// In which properties of a kind ARM nests objects that have `properties` of their own.
fn nested(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::VirtualNetwork => &["subnets", "virtualNetworkPeerings"],
        Kind::NetworkInterface => &["ipConfigurations"],
        Kind::NetworkSecurityGroup => &["securityRules", "defaultSecurityRules"],
        Kind::RouteTable => &["routes"],
        Kind::PrivateEndpoint => {
            &["privateLinkServiceConnections", "manualPrivateLinkServiceConnections", "ipConfigurations"]
        }
        Kind::VirtualMachine => &["networkProfile.networkInterfaces"],
        Kind::VirtualNetworkGateway => &[
            "ipConfigurations",
            "vpnClientConfiguration.vpnClientRootCertificates",
            "vpnClientConfiguration.vpnClientRevokedCertificates",
        ],
        _ => &[],
    }
}

/// The embedded collections that are resources of their own.
fn children(kind: Kind) -> &'static [(&'static str, Kind)] {
    match kind {
        Kind::VirtualNetwork => &[("subnets", Kind::Subnet), ("virtualNetworkPeerings", Kind::Peering)],
        Kind::NetworkSecurityGroup => &[("securityRules", Kind::SecurityRule)],
        Kind::RouteTable => &[("routes", Kind::Route)],
        _ => &[],
    }
}

fn is_envelope(key: &str) -> bool {
    ENVELOPE.iter().any(|known| known.eq_ignore_ascii_case(key))
}

/// The document in ARM's shape.
pub(crate) fn normal(kind: Kind, object: Map<String, Value>) -> Map<String, Value> {
    let mut document = unflattened(object);
    if let Some(properties) = document.get_mut("properties") {
        for path in nested(kind) {
            if let Some(Value::Array(items)) = at_mut(properties, path) {
                for item in items {
                    if let Value::Object(object) = item {
                        *object = unflattened(std::mem::take(object));
                    }
                }
            }
        }
        if kind.is_record_set() {
            records(kind, properties);
        }
    }
    document
}

/// `{id, name, x}` → `{id, name, properties: {x}}`; an object with `properties` is left as it is.
fn unflattened(object: Map<String, Value>) -> Map<String, Value> {
    if object.get("properties").is_some_and(Value::is_object) {
        return object;
    }
    let (mut document, mut properties) = (Map::new(), Map::new());
    for (key, value) in object {
        if key == "properties" {
        } else if is_envelope(&key) {
            document.insert(key, value);
        } else {
            properties.insert(key, value);
        }
    }
    document.insert("properties".to_owned(), Value::Object(properties));
    document
}

/// The value at `a.b`, where names match in any case.
fn at_mut<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').try_fold(value, |value, name| {
        let object = value.as_object_mut()?;
        let key = object.keys().find(|key| key.eq_ignore_ascii_case(name))?.clone();
        object.get_mut(&key)
    })
}

/// Resource Graph's `dnsresources` has `records` whatever the type; ARM has a property for each type.
fn records(kind: Kind, properties: &mut Value) {
    let Some(properties) = properties.as_object_mut() else { return };
    let Some(Value::Array(records)) = properties.remove("records") else { return };
    let name = kind.collection().to_ascii_lowercase();
    if matches!(kind, Kind::RecordCname | Kind::RecordSoa) {
        if let Some(record) = records.into_iter().next() {
            properties.insert(format!("{name}Record"), record);
        }
    } else {
        properties.insert(format!("{name}Records"), Value::Array(records));
    }
}

/// Takes the embedded child resources out of `document`.
pub(crate) fn take_children(
    id: &ResourceId,
    kind: Kind,
    document: &mut Map<String, Value>,
) -> Vec<(ResourceId, Map<String, Value>)> {
    let mut taken = Vec::new();
    let Some(properties) = document.get_mut("properties") else { return taken };
    for (property, child) in children(kind) {
        let Some(list) = at_mut(properties, property) else { continue };
        let Value::Array(items) = list.take() else { continue };
        for item in items {
            let Value::Object(object) = item else { continue };
            let own = Json::new(object.get("id").unwrap_or(&Value::Null)).parsed();
            let named = || object.get("name")?.as_str().map(|name| id.child(child.collection(), name));
            if let Some(child) = own.filter(|own: &ResourceId| own.is_child_of(id)).or_else(named) {
                taken.push((child, object));
            }
        }
    }
    if let Value::Object(properties) = properties {
        properties
            .retain(|key, value| !value.is_null() || !children(kind).iter().any(|(p, _)| key.eq_ignore_ascii_case(p)));
    }
    if kind == Kind::ManagedCluster {
        taken.extend(agent_pools(id, properties));
    }
    taken
}

/// A cluster's agent pools stay in its document, and are resources as well.
fn agent_pools(id: &ResourceId, properties: &Value) -> Vec<(ResourceId, Map<String, Value>)> {
    let profiles = Json::new(properties).get("agentPoolProfiles").items().filter_map(|profile| {
        let name = profile.get("name").text()?;
        let mut properties = profile.value()?.as_object()?.clone();
        properties.remove("name");
        let document = json!({"name": name, "properties": properties});
        Some((id.child(Kind::AgentPool.collection(), name), document.as_object()?.clone()))
    });
    profiles.collect()
}

/// A machine's power state, which ARM gives in an instance view, `az vm list -d` in a word, and
/// Resource Graph in `extended`.
pub(crate) fn hidden(kind: Kind, document: &Map<String, Value>) -> Map<String, Value> {
    let mut hidden = Map::new();
    if kind != Kind::VirtualMachine {
        return hidden;
    }
    let Some(properties) = document.get("properties").map(Json::new) else { return hidden };
    let statuses = properties.at("instanceView.statuses").items().filter_map(|status| status.get("code").text());
    let mut codes = statuses.chain(properties.at("extended.instanceView.powerState.code").text());
    let state = codes.find_map(|code| code.strip_prefix("PowerState/"));
    let state = state.or_else(|| properties.get("powerState").text()?.strip_prefix("VM "));
    if let Some(state) = state {
        hidden.insert("powerState".to_owned(), json!(state));
    }
    hidden
}

/// Takes `null`s out of objects, however deep.
pub(crate) fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.retain(|_, value| !value.is_null());
            object.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
