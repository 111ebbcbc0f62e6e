//! Estates described elsewhere: what `az` prints and what ARM answers lead to the answers of the lab itself.

use crate::bench::{Lab, said, says, squeeze};

/// What `az` needs to be asked for a whole estate, and the files that the answers go to.
const EXPORT: &[(&str, &str)] = &[
    ("aks list", "clusters"),
    ("network vnet list", "networks"),
    ("network nsg list", "groups"),
    ("network nic list", "interfaces"),
    ("network private-endpoint list", "endpoints"),
    ("network private-dns zone list", "zones"),
    ("network vnet-gateway list -g rg", "gateways"),
    ("network public-ip list", "addresses"),
    ("vm list -d", "machines"),
];

#[test]
fn a_lab_read_over_arm_or_from_az_is_explained_as_itself() {
    let Some(lab) = Lab::with_group() else { return };
    lab.az("network vnet create -g rg -n hub --address-prefixes 10.0.0.0/16 --subnet-name default --subnet-prefixes 10.0.0.0/24");
    lab.az("network vnet create -g rg -n spoke --address-prefixes 10.1.0.0/16 --subnet-name aks --subnet-prefixes 10.1.0.0/24");
    lab.az("network vnet peering create -g rg -n there --vnet-name hub --remote-vnet spoke --allow-vnet-access");
    lab.az("network vnet peering create -g rg -n back --vnet-name spoke --remote-vnet hub --allow-vnet-access");
    lab.az("network nsg create -g rg -n shut");
    lab.az(
        "network nsg rule create -g rg --nsg-name shut -n no --priority 200 --direction Outbound --access Deny --protocol Tcp --destination-port-ranges 443",
    );
    lab.az("network vnet subnet create -g rg --vnet-name hub -n shut --address-prefixes 10.0.1.0/24 --nsg shut");
    lab.az("network nic create -g rg -n jump --vnet-name hub --subnet default");
    let subnet = lab.az("network vnet subnet show -g rg --vnet-name spoke -n aks")["id"].as_str().unwrap().to_owned();
    lab.az(&format!("aks create -g rg -n a --enable-private-cluster --no-ssh-key --vnet-subnet-id {subnet}"));
    lab.az("aks create -g rg -n b --enable-private-cluster --disable-public-fqdn --no-ssh-key");

    let own = lab.noren_says(&["explain"]);
    // The group counts: who stands behind it does not even connect by the public name.
    says(&squeeze(&own), &["a jump, hub/default ~ public FQDN", "hub/shut ✗", "spoke/aks ✓"]);
    assert_eq!(said(lab.noren_signed_in().args(["explain", "--estate", "azure"])), own);

    let export = lab.path("export");
    std::fs::create_dir(&export).unwrap();
    let keep = |name: &str, line: &str| {
        let printed = said(&mut lab.az_command(&format!("{line} -o json")));
        std::fs::write(export.join(format!("{name}.json")), printed).unwrap();
    };
    for (line, name) in EXPORT {
        keep(name, line);
    }
    let zones = lab.az("network private-dns zone list");
    for (at, zone) in zones.as_array().unwrap().iter().enumerate() {
        let (group, zone) = (zone["resourceGroup"].as_str().unwrap(), zone["name"].as_str().unwrap());
        keep(&format!("records-{at}"), &format!("network private-dns record-set list -g {group} -z {zone}"));
        keep(&format!("links-{at}"), &format!("network private-dns link vnet list -g {group} -z {zone}"));
    }
    let mut explain = lab.noren_signed_in();
    assert_eq!(said(explain.arg("explain").arg("--estate").arg(&export)), own);
}

#[test]
fn a_token_that_is_not_accepted_is_said_with_what_to_do() {
    let lab = Lab::up();
    let mut explain = lab.noren_signed_in();
    let (code, text) =
        crate::bench::refused(explain.args(["explain", "--estate", "azure"]).env("AZURE_CLIENT_SECRET", "wrong"));
    assert_ne!(code, 0);
    says(&text, &["Azure cannot be read", "az login"]);
}
