//! The definition itself: what it has by default, what is refused of it, and the conditions that say it is in use.
//!
//! Source: kubernetes/kubernetes `staging/src/k8s.io/apiextensions-apiserver`.

use serde_json::{Value, json};

use crate::status::Cause;

/// Fills in the names, the stored versions and the conditions. A definition is established at once.
pub(crate) fn complete(definition: &mut Value, time: &str) {
    let spec = &mut definition["spec"];
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_owned();
    for (field, value) in [("singular", kind.to_ascii_lowercase()), ("listKind", format!("{kind}List"))] {
        if spec["names"][field].as_str().is_none_or(str::is_empty) {
            spec["names"][field] = json!(value);
        }
    }
    if spec["conversion"].is_null() {
        spec["conversion"] = json!({"strategy": "None"});
    }
    let storage = spec["versions"].as_array().into_iter().flatten().find(|version| version["storage"] == true);
    let storage = storage.map(|version| version["name"].clone());
    let names = spec["names"].clone();
    let mut stored = definition["status"]["storedVersions"].as_array().cloned().unwrap_or_default();
    stored.extend(storage.filter(|version| !stored.contains(version)));
    let held = definition["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let condition = |kind: &str, reason: &str, message: &str| {
        let since = held.iter().find(|held| held["type"] == kind && held["status"] == "True");
        let since = since.map_or(json!(time), |held| held["lastTransitionTime"].clone());
        json!({"type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": since})
    };
    let conditions = [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ];
    definition["status"] = json!({"acceptedNames": names, "conditions": conditions, "storedVersions": stored});
}

/// What is wrong with a definition.
pub(crate) fn validate(definition: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
    let name = text(&definition["metadata"]["name"]);
    if name != format!("{plural}.{group}") {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        causes.push(Cause::invalid("metadata.name", &json!(name), detail));
    }
    for (path, value) in [
        ("spec.group", &spec["group"]),
        ("spec.names.plural", &spec["names"]["plural"]),
        ("spec.names.kind", &spec["names"]["kind"]),
    ] {
        if text(value).is_empty() {
            causes.push(Cause::required(path, ""));
        }
    }
    if !matches!(spec["scope"].as_str(), Some("Namespaced" | "Cluster")) {
        causes.push(unsupported("spec.scope", &spec["scope"], "\"Cluster\", \"Namespaced\""));
    }
    let versions = spec["versions"].as_array().map_or(&[][..], Vec::as_slice);
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let detail = "must have exactly one version marked as storage version";
        causes.push(Cause::invalid("spec.versions", &spec["versions"], detail));
    }
    for (index, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{index}].schema.openAPIV3Schema");
        let schema = &version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            causes.push(Cause::required(&path, "schemas are required"));
        } else if schema["type"] != "object" {
            causes.push(Cause::required(&format!("{path}.type"), "must not be empty at the root"));
        } else {
            check(schema, &path, &mut causes);
        }
    }
    causes
}

fn unsupported(path: &str, value: &Value, known: &str) -> Cause {
    let message = format!("Unsupported value: {value}: supported values: {known}");
    Cause { reason: "FieldValueNotSupported", field: path.to_owned(), message }
}

/// Structural schemas say the type of everything.
fn check(schema: &Value, path: &str, causes: &mut Vec<Cause>) {
    let free = schema["x-kubernetes-preserve-unknown-fields"] == true || schema["x-kubernetes-int-or-string"] == true;
    if schema["type"].is_null() && !free {
        causes.push(Cause::required(&format!("{path}.type"), "must not be empty for specified object fields"));
    }
    if schema["type"] == "array" && !schema["items"].is_object() {
        causes.push(Cause::required(&format!("{path}.items"), "must be specified"));
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        check(below, &format!("{path}.properties[{name}]"), causes);
    }
    for (name, below) in [("items", &schema["items"]), ("additionalProperties", &schema["additionalProperties"])] {
        if below.is_object() {
            check(below, &format!("{path}.{name}"), causes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_names_itself_and_says_the_type_of_everything() {
        let good = json!({"metadata": {"name": "crontabs.stable.example.com"}, "spec": {
            "group": "stable.example.com", "scope": "Namespaced", "names": {"plural": "crontabs", "kind": "CronTab"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}],
        }});
        assert_eq!(validate(&good), []);
        let mut bad = good.clone();
        bad["metadata"]["name"] = json!("crontabs");
        bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"] = json!({"spec": {}});
        let fields: Vec<String> = validate(&bad).into_iter().map(|cause| cause.field).collect();
        assert_eq!(fields, ["metadata.name", "spec.versions[0].schema.openAPIV3Schema.properties[spec].type"]);
        let mut done = good;
        complete(&mut done, "now");
        assert_eq!(done["spec"]["names"]["listKind"], "CronTabList");
        assert_eq!(done["status"]["storedVersions"], json!(["v1"]));
        assert_eq!(done["status"]["conditions"][1]["type"], "Established");
    }
}
