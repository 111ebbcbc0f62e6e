//! The columns of each kind and how a cell is read off an object.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{duration, resources};
use crate::registry::Resource;

/// Reads one cell off an object.
type Cell = fn(&Value, Timestamp) -> Value;

/// A column: priority 0 is shown by default, 1 with `-o wide`.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) value_type: &'static str,
    pub(super) priority: u8,
    pub(super) cell: Cell,
}

pub(super) const fn text(name: &'static str, cell: Cell) -> Column {
    Column { name, value_type: "string", priority: 0, cell }
}

pub(super) const fn number(name: &'static str, cell: Cell) -> Column {
    Column { name, value_type: "integer", priority: 0, cell }
}

pub(super) const fn wide(name: &'static str, cell: Cell) -> Column {
    Column { name, value_type: "string", priority: 1, cell }
}

pub(super) const NAME: Column = text("Name", |object, _| object["metadata"]["name"].clone());
pub(super) const AGE: Column = text("Age", |object, now| age(&object["metadata"]["creationTimestamp"], now));
pub(super) const CONTAINERS: Column =
    wide("Containers", |object, _| list(&pod_spec(object)["containers"], |item| &item["name"]));
pub(super) const IMAGES: Column =
    wide("Images", |object, _| list(&pod_spec(object)["containers"], |item| &item["image"]));
const SELECTOR: Column = wide("Selector", |object, _| selector(&object["spec"]["selector"]));

static NAMESPACES: &[Column] = &[NAME, text("Status", |object, _| object["status"]["phase"].clone()), AGE];

static NODES: &[Column] = &[
    NAME,
    text("Status", |node, _| node_status(node)),
    text("Roles", |node, _| node_roles(node)),
    AGE,
    text("Version", |node, _| node["status"]["nodeInfo"]["kubeletVersion"].clone()),
    wide("Internal-IP", |node, _| node_address(node, "InternalIP")),
    wide("External-IP", |node, _| node_address(node, "ExternalIP")),
    wide("OS-Image", |node, _| node["status"]["nodeInfo"]["osImage"].clone()),
    wide("Kernel-Version", |node, _| node["status"]["nodeInfo"]["kernelVersion"].clone()),
    wide("Container-Runtime", |node, _| node["status"]["nodeInfo"]["containerRuntimeVersion"].clone()),
];

static PODS: &[Column] = &[
    NAME,
    text("Ready", |pod, _| {
        let ready = items(&pod["status"]["containerStatuses"]).filter(|status| status["ready"] == true).count();
        json!(format!("{ready}/{}", items(&pod["spec"]["containers"]).count()))
    }),
    text("Status", |pod, _| pod_status(pod)),
    text("Restarts", |pod, _| {
        let restarts = items(&pod["status"]["containerStatuses"]).filter_map(|status| status["restartCount"].as_u64());
        json!(restarts.sum::<u64>().to_string())
    }),
    AGE,
    wide("IP", |pod, _| or_none(&pod["status"]["podIP"])),
    wide("Node", |pod, _| or_none(&pod["spec"]["nodeName"])),
    wide("Nominated Node", |pod, _| or_none(&pod["status"]["nominatedNodeName"])),
    wide("Readiness Gates", |_, _| json!("<none>")),
];

