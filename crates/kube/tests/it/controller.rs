//! A controller on kube-rs, with its informers, against an embedded API server.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube_client::{
    Api, Client, Config, ResourceExt as _,
    api::{Patch, PatchParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use kube_runtime::{Controller, controller::Action, watcher};
use serde_json::json;

use crate::{cluster::Cluster, kubectl::ok};

/// Keeps a copy of a config map beside it.
async fn copy(original: Arc<ConfigMap>, maps: Arc<Api<ConfigMap>>) -> Result<Action, kube_client::Error> {
    let name = format!("{}-copy", original.name_any());
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": original.name_any(), "uid": original.uid(), "controller": true});
    let metadata = json!({"name": name, "labels": {"copies": "yes"}, "ownerReferences": [owner]});
    let wanted = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": original.data});
    maps.patch(&name, &PatchParams::apply("copier").force(), &Patch::Apply(wanted)).await?;
    Ok(Action::await_change())
}

async fn control(kubeconfig: Kubeconfig) {
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(Client::try_from(config).unwrap());
    let again = |_: Arc<ConfigMap>, error: &kube_client::Error, _: Arc<Api<ConfigMap>>| {
        panic!("the controller fails: {error}");
        #[expect(unreachable_code, reason = "a controller wants to know when to try again")]
        Action::requeue(Duration::from_secs(1))
    };
    Controller::new(maps.clone(), watcher::Config::default().labels("copied=yes"))
        .owns(maps.clone(), watcher::Config::default().labels("copies=yes"))
        .run(copy, again, Arc::new(maps))
        .for_each(|_| async {})
        .await;
}

#[test]
fn a_controller_on_kube_rs_is_informed_and_keeps_what_it_makes() {
    let cluster = Cluster::start();
    let run = |line: &str| ok(cluster.kubectl(&line.split(' ').collect::<Vec<_>>()));
    let kubeconfig = Kubeconfig::read_from(cluster.home.path().join("config")).unwrap();
    cluster.runtime.spawn(control(kubeconfig));
    run("create configmap one --from-literal=a=1");
    run("label configmap one copied=yes");
    run("wait configmap/one-copy --for=create --timeout=20s");
    assert_eq!(run("get configmap one-copy -o jsonpath={.data.a}"), "1");
    run("delete configmap one-copy");
    run("wait configmap/one-copy --for=create --timeout=20s");
    run("patch configmap one -p {\"data\":{\"a\":\"2\"}}");
    run("wait configmap/one-copy --for=jsonpath={.data.a}=2 --timeout=20s");
    // What is nobody's any more goes with it.
    run("delete configmap one");
    run("wait configmap/one-copy --for=delete --timeout=20s");
}
