//! What is refused of built-in kinds: what may not change, what must be there, what names look like.
//!
//! Pure. Source: kubernetes/kubernetes `pkg/apis/*/validation`, whose words the refusals have.

use serde_json::{Value, json};

use crate::{admission::malformed, registry::Resource, status::Cause};

const LABEL_WORDS: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
                           must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', \
                           regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

const POD_UPDATE: &str = "pod updates may not change fields other than \
                          `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,\
                          `spec.tolerations` (only additions to existing tolerations),\
                          `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

const STATEFUL_SET_UPDATE: &str = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
     'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

fn forbidden(field: &str, detail: &str) -> Cause {
    Cause { reason: "FieldValueForbidden", field: field.to_owned(), message: format!("Forbidden: {detail}") }
}

fn unsupported(field: &str, value: &Value, known: &[&str]) -> Cause {
    let known: Vec<String> = known.iter().map(|known| json!(known).to_string()).collect();
    let message = format!("Unsupported value: {value}: supported values: {}", known.join(", "));
    Cause { reason: "FieldValueNotSupported", field: field.to_owned(), message }
}

fn duplicate(field: &str, value: &Value) -> Cause {
    Cause { reason: "FieldValueDuplicate", field: field.to_owned(), message: format!("Duplicate value: {value}") }
}

/// What is wrong with the name and the labels of an object of any kind.
pub(crate) fn metadata(row: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if name.is_empty() {
        causes.push(Cause::required("metadata.name", "name or generateName is required"));
    } else if let Err(detail) = check_name(row, name) {
        causes.push(Cause::invalid("metadata.name", &json!(name), detail));
    }
    labels(&object["metadata"]["labels"], "metadata.labels", &mut causes);
    causes
}

fn labels(labels: &Value, path: &str, causes: &mut Vec<Cause>) {
    for value in labels.as_object().into_iter().flatten().map(|(_, value)| value) {
        let text = value.as_str().unwrap_or_default();
        let edge = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.len() > 63 {
            causes.push(Cause::invalid(path, value, "must be no more than 63 bytes"));
        } else if !edge(text.bytes().next()) || !edge(text.bytes().last()) || !text.bytes().all(inner) {
            causes.push(Cause::invalid(path, value, LABEL_WORDS));
        }
    }
}

/// What may not change from `before` to `object`.
pub(crate) fn changes(row: &Resource, before: &Value, object: &Value) -> Vec<Cause> {
    let fixed: &[&str] = match &*row.kind {
        "Deployment" | "ReplicaSet" | "DaemonSet" => &["/spec/selector"],
        "Job" => &["/spec/selector", "/spec/completions", "/spec/template", "/spec/completionMode"],
        "Service" if before["spec"]["type"] != "ExternalName" && object["spec"]["type"] != "ExternalName" => {
            &["/spec/clusterIP"]
        }
        "ConfigMap" | "Secret" if before["immutable"] == true => &["/data", "/binaryData", "/immutable"],
        "Secret" => &["/type"],
        "StorageClass" => &["/provisioner", "/parameters", "/reclaimPolicy", "/volumeBindingMode"],
        "PriorityClass" => &["/value"],
        _ => &[],
    };
    let changed = |path: &&&str| {
        let was = before.pointer(path).filter(|value| !value.is_null());
        was.is_some() && was != object.pointer(path)
    };
    let detail = if row.kind == "StorageClass" { "updates to parameters are forbidden." } else { "field is immutable" };
    let mut causes: Vec<Cause> = fixed
        .iter()
        .filter(changed)
        .map(|path| {
            let value = object.pointer(path).unwrap_or(&Value::Null);
            let field = path[1..].replace('/', ".");
            if row.kind == "StorageClass" { forbidden(&field, detail) } else { Cause::invalid(&field, value, detail) }
        })
        .collect();
    match &*row.kind {
        "RoleBinding" | "ClusterRoleBinding" if before["roleRef"] != object["roleRef"] => {
            causes.push(Cause::invalid("roleRef", &object["roleRef"], "cannot change roleRef"));
        }
        "Pod" if fixed_of_pod(before) != fixed_of_pod(object) => causes.push(forbidden("spec", POD_UPDATE)),
        "StatefulSet" if fixed_of_stateful_set(before) != fixed_of_stateful_set(object) => {
            causes.push(forbidden("spec", STATEFUL_SET_UPDATE));
        }
        _ => {}
    }
    causes
}

