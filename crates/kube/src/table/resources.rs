//! The columns of kinds that configure a cluster: access, storage, policies, networks, extensions.

use serde_json::{Value, json};

use super::cells::{
    AGE, CONTAINERS, Column, IMAGES, NAME, count, items, list, number, or, or_none, pairs, plain, text, wide,
};

/// Kinds that have no columns of their own.
pub(super) static CREATED_AT: &[Column] = &[
    NAME,
    Column { value_type: "date", ..text("Created At", |object, _| object["metadata"]["creationTimestamp"].clone()) },
];

static POD_TEMPLATES: &[Column] = &[
    NAME,
    Column { priority: 0, ..CONTAINERS },
    Column { priority: 0, ..IMAGES },
    text("Pod Labels", |object, _| pairs(&object["template"]["metadata"]["labels"])),
];

static DISRUPTION_BUDGETS: &[Column] = &[
    NAME,
    text("Min Available", |object, _| json!(plain(&or(&object["spec"]["minAvailable"], "N/A")))),
    text("Max Unavailable", |object, _| json!(plain(&or(&object["spec"]["maxUnavailable"], "N/A")))),
    number("Allowed Disruptions", |object, _| json!(count(&object["status"]["disruptionsAllowed"]))),
    AGE,
];

static AUTOSCALERS: &[Column] = &[
    NAME,
    text("Reference", |object, _| {
        let target = &object["spec"]["scaleTargetRef"];
        json!(format!("{}/{}", plain(&target["kind"]), plain(&target["name"])))
    }),
    text("Targets", |object, _| targets(object)),
    text("MinPods", |object, _| json!(plain(&or(&object["spec"]["minReplicas"], "<unset>")))),
    number("MaxPods", |object, _| json!(count(&object["spec"]["maxReplicas"]))),
    number("Replicas", |object, _| json!(count(&object["status"]["currentReplicas"]))),
    AGE,
];

static VOLUMES: &[Column] = &[
    NAME,
    text("Capacity", |object, _| object["spec"]["capacity"]["storage"].clone()),
    text("Access Modes", |object, _| access_modes(&object["spec"]["accessModes"])),
    text("Reclaim Policy", |object, _| object["spec"]["persistentVolumeReclaimPolicy"].clone()),
    text("Status", |object, _| phase(object)),
    text("Claim", |object, _| match &object["spec"]["claimRef"] {
        Value::Null => json!(""),
        claim => json!(format!("{}/{}", plain(&claim["namespace"]), plain(&claim["name"]))),
    }),
    text("StorageClass", |object, _| or(&object["spec"]["storageClassName"], "")),
    text("VolumeAttributesClass", |object, _| or(&object["spec"]["volumeAttributesClassName"], "<unset>")),
    text("Reason", |object, _| or(&object["status"]["reason"], "")),
    AGE,
    wide("VolumeMode", |object, _| or(&object["spec"]["volumeMode"], "<unset>")),
];

static CLAIMS: &[Column] = &[
    NAME,
    text("Status", |object, _| phase(object)),
    text("Volume", |object, _| or(&object["spec"]["volumeName"], "")),
    text("Capacity", |object, _| or(&object["status"]["capacity"]["storage"], "")),
    text("Access Modes", |object, _| access_modes(&object["status"]["accessModes"])),
    text("StorageClass", |object, _| or(&object["spec"]["storageClassName"], "")),
    text("VolumeAttributesClass", |object, _| or(&object["spec"]["volumeAttributesClassName"], "<unset>")),
    AGE,
    wide("VolumeMode", |object, _| or(&object["spec"]["volumeMode"], "<unset>")),
];

