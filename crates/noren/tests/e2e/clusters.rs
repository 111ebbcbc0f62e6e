//! A cluster's life: made, stopped, started, scaled, upgraded, asked from inside, deleted; and what of it
//! survives `kill -9`.

use serde_json::json;

use crate::bench::{Lab, client, says, squeeze};

const CREATE: &str = "aks create -g rg -n a --enable-private-cluster --no-ssh-key -o none";

#[test]
fn a_stopped_cluster_has_no_record_and_a_started_one_another_address() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("dig")) else { return };
    lab.az(CREATE);
    let private = lab.az("aks show -g rg -n a")["privateFqdn"].as_str().unwrap().to_owned();
    let inside = lab.inside();
    assert_eq!(lab.dig(&inside, &format!("+short {private}")), "10.224.0.4");
    let stopped = lab.az_command("aks stop -g rg -n a").output().unwrap();
    says(&String::from_utf8_lossy(&stopped.stderr), &["apiserver IP might get changed"]);
    assert_eq!(lab.az("aks show -g rg -n a --query powerState.code"), "Stopped");
    says(&lab.dig(&inside, &private), &["status: NXDOMAIN"]);
    says(&lab.az_refused("aks stop -g rg -n a"), &["(OperationNotAllowed)", "stopping cannot be performed"]);
    says(&lab.az_refused("aks scale -g rg -n a -c 1"), &["(OperationNotAllowed)", "Start it first"]);
    lab.az("aks start -g rg -n a");
    assert_eq!(lab.dig(&inside, &format!("+short {private}")), "10.224.0.8", "behind the three nodes");
}

#[test]
fn pools_and_versions_change_and_the_nodes_with_them() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("kubectl")) else { return };
    lab.az(&format!("{CREATE} -c 1"));
    assert_eq!(lab.az("aks scale -g rg -n a -c 2 --query agentPoolProfiles[].count"), json!([2]));
    let pool = "-g rg --cluster-name a -n users";
    lab.az(&format!("aks nodepool add {pool} -c 1 --labels team=a --node-vm-size Standard_D2s_v5"));
    assert_eq!(lab.az(&format!("aks nodepool scale {pool} -c 2 --query count")), json!(2));
    says(
        &squeeze(&lab.az_table("aks nodepool list -g rg --cluster-name a")),
        &[
            "nodepool1 Linux 1.34 Standard_D8ds_v4 2 250 Succeeded System",
            "users Linux 1.34 Standard_D2s_v5 2 250 Succeeded User",
        ],
    );
    let invoke = |command: &str| lab.az(&format!("aks command invoke -g rg -n a -c '{command}' -o json"));
    let nodes = invoke("kubectl get nodes -l team=a");
    assert_eq!(nodes["exitCode"], 0);
    assert_eq!(nodes["logs"].as_str().unwrap().matches(" Ready ").count(), 2);
    let failed = invoke("kubectl get nosuch");
    assert_eq!(failed["exitCode"], 1);
    says(failed["logs"].as_str().unwrap(), &["the server doesn't have a resource type \"nosuch\""]);

    says(
        &lab.az_refused("aks nodepool delete -g rg --cluster-name a -n nodepool1"),
        &["(MustDefineAtLeastOneSystemPool)"],
    );
    lab.az(&format!("aks nodepool delete {pool}"));
    says(&squeeze(&lab.az_table("aks get-versions -l japaneast")), &["1.34.4 1.35.1, 1.35.3 KubernetesOfficial"]);
    says(&squeeze(&lab.az_table("aks get-upgrades -g rg -n a")), &["default rg 1.34.4 1.35.1, 1.35.3"]);
    assert_eq!(lab.az("aks upgrade -g rg -n a -k 1.35.3 --yes --query currentKubernetesVersion"), "1.35.3");
    let nodes = invoke("kubectl get nodes");
    assert_eq!(nodes["logs"].as_str().unwrap().matches(" v1.35.3").count(), 2);
    says(&lab.az_refused("aks upgrade -g rg -n a -k 1.33.7 --yes"), &["ERROR"]);
}

#[test]
fn after_rotation_the_old_kubeconfig_is_nobody() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("kubectl")) else { return };
    lab.az(CREATE);
    let credentials = "aks get-credentials -g rg -n a --overwrite-existing";
    lab.az_command(credentials).output().unwrap();
    let inside = lab.inside();
    says(&lab.kubectl(&inside, "get nodes"), &["Ready"]);
    lab.az("aks rotate-certs -g rg -n a --yes");
    let (_, text) = crate::bench::refused(&mut lab.at(&inside, "kubectl get nodes"));
    says(&text, &["certificate signed by unknown authority"]);
    lab.az_command(credentials).output().unwrap();
    says(&lab.kubectl(&inside, "get nodes"), &["Ready"]);
}

#[test]
fn a_cluster_brings_its_node_resource_group_and_takes_it_along() {
    let Some(lab) = Lab::with_group() else { return };
    lab.az(CREATE);
    let listed = squeeze(&lab.az_table("resource list -g MC_rg_a_japaneast"));
    says(
        &listed,
        &[
            "kube-apiserver MC_rg_a_japaneast japaneast Microsoft.Network/privateEndpoints Succeeded",
            "japaneast Microsoft.Network/networkInterfaces Succeeded",
            "global Microsoft.Network/privateDnsZones Succeeded",
            "japaneast Microsoft.Network/virtualNetworks Succeeded",
            "Microsoft.ManagedIdentity/userAssignedIdentities",
        ],
    );
    lab.az("aks delete -g rg -n a --yes");
    assert_eq!(lab.az("resource list"), json!([]));
    assert_eq!(lab.az("group list --query [].name"), json!(["rg"]));
    says(&lab.az_refused("aks show -g rg -n a"), &["(ResourceNotFound)"]);
    says(&lab.az_refused(&format!("{CREATE} -k 1.10")), &["(K8sVersionNotSupported)"]);
    says(
        &lab.az_refused("aks create -g none -n a -l japaneast --enable-private-cluster --no-ssh-key"),
        &["(ResourceGroupNotFound)"],
    );
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let Some(mut lab) = Lab::with_group() else { return };
    lab.az(CREATE);
    let before = lab.az("aks show -g rg -n a");
    let (status, inside) = (lab.status(), lab.inside());
    lab.kill();
    lab.start(&[]);
    assert_eq!(lab.az("aks show -g rg -n a"), before);
    assert_eq!(
        (&lab.status()["vantages"], &lab.status()["views"]),
        (&status["vantages"], &status["views"]),
        "ports, too"
    );
    assert_eq!(lab.asks(&inside, before["privateFqdn"].as_str().unwrap()), (true, "10.224.0.4".to_owned()));
}

#[test]
fn at_azures_pace_a_client_polls_and_a_restart_finishes_what_was_begun() {
    let Some(mut lab) = Lab::with_group() else { return };
    lab.kill();
    lab.start(&["--pace", "azure"]);
    lab.az(&format!("{CREATE} --no-wait"));
    assert_eq!(lab.az("aks show -g rg -n a --query provisioningState"), "Creating");
    lab.kill();
    lab.start(&[]);
    let wait = "aks wait -g rg -n a --created --interval 1 --timeout 30";
    lab.az(wait);
    assert_eq!(lab.az("aks show -g rg -n a --query provisioningState"), "Succeeded");
}
