//! Templates, as az sends them and as people write them.

#![expect(clippy::needless_pass_by_value, reason = "documents are written where they are used")]

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use super::{Answer, Lab};
use crate::Pace;

const DEPLOYMENTS: &str = "/resourceGroups/rg/providers/Microsoft.Resources/deployments";
const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network";

async fn lab() -> Lab {
    let lab = Lab::new(Pace::Instant).await;
    lab.group("rg").await;
    lab
}

fn template(body: Value) -> Value {
    let mut template = json!({"$schema": "x", "contentVersion": "1.0.0.0"});
    template.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    template
}

/// A network with a subnet, an interface in it that is found by `reference`, and outputs.
fn network() -> Value {
    template(json!({
        "parameters": {
            "prefix": {"type": "string", "defaultValue": "10.0.0.0/16"},
            "secret": {"type": "securestring", "defaultValue": "[newGuid()]"},
        },
        "variables": {"name": "[concat('v-', uniqueString(resourceGroup().id))]"},
        "resources": [
            {
                "type": "Microsoft.Network/networkInterfaces", "apiVersion": "2024-05-01", "name": "nic",
                "location": "[resourceGroup().location]",
                "tags": {"space": "[reference(variables('name')).addressSpace.addressPrefixes[0]]"},
                "dependsOn": ["[resourceId('Microsoft.Network/virtualNetworks/subnets', variables('name'), 's')]"],
                "properties": {"ipConfigurations": [{"name": "c", "properties": {
                    "subnet": {"id": "[resourceId('Microsoft.Network/virtualNetworks/subnets', variables('name'), 's')]"},
                }}]},
            },
            {
                "type": "Microsoft.Network/virtualNetworks", "apiVersion": "2024-05-01", "name": "[variables('name')]",
                "location": "[resourceGroup().location]",
                "properties": {"addressSpace": {"addressPrefixes": ["[parameters('prefix')]"]}},
                "resources": [{
                    "type": "subnets", "apiVersion": "2024-05-01", "name": "s",
                    "dependsOn": ["[variables('name')]"],
                    "properties": {"addressPrefix": "[cidrSubnet(parameters('prefix'), 24, 1)]"},
                }],
            },
        ],
        "outputs": {
            "address": {"type": "string", "value": "[reference('nic').ipConfigurations[0].properties.privateIPAddress]"},
            "secret": {"type": "securestring", "value": "[parameters('secret')]"},
        },
    }))
}

fn deployment(template: Value, more: Value) -> Value {
    let mut properties = json!({"mode": "Incremental", "template": template});
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"properties": properties})
}

#[tokio::test]
async fn a_template_is_deployed_in_the_order_of_its_dependencies_and_gives_its_outputs() {
    let lab = lab().await;
    let made = lab.put(&format!("{DEPLOYMENTS}/d"), deployment(network(), json!({}))).await;
    assert_eq!((made.status, &made.body["properties"]["provisioningState"]), (201, &json!("Succeeded")), "{made:?}");
    let properties = &made.body["properties"];
    assert_eq!(properties["outputs"]["address"], json!({"type": "String", "value": "10.0.1.4"}));
    assert_eq!(properties["outputs"]["secret"], json!({"type": "SecureString"}));
    assert_eq!(properties["parameters"]["secret"], json!({"type": "SecureString"}));
    assert_eq!(properties["outputResources"].as_array().unwrap().len(), 3);
    let nic = lab.get(&format!("{NETWORK}/networkInterfaces/nic")).await;
    assert_eq!(nic.body["tags"]["space"], "10.0.0.0/16");

    // The older path that az asks for operations.
    let operations = lab.get("/resourcegroups/rg/deployments/d/operations").await;
    let targets: Vec<&str> = operations.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["properties"]["targetResource"]["resourceType"].as_str().unwrap_or("outputs"))
        .collect();
    assert_eq!(
        targets,
        [
            "Microsoft.Network/virtualNetworks",
            "Microsoft.Network/virtualNetworks/subnets",
            "Microsoft.Network/networkInterfaces",
            "outputs"
        ]
    );
    let again = lab.put(&format!("{DEPLOYMENTS}/d"), deployment(network(), json!({}))).await;
    assert_eq!((again.status, &again.body["properties"]["outputs"]), (200, &properties["outputs"]));
    let exported = lab.send("POST", &format!("{DEPLOYMENTS}/d/exportTemplate"), Value::Null, &[]).await;
    assert_eq!(exported.body["template"], network());
    assert_eq!(lab.get(&format!("{DEPLOYMENTS}/")).await.names(), ["d"]);
    assert_eq!(lab.send("HEAD", &format!("{DEPLOYMENTS}/d"), Value::Null, &[]).await.status, 204);
    assert_eq!(lab.delete(&format!("{DEPLOYMENTS}/d")).await.status, 204);
    assert_eq!(lab.get(&format!("{DEPLOYMENTS}/d")).await.code(), (404, "DeploymentNotFound"));
    assert_eq!(lab.get(&format!("{NETWORK}/networkInterfaces/nic")).await.status, 200, "the record goes alone");
}

