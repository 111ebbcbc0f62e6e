//! Server-side apply with kubectl: who owns which field, and what others may do to it.

use serde_json::{Value, json};

use crate::{
    cluster::Cluster,
    kubectl::{WEB, ok},
};

const APPLY: [&str; 4] = ["apply", "--server-side", "-f", "-"];

fn managers(object: &Value) -> Vec<(&str, &str, &str)> {
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let text = |value: &'_ Value| value.as_str().unwrap_or_default().to_owned().leak() as &str;
    let entries = entries.filter(|entry| entry["manager"] != "kube-controller-manager");
    entries.map(|entry| (text(&entry["manager"]), text(&entry["operation"]), text(&entry["subresource"]))).collect()
}

fn get(cluster: &Cluster, what: &[&str]) -> Value {
    let json = ok(cluster.kubectl(&[&["get", "-o", "json", "--show-managed-fields"], what].concat()));
    serde_json::from_str(&json).unwrap()
}

#[test]
fn applying_on_the_server_creates_changes_and_leaves_alone() {
    let cluster = Cluster::start();
    insta::assert_snapshot!(ok(cluster.kubectl_with(&APPLY, WEB)), @r"
    deployment.apps/web serverside-applied
    service/web serverside-applied
    configmap/settings serverside-applied
    ");
    ok(cluster.kubectl(&["rollout", "status", "deploy/web", "--timeout=20s"]));
    let first = get(&cluster, &["deploy", "web"]);
    ok(cluster.kubectl_with(&APPLY, WEB));
    assert_eq!(get(&cluster, &["deploy", "web"]), first, "the same again changes nothing, not even the version");
    assert_eq!(managers(&first), [("kubectl", "Apply", "")]);
    ok(cluster.kubectl_with(&APPLY, &WEB.replace("nginx:1.27", "nginx:1.28")));
    let image = ["get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image}"];
    assert_eq!(ok(cluster.kubectl(&image)), "nginx:1.28");
    let diff = cluster.kubectl_with(&["diff", "--server-side", "-f", "-"], &WEB.replace("blue", "red"));
    assert!(diff.text.contains("-  colour: blue") && diff.text.contains("+  colour: red"), "{}", diff.text);
}

#[test]
fn a_field_that_somebody_else_owns_is_a_conflict_until_it_is_forced() {
    let cluster = Cluster::start();
    ok(cluster.kubectl_with(&APPLY, WEB));
    ok(cluster.kubectl(&["scale", "deploy/web", "--replicas=5"]));
    assert_eq!(
        managers(&get(&cluster, &["deploy", "web"])),
        [("kubectl", "Apply", ""), ("kubectl", "Update", "scale")]
    );
    let refused = cluster.kubectl_with(&APPLY, WEB);
    assert!(!refused.ok);
    let text = &refused.text;
    assert!(text.contains("Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas"), "{text}");
    let forced = [&APPLY[..], &["--force-conflicts"]].concat();
    ok(cluster.kubectl_with(&forced, WEB));
    let web = get(&cluster, &["deploy", "web"]);
    assert_eq!((&web["spec"]["replicas"], managers(&web)), (&json!(2), vec![("kubectl", "Apply", "")]));
}

#[test]
fn what_is_no_longer_applied_goes_and_what_others_wrote_stays() {
    let cluster = Cluster::start();
    let map = |data: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c}}, data: {data}}}");
    ok(cluster.kubectl_with(&APPLY, &map("{a: '1', b: '2'}")));
    ok(cluster.kubectl(&["patch", "cm", "c", "--type=merge", "-p", "{\"data\": {\"c\": \"3\"}}"]));
    ok(cluster.kubectl_with(&APPLY, &map("{a: '1'}")));
    assert_eq!(ok(cluster.kubectl(&["get", "cm", "c", "-o", "jsonpath={.data}"])), "{\"a\":\"1\",\"c\":\"3\"}");
}

#[test]
fn what_was_applied_by_the_client_is_taken_over_by_the_server() {
    let cluster = Cluster::start();
    ok(cluster.kubectl_with(&["apply", "-f", "-"], WEB));
    assert_eq!(managers(&get(&cluster, &["cm", "settings"])), [("kubectl-client-side-apply", "Update", "")]);
    ok(cluster.kubectl_with(&APPLY, WEB));
    ok(cluster.kubectl_with(&APPLY, &WEB.replace("{colour: blue}", "{shade: dark}")));
    assert_eq!(ok(cluster.kubectl(&["get", "cm", "settings", "-o", "jsonpath={.data}"])), "{\"shade\":\"dark\"}");
}

#[test]
fn misspelt_fields_and_items_given_twice_are_refused() {
    let cluster = Cluster::start();
    let misspelt =
        cluster.kubectl_with(&[&APPLY[..], &["--validate=false"]].concat(), &WEB.replace("replicas", "replicaz"));
    assert!(misspelt.text.contains("failed to create typed patch object"), "{}", misspelt.text);
    assert!(misspelt.text.contains(".spec.replicaz: field not declared in schema"), "{}", misspelt.text);
}

#[test]
fn every_write_is_somebodys() {
    let cluster = Cluster::start();
    ok(cluster.kubectl_with(&["create", "-f", "-"], WEB));
    ok(cluster.kubectl(&["label", "cm", "settings", "tier=front"]));
    let map = get(&cluster, &["cm", "settings"]);
    assert_eq!(managers(&map), [("kubectl-create", "Update", ""), ("kubectl-label", "Update", "")]);
    assert_eq!(
        map["metadata"]["managedFields"][1]["fieldsV1"],
        json!({"f:metadata": {"f:labels": {".": {}, "f:tier": {}}}})
    );
}
