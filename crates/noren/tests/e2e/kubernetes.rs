//! The Kubernetes API as unmodified `kubectl` and `helm` use it, from inside the cluster's network.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use crate::bench::{Lab, client, refused, said, says, squeeze};

/// A lab with a cluster whose credentials `kubectl` has, and the vantage from which it is reached.
fn cluster() -> Option<(Lab, String)> {
    client("kubectl")?;
    let lab = Lab::with_group()?;
    lab.az("aks create -g rg -n a --enable-private-cluster --no-ssh-key -o none");
    lab.az_command("aks get-credentials -g rg -n a").output().unwrap();
    let inside = lab.inside();
    Some((lab, inside))
}

#[test]
fn kubectl_makes_shows_changes_and_deletes_what_it_is_told() {
    let Some((lab, inside)) = cluster() else { return };
    let kubectl = |line: &str| lab.kubectl(&inside, line);
    says(&kubectl("version"), &["Server Version: v1.34.4"]);
    says(&kubectl("cluster-info"), &["Kubernetes control plane", ".privatelink.japaneast.azmk8s.io:443"]);
    says(
        &squeeze(&kubectl("api-resources")),
        &["configmaps cm v1 true ConfigMap", "deployments deploy apps/v1 true Deployment"],
    );

    assert_eq!(kubectl("create namespace team"), "namespace/team created\n");
    assert_eq!(kubectl("-n team create configmap settings --from-literal=a=b"), "configmap/settings created\n");
    assert_eq!(kubectl("-n team create secret generic keys --from-literal=p=w"), "secret/keys created\n");
    assert_eq!(kubectl("-n team create deployment web --image=nginx --replicas=2"), "deployment.apps/web created\n");
    assert_eq!(kubectl("-n team expose deployment web --port=80"), "service/web exposed\n");
    assert_eq!(kubectl("-n team run job --image=busybox"), "pod/job created\n");
    assert_eq!(kubectl("-n team get secret keys -o jsonpath={.data.p}"), "dw==");
    says(
        &squeeze(&kubectl("-n team get cm,secret,svc,deploy,pod")),
        &["configmap/settings 1", "secret/keys Opaque 1", "service/web ClusterIP 10.0."],
    );
    assert_eq!(kubectl("label namespace team env=dev"), "namespace/team labeled\n");
    says(&squeeze(&kubectl("get namespaces -l env=dev")), &["team Active"]);
    assert_eq!(kubectl("-n team scale deployment web --replicas=3"), "deployment.apps/web scaled\n");
    assert_eq!(kubectl("-n team get deployment web -o jsonpath={.spec.replicas}"), "3");

    let file = lab.path("settings.yaml");
    let write = |value: &str| {
        let text = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: applied, namespace: team}}\ndata: {{a: {value}}}\n"
        );
        fs_err::write(&file, text).unwrap();
        kubectl(&format!("apply -f {}", file.display()))
    };
    assert_eq!(write("one"), "configmap/applied created\n");
    assert_eq!(write("one"), "configmap/applied unchanged\n");
    assert_eq!(write("two"), "configmap/applied configured\n");
    assert_eq!(kubectl("-n team get cm applied -o jsonpath={.data.a}"), "two");
    says(&kubectl(&format!("delete -f {}", file.display())), &["configmap \"applied\" deleted"]);
    says(&kubectl("delete namespace team"), &["namespace \"team\" deleted"]);
    let (_, gone) = refused(&mut lab.at(&inside, "kubectl get namespace team"));
    says(&gone, &["(NotFound): namespaces \"team\" not found"]);
}

#[test]
fn a_watch_tells_what_changes() {
    let Some((lab, inside)) = cluster() else { return };
    let mut watch = lab.at(&inside, "kubectl get configmaps --watch-only --no-headers -o name");
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines().map_while(Result::ok);
    // The watch may begin after the first of them: one at a time, until one is told.
    let told = (0..20).find_map(|n| {
        lab.kubectl(&inside, &format!("create configmap seen-{n}"));
        (n > 0).then(|| lines.find(|line| !line.contains("kube-root-ca.crt")))?
    });
    says(&told.expect("a change"), &["configmap/seen-"]);
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn who_cannot_prove_who_he_is_is_unauthorized_and_a_wrong_server_is_not_trusted() {
    let Some((lab, inside)) = cluster() else { return };
    let config = lab.path("wrong-token");
    let text = lab.kubectl(&inside, "config view --raw --minify");
    let text: String = text
        .lines()
        .filter(|line| !line.contains("client-"))
        .map(|line| if line.contains("token:") { "    token: wrong\n".to_owned() } else { format!("{line}\n") })
        .collect();
    fs_err::write(&config, &text).unwrap();
    let (_, said) = refused(&mut lab.at(&inside, &format!("kubectl --kubeconfig {} get nodes", config.display())));
    says(&said, &["You must be logged in to the server"]);
    lab.kubectl(
        &inside,
        &format!("--kubeconfig {} config unset clusters.a.certificate-authority-data", config.display()),
    );
    let (_, said) = refused(&mut lab.at(&inside, &format!("kubectl --kubeconfig {} get nodes", config.display())));
    says(&said, &["certificate signed by unknown authority"]);
}

#[test]
fn helm_installs_upgrades_and_uninstalls_a_chart() {
    let (Some(_), Some((lab, inside))) = (client("helm"), cluster()) else { return };
    let helm = |line: &str| said(lab.at(&inside, &format!("helm {line}")).current_dir(lab.path(".")));
    helm("create chart");
    says(&helm("install web ./chart"), &["STATUS: deployed", "REVISION: 1"]);
    says(&helm("upgrade web ./chart --set replicaCount=2"), &["STATUS: deployed", "REVISION: 2"]);
    says(
        &squeeze(&lab.kubectl(&inside, "get deployments,services")),
        &["deployment.apps/web-chart ", "service/web-chart ClusterIP"],
    );
    says(&squeeze(&helm("list")), &["web default 2", "deployed chart-0.1.0 1.16.0"]);
    says(&helm("uninstall web"), &["release \"web\" uninstalled"]);
    let (_, outside) = refused(&mut lab.at("internet", "helm list"));
    says(&outside, &["kubernetes cluster unreachable"]);
}
