//! Helm as it comes: releases are applied on the server.

use crate::{cluster::Cluster, kubectl::ok};

#[test]
fn a_chart_is_installed_upgraded_rolled_back_and_uninstalled() {
    let cluster = Cluster::start();
    let helm = |line: &str| cluster.helm(line).map(ok);
    let Some(_) = helm("create chart") else { return };
    let says = |line: &str, wanted: &str| {
        let said = helm(line).unwrap_or_default();
        assert!(said.contains(wanted), "helm {line}\n{said}");
    };
    says("install web ./chart", "STATUS: deployed");
    says("upgrade web ./chart --set replicaCount=2", "REVISION: 2");
    let replicas = ["get", "deploy", "web-chart", "-o", "jsonpath={.spec.replicas}"];
    assert_eq!(ok(cluster.kubectl(&replicas)), "2");
    says("rollback web 1", "Rollback was a success");
    assert_eq!(ok(cluster.kubectl(&replicas)), "1");
    says("history web", "Rollback to 1");
    says("uninstall web", "release \"web\" uninstalled");
    assert_eq!(ok(cluster.kubectl(&["get", "deploy"])), "No resources found in default namespace.\n");
}
