//! What happens to an object before it is stored: envelope, metadata, defaults, checks.
//!
//! Pure: time and names come in.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{custom, defaults, registry::Resource, request::FieldValidation, status::Status, validation};

/// Where a new object's names come from.
pub(crate) struct Birth<'a> {
    pub(crate) now: Timestamp,
    pub(crate) uid: String,
    /// Five characters behind `generateName`.
    pub(crate) suffix: &'a str,
}

/// Checks the envelope of a body: group, version, kind, namespace and name agree with the path.
///
/// # Errors
/// 400, worded as the real server does.
pub(crate) fn check_envelope(
    row: &Resource,
    object: &mut Value,
    namespace: Option<&str>,
    name: Option<&str>,
) -> Result<(), Status> {
    let Value::Object(fields) = object else {
        return Err(Status::bad_request("the object provided is unrecognized (must be of type object)"));
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text(fields.get("apiVersion")), text(fields.get("kind")));
    if (!api_version.is_empty() && api_version != row.api_version()) || (!kind.is_empty() && kind != row.kind) {
        return Err(Status::bad_request(format!(
            "the object provided ({api_version}, Kind={kind}) does not match the expected {}, Kind={}",
            row.api_version(),
            row.kind
        )));
    }
    fields.insert("apiVersion".into(), json!(row.api_version()));
    fields.insert("kind".into(), json!(row.kind));
    let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
    let Value::Object(metadata) = metadata else { return Err(Status::bad_request("metadata must be an object")) };
    if let Some(namespace) = namespace {
        let given = text(metadata.get("namespace"));
        if !given.is_empty() && given != namespace {
            return Err(Status::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        metadata.insert("namespace".into(), json!(namespace));
    } else {
        metadata.remove("namespace");
    }
    if let Some(name) = name {
        let given = text(metadata.get("name"));
        if !given.is_empty() && given != name {
            return Err(Status::bad_request(format!(
                "the name of the object ({given}) does not match the name on the URL ({name})"
            )));
        }
        metadata.insert("name".into(), json!(name));
    }
    Ok(())
}

/// Unknown fields and wrong types: the warnings to send along.
///
/// # Errors
/// 400 for a body that does not decode, and for unknown fields when validation is strict.
pub(crate) fn check_fields(row: &Resource, object: &Value, validation: FieldValidation) -> Result<Vec<String>, Status> {
    let unknown = row.check(object).map_err(|error| {
        Status::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: {error}",
            row.kind, row.version, row.kind
        ))
    })?;
    let warnings: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(warnings),
        FieldValidation::Strict if warnings.is_empty() => Ok(warnings),
        FieldValidation::Strict => Err(Status::bad_request(format!(
            "{} in version \"{}\" cannot be handled as a {}: strict decoding error: {}",
            row.kind,
            row.version,
            row.kind,
            warnings.join(", ")
        ))),
    }
}

/// Makes a checked body into a new object, complete but perhaps not valid: [`check`] is for later.
///
/// # Errors
/// 400 without metadata.
pub(crate) fn create(row: &Resource, object: &mut Value, birth: &Birth<'_>) -> Result<(), Status> {
    let Value::Object(metadata) = &mut object["metadata"] else {
        return Err(Status::bad_request("metadata is missing"));
    };
    if metadata.get("name").and_then(Value::as_str).is_none_or(str::is_empty) {
        let prefix = metadata.get("generateName").and_then(Value::as_str).unwrap_or_default();
        if !prefix.is_empty() {
            let name = format!("{}{}", prefix.chars().take(58).collect::<String>(), birth.suffix);
            metadata.insert("name".into(), json!(name));
        }
    }
    metadata.insert("uid".into(), json!(birth.uid));
    metadata.insert("creationTimestamp".into(), json!(rfc3339(birth.now)));
    for field in ["resourceVersion", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"] {
        metadata.remove(field);
    }
    if has_generation(row) {
        metadata.insert("generation".into(), json!(1));
    }
    if row.has_status()
        && let Value::Object(fields) = object
    {
        fields.remove("status");
    }
    fill_in(row, object, birth.now);
    Ok(())
}

/// Makes a checked body into the next state of `before`, which [`settle`] finishes.
///
/// # Errors
/// 409 when it is meant for another object of the same name.
pub(crate) fn update(row: &Resource, before: &Value, object: &mut Value, now: Timestamp) -> Result<(), Status> {
    let held = before["metadata"]["uid"].as_str().unwrap_or_default();
    if let Some(meant) = object["metadata"]["uid"].as_str().filter(|meant| !meant.is_empty() && *meant != held) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        return Err(Status::precondition_failed(&row.group, &row.plural, name, ("UID", meant, held)));
    }
    for field in ["uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let kept = before["metadata"][field].clone();
        let Value::Object(metadata) = &mut object["metadata"] else { continue };
        if kept.is_null() {
            metadata.remove(field);
        } else {
            metadata.insert(field.into(), kept);
        }
    }
    if row.has_status() {
        keep(before, object, "status");
    }
    if row.is_core("Service") && object["spec"]["type"] != "ExternalName" {
        for field in ["clusterIP", "clusterIPs"] {
            if object["spec"][field].is_null() && !before["spec"][field].is_null() {
                object["spec"][field] = before["spec"][field].clone();
            }
        }
    }
    fill_in(row, object, now);
    Ok(())
}

