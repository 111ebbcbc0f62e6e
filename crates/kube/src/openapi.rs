//! The OpenAPI documents: what `kubectl explain` reads, and from what clients see that they may leave the
//! validation of fields to the server.
//!
//! Schemas and their texts are those of k8s-openapi, which takes them from Kubernetes' own document of
//! its newest version; those of custom kinds stand in their definitions.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, LazyLock},
};

use bytes::Bytes;
use k8s_openapi::{
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
    schemars::{SchemaGenerator, generate::SchemaSettings},
};
use serde_json::{Map, Value, json};

use crate::registry::{self, Nature, Resource};

/// The content type of version 2 in protobuf; clients ask for it with an `@`, which no answer may have.
pub(crate) const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// `{"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1"}}` in protobuf.
///
/// Clients ask for version 2 where version 3 says nothing, which is for a `List` of objects; of a kind
/// that is not described they leave the validation to the server.
pub(crate) const V2_DOCUMENT: &[u8] = b"\x0a\x032.0\x12\x10\x0a\x0aKubernetes\x12\x02v1";

/// The document of one group and version, the same for all clusters.
struct Document {
    group: String,
    version: String,
    bytes: Bytes,
    hash: u64,
}

/// Those of the built-in kinds, made when the first client asks: some 2 MB.
static DOCUMENTS: LazyLock<Vec<Document>> = LazyLock::new(|| {
    group_versions(registry::built_in())
        .map(|(group, version)| {
            let bytes = Bytes::from(v3(&of(registry::built_in(), &group, &version)).to_string());
            let hash = hash(&bytes);
            Document { group, version, bytes, hash }
        })
        .collect()
});

fn hash(bytes: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}

fn group_versions(rows: &[Arc<Resource>]) -> impl Iterator<Item = (String, String)> {
    registry::groups(rows)
        .into_iter()
        .flat_map(|(group, versions)| versions.into_iter().map(move |version| (group.to_owned(), version.to_owned())))
}

fn of(rows: &[Arc<Resource>], group: &str, version: &str) -> Vec<Arc<Resource>> {
    rows.iter().filter(|row| row.group == group && row.version == version).cloned().collect()
}

/// `/openapi/v2` in JSON.
pub(crate) fn v2(custom: &[Arc<Resource>]) -> Value {
    let rows: Vec<Arc<Resource>> = registry::built_in().iter().chain(custom).cloned().collect();
    let document = v3(&rows).to_string().replace("\"#/components/schemas/", "\"#/definitions/");
    let mut document: Value = serde_json::from_str(&document).unwrap_or_default();
    let definitions = document["components"]["schemas"].take();
    let mut paths = document["paths"].take();
    for operation in paths.as_object_mut().into_iter().flatten().filter_map(|(_, item)| item.as_object_mut()).flatten()
    {
        for parameter in operation.1["parameters"].as_array_mut().into_iter().flatten() {
            *parameter = json!({"name": parameter["name"], "in": "query", "type": "string", "uniqueItems": true});
        }
    }
    json!({"swagger": "2.0", "info": info(), "paths": paths, "definitions": definitions})
}

/// `/openapi/v3`: where the document of each group and version is. The hash changes when the document
/// does, so that clients may keep it.
pub(crate) fn index(custom: &[Arc<Resource>]) -> Value {
    let built_in = DOCUMENTS.iter().map(|document| (document.group.clone(), document.version.clone(), document.hash));
    let custom = group_versions(custom).filter_map(|(group, version)| {
        let hash = hash(&custom_document(custom, &group, &version)?);
        Some((group, version, hash))
    });
    let paths = built_in.chain(custom).map(|(group, version, hash)| {
        let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
        let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash:016X}")});
        (path, url)
    });
    json!({"paths": paths.collect::<Map<_, _>>()})
}

/// `/openapi/v3/…`: the document of one group and version of built-in kinds; `None` when it is not one of them.
pub(crate) fn document(group: &str, version: &str) -> Option<Bytes> {
    let found = DOCUMENTS.iter().find(|document| document.group == group && document.version == version);
    found.map(|document| document.bytes.clone())
}

