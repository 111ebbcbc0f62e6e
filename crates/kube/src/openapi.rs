//! The OpenAPI documents: what `kubectl explain` reads, and from what clients see that they may leave the
//! validation of fields to the server.
//!
//! Schemas and their texts are those of k8s-openapi, which takes them from Kubernetes' own document of
//! its newest version.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::LazyLock,
};

use bytes::Bytes;
use k8s_openapi::schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::registry::{self, Resource};

/// The content type of version 2 in protobuf; clients ask for it with an `@`, which no answer may have.
pub(crate) const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// `{"swagger": "2.0", "info": {"title": "Kubernetes", "version": "v1"}}` in protobuf.
///
/// Clients ask for version 2 where version 3 says nothing, which is for a `List` of objects; of a kind
/// that is not described they leave the validation to the server.
pub(crate) const V2_DOCUMENT: &[u8] = b"\x0a\x032.0\x12\x10\x0a\x0aKubernetes\x12\x02v1";

/// `/openapi/v2` in JSON.
pub(crate) fn v2() -> Value {
    json!({"swagger": "2.0", "info": info(), "paths": {}})
}

/// The document of one group and version, the same for all clusters.
pub(crate) struct Document {
    group: &'static str,
    version: &'static str,
    pub(crate) bytes: Bytes,
    hash: u64,
}

/// All of them, made when the first client asks: some 1 MB.
static DOCUMENTS: LazyLock<Vec<Document>> = LazyLock::new(|| {
    let documents = registry::group_versions().into_iter().map(|(group, version)| {
        let bytes = Bytes::from(v3(group, version).to_string());
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Document { group, version, bytes, hash: hasher.finish() }
    });
    documents.collect()
});

/// `/openapi/v3`: where the document of each group and version is. The hash changes when the document
/// does, so that clients may keep it.
pub(crate) fn index() -> Value {
    let paths = DOCUMENTS.iter().map(|Document { group, version, hash, .. }| {
        let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
        let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash:016X}")});
        (path, url)
    });
    json!({"paths": paths.collect::<Map<_, _>>()})
}

/// `/openapi/v3/…`: the document of one group and version; `None` when it is not served.
pub(crate) fn document(group: &str, version: &str) -> Option<&'static Document> {
    DOCUMENTS.iter().find(|document| document.group == group && document.version == version)
}

fn v3(group: &str, version: &str) -> Value {
    let mut generator = SchemaGenerator::new(SchemaSettings::openapi3());
    let mut paths = Map::new();
    let mut kinds = Vec::new();
    for row in registry::of(group, version) {
        let reference = (row.schema)(&mut generator).to_value();
        kinds.push((reference, row));
        let (path, item) = path(row);
        paths.insert(path, item);
    }
    let mut schemas = generator.take_definitions(true);
    for (reference, row) in kinds {
        let name = reference["$ref"].as_str().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        if let Some(Value::Object(schema)) = schemas.get_mut(name) {
            schema.insert("x-kubernetes-group-version-kind".into(), json!([group_version_kind(row)]));
        }
    }
    json!({"openapi": "3.0.0", "info": info(), "paths": paths, "components": {"schemas": schemas}})
}

fn info() -> Value {
    json!({"title": "Kubernetes", "version": "v1"})
}

fn group_version_kind(row: &Resource) -> Value {
    json!({"group": row.group, "version": row.version, "kind": row.kind})
}

/// The path of one object: by its operations clients find the kind and what PATCH takes.
fn path(row: &'static Resource) -> (String, Value) {
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
        for (group, version) in registry::group_versions() {
            let document = v3(group, version);
            let schemas = document["components"]["schemas"].as_object().unwrap();
            for row in registry::of(group, version) {
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
}
