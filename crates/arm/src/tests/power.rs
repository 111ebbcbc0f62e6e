//! Stopping and starting a private cluster.

use serde_json::{Value, json};

use super::Lab;

const CLUSTER: &str = "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/a";

fn body(count: u32) -> Value {
    json!({"location": "westeurope", "identity": {"type": "SystemAssigned"}, "properties": {
        "dnsPrefix": "a", "apiServerAccessProfile": {"enablePrivateCluster": true},
        "agentPoolProfiles": [{"name": "np", "mode": "System", "count": count, "vmSize": "Standard_D2s_v5"}],
    }})
}

async fn address(lab: &Lab) -> Option<String> {
    let group = "/resourceGroups/MC_rg_a_westeurope/providers/Microsoft.Network/networkInterfaces";
    let interfaces = lab.get(group).await.body;
    let address = &interfaces["value"][0]["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
    address.as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_started_cluster_has_its_endpoint_at_another_address() {
    let lab = Lab::with_group().await;
    lab.made(CLUSTER, body(1)).await;
    assert_eq!(address(&lab).await.as_deref(), Some("10.224.0.4"));
    assert_eq!(lab.send("POST", &format!("{CLUSTER}/stop"), Value::Null, &[]).await.status, 204);
    assert_eq!(address(&lab).await, None);
    assert_eq!(lab.send("POST", &format!("{CLUSTER}/start"), Value::Null, &[]).await.status, 204);
    assert_eq!(address(&lab).await.as_deref(), Some("10.224.0.6"), "the node has .5");
}

#[tokio::test]
async fn a_stopped_cluster_is_only_started_or_deleted() {
    let lab = Lab::with_group().await;
    lab.made(CLUSTER, body(1)).await;
    let post = async |action: &str| lab.send("POST", &format!("{CLUSTER}/{action}"), Value::Null, &[]).await;
    assert_eq!(post("start").await.code(), (400, "OperationNotAllowed"), "it runs");
    post("stop").await;
    assert_eq!(post("stop").await.code(), (400, "OperationNotAllowed"));
    assert_eq!(lab.put(CLUSTER, body(2)).await.code(), (400, "OperationNotAllowed"));
    assert_eq!(lab.delete(CLUSTER).await.status, 204);
}