static DEPLOYMENTS: &[Column] = &[
    NAME,
    text("Ready", |object, _| {
        json!(format!("{}/{}", count(&object["status"]["readyReplicas"]), count(&object["spec"]["replicas"])))
    }),
    number("Up-to-date", |object, _| json!(count(&object["status"]["updatedReplicas"]))),
    number("Available", |object, _| json!(count(&object["status"]["availableReplicas"]))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

static REPLICA_SETS: &[Column] = &[
    NAME,
    number("Desired", |object, _| json!(count(&object["spec"]["replicas"]))),
    number("Current", |object, _| json!(count(&object["status"]["replicas"]))),
    number("Ready", |object, _| json!(count(&object["status"]["readyReplicas"]))),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

static STATEFUL_SETS: &[Column] = &[
    NAME,
    text("Ready", |object, _| {
        json!(format!("{}/{}", count(&object["status"]["readyReplicas"]), count(&object["spec"]["replicas"])))
    }),
    AGE,
    CONTAINERS,
    IMAGES,
];

static DAEMON_SETS: &[Column] = &[
    NAME,
    number("Desired", |object, _| json!(count(&object["status"]["desiredNumberScheduled"]))),
    number("Current", |object, _| json!(count(&object["status"]["currentNumberScheduled"]))),
    number("Ready", |object, _| json!(count(&object["status"]["numberReady"]))),
    number("Up-to-date", |object, _| json!(count(&object["status"]["updatedNumberScheduled"]))),
    number("Available", |object, _| json!(count(&object["status"]["numberAvailable"]))),
    text("Node Selector", |object, _| pairs(&pod_spec(object)["nodeSelector"])),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

static JOBS: &[Column] = &[
    NAME,
    text("Status", |job, _| {
        let met = |kind: &str| {
            items(&job["status"]["conditions"]).any(|held| held["type"] == kind && held["status"] == "True")
        };
        json!(if met("Complete") {
            "Complete"
        } else if met("Failed") {
            "Failed"
        } else {
            "Running"
        })
    }),
    text("Completions", |job, _| {
        let wanted = job["spec"]["completions"].as_u64().unwrap_or(1);
        json!(format!("{}/{wanted}", count(&job["status"]["succeeded"])))
    }),
    text("Duration", |job, now| age(&job["status"]["startTime"], now)),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

static CRON_JOBS: &[Column] = &[
    NAME,
    text("Schedule", |object, _| object["spec"]["schedule"].clone()),
    text("Timezone", |object, _| or_none(&object["spec"]["timeZone"])),
    text("Suspend", |object, _| json!(if object["spec"]["suspend"] == true { "True" } else { "False" })),
    number("Active", |object, _| json!(items(&object["status"]["active"]).count())),
    text("Last Schedule", |object, now| match &object["status"]["lastScheduleTime"] {
        Value::Null => json!("<none>"),
        time => age(time, now),
    }),
    AGE,
];

static SERVICES: &[Column] = &[
    NAME,
    text("Type", |service, _| service["spec"]["type"].clone()),
    text("Cluster-IP", |service, _| or_none(&service["spec"]["clusterIP"])),
    text("External-IP", |service, _| external_ip(service)),
    text("Port(s)", |service, _| ports(service)),
    AGE,
    SELECTOR,
];

static CONFIG_MAPS: &[Column] = &[
    NAME,
    number("Data", |object, _| {
        let entries = |name: &str| object[name].as_object().map_or(0, serde_json::Map::len);
        json!(entries("data") + entries("binaryData"))
    }),
    AGE,
];

static SECRETS: &[Column] = &[
    NAME,
    text("Type", |object, _| object["type"].clone()),
    number("Data", |object, _| json!(object["data"].as_object().map_or(0, serde_json::Map::len))),
    AGE,
];

static SERVICE_ACCOUNTS: &[Column] =
    &[NAME, number("Secrets", |object, _| json!(items(&object["secrets"]).count())), AGE];

static ENDPOINTS: &[Column] = &[
    NAME,
    text("Endpoints", |object, _| {
        let mut all = Vec::new();
        for subset in items(&object["subsets"]) {
            for address in items(&subset["addresses"]) {
                for port in items(&subset["ports"]) {
                    all.push(format!("{}:{}", plain(&address["ip"]), plain(&port["port"])));
                }
            }
        }
        json!(if all.is_empty() { "<none>".to_owned() } else { all.join(",") })
    }),
    AGE,
];

static EVENTS: &[Column] = &[
    text("Last Seen", |event, now| {
        let seen = [&event["lastTimestamp"], &event["eventTime"], &event["metadata"]["creationTimestamp"]];
        age(seen.into_iter().find(|time| time.is_string()).unwrap_or(&Value::Null), now)
    }),
    text("Type", |event, _| event["type"].clone()),
    text("Reason", |event, _| event["reason"].clone()),
    text("Object", |event, _| {
        let object = or_else(&event["involvedObject"], &event["regarding"]);
        json!(format!("{}/{}", plain(&object["kind"]).to_lowercase(), plain(&object["name"])))
    }),
    wide("Subobject", |event, _| or(&event["involvedObject"]["fieldPath"], "")),
    wide("Source", |event, _| or(&event["source"]["component"], &plain(&event["reportingComponent"]))),
    text("Message", |event, _| json!(plain(or_else(&event["message"], &event["note"])).trim())),
    wide("First Seen", |event, now| age(or_else(&event["firstTimestamp"], &event["eventTime"]), now)),
    wide("Count", |event, _| json!(plain(&or(&event["count"], "1")))),
    wide("Name", |event, _| event["metadata"]["name"].clone()),
];

static LEASES: &[Column] = &[NAME, text("Holder", |object, _| object["spec"]["holderIdentity"].clone()), AGE];

static INGRESSES: &[Column] = &[
    NAME,
    text("Class", |object, _| or_none(&object["spec"]["ingressClassName"])),
    text("Hosts", |object, _| match list(&object["spec"]["rules"], |rule| &rule["host"]) {
        Value::String(hosts) if hosts.is_empty() => json!("*"),
        hosts => hosts,
    }),
    text("Address", |object, _| list(&object["status"]["loadBalancer"]["ingress"], |entry| &entry["ip"])),
    text("Ports", |object, _| json!(if object["spec"]["tls"].is_array() { "80, 443" } else { "80" })),
    AGE,
];

/// The columns of a built-in kind.
pub(super) fn columns(resource: &Resource) -> &'static [Column] {
    match &*resource.kind {
        "Namespace" => NAMESPACES,
        "Node" => NODES,
        "Pod" => PODS,
        "Deployment" => DEPLOYMENTS,
        "ReplicaSet" | "ReplicationController" => REPLICA_SETS,
        "StatefulSet" => STATEFUL_SETS,
        "DaemonSet" => DAEMON_SETS,
        "Job" => JOBS,
        "CronJob" => CRON_JOBS,
        "Service" => SERVICES,
        "ConfigMap" => CONFIG_MAPS,
        "Secret" => SECRETS,
        "ServiceAccount" => SERVICE_ACCOUNTS,
        "Endpoints" => ENDPOINTS,
        "Event" => EVENTS,
        "Lease" => LEASES,
        "Ingress" => INGRESSES,
        other => resources::columns(other).unwrap_or(resources::CREATED_AT),
    }
}

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or(0)
}

pub(super) fn or(value: &Value, otherwise: &str) -> Value {
    if plain(value).is_empty() { json!(otherwise) } else { value.clone() }
}

fn or_else<'a>(value: &'a Value, otherwise: &'a Value) -> &'a Value {
    if value.is_null() { otherwise } else { value }
}

pub(super) fn or_none(value: &Value) -> Value {
    or(value, "<none>")
}

pub(super) fn list<'a>(items_of: &'a Value, of: impl Fn(&'a Value) -> &'a Value) -> Value {
    let texts: Vec<String> = items(items_of).map(|item| plain(of(item))).filter(|text| !text.is_empty()).collect();
    json!(texts.join(","))
}

pub(super) fn pairs(map: &Value) -> Value {
    let pairs: Vec<String> =
        map.as_object().into_iter().flatten().map(|(key, value)| format!("{key}={}", plain(value))).collect();
    json!(if pairs.is_empty() { "<none>".to_owned() } else { pairs.join(",") })
}

/// A selector: a plain map, or `matchLabels`.
pub(super) fn selector(value: &Value) -> Value {
    if value["matchLabels"].is_object() { pairs(&value["matchLabels"]) } else { pairs(value) }
}

fn pod_spec(object: &Value) -> &Value {
    let spec = &object["spec"];
    if spec["template"].is_object() { &spec["template"]["spec"] } else { spec }
}

pub(super) fn age(time: &Value, now: Timestamp) -> Value {
    let Some(time) = time.as_str().and_then(|text| text.parse::<Timestamp>().ok()) else { return json!("<unknown>") };
    json!(duration::human(now.as_second() - time.as_second()))
}

fn node_status(node: &Value) -> Value {
    let ready = items(&node["status"]["conditions"]).find(|condition| condition["type"] == "Ready");
    let mut status = match ready.map(|condition| plain(&condition["status"])).as_deref() {
        Some("True") => "Ready",
        Some("False") => "NotReady",
        _ => "Unknown",
    }
    .to_owned();
    if node["spec"]["unschedulable"] == true {
        status += ",SchedulingDisabled";
    }
    json!(status)
}

fn node_roles(node: &Value) -> Value {
    const ROLE_PREFIX: &str = "node-role.kubernetes.io/";
    let labels = node["metadata"]["labels"].as_object();
    let roles: Vec<String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| match key.strip_prefix(ROLE_PREFIX) {
            Some(role) if !role.is_empty() => Some(role.to_owned()),
            _ if key == "kubernetes.io/role" => Some(plain(value)),
            _ => None,
        })
        .collect();
    json!(if roles.is_empty() { "<none>".to_owned() } else { roles.join(",") })
}

fn node_address(node: &Value, kind: &str) -> Value {
    let address = items(&node["status"]["addresses"]).find(|address| address["type"] == kind);
    address.map_or_else(|| json!("<none>"), |address| address["address"].clone())
}

/// Why the first init container that is not done is not, or what the last container that is not well says.
fn pod_status(pod: &Value) -> Value {
    let status = &pod["status"];
    let mut reason = plain(&or(&status["reason"], &plain(&or(&status["phase"], "Unknown"))));
    let total = items(&pod["spec"]["initContainers"]).count();
    let mut initializing = false;
    for (index, container) in items(&status["initContainerStatuses"]).enumerate() {
        let (ended, waiting) = (&container["state"]["terminated"], container["state"]["waiting"]["reason"].as_str());
        let says = match (ended["exitCode"].as_i64(), waiting) {
            (Some(0), _) => continue,
            (Some(_), _) => ended_reason(ended),
            (None, Some(waiting)) if waiting != "PodInitializing" => waiting.to_owned(),
            (None, _) => format!("{index}/{total}"),
        };
        reason = format!("Init:{says}");
        initializing = true;
        break;
    }
    if !initializing {
        for container in items(&status["containerStatuses"]).collect::<Vec<_>>().into_iter().rev() {
            if let Some(waiting) = container["state"]["waiting"]["reason"].as_str() {
                waiting.clone_into(&mut reason);
            } else if container["state"]["terminated"].is_object() {
                reason = ended_reason(&container["state"]["terminated"]);
            }
        }
    }
    if pod["metadata"]["deletionTimestamp"].is_string() {
        "Terminating".clone_into(&mut reason);
    }
    json!(reason)
}

fn ended_reason(ended: &Value) -> String {
    let signal = ended["signal"].as_u64().filter(|signal| *signal != 0);
    match (ended["reason"].as_str(), signal) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(signal)) => format!("Signal:{signal}"),
        (None, None) => format!("ExitCode:{}", plain(&ended["exitCode"])),
    }
}

fn external_ip(service: &Value) -> Value {
    let addresses = list(&service["status"]["loadBalancer"]["ingress"], |entry| &entry["ip"]);
    match (plain(&service["spec"]["type"]).as_str(), plain(&addresses).as_str()) {
        ("LoadBalancer", "") => json!("<pending>"),
        ("LoadBalancer", _) => addresses,
        ("ExternalName", _) => service["spec"]["externalName"].clone(),
        _ => or_none(&list(&service["spec"]["externalIPs"], |address| address)),
    }
}

fn ports(service: &Value) -> Value {
    let ports: Vec<String> = items(&service["spec"]["ports"])
        .map(|port| {
            let node_port = port["nodePort"].as_u64().map_or(String::new(), |number| format!(":{number}"));
            format!("{}{node_port}/{}", plain(&port["port"]), plain(&port["protocol"]))
        })
        .collect();
    json!(if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") })
}
