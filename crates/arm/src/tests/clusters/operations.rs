//! What each operation changes, and what it leaves as it was.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{CLUSTER, NETWORK, NODES, OWN_ZONE, own_zone, post, prepare_own_zone, wish};
use crate::{
    Pace,
    tests::{Lab, token},
};

#[tokio::test]
async fn the_public_fqdn_goes_and_comes_back_while_a_zone_left_out_stays() {
    let lab = Lab::with_group().await;
    prepare_own_zone(&lab).await;
    let first = lab.made(CLUSTER, own_zone(&lab)).await;
    let mut body = own_zone(&lab);
    body["properties"]["apiServerAccessProfile"] =
        json!({"enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": false});
    let off = lab.made(CLUSTER, body.clone()).await;
    assert!(off["properties"].get("fqdn").is_none(), "absent, not null");
    let zone = &off["properties"]["apiServerAccessProfile"]["privateDNSZone"];
    assert_eq!(*zone, lab.full_id(OWN_ZONE), "left out is not given up");
    assert_eq!(off["properties"]["privateFQDN"], first["properties"]["privateFQDN"]);
    body["properties"]["apiServerAccessProfile"]["enablePrivateClusterPublicFQDN"] = json!(true);
    let on = lab.made(CLUSTER, body).await;
    assert_eq!(on["properties"]["fqdn"], first["properties"]["fqdn"], "the same name as before");
}

#[tokio::test]
async fn a_stopped_cluster_has_neither_endpoint_nor_record_and_comes_back_at_another_address() {
    let lab = Lab::with_group().await;
    let made = lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let (host, zone) = made["properties"]["privateFQDN"].as_str().unwrap().split_once('.').unwrap();
    let record = format!("{NODES}/providers/Microsoft.Network/privateDnsZones/{zone}/A/{host}");
    let endpoint = format!("{NODES}/providers/Microsoft.Network/privateEndpoints/kube-apiserver");
    let address = async || lab.get(&record).await.body["properties"]["aRecords"][0]["ipv4Address"].take();
    assert_eq!(address().await, "10.224.0.4");
    assert_eq!(post(&lab, "stop").await.status, 204);
    assert_eq!((lab.get(&record).await.status, lab.get(&endpoint).await.status), (404, 404));
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["powerState"]["code"], "Stopped");
    for (action, body) in [("rotateClusterCertificates", Value::Null), ("runCommand", json!({"command": "date"}))] {
        let refused = lab.send("POST", &format!("{CLUSTER}/{action}"), body, &[]).await;
        assert_eq!(refused.code(), (400, "OperationNotAllowed"), "{action}");
    }
    assert_eq!(post(&lab, "stop").await.code(), (400, "OperationNotAllowed"), "it is stopped already");
    let pool = format!("{CLUSTER}/agentPools/nodepool1");
    let refused = lab.put(&pool, json!({"properties": {"count": 9}})).await;
    assert_eq!(refused.code(), (400, "OperationNotAllowed"));
    assert_eq!(post(&lab, "start").await.status, 204);
    assert_ne!(address().await, "10.224.0.4");
    let nic = lab.get(&endpoint).await.body["properties"]["networkInterfaces"][0]["id"].as_str().unwrap().to_owned();
    let nic = lab.get(&nic[nic.find("/resourceGroups").unwrap()..]).await.body;
    let held = &nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
    assert_eq!(*held, address().await, "the record is where the endpoint is");
}

