//! Identities, roles, groups: who may what, and what goes with what.

use serde_json::json;

use crate::bench::{Lab, says, squeeze};

#[test]
fn a_role_is_assigned_to_an_identity_and_listed_with_its_names() {
    let Some(lab) = Lab::with_group() else { return };
    let identity = lab.az("identity create -g rg -n i");
    let (principal, client) = (identity["principalId"].as_str().unwrap(), identity["clientId"].as_str().unwrap());
    let group = lab.az("group show -n rg")["id"].as_str().unwrap().to_owned();
    let by_object = format!("--assignee-object-id {principal} --assignee-principal-type ServicePrincipal");
    let made = lab.az(&format!("role assignment create --role Reader --scope {group} {by_object}"));
    assert_eq!((&made["principalId"], &made["scope"]), (&json!(principal), &json!(group)));
    lab.az(&format!("role assignment create --role 'Network Contributor' --scope {group} --assignee {client}"));
    let listed = squeeze(&lab.az_table(&format!("role assignment list --all --assignee {client}")));
    says(&listed, &[&format!("{client} Reader {group}"), &format!("{client} Network Contributor {group}")]);
    lab.az(&format!("role assignment delete --assignee {client} --role Reader --scope {group}"));
    assert_eq!(lab.az("role assignment list --all --query [].roleDefinitionName"), json!(["Network Contributor"]));
    let role = lab.az("role definition list --name 'Private DNS Zone Contributor' --query [].roleType");
    assert_eq!(role, json!(["BuiltInRole"]));
}

#[test]
fn a_group_takes_everything_in_it_along_node_resource_groups_too() {
    let Some(lab) = Lab::with_group() else { return };
    assert_eq!(lab.az("group exists -n rg"), true);
    assert_eq!(lab.az("group update -n rg --tags a=b --query tags"), json!({"a": "b"}));
    lab.az("network vnet create -g rg -n v");
    lab.az("aks create -g rg -n a --enable-private-cluster --no-ssh-key");
    assert_eq!(lab.az("group list --query [].name"), json!(["MC_rg_a_japaneast", "rg"]));
    says(
        &squeeze(&lab.az_table("resource list -g rg")),
        &[
            "a rg japaneast Microsoft.ContainerService/managedClusters Succeeded",
            "v rg japaneast Microsoft.Network/virtualNetworks Succeeded",
        ],
    );
    lab.az("group delete -n rg --yes");
    assert_eq!((lab.az("resource list"), lab.az("group exists -n rg")), (json!([]), json!(false)));
    let gone = lab.az_command("group show -n rg").output().unwrap();
    assert_eq!(gone.status.code(), Some(3), "what is not found");
    says(&String::from_utf8_lossy(&gone.stderr), &["(ResourceGroupNotFound) Resource group 'rg' could not be found."]);
}

#[test]
fn az_rest_reaches_everything_and_unknown_properties_come_back() {
    let Some(lab) = Lab::with_group() else { return };
    let url = "/subscriptions/{subscriptionId}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v?api-version=2025-07-01";
    let body = r#"{"location":"japaneast","properties":{"addressSpace":{"addressPrefixes":["10.1.0.0/16"]},"notKnown":{"x":[1]}}}"#;
    let made = lab.az(&format!("rest --method put --url '{url}' --body '{body}'"));
    assert_eq!(made["properties"]["notKnown"], json!({"x": [1]}));
    assert_eq!(lab.az(&format!("rest --url '{url}'"))["properties"]["notKnown"], json!({"x": [1]}));
    says(&lab.az_refused(&format!("rest --method put --url '{url}' --body '{{'")), &["InvalidRequestContent"]);
    let client =
        "/subscriptions/{subscriptionId}/resourceGroups/rg/providers/Noren.Lab/clients/laptop?api-version=2024-01-01";
    lab.az(&format!("rest --method put --url '{client}' --body '{{\"location\":\"global\",\"properties\":{{}}}}'"));
    assert!(lab.proxy("laptop").starts_with("127.0.0.1:"), "a place to stand");
    assert_eq!(lab.az("provider show -n Microsoft.ContainerService --query registrationState"), "Registered");
    says(&squeeze(&lab.az_table("account list-locations")), &["Japan East japaneast (Asia Pacific) Japan East"]);
}
