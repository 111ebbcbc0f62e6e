//! Server-side tables: what `kubectl get` prints for each kind.
//!
//! Source: the printers of kubernetes/kubernetes `pkg/printers/internalversion`; asked for by
//! `Accept: application/json;as=Table;v=v1;g=meta.k8s.io`.

mod cells;
mod custom;
mod duration;
mod resources;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::registry::Resource;
use cells::{Column, columns};

/// What of an object a table row carries along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum IncludeObject {
    None,
    #[default]
    Metadata,
    Object,
}

/// A table of objects. `metadata` is the list's (or, for one object, its resource version).
pub(crate) fn render(
    resource: &Resource,
    objects: &[Value],
    metadata: &Value,
    include: IncludeObject,
    now: Timestamp,
) -> Value {
    let (definitions, rows): (Vec<Value>, Vec<Value>) = if let Some(version) = resource.custom() {
        let rows = objects.iter().map(|object| row(&custom::cells(version, object, now), object, include));
        (custom::definitions(version), rows.collect())
    } else {
        let columns = columns(resource);
        let cells = |object| columns.iter().map(|column| (column.cell)(object, now)).collect::<Vec<_>>();
        let rows = objects.iter().map(|object| row(&cells(object), object, include));
        (columns.iter().map(definition).collect(), rows.collect())
    };
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

fn definition(column: &Column) -> Value {
    json!({
        "name": column.name,
        "type": column.value_type,
        "format": if column.name == "Name" { "name" } else { "" },
        "description": column.name,
        "priority": column.priority,
    })
}

fn row(cells: &[Value], object: &Value, include: IncludeObject) -> Value {
    let carried = match include {
        IncludeObject::None => Value::Null,
        IncludeObject::Object => object.clone(),
        IncludeObject::Metadata => json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object["metadata"],
        }),
    };
    json!({"cells": cells, "object": carried})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn print(plural: &str, object: &Value) -> Vec<String> {
        let row = registry::built_in().iter().find(|row| row.plural == plural).unwrap();
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let table = render(row, std::slice::from_ref(object), &json!({}), IncludeObject::None, now);
        let names = table["columnDefinitions"].as_array().unwrap().iter();
        let cells = table["rows"][0]["cells"].as_array().unwrap().iter();
        names.zip(cells).map(|(name, cell)| format!("{}={cell}", name["name"].as_str().unwrap())).collect()
    }

    #[test]
    fn a_node_prints_as_the_article_shows_it() {
        let node = json!({
            "metadata": {"name": "aks-nodepool1-1-vmss000000", "creationTimestamp": "2026-11-24T11:36:00Z", "labels": {}},
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "nodeInfo": {"kubeletVersion": "v1.33.2", "osImage": "Ubuntu 22.04.5 LTS", "kernelVersion": "5.15",
                             "containerRuntimeVersion": "containerd://1.7"},
                "addresses": [{"type": "InternalIP", "address": "10.224.0.5"}],
            },
        });
        insta::assert_debug_snapshot!(print("nodes", &node), @r#"
        [
            "Name=\"aks-nodepool1-1-vmss000000\"",
            "Status=\"Ready\"",
            "Roles=\"<none>\"",
            "Age=\"24m\"",
            "Version=\"v1.33.2\"",
            "Internal-IP=\"10.224.0.5\"",
            "External-IP=\"<none>\"",
            "OS-Image=\"Ubuntu 22.04.5 LTS\"",
            "Kernel-Version=\"5.15\"",
            "Container-Runtime=\"containerd://1.7\"",
        ]
        "#);
    }

    #[test]
    fn every_kind_has_a_name_and_an_age_or_says_why_not() {
        for row in registry::built_in() {
            let names: Vec<&str> = columns(row).iter().map(|column| column.name).collect();
            assert!(names.contains(&"Name") || row.kind == "Event", "{}: {names:?}", row.kind);
        }
    }
}
