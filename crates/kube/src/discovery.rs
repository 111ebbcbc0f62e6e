//! What is served: discovery (legacy and aggregated) and version.

use serde_json::{Value, json};

use crate::registry::{self, Resource, VERBS};

/// The content type by which clients tell the aggregated form from the legacy one.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// `/api`.
pub(crate) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(crate) fn groups() -> Value {
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": named_groups().map(group).collect::<Vec<_>>()})
}

/// `/apis/<group>`; `None` when it is not served.
pub(crate) fn one_group(name: &str) -> Option<Value> {
    let (name, version) = named_groups().find(|(group, _)| *group == name)?;
    let mut value = group((name, version));
    value["kind"] = json!("APIGroup");
    value["apiVersion"] = json!("v1");
    Some(value)
}

/// `/api/v1` and `/apis/<group>/<version>`; `None` when it is not served.
pub(crate) fn resources(group: &str, version: &str) -> Option<Value> {
    let resources: Vec<Value> = registry::of(group, version).flat_map(legacy).collect();
    if resources.is_empty() {
        return None;
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}

/// The aggregated form of `/api` (`core`) or `/apis`.
pub(crate) fn aggregated(core: bool) -> Value {
    let groups = registry::group_versions().into_iter().filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> = groups
        .map(|(group, version)| {
            let resources: Vec<Value> = registry::of(group, version).map(aggregated_resource).collect();
            let metadata = if core { json!({}) } else { json!({"name": group}) };
            json!({
                "metadata": metadata,
                "versions": [{"version": version, "freshness": "Current", "resources": resources}],
            })
        })
        .collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

/// `/version`. `version` is the cluster's, `1.33.2`.
pub(crate) fn version(version: &str) -> Value {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next().unwrap_or("1"), parts.next().unwrap_or("0"));
    json!({
        "major": major,
        "minor": minor,
        "gitVersion": format!("v{version}"),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "linux/amd64",
    })
}

fn named_groups() -> impl Iterator<Item = (&'static str, &'static str)> {
    registry::group_versions().into_iter().filter(|(group, _)| !group.is_empty())
}

fn group((name, version): (&str, &str)) -> Value {
    let version = json!({"groupVersion": format!("{name}/{version}"), "version": version});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn legacy(row: &'static Resource) -> Vec<Value> {
    let mut resource = json!({
        "name": row.plural,
        "singularName": row.singular(),
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": VERBS,
    });
    if !row.short_names.is_empty() {
        resource["shortNames"] = json!(row.short_names);
    }
    if !row.categories.is_empty() {
        resource["categories"] = json!(row.categories);
    }
    let mut all = vec![resource];
    all.extend(row.subresources.iter().map(|name| {
        let (group, version, kind) = subresource_kind(row, name);
        let mut subresource = json!({
            "name": format!("{}/{name}", row.plural),
            "singularName": "",
            "namespaced": row.namespaced,
            "kind": kind,
            "verbs": ["get", "patch", "update"],
        });
        if group != row.group {
            subresource["group"] = json!(group);
            subresource["version"] = json!(version);
        }
        subresource
    }));
    all
}

fn aggregated_resource(row: &'static Resource) -> Value {
    let mut resource = json!({
        "resource": row.plural,
        "responseKind": {"group": row.group, "version": row.version, "kind": row.kind},
        "scope": if row.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": row.singular(),
        "verbs": VERBS,
    });
    if !row.short_names.is_empty() {
        resource["shortNames"] = json!(row.short_names);
    }
    if !row.categories.is_empty() {
        resource["categories"] = json!(row.categories);
    }
    let subresources: Vec<Value> = row
        .subresources
        .iter()
        .map(|name| {
            let (group, version, kind) = subresource_kind(row, name);
            json!({
                "subresource": name,
                "responseKind": {"group": group, "version": version, "kind": kind},
                "verbs": ["get", "patch", "update"],
            })
        })
        .collect();
    if !subresources.is_empty() {
        resource["subresources"] = json!(subresources);
    }
    resource
}

fn subresource_kind(row: &Resource, name: &str) -> (&'static str, &'static str, &'static str) {
    if name == "scale" { ("autoscaling", "v1", "Scale") } else { (row.group, row.version, row.kind) }
}
