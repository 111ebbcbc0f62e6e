//! What the server fills in when nobody says it.
//!
//! Pure. Source: kubernetes/kubernetes `pkg/apis/*/v1/defaults.go`, and the admission plugins for service accounts and
//! tolerations, as far as clients see them.

use serde_json::{Map, Value, json};

use crate::registry::Resource;

const RBAC: &str = "rbac.authorization.k8s.io";

/// Sets a field that is not there.
fn set(object: &mut Value, field: &str, value: Value) {
    if let Value::Object(fields) = object
        && fields.get(field).is_none_or(Value::is_null)
    {
        fields.insert(field.to_owned(), value);
    }
}

fn set_all<const N: usize>(object: &mut Value, values: [(&str, Value); N]) {
    for (field, value) in values {
        set(object, field, value);
    }
}

/// Changes what lies at a path, if anything does: to index a value mutably would make it.
fn at(object: &mut Value, path: &str, change: fn(&mut Value)) {
    if let Some(value) = object.pointer_mut(path) {
        change(value);
    }
}

/// The items of a list, to be changed; none when it is no list.
fn each<'a>(object: &'a mut Value, list: &str) -> impl Iterator<Item = &'a mut Value> {
    object.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Fills in what an object of a built-in kind has by default.
pub(crate) fn fill_in(row: &Resource, object: &mut Value) {
    match &*row.kind {
        "Namespace" => namespace(object),
        "Pod" => {
            at(object, "/spec", pod_spec);
            at(object, "/spec", admitted);
            set(object, "status", json!({"phase": "Pending", "qosClass": qos_class(&object["spec"])}));
        }
        "Secret" => secret(object),
        "Service" => service(object),
        "PodTemplate" => at(object, "/template/spec", pod_spec),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" | "ReplicationController" => workload(row, object),
        "Job" => job(object),
        "CronJob" => {
            set_all(
                &mut object["spec"],
                [
                    ("concurrencyPolicy", json!("Allow")),
                    ("suspend", json!(false)),
                    ("successfulJobsHistoryLimit", json!(3)),
                    ("failedJobsHistoryLimit", json!(1)),
                ],
            );
            at(object, "/spec/jobTemplate/spec/template/spec", pod_spec);
            set(object, "status", json!({}));
        }
        "HorizontalPodAutoscaler" => {
            set(&mut object["spec"], "minReplicas", json!(1));
            if row.version == "v2" {
                let target = json!({"type": "Utilization", "averageUtilization": 80});
                let cpu = json!([{"type": "Resource", "resource": {"name": "cpu", "target": target}}]);
                set(&mut object["spec"], "metrics", cpu);
            }
            set(object, "status", json!({"currentMetrics": null, "desiredReplicas": 0}));
        }
        "NetworkPolicy" => {
            let egress = object["spec"]["egress"].is_array();
            set(
                &mut object["spec"],
                "policyTypes",
                if egress { json!(["Ingress", "Egress"]) } else { json!(["Ingress"]) },
            );
        }
        "PersistentVolume" => {
            let filled = [("volumeMode", json!("Filesystem")), ("persistentVolumeReclaimPolicy", json!("Retain"))];
            set_all(&mut object["spec"], filled);
            set(object, "status", json!({"phase": "Pending"}));
        }
        "PersistentVolumeClaim" => claim(object),
        "StorageClass" => {
            set_all(object, [("reclaimPolicy", json!("Delete")), ("volumeBindingMode", json!("Immediate"))]);
        }
        "PriorityClass" => set(object, "preemptionPolicy", json!("PreemptLowerPriority")),
        "RoleBinding" | "ClusterRoleBinding" => {
            set(&mut object["roleRef"], "apiGroup", json!(RBAC));
            for subject in each(object, "subjects") {
                if subject["kind"] != "ServiceAccount" {
                    set(subject, "apiGroup", json!(RBAC));
                }
            }
        }
        "Endpoints" => {
            for port in each(object, "subsets").flat_map(|subset| each(subset, "ports")) {
                set(port, "protocol", json!("TCP"));
            }
        }
        "EndpointSlice" => {
            for port in each(object, "ports") {
                set_all(port, [("protocol", json!("TCP")), ("name", json!(""))]);
            }
        }
        "LimitRange" => limits(object),
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => webhooks(row, object),
        "ValidatingAdmissionPolicy" => set(&mut object["spec"], "failurePolicy", json!("Fail")),
        _ => {}
    }
}

