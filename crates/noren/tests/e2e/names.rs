//! Private DNS as `az network private-dns` makes it and `dig` asks it.

use serde_json::json;

use crate::bench::{Lab, client, says, squeeze};

/// The network `v` with the subnet `s`.
fn network(lab: &Lab) {
    lab.az(
        "network vnet create -g rg -n v --address-prefixes 10.1.0.0/16 --subnet-name s --subnet-prefixes 10.1.0.0/24",
    );
}

#[test]
fn every_record_type_is_answered_where_the_zone_is_linked_at_once() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("dig")) else { return };
    network(&lab);
    lab.az("network private-dns zone create -g rg -n corp.example");
    lab.az("network private-dns link vnet create -g rg -z corp.example -n v -v v -e false");
    let set = |line: &str| lab.az(&format!("network private-dns record-set {line} -g rg -z corp.example"));
    set("a add-record -n www -a 10.1.2.3");
    set("a add-record -n www -a 10.1.2.4");
    set("a add-record -n *.apps -a 10.1.2.5");
    set("aaaa add-record -n www -a fd00::1");
    set("cname set-record -n alias -c www.corp.example");
    set("mx add-record -n @ -e mail.corp.example -p 10");
    set("txt add-record -n @ -v 'v=spf1 -all'");
    set("srv add-record -n _ldap._tcp -t dc.corp.example -p 1 -w 2 -r 389");
    set("ptr add-record -n 4 -d www.corp.example");

    let ask = |question: &str| lab.dig("v/s", &format!("+short {question}"));
    let mut addresses: Vec<String> = ask("www.corp.example").lines().map(str::to_owned).collect();
    addresses.sort();
    assert_eq!(addresses, ["10.1.2.3", "10.1.2.4"]);
    assert_eq!(ask("anything.apps.corp.example"), "10.1.2.5");
    assert_eq!(ask("www.corp.example AAAA"), "fd00::1");
    assert_eq!(ask("alias.corp.example").lines().count(), 3, "the alias and what it leads to");
    assert_eq!(ask("corp.example MX"), "10 mail.corp.example.");
    assert_eq!(ask("corp.example TXT"), "\"v=spf1 -all\"");
    assert_eq!(ask("_ldap._tcp.corp.example SRV"), "1 2 389 dc.corp.example.");
    assert_eq!(ask("4.corp.example PTR"), "www.corp.example.");
    assert_eq!(
        ask("+tcp corp.example SOA"),
        "azureprivatedns.net. azureprivatedns-host.microsoft.com. 1 3600 300 2419200 10"
    );
    says(&lab.dig("internet", "www.corp.example"), &["status: NXDOMAIN"]);

    set("soa update -e admin.corp.example");
    says(&ask("corp.example SOA"), &["azureprivatedns.net. admin.corp.example.", " 3600 300 2419200 10"]);
    set("a remove-record -n www -a 10.1.2.3");
    assert_eq!(ask("www.corp.example"), "10.1.2.4");
    set("a remove-record -n www -a 10.1.2.4");
    says(&lab.az_refused("network private-dns record-set a show -g rg -z corp.example -n www"), &["ERROR"]);
    says(&lab.dig("v/s", "www.corp.example"), &["status: NOERROR", "ANSWER: 0"]);
}

#[test]
fn an_empty_zone_hides_public_names_unless_its_link_falls_back() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("dig")) else { return };
    let zone = "hcp.japaneast.azmk8s.io";
    let cluster = lab.az("aks create -g rg -n a --enable-private-cluster --no-ssh-key");
    let name = cluster["fqdn"].as_str().unwrap();
    network(&lab);
    assert_eq!(lab.dig("v/s", &format!("+short {name}")), "10.224.0.4");
    lab.az(&format!("network private-dns zone create -g rg -n {zone}"));
    let link = format!("-g rg -z {zone} -n v");
    lab.az(&format!("network private-dns link vnet create {link} -v v -e false"));
    says(&lab.dig("v/s", name), &["status: NXDOMAIN"]);
    says(
        &lab.az_refused(&format!("network private-dns zone delete -g rg -n {zone} --yes")),
        &["(CannotDeleteResource)"],
    );
    lab.az(&format!("network private-dns link vnet delete {link} --yes"));
    assert_eq!(lab.dig("v/s", &format!("+short {name}")), "10.224.0.4");
    lab.az(&format!("network private-dns zone delete -g rg -n {zone} --yes"));
}

#[test]
fn a_private_link_zone_falls_back_to_public_names_if_its_link_says_so() {
    let Some(lab) = Lab::with_group() else { return };
    network(&lab);
    let policy = "-n v -v v -e false --resolution-policy NxDomainRedirect";
    lab.az("network private-dns zone create -g rg -n corp.example");
    says(
        &lab.az_refused(&format!("network private-dns link vnet create -g rg -z corp.example {policy}")),
        &["(BadRequest) The ResolutionPolicy property is applicable exclusively to private link zones"],
    );
    lab.az("network private-dns zone delete -g rg -n corp.example --yes");
    lab.az("network private-dns zone create -g rg -n privatelink.japaneast.azmk8s.io");
    let link = "-g rg -z privatelink.japaneast.azmk8s.io -n v";
    let made =
        lab.az(&format!("network private-dns link vnet create -g rg -z privatelink.japaneast.azmk8s.io {policy}"));
    assert_eq!(
        (&made["resolutionPolicy"], &made["virtualNetworkLinkState"]),
        (&json!("NxDomainRedirect"), &json!("Completed"))
    );
    assert_eq!(
        lab.az(&format!("network private-dns link vnet update {link} --resolution-policy Default"))["resolutionPolicy"],
        "Default"
    );
    says(
        &squeeze(&lab.az_table("network private-dns zone list")),
        &["privatelink.japaneast.azmk8s.io rg 1 25000 1 1000 0 100 Succeeded"],
    );
}

#[test]
fn a_registering_link_names_the_networks_machines() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("dig")) else { return };
    network(&lab);
    lab.az("network private-dns zone create -g rg -n corp.example");
    let link = lab.az("network private-dns link vnet create -g rg -z corp.example -n v -v v -e true");
    assert_eq!(link["registrationEnabled"], true);
    let nic = lab.az("network nic create -g rg -n card --vnet-name v --subnet s");
    assert_eq!(nic["NewNIC"]["ipConfigurations"][0]["privateIPAddress"], "10.1.0.4");
    assert_eq!(lab.dig("card", "+short card.corp.example"), "10.1.0.4");
}