fn fixed_of_pod(pod: &Value) -> Value {
    let mut spec = pod["spec"].clone();
    for field in
        ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "ephemeralContainers", "nodeName"]
    {
        spec[field] = Value::Null;
    }
    for list in ["containers", "initContainers"] {
        for container in spec[list].as_array_mut().into_iter().flatten() {
            container["image"] = Value::Null;
            container["resources"] = Value::Null;
        }
    }
    spec["schedulingGates"] = Value::Null;
    spec
}

fn fixed_of_stateful_set(set: &Value) -> Value {
    let mut spec = set["spec"].clone();
    for field in [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ] {
        spec[field] = Value::Null;
    }
    for template in spec["volumeClaimTemplates"].as_array_mut().into_iter().flatten() {
        template["status"] = Value::Null;
    }
    spec
}

/// What is wrong with an object of a built-in kind.
pub(crate) fn built_in(row: &Resource, object: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    let spec = &object["spec"];
    if row.group == "admissionregistration.k8s.io" {
        admission(object, &mut causes);
    }
    match &*row.kind {
        "Pod" => {
            pod_spec(spec, "spec", &mut causes);
            restart_policy(spec, "spec", &["Always", "OnFailure", "Never"], &mut causes);
        }
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" | "ReplicationController" => {
            not_negative(spec, "replicas", &mut causes);
            not_negative(spec, "minReadySeconds", &mut causes);
            if row.kind != "ReplicationController" {
                selector(spec, &mut causes);
            }
            // Of a stateful set the claims are volumes, too.
            let mut template = spec["template"]["spec"].clone();
            for claim in spec["volumeClaimTemplates"].as_array().into_iter().flatten() {
                let volume = json!({"name": claim["metadata"]["name"]});
                match template.get_mut("volumes").and_then(Value::as_array_mut) {
                    Some(volumes) => volumes.push(volume),
                    None => template["volumes"] = json!([volume]),
                }
            }
            pod_spec(&template, "spec.template.spec", &mut causes);
            restart_policy(&template, "spec.template.spec", &["Always"], &mut causes);
        }
        "Job" => job(spec, "spec", &mut causes),
        "CronJob" => {
            match spec["schedule"].as_str().unwrap_or_default() {
                "" => causes.push(Cause::required("spec.schedule", "")),
                text => {
                    if let Err(detail) = crate::schedule::Schedule::parse(text) {
                        causes.push(Cause::invalid("spec.schedule", &spec["schedule"], &detail));
                    }
                }
            }
            job(&spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", &mut causes);
        }
        "Service" => service(spec, &mut causes),
        "Ingress" if spec["defaultBackend"].is_null() && spec["rules"].as_array().is_none_or(Vec::is_empty) => {
            let detail = "either `defaultBackend` or `rules` must be specified";
            causes.push(Cause::invalid("spec", &json!([]), detail));
        }
        "HorizontalPodAutoscaler" => {
            let (least, most) = (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(0));
            if most < 1 {
                causes.push(Cause::invalid("spec.maxReplicas", &json!(most), "must be greater than 0"));
            } else if most < least {
                let detail = "must be greater than or equal to `minReplicas`";
                causes.push(Cause::invalid("spec.maxReplicas", &json!(most), detail));
            }
        }
        "PodDisruptionBudget" if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() => {
            let detail = "minAvailable and maxUnavailable cannot be both set";
            causes.push(Cause::invalid("spec", &json!(""), detail));
        }
        "PersistentVolumeClaim" => {
            if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
                causes.push(Cause::required("spec.accessModes", "at least 1 access mode is required"));
            }
            if spec["resources"]["requests"]["storage"].is_null() {
                causes.push(Cause::required("spec.resources[storage]", ""));
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => binding(object, &mut causes),
        "ConfigMap" | "Secret" => {
            for key in ["data", "binaryData"].iter().flat_map(|field| object[field].as_object().into_iter().flatten()) {
                if !key.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) || key.0.is_empty()
                {
                    let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. \
                                  'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
                                  '[-._a-zA-Z0-9]+')";
                    causes.push(Cause::invalid(&format!("data[{}]", key.0), &json!(key.0), detail));
                }
            }
        }
        "StorageClass" if object["provisioner"].as_str().is_none_or(str::is_empty) => {
            causes.push(Cause::required("provisioner", ""));
        }
        _ => {}
    }
    causes
}