/// Finishes the next state of `before` when nothing changes it any more: it is valid, and its generation counts.
///
/// # Errors
/// 422 when it is not valid.
pub(crate) fn settle(row: &Resource, only_status: bool, before: &Value, object: &mut Value) -> Result<(), Status> {
    if only_status {
        // Who writes a status is a controller, whose built-in kinds have no rules of their own.
        return if row.custom().is_some() { check(row, object, Some(before)) } else { Ok(()) };
    }
    check(row, object, Some(before))?;
    if has_generation(row) && desired(before) != desired(object) {
        let generation = before["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
        object["metadata"]["generation"] = json!(generation);
    }
    Ok(())
}

/// What the server fills in.
pub(crate) fn fill_in(row: &Resource, object: &mut Value, now: Timestamp) {
    match row.custom() {
        Some(version) => version.complete(object),
        None if row.kind == "CustomResourceDefinition" => custom::complete(object, &rfc3339(now)),
        None => defaults::fill_in(row, object),
    }
}

/// That an object is valid, and may take the place of `before`.
///
/// # Errors
/// 422.
pub(crate) fn check(row: &Resource, object: &Value, before: Option<&Value>) -> Result<(), Status> {
    let mut causes = validation::metadata(row, object);
    match row.custom() {
        Some(version) => causes.extend(version.validate(object, before)),
        None if row.kind == "CustomResourceDefinition" => causes.extend(custom::validate(object)),
        None => {
            causes.extend(before.map(|before| validation::changes(row, before, object)).unwrap_or_default());
            causes.extend(validation::built_in(row, object));
        }
    }
    if causes.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(Status::invalid(&row.group, &row.kind, name, &causes))
}

/// The next state of `before` when only its status is written.
pub(crate) fn update_status(row: &Resource, before: &Value, object: &Value) -> Value {
    let mut next = before.clone();
    next["status"] = object["status"].clone();
    if let Some(version) = row.custom() {
        version.complete(&mut next);
    }
    next
}

/// RFC 3339 in whole seconds, as Kubernetes writes times.
pub(crate) fn rfc3339(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn keep(before: &Value, object: &mut Value, field: &str) {
    let Value::Object(fields) = object else { return };
    match before.get(field) {
        Some(kept) => drop(fields.insert(field.to_owned(), kept.clone())),
        None => drop(fields.remove(field)),
    }
}

/// Everything that is wished for: all but metadata and status.
fn desired(object: &Value) -> Vec<(&String, &Value)> {
    let fields = object.as_object().into_iter().flatten();
    fields.filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status")).collect()
}

fn has_generation(row: &Resource) -> bool {
    row.custom().is_some()
        || row.is_core("Pod")
        || matches!(
            &*row.group,
            "admissionregistration.k8s.io" | "apps" | "autoscaling" | "batch" | "networking.k8s.io" | "policy"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn born(plural: &str, mut object: Value) -> Result<Value, Status> {
        let row = registry::built_in().iter().find(|row| row.plural == plural).unwrap();
        check_envelope(row, &mut object, row.namespaced.then_some("default"), None)?;
        let birth = Birth { now: Timestamp::UNIX_EPOCH, uid: "u".into(), suffix: "abcde" };
        create(row, &mut object, &birth)?;
        check(row, &object, None)?;
        Ok(object)
    }

    #[test]
    fn a_new_object_gets_what_the_server_gives() {
        let object = born("configmaps", json!({"metadata": {"generateName": "c-", "selfLink": "/x"}})).unwrap();
        assert_eq!(
            object,
            json!({"metadata": {"generateName": "c-", "namespace": "default", "name": "c-abcde", "uid": "u",
                   "creationTimestamp": "1970-01-01T00:00:00Z"}, "apiVersion": "v1", "kind": "ConfigMap"})
        );
    }

    #[test]
    fn secrets_take_text_and_keep_bytes() {
        let secret = born("secrets", json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}})).unwrap();
        assert_eq!((&secret["data"]["a"], &secret["type"]), (&json!("Yg=="), &json!("Opaque")));
        assert!(secret.get("stringData").is_none());
    }

    #[test]
    fn refusals_name_the_fields() {
        let refused =
            born("deployments", json!({"metadata": {"name": "Bad_Name"}, "spec": {}})).unwrap_err().to_value();
        let fields: Vec<&str> = refused["details"]["causes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cause| cause["field"].as_str().unwrap())
            .collect();
        assert_eq!(fields, ["metadata.name", "spec.selector", "spec.template.spec.containers"]);
    }

    #[test]
    fn the_generation_counts_changes_of_what_is_desired() {
        let row = registry::find("apps", "v1", "deployments").unwrap();
        let template =
            json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
        let body =
            json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
        let first = born("deployments", body).unwrap();
        let mut relabelled = first.clone();
        relabelled["metadata"]["labels"] = json!({"x": "y"});
        let next = |object: &mut Value| {
            update(row, &first, object, Timestamp::UNIX_EPOCH).and_then(|()| settle(row, false, &first, object))
        };
        next(&mut relabelled).unwrap();
        assert_eq!(relabelled["metadata"]["generation"], 1);
        let mut scaled = first.clone();
        scaled["spec"]["replicas"] = json!(3);
        next(&mut scaled).unwrap();
        assert_eq!(scaled["metadata"]["generation"], 2);
        let mut reselected = first.clone();
        reselected["spec"]["selector"] = json!({"matchLabels": {"a": "c"}});
        assert_eq!(next(&mut reselected).unwrap_err().code, 422);
    }
}
