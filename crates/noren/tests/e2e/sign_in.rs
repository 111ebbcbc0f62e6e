//! The ways in: none at all, a service principal, a managed identity, a device code.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
};

use crate::bench::{Lab, client, refused, said, says, squeeze};

/// An `az` that knows nothing yet, on a lab that it has registered as a cloud.
fn stranger(lab: &Lab, name: &str) -> impl Fn(&str) -> Command {
    let directory = lab.path(name);
    let az = move |lab: &Lab, line: &str| {
        let mut command = lab.az_command(line);
        command.env("AZURE_CONFIG_DIR", &directory);
        command
    };
    let url = lab.status()["arm"].as_str().unwrap().to_owned();
    said(&mut az(lab, &format!("cloud register -n Lab --endpoint-resource-manager {url}")));
    said(&mut az(lab, "cloud set -n Lab"));
    move |line| az(lab, line)
}

fn secrets(lab: &Lab) -> [String; 3] {
    let running = fs_err::read_to_string(lab.path("lab/running.json")).unwrap();
    let running: serde_json::Value = serde_json::from_str(&running).unwrap();
    ["tenant", "clientId", "clientSecret"].map(|name| running["signIn"][name].as_str().unwrap().to_owned())
}

#[test]
fn with_the_labs_environment_az_is_signed_in_and_the_users_own_files_are_not_touched() {
    let Some(lab) = Lab::with_group() else { return };
    says(&squeeze(&lab.az_table("group list")), &["rg japaneast Succeeded\n"]);
    assert_eq!(lab.az("account show")["environmentName"], "Noren");
    assert!(!lab.path(".azure").exists() && !lab.path(".kube").exists());
    assert_eq!(
        lab.az("rest --url /subscriptions/{subscriptionId}/resourceGroups?api-version=2024-11-01")["value"][0]["name"],
        "rg"
    );
}

#[test]
fn a_service_principal_signs_in_the_official_way_and_only_with_its_secret() {
    let Some(lab) = Lab::with_group() else { return };
    let az = stranger(&lab, "principal");
    let [tenant, id, secret] = secrets(&lab);
    let login =
        |secret: &str| az(&format!("login --service-principal -u {id} --password={secret} --tenant {tenant} -o table"));
    says(&refused(&mut login("wrong")).1, &["AADSTS7000215: Invalid client secret provided."]);
    says(&squeeze(&said(&mut login(&secret))), &[&format!("Lab {tenant} True noren Enabled {tenant}")]);
    says(&squeeze(&said(&mut az("group list -o table"))), &["rg japaneast Succeeded"]);
}

#[test]
fn a_managed_identity_signs_in() {
    let Some(lab) = Lab::with_group() else { return };
    let az = stranger(&lab, "identity");
    says(&said(&mut az("login --identity")), &["systemAssignedIdentity"]);
    says(&squeeze(&said(&mut az("group list -o table"))), &["rg japaneast Succeeded"]);
    says(&refused(az("group list").env("IDENTITY_HEADER", "wrong")).1, &["ERROR"]);
}

#[test]
fn a_person_signs_in_with_a_device_code_and_the_labs_password() {
    let (Some(lab), Some(curl)) = (Lab::with_group(), client("curl")) else { return };
    let az = stranger(&lab, "person");
    let mut login = az("login --use-device-code").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(login.stderr.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("enter the code")).expect("a code");
    let code = line.split("the code ").nth(1).unwrap().split(' ').next().unwrap();
    let [_, _, secret] = secrets(&lab);
    let page = format!("{}/devicelogin", lab.status()["arm"].as_str().unwrap());
    let approve = |password: &str| {
        let mut command = lab.program(curl.clone());
        command.args(["-sS", &page, "--data-urlencode", &format!("code={code}"), "--data-urlencode"]);
        said(command.arg(format!("password={password}")))
    };
    says(&approve("wrong"), &["<form"]);
    approve(&secret);
    assert!(login.wait().unwrap().success());
    says(&squeeze(&said(&mut az("group list -o table"))), &["rg japaneast Succeeded"]);
}