#[tokio::test]
async fn an_endpoint_that_was_deleted_comes_back_with_the_next_write_and_the_record_follows() {
    let lab = Lab::with_group().await;
    let made = lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let (host, zone) = made["properties"]["privateFQDN"].as_str().unwrap().split_once('.').unwrap();
    let endpoint = format!("{NODES}/providers/Microsoft.Network/privateEndpoints/kube-apiserver");
    assert_eq!(lab.delete(&endpoint).await.status, 204);
    let subnets = lab.get(&format!("{NODES}/providers/Microsoft.Network/virtualNetworks")).await.body;
    let subnet = subnets["value"][0]["properties"]["subnets"][0]["id"].as_str().unwrap();
    let configuration = json!({"name": "c", "properties": {"subnet": {"id": subnet}, "privateIPAddress": "10.224.0.4", "privateIPAllocationMethod": "Static"}});
    let squatter = json!({"location": "westeurope", "properties": {"ipConfigurations": [configuration]}});
    lab.made(&format!("{NETWORK}/networkInterfaces/squatter"), squatter).await;
    lab.made(CLUSTER, lab.get(CLUSTER).await.body).await;
    let record = lab.get(&format!("{NODES}/providers/Microsoft.Network/privateDnsZones/{zone}/A/{host}")).await.body;
    let endpoint = lab.get(&endpoint).await.body;
    let nic = endpoint["properties"]["networkInterfaces"][0]["id"].as_str().unwrap();
    let nic = lab.get(&nic[nic.find("/resourceGroups").unwrap()..]).await.body;
    assert_eq!(
        record["properties"]["aRecords"][0]["ipv4Address"],
        nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"]
    );
    assert_ne!(record["properties"]["aRecords"][0]["ipv4Address"], "10.224.0.4");
}

#[tokio::test]
async fn a_cluster_is_scaled_and_upgraded_pool_by_pool() {
    let lab = Lab::with_group().await;
    let mut body = wish(json!({"enablePrivateCluster": true}));
    body["properties"]["kubernetesVersion"] = json!("1.33.5");
    lab.made(CLUSTER, body.clone()).await;
    let pool = format!("{CLUSTER}/agentPools/nodepool1");
    let scaled = lab.made(&pool, json!({"properties": {"count": 5}})).await;
    assert_eq!((&scaled["properties"]["count"], &scaled["properties"]["mode"]), (&json!(5), &json!("System")));
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["agentPoolProfiles"][0]["count"], 5);
    let offered = lab.get(&format!("{CLUSTER}/upgradeProfiles/default")).await.body;
    let offered = offered["properties"]["controlPlaneProfile"]["upgrades"].as_array().unwrap().clone();
    let offered: Vec<&str> = offered.iter().map(|one| one["kubernetesVersion"].as_str().unwrap()).collect();
    assert_eq!(offered, ["1.33.7", "1.34.2", "1.34.4"]);
    body["properties"]["kubernetesVersion"] = json!("1.34");
    body["properties"].as_object_mut().unwrap().shift_remove("agentPoolProfiles");
    let upgraded = lab.made(CLUSTER, body.clone()).await;
    assert_eq!(upgraded["properties"]["currentKubernetesVersion"], "1.34.4");
    let nodes = &upgraded["properties"]["agentPoolProfiles"][0]["currentOrchestratorVersion"];
    assert_eq!(*nodes, "1.33.5", "the control plane goes first");
    let nodes = lab.made(&pool, json!({"properties": {"orchestratorVersion": "1.34"}})).await;
    assert_eq!(nodes["properties"]["currentOrchestratorVersion"], "1.34.4");
    body["properties"]["kubernetesVersion"] = json!("1.33.7");
    assert_eq!(lab.put(CLUSTER, body).await.code(), (400, "OperationNotAllowed"));
    let newer = lab.put(&pool, json!({"properties": {"orchestratorVersion": "1.35.1"}})).await;
    assert_eq!(newer.code(), (400, "NodePoolMcVersionIncompatible"));
}

#[tokio::test]
async fn a_node_image_grows_old_until_it_is_upgraded() {
    let mut lab = Lab::with_group().await;
    lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let pool = format!("{CLUSTER}/agentPools/nodepool1");
    let profile = async |lab: &Lab| lab.get(&format!("{pool}/upgradeProfiles/default")).await.body["properties"].take();
    let image = async |lab: &Lab| lab.get(&pool).await.body["properties"]["nodeImageVersion"].take();
    let first = "AKSUbuntu-2204gen2containerd-202609.21.0";
    assert_eq!(image(&lab).await, first);
    assert_eq!(profile(&lab).await["latestNodeImageVersion"], first);
    lab.pass(14 * 24 * 3600).await;
    lab.token = token(&lab.plane).await;
    lab.made(&pool, json!({"properties": {"count": 4}})).await;
    assert_eq!(image(&lab).await, first, "other writes leave the image alone");
    let latest = "AKSUbuntu-2204gen2containerd-202610.05.0";
    assert_eq!(profile(&lab).await["latestNodeImageVersion"], latest);
    let upgraded = lab.send("POST", &format!("{pool}/upgradeNodeImageVersion"), Value::Null, &[]).await;
    assert_eq!((upgraded.status, &upgraded.body["name"]), (200, &json!("nodepool1")), "az takes 200 or 202");
    assert_eq!(image(&lab).await, latest);
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["agentPoolProfiles"][0]["nodeImageVersion"], latest);
    assert_eq!(post(&lab, "stop").await.status, 204);
    let refused = lab.send("POST", &format!("{pool}/upgradeNodeImageVersion"), Value::Null, &[]).await;
    assert_eq!(refused.code(), (400, "OperationNotAllowed"));
}

