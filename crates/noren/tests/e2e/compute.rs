//! Machines, templates and private endpoints, as `az` makes them.

use serde_json::{Value, json};

use super::bench::{Lab, says};

/// A lab with the group `rg` and the network `v` with the subnet `s`.
fn lab() -> Option<Lab> {
    let lab = Lab::with_group()?;
    lab.az(
        "network vnet create -g rg -n v --address-prefixes 10.1.0.0/16 --subnet-name s --subnet-prefixes 10.1.0.0/24",
    );
    Some(lab)
}

#[test]
fn az_makes_a_machine_of_an_alias_and_of_a_urn_switches_and_deletes_them() {
    let Some(lab) = lab() else { return };
    let create = "vm create -g rg --vnet-name v --subnet s --admin-username me --only-show-errors";
    let password = "--admin-password Geheim-Geheim-1";
    let one = lab.az(&format!("{create} -n one --image Ubuntu2204 --public-ip-address= --nsg= {password}"));
    assert_eq!((&one["powerState"], &one["privateIpAddress"]), (&json!("VM running"), &json!("10.1.0.4")));
    let two = lab.az(&format!("{create} -n two --image Canonical:ubuntu-24_04-lts:server:latest --generate-ssh-keys"));
    let public = two["publicIpAddress"].as_str().unwrap();
    assert!(public.starts_with("198.19."), "{two}");

    lab.az("vm deallocate -g rg -n one");
    let states = lab.az("vm list -d --query [].[name,powerState]");
    assert_eq!(states, json!([["one", "VM deallocated"], ["two", "VM running"]]));
    lab.az("vm start -g rg -n one");
    let resized = lab.az("vm resize -g rg -n one --size Standard_B2s --query hardwareProfile.vmSize");
    assert_eq!(resized, "Standard_B2s");
    lab.az("vm disk attach -g rg --vm-name one -n data --new --size-gb 5");
    assert_eq!(lab.az("vm show -g rg -n one --query storageProfile.dataDisks[].name"), json!(["data"]));
    let shown = lab.az("vm show -d -g rg -n two --query [powerState,publicIps,privateIps]");
    assert_eq!(shown, json!(["VM running", public, "10.1.0.5"]));
    let addresses = lab.az("vm list-ip-addresses -g rg -n two");
    assert_eq!(addresses[0]["virtualMachine"]["network"]["publicIpAddresses"][0]["ipAddress"], public);

    let refused = lab.az_refused("network nic delete -g rg -n twoVMNic");
    says(&refused, &["NicInUse"]);
    lab.az("vm delete -g rg -n two --yes");
    lab.az("network nic delete -g rg -n twoVMNic");
    let secret = lab.az("vm show -g rg -n one").to_string();
    assert!(!secret.contains("Geheim"), "a password is nobody's to read");
    lab.az("group delete -n rg --yes");
    assert_eq!(lab.az("resource list"), json!([]));
}

const TEMPLATE: &str = r#"{
  // what people write in their files
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "parameters": {"prefix": {"type": "string", "defaultValue": "10.9.0.0/16"}},
  "variables": {"name": "[concat('net-', uniqueString(resourceGroup().id))]"},
  "resources": [{
    "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2024-05-01", "name": "[variables('name')]",
    "location": "[resourceGroup().location]",
    "properties": {
      "addressSpace": {"addressPrefixes": ["[parameters('prefix')]"]},
      "subnets": [{"name": "a", "properties": {"addressPrefix": "SUBNET"}}]
    }
  }],
  "outputs": {"space": {"type": "array", "value": "[reference(variables('name')).addressSpace.addressPrefixes]"}}
}"#;