fn not_negative(spec: &Value, field: &str, causes: &mut Vec<Cause>) {
    if spec[field].as_i64().is_some_and(|number| number < 0) {
        let field = format!("spec.{field}");
        causes.push(Cause::invalid(&field, &spec[&field[5..]], "must be greater than or equal to 0"));
    }
}

fn restart_policy(spec: &Value, path: &str, known: &[&str], causes: &mut Vec<Cause>) {
    let policy = spec["restartPolicy"].as_str().unwrap_or_default();
    if spec.is_object() && !known.contains(&policy) {
        causes.push(unsupported(&format!("{path}.restartPolicy"), &spec["restartPolicy"], known));
    }
}

fn job(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    let template = &spec["template"]["spec"];
    let path = format!("{path}.template.spec");
    pod_spec(template, &path, causes);
    if !matches!(template["restartPolicy"].as_str(), Some("OnFailure" | "Never")) {
        causes.push(Cause::required(&format!("{path}.restartPolicy"), "valid values: \"OnFailure\", \"Never\""));
    }
}

fn service(spec: &Value, causes: &mut Vec<Cause>) {
    let types = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
    if !spec["type"].as_str().is_some_and(|kind| types.contains(&kind)) {
        causes.push(unsupported("spec.type", &spec["type"], &types));
    }
    let ports = spec["ports"].as_array().map_or(&[][..], Vec::as_slice);
    if ports.is_empty() && spec["type"] != "ExternalName" && spec["clusterIP"] != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    let mut seen = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        number_of_port(&port["port"], &format!("{path}.port"), causes);
        if ports.len() > 1 && port["name"].as_str().is_none_or(str::is_empty) {
            causes.push(Cause::required(&format!("{path}.name"), ""));
        }
        let key = (&port["port"], &port["protocol"]);
        if seen.contains(&key) {
            causes.push(duplicate(&path, &json!({"port": port["port"], "protocol": port["protocol"]})));
        }
        seen.push(key);
    }
    if spec["type"] == "ExternalName" && spec["externalName"].as_str().is_none_or(str::is_empty) {
        causes.push(Cause::required("spec.externalName", ""));
    }
}

fn number_of_port(port: &Value, path: &str, causes: &mut Vec<Cause>) {
    if port.as_i64().is_none_or(|port| !(1..=65535).contains(&port)) {
        causes.push(Cause::invalid(path, port, "must be between 1 and 65535, inclusive"));
    }
}

fn binding(object: &Value, causes: &mut Vec<Cause>) {
    let reference = &object["roleRef"];
    if reference["name"].as_str().is_none_or(str::is_empty) {
        causes.push(Cause::required("roleRef.name", ""));
    }
    if !matches!(reference["kind"].as_str(), Some("Role" | "ClusterRole")) {
        causes.push(unsupported("roleRef.kind", &reference["kind"], &["ClusterRole", "Role"]));
    }
    for (index, subject) in object["subjects"].as_array().into_iter().flatten().enumerate() {
        if subject["kind"] == "ServiceAccount" && subject["namespace"].is_null() {
            causes.push(Cause::required(&format!("subjects[{index}].namespace"), ""));
        }
    }
}

fn selector(spec: &Value, causes: &mut Vec<Cause>) {
    let Some(wanted) = spec["selector"].as_object() else {
        causes.push(Cause::required("spec.selector", ""));
        return;
    };
    let labels = &spec["template"]["metadata"]["labels"];
    if wanted.is_empty() {
        let detail = "empty selector is invalid for deployment";
        causes.push(Cause::invalid("spec.selector", &spec["selector"], detail));
        return;
    }
    let mut missing = wanted.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    if missing.any(|(key, value)| labels[key] != *value) {
        let detail = "`selector` does not match template `labels`";
        causes.push(Cause::invalid("spec.template.metadata.labels", labels, detail));
    }
}

