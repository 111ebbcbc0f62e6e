//! `terraform show -json` of a plan and of the state after it: a hub with a VPN gateway and a machine, a spoke from a
//! module, a cluster with its own zone and one with AKS's.

use azure::{Kind, Severity};
use import::{Imported, Input};
use serde_json::{Value, json};

use crate::{codes, fixture, matrix};

fn text(name: &str) -> String {
    std::fs::read_to_string(fixture("terraform").join(name)).unwrap()
}

fn imported(name: &str) -> Imported {
    import::from_inputs(&[Input::new(name, text(name))]).unwrap()
}

fn said(imported: &Imported) -> String {
    let line = |finding: &import::SourceFinding| {
        let about = finding.place.clone().or(finding.resource.as_ref().map(|id| id.name().to_owned()));
        format!("{:?} {} {}: {}\n", finding.severity, finding.code, about.unwrap_or_default(), finding.message)
    };
    imported.findings.iter().map(line).collect()
}

#[test]
fn a_plan_answers_before_anything_exists() {
    let plan = imported("plan.json");
    assert_eq!(plan.origin, "plan.json (Terraform plan)");
    insta::assert_snapshot!(format!("{}\n{}", matrix(&plan.estate), said(&plan)));
}

#[test]
fn a_state_has_what_the_plan_promised() {
    let state = imported("state.json");
    assert_eq!(state.origin, "state.json (Terraform state)");
    insta::assert_snapshot!(format!("{}\n{}", matrix(&state.estate), said(&state)));
}

#[test]
fn ids_that_do_not_exist_yet_are_those_that_there_will_be() {
    let ids = |imported: Imported| -> Vec<String> {
        let made_by_aks =
            |id: &str| id.contains("/MC_") || id.contains("privateDnsZones/privatelink.japaneast.azmk8s.io/");
        let ids = imported.estate.iter().map(|resource| resource.id().to_string());
        ids.filter(|id| !made_by_aks(id)).collect()
    };
    assert_eq!(ids(imported("plan.json")), ids(imported("state.json")));
}

#[test]
fn the_state_file_itself_is_read_as_well() {
    let shown: Value = serde_json::from_str(&text("state.json")).unwrap();
    let mut resources = Vec::new();
    let root = &shown["values"]["root_module"];
    for (module, list) in [(None, &root["resources"]), (Some("module.spoke"), &root["child_modules"][0]["resources"])] {
        for resource in list.as_array().unwrap() {
            let instance = json!({"index_key": resource["index"], "attributes": resource["values"]});
            let mut entry =
                json!({"mode": "managed", "type": resource["type"], "name": resource["name"], "instances": [instance]});
            if let Some(module) = module {
                entry["module"] = json!(module);
            }
            resources.push(entry);
        }
    }
    let file = json!({"version": 4, "terraform_version": "1.11.4", "serial": 1, "lineage": "x", "outputs": {}, "resources": resources});
    let imported_file = import::from_inputs(&[Input::new("terraform.tfstate", file.to_string())]).unwrap();
    assert_eq!(matrix(&imported_file.estate), matrix(&imported("state.json").estate));
}

#[test]
fn a_reference_through_a_local_is_said_to_be_lost() {
    let mut plan: Value = serde_json::from_str(&text("plan.json")).unwrap();
    for resource in plan["configuration"]["root_module"]["resources"].as_array_mut().unwrap() {
        if resource["address"] == "azurerm_kubernetes_cluster.a" {
            resource["expressions"]["default_node_pool"][0]["vnet_subnet_id"] =
                json!({"references": ["local.subnet_id"]});
        }
    }
    let lost = import::from_inputs(&[Input::new("plan.json", plan.to_string())]).unwrap();
    let of = |code: &str| lost.findings.iter().find(|finding| finding.code == code).unwrap();
    let finding = of("ReferenceUnknown");
    assert_eq!((finding.severity, finding.place.as_deref()), (Severity::Warning, Some("azurerm_kubernetes_cluster.a")));
    assert!(finding.message.starts_with("`default_node_pool.0.vnet_subnet_id` is not known"), "{}", finding.message);
    // No network is made up for it.
    assert_eq!(of("EndpointUnknown").resource.as_ref().unwrap().name(), "a");
    let networks: Vec<_> =
        lost.estate.of_kind(Kind::VirtualNetwork).map(|network| network.id().name().to_owned()).collect();
    assert_eq!(networks.iter().filter(|name| name.starts_with("aks-vnet-")).count(), 1, "{networks:?}");
}

#[test]
fn a_plan_without_a_subscription_says_so() {
    let mut plan: Value = serde_json::from_str(&text("plan.json")).unwrap();
    plan["variables"] = json!({});
    let imported = import::from_inputs(&[Input::new("plan.json", plan.to_string())]).unwrap();
    assert!(codes(&imported).contains(&"SubscriptionPlaceholder"));
    let ids = imported.estate.iter().map(|resource| resource.id().subscription().unwrap().to_owned());
    assert!(ids.into_iter().all(|subscription| subscription == "00000000-0000-0000-0000-000000000000"));
}

#[test]
fn azapis_bodies_are_arms_own() {
    let group = "/subscriptions/s/resourceGroups/g";
    let resource = |address: &str, kind: &str, name: &str, parent: &str, body: Value| {
        json!({"address": address, "mode": "managed", "type": "azapi_resource", "name": address.rsplit('.').next(), "values": {
            "type": kind, "name": name, "parent_id": parent, "location": "japaneast", "body": body,
        }})
    };
    let network = format!("{group}/providers/Microsoft.Network/virtualNetworks/v");
    let state = json!({"format_version": "1.0", "values": {"root_module": {"resources": [
        resource("azapi_resource.v", "Microsoft.Network/virtualNetworks@2024-05-01", "v", group,
            json!({"properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}})),
        resource("azapi_resource.s", "Microsoft.Network/virtualNetworks/subnets@2024-05-01", "s", &network,
            json!(r#"{"properties": {"addressPrefix": "10.0.0.0/24"}}"#)),
    ]}}});
    let imported = crate::from_text(state.to_string()).unwrap();
    let subnet = format!("{network}/subnets/s").parse().unwrap();
    assert_eq!(imported.estate.subnet(&subnet).unwrap().prefixes, ["10.0.0.0/24".parse().unwrap()]);
}

#[test]
fn a_format_of_the_future_is_refused() {
    let error = crate::from_text(r#"{"format_version": "2.0", "planned_values": {}}"#).unwrap_err();
    assert_eq!(error.to_string(), "estate.json: Terraform's JSON format 2.0 is not known here; 1.x is");
}
