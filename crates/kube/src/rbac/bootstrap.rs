//! The roles and bindings that every cluster has.
//!
//! Source: the Kubernetes documentation "Using RBAC Authorization", default roles and role bindings, and what
//! kubernetes/kubernetes `plugin/pkg/auth/authorizer/rbac/bootstrappolicy` puts into them.

use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";
const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

fn rule(groups: &[&str], resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": groups, "resources": resources, "verbs": verbs})
}

fn paths(paths: &[&str]) -> Value {
    json!({"nonResourceURLs": paths, "verbs": ["get"]})
}

/// What a reader of a namespace may see.
fn view() -> Vec<Value> {
    vec![
        rule(
            &[""],
            &[
                "configmaps",
                "endpoints",
                "persistentvolumeclaims",
                "persistentvolumeclaims/status",
                "pods",
                "replicationcontrollers",
                "replicationcontrollers/scale",
                "serviceaccounts",
                "services",
                "services/status",
            ],
            &READ,
        ),
        rule(
            &[""],
            &[
                "bindings",
                "events",
                "limitranges",
                "namespaces/status",
                "pods/log",
                "pods/status",
                "replicationcontrollers/status",
                "resourcequotas",
                "resourcequotas/status",
            ],
            &READ,
        ),
        rule(&[""], &["namespaces"], &READ),
        rule(&["discovery.k8s.io"], &["endpointslices"], &READ),
        rule(
            &["apps"],
            &[
                "controllerrevisions",
                "daemonsets",
                "daemonsets/status",
                "deployments",
                "deployments/scale",
                "deployments/status",
                "replicasets",
                "replicasets/scale",
                "replicasets/status",
                "statefulsets",
                "statefulsets/scale",
                "statefulsets/status",
            ],
            &READ,
        ),
        rule(&["autoscaling"], &["horizontalpodautoscalers", "horizontalpodautoscalers/status"], &READ),
        rule(&["batch"], &["cronjobs", "cronjobs/status", "jobs", "jobs/status"], &READ),
        rule(&["policy"], &["poddisruptionbudgets", "poddisruptionbudgets/status"], &READ),
        rule(&["networking.k8s.io"], &["ingresses", "ingresses/status", "networkpolicies"], &READ),
    ]
}

/// What an editor may do beside.
fn edit() -> Vec<Value> {
    vec![
        rule(
            &[""],
            &["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"],
            &READ,
        ),
        rule(&[""], &["serviceaccounts"], &["impersonate"]),
        rule(&[""], &["pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"], &WRITE),
        rule(&[""], &["pods/eviction"], &["create"]),
        rule(
            &[""],
            &[
                "configmaps",
                "events",
                "persistentvolumeclaims",
                "replicationcontrollers",
                "replicationcontrollers/scale",
                "secrets",
                "serviceaccounts",
                "services",
                "services/proxy",
            ],
            &WRITE,
        ),
        rule(&[""], &["serviceaccounts/token"], &["create"]),
        rule(
            &["apps"],
            &[
                "daemonsets",
                "deployments",
                "deployments/rollback",
                "deployments/scale",
                "replicasets",
                "replicasets/scale",
                "statefulsets",
                "statefulsets/scale",
            ],
            &WRITE,
        ),
        rule(&["autoscaling"], &["horizontalpodautoscalers"], &WRITE),
        rule(&["batch"], &["cronjobs", "jobs"], &WRITE),
        rule(&["policy"], &["poddisruptionbudgets"], &WRITE),
        rule(&["networking.k8s.io"], &["ingresses", "networkpolicies"], &WRITE),
        rule(&["coordination.k8s.io"], &["leases"], &[&READ[..], &WRITE[..]].concat()),
    ]
}

/// What whoever owns a namespace may do beside.
fn admin() -> Vec<Value> {
    vec![
        rule(&["authorization.k8s.io"], &["localsubjectaccessreviews"], &["create"]),
        rule(&[GROUP], &["rolebindings", "roles"], &[&READ[..], &WRITE[..]].concat()),
    ]
}

fn role(name: &str, labels: &[(&str, &str)], rules: &[Value]) -> Value {
    let mut role = json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
                     "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}},
        "rules": rules,
    });
    for (key, value) in labels {
        role["metadata"]["labels"][*key] = json!(value);
    }
    role
}

fn aggregated(name: &str, to: &str, labels: &[(&str, &str)], rules: &[Value]) -> Value {
    let mut role = role(name, labels, rules);
    let label = format!("rbac.authorization.k8s.io/aggregate-to-{to}");
    role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    role
}

fn binding(name: &str, role: &str, subjects: &[(&str, &str)]) -> Value {
    let subjects = subjects.iter().map(|(kind, name)| json!({"apiGroup": GROUP, "kind": kind, "name": name}));
    json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
                     "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": subjects.collect::<Vec<_>>(),
    })
}

