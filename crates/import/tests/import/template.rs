//! ARM templates with their parameters.

use import::{Imported, Input};
use serde_json::{Value, json};

use crate::matrix;

const SCHEMA: &str = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#";

/// A template as Bicep makes one, with a comment as people leave them.
fn template() -> String {
    let subnet = "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'spoke', 'aks')]";
    let value = json!({
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {
            "clusters": {"type": "array"},
            "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
        },
        "variables": {"space": "10.224.0.0/16"},
        "resources": [
            {
                "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2024-05-01", "name": "spoke", "location": "[parameters('location')]",
                "properties": {
                    "addressSpace": {"addressPrefixes": ["[variables('space')]"]},
                    "subnets": [
                        {"name": "aks", "properties": {"addressPrefix": "[cidrSubnet(variables('space'), 24, 0)]"}},
                        {"name": "ops", "properties": {"addressPrefix": "[cidrSubnet(variables('space'), 24, 1)]"}},
                    ],
                },
            },
            {
                "type": "Microsoft.ContainerService/managedClusters", "apiVersion": "2025-05-01",
                "copy": {"name": "clusters", "count": "[length(parameters('clusters'))]"},
                "name": "[parameters('clusters')[copyIndex()]]", "location": "[parameters('location')]",
                "dependsOn": ["[resourceId('Microsoft.Network/virtualNetworks', 'spoke')]"],
                "properties": {
                    "dnsPrefix": "[parameters('clusters')[copyIndex()]]",
                    "apiServerAccessProfile": {"enablePrivateCluster": true},
                    "agentPoolProfiles": [{"name": "system", "count": 1, "mode": "System", "vnetSubnetID": subnet}],
                },
            },
            {
                "type": "Microsoft.Network/networkInterfaces", "apiVersion": "2024-05-01", "name": "jump", "location": "[parameters('location')]",
                "dependsOn": ["spoke"],
                "properties": {"ipConfigurations": [{"name": "c", "properties": {
                    "subnet": {"id": "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'spoke', 'ops')]"},
                }}]},
            },
            {
                "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "hub", "resourceGroup": "network",
                "properties": {
                    "mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"},
                    "parameters": {"prefix": {"value": "10.0.0.0/16"}},
                    "template": {
                        "$schema": SCHEMA, "contentVersion": "1.0.0.0", "parameters": {"prefix": {"type": "string"}},
                        "resources": [{
                            "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2024-05-01", "name": "hub", "location": "japaneast",
                            "tags": {"owner": "[reference('/subscriptions/s/resourceGroups/x/providers/Microsoft.Network/publicIPAddresses/gone', '2024-05-01').ipAddress]"},
                            "properties": {
                                "addressSpace": {"addressPrefixes": ["[parameters('prefix')]"]},
                                "subnets": [{"name": "default", "properties": {"addressPrefix": "10.0.0.0/24"}}],
                            },
                        }],
                    },
                },
            },
        ],
    });
    format!("// Spoke and hub\n{value}")
}

fn parameters() -> String {
    let schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentParameters.json#";
    json!({"$schema": schema, "contentVersion": "1.0.0.0", "parameters": {
        "clusters": {"value": ["a", "b"]}, "location": {"value": "japaneast"},
    }})
    .to_string()
}

fn imported() -> Imported {
    let inputs = [Input::new("main.json", template()), Input::new("main.parameters.json", parameters())];
    import::from_inputs(&inputs).unwrap()
}

#[test]
fn a_template_answers_before_it_is_deployed() {
    let imported = imported();
    assert_eq!(imported.origin, "2 files (ARM template)");
    let said = imported
        .findings
        .iter()
        .map(|finding| format!("{:?} {}: {}\n", finding.severity, finding.code, finding.message));
    insta::assert_snapshot!(format!("{}\n{}", matrix(&imported.estate), said.collect::<String>()));
}

#[test]
fn nested_deployments_lie_where_they_say() {
    let imported = imported();
    let hub = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/network/providers/Microsoft.Network/virtualNetworks/hub";
    let hub = imported.estate.virtual_network(&hub.parse().unwrap()).unwrap();
    assert_eq!(hub.address_space, ["10.0.0.0/16".parse().unwrap()]);
}

#[test]
fn what_a_template_wants_and_does_not_get_is_said() {
    let refused = |inputs: &[Input]| import::from_inputs(inputs).unwrap_err().to_string();
    let without = refused(&[Input::new("main.json", template())]);
    assert!(
        without.starts_with("main.json: the template cannot be evaluated:") && without.contains("clusters"),
        "{without}"
    );
    let alone = refused(&[Input::new("p.json", parameters())]);
    assert_eq!(alone, "p.json: parameters without the template that they are for: name both, or their directory");
    let wrong = json!({"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [
        {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "x", "name": "[nobodyKnows()]"},
    ]});
    assert!(refused(&[Input::new("t.json", wrong.to_string())]).contains("nobodyKnows"));
}

#[test]
fn a_private_endpoint_gets_the_interface_that_azure_makes_with_it() {
    let group = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/deployment-target/providers";
    let cluster = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/far";
    let value: Value = json!({"$schema": SCHEMA, "contentVersion": "1.0.0.0", "resources": [
        {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2024-05-01", "name": "v", "location": "x", "properties": {
            "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]},
            "subnets": [{"name": "pe", "properties": {"addressPrefix": "10.1.0.0/24"}}],
        }},
        {"type": "Microsoft.Network/privateEndpoints", "apiVersion": "2024-05-01", "name": "pe", "location": "x", "properties": {
            "subnet": {"id": "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 'pe')]"},
            "privateLinkServiceConnections": [{"name": "c", "properties": {"privateLinkServiceId": cluster, "groupIds": ["management"]}}],
        }},
    ]});
    let imported = crate::from_text(value.to_string()).unwrap();
    let nic = format!("{group}/Microsoft.Network/networkInterfaces/pe.nic").parse().unwrap();
    let nic = imported.estate.network_interface(&nic).unwrap();
    assert_eq!(nic.ip_configurations[0].address, Some("10.1.0.4".parse().unwrap()));
    let endpoint = format!("{group}/Microsoft.Network/privateEndpoints/pe").parse().unwrap();
    assert_eq!(imported.estate.private_endpoint(&endpoint).unwrap().status, azure::model::ConnectionStatus::Approved);
}
