//! What happens to an object before it is stored: envelope, metadata, defaults, checks.
//!
//! Pure: time and names come in. Source of the defaults: kubernetes/kubernetes `pkg/apis/*/v1/defaults.go`,
//! as far as clients see them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    registry::Resource,
    request::FieldValidation,
    rollout,
    status::{Cause, Status},
};

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
    let unknown = (row.check)(object).map_err(|error| {
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

/// Makes a checked body into a new object.
///
/// # Errors
/// 422 when it is not valid.
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
    default(row, object);
    if row.kind == "Deployment" {
        rollout::observe(object, birth.now);
    }
    validate(row, object)
}

/// Makes a checked body into the next state of `before`.
///
/// # Errors
/// 409 when it is meant for another object of the same name, 422 when it is not valid.
pub(crate) fn update(row: &Resource, before: &Value, object: &mut Value, now: Timestamp) -> Result<(), Status> {
    let held = before["metadata"]["uid"].as_str().unwrap_or_default();
    if let Some(meant) = object["metadata"]["uid"].as_str().filter(|meant| !meant.is_empty() && *meant != held) {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        return Err(Status::precondition_failed(row.group, row.plural, name, ("UID", meant, held)));
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
    if row.kind == "Service" && object["spec"]["type"] != "ExternalName" {
        for field in ["clusterIP", "clusterIPs"] {
            if object["spec"][field].is_null() && !before["spec"][field].is_null() {
                object["spec"][field] = before["spec"][field].clone();
            }
        }
    }
    default(row, object);
    immutable(row, before, object)?;
    validate(row, object)?;
    if has_generation(row) && desired(before) != desired(object) {
        let generation = before["metadata"]["generation"].as_u64().unwrap_or(0) + 1;
        object["metadata"]["generation"] = json!(generation);
    }
    if row.kind == "Deployment" {
        rollout::observe(object, now);
    }
    Ok(())
}

/// The next state of `before` when only its status is written.
pub(crate) fn update_status(before: &Value, object: &Value) -> Value {
    let mut next = before.clone();
    next["status"] = object["status"].clone();
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
    matches!(row.group, "apps" | "batch" | "autoscaling" | "networking.k8s.io" | "policy")
}

fn set_default(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = object
        && fields.get(field).is_none_or(Value::is_null)
    {
        fields.insert(field.to_owned(), value);
    }
}

fn default(row: &Resource, object: &mut Value) {
    match row.kind {
        "Namespace" => {
            set_default(object, "spec", json!({"finalizers": ["kubernetes"]}));
            set_default(object, "status", json!({"phase": "Active"}));
            let name = object["metadata"]["name"].clone();
            set_default(&mut object["metadata"], "labels", json!({}));
            set_default(&mut object["metadata"]["labels"], "kubernetes.io/metadata.name", name);
        }
        "Pod" => {
            default_pod_spec(&mut object["spec"]);
            set_default(object, "status", json!({"phase": "Pending", "qosClass": "BestEffort"}));
        }
        "Secret" => default_secret(object),
        "Service" => default_service(object),
        "Deployment" => {
            let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
            let rolling =
                json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}});
            set_default(spec, "replicas", json!(1));
            // Typed clients send an empty one.
            if spec.get("strategy").is_none_or(|strategy| strategy.get("type").is_none()) {
                spec["strategy"] = rolling;
            }
            set_default(spec, "revisionHistoryLimit", json!(10));
            set_default(spec, "progressDeadlineSeconds", json!(600));
            default_pod_spec(&mut spec["template"]["spec"]);
        }
        "ReplicaSet" | "StatefulSet" | "ReplicationController" => {
            set_default(&mut object["spec"], "replicas", json!(1));
            default_pod_spec(&mut object["spec"]["template"]["spec"]);
            set_default(object, "status", json!({"replicas": 0}));
        }
        "DaemonSet" | "Job" => default_pod_spec(&mut object["spec"]["template"]["spec"]),
        _ => {}
    }
}

fn default_pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("securityContext", json!({})),
        ("schedulerName", json!("default-scheduler")),
    ] {
        set_default(spec, field, value);
    }
    for list in ["containers", "initContainers"] {
        items(spec, list).for_each(default_container);
    }
}

fn default_container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map_or("latest", |(_, tag)| tag);
    let policy = if tag == "latest" && !image.contains('@') { "Always" } else { "IfNotPresent" };
    for (field, value) in [
        ("resources", json!({})),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
        ("imagePullPolicy", json!(policy)),
    ] {
        set_default(container, field, value);
    }
    items(container, "ports").for_each(|port| set_default(port, "protocol", json!("TCP")));
}

/// The items of a list, which may be absent: to index a value mutably would make it.
fn items<'a>(object: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

fn default_secret(secret: &mut Value) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    set_default(secret, "type", json!("Opaque"));
    let Value::Object(fields) = secret else { return };
    let Some(Value::Object(texts)) = fields.remove("stringData") else { return };
    let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(data) = data {
        for (key, text) in texts {
            data.insert(key, json!(STANDARD.encode(text.as_str().unwrap_or_default())));
        }
    }
}

