//! Custom resource definitions with kubectl: the example of Kubernetes' documentation and what goes beyond it.

use serde_json::json;

use crate::{
    cluster::Cluster,
    kubectl::{ok, without_ages},
};

const CRON_TABS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            description: What is wished for.
            required: [cronSpec]
            x-kubernetes-validations:
            - {rule: 'self.replicas <= 10', message: too many}
            properties:
              cronSpec: {type: string, pattern: '^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$'}
              image: {type: string, x-kubernetes-validations: [{rule: 'self == oldSelf', message: Value is immutable}]}
              replicas: {type: integer, default: 1, minimum: 0}
          status:
            type: object
            properties: {replicas: {type: integer}, labelSelector: {type: string}}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.labelSelector}
  - name: v1beta1
    served: true
    storage: false
    deprecated: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

fn tab(spec: &str) -> String {
    format!("{{apiVersion: stable.example.com/v1, kind: CronTab, metadata: {{name: t}}, spec: {spec}}}")
}

fn cluster() -> Cluster {
    let cluster = Cluster::start();
    ok(cluster.kubectl_with(&["apply", "-f", "-"], CRON_TABS));
    ok(cluster.kubectl(&["wait", "--for=condition=Established", "crd/crontabs.stable.example.com", "--timeout=10s"]));
    cluster
}

#[test]
fn a_custom_kind_is_served_at_once_with_its_columns_scale_and_explanation() {
    let cluster = cluster();
    ok(cluster.kubectl_with(&["apply", "-f", "-"], &tab("{cronSpec: '* * * * */5', image: my}")));
    insta::assert_snapshot!(without_ages(&ok(cluster.kubectl(&["get", "ct"]))), @r"
    NAME SPEC REPLICAS AGE
    t * * * * */5 1 AGE
    ");
    assert_eq!(ok(cluster.kubectl(&["scale", "crontab/t", "--replicas=3"])), "crontab.stable.example.com/t scaled\n");
    assert_eq!(ok(cluster.kubectl(&["get", "crontab", "t", "-o", "jsonpath={.spec.replicas}"])), "3");
    assert!(ok(cluster.kubectl(&["explain", "crontab.spec"])).contains("What is wished for."));
    assert!(ok(cluster.kubectl(&["get", "all"])).contains("crontab.stable.example.com/t"));
    let resources = ok(cluster.kubectl(&["api-resources", "--api-group=stable.example.com"]));
    assert!(resources.contains("crontabs   ct           stable.example.com/v1   true         CronTab"), "{resources}");
    let status = json!({"metadata": {"name": "t"}, "status": {"replicas": 2, "other": 1}});
    let path = "/apis/stable.example.com/v1/namespaces/default/crontabs/t";
    assert_eq!(cluster.curl("PUT", &format!("{path}/status"), &status).0, 200);
    let (_, tab) = cluster.curl("GET", path, &json!(null));
    assert_eq!((&tab["status"], &tab["metadata"]["generation"]), (&json!({"replicas": 2}), &json!(2)));
    let (_, old) = cluster.curl("GET", &path.replace("/v1/", "/v1beta1/"), &json!(null));
    assert_eq!(old["apiVersion"], "stable.example.com/v1beta1");
}

#[test]
fn what_the_schema_does_not_want_is_refused_or_pruned() {
    let cluster = cluster();
    let apply = |spec: &str| cluster.kubectl_with(&["apply", "--validate=false", "-f", "-"], &tab(spec));
    let missing = apply("{image: my}").text;
    assert!(missing.contains("The CronTab \"t\" is invalid: spec.cronSpec: Required value"), "{missing}");
    let wrong = apply("{cronSpec: x, replicas: -1}").text;
    assert!(
        wrong.contains("spec.cronSpec in body should match") && wrong.contains("greater than or equal to 0"),
        "{wrong}"
    );
    let many = apply("{cronSpec: '* * * * *', replicas: 11}").text;
    assert!(many.contains("spec: Invalid value: \"object\": too many"), "{many}");
    ok(apply("{cronSpec: '* * * * *', image: a, colour: blue}"));
    let spec = ok(cluster.kubectl(&["get", "ct", "t", "-o", "jsonpath={.spec}"]));
    assert_eq!(spec, "{\"cronSpec\":\"* * * * *\",\"image\":\"a\",\"replicas\":1}");
    let changed = apply("{cronSpec: '* * * * *', image: b}").text;
    assert!(changed.contains("spec.image: Invalid value: \"b\": Value is immutable"), "{changed}");
    let strict = cluster.kubectl_with(&["apply", "-f", "-"], &tab("{cronSpec: '* * * * *', colour: blue}")).text;
    assert!(strict.contains("unknown field \"spec.colour\""), "{strict}");
}

#[test]
fn a_definition_goes_with_its_objects_and_waits_for_their_finalizers() {
    let cluster = cluster();
    ok(cluster.kubectl_with(&["apply", "-f", "-"], &tab("{cronSpec: '* * * * *'}")));
    let finalizers = |list: &str| {
        let patch = format!("{{\"metadata\": {{\"finalizers\": {list}}}}}");
        ok(cluster.kubectl(&["patch", "ct", "t", "--type=merge", "-p", &patch]));
    };
    finalizers("[\"example.org/wait\"]");
    ok(cluster.kubectl(&["delete", "crd", "crontabs.stable.example.com", "--wait=false"]));
    assert_eq!(ok(cluster.kubectl(&["get", "ct", "-o", "name"])), "crontab.stable.example.com/t\n");
    finalizers("null");
    let gone = cluster.kubectl(&["get", "crd", "crontabs.stable.example.com"]);
    assert!(gone.text.contains("not found"), "{}", gone.text);
}

#[test]
fn custom_objects_are_applied_on_the_server_and_watched() {
    let cluster = cluster();
    let apply = ["apply", "--server-side", "-f", "-"];
    ok(cluster.kubectl_with(&apply, &tab("{cronSpec: '* * * * *', image: a}")));
    let other = [&apply[..], &["--field-manager=other"]].concat();
    let refused = cluster.kubectl_with(&other, &tab("{cronSpec: '1 * * * *'}")).text;
    assert!(refused.contains("conflict with \"kubectl\": .spec.cronSpec"), "{refused}");
    let waited = cluster.kubectl(&["wait", "ct/t", "--for=jsonpath={.spec.image}=a", "--timeout=10s"]);
    assert!(ok(waited).contains("condition met"));
}
