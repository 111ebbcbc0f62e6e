//! Private endpoints that users make for a cluster, and the cluster's side of them.

use serde_json::{Value, json};

use super::{Answer, Lab};
use crate::Pace;

const CLUSTER: &str = "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/a";
const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network";

/// A lab with a private cluster `a` and a network `far` that nothing connects with it.
async fn lab() -> Lab {
    let lab = Lab::new(Pace::Instant).await;
    lab.group("rg").await;
    let pools = json!([{"name": "np", "count": 1, "vmSize": "Standard_D2s_v3", "mode": "System"}]);
    let properties = json!({
        "dnsPrefix": "a", "agentPoolProfiles": pools, "apiServerAccessProfile": {"enablePrivateCluster": true},
    });
    let identity = json!({"type": "SystemAssigned"});
    let body = json!({"location": "westeurope", "identity": identity, "properties": properties});
    let made = lab.put(CLUSTER, body).await;
    assert_eq!(made.status, 201, "{made:?}");
    let subnets = json!([{"name": "s", "properties": {"addressPrefix": "10.9.0.0/24"}}]);
    let properties = json!({"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}, "subnets": subnets});
    let body = json!({"location": "westeurope", "properties": properties});
    lab.put(&format!("{NETWORK}/virtualNetworks/far"), body).await;
    lab
}

impl Lab {
    async fn endpoint(&self, name: &str, manual: bool, groups: Value) -> Answer {
        self.endpoint_to(&self.full_id(CLUSTER), name, manual, groups).await
    }

    async fn endpoint_to(&self, service: &str, name: &str, manual: bool, groups: Value) -> Answer {
        let connection = json!([{"name": "c", "properties": {
            "privateLinkServiceId": service, "groupIds": groups, "requestMessage": "please",
        }}]);
        let list = if manual { "manualPrivateLinkServiceConnections" } else { "privateLinkServiceConnections" };
        let mut properties =
            json!({"subnet": {"id": self.full_id(&format!("{NETWORK}/virtualNetworks/far/subnets/s"))}});
        properties[list] = connection;
        let body = json!({"location": "westeurope", "properties": properties});
        self.put(&format!("{NETWORK}/privateEndpoints/{name}"), body).await
    }

    /// The status of an endpoint's connection, as the endpoint shows it.
    async fn status(&self, name: &str) -> String {
        let shown = self.get(&format!("{NETWORK}/privateEndpoints/{name}")).await;
        let properties = &shown.body["properties"];
        let lists = ["privateLinkServiceConnections", "manualPrivateLinkServiceConnections"];
        let connection = lists.into_iter().find_map(|list| properties[list].get(0)).unwrap();
        let status = &connection["properties"]["privateLinkServiceConnectionState"]["status"];
        status.as_str().unwrap().to_owned()
    }

    /// The cluster's connections: path and status.
    async fn connections(&self) -> Vec<(String, String)> {
        let listed = self.get(&format!("{CLUSTER}/privateEndpointConnections")).await;
        let one = |connection: &Value| {
            let name = connection["name"].as_str().unwrap();
            let status = &connection["properties"]["privateLinkServiceConnectionState"]["status"];
            (format!("{CLUSTER}/privateEndpointConnections/{name}"), status.as_str().unwrap().to_owned())
        };
        listed.body["value"].as_array().unwrap().iter().map(one).collect()
    }

    async fn decide(&self, connection: &str, status: &str) -> Answer {
        let state = json!({"status": status, "description": "by me"});
        self.put(connection, json!({"properties": {"privateLinkServiceConnectionState": state}})).await
    }
}

#[tokio::test]
async fn a_connection_is_approved_at_once_unless_it_asks_and_both_sides_say_the_same() {
    let lab = lab().await;
    assert_eq!(lab.connections().await, [], "the cluster's own endpoint is not listed");
    let resources = lab.get(&format!("{CLUSTER}/privateLinkResources")).await;
    assert_eq!(resources.body["value"][0]["groupId"], "management");
    let made = lab.endpoint("pe", false, json!(["management"])).await;
    assert_eq!((made.status, lab.status("pe").await.as_str()), (201, "Approved"), "{made:?}");
    let records = lab.get("/providers/Microsoft.Network/privateDnsZones").await;
    assert!(records.names().len() <= 1, "no zone and no record is made for it");

    lab.endpoint("ask", true, json!(["management"])).await;
    assert_eq!(lab.status("ask").await, "Pending");
    let connections = lab.connections().await;
    let asking = connections.iter().find(|(path, _)| path.contains("/ask.")).unwrap();
    assert_eq!((connections.len(), asking.1.as_str()), (2, "Pending"));
    let shown = lab.get(&asking.0).await;
    let state = &shown.body["properties"]["privateLinkServiceConnectionState"];
    assert_eq!(state["description"], "please");

    for status in ["Approved", "Rejected"] {
        let decided = lab.decide(&asking.0, status).await;
        assert_eq!(decided.body["properties"]["privateLinkServiceConnectionState"]["status"], status, "{decided:?}");
        assert_eq!(lab.status("ask").await, status);
        lab.endpoint("ask", true, json!(["management"])).await;
        assert_eq!(lab.status("ask").await, status, "writing the endpoint again asks nobody anew");
    }
    assert_eq!(lab.decide(&asking.0, "Perhaps").await.code(), (400, "InvalidParameter"));
}

#[tokio::test]
async fn a_connection_that_is_removed_leaves_its_endpoint_disconnected_for_good() {
    let lab = lab().await;
    lab.endpoint("one", false, json!(["management"])).await;
    lab.endpoint("two", false, json!(["management"])).await;
    let (connection, _) = lab.connections().await.into_iter().find(|(path, _)| path.contains("/one.")).unwrap();
    assert_eq!(lab.delete(&connection).await.status, 204);
    assert_eq!((lab.status("one").await, lab.status("two").await), ("Disconnected".into(), "Approved".into()));
    assert_eq!(lab.get(&connection).await.status, 404);
    assert_eq!(lab.decide(&connection, "Approved").await.status, 404);
    assert_eq!(lab.delete(&connection).await.status, 204, "what is not there is deleted");

    lab.delete(CLUSTER).await;
    assert_eq!(lab.status("two").await, "Disconnected", "its service is gone");
    assert_eq!(lab.delete(&format!("{NETWORK}/privateEndpoints/two")).await.status, 204);
}

#[tokio::test]
async fn a_connection_names_the_one_group_of_a_private_cluster() {
    let lab = lab().await;
    for (groups, code) in [
        (json!([]), "MissingParameterOnPrivateLinkServiceConnection"),
        (json!(["blob"]), "BadRequest"),
        (json!(["management", "blob"]), "OnlyOneGroupIdPermitted"),
    ] {
        assert_eq!(lab.endpoint("pe", false, groups).await.code(), (400, code));
    }
}

#[tokio::test]
async fn the_private_link_service_of_a_cluster_is_in_a_subscription_that_nobody_else_sees() {
    let lab = lab().await;
    let resolve = async || {
        let asked = json!({"name": "management"});
        lab.send("POST", &format!("{CLUSTER}/resolvePrivateLinkServiceId"), asked, &[]).await.body
    };
    let resolved = resolve().await;
    assert_eq!(resolved["name"], "management");
    let service = resolved["privateLinkServiceID"].as_str().unwrap().to_owned();
    let parts: Vec<&str> = service.split('/').collect();
    let ["", "subscriptions", hidden, "resourceGroups", _, "providers", "Microsoft.Network", "privateLinkServices", _] =
        parts[..]
    else {
        panic!("{service}");
    };
    assert_ne!(hidden, lab.plane.lab().subscription);
    assert_eq!(lab.endpoint_to(&service, "pe", true, json!([])).await.code(), (403, "LinkedAuthorizationFailed"));
    assert_eq!(lab.endpoint("pe", false, json!(["management"])).await.status, 201, "by the cluster's id it is reached");
    lab.send("POST", &format!("{CLUSTER}/stop"), json!({}), &[]).await;
    assert_eq!(resolve().await["privateLinkServiceID"], service.as_str(), "it stays with the cluster");
}
