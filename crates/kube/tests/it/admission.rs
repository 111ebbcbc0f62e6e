//! What admission does to writes, seen with kubectl: quotas, limit ranges, policies, webhooks.

use crate::{
    cluster::{Cluster, Printed},
    kubectl::ok,
    webhook,
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

const POLICY: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: sizes.example.com}
spec:
  failurePolicy: Fail
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments, deployments/scale]}
  matchConditions:
  - {name: not-the-system, expression: '!request.userInfo.username.startsWith(\"system:kube-\")'}
  variables:
  - {name: most, expression: 'int(params.data.most)'}
  validations:
  - expression: object.spec.replicas <= variables.most
    messageExpression: \"'at most ' + string(variables.most) + ' in ' + string(namespaceObject.metadata.name)\"
    reason: Forbidden
  - expression: \"!has(object.spec.template) || object.spec.template.spec.containers.all(c, !c.image.endsWith(':latest'))\"
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: sizes}
spec:
  policyName: sizes.example.com
  validationActions: [Deny]
  paramRef: {name: sizes, namespace: default, parameterNotFoundAction: Deny}
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}
";

#[test]
fn a_policy_refuses_or_warns_in_its_own_words() {
    let cluster = Cluster::start_bare();
    let run = |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>());
    ok(apply(&cluster, POLICY));
    let create = |name: &str, more: &str| run(&format!("create deployment {name} --image=nginx:1 {more}"));
    assert_eq!(
        refused(&create("early", "--replicas=1")),
        "error: failed to create deployment: deployments.apps \"early\" is forbidden: ValidatingAdmissionPolicy \
         'sizes.example.com' with binding 'sizes' denied request: failed to configure binding: no params found for policy \
         binding with `Deny` parameterNotFoundAction"
    );
    ok(run("create configmap sizes --from-literal=most=3"));
    ok(create("web", "--replicas=2"));
    let why = "is forbidden: ValidatingAdmissionPolicy 'sizes.example.com' with binding 'sizes' denied request: ";
    assert_eq!(
        refused(&run("scale deployment web --replicas=4")),
        format!("Error from server (Forbidden): deployments.apps \"web\" {why}at most 3 in default")
    );
    let latest = run("set image deployment/web nginx=nginx:latest");
    assert!(
        refused(&latest).ends_with(&format!(
            "{why}failed expression: !has(object.spec.template) || object.spec.template.spec.containers.all(c, \
             !c.image.endsWith(':latest'))"
        )),
        "{}",
        latest.text
    );
    ok(run("create namespace elsewhere"));
    ok(create("large", "--replicas=9 -n elsewhere"));
    let warn = "{\"spec\": {\"validationActions\": [\"Warn\", \"Audit\"]}}";
    ok(cluster.kubectl(&["patch", "validatingadmissionpolicybinding", "sizes", "--type=merge", "-p", warn]));
    let warned = ok(run("scale deployment web --replicas=4"));
    assert!(
        warned.contains("Warning: Validation failed for ValidatingAdmissionPolicy 'sizes.example.com' with binding 'sizes': at most 3"),
        "{warned}"
    );
    let broken = POLICY.replace("object.spec.replicas <= variables.most", "object.spec.replicas <=");
    let broken = apply(&cluster, &broken);
    assert!(refused(&broken).contains("spec.validations[0].expression: Invalid value"), "{}", broken.text);
}

const WEBHOOKS: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: labels}
webhooks:
- name: labels.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {url: 'https://localhost:PORT/mutate', caBundle: AUTHORITY}
  rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: judge}
webhooks:
- name: judge.example.com
  admissionReviewVersions: [v1]
  sideEffects: NoneOnDryRun
  clientConfig: {service: {namespace: default, name: judge, path: /validate, port: PORT}, caBundle: AUTHORITY}
  rules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE, DELETE], resources: [configmaps]}]
  matchConditions: [{name: not-the-system, expression: '!request.userInfo.username.startsWith(\"system:kube-\")'}]
---
apiVersion: v1
kind: Service
metadata: {name: judge}
spec: {type: ExternalName, externalName: localhost}
";

#[test]
fn webhooks_change_and_refuse_what_is_written() {
    let cluster = Cluster::start_bare();
    let run = |line: &str| cluster.kubectl(&line.split(' ').collect::<Vec<_>>());
    let webhook = webhook::start(&cluster.runtime);
    let configured = WEBHOOKS.replace("PORT", &webhook.port.to_string()).replace("AUTHORITY", &webhook.authority);
    ok(apply(&cluster, &configured));
    ok(run("create configmap good"));
    assert_eq!(ok(run("get configmap good -o jsonpath={.metadata.labels.seen}")), "CREATE");
    let bad = run("create configmap bad");
    assert_eq!(
        refused(&bad),
        "Warning: bad names are noticed\nerror: failed to create configmap: admission webhook \"judge.example.com\" denied \
         the request: bad is no name"
    );
    ok(run("create configmap dry --dry-run=server"));
    assert!(
        refused(&run("delete configmap good")).contains("judge.example.com\" denied the request: what is good stays")
    );
    // Nobody answers any more: what a webhook may not be left out of is refused, and what it may goes on.
    let nobody = configured.replace(&format!(":{}/", webhook.port), ":1/");
    ok(apply(&cluster, &nobody));
    let failed = run("create configmap other");
    assert!(
        refused(&failed).contains("failed calling webhook \"labels.example.com\": failed to call webhook: Post \"https://localhost:1/mutate?timeout=10s\""),
        "{}",
        failed.text
    );
    ok(apply(&cluster, &nobody.replace("sideEffects: None\n", "sideEffects: None\n  failurePolicy: Ignore\n")));
    ok(run("create configmap other"));
    let far = nobody.replace("https://localhost:1/", "https://10.0.0.1/");
    ok(apply(&cluster, &far));
    let failed = run("create configmap far");
    assert!(refused(&failed).contains("noren calls webhooks at loopback addresses only"), "{}", failed.text);
}