/// Cluster roles and cluster role bindings, by their plurals.
pub(crate) fn objects() -> Vec<(&'static str, Value)> {
    const TO_ADMIN: (&str, &str) = ("rbac.authorization.k8s.io/aggregate-to-admin", "true");
    const TO_EDIT: (&str, &str) = ("rbac.authorization.k8s.io/aggregate-to-edit", "true");
    const TO_VIEW: (&str, &str) = ("rbac.authorization.k8s.io/aggregate-to-view", "true");
    let everything = [rule(&["*"], &["*"], &["*"]), json!({"nonResourceURLs": ["*"], "verbs": ["*"]})];
    let all_of_edit = [edit(), view()].concat();
    let discovery = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let self_reviews = [
        rule(&["authorization.k8s.io"], &["selfsubjectaccessreviews", "selfsubjectrulesreviews"], &["create"]),
        rule(&["authentication.k8s.io"], &["selfsubjectreviews"], &["create"]),
    ];
    let delegator = [
        rule(&["authentication.k8s.io"], &["tokenreviews"], &["create"]),
        rule(&["authorization.k8s.io"], &["subjectaccessreviews"], &["create"]),
    ];
    let issuer = [paths(&[
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/",
        "/openid/v1/jwks",
        "/openid/v1/jwks/",
    ])];
    let roles = [
        role("cluster-admin", &[], &everything),
        aggregated("admin", "admin", &[], &[all_of_edit.clone(), admin()].concat()),
        aggregated("edit", "edit", &[TO_ADMIN], &all_of_edit),
        aggregated("view", "view", &[TO_EDIT], &view()),
        role("system:aggregate-to-admin", &[TO_ADMIN], &admin()),
        role("system:aggregate-to-edit", &[TO_EDIT], &edit()),
        role("system:aggregate-to-view", &[TO_VIEW], &view()),
        role("system:auth-delegator", &[], &delegator),
        role("system:basic-user", &[], &self_reviews),
        role("system:discovery", &[], &[paths(&discovery)]),
        role(
            "system:monitoring",
            &[],
            &[paths(&[
                "/healthz",
                "/healthz/*",
                "/livez",
                "/livez/*",
                "/metrics",
                "/metrics/slis",
                "/readyz",
                "/readyz/*",
            ])],
        ),
        role("system:public-info-viewer", &[], &[paths(&["/healthz", "/livez", "/readyz", "/version", "/version/"])]),
        role("system:service-account-issuer-discovery", &[], &issuer),
        role(
            "system:node-proxier",
            &[],
            &[
                rule(&[""], &["endpoints", "services"], &["list", "watch"]),
                rule(&[""], &["nodes"], &READ),
                rule(&["", "events.k8s.io"], &["events"], &["create", "patch", "update"]),
                rule(&["discovery.k8s.io"], &["endpointslices"], &["list", "watch"]),
            ],
        ),
        role("system:kube-dns", &[], &[rule(&[""], &["endpoints", "services"], &["list", "watch"])]),
        role(
            "system:persistent-volume-provisioner",
            &[],
            &[
                rule(&[""], &["persistentvolumes"], &["create", "delete", "get", "list", "watch"]),
                rule(&[""], &["persistentvolumeclaims"], &["get", "list", "update", "watch"]),
                rule(&["storage.k8s.io"], &["storageclasses"], &READ),
                rule(&[""], &["events"], &["watch", "create", "update", "patch"]),
            ],
        ),
    ];
    let (users, nobody) = (("Group", "system:authenticated"), ("Group", "system:unauthenticated"));
    let bindings = [
        binding("cluster-admin", "cluster-admin", &[("Group", "system:masters")]),
        binding("system:basic-user", "system:basic-user", &[users]),
        binding("system:discovery", "system:discovery", &[users]),
        binding("system:monitoring", "system:monitoring", &[("Group", "system:monitoring")]),
        binding("system:public-info-viewer", "system:public-info-viewer", &[users, nobody]),
        binding(
            "system:service-account-issuer-discovery",
            "system:service-account-issuer-discovery",
            &[("Group", "system:serviceaccounts")],
        ),
        binding("system:node-proxier", "system:node-proxier", &[("User", "system:kube-proxy")]),
        // As AKS binds whoever has its administrators' credentials.
        binding("aks-cluster-admin-binding", "cluster-admin", &[("User", "clusterAdmin"), ("User", "clusterUser")]),
    ];
    let roles = roles.into_iter().map(|role| ("clusterroles", role));
    roles.chain(bindings.into_iter().map(|binding| ("clusterrolebindings", binding))).collect()
}
