//! Long-running operations with Azure's pace: what a client polls, and what a restart leaves.

use std::sync::Arc;

use azure::{Kind, ResourceId};
use serde_json::json;

use super::{Lab, PLAIN};
use crate::{
    Clock as _, Pace, journal,
    operations::{Act, Operation, State},
    provider::Work,
};

/// A command that has just begun in a cluster of the group `rg`.
fn command(lab: &Lab) -> Operation {
    let group = ResourceId::group(&lab.plane.lab().subscription, "rg");
    Operation {
        id: "0b5a".into(),
        resource: group.resource(Kind::ManagedCluster.arm_type(), "a"),
        location: "westeurope".into(),
        act: Act::Command,
        started: lab.clock.now(),
        state: State::UnderWay { due: None },
    }
}

const RESULT: &str = "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/a/commandResults/0B5A";

#[tokio::test]
async fn a_command_is_asked_after_at_its_cluster() {
    let lab = Lab::new(Pace::Instant).await;
    lab.group("rg").await;
    let operation = command(&lab);
    let work = Work::RunCommand {
        cluster: operation.resource.clone(),
        command: "kubectl get nodes".into(),
        context: String::new(),
    };
    Arc::clone(&lab.plane.0).run(work, operation).await;
    let result = lab.get(RESULT).await;
    assert_eq!(result.status, 200);
    insta::assert_snapshot!(
        result.body.to_string(),
        @r#"{"id":"0b5a","properties":{"startedAt":"2026-09-21T14:13:20Z","provisioningState":"Succeeded","finishedAt":"2026-09-21T14:13:20Z","exitCode":0,"logs":"kubectl get nodes"}}"#
    );
}

#[tokio::test]
async fn a_command_that_a_restart_interrupted_says_so() {
    let lab = Lab::new(Pace::Instant).await;
    lab.group("rg").await;
    lab.store.commit(journal::transaction(&[], Some(&command(&lab)), None, &[])).await.unwrap();
    let lab = lab.restarted(Pace::Azure).await;
    let result = lab.get(RESULT).await;
    assert_eq!(result.body["properties"]["provisioningState"], "Failed");
    assert_eq!(result.body["properties"]["reason"], "The command was interrupted by a restart.");
}

#[tokio::test]
async fn with_azures_pace_a_group_goes_slowly() {
    let lab = Lab::new(Pace::Azure).await;
    lab.group("rg").await;
    lab.put(PLAIN, json!({"location": "uksouth"})).await;
    let accepted = lab.delete("/resourceGroups/rg").await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.header("x-go-azure-sdk-skip-polling-delay"), "true");
    assert_eq!(accepted.header("retry-after"), "10");
    let (status, result) = (accepted.header("azure-asyncoperation").to_owned(), accepted.header("location").to_owned());
    assert_eq!(lab.get("/resourceGroups/rg").await.body["properties"]["provisioningState"], "Deleting");
    assert_eq!(lab.put(PLAIN, json!({"location": "uksouth"})).await.code(), (409, "ResourceGroupBeingDeleted"));
    assert_eq!(lab.delete("/resourceGroups/rg").await.header("location"), result, "asked twice, the same operation");

    lab.pass(12).await;
    let polled = lab.get(&status).await;
    assert_eq!((polled.status, &polled.body["status"]), (200, &json!("InProgress")));
    assert_eq!(polled.header("retry-after"), "3");
    assert_eq!(lab.get(&result).await.status, 202);

    lab.pass(3).await;
    let polled = lab.get(&status).await;
    assert_eq!((&polled.body["status"], polled.header("retry-after")), (&json!("Succeeded"), ""));
    assert_eq!(lab.get(&result).await.status, 204);
    assert_eq!(lab.get("/resourceGroups/rg").await.status, 404);
    assert!(lab.plane.estate().is_empty());
}

#[tokio::test]
async fn an_operation_goes_on_after_a_restart() {
    let lab = Lab::new(Pace::Azure).await;
    lab.group("rg").await;
    lab.put(PLAIN, json!({"location": "uksouth"})).await;
    let status = lab.delete("/resourceGroups/rg").await.header("azure-asyncoperation").to_owned();
    let lab = lab.restarted(Pace::Azure).await;
    assert_eq!(lab.get(&status).await.body["status"], "InProgress");
    lab.pass(60).await;
    assert_eq!(lab.get(&status).await.body["status"], "Succeeded");
    assert!(lab.plane.estate().is_empty());

    lab.group("rg").await;
    lab.put(PLAIN, json!({"location": "uksouth"})).await;
    lab.delete("/resourceGroups/rg").await;
    let lab = lab.restarted(Pace::Instant).await;
    assert!(lab.plane.estate().is_empty(), "without Azure's pace it is done at the start");
}