/// The document of one group and version of custom kinds; `None` when it is not served.
pub(crate) fn custom_document(custom: &[Arc<Resource>], group: &str, version: &str) -> Option<Bytes> {
    let rows = of(custom, group, version);
    (!rows.is_empty()).then(|| Bytes::from(v3(&rows).to_string()))
}

fn v3(rows: &[Arc<Resource>]) -> Value {
    let mut generator = SchemaGenerator::new(SchemaSettings::openapi3());
    let mut paths = Map::new();
    let mut kinds = Vec::new();
    let mut own = Map::new();
    for row in rows {
        match &row.nature {
            Nature::BuiltIn { schema, .. } => kinds.push((schema(&mut generator).to_value(), row)),
            Nature::Custom(version) => {
                let metadata = generator.subschema_for::<ObjectMeta>().to_value();
                own.insert(custom_name(row), custom_schema(row, &version.schema, &metadata));
            }
        }
        let (path, item) = path(row);
        paths.insert(path, item);
    }
    let mut schemas = generator.take_definitions(true);
    for (reference, row) in kinds {
        let name = reference["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        if let Some(Value::Object(schema)) = schemas.get_mut(name) {
            let kinds = schema.entry("x-kubernetes-group-version-kind").or_insert_with(|| json!([]));
            if let Value::Array(kinds) = kinds {
                kinds.push(group_version_kind(row));
            }
        }
    }
    schemas.extend(own);
    json!({"openapi": "3.0.0", "info": info(), "paths": paths, "components": {"schemas": schemas}})
}

/// `com.example.stable.v1.CronTab`: the group backwards.
fn custom_name(row: &Resource) -> String {
    let group: Vec<&str> = row.group.rsplit('.').collect();
    format!("{}.{}.{}", group.join("."), row.version, row.kind)
}

fn custom_schema(row: &Resource, schema: &Value, metadata: &Value) -> Value {
    let mut schema = schema.clone();
    for (name, below) in
        [("apiVersion", json!({"type": "string"})), ("kind", json!({"type": "string"})), ("metadata", metadata.clone())]
    {
        schema["properties"][name] = below;
    }
    schema["x-kubernetes-group-version-kind"] = json!([group_version_kind(row)]);
    schema
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": "v1"})
}

fn group_version_kind(row: &Resource) -> Value {
    json!({"group": row.group, "version": row.version, "kind": row.kind})
}

/// The path of one object: by its operations clients find the kind and what PATCH takes.
fn path(row: &Resource) -> (String, Value) {
    let base =
        if row.group.is_empty() { format!("/api/{}", row.version) } else { format!("/apis/{}", row.api_version()) };
    let namespace = if row.namespaced { "/namespaces/{namespace}" } else { "" };
    let parameter =
        |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let patch = json!({
        "operationId": format!("patch{}{}", if row.namespaced { "Namespaced" } else { "" }, row.kind),
        "parameters": [parameter("dryRun"), parameter("fieldManager"), parameter("fieldValidation")],
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": group_version_kind(row),
    });
    (format!("{base}{namespace}/{}/{{name}}", row.plural), json!({"patch": patch}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_described_and_no_reference_leads_nowhere() {
        for (group, version) in group_versions(registry::built_in()) {
            let rows = of(registry::built_in(), &group, &version);
            let document = v3(&rows);
            let schemas = document["components"]["schemas"].as_object().unwrap();
            for row in &rows {
                let kinds = json!([group_version_kind(row)]);
                let found = schemas.values().filter(|schema| schema["x-kubernetes-group-version-kind"] == kinds);
                assert_eq!(found.count(), 1, "{}", row.kind);
            }
            let text = document.to_string();
            for reference in text.split("\"#/components/schemas/").skip(1) {
                let name = reference.split('"').next().unwrap();
                assert!(schemas.contains_key(name), "{name}");
            }
        }
    }

    #[test]
    fn version_2_describes_every_kind_by_definitions() {
        let document = v2(&[]);
        assert!(document["definitions"]["io.k8s.api.apps.v1.Deployment"]["properties"]["spec"].is_object());
        assert!(!document.to_string().contains("#/components/"));
    }
}