static STORAGE_CLASSES: &[Column] = &[
    text("Name", |object, _| {
        let annotations = &object["metadata"]["annotations"];
        let default = annotations["storageclass.kubernetes.io/is-default-class"] == "true";
        json!(plain(&object["metadata"]["name"]) + if default { " (default)" } else { "" })
    }),
    text("Provisioner", |object, _| object["provisioner"].clone()),
    text("ReclaimPolicy", |object, _| or(&object["reclaimPolicy"], "Delete")),
    text("VolumeBindingMode", |object, _| or(&object["volumeBindingMode"], "Immediate")),
    text("AllowVolumeExpansion", |object, _| json!(object["allowVolumeExpansion"] == true)),
    AGE,
];

static ATTRIBUTES_CLASSES: &[Column] = &[NAME, text("DriverName", |object, _| object["driverName"].clone()), AGE];

static ATTACHMENTS: &[Column] = &[
    NAME,
    text("Attacher", |object, _| object["spec"]["attacher"].clone()),
    text("PV", |object, _| or(&object["spec"]["source"]["persistentVolumeName"], "")),
    text("Node", |object, _| object["spec"]["nodeName"].clone()),
    text("Attached", |object, _| json!(object["status"]["attached"] == true)),
    AGE,
];

static CSI_NODES: &[Column] =
    &[NAME, number("Drivers", |object, _| json!(items(&object["spec"]["drivers"]).count())), AGE];

static CSI_DRIVERS: &[Column] = &[
    NAME,
    text("AttachRequired", |object, _| json!(object["spec"]["attachRequired"] != false)),
    text("PodInfoOnMount", |object, _| json!(object["spec"]["podInfoOnMount"] == true)),
    text("StorageCapacity", |object, _| json!(object["spec"]["storageCapacity"] == true)),
    text("TokenRequests", |object, _| {
        or(&list(&object["spec"]["tokenRequests"], |token| &token["audience"]), "<unset>")
    }),
    text("RequiresRepublish", |object, _| json!(object["spec"]["requiresRepublish"] == true)),
    text("Modes", |object, _| or(&list(&object["spec"]["volumeLifecycleModes"], |mode| mode), "Persistent")),
    AGE,
];

static CSI_CAPACITIES: &[Column] = &[
    NAME,
    text("StorageClassName", |object, _| object["storageClassName"].clone()),
    text("Capacity", |object, _| or(&object["capacity"], "<unset>")),
];

static NETWORK_POLICIES: &[Column] =
    &[NAME, text("Pod-Selector", |object, _| super::cells::selector(&object["spec"]["podSelector"])), AGE];

static BINDINGS: &[Column] = &[
    NAME,
    text("Role", |object, _| {
        json!(format!("{}/{}", plain(&object["roleRef"]["kind"]), plain(&object["roleRef"]["name"])))
    }),
    AGE,
    wide("Users", |object, _| subjects(object, "User")),
    wide("Groups", |object, _| subjects(object, "Group")),
    wide("ServiceAccounts", |object, _| subjects(object, "ServiceAccount")),
];

static SIGNING_REQUESTS: &[Column] = &[
    NAME,
    AGE,
    text("SignerName", |object, _| object["spec"]["signerName"].clone()),
    text("Requestor", |object, _| object["spec"]["username"].clone()),
    text("RequestedDuration", |object, _| match object["spec"]["expirationSeconds"].as_i64() {
        Some(seconds) => json!(super::duration::human(seconds)),
        None => json!("<none>"),
    }),
    text("Condition", |object, _| {
        let mut said: Vec<String> = items(&object["status"]["conditions"]).map(|held| plain(&held["type"])).collect();
        said.extend(object["status"]["certificate"].is_string().then(|| "Issued".to_owned()));
        json!(if said.is_empty() { "Pending".to_owned() } else { said.join(",") })
    }),
];

