//! What users do with kubectl every day.

use std::io::{BufRead, BufReader};

use serde_json::json;

use crate::cluster::{Cluster, Printed, TOKEN};

pub(crate) const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: nginx, image: 'nginx:1.27', ports: [{containerPort: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
";

#[track_caller]
pub(crate) fn ok(printed: Printed) -> String {
    assert!(printed.ok, "{}", printed.text);
    printed.text
}

/// Columns other than ages: those change while a test runs.
pub(crate) fn without_ages(text: &str) -> String {
    let is_age = |word: &str| {
        word.len() > 1 && word.ends_with(['s', 'm']) && word[..word.len() - 1].bytes().all(|byte| byte.is_ascii_digit())
    };
    let line = |line: &str| {
        line.split_whitespace().map(|word| if is_age(word) { "AGE" } else { word }).collect::<Vec<_>>().join(" ")
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn get_nodes_shows_the_articles_columns() {
    let cluster = Cluster::start();
    insta::assert_snapshot!(without_ages(&ok(cluster.kubectl(&["get", "nodes"]))), @r"
    NAME STATUS ROLES AGE VERSION
    aks-nodepool1-12345678-vmss000000 Ready <none> 47h v1.33.2
    aks-nodepool1-12345678-vmss000001 Ready <none> 47h v1.33.2
    aks-nodepool1-12345678-vmss000002 Ready <none> 47h v1.33.2
    ");
    let wide = ok(cluster.kubectl(&["get", "nodes", "-o", "wide", "-l", "team=a"]));
    assert!(wide.contains("INTERNAL-IP") && wide.contains("10.224.0.5") && wide.contains("containerd://"), "{wide}");
    let described = ok(cluster.kubectl(&["describe", "node", "aks-nodepool1-12345678-vmss000000"]));
    assert!(described.contains("kubernetes.azure.com/agentpool=nodepool1"), "{described}");
    assert!(described.contains("KubeletReady"), "{described}");
    let words: Vec<&str> = described.split_whitespace().collect();
    assert!(words.windows(2).any(|pair| pair == ["cpu:", "4"]), "{described}");
    assert!(words.windows(2).any(|pair| pair == ["cpu:", "3860m"]), "{described}");
}

#[test]
fn a_new_cluster_has_the_usual_namespaces_and_service() {
    let cluster = Cluster::start();
    insta::assert_snapshot!(without_ages(&ok(cluster.kubectl(&["get", "ns"]))), @r"
    NAME STATUS AGE
    default Active AGE
    kube-node-lease Active AGE
    kube-public Active AGE
    kube-system Active AGE
    ");
    insta::assert_snapshot!(without_ages(&ok(cluster.kubectl(&["get", "svc"]))), @r"
    NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE
    kubernetes ClusterIP 10.0.0.1 <none> 443/TCP AGE
    ");
}

#[test]
fn apply_creates_changes_and_leaves_alone() {
    let cluster = Cluster::start();
    let apply = |text: &str| ok(cluster.kubectl_with(&["apply", "-f", "-"], text));
    insta::assert_snapshot!(apply(WEB), @r"
    deployment.apps/web created
    service/web created
    configmap/settings created
    ");
    insta::assert_snapshot!(apply(WEB), @r"
    deployment.apps/web unchanged
    service/web unchanged
    configmap/settings unchanged
    ");
    insta::assert_snapshot!(apply(&WEB.replace("nginx:1.27", "nginx:1.28").replace("blue", "red")), @r"
    deployment.apps/web configured
    service/web unchanged
    configmap/settings configured
    ");
    let images =
        ["get", "deploy", "web", "-o", "jsonpath={.spec.template.spec.containers[*].image} {.metadata.generation}"];
    assert_eq!(ok(cluster.kubectl(&images)), "nginx:1.28 2");
    ok(cluster.kubectl(&["rollout", "status", "deploy/web", "--timeout=20s"]));
    insta::assert_snapshot!(without_ages(&ok(cluster.kubectl(&["get", "deploy"]))), @r"
    NAME READY UP-TO-DATE AVAILABLE AGE
    web 2/2 2 2 AGE
    ");
    assert_eq!(ok(cluster.kubectl(&["scale", "deploy/web", "--replicas=5"])), "deployment.apps/web scaled\n");
    assert_eq!(ok(cluster.kubectl(&["get", "deploy", "web", "-o", "jsonpath={.spec.replicas}"])), "5");
    ok(cluster.kubectl_with(&["delete", "-f", "-"], WEB));
    assert_eq!(ok(cluster.kubectl(&["get", "deploy"])), "No resources found in default namespace.\n");
}

#[test]
fn misspelt_fields_are_refused_by_name() {
    let cluster = Cluster::start();
    let misspelt = cluster.kubectl_with(&["apply", "-f", "-"], &WEB.replace("replicas", "replicaz"));
    assert!(!misspelt.ok && misspelt.text.contains("unknown field \"spec.replicaz\""), "{}", misspelt.text);
}

#[test]
fn objects_are_created_labelled_patched_edited_and_deleted() {
    let cluster = Cluster::start();
    let run = |arguments: &[&str]| ok(cluster.kubectl(arguments));
    assert_eq!(run(&["create", "namespace", "team"]), "namespace/team created\n");
    let create = ["create", "configmap", "c", "-n", "team", "--from-literal=a=1"];
    assert_eq!(run(&create), "configmap/c created\n");
    let again = cluster.kubectl(&create);
    assert_eq!(again.text, "error: failed to create configmap: configmaps \"c\" already exists\n");
    assert_eq!(run(&["label", "cm", "c", "-n", "team", "tier=front"]), "configmap/c labeled\n");
    assert_eq!(run(&["annotate", "cm", "c", "-n", "team", "note=x"]), "configmap/c annotated\n");
    assert_eq!(run(&["patch", "cm", "c", "-n", "team", "-p", "{\"data\":{\"a\":\"2\"}}"]), "configmap/c patched\n");
    let json_patch = [
        "patch",
        "cm",
        "c",
        "-n",
        "team",
        "--type=json",
        "-p",
        "[{\"op\":\"add\",\"path\":\"/data/b\",\"value\":\"3\"}]",
    ];
    assert_eq!(run(&json_patch), "configmap/c patched\n");
    assert_eq!(
        run(&["get", "cm", "-A", "-l", "tier=front", "-o", "jsonpath={.items[*].data}"]),
        "{\"a\":\"2\",\"b\":\"3\"}"
    );
    run(&["create", "secret", "generic", "s", "-n", "team", "--from-literal=k=v"]);
    assert_eq!(run(&["get", "secret", "s", "-n", "team", "-o", "jsonpath={.data.k}"]), "dg==");
    run(&["run", "p", "-n", "team", "--image=busybox"]);
    run(&["wait", "pod", "p", "-n", "team", "--for=jsonpath={.status.phase}=Running", "--timeout=20s"]);
    assert_eq!(run(&["delete", "namespace", "team"]), "namespace \"team\" deleted\n");
    let gone = cluster.kubectl(&["get", "cm", "c", "-n", "team"]);
    assert!(gone.text.starts_with("Error from server (NotFound): "), "{}", gone.text);
    let nowhere = cluster.kubectl(&["create", "configmap", "c", "-n", "team"]);
    assert!(nowhere.text.contains("namespaces \"team\" not found"), "{}", nowhere.text);
}

/// As the real server, which looks for the object and not for its namespace; kubectl asks after the namespace by itself.
#[test]
fn a_namespace_that_is_not_there_is_empty_until_something_is_made_in_it() {
    let cluster = Cluster::start();
    assert_eq!(ok(cluster.kubectl(&["get", "pods", "-n", "nowhere"])), "No resources found in nowhere namespace.\n");
    let raw = cluster.kubectl(&["get", "--raw", "/api/v1/namespaces/nowhere/pods/p"]);
    assert!(raw.text.contains("pods \"p\" not found"), "{}", raw.text);
    let deleted = cluster.kubectl(&["delete", "pod", "p", "-n", "nowhere"]);
    assert!(!deleted.ok && deleted.text.contains("not found"), "{}", deleted.text);
    let created = cluster.kubectl_with(&["apply", "-n", "nowhere", "-f", "-"], WEB);
    assert!(created.text.contains("namespaces \"nowhere\" not found"), "{}", created.text);
}

#[test]
fn a_dry_run_and_a_diff_change_nothing() {
    let cluster = Cluster::start();
    let dry = ok(cluster.kubectl_with(&["apply", "--dry-run=server", "-f", "-"], WEB));
    assert!(dry.contains("deployment.apps/web created (server dry run)"), "{dry}");
    assert_eq!(ok(cluster.kubectl(&["get", "deploy"])), "No resources found in default namespace.\n");
    ok(cluster.kubectl_with(&["apply", "-f", "-"], WEB));
    assert_eq!(ok(cluster.kubectl_with(&["diff", "-f", "-"], WEB)), "");
    let changed = cluster.kubectl_with(&["diff", "-f", "-"], &WEB.replace("blue", "red"));
    assert!(changed.text.contains("-  colour: blue\n+  colour: red"), "{}", changed.text);
    assert_eq!(ok(cluster.kubectl(&["get", "cm", "settings", "-o", "jsonpath={.data.colour}"])), "blue");
}

#[test]
fn who_is_in_may_do_everything_and_what_is_not_there_is_said_to_be_missing() {
    let cluster = Cluster::start();
    assert_eq!(ok(cluster.kubectl(&["auth", "can-i", "create", "pods"])), "yes\n");
    let whoami = ok(cluster.kubectl(&["auth", "whoami"]));
    assert!(whoami.contains("masterclient") && whoami.contains("[system:masters system:authenticated]"), "{whoami}");
    assert_eq!(cluster.kubectl(&["top", "nodes"]).text, "error: Metrics API not available\n");
}

#[test]
fn what_an_object_owns_goes_with_it_unless_it_is_to_be_left() {
    let cluster = Cluster::start_bare();
    let names = || ok(cluster.kubectl(&["get", "cm", "-o", "jsonpath={.items[*].metadata.name}"]));
    for cascade in ["background", "foreground", "orphan"] {
        ok(cluster.kubectl(&["create", "configmap", "owner"]));
        let uid = ok(cluster.kubectl(&["get", "cm", "owner", "-o", "jsonpath={.metadata.uid}"]));
        let owned = |name: &str, owner: &str, uid: &str| {
            format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, ownerReferences: \
                 [{{apiVersion: v1, kind: ConfigMap, name: {owner}, uid: {uid}}}]}}}}"
            )
        };
        ok(cluster.kubectl_with(&["create", "-f", "-"], &owned("child", "owner", &uid)));
        let child = ok(cluster.kubectl(&["get", "cm", "child", "-o", "jsonpath={.metadata.uid}"]));
        ok(cluster.kubectl_with(&["create", "-f", "-"], &owned("grandchild", "child", &child)));
        assert_eq!(names(), "child grandchild owner");
        ok(cluster.kubectl(&["delete", "cm", "owner", &format!("--cascade={cascade}")]));
        assert_eq!(names(), if cascade == "orphan" { "child grandchild" } else { "" }, "{cascade}");
    }
    assert_eq!(ok(cluster.kubectl(&["get", "cm", "child", "-o", "jsonpath={.metadata.ownerReferences}"])), "");
}

#[test]
fn an_owner_that_is_deleted_in_the_foreground_waits_for_what_blocks_it() {
    let cluster = Cluster::start_bare();
    let map = |name: &str, finalizer: &str, owner: Option<(&str, &str)>| {
        let owner = owner.map_or(String::new(), |(name, uid)| {
            let owner =
                format!("{{apiVersion: v1, kind: ConfigMap, name: {name}, uid: {uid}, blockOwnerDeletion: true}}");
            format!(", ownerReferences: [{owner}]")
        });
        let metadata = format!("{{name: {name}, finalizers: [{finalizer}]{owner}}}");
        ok(cluster.kubectl_with(
            &["apply", "-f", "-"],
            &format!("{{apiVersion: v1, kind: ConfigMap, metadata: {metadata}}}"),
        ));
        ok(cluster.kubectl(&["get", "cm", name, "-o", "jsonpath={.metadata.uid}"]))
    };
    let top = map("top", "", None);
    let middle = map("middle", "", Some(("top", &top)));
    map("bottom", "noren.test/slow", Some(("middle", &middle)));
    ok(cluster.kubectl(&["delete", "cm", "top", "--cascade=foreground", "--wait=false"]));
    let waiting = ["get", "cm", "top", "middle", "bottom", "-o", "jsonpath={.items[*].metadata.finalizers[*]}"];
    assert_eq!(ok(cluster.kubectl(&waiting)), "foregroundDeletion foregroundDeletion noren.test/slow");
    ok(cluster.kubectl(&["patch", "cm", "bottom", "--type=merge", "-p", "{\"metadata\": {\"finalizers\": null}}"]));
    assert_eq!(ok(cluster.kubectl(&["get", "cm", "top", "middle", "bottom", "--ignore-not-found"])), "");
}

#[test]
fn finalizers_keep_an_object_and_its_namespace_until_they_are_done() {
    let cluster = Cluster::start_bare();
    let run = |arguments: &[&str]| ok(cluster.kubectl(arguments));
    run(&["create", "namespace", "team"]);
    run(&["create", "configmap", "plain", "-n", "team"]);
    run(&["create", "configmap", "held", "-n", "team"]);
    let held = ["patch", "cm", "held", "-n", "team", "--type=merge", "-p"];
    run(&[&held[..], &["{\"metadata\":{\"finalizers\":[\"example.org/wait\"]}}"]].concat());
    run(&["delete", "namespace", "team", "--wait=false"]);
    assert_eq!(run(&["get", "ns", "team", "-o", "jsonpath={.status.phase}"]), "Terminating");
    assert_eq!(run(&["get", "cm", "-n", "team", "-o", "jsonpath={.items[*].metadata.name}"]), "held");
    let late = cluster.kubectl(&["create", "configmap", "late", "-n", "team"]);
    assert!(late.text.contains("unable to create new content in namespace team because it is being terminated"));
    run(&[&held[..], &["{\"metadata\":{\"finalizers\":null}}"]].concat());
    let gone = cluster.kubectl(&["get", "ns", "team"]);
    assert!(gone.text.contains("namespaces \"team\" not found"), "{}", gone.text);
}

#[test]
fn pages_make_up_the_whole_list_and_selectors_fill_them() {
    let cluster = Cluster::start_bare();
    let map = |n: u32| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("c{n:02}"),
        "labels": {"odd": (n % 2).to_string()}}})
    };
    let maps = json!({"apiVersion": "v1", "kind": "List", "items": (0..12).map(map).collect::<Vec<_>>()}).to_string();
    ok(cluster.kubectl_with(&["create", "-f", "-"], &maps));
    let names =
        |arguments: &[&str]| ok(cluster.kubectl(&[&["get", "cm", "-o", "name"], arguments].concat())).lines().count();
    assert_eq!(names(&["--chunk-size=5"]), 12);
    assert_eq!(names(&["--chunk-size=5", "-l", "odd=1"]), 6);
    assert_eq!(names(&["--field-selector", "metadata.name=c03"]), 1);
    let unknown = cluster.kubectl(&["get", "cm", "--field-selector", "data.colour=blue"]);
    assert!(unknown.text.contains("field label not supported: data.colour"), "{}", unknown.text);
}

#[test]
fn a_watch_shows_changes_as_they_happen() {
    let cluster = Cluster::start_bare();
    let mut watch = cluster.start_kubectl(&["get", "cm", "--watch", "-o", "name"]);
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    ok(cluster.kubectl(&["create", "configmap", "one"]));
    assert_eq!(lines.next().unwrap().unwrap(), "configmap/one");
    ok(cluster.kubectl(&["label", "cm", "one", "x=y"]));
    assert_eq!(lines.next().unwrap().unwrap(), "configmap/one");
    watch.kill().unwrap();
    watch.wait().unwrap();
    let waited = cluster.kubectl(&["wait", "node", "--all", "--for=condition=Ready", "--timeout=20s"]);
    assert!(ok(waited).contains("condition met"));
}

#[test]
fn kinds_and_fields_are_explained() {
    let cluster = Cluster::start();
    let pods = ok(cluster.kubectl(&["explain", "pods"]));
    assert!(
        pods.contains("KIND:       Pod") && pods.contains("collection of containers that can run on a host"),
        "{pods}"
    );
    insta::assert_snapshot!(ok(cluster.kubectl(&["explain", "deployment.spec.template.spec.containers.imagePullPolicy"])), @r"
    GROUP:      apps
    KIND:       Deployment
    VERSION:    v1

    FIELD: imagePullPolicy <string>


    DESCRIPTION:
        Image pull policy. One of Always, Never, IfNotPresent. Defaults to Always if
        :latest tag is specified, or IfNotPresent otherwise. Cannot be updated. More
        info: https://kubernetes.io/docs/concepts/containers/images#updating-images
    ");
}

#[test]
fn the_server_says_what_it_is_and_serves() {
    let cluster = Cluster::start();
    assert!(ok(cluster.kubectl(&["version"])).contains("Server Version: v1.33.2"));
    let info = ok(cluster.kubectl(&["cluster-info"]));
    assert!(info.contains("control plane") && info.contains("is running at"), "{info}");
    let resources = without_ages(&ok(cluster.kubectl(&["api-resources"])));
    for line in
        ["deployments deploy apps/v1 true Deployment", "nodes no v1 false Node", "customresourcedefinitions crd,crds"]
    {
        assert!(resources.contains(line), "{resources}");
    }
    assert!(ok(cluster.kubectl(&["api-versions"])).contains("apps/v1\n"));
    assert_eq!(ok(cluster.kubectl(&["get", "--raw", "/readyz"])), "ok");
}

#[test]
fn only_the_clusters_own_credentials_come_in() {
    let cluster = Cluster::start();
    cluster.sign_in_by_token(TOKEN);
    ok(cluster.kubectl(&["get", "nodes"]));
    cluster.sign_in_by_token("another");
    let wrong = cluster.kubectl(&["get", "nodes"]);
    assert!(wrong.text.contains("You must be logged in to the server"), "{}", wrong.text);
    let stranger = pki::Authority::generate("another", pki::UnixTime(jiff::Timestamp::now().as_second()), 30).unwrap();
    cluster.sign_in_by_certificate(&stranger);
    let wrong = cluster.kubectl(&["get", "nodes"]);
    assert!(wrong.text.contains("You must be logged in to the server"), "{}", wrong.text);
}

#[test]
fn what_kubectl_sends_as_protobuf_is_kept_as_it_is_in_json() {
    let cluster = Cluster::start();
    ok(cluster.kubectl(&["create", "configmap", "c", "--from-literal=a=b"]));
    ok(cluster.kubectl(&["create", "deployment", "d", "--image=nginx", "--port=80", "--replicas=0"]));
    ok(cluster.kubectl(&["create", "quota", "q", "--hard=cpu=2,memory=1Gi"]));
    ok(cluster.kubectl(&["create", "ingress", "i", "--rule=example.org/=s:80"]));
    let raw = |path: &str| -> serde_json::Value {
        serde_json::from_str(&ok(cluster.kubectl(&["get", "--raw", path]))).unwrap()
    };
    let metadata = &raw("/api/v1/namespaces/default/configmaps/c")["metadata"];
    assert_eq!(metadata.get("generation"), None, "what has no desired state has no generation: {metadata}");
    let spec = &raw("/apis/apps/v1/namespaces/default/deployments/d")["spec"];
    assert_eq!((&spec["replicas"], &spec["strategy"]["type"]), (&0.into(), &"RollingUpdate".into()));
    let pod = &spec["template"]["spec"];
    assert_eq!((pod.get("hostNetwork"), pod.get("initContainers")), (None, None), "{pod}");
    let quota = &raw("/api/v1/namespaces/default/resourcequotas/q")["spec"]["hard"];
    assert_eq!((&quota["cpu"], &quota["memory"]), (&"2".into(), &"1Gi".into()));
    let rule = &raw("/apis/networking.k8s.io/v1/namespaces/default/ingresses/i")["spec"]["rules"][0];
    assert_eq!(rule["http"]["paths"][0]["backend"]["service"]["port"]["number"], 80, "{rule}");
}