#[test]
fn az_validates_previews_and_deploys_a_template_and_shows_why_one_failed() {
    let Some(lab) = lab() else { return };
    let file = |name: &str, subnet: &str| {
        let path = lab.path(name);
        fs_err::write(&path, TEMPLATE.replace("SUBNET", subnet)).unwrap();
        path.display().to_string()
    };
    let good = file("good.json", "[cidrSubnet(parameters('prefix'), 24, 0)]");
    let valid = lab.az(&format!("deployment group validate -g rg -f {good}"));
    assert_eq!(valid["properties"]["provisioningState"], "Succeeded");
    let foreseen = lab.az(&format!("deployment group what-if -g rg -f {good} --no-pretty-print"));
    let created = foreseen["changes"].as_array().unwrap().iter().filter(|change| change["changeType"] == "Create");
    assert_eq!(created.count(), 2, "the network and its subnet");
    let made = lab.az(&format!("deployment group create -g rg -n d -f {good} -p prefix=10.8.0.0/16"));
    assert_eq!(made["properties"]["outputs"]["space"]["value"], json!(["10.8.0.0/16"]));
    let operations = lab.az("deployment operation group list -g rg -n d --query [].properties.statusCode");
    assert_eq!(operations, json!(["Created", "OK"]));

    let unknown = file("unknown.json", "[fly('away')]");
    let refused = lab.az_refused(&format!("deployment group create -g rg -n e -f {unknown}"));
    says(&refused, &["InvalidTemplate", "'fly' is not valid"]);
    let outside = file("outside.json", "192.168.0.0/24");
    let refused = lab.az_refused(&format!("deployment group create -g rg -n f -f {outside}"));
    says(&refused, &["DeploymentFailed", "NetcfgSubnetRangeOutsideVnet"]);
    let states = lab.az("deployment group list -g rg --query [].[name,properties.provisioningState]");
    assert_eq!(states, json!([["d", "Succeeded"], ["f", "Failed"]]), "what makes no sense leaves no record");
    lab.az("deployment group delete -g rg -n d");
    assert_eq!(lab.az("deployment group list -g rg --query length(@)"), json!(1));
}

#[test]
fn az_makes_a_private_endpoint_to_a_cluster_that_is_approved_and_removed_from_the_clusters_side() {
    let Some(lab) = lab() else { return };
    let cluster = lab.az("aks create -g rg -n a --enable-private-cluster --no-ssh-key");
    let cluster = cluster["id"].as_str().unwrap();
    let create = format!(
        "network private-endpoint create -g rg --vnet-name v --subnet s --connection-name c --group-id management \
         --private-connection-resource-id {cluster}"
    )
    .replace("  ", " ");
    let state = |name: &str, list: &str| -> Value {
        let query = format!("{list}[0].privateLinkServiceConnectionState.status");
        lab.az(&format!("network private-endpoint show -g rg -n {name} --query {query}"))
    };
    lab.az(&format!("{create} -n pe"));
    assert_eq!(state("pe", "privateLinkServiceConnections"), "Approved");
    lab.az(&format!("{create} -n ask --manual-request true"));
    assert_eq!(state("ask", "manualPrivateLinkServiceConnections"), "Pending");

    let url = format!("{cluster}/privateEndpointConnections");
    let listed = lab.az(&format!("rest --url {url}?api-version=2024-09-01"));
    let connections = listed["value"].as_array().unwrap();
    let id = |name: &str| {
        let found = connections.iter().find(|one| one["name"].as_str().unwrap().starts_with(name));
        format!("{}?api-version=2024-09-01", found.unwrap()["id"].as_str().unwrap())
    };
    let body = r#"{"properties":{"privateLinkServiceConnectionState":{"status":"Approved"}}}"#;
    lab.az(&format!("rest --method put --url {} --body '{body}'", id("ask")));
    assert_eq!(state("ask", "manualPrivateLinkServiceConnections"), "Approved");
    lab.az(&format!("rest --method delete --url {}", id("pe")));
    assert_eq!(state("pe", "privateLinkServiceConnections"), "Disconnected");
    lab.az("aks delete -g rg -n a --yes");
    assert_eq!(state("ask", "manualPrivateLinkServiceConnections"), "Disconnected");
}