#[tokio::test]
async fn rotated_certificates_are_others_for_the_same_names() {
    let lab = Lab::with_group().await;
    let before = lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let text = async || {
        let answer = post(&lab, "listClusterUserCredential").await;
        let text = answer.body["kubeconfigs"][0]["value"].as_str().unwrap().to_owned();
        String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
    };
    let old = text().await;
    assert_eq!(text().await, old, "reading changes nothing");
    assert_eq!(post(&lab, "rotateClusterCertificates").await.status, 204);
    let new = text().await;
    let line = |text: &str, name: &str| text.lines().find(|line| line.contains(name)).unwrap().to_owned();
    for secret in ["certificate-authority-data", "client-certificate-data", "client-key-data", "token"] {
        assert_ne!(line(&old, secret), line(&new, secret), "{secret}");
    }
    assert_eq!(line(&old, "server"), line(&new, "server"));
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["fqdn"], before["properties"]["fqdn"]);
}

#[tokio::test]
async fn a_command_runs_in_the_cluster_unless_that_is_disabled() {
    let lab = Lab::with_group().await;
    lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let run = format!("{CLUSTER}/runCommand");
    let accepted = lab.send("POST", &run, json!({"command": "kubectl get nodes", "context": ""}), &[]).await;
    assert_eq!(accepted.status, 202);
    let result = lab.get(accepted.header("location")).await;
    assert_eq!((result.status, &result.body["properties"]["logs"]), (200, &json!("kubectl get nodes")));
    assert_eq!(lab.send("POST", &run, json!({}), &[]).await.code(), (400, "InvalidParameter"));
    lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true, "disableRunCommand": true}))).await;
    let refused = lab.send("POST", &run, json!({"command": "date"}), &[]).await;
    assert_eq!(refused.code(), (400, "OperationNotAllowed"));
    assert_eq!(post(&lab, "dance").await.code(), (404, "InvalidResourceAction"));
}

