//! Role definitions and role assignments.

use serde_json::{Value, json};

use super::Lab;

const NETWORK_CONTRIBUTOR: &str = "4d97b98b-1d4f-4787-a291-c67834d212e7";
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
const PRINCIPAL: &str = "11111111-2222-3333-4444-555555555555";

fn assignment(scope: &str, name: &str) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}")
}

fn guid(digit: char) -> String {
    "00000000-0000-0000-0000-000000000000".replace('0', &digit.to_string())
}

fn wish(lab: &Lab, role: &str) -> Value {
    let role = lab.full_id(&format!("/providers/Microsoft.Authorization/roleDefinitions/{role}"));
    json!({"properties": {"roleDefinitionId": role, "principalId": PRINCIPAL, "principalType": "ServicePrincipal"}})
}

#[tokio::test]
async fn built_in_roles_are_found_by_name_and_by_id_at_every_scope() {
    let lab = Lab::with_group().await;
    for scope in ["", "/resourceGroups/rg"] {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleDefinitions");
        let found = lab.get(&format!("{path}?$filter=roleName eq 'Network Contributor'")).await;
        assert_eq!(found.names(), [NETWORK_CONTRIBUTOR]);
        let one = lab.get(&format!("{path}/{NETWORK_CONTRIBUTOR}")).await.body;
        assert_eq!(one["properties"]["roleName"], "Network Contributor");
        assert_eq!(one["properties"]["permissions"][0]["actions"][3], "Microsoft.Network/*");
    }
    let nobody = "/providers/Microsoft.Authorization/roleDefinitions/99999999-0000-0000-0000-000000000000";
    assert_eq!(lab.get(nobody).await.code(), (404, "RoleDefinitionDoesNotExist"));
    assert_eq!(lab.put(nobody, json!({})).await.code(), (400, "NotSupported"));
}

#[tokio::test]
async fn an_assignment_shows_all_that_clients_look_for() {
    let lab = Lab::with_group().await;
    let path = assignment("/resourceGroups/rg", &guid('a'));
    let made = lab.put(&path, wish(&lab, READER)).await;
    assert_eq!(made.status, 201);
    let properties = &made.body["properties"];
    assert_eq!(properties["scope"], lab.full_id("/resourceGroups/rg"));
    assert_eq!(
        (&properties["principalId"], &properties["principalType"]),
        (&json!(PRINCIPAL), &json!("ServicePrincipal"))
    );
    for name in ["roleDefinitionId", "createdOn", "updatedOn", "createdBy"] {
        assert!(properties[name].is_string(), "{name}");
    }
    assert_eq!(lab.get(&path).await.body, made.body);
    let deleted = lab.delete(&path).await;
    assert_eq!((deleted.status, &deleted.body["name"]), (200, &json!(guid('a'))), "Azure shows what it deleted");
    assert_eq!(lab.delete(&path).await.status, 204);
}

#[tokio::test]
async fn an_assignment_is_refused_in_azures_words() {
    let lab = Lab::with_group().await;
    let path = assignment("/resourceGroups/rg", &guid('a'));
    lab.made(&path, wish(&lab, READER)).await;
    let same = lab.put(&assignment("/resourceGroups/rg", &guid('b')), wish(&lab, READER)).await;
    assert_eq!(
        lab.words(&same),
        format!(
            "409 RoleAssignmentExists: The role assignment already exists. The ID of the existing role assignment is {}.",
            "a".repeat(32)
        )
    );
    let mut other = wish(&lab, READER);
    other["properties"]["principalId"] = json!(guid('c'));
    insta::assert_snapshot!(
        lab.words(&lab.put(&path, other).await),
        @"400 RoleAssignmentUpdateNotPermitted: Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
    );
    let unnamed = lab.put(&assignment("/resourceGroups/rg", "x"), wish(&lab, READER)).await;
    insta::assert_snapshot!(
        lab.words(&unnamed),
        @"400 InvalidRoleAssignmentId: The role assignment ID 'x' is not valid. The role assignment ID must be a GUID."
    );
    let unknown = lab.put(&assignment("/resourceGroups/rg", &guid('d')), wish(&lab, &guid('9'))).await;
    assert_eq!(unknown.code(), (400, "RoleDefinitionDoesNotExist"));
    assert_eq!(
        lab.put(&assignment("/resourceGroups/rg", &guid('d')), json!({"properties": {}})).await.code(),
        (400, "RoleDefinitionDoesNotExist")
    );
}

#[tokio::test]
async fn assignments_are_listed_from_above_and_below_and_go_with_their_scope() {
    let lab = Lab::with_group().await;
    let vnet = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v";
    lab.made(
        vnet,
        json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}),
    )
    .await;
    for (scope, name) in [("", 'a'), ("/resourceGroups/rg", 'b'), (vnet, 'c')] {
        lab.made(&assignment(scope, &guid(name)), wish(&lab, READER)).await;
    }
    let listed = async |scope: &str, filter: &str| {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments?$filter={filter}");
        let names: Vec<char> = lab.get(&path).await.names().iter().map(|name| name.chars().next().unwrap()).collect();
        String::from_iter(names)
    };
    assert_eq!(listed("/resourceGroups/rg", "").await, "abc");
    assert_eq!(listed("/resourceGroups/rg", "atScope()").await, "ab");
    assert_eq!(listed(vnet, &format!("principalId eq '{PRINCIPAL}'")).await, "abc");
    assert_eq!(listed("", "principalId eq 'nobody'").await, "");
    assert_eq!(lab.delete(vnet).await.status, 204);
    assert_eq!(listed("", "").await, "ab");
    assert_eq!(lab.delete("/resourceGroups/rg").await.status, 200);
    assert_eq!(listed("", "").await, "a");
}