fn default_service(service: &mut Value) {
    set_default(service, "spec", json!({}));
    let spec = &mut service["spec"];
    set_default(spec, "type", json!("ClusterIP"));
    set_default(spec, "sessionAffinity", json!("None"));
    if spec["type"] != "ExternalName" {
        set_default(spec, "internalTrafficPolicy", json!("Cluster"));
        set_default(spec, "ipFamilyPolicy", json!("SingleStack"));
        set_default(spec, "ipFamilies", json!(["IPv4"]));
    }
    for port in items(spec, "ports") {
        set_default(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        set_default(port, "targetPort", number);
    }
    set_default(service, "status", json!({"loadBalancer": {}}));
}

fn immutable(row: &Resource, before: &Value, object: &Value) -> Result<(), Status> {
    let fixed: &[&str] = match row.kind {
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" | "Job" => &["/spec/selector"],
        "Service" => &["/spec/clusterIP"],
        "ConfigMap" | "Secret" if before["immutable"] == true => &["/data", "/binaryData", "/immutable"],
        "Secret" => &["/type"],
        _ => &[],
    };
    let changed = |path: &&&str| {
        let was = before.pointer(path).filter(|value| !value.is_null());
        was.is_some() && was != object.pointer(path)
    };
    let causes: Vec<Cause> = fixed
        .iter()
        .filter(changed)
        .map(|path| {
            let value = object.pointer(path).unwrap_or(&Value::Null);
            Cause::invalid(&path[1..].replace('/', "."), value, "field is immutable")
        })
        .collect();
    reject(row, object, &causes)
}

fn validate(row: &Resource, object: &Value) -> Result<(), Status> {
    let mut causes = Vec::new();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Err(detail) = check_name(row, name) {
        causes.push(Cause::invalid("metadata.name", &json!(name), detail));
    }
    match row.kind {
        "Pod" => check_containers(&object["spec"], "spec", &mut causes),
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" => {
            check_selector(&object["spec"], &mut causes);
            check_containers(&object["spec"]["template"]["spec"], "spec.template.spec", &mut causes);
        }
        "Service" if needs_ports(&object["spec"]) => causes.push(Cause::required("spec.ports", "")),
        _ => {}
    }
    reject(row, object, &causes)
}

/// Whether a service of this spec must have ports and has none.
fn needs_ports(spec: &Value) -> bool {
    let reachable = spec["type"] != "ExternalName" && spec["clusterIP"] != "None";
    reachable && spec["ports"].as_array().is_none_or(Vec::is_empty)
}

fn reject(row: &Resource, object: &Value, causes: &[Cause]) -> Result<(), Status> {
    if causes.is_empty() {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    Err(Status::invalid(row.group, row.kind, name, causes))
}

fn check_selector(spec: &Value, causes: &mut Vec<Cause>) {
    let Some(wanted) = spec["selector"].as_object() else {
        causes.push(Cause::required("spec.selector", ""));
        return;
    };
    let labels = &spec["template"]["metadata"]["labels"];
    let missing = wanted.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    if missing.into_iter().any(|(key, value)| labels[key] != *value) {
        let detail = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, detail));
    }
}

fn check_containers(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    let containers = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if containers.is_empty() {
        causes.push(Cause::required(&format!("{path}.containers"), ""));
    }
    for (index, container) in containers.iter().enumerate() {
        for field in ["name", "image"] {
            if container[field].as_str().is_none_or(str::is_empty) {
                causes.push(Cause::required(&format!("{path}.containers[{index}].{field}"), ""));
            }
        }
    }
}

/// Names are DNS subdomains (RFC 1123); namespaces and services are single labels.
fn check_name(row: &Resource, name: &str) -> Result<(), &'static str> {
    let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        edge(label.bytes().next()) && edge(label.bytes().last()) && label.bytes().all(inner)
    };
    match row.kind {
        // RBAC names are path segments.
        _ if row.group == "rbac.authorization.k8s.io" => Ok(()),
        "Namespace" | "Service" if name.len() > 63 || !label(name) => Err(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
             end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        ),
        _ if name.len() > 253 || !name.split('.').all(label) => Err(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
             start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn born(plural: &str, mut object: Value) -> Result<Value, Status> {
        let row = registry::RESOURCES.iter().find(|row| row.plural == plural).unwrap();
        check_envelope(row, &mut object, row.namespaced.then_some("default"), None)?;
        let birth = Birth { now: Timestamp::UNIX_EPOCH, uid: "u".into(), suffix: "abcde" };
        create(row, &mut object, &birth)?;
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
        update(row, &first, &mut relabelled, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(relabelled["metadata"]["generation"], 1);
        let mut scaled = first.clone();
        scaled["spec"]["replicas"] = json!(3);
        update(row, &first, &mut scaled, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(scaled["metadata"]["generation"], 2);
        let mut reselected = first.clone();
        reselected["spec"]["selector"] = json!({"matchLabels": {"a": "c"}});
        assert_eq!(update(row, &first, &mut reselected, Timestamp::UNIX_EPOCH).unwrap_err().code, 422);
    }
}