#[tokio::test]
async fn a_deleted_cluster_leaves_nothing_and_tells_its_networks_peers() {
    let lab = Lab::with_group().await;
    lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let networks = lab.get(&format!("{NODES}/providers/Microsoft.Network/virtualNetworks")).await.body;
    let nodes = networks["value"][0]["id"].as_str().unwrap();
    let hub = format!("{NETWORK}/virtualNetworks/hub");
    let space = json!({"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}});
    lab.made(&hub, json!({"location": "westeurope", "properties": space})).await;
    let half = format!("{hub}/virtualNetworkPeerings/to-nodes");
    lab.made(&half, json!({"properties": {"remoteVirtualNetwork": {"id": nodes}}})).await;
    let back = format!("{}/virtualNetworkPeerings/to-hub", &nodes[nodes.find("/resourceGroups").unwrap()..]);
    lab.made(&back, json!({"properties": {"remoteVirtualNetwork": {"id": lab.full_id(&hub)}}})).await;
    let zones = lab.get(&format!("{NODES}/providers/Microsoft.Network/privateDnsZones")).await;
    let link =
        format!("{NODES}/providers/Microsoft.Network/privateDnsZones/{}/virtualNetworkLinks/hub", zones.names()[0]);
    lab.made(&link, json!({"location": "global", "properties": {"virtualNetwork": {"id": lab.full_id(&hub)}}})).await;
    let elsewhere = format!("{NETWORK}/privateDnsZones/corp.example");
    lab.made(&elsewhere, json!({"location": "global"})).await;
    let to_nodes = json!({"location": "global", "properties": {"virtualNetwork": {"id": nodes}}});
    lab.made(&format!("{elsewhere}/virtualNetworkLinks/nodes"), to_nodes).await;

    let subnet = format!("{nodes}/subnets/aks-subnet");
    let configuration = json!({"name": "c", "properties": {"subnet": {"id": subnet}}});
    let guest = format!("{NETWORK}/networkInterfaces/guest");
    lab.made(&guest, json!({"location": "westeurope", "properties": {"ipConfigurations": [configuration]}})).await;
    let refused = lab.delete(CLUSTER).await;
    assert_eq!(refused.code(), (400, "InUseSubnetCannotBeDeleted"), "somebody else stands there");
    assert_eq!(lab.get(CLUSTER).await.status, 200);
    assert_eq!(lab.delete(&guest).await.status, 204);

    assert_eq!(lab.delete(CLUSTER).await.status, 204);
    assert_eq!(lab.get(NODES).await.status, 404);
    assert_eq!(lab.get(&half).await.body["properties"]["peeringState"], "Disconnected");
    assert_eq!(lab.get(&format!("{elsewhere}/virtualNetworkLinks")).await.names(), [""; 0]);
    assert_eq!(lab.delete(CLUSTER).await.status, 204, "asked twice, gone still");
}

#[tokio::test]
async fn azures_pace_shows_every_state_on_the_way() {
    let lab = Lab::new(Pace::Azure).await;
    lab.group("rg").await;
    let created = lab.put(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    assert_eq!((created.status, &created.body["properties"]["provisioningState"]), (201, &json!("Creating")));
    assert!(created.body["properties"]["privateFQDN"].is_string(), "known from the first reply on");
    assert!(
        created
            .header("azure-asyncoperation")
            .contains("/providers/Microsoft.ContainerService/locations/westeurope/operations/")
    );
    let refused = post(&lab, "stop").await;
    assert_eq!(refused.code(), (409, "OperationNotAllowed"));
    lab.pass(240).await;
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["provisioningState"], "Succeeded");
    let stopping = post(&lab, "stop").await;
    assert_eq!(stopping.status, 202);
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["provisioningState"], "Stopping");
    lab.pass(120).await;
    let deleting = lab.delete(CLUSTER).await;
    assert_eq!(deleting.status, 202);
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["provisioningState"], "Deleting");
    lab.pass(180).await;
    assert_eq!(lab.get(CLUSTER).await.status, 404);
}

#[tokio::test]
async fn pools_come_and_go_but_the_last_system_pool_stays() {
    let lab = Lab::with_group().await;
    lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let pool = |name: &str| format!("{CLUSTER}/agentPools/{name}");
    let user =
        json!({"properties": {"count": 2, "mode": "User", "nodeLabels": {"a": "b"}, "nodeTaints": ["k=v:NoSchedule"]}});
    assert_eq!(lab.put(&pool("user1"), user).await.status, 201);
    assert_eq!(lab.get(&format!("{CLUSTER}/agentPools")).await.names(), ["nodepool1", "user1"]);
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["agentPoolProfiles"][1]["nodeLabels"], json!({"a": "b"}));
    assert_eq!(lab.put(&pool("Upper"), json!({"properties": {}})).await.code(), (400, "InvalidParameter"));
    let crowded = lab.put(&pool("user1"), json!({"properties": {"count": 1001}})).await;
    assert_eq!(crowded.code(), (400, "InvalidParameter"));
    assert_eq!(lab.delete(&pool("nodepool1")).await.code(), (400, "MustDefineAtLeastOneSystemPool"));
    assert_eq!(lab.delete(&pool("user1")).await.status, 204);
    assert_eq!(lab.get(&pool("user1")).await.status, 404);
    let orphan = CLUSTER.replace("Clusters/a", "Clusters/no");
    let refused = lab.put(&format!("{orphan}/agentPools/p"), json!({"properties": {}})).await;
    assert_eq!(refused.code(), (404, "ParentResourceNotFound"));
}