static REVISIONS: &[Column] = &[
    NAME,
    text("Controller", |object, _| {
        let owner = items(&object["metadata"]["ownerReferences"]).find(|owner| owner["controller"] == true);
        owner.map_or(json!("<none>"), |owner| {
            let group = plain(&owner["apiVersion"]);
            let group = group.split_once('/').map_or(String::new(), |(group, _)| format!(".{group}"));
            json!(format!("{}{group}/{}", plain(&owner["kind"]).to_lowercase(), plain(&owner["name"])))
        })
    }),
    number("Revision", |object, _| json!(count(&object["revision"]))),
    AGE,
];

static QUOTAS: &[Column] = &[
    NAME,
    text("Request", |object, _| used(object, |name| !name.starts_with("limits."))),
    text("Limit", |object, _| used(object, |name| name.starts_with("limits."))),
    AGE,
];

static PRIORITY_CLASSES: &[Column] = &[
    NAME,
    Column { value_type: "integer", ..text("Value", |object, _| object["value"].clone()) },
    text("Global-Default", |object, _| json!(object["globalDefault"] == true)),
    AGE,
    text("PreemptionPolicy", |object, _| or(&object["preemptionPolicy"], "PreemptLowerPriority")),
];

static RUNTIME_CLASSES: &[Column] = &[NAME, text("Handler", |object, _| object["handler"].clone()), AGE];

static ENDPOINT_SLICES: &[Column] = &[
    NAME,
    text("AddressType", |object, _| object["addressType"].clone()),
    text("Ports", |object, _| match list(&object["ports"], |port| &port["port"]) {
        Value::String(ports) if ports.is_empty() => json!("<unset>"),
        ports => ports,
    }),
    text("Endpoints", |object, _| {
        let all: Vec<String> =
            items(&object["endpoints"]).flat_map(|endpoint| items(&endpoint["addresses"])).map(plain).collect();
        json!(match all.len() {
            0 => "<unset>".to_owned(),
            1..=3 => all.join(","),
            many => format!("{} + {} more...", all[..3].join(","), many - 3),
        })
    }),
    AGE,
];

static WEBHOOKS: &[Column] = &[NAME, number("Webhooks", |object, _| json!(items(&object["webhooks"]).count())), AGE];

static ADMISSION_POLICIES: &[Column] = &[
    NAME,
    number("Validations", |object, _| json!(items(&object["spec"]["validations"]).count())),
    text("ParamKind", |object, _| match &object["spec"]["paramKind"] {
        Value::Null => json!("<unset>"),
        kind => json!(format!("{}/{}", plain(&kind["apiVersion"]), plain(&kind["kind"]))),
    }),
    AGE,
];

static ADMISSION_BINDINGS: &[Column] = &[
    NAME,
    text("PolicyName", |object, _| object["spec"]["policyName"].clone()),
    text("ParamRef", |object, _| match &object["spec"]["paramRef"] {
        Value::Null => json!("<unset>"),
        reference if reference["namespace"].is_string() => {
            json!(format!("{}/{}", plain(&reference["namespace"]), plain(&reference["name"])))
        }
        reference => json!(plain(&reference["name"])),
    }),
    AGE,
];

static FLOW_SCHEMAS: &[Column] = &[
    NAME,
    text("PriorityLevel", |object, _| object["spec"]["priorityLevelConfiguration"]["name"].clone()),
    number("MatchingPrecedence", |object, _| json!(count(&object["spec"]["matchingPrecedence"]))),
    text("DistinguisherMethod", |object, _| or_none(&object["spec"]["distinguisherMethod"]["type"])),
    AGE,
    text("MissingPL", |object, _| {
        let dangling = items(&object["status"]["conditions"]).find(|held| held["type"] == "Dangling");
        dangling.map_or(json!("?"), |held| held["status"].clone())
    }),
];

