//! User-assigned identities.

use serde_json::json;

use super::Lab;

const IDENTITY: &str = "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id";

#[tokio::test]
async fn an_identity_keeps_its_principal_for_as_long_as_it_lives() {
    let lab = Lab::with_group().await;
    let first = lab.put(IDENTITY, json!({"location": "westeurope"})).await;
    assert_eq!(first.status, 201);
    let ids = |body: &serde_json::Value| {
        ["principalId", "clientId", "tenantId"].map(|name| body["properties"][name].as_str().unwrap().to_owned())
    };
    let [principal, client, tenant] = ids(&first.body);
    assert!(principal != client && tenant == lab.plane.lab().tenant);
    let again = lab.put(IDENTITY, json!({"location": "westeurope", "tags": {"a": "b"}})).await;
    assert_eq!((again.status, ids(&again.body)), (200, ids(&first.body)));
    let tagged = lab.send("PATCH", IDENTITY, json!({"tags": {"c": "d"}}), &[]).await;
    assert_eq!((tagged.status, &tagged.body["tags"]), (200, &json!({"a": "b", "c": "d"})));
    assert_eq!(ids(&tagged.body), ids(&first.body));
    assert_eq!(lab.get("/providers/Microsoft.ManagedIdentity/userAssignedIdentities").await.names(), ["id"]);
    assert_eq!(lab.delete(IDENTITY).await.status, 204);
    let reborn = lab.made(IDENTITY, json!({"location": "westeurope"})).await;
    assert_ne!(ids(&reborn)[0], principal, "another identity of the same name is another principal");
}

#[tokio::test]
async fn an_identity_is_refused_without_a_place() {
    let lab = Lab::with_group().await;
    assert_eq!(lab.put(IDENTITY, json!({})).await.code(), (400, "LocationRequired"));
    assert_eq!(lab.get(IDENTITY).await.code(), (404, "ResourceNotFound"));
    let homeless = IDENTITY.replace("/rg/", "/no/");
    assert_eq!(lab.put(&homeless, json!({"location": "westeurope"})).await.code(), (404, "ResourceGroupNotFound"));
}
