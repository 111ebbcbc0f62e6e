//! Azure Resource Graph: rows of `resources` and `dnsresources`.

use azure::{Estate, Kind};
use serde_json::{Map, Value, json};

use crate::{assert_same, codes, files, from_text};

/// The rows that Resource Graph has for an estate: types in lower case, subnets within their networks,
/// records in `dnsresources` as a list called `records`.
fn rows(estate: &Estate) -> Vec<Value> {
    let mut rows = Vec::new();
    for resource in estate.iter() {
        let mut document = resource.document().value();
        let object = document.as_object_mut().unwrap();
        object.insert("id".into(), json!(resource.id()));
        object.insert("type".into(), json!(resource.id().resource_type().to_lowercase()));
        match resource.kind() {
            Kind::Subnet | Kind::Peering | Kind::SecurityRule | Kind::Route | Kind::AgentPool => continue,
            Kind::VirtualNetwork | Kind::NetworkSecurityGroup | Kind::RouteTable => {
                let of = |kind| -> Vec<Value> {
                    let children = estate.children(resource.id(), kind);
                    children
                        .map(|child| {
                            let properties = child.document().value()["properties"].take();
                            json!({"id": child.id(), "name": child.id().name(), "properties": properties})
                        })
                        .collect()
                };
                for child in [Kind::Subnet, Kind::Peering, Kind::SecurityRule, Kind::Route] {
                    if child.arm_type().starts_with(resource.kind().arm_type()) {
                        document["properties"][child.collection()] = of(child).into();
                    }
                }
            }
            Kind::RecordA => {
                let records = document["properties"].as_object_mut().unwrap().remove("aRecords").unwrap();
                document["properties"]["records"] = records;
            }
            Kind::VirtualMachine => {
                let state = resource.hidden().value()["powerState"].as_str().unwrap().to_owned();
                document["properties"]["extended"] =
                    json!({"instanceView": {"powerState": {"code": format!("PowerState/{state}")}}});
            }
            _ => {}
        }
        rows.push(document);
    }
    rows
}

#[test]
fn an_export_says_what_az_says() {
    let az = import::from_inputs(&files("az")).unwrap();
    let answer = json!({"count": 3, "data": rows(&az.estate), "skip_token": null, "total_records": 3});
    let graph = from_text(answer.to_string()).unwrap();
    assert_same(&graph.estate, &az.estate);
    assert_eq!(codes(&graph), ["PublicAddressPlaceholder"]);
}

#[test]
fn a_table_is_rows_with_the_names_taken_out() {
    let az = import::from_inputs(&files("az")).unwrap();
    let columns = ["id", "name", "type", "location", "properties"];
    let cells = |row: Value| columns.iter().map(|name| row[*name].clone()).collect::<Vec<_>>();
    let table = json!({"totalRecords": 99, "count": 99, "resultTruncated": "false", "data": {
        "columns": columns.map(|name| json!({"name": name, "type": "string"})),
        "rows": rows(&az.estate).into_iter().map(cells).collect::<Vec<_>>(),
    }});
    assert_same(&from_text(table.to_string()).unwrap().estate, &az.estate);
}

#[test]
fn an_answer_that_goes_on_is_said_to_be_a_part() {
    let row =
        json!({"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/routeTables/t", "properties": {}});
    let said = |extra: Value| {
        let mut answer: Map<String, Value> = extra.as_object().unwrap().clone();
        answer.insert("data".into(), json!([row]));
        let imported = from_text(Value::Object(answer).to_string()).unwrap();
        imported.findings.into_iter().map(|finding| finding.message).collect::<Vec<_>>()
    };
    assert!(said(json!({"count": 1, "totalRecords": 1})).is_empty());
    assert!(said(json!({"count": 1, "total_records": 2500, "skip_token": "x"}))[0].contains("(1 of 2500 rows)"));
    assert_eq!(said(json!({"$skipToken": "x"})).len(), 1);
    assert_eq!(said(json!({"resultTruncated": "true"})).len(), 1);
    let page = json!({"value": [row], "nextLink": "https://management.azure.com/…"});
    assert_eq!(codes(&from_text(page.to_string()).unwrap()), ["Truncated"]);
}