static PRIORITY_LEVELS: &[Column] = &[
    NAME,
    text("Type", |object, _| object["spec"]["type"].clone()),
    text("NominalConcurrencyShares", |object, _| or_none(&object["spec"]["limited"]["nominalConcurrencyShares"])),
    text("Queues", |object, _| or_none(&object["spec"]["limited"]["limitResponse"]["queuing"]["queues"])),
    text("HandSize", |object, _| or_none(&object["spec"]["limited"]["limitResponse"]["queuing"]["handSize"])),
    text("QueueLengthLimit", |object, _| {
        or_none(&object["spec"]["limited"]["limitResponse"]["queuing"]["queueLengthLimit"])
    }),
    AGE,
];

static CLAIMS_OF_DEVICES: &[Column] = &[
    NAME,
    text("State", |object, _| {
        let status = &object["status"];
        json!(match (status["allocation"].is_object(), items(&status["reservedFor"]).count()) {
            (false, _) => "pending",
            (true, 0) => "allocated",
            (true, _) => "allocated,reserved",
        })
    }),
    AGE,
];

static RESOURCE_SLICES: &[Column] = &[
    NAME,
    text("Node", |object, _| or(&object["spec"]["nodeName"], "<unset>")),
    text("Driver", |object, _| object["spec"]["driver"].clone()),
    text("Pool", |object, _| object["spec"]["pool"]["name"].clone()),
    AGE,
];

static PLAIN: &[Column] = &[NAME, AGE];

static SERVICE_RANGES: &[Column] = &[NAME, text("CIDRs", |object, _| list(&object["spec"]["cidrs"], |cidr| cidr)), AGE];

static ADDRESSES: &[Column] = &[
    NAME,
    text("ParentRef", |object, _| {
        let parent = &object["spec"]["parentRef"];
        let parts = ["group", "resource", "namespace", "name"].map(|part| plain(&parent[part]));
        json!(parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/"))
    }),
];

static INGRESS_CLASSES: &[Column] = &[
    NAME,
    text("Controller", |object, _| object["spec"]["controller"].clone()),
    text("Parameters", |object, _| match &object["spec"]["parameters"] {
        Value::Null => json!("<none>"),
        parameters => {
            let group = parameters["apiGroup"].as_str().map_or(String::new(), |group| format!(".{group}"));
            json!(format!("{}{group}/{}", plain(&parameters["kind"]), plain(&parameters["name"])))
        }
    }),
    AGE,
];

static API_SERVICES: &[Column] = &[
    NAME,
    text("Service", |object, _| match &object["spec"]["service"] {
        Value::Null => json!("Local"),
        service => json!(format!("{}/{}", plain(&service["namespace"]), plain(&service["name"]))),
    }),
    text("Available", |object, _| {
        let available = items(&object["status"]["conditions"]).find(|held| held["type"] == "Available");
        available.map_or(json!("Unknown"), |held| match held["status"].as_str() {
            Some("True") => json!("True"),
            status => json!(format!("{} ({})", status.unwrap_or_default(), plain(&held["reason"]))),
        })
    }),
    AGE,
];

static COMPONENTS: &[Column] = &[
    NAME,
    text("Status", |object, _| {
        let healthy = items(&object["conditions"]).any(|held| held["type"] == "Healthy" && held["status"] == "True");
        json!(if healthy { "Healthy" } else { "Unhealthy" })
    }),
    text("Message", |object, _| list(&object["conditions"], |held| &held["message"])),
    text("Error", |object, _| list(&object["conditions"], |held| &held["error"])),
];

/// The columns of a kind; `None` when it has none of its own.
pub(super) fn columns(kind: &str) -> Option<&'static [Column]> {
    Some(match kind {
        "PodTemplate" => POD_TEMPLATES,
        "PodDisruptionBudget" => DISRUPTION_BUDGETS,
        "HorizontalPodAutoscaler" => AUTOSCALERS,
        "PersistentVolume" => VOLUMES,
        "PersistentVolumeClaim" => CLAIMS,
        "StorageClass" => STORAGE_CLASSES,
        "VolumeAttributesClass" => ATTRIBUTES_CLASSES,
        "VolumeAttachment" => ATTACHMENTS,
        "CSINode" => CSI_NODES,
        "CSIDriver" => CSI_DRIVERS,
        "CSIStorageCapacity" => CSI_CAPACITIES,
        "NetworkPolicy" => NETWORK_POLICIES,
        "RoleBinding" | "ClusterRoleBinding" => BINDINGS,
        "CertificateSigningRequest" => SIGNING_REQUESTS,
        "ControllerRevision" => REVISIONS,
        "ResourceQuota" => QUOTAS,
        "PriorityClass" => PRIORITY_CLASSES,
        "RuntimeClass" => RUNTIME_CLASSES,
        "EndpointSlice" => ENDPOINT_SLICES,
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => WEBHOOKS,
        "ValidatingAdmissionPolicy" => ADMISSION_POLICIES,
        "ValidatingAdmissionPolicyBinding" => ADMISSION_BINDINGS,
        "FlowSchema" => FLOW_SCHEMAS,
        "PriorityLevelConfiguration" => PRIORITY_LEVELS,
        "ResourceClaim" => CLAIMS_OF_DEVICES,
        "ResourceSlice" => RESOURCE_SLICES,
        "DeviceClass" | "ResourceClaimTemplate" => PLAIN,
        "ServiceCIDR" => SERVICE_RANGES,
        "IPAddress" => ADDRESSES,
        "IngressClass" => INGRESS_CLASSES,
        "APIService" => API_SERVICES,
        "ComponentStatus" => COMPONENTS,
        _ => return None,
    })
}