#[tokio::test]
async fn a_template_that_makes_no_sense_changes_nothing() {
    let lab = lab().await;
    let wrong = template(json!({"resources": [
        {"type": "Noren.Lab/clients", "apiVersion": "1", "name": "[fly('away')]"},
    ]}));
    let path = format!("{DEPLOYMENTS}/d");
    for (body, expected) in [
        (deployment(wrong, json!({})), (400, "InvalidTemplate")),
        (deployment(json!({"resources": []}), json!({})), (400, "InvalidTemplate")),
        (json!({"properties": {}}), (400, "InvalidTemplate")),
        (deployment(network(), json!({"parameters": {"nobody": {"value": 1}}})), (400, "InvalidTemplate")),
        (deployment(network(), json!({"mode": "Wild"})), (400, "InvalidDeploymentMode")),
        (json!({"properties": {"templateLink": {"uri": "https://x.test"}}}), (400, "NotSupported")),
        (
            deployment(
                template(
                    json!({"resources": [{"type": "Microsoft.Network/virtualNetworks", "apiVersion": "1", "name": "v"}]}),
                ),
                json!({}),
            ),
            (400, "InvalidTemplateDeployment"),
        ),
    ] {
        assert_eq!(lab.put(&path, body.clone()).await.code(), expected, "{body}");
        assert_eq!(lab.send("POST", &format!("{path}/validate"), body.clone(), &[]).await.code(), expected, "{body}");
    }
    assert_eq!(lab.get(&path).await.code(), (404, "DeploymentNotFound"));
    let valid = lab.send("POST", &format!("{path}/validate"), deployment(network(), json!({})), &[]).await;
    assert_eq!(valid.body["properties"]["validatedResources"].as_array().unwrap().len(), 3);
    assert_eq!(lab.plane.estate().len(), 1, "only the group is there");
}

#[tokio::test]
async fn a_refused_resource_fails_the_deployment_and_what_was_made_stays() {
    let lab = lab().await;
    let client = |name: &str, gateway: &str| {
        json!({"type": "Noren.Lab/clients", "apiVersion": "1", "name": name,
               "properties": {"virtualNetworkGateway": {"id": gateway}}})
    };
    let mut after = client("after", "");
    (after["dependsOn"], after["properties"]) = (json!(["bad"]), json!({}));
    let mut free = client("free", "");
    free["properties"] = json!({});
    let bad = client("bad", "[resourceId('Microsoft.Network/virtualNetworkGateways', 'none')]");
    let body = deployment(template(json!({"resources": [free, bad, after]})), json!({}));
    let path = format!("{DEPLOYMENTS}/d");
    let accepted = lab.put(&path, body.clone()).await;
    assert_eq!(accepted.status, 201);
    let operation = lab.get(accepted.header("azure-asyncoperation")).await;
    assert_eq!(operation.body["status"], "Failed", "{operation:?}");
    let error = &operation.body["error"];
    assert_eq!(error["code"], "DeploymentFailed");
    assert!(error["details"][0]["code"].is_string() && error["details"].as_array().unwrap().len() == 1, "{error}");
    let shown = lab.get(&path).await;
    assert_eq!(shown.body["properties"]["provisioningState"], "Failed");
    assert_eq!(shown.body["properties"]["error"]["code"], "DeploymentFailed");
    let operations = lab.get(&format!("{path}/operations")).await;
    let states: Vec<&str> = operations.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["properties"]["provisioningState"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["Succeeded", "Failed"], "what depends on the refused one is not tried");
    assert_eq!(lab.get("/resourceGroups/rg/providers/Noren.Lab/clients").await.names(), ["free"]);
    let asked = lab.send("POST", &format!("{path}/whatIf"), body, &[]).await;
    assert_eq!(asked.code(), (409, "DeploymentFailed"));
}