fn namespace(object: &mut Value) {
    set(object, "spec", json!({"finalizers": ["kubernetes"]}));
    set(object, "status", json!({"phase": "Active"}));
    let name = object["metadata"]["name"].clone();
    set(&mut object["metadata"], "labels", json!({}));
    set(&mut object["metadata"]["labels"], "kubernetes.io/metadata.name", name);
}

fn workload(row: &Resource, object: &mut Value) {
    let Some(spec) = object.get_mut("spec").filter(|spec| spec.is_object()) else { return };
    let bounds = json!({"maxUnavailable": "25%", "maxSurge": "25%"});
    if row.kind != "DaemonSet" {
        set(spec, "replicas", json!(1));
    }
    match &*row.kind {
        "Deployment" => {
            set_all(
                spec,
                [("strategy", json!({})), ("revisionHistoryLimit", json!(10)), ("progressDeadlineSeconds", json!(600))],
            );
            set(&mut spec["strategy"], "type", json!("RollingUpdate"));
            if spec["strategy"]["type"] == "RollingUpdate" {
                set(&mut spec["strategy"], "rollingUpdate", json!({}));
                for (field, value) in bounds.as_object().into_iter().flatten() {
                    set(&mut spec["strategy"]["rollingUpdate"], field, value.clone());
                }
            }
        }
        "StatefulSet" => {
            set_all(
                spec,
                [
                    ("podManagementPolicy", json!("OrderedReady")),
                    ("updateStrategy", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})),
                    ("revisionHistoryLimit", json!(10)),
                    ("persistentVolumeClaimRetentionPolicy", json!({"whenDeleted": "Retain", "whenScaled": "Retain"})),
                ],
            );
            for template in each(spec, "volumeClaimTemplates") {
                set_all(template, [("apiVersion", json!("v1")), ("kind", json!("PersistentVolumeClaim"))]);
                claim(template);
            }
        }
        "DaemonSet" => set_all(
            spec,
            [
                (
                    "updateStrategy",
                    json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}}),
                ),
                ("revisionHistoryLimit", json!(10)),
            ],
        ),
        "ReplicationController" => {
            let labels = spec["template"]["metadata"]["labels"].clone();
            if !labels.is_null() {
                set(spec, "selector", labels);
            }
        }
        _ => {}
    }
    at(spec, "/template/spec", pod_spec);
    let empty = match &*row.kind {
        "Deployment" => json!({}),
        "DaemonSet" => {
            json!({"currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0})
        }
        _ => json!({"replicas": 0}),
    };
    set(object, "status", empty);
}

fn job(object: &mut Value) {
    let (uid, name) = (object["metadata"]["uid"].clone(), object["metadata"]["name"].clone());
    let Some(spec) = object.get_mut("spec").filter(|spec| spec["template"].is_object()) else { return };
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        set(spec, "completions", json!(1));
    }
    set_all(
        spec,
        [
            ("parallelism", json!(1)),
            ("backoffLimit", json!(6)),
            ("completionMode", json!("NonIndexed")),
            ("suspend", json!(false)),
            ("podReplacementPolicy", json!("TerminatingOrFailed")),
        ],
    );
    if spec["manualSelector"] != true && uid.is_string() {
        set(spec, "manualSelector", json!(false));
        set(spec, "selector", json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
        set(&mut spec["template"], "metadata", json!({}));
        set(&mut spec["template"]["metadata"], "labels", json!({}));
        let labels = &mut spec["template"]["metadata"]["labels"];
        for prefix in ["batch.kubernetes.io/", ""] {
            set(labels, &format!("{prefix}controller-uid"), uid.clone());
            set(labels, &format!("{prefix}job-name"), name.clone());
        }
    }
    at(spec, "/template/spec", pod_spec);
    set(object, "status", json!({}));
}

fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    set_all(
        spec,
        [
            ("restartPolicy", json!("Always")),
            ("terminationGracePeriodSeconds", json!(30)),
            ("dnsPolicy", json!("ClusterFirst")),
            ("securityContext", json!({})),
            ("schedulerName", json!("default-scheduler")),
        ],
    );
    // Both spellings of the account are kept the same.
    if let Some(account) = spec["serviceAccountName"].as_str().or(spec["serviceAccount"].as_str()).map(str::to_owned) {
        set_all(spec, [("serviceAccountName", json!(account)), ("serviceAccount", json!(account))]);
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for each in each(spec, list) {
            container(each);
        }
    }
    for volume in each(spec, "volumes") {
        for kind in ["configMap", "secret", "projected", "downwardAPI"] {
            if volume[kind].is_object() {
                set(&mut volume[kind], "defaultMode", json!(420));
            }
        }
        if volume["hostPath"].is_object() {
            set(&mut volume["hostPath"], "type", json!(""));
        }
    }
}

