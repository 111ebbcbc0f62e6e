//! What is served: discovery (legacy and aggregated), version, and enough OpenAPI v3 for clients
//! to leave the validation of fields to the server.

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

/// `/openapi/v3`: where the document of each group and version is.
pub(crate) fn openapi_index() -> Value {
    let paths = registry::group_versions().into_iter().map(|(group, version)| {
        let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
        let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}")});
        (path, url)
    });
    json!({"paths": paths.collect::<serde_json::Map<_, _>>()})
}

/// `/openapi/v3/…`: for each kind, that PATCH takes `fieldValidation` and `dryRun`.
pub(crate) fn openapi(group: &str, version: &str) -> Option<Value> {
    let paths: serde_json::Map<String, Value> = registry::of(group, version).map(openapi_path).collect();
    if paths.is_empty() {
        return None;
    }
    // Fields are not described: `kubectl explain` says that it finds nothing.
    let info = json!({"title": "Kubernetes", "version": "v1"});
    Some(json!({"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}))
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

fn openapi_path(row: &'static Resource) -> (String, Value) {
    let base =
        if row.group.is_empty() { format!("/api/{}", row.version) } else { format!("/apis/{}", row.api_version()) };
    let namespace = if row.namespaced { "/namespaces/{namespace}" } else { "" };
    let parameter =
        |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let kind = json!({"group": row.group, "version": row.version, "kind": row.kind});
    let patch = json!({
        "operationId": format!("patch{}{}", if row.namespaced { "Namespaced" } else { "" }, row.kind),
        "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": kind,
    });
    (format!("{base}{namespace}/{}/{{name}}", row.plural), json!({"patch": patch}))
}
