//! A directory of `az … -o json`.

use azure::{Kind, Severity};
use import::Input;
use serde_json::{Value, json};

use crate::{assert_same, codes, files, from_text, matrix};

#[test]
fn a_directory_of_az_output_answers_as_the_lab_that_it_was_taken_from() {
    let imported = import::from_inputs(&files("az")).unwrap();
    insta::assert_snapshot!(matrix(&imported.estate));
    assert_eq!(codes(&imported), ["PublicAddressPlaceholder"]);
    assert_eq!(imported.origin, "14 files");
}

#[test]
fn flattened_documents_are_arms_again() {
    let imported = import::from_inputs(&files("az")).unwrap();
    let estate = &imported.estate;
    let one = |kind, name: &str| {
        let found = estate.of_kind(kind).find(|found| found.id().name() == name);
        found.unwrap_or_else(|| panic!("no {name}")).document().value()
    };
    let spoke = one(Kind::VirtualNetwork, "spoke");
    assert_eq!(spoke["properties"]["addressSpace"]["addressPrefixes"], json!(["10.224.0.0/16"]));
    assert_eq!((spoke["name"].as_str(), &spoke["properties"]["subnets"]), (Some("spoke"), &Value::Null));
    assert_eq!(one(Kind::Subnet, "ops")["properties"]["addressPrefix"], "10.224.1.0/24");
    assert_eq!(one(Kind::SecurityRule, "deny-ssh")["properties"]["priority"], 300);
    assert_eq!(one(Kind::Route, "out")["properties"]["nextHopIpAddress"], "10.0.0.4");
    let machine = |name: &str| {
        let found = estate.of_kind(Kind::VirtualMachine).find(|found| found.id().name() == name).unwrap();
        estate.virtual_machine(found.id()).unwrap().running
    };
    assert!(machine("jump") && !machine("off"));
}

/// Without these files.
fn without(left_out: &[&str]) -> import::Imported {
    let kept: Vec<Input> =
        files("az").into_iter().filter(|input| !left_out.iter().any(|name| input.name.starts_with(name))).collect();
    import::from_inputs(&kept).unwrap()
}

#[test]
fn an_endpoint_that_was_not_exported_has_the_address_of_its_record() {
    let (whole, partial) = (import::from_inputs(&files("az")).unwrap(), without(&["endpoints", "nics", "vms"]));
    // Without interfaces there is no machine to look from, and none on the way to public addresses.
    let kept = |line: &&str| !line.starts_with("jump") && !line.starts_with("off") && !line.contains(" pub ");
    let (whole, answers) = (matrix(&whole.estate), matrix(&partial.estate));
    let kept = |lines: &str| lines.lines().filter(kept).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(kept(&answers), kept(&whole));
    let said: Vec<_> = partial.findings.iter().filter(|finding| finding.code == "EndpointFromRecord").collect();
    assert_eq!(said.len(), 2);
    assert!(said[0].message.contains("the address 10.224.0.4 is from its record"), "{}", said[0].message);
}