#[tokio::test]
async fn what_if_says_what_would_change_and_complete_deletes_what_is_not_named() {
    let lab = lab().await;
    lab.put("/resourceGroups/rg/providers/Noren.Lab/clients/old", json!({})).await;
    let path = format!("{DEPLOYMENTS}/d");
    let types = async |template: Value, more: Value| {
        let answer = lab.send("POST", &format!("{path}/whatIf"), deployment(template, more), &[]).await;
        let mut kinds: Vec<String> = answer.body["properties"]["changes"]
            .as_array()
            .unwrap_or_else(|| panic!("{answer:?}"))
            .iter()
            .map(|change| {
                let id = change["resourceId"].as_str().unwrap();
                format!("{} {}", change["changeType"].as_str().unwrap(), id.rsplit('/').next().unwrap())
            })
            .collect();
        kinds.sort();
        kinds
    };
    let mut kinds = types(network(), json!({})).await;
    kinds.retain(|kind| !kind.contains("v-"));
    assert_eq!(kinds, ["Create nic", "Create s", "Ignore old"]);
    assert_eq!(lab.plane.estate().len(), 2, "asking changes nothing");
    lab.put(&path, deployment(network(), json!({}))).await;
    let kinds = types(network(), json!({})).await;
    assert!(kinds.iter().all(|kind| !kind.starts_with("Modify") && !kind.starts_with("Create")), "{kinds:?}");
    let mut wider = network();
    wider["resources"][0]["tags"] = json!({"more": "tags"});
    assert!(types(wider, json!({})).await.contains(&"Modify nic".to_owned()));
    let complete = json!({"mode": "Complete"});
    assert!(types(network(), complete.clone()).await.contains(&"Delete old".to_owned()));
    let made = lab.put(&path, deployment(network(), complete)).await;
    assert_eq!(made.body["properties"]["provisioningState"], "Succeeded", "{made:?}");
    assert_eq!(lab.get("/resourceGroups/rg/providers/Noren.Lab/clients").await.names(), Vec::<&str>::new());
}

