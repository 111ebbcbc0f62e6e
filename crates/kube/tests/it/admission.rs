//! What admission does to writes, seen with kubectl: quotas, limit ranges, policies, webhooks.

use crate::{
    cluster::{Cluster, Printed},
    kubectl::ok,
};

/// Applies objects; what kubectl said.
fn apply(cluster: &Cluster, objects: &str) -> Printed {
    cluster.kubectl_with(&["apply", "-f", "-"], objects)
}

/// What kubectl says of something that is refused.
fn refused(printed: &Printed) -> &str {
    assert!(!printed.ok, "{}", printed.text);
    printed.text.trim()
}

const QUOTA: &str = "
apiVersion: v1
kind: ResourceQuota
metadata: {name: small}
spec: {hard: {pods: 2, requests.cpu: 500m, limits.memory: 1Gi, services.loadbalancers: 0, count/configmaps: 2}}
---
apiVersion: v1
kind: LimitRange
metadata: {name: usual}
spec:
  limits:
  - {type: Container, default: {memory: 256Mi}, defaultRequest: {cpu: 100m}, max: {memory: 512Mi}}
  - {type: PersistentVolumeClaim, min: {storage: 1Gi}}
";

#[test]
fn a_namespace_has_no_more_than_its_quota_and_says_how_much_is_in_use() {
    let cluster = Cluster::start();
    let run = |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>());
    ok(apply(&cluster, QUOTA));
    ok(run("wait quota/small --for=jsonpath={.status.used.count/configmaps}=1 --timeout=20s"));
    assert_eq!(
        refused(&run("create service loadbalancer web --tcp=80")),
        "error: failed to create LoadBalancer service: services \"web\" is forbidden: exceeded quota: small, requested: \
         services.loadbalancers=1, used: services.loadbalancers=0, limited: services.loadbalancers=0"
    );
    ok(run("create configmap one"));
    assert_eq!(
        refused(&run("create configmap two")),
        "error: failed to create configmap: configmaps \"two\" is forbidden: exceeded quota: small, requested: \
         count/configmaps=1, used: count/configmaps=2, limited: count/configmaps=2"
    );
    ok(run("delete configmap one"));
    ok(run("wait quota/small --for=jsonpath={.status.used.count/configmaps}=1 --timeout=20s"));
    // A controller is told as well as a person, and goes on when there is room again.
    ok(run("create deployment web --image=nginx:1 --replicas=3"));
    ok(run("wait deployment/web --for=condition=ReplicaFailure --timeout=20s"));
    let why = ok(run("get deployment web -o jsonpath={.status.conditions[?(@.type==\"ReplicaFailure\")].message}"));
    assert!(
        why.contains("is forbidden: exceeded quota: small, requested: pods=1, used: pods=2, limited: pods=2"),
        "{why}"
    );
    assert!(ok(run("get events")).contains("Error creating: pods \"web-"));
    let used = ok(run("get quota small -o jsonpath={.status.used}"));
    for held in ["\"pods\":\"2\"", "\"requests.cpu\":\"200m\"", "\"limits.memory\":\"512Mi\""] {
        assert!(used.contains(held), "{used}");
    }
    ok(cluster.kubectl(&["patch", "quota", "small", "-p", "{\"spec\": {\"hard\": {\"pods\": \"4\"}}}"]));
    ok(run("rollout status deployment/web --timeout=20s"));
}

#[test]
fn containers_have_what_the_limit_range_says_and_not_more() {
    let cluster = Cluster::start_bare();
    ok(apply(&cluster, QUOTA));
    let pod = |name: &str, resources: &str| {
        let container = format!("{{name: c, image: 'i:1', resources: {resources}}}");
        let pod =
            format!("{{apiVersion: v1, kind: Pod, metadata: {{name: {name}}}, spec: {{containers: [{container}]}}}}");
        apply(&cluster, &pod)
    };
    ok(pod("plain", "{}"));
    let path = "jsonpath={.spec.containers[0].resources} {.status.qosClass} {.metadata.annotations.kubernetes\\.io/limit-ranger}";
    let shown = ok(cluster.kubectl(&["get", "pod", "plain", "-o", path]));
    assert_eq!(
        shown,
        "{\"limits\":{\"memory\":\"256Mi\"},\"requests\":{\"cpu\":\"100m\",\"memory\":\"256Mi\"}} Burstable LimitRanger \
         plugin set: cpu, memory request for container c; memory limit for container c"
    );
    let large = pod("large", "{limits: {memory: 1Gi}}");
    assert!(
        refused(&large)
            .ends_with("pods \"large\" is forbidden: maximum memory usage per Container is 512Mi, but limit is 1Gi"),
        "{}",
        large.text
    );
    ok(cluster.kubectl(&["delete", "limitrange", "usual"]));
    let unsaid = pod("unsaid", "{}");
    assert!(
        refused(&unsaid).ends_with(
            "pods \"unsaid\" is forbidden: failed quota: small: must specify limits.memory for: c; requests.cpu for: c"
        ),
        "{}",
        unsaid.text
    );
}
