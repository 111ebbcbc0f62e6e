//! The Kubernetes clients for Python and JavaScript, and `kubectl` in the versions from the cluster's on, as they come.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::{cluster::Cluster, kubectl::ok};

/// Where `cargo xtask clients` puts them.
fn clients() -> PathBuf {
    let installed = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients");
    std::env::var_os("NOREN_CLIENTS").map_or_else(installed, PathBuf::from)
}

/// A client if it is there; under CI it has to be.
fn client(path: &str) -> Option<PathBuf> {
    let found = clients().join(path);
    if found.exists() {
        return Some(found);
    }
    assert!(std::env::var_os("CI").is_none(), "no {path}: `cargo xtask clients` installs it");
    None
}

/// What a program prints that is to succeed, run where the clients are.
fn said(cluster: &Cluster, command: &mut Command) -> String {
    let command = command.env("HOME", cluster.home.path()).env("KUBECONFIG", cluster.home.path().join("config"));
    let output = command.current_dir(clients()).env("NO_PROXY", "*").output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}{errors}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_on_the_client_for_python_sees_what_it_made() {
    let Some(_) = client("kubernetes-packages") else { return };
    let cluster = Cluster::start();
    let mut python = Command::new(clients().join("bin/python3"));
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/client.py");
    insta::assert_snapshot!(said(&cluster, python.arg(script).arg(cluster.home.path().join("config"))), @r"
    version v1.33.2
    nodes ['Ready', 'Ready', 'Ready']
    pages ['c0', 'c1', 'c2', 'c3', 'c4']
    watch [('MODIFIED', 'c1'), ('DELETED', 'c2')]
    ready 2
    scale 1
    refused 404 Not Found
    refused 409 Conflict
    ");
}

#[test]
fn a_program_on_the_client_for_javascript_is_informed_of_what_happens() {
    let Some(_) = client("node_modules/@kubernetes/client-node") else { return };
    let cluster = Cluster::start();
    let script = include_str!("client.mjs");
    let mut node = Command::new("node");
    insta::assert_snapshot!(said(&cluster, node.args(["--input-type=module", "--eval", script])), @r#"
    version v1.33.2
    made ConfigMap settings { a: 'b' }
    informer add settings b, update settings c, delete settings c
    scale 3
    refused 404 configmaps "settings" not found
    "#);
}

/// One object of each kind that the commands below are about.
const MANIFEST: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {a: b}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
";

#[test]
fn every_version_of_kubectl_says_the_same() {
    for minor in 33..=37 {
        let Some(program) = client(&format!("bin/kubectl-1.{minor}")) else { continue };
        let cluster = Cluster::start();
        let manifest = cluster.home.path().join("m.yaml");
        std::fs::write(&manifest, MANIFEST).unwrap();
        let file = manifest.display();
        let run = |line: &str| said(&cluster, Command::new(&program).args(line.split(' ')));
        assert!(run("version").contains(&format!("Client Version: v1.{minor}.")), "{minor}");
        assert_eq!(run(&format!("apply -f {file}")), "configmap/settings created\ndeployment.apps/web created\n");
        assert_eq!(run(&format!("apply -f {file}")), "configmap/settings unchanged\ndeployment.apps/web unchanged\n");
        assert_eq!(
            run(&format!("apply --server-side -f {file}")),
            "configmap/settings serverside-applied\ndeployment.apps/web serverside-applied\n"
        );
        assert_eq!(run(&format!("diff -f {file}")), "");
        run("rollout status deployment/web --timeout=60s");
        assert_eq!(run("set image deployment/web web=nginx:2"), "deployment.apps/web image updated\n");
        assert!(run("rollout status deployment/web --timeout=60s").ends_with("successfully rolled out\n"));
        assert!(run("rollout history deployment/web").contains("\n2 "));
        assert_eq!(run("rollout undo deployment/web"), "deployment.apps/web rolled back\n");
        assert_eq!(run("scale deployment/web --replicas=2"), "deployment.apps/web scaled\n");
        assert_eq!(run("expose deployment/web --port=80"), "service/web exposed\n");
        assert_eq!(run("autoscale deployment/web --max=3"), "horizontalpodautoscaler.autoscaling/web autoscaled\n");
        run("wait --for=condition=Available deployment/web --timeout=60s");
        assert!(run("get all").contains("deployment.apps/web"), "{minor}");
        assert!(run("explain deployment.spec.strategy").contains("RollingUpdate"), "{minor}");
        assert!(run("api-resources").contains("customresourcedefinitions"), "{minor}");
        assert_eq!(run("auth can-i create deployments"), "yes\n");
        assert!(run("auth whoami").contains("masterclient"), "{minor}");
        assert!(run("describe deployment web").contains("ScalingReplicaSet"), "{minor}");
        assert!(run("create token default").split('.').count() == 3, "{minor}");
        assert!(run("get nodes -o wide").contains("Ready"), "{minor}");
        assert!(run(&format!("delete -f {file}")).contains("deployment.apps \"web\" deleted"), "{minor}");
        assert_eq!(ok(cluster.kubectl(&["get", "deployments"])), "No resources found in default namespace.\n");
    }
}