#[tokio::test]
async fn deployments_in_deployments_have_the_scope_they_ask_for() {
    let lab = lab().await;
    let inner = template(json!({
        "parameters": {"name": {"type": "string"}},
        "resources": [{"type": "Noren.Lab/clients", "apiVersion": "1", "name": "[parameters('name')]", "properties": {}}],
        "outputs": {"id": {"type": "string", "value": "[resourceId('Noren.Lab/clients', parameters('name'))]"}},
    }));
    let nested = |name: &str, scope: &str, parameters: Value| {
        json!({"type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": name, "resourceGroup": "rg",
               "properties": {"mode": "Incremental", "expressionEvaluationOptions": {"scope": scope},
                              "parameters": parameters, "template": inner}})
    };
    let mut shared = nested("shared", "outer", json!({}));
    shared["properties"]["template"]["parameters"] = json!({});
    shared["dependsOn"] = json!(["other"]);
    let mut whole = template(json!({
        "parameters": {"name": {"type": "string", "defaultValue": "outer"}},
        "resources": [
            {"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2021-04-01", "name": "other", "location": "uksouth"},
            nested("own", "inner", json!({"name": {"value": "[concat(parameters('name'), '-inner')]"}})),
            shared,
        ],
        "outputs": {"id": {"type": "string", "value": "[reference(resourceId('rg', 'Microsoft.Resources/deployments', 'own')).outputs.id.value]"}},
    }));
    let mut body = deployment(whole.clone(), json!({}));
    let path = "/providers/Microsoft.Resources/deployments/top";
    assert_eq!(lab.put(path, body.clone()).await.code(), (400, "LocationRequired"));
    body["location"] = json!("westeurope");
    let made = lab.put(path, body.clone()).await;
    assert_eq!(made.body["properties"]["provisioningState"], "Succeeded", "{made:?}");
    let id = made.body["properties"]["outputs"]["id"]["value"].as_str().unwrap();
    assert!(id.ends_with("/resourceGroups/rg/providers/Noren.Lab/clients/outer-inner"), "{id}");
    assert_eq!(lab.get("/resourceGroups/rg/providers/Noren.Lab/clients").await.names(), ["outer", "outer-inner"]);
    assert_eq!(lab.get("/resourceGroups").await.names(), ["other", "rg"]);
    assert_eq!(lab.get("/providers/Microsoft.Resources/deployments").await.names(), ["top"]);
    assert_eq!(lab.get(&format!("{DEPLOYMENTS}/")).await.names(), ["own", "shared"]);
    // One that holds itself, deeper than anybody needs.
    for _ in 0..8 {
        let inner = whole.clone();
        whole = template(json!({"resources": [nested("deep", "inner", json!({}))]}));
        whole["resources"][0]["properties"]["template"] = inner;
    }
    body["properties"]["template"] = whole;
    let deep = lab.put(path, body).await;
    let operation = lab.get(deep.header("azure-asyncoperation")).await;
    assert!(operation.body.to_string().contains("nested deeper"), "{operation:?}");
}

#[tokio::test]
async fn with_azures_pace_a_deployment_runs_as_long_as_its_slowest_resource() {
    let lab = Lab::new(Pace::Azure).await;
    lab.group("rg").await;
    let path = format!("{DEPLOYMENTS}/d");
    let begun = lab.put(&path, deployment(network(), json!({}))).await;
    assert_eq!((begun.status, &begun.body["properties"]["provisioningState"]), (201, &json!("Running")), "{begun:?}");
    let busy = lab.put(&path, deployment(network(), json!({}))).await;
    assert_eq!(busy.code(), (409, "DeploymentActive"));
    lab.pass(60).await;
    let operation = lab.get(begun.header("azure-asyncoperation")).await;
    assert_eq!(operation.body["status"], "Succeeded");
    let done = lab.get(&path).await;
    assert_eq!(done.body["properties"]["provisioningState"], "Succeeded");
    let wrong = json!({"prefix": {"value": "nonsense"}});
    let failed = lab.put(&path, deployment(network(), json!({"parameters": wrong}))).await;
    let operation = lab.get(failed.header("azure-asyncoperation")).await;
    assert_eq!(operation.body["error"]["code"], "DeploymentFailed", "{failed:?}");
}

#[tokio::test]
async fn a_template_file_may_hold_comments_as_az_sends_it() {
    let lab = lab().await;
    let uri = format!("/subscriptions/{}{DEPLOYMENTS}/d?api-version=2025-04-01", lab.plane.lab().subscription);
    let body = "{\"properties\": {\"parameters\": {}, \"mode\": \"Incremental\", template:{ /* mine */ \"$schema\": \"x\", \
                \"contentVersion\": \"1.0.0.0\", \"resources\": [] }}}";
    let request = Request::put(uri).header("authorization", format!("Bearer {}", lab.token)).body(Bytes::from(body));
    let answer = Answer::of(lab.plane.handle(request.unwrap()).await);
    assert_eq!(answer.body["properties"]["provisioningState"], "Succeeded", "{answer:?}");
}
