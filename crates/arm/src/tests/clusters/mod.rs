//! Managed clusters: what the stories about them have in common.

mod documents;
mod operations;
mod refusals;
mod sequences;

use serde_json::{Value, json};

use super::{Answer, Lab};

const CLUSTER: &str = "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/a";
const NODES: &str = "/resourceGroups/MC_rg_a_westeurope";
const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network";
const IDENTITY: &str = "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/id";
/// The user's own zone.
const OWN_ZONE: &str =
    "/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/privatelink.westeurope.azmk8s.io";
const CONTRIBUTOR: &str = "b24988ac-6180-42a0-ab88-20f7382dd24c";

/// What `az aks create` sends, with this access profile.
fn wish(access: Value) -> Value {
    let mut wish = json!({
        "location": "westeurope",
        "identity": {"type": "SystemAssigned"},
        "properties": {
            "kubernetesVersion": "",
            "dnsPrefix": "a-rg-123456",
            "agentPoolProfiles": [{"name": "nodepool1", "count": 3, "vmSize": "", "mode": "System", "osType": "Linux"}],
        },
    });
    wish["properties"]["apiServerAccessProfile"] = access;
    wish
}

/// A wish for the user's own zone, as the user's own identity.
fn own_zone(lab: &Lab) -> Value {
    let mut wish = wish(json!({"enablePrivateCluster": true, "privateDNSZone": lab.full_id(OWN_ZONE)}));
    let id = lab.full_id(IDENTITY);
    wish["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {id: {}}});
    wish
}

/// A zone and an identity with every right on it.
async fn prepare_own_zone(lab: &Lab) {
    lab.made(OWN_ZONE, json!({"location": "global"})).await;
    let identity = lab.made(IDENTITY, json!({"location": "westeurope"})).await;
    let role = lab.full_id(&format!("/providers/Microsoft.Authorization/roleDefinitions/{CONTRIBUTOR}"));
    let assignment =
        "/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/aaaaaaaa-0000-4000-8000-000000000001";
    let properties = json!({"roleDefinitionId": role, "principalId": identity["properties"]["principalId"]});
    lab.made(assignment, json!({"properties": properties})).await;
}

async fn post(lab: &Lab, action: &str) -> Answer {
    lab.send("POST", &format!("{CLUSTER}/{action}"), Value::Null, &[]).await
}
