//! What is served: discovery (legacy and aggregated) and version.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::registry::{self, Resource};

/// The content type by which clients tell the aggregated form from the legacy one.
pub(crate) const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// `/api`.
pub(crate) fn core_versions() -> Value {
    json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})
}

/// `/apis`.
pub(crate) fn groups(rows: &[Arc<Resource>]) -> Value {
    let groups: Vec<Value> = registry::groups(rows)
        .iter()
        .filter(|(name, _)| !name.is_empty())
        .map(|(name, all)| group(name, all))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`; `None` when it is not served.
pub(crate) fn one_group(rows: &[Arc<Resource>], name: &str) -> Option<Value> {
    let groups = registry::groups(rows);
    let (name, versions) = groups.iter().find(|(group, _)| *group == name && !name.is_empty())?;
    let mut value = group(name, versions);
    value["kind"] = json!("APIGroup");
    value["apiVersion"] = json!("v1");
    Some(value)
}

/// `/api/v1` and `/apis/<group>/<version>`; `None` when it is not served.
pub(crate) fn resources(rows: &[Arc<Resource>], group: &str, version: &str) -> Option<Value> {
    let resources: Vec<Value> = of(rows, group, version).flat_map(legacy).collect();
    if resources.is_empty() {
        return None;
    }
    let group_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}

/// The aggregated form of `/api` (`core`) or `/apis`.
pub(crate) fn aggregated(rows: &[Arc<Resource>], core: bool) -> Value {
    let groups = registry::groups(rows).into_iter().filter(|(group, _)| group.is_empty() == core);
    let items: Vec<Value> = groups
        .map(|(group, versions)| {
            let version = |version: &&str| {
                let resources: Vec<Value> = of(rows, group, version).map(aggregated_resource).collect();
                json!({"version": version, "freshness": "Current", "resources": resources})
            };
            let metadata = if core { json!({}) } else { json!({"name": group}) };
            json!({"metadata": metadata, "versions": versions.iter().map(version).collect::<Vec<_>>()})
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

fn of<'a>(rows: &'a [Arc<Resource>], group: &str, version: &str) -> impl Iterator<Item = &'a Arc<Resource>> {
    rows.iter().filter(move |row| row.group == group && row.version == version)
}

fn group(name: &str, versions: &[&str]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({"groupVersion": format!("{name}/{version}"), "version": version}))
        .collect();
    json!({"name": name, "preferredVersion": versions.first(), "versions": versions})
}

fn legacy(row: &Arc<Resource>) -> Vec<Value> {
    let mut resource = json!({
        "name": row.plural,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": row.verbs.names(),
    });
    if !row.short_names.is_empty() {
        resource["shortNames"] = json!(row.short_names);
    }
    if !row.categories.is_empty() {
        resource["categories"] = json!(row.categories);
    }
    let mut all = vec![resource];
    all.extend(row.subresources.iter().map(|name| {
        let Subresource { group, version, kind, verbs } = subresource(row, name);
        let mut subresource = json!({
            "name": format!("{}/{name}", row.plural),
            "singularName": "",
            "namespaced": row.namespaced,
            "kind": kind,
            "verbs": verbs,
        });
        if group != row.group {
            subresource["group"] = json!(group);
            subresource["version"] = json!(version);
        }
        subresource
    }));
    all
}

fn aggregated_resource(row: &Arc<Resource>) -> Value {
    let mut resource = json!({
        "resource": row.plural,
        "responseKind": {"group": row.group, "version": row.version, "kind": row.kind},
        "scope": if row.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": row.singular,
        "verbs": row.verbs.names(),
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
            let Subresource { group, version, kind, verbs } = subresource(row, name);
            let kind = json!({"group": group, "version": version, "kind": kind});
            json!({"subresource": name, "responseKind": kind, "verbs": verbs})
        })
        .collect();
    if !subresources.is_empty() {
        resource["subresources"] = json!(subresources);
    }
    resource
}

struct Subresource<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    verbs: &'static [&'static str],
}

/// What can be done with what lies behind a proxy.
const PROXIED: &[&str] = &["create", "delete", "get", "patch", "update"];

/// The kind of a subresource and what can be done with it.
fn subresource<'a>(row: &'a Resource, name: &str) -> Subresource<'a> {
    let of = |group, version, kind, verbs| Subresource { group, version, kind, verbs };
    let own = |kind, verbs| of(&row.group, &row.version, kind, verbs);
    match name {
        "scale" => of("autoscaling", "v1", "Scale", &["get", "patch", "update"]),
        "eviction" => of("policy", "v1", "Eviction", &["create"]),
        "token" => of("authentication.k8s.io", "v1", "TokenRequest", &["create"]),
        "binding" => own("Binding", &["create"]),
        "log" => own(&row.kind, &["get"]),
        "exec" => own("PodExecOptions", &["create", "get"]),
        "attach" => own("PodAttachOptions", &["create", "get"]),
        "portforward" => own("PodPortForwardOptions", &["create", "get"]),
        "proxy" if row.kind == "Node" => own("NodeProxyOptions", PROXIED),
        "proxy" if row.kind == "Service" => own("ServiceProxyOptions", PROXIED),
        "proxy" => own("PodProxyOptions", PROXIED),
        "finalize" => own(&row.kind, &["update"]),
        _ => own(&row.kind, &["get", "patch", "update"]),
    }
}