/// What admission adds to a pod itself, and not to the templates of pods.
fn admitted(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    set_all(
        spec,
        [
            ("enableServiceLinks", json!(true)),
            ("serviceAccountName", json!("default")),
            ("preemptionPolicy", json!("PreemptLowerPriority")),
            ("priority", json!(0)),
        ],
    );
    let account = spec["serviceAccountName"].clone();
    set(spec, "serviceAccount", account);
    set(spec, "tolerations", json!([]));
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let Value::Array(tolerations) = &mut spec["tolerations"] else { continue };
        let tolerated = |held: &Value| {
            (held["key"] == key || held["key"].is_null()) && (held["effect"] == "NoExecute" || held["effect"].is_null())
        };
        if !tolerations.iter().any(tolerated) {
            let wait = json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300});
            tolerations.push(wait);
        }
    }
}

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    let tag = image.rsplit('/').next().and_then(|name| name.split_once(':')).map_or("latest", |(_, tag)| tag);
    let policy = if tag == "latest" && !image.contains('@') { "Always" } else { "IfNotPresent" };
    set_all(
        container,
        [
            ("resources", json!({})),
            ("terminationMessagePath", json!("/dev/termination-log")),
            ("terminationMessagePolicy", json!("File")),
            ("imagePullPolicy", json!(policy)),
        ],
    );
    // What is limited is also asked for.
    if let Value::Object(limits) = container["resources"]["limits"].clone() {
        set(&mut container["resources"], "requests", json!({}));
        for (name, limit) in limits {
            set(&mut container["resources"]["requests"], &name, limit);
        }
    }
    for port in each(container, "ports") {
        set(port, "protocol", json!("TCP"));
    }
    for variable in each(container, "env") {
        if variable["valueFrom"]["fieldRef"].is_object() {
            set(&mut variable["valueFrom"]["fieldRef"], "apiVersion", json!("v1"));
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get_mut(name).filter(|probe| probe.is_object()) else { continue };
        set_all(
            probe,
            [
                ("timeoutSeconds", json!(1)),
                ("periodSeconds", json!(10)),
                ("successThreshold", json!(1)),
                ("failureThreshold", json!(3)),
            ],
        );
        if probe["httpGet"].is_object() {
            set_all(&mut probe["httpGet"], [("path", json!("/")), ("scheme", json!("HTTP"))]);
        }
        if probe["grpc"].is_object() {
            set(&mut probe["grpc"], "service", json!(""));
        }
    }
}

/// Guaranteed when every container's limits are what it asks for, burstable when any asks for something.
pub(crate) fn qos_class(spec: &Value) -> &'static str {
    let containers: Vec<&Value> = ["initContainers", "containers"]
        .iter()
        .flat_map(|list| spec[list].as_array().into_iter().flatten())
        .map(|container| &container["resources"])
        .collect();
    let set = |resources: &&Value, list: &str| resources[list].as_object().is_some_and(|held| !held.is_empty());
    if !containers.iter().any(|resources| set(resources, "limits") || set(resources, "requests")) {
        return "BestEffort";
    }
    let guaranteed = |resources: &&Value| {
        ["cpu", "memory"].iter().all(|name| {
            resources["limits"][name].is_string() && resources["limits"][name] == resources["requests"][name]
        })
    };
    if containers.iter().all(guaranteed) { "Guaranteed" } else { "Burstable" }
}

fn claim(object: &mut Value) {
    set(&mut object["spec"], "volumeMode", json!("Filesystem"));
    set(object, "status", json!({"phase": "Pending"}));
}