#[test]
fn a_zone_that_was_not_exported_is_missed_by_its_cluster() {
    let partial = without(&["zones", "records", "links"]);
    let said: Vec<_> = partial.findings.iter().filter(|finding| finding.code == "ZoneMissing").collect();
    let names: Vec<_> = said.iter().map(|finding| finding.resource.as_ref().unwrap().name().to_owned()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[tokio::test]
async fn what_one_source_refers_to_may_be_in_another() {
    let directory = tempfile::tempdir().unwrap();
    let mut sources = Vec::new();
    for (name, kept) in [("spoke", "networks.json"), ("rest", "")] {
        let place = directory.path().join(name);
        std::fs::create_dir(&place).unwrap();
        for input in files("az").iter().filter(|input| (input.name == "networks.json") == (kept == input.name)) {
            std::fs::write(place.join(&input.name), &input.bytes).unwrap();
        }
        sources.push(import::Source::Path(place));
    }
    let imported = import::load_all(&sources, &|_| {}).await.unwrap();
    assert_same(&imported.estate, &import::from_inputs(&files("az")).unwrap().estate);
    assert_eq!(codes(&imported), ["PublicAddressPlaceholder"]);
}

#[test]
fn an_address_that_nothing_says_is_said_to_be_unknown() {
    let partial = without(&["endpoints", "nics", "vms", "records"]);
    let of = |code: &str| partial.findings.iter().filter(|finding| finding.code == code).collect::<Vec<_>>();
    assert_eq!(of("EndpointUnknown").len(), 2);
    let missing = of("RecordsMissing");
    assert_eq!((missing.len(), missing[0].severity), (2, Severity::Warning));
    assert!(missing[0].message.contains("az network private-dns record-set list -g MC_rg_"), "{}", missing[0].message);
    assert_eq!(of("NotInSource").len(), 0);
}

#[test]
fn what_is_referred_to_and_missing_is_named_once() {
    let partial = without(&["networks"]);
    let missing: Vec<_> = partial.findings.iter().filter(|finding| finding.code == "NotInSource").collect();
    let names: Vec<_> = missing.iter().map(|finding| finding.resource.as_ref().unwrap().name().to_owned()).collect();
    assert!(names.iter().any(|name| name == "spoke") && names.iter().any(|name| name == "default"), "{names:?}");
}

#[test]
fn standard_input_may_be_several_outputs_one_after_the_other() {
    let one = r#"{"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/publicIPAddresses/a", "ipAddress": "20.0.0.1"}"#;
    let two = r#"[[{"id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Sql/servers/b", "state": "Ready"}], {"name": "x"}]"#;
    let imported = from_text(format!("{one}\n{two}")).unwrap();
    assert_eq!(imported.estate.len(), 2);
    assert_eq!(codes(&imported), ["NoResourceId", "NotModelled"]);
    let unmodelled = imported.findings.iter().find(|finding| finding.code == "NotModelled").unwrap();
    assert_eq!(unmodelled.message, "1 of type Microsoft.Sql/servers: kept, but not acted on");
}

#[test]
fn a_what_if_is_the_estate_as_it_would_be() {
    let id =
        |name: &str| format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/{name}");
    let network = |name: &str, prefix: &str| json!({"id": id(name), "name": name, "properties": {"addressSpace": {"addressPrefixes": [prefix]}}});
    let what_if = json!({"status": "Succeeded", "changes": [
        {"changeType": "Modify", "resourceId": id("a"), "before": network("a", "10.0.0.0/16"), "after": network("a", "10.1.0.0/16")},
        {"changeType": "Ignore", "resourceId": id("b"), "before": network("b", "10.2.0.0/16"), "after": null},
        {"changeType": "Delete", "resourceId": id("c"), "before": network("c", "10.3.0.0/16"), "after": null},
    ]});
    let imported = from_text(what_if.to_string()).unwrap();
    let spaces = imported
        .estate
        .of_kind(Kind::VirtualNetwork)
        .map(|network| imported.estate.virtual_network(network.id()).unwrap().address_space[0].to_string());
    assert_eq!(spaces.collect::<Vec<_>>(), ["10.1.0.0/16", "10.2.0.0/16"]);
}

#[test]
fn a_cluster_whose_endpoint_leads_to_a_service_of_akss_own_is_still_reached_by_it() {
    let mut inputs = files("az");
    for input in inputs.iter_mut().filter(|input| input.name == "endpoints.json") {
        let mut endpoints: Value = serde_json::from_slice(&input.bytes).unwrap();
        for endpoint in endpoints.as_array_mut().unwrap() {
            endpoint["privateLinkServiceConnections"][0]["privateLinkServiceId"] =
                json!("/subscriptions/aks/resourceGroups/x/providers/Microsoft.Network/privateLinkServices/pls");
        }
        input.bytes = endpoints.to_string().into_bytes();
    }
    let whole = import::from_inputs(&files("az")).unwrap();
    assert_same(&import::from_inputs(&inputs).unwrap().estate, &whole.estate);
}