#[tokio::test]
async fn an_operation_is_aborted_while_it_is_under_way() {
    let lab = Lab::new(Pace::Azure).await;
    lab.group("rg").await;
    let begun = lab.put(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let status = begun.header("azure-asyncoperation").to_owned();
    assert_eq!(lab.get(&status).await.body["status"], "InProgress");
    let aborted = post(&lab, "abort").await;
    assert_eq!((aborted.status, aborted.header("azure-asyncoperation")), (204, ""));
    assert_eq!(lab.get(&status).await.body["status"], "Canceled");
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["provisioningState"], "Canceled");
    assert_eq!(post(&lab, "abort").await.code(), (409, "OperationNotAllowed"), "it is over");
    lab.pass(1_000).await;
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["provisioningState"], "Canceled", "and stays over");
    let again = lab.put(CLUSTER, lab.get(CLUSTER).await.body).await;
    assert_eq!(again.status, 200, "the next write puts it right: {again:?}");
    lab.pass(1_000).await;
    assert_eq!(lab.get(CLUSTER).await.body["properties"]["provisioningState"], "Succeeded");
    let pool = format!("{CLUSTER}/agentPools/other");
    lab.put(&pool, json!({"properties": {"count": 1, "mode": "User"}})).await;
    assert_eq!(lab.send("POST", &format!("{pool}/abort"), Value::Null, &[]).await.status, 204);
    assert_eq!(lab.get(&pool).await.body["properties"]["provisioningState"], "Canceled");
}

#[tokio::test]
async fn the_old_access_profiles_hold_the_kubeconfigs() {
    let lab = Lab::with_group().await;
    lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let listed = post(&lab, "listClusterAdminCredential").await.body["kubeconfigs"][0]["value"].clone();
    let posted = post(&lab, "accessProfiles/clusterAdmin/listCredential").await.body;
    assert_eq!((&posted["name"], &posted["properties"]["kubeConfig"]), (&json!("clusterAdmin"), &listed));
    assert_eq!(lab.get(&format!("{CLUSTER}/accessProfiles/clusterAdmin")).await.body, posted);
    assert_eq!(lab.get(&format!("{CLUSTER}/accessProfiles/nobody")).await.status, 404);
}

#[tokio::test]
async fn the_node_resource_group_holds_what_the_cluster_is_built_of() {
    let lab = Lab::with_group().await;
    let mut body = wish(json!({"enablePrivateCluster": true}));
    body["properties"]["networkProfile"] = json!({"networkPlugin": "kubenet"});
    let made = lab.made(CLUSTER, body).await;
    let sets = format!("{NODES}/providers/Microsoft.Compute/virtualMachineScaleSets");
    let capacity = async |at: usize| lab.get(&sets).await.body["value"][at]["sku"]["capacity"].clone();
    assert_eq!(capacity(0).await, 3);
    assert_eq!(
        lab.get(&format!("{NODES}/providers/Microsoft.Network/routeTables")).await.names().len(),
        1,
        "kubenet's"
    );
    let outbound = &made["properties"]["networkProfile"]["loadBalancerProfile"]["effectiveOutboundIPs"][0]["id"];
    let address = lab.get(outbound.as_str().unwrap().strip_prefix(&lab.full_id("")).unwrap()).await;
    assert!(address.body["properties"]["ipAddress"].is_string(), "{address:?}");
    let pool = |name: &str| format!("{CLUSTER}/agentPools/{name}");
    lab.made(&pool("other"), json!({"properties": {"count": 2, "mode": "User"}})).await;
    lab.made(&pool("nodepool1"), json!({"properties": {"count": 5}})).await;
    assert_eq!((capacity(0).await, capacity(1).await), (json!(5), json!(2)), "{:?}", lab.get(&sets).await.names());
    lab.delete(&pool("other")).await;
    assert_eq!(lab.get(&sets).await.names().len(), 1, "a scale set goes with its pool");
    let balancer = format!("{NODES}/providers/Microsoft.Network/loadBalancers/kubernetes");
    lab.delete(&balancer).await;
    let again = lab.made(CLUSTER, lab.get(CLUSTER).await.body).await;
    assert_eq!(lab.get(&balancer).await.status, 200, "what was deleted comes back");
    assert_eq!(
        &again["properties"]["networkProfile"]["loadBalancerProfile"]["effectiveOutboundIPs"][0]["id"],
        outbound
    );
    lab.delete(CLUSTER).await;
    assert_eq!(lab.get(NODES).await.status, 404, "and goes with the cluster");
}