fn phase(object: &Value) -> Value {
    let ends = object["metadata"]["deletionTimestamp"].is_string();
    if ends { json!("Terminating") } else { object["status"]["phase"].clone() }
}

fn access_modes(modes: &Value) -> Value {
    let short = items(modes).filter_map(Value::as_str).map(|mode| match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        other => other,
    });
    json!(short.collect::<Vec<_>>().join(","))
}

fn subjects(binding: &Value, kind: &str) -> Value {
    let named =
        items(&binding["subjects"]).filter(|subject| subject["kind"] == kind).map(|subject| match subject["namespace"]
            .as_str()
        {
            Some(namespace) => format!("{namespace}/{}", plain(&subject["name"])),
            None => plain(&subject["name"]),
        });
    json!(named.collect::<Vec<_>>().join(", "))
}

fn used(quota: &Value, wanted: impl Fn(&str) -> bool) -> Value {
    let hard = quota["status"]["hard"].as_object().into_iter().flatten().filter(|(name, _)| wanted(name));
    let parts: Vec<String> = hard
        .map(|(name, hard)| format!("{name}: {}/{}", plain(&or(&quota["status"]["used"][name], "0")), plain(hard)))
        .collect();
    json!(parts.join(", "))
}

fn targets(scaler: &Value) -> Value {
    let mut said = Vec::new();
    for (index, metric) in items(&scaler["spec"]["metrics"]).enumerate() {
        let resource = &metric["resource"];
        let current = &scaler["status"]["currentMetrics"][index]["resource"]["current"];
        let part = match (resource["target"]["averageUtilization"].as_u64(), current["averageUtilization"].as_u64()) {
            (Some(wanted), Some(held)) => format!("{}: {held}%/{wanted}%", plain(&resource["name"])),
            (Some(wanted), None) => format!("{}: <unknown>/{wanted}%", plain(&resource["name"])),
            (None, _) => format!("<unknown>/{}", plain(&or(&resource["target"]["averageValue"], "<auto>"))),
        };
        said.push(part);
    }
    if scaler["spec"]["targetCPUUtilizationPercentage"].is_number() {
        said.push(format!("cpu: <unknown>/{}%", plain(&scaler["spec"]["targetCPUUtilizationPercentage"])));
    }
    json!(if said.is_empty() { "<none>".to_owned() } else { said.join(", ") })
}
