//! The activity log: what was asked for, with how it ended, whatever the pace.

use serde_json::{Value, json};

use super::Lab;
use crate::{Pace, Progress};

const CLUSTER: &str = "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/a";

fn cluster() -> Value {
    json!({"location": "japaneast", "identity": {"type": "SystemAssigned"}, "properties": {
        "dnsPrefix": "a",
        "apiServerAccessProfile": {"enablePrivateCluster": true},
        "agentPoolProfiles": [{"name": "nodes", "mode": "System", "count": 1, "vmSize": "Standard_D2s_v3"}],
    }})
}

impl Lab {
    /// The log, the earliest first: operation, resource, how it ended.
    fn logged(&self) -> Vec<String> {
        let mut all = self.plane.activities(100);
        all.reverse();
        let told = all.iter().map(|activity| {
            let end = match &activity.progress {
                Progress::UnderWay { .. } => "…".to_owned(),
                Progress::Succeeded { ended } => {
                    format!("Succeeded after {} s", ended.duration_since(activity.started).as_secs())
                }
                Progress::Failed { code, .. } => format!("Failed: {code}"),
                Progress::Canceled { .. } => "Canceled".to_owned(),
            };
            let kind = activity.name.split_once('/').unwrap().1;
            format!("{kind} {}: {end}", activity.resource.name())
        });
        told.collect()
    }
}

#[tokio::test]
async fn an_instant_lab_logs_what_succeeds_at_once_what_only_reads_and_what_is_refused() {
    let lab = Lab::new(Pace::Instant).await;
    let mut heard = lab.plane.logged();
    heard.mark_unchanged();
    lab.group("rg").await;
    assert!(heard.has_changed().unwrap(), "whoever watches hears of it");
    lab.put(CLUSTER, cluster()).await;
    lab.get(CLUSTER).await;
    let act =
        async |action: &str, body: Value| lab.send("POST", &format!("{CLUSTER}/{action}"), body, &[]).await.status;
    assert_eq!(act("listClusterUserCredential", Value::Null).await, 200);
    assert_eq!(act("stop", Value::Null).await, 204);
    heard.mark_unchanged();
    assert_eq!(act("runCommand", json!({"command": "kubectl get nodes"})).await / 100, 4);
    assert!(heard.has_changed().unwrap(), "of a refusal as well");
    assert_eq!(lab.send("DELETE", CLUSTER, Value::Null, &[]).await.status, 204);
    insta::assert_snapshot!(lab.logged().join("\n"), @r"
    subscriptions/resourceGroups/write rg: Succeeded after 0 s
    managedClusters/write a: Succeeded after 0 s
    managedClusters/listClusterUserCredential/action a: Succeeded after 0 s
    managedClusters/stop/action a: Succeeded after 0 s
    managedClusters/runCommand/action a: Failed: OperationNotAllowed
    managedClusters/delete a: Succeeded after 0 s
    ");
    let before = lab.logged();
    assert_eq!(lab.restarted(Pace::Instant).await.logged(), before, "a restart forgets nothing");
}

#[tokio::test]
async fn with_azures_pace_an_activity_is_under_way_until_its_operation_ends() {
    let lab = Lab::new(Pace::Azure).await;
    lab.group("rg").await;
    lab.put(CLUSTER, cluster()).await;
    assert_eq!(lab.logged().last().unwrap(), "managedClusters/write a: …");
    assert_eq!(lab.put(CLUSTER, cluster()).await.status, 409);
    lab.pass(1000).await;
    insta::assert_snapshot!(lab.logged().join("\n"), @r"
    subscriptions/resourceGroups/write rg: Succeeded after 0 s
    managedClusters/write a: Succeeded after 1000 s
    managedClusters/write a: Failed: OperationNotAllowed
    ");
}