fn secret(secret: &mut Value) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    set(secret, "type", json!("Opaque"));
    let Value::Object(fields) = secret else { return };
    let Some(Value::Object(texts)) = fields.remove("stringData") else { return };
    let data = fields.entry("data").or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(data) = data {
        for (key, text) in texts {
            data.insert(key, json!(STANDARD.encode(text.as_str().unwrap_or_default())));
        }
    }
}

fn service(service: &mut Value) {
    set(service, "spec", json!({}));
    let spec = &mut service["spec"];
    set_all(spec, [("type", json!("ClusterIP")), ("sessionAffinity", json!("None"))]);
    if spec["sessionAffinity"] == "ClientIP" {
        set(spec, "sessionAffinityConfig", json!({"clientIP": {"timeoutSeconds": 10800}}));
    }
    if spec["type"] != "ExternalName" {
        set_all(
            spec,
            [
                ("internalTrafficPolicy", json!("Cluster")),
                ("ipFamilyPolicy", json!("SingleStack")),
                ("ipFamilies", json!(["IPv4"])),
            ],
        );
    }
    if matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer")) {
        set(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if spec["type"] == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    for port in each(spec, "ports") {
        set(port, "protocol", json!("TCP"));
        let number = port["port"].clone();
        set(port, "targetPort", number);
    }
    set(service, "status", json!({"loadBalancer": {}}));
}

/// What containers have by default follows from what they may have at most and at least.
fn limits(object: &mut Value) {
    let Some(limits) = object.pointer_mut("/spec/limits").and_then(Value::as_array_mut) else { return };
    for limit in limits.iter_mut().filter(|limit| limit["type"] == "Container") {
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let Some(amounts) = limit[from].as_object().cloned() else { continue };
            set(limit, to, json!({}));
            for (name, amount) in amounts {
                set(&mut limit[to], &name, amount);
            }
        }
    }
}

fn webhooks(row: &Resource, object: &mut Value) {
    for webhook in each(object, "webhooks") {
        set_all(
            webhook,
            [
                ("failurePolicy", json!("Fail")),
                ("matchPolicy", json!("Equivalent")),
                ("timeoutSeconds", json!(10)),
                ("namespaceSelector", json!({})),
                ("objectSelector", json!({})),
            ],
        );
        if row.kind == "MutatingWebhookConfiguration" {
            set(webhook, "reinvocationPolicy", json!("Never"));
        }
        if webhook["clientConfig"]["service"].is_object() {
            set(&mut webhook["clientConfig"]["service"], "port", json!(443));
        }
        for rule in each(webhook, "rules") {
            set(rule, "scope", json!("*"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    fn filled(group: &str, plural: &str, mut object: Value) -> Value {
        fill_in(registry::find(group, "v1", plural).unwrap(), &mut object);
        object
    }

    #[test]
    fn a_pod_is_what_it_asks_for() {
        let pod =
            |resources: Value| json!({"spec": {"containers": [{"name": "a", "image": "i:1", "resources": resources}]}});
        let class = |resources: Value| filled("", "pods", pod(resources))["status"]["qosClass"].clone();
        assert_eq!(class(json!({})), "BestEffort");
        assert_eq!(class(json!({"limits": {"cpu": "1", "memory": "1Gi"}})), "Guaranteed");
        assert_eq!(class(json!({"requests": {"cpu": "1"}})), "Burstable");
        let spec = &filled("", "pods", pod(json!({})))["spec"];
        assert_eq!(spec["serviceAccountName"], "default");
        assert_eq!(spec["tolerations"].as_array().unwrap().len(), 2);
    }

    #[test]
    fn workloads_have_their_strategies() {
        let deployment = filled(
            "apps",
            "deployments",
            json!({"spec": {"strategy": {"type": "Recreate"}, "template": {"spec": {}}}}),
        );
        assert_eq!(deployment["spec"]["strategy"], json!({"type": "Recreate"}));
        let job =
            filled("batch", "jobs", json!({"metadata": {"name": "j", "uid": "u"}, "spec": {"template": {"spec": {}}}}));
        assert_eq!(job["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/job-name"], "j");
        assert_eq!(job["spec"]["completions"], 1);
    }
}
