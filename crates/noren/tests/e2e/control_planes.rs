//! Other control planes behind clusters' private endpoints. No real `kube-apiserver` is to be had where these stories are
//! told: behind the door stands another cluster of the lab, or a stand-in that is started as the real one would be,
//! beside a real `etcd`.

use std::path::{Path, PathBuf};

use crate::bench::{Lab, client, noren, refused, said, says, squeeze};

/// A `kube-apiserver` that keeps nothing but says what it was started with.
const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/kube-apiserver.py");

/// The vantages inside clusters' own networks.
fn inside(lab: &Lab) -> Vec<String> {
    let status = lab.status();
    let names = status["vantages"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned());
    names.filter(|name| name.starts_with("aks-vnet-")).collect()
}

#[test]
fn a_cluster_is_the_door_to_whatever_its_tag_names() {
    let (Some(_), Some(lab)) = (client("kubectl"), Lab::behind_proxies()) else { return };
    lab.az("aks create -g rg -n back --enable-private-cluster --no-ssh-key -o none");
    let behind = lab.inside();
    let file = lab.path("back.yaml");
    said(&mut lab.noren(&["kubeconfig", "back", "--admin", "--from", &behind, "--file", file.to_str().unwrap()]));
    let tag = format!("noren.control-plane=kubeconfig:{}", file.display());
    lab.az(&format!("aks create -g rg -n front --enable-private-cluster --no-ssh-key --tags {tag} -o none"));
    lab.az_command("aks get-credentials -g rg -n front").output().unwrap();
    let front = inside(&lab).into_iter().find(|name| *name != behind).unwrap();
    let kubectl = |line: &str| lab.kubectl(&front, line);

    says(&kubectl("cluster-info"), &["https://front-rg-"]);
    assert_eq!(kubectl("create deployment web --image=nginx --replicas=2"), "deployment.apps/web created\n");
    kubectl("rollout status deployment/web --timeout=60s");
    let config = format!("KUBECONFIG={}", file.display());
    let at_back = said(&mut lab.at("internet", &format!("env {config} kubectl get deployments")));
    says(&squeeze(&at_back), &["web 2/2 2 2"]);
    says(&squeeze(&kubectl("auth whoami")), &["Username masterclient", "Groups [system:masters system:authenticated]"]);
    says(&said(&mut lab.noren(&["status"])), &["control plane     front: kubeconfig:"]);
    if client("helm").is_some() {
        said(lab.at(&front, "helm create chart").current_dir(lab.path(".")));
        says(&said(lab.at(&front, "helm install one ./chart").current_dir(lab.path("."))), &["STATUS: deployed"]);
    }
    // What cannot be had is said to who is known, and to nobody else.
    fs_err::remove_file(&file).unwrap();
    let (_, told) = refused(&mut lab.at(&front, "kubectl get --raw /api/v1/nodes"));
    says(&told, &["the kubeconfig", "leads to no control plane", "back.yaml cannot be read", "correct the file"]);
}

/// A directory of assets: the machine's `etcd`, and the stand-in.
fn assets(lab: &Lab, etcd: &Path) -> PathBuf {
    let assets = lab.path("assets");
    fs_err::create_dir(&assets).unwrap();
    std::os::unix::fs::symlink(etcd, assets.join("etcd")).unwrap();
    std::os::unix::fs::symlink(STAND_IN, assets.join("kube-apiserver")).unwrap();
    assets
}

/// Looks until there is no such process. It ends by a signal that was sent already.
fn await_end(pid: &str) {
    while fs_err::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z ")) {
        std::thread::yield_now();
    }
}

#[test]
fn an_api_server_and_an_etcd_are_started_for_a_cluster_and_end_with_the_lab() {
    let (Some(etcd), Some(_)) = (client("etcd"), client("kubectl")) else { return };
    let Some(mut lab) = Lab::behind_proxies() else { return };
    let assets = assets(&lab, etcd.path());
    lab.az("aks create -g rg -n a --enable-private-cluster --no-ssh-key -o none");
    lab.az_command("aks get-credentials -g rg -n a").output().unwrap();
    let inside = lab.inside();
    lab.kill();
    let flag = format!("envtest:{}", assets.display());
    lab.start(&["--control-plane", &flag]);
    let asks = |lab: &Lab, path: &str| lab.kubectl(&inside, &format!("get --raw {path}"));
    says(&asks(&lab, "/version"), &["v1.99.0+stand-in"]);
    // Who comes with the lab's own certificate, in whose name, and the etcd that answered the stand-in.
    assert_eq!(asks(&lab, "/who"), "noren of system:masters for masterclient\n");
    assert_eq!(asks(&lab, "/etcd"), "{\"health\":\"true\"}\n");
    says(&asks(&lab, "/flags"), &["service-cluster-ip-range=10.0.0.0/16", "service-account-issuer=https://a-rg-"]);
    let planes = lab.path("lab/control-planes");
    let place = fs_err::read_dir(&planes).unwrap().next().unwrap().unwrap().path();
    let key = || fs_err::read_to_string(place.join("service-account.key")).unwrap();
    let (first_key, processes) = (key(), asks(&lab, "/pids"));
    assert!(place.join("etcd/member/wal").is_dir());

    // Killed, it takes both along; what they stored is there when it comes again.
    lab.kill();
    processes.split_whitespace().for_each(await_end);
    lab.start(&["--control-plane", &flag]);
    assert_eq!(asks(&lab, "/etcd"), "{\"health\":\"true\"}\n");
    assert_eq!(key(), first_key);

    // A cluster's own goes with the cluster.
    let processes = asks(&lab, "/pids");
    lab.az("aks delete -g rg -n a --yes");
    processes.split_whitespace().for_each(await_end);
    while place.exists() {
        std::thread::yield_now();
    }
}

#[test]
fn a_control_plane_that_this_machine_has_not_is_refused_at_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().to_str().unwrap();
    let up = |control_plane: &str| refused(&mut noren(&["up", "--data", data, "--control-plane", control_plane])).1;
    says(
        &up("envtest:/nowhere"),
        &[
            "there is no etcd for a real control plane",
            "/nowhere/etcd is not a file",
            "remedy: let `setup-envtest use`",
        ],
    );
    says(&up("kubeconfig:/nowhere"), &["leads to no control plane", "/nowhere cannot be read", "remedy: "]);
    says(&up("k3s"), &["known are `embedded`, `envtest[:DIRECTORY]`, `kubeconfig:FILE[#CONTEXT]`"]);
}