fn pod_spec(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    let all = spec["containers"].as_array().map_or(&[][..], Vec::as_slice);
    if all.is_empty() {
        causes.push(Cause::required(&format!("{path}.containers"), ""));
    }
    let mut names: Vec<&Value> = Vec::new();
    for list in ["initContainers", "containers"] {
        for (index, container) in spec[list].as_array().into_iter().flatten().enumerate() {
            let path = format!("{path}.{list}[{index}]");
            for field in ["name", "image"] {
                if container[field].as_str().is_none_or(str::is_empty) {
                    causes.push(Cause::required(&format!("{path}.{field}"), ""));
                }
            }
            if names.contains(&&container["name"]) {
                causes.push(duplicate(&format!("{path}.name"), &container["name"]));
            }
            names.push(&container["name"]);
            for (index, port) in container["ports"].as_array().into_iter().flatten().enumerate() {
                number_of_port(&port["containerPort"], &format!("{path}.ports[{index}].containerPort"), causes);
            }
            for (index, mount) in container["volumeMounts"].as_array().into_iter().flatten().enumerate() {
                let mut volumes = spec["volumes"].as_array().into_iter().flatten();
                if !volumes.any(|volume| volume["name"] == mount["name"]) {
                    let field = format!("{path}.volumeMounts[{index}].name");
                    let message = format!("Not found: {}", mount["name"]);
                    causes.push(Cause { reason: "FieldValueNotFound", field, message });
                }
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
    match &*row.kind {
        // These names are path segments.
        _ if row.group == "rbac.authorization.k8s.io" => Ok(()),
        "IPAddress" => Ok(()),
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

/// Policies and webhooks: expressions that compile, servers that can be called.
fn admission(object: &Value, causes: &mut Vec<Cause>) {
    for (field, text, problem) in malformed(object) {
        causes.push(Cause::invalid(&field, &json!(text), &format!("compilation failed: {problem}")));
    }
    for (index, webhook) in object["webhooks"].as_array().into_iter().flatten().enumerate() {
        let at = |field: &str| format!("webhooks[{index}].{field}");
        let (url, effects) = (&webhook["clientConfig"]["url"], &webhook["sideEffects"]);
        if url.is_string() == webhook["clientConfig"]["service"].is_object() {
            causes.push(Cause::required(&at("clientConfig"), "exactly one of url or service is required"));
        } else if url.as_str().is_some_and(|url| !url.starts_with("https://")) {
            let problem = "'https' is the only allowed URL scheme; desired format: https://host[/path]";
            causes.push(Cause::invalid(&at("clientConfig.url"), url, problem));
        }
        if effects.is_null() {
            causes.push(Cause::required(&at("sideEffects"), "must specify one of None, NoneOnDryRun"));
        } else if effects != "None" && effects != "NoneOnDryRun" {
            causes.push(unsupported(&at("sideEffects"), effects, &["None", "NoneOnDryRun"]));
        }
        let versions = &webhook["admissionReviewVersions"];
        if !versions.as_array().is_some_and(|versions| versions.iter().any(|version| version == "v1")) {
            causes.push(Cause::invalid(&at("admissionReviewVersions"), versions, "must include at least one of v1"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn said(causes: Vec<Cause>) -> Vec<String> {
        causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
    }

    #[test]
    fn what_is_wrong_is_named_by_field() {
        let row = |group, plural| registry::find(group, "v1", plural).unwrap();
        let service = json!({"spec": {"type": "ClusterIP", "ports": [{"port": 0, "name": "a"}, {"port": 80}]}});
        assert_eq!(
            said(built_in(row("", "services"), &service)),
            [
                "spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive",
                "spec.ports[1].name: Required value",
            ]
        );
        let pod = json!({"spec": {"restartPolicy": "Always", "containers": [
            {"name": "a", "image": "i"}, {"name": "a", "image": "i", "volumeMounts": [{"name": "v"}]}]}});
        assert_eq!(
            said(built_in(row("", "pods"), &pod)),
            [
                "spec.containers[1].name: Duplicate value: \"a\"",
                "spec.containers[1].volumeMounts[0].name: Not found: \"v\""
            ]
        );
    }

    #[test]
    fn what_is_fixed_stays() {
        let row = registry::find("", "v1", "pods").unwrap();
        let pod = |image: &str, host: &str| json!({"spec": {"hostname": host, "containers": [{"name": "a", "image": image}]}});
        assert_eq!(changes(row, &pod("1", "h"), &pod("2", "h")), []);
        assert_eq!(changes(row, &pod("1", "h"), &pod("1", "i")).len(), 1);
    }
}
