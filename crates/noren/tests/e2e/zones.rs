//! The private DNS zone modes: none, an own zone of both shapes, a subdomain; public clusters; refusals.

use serde_json::{Value, json};

use crate::bench::{Lab, client, says, squeeze};

const CREATE: &str = "aks create -g rg --enable-private-cluster --no-ssh-key";

/// A network with a subnet for nodes, and an identity with rights on it and on `zone`.
fn prepared(lab: &Lab, zone: &str) -> [String; 3] {
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    lab.az("network vnet create -g rg -n spoke --address-prefixes 10.2.0.0/16 --subnet-name nodes --subnet-prefixes 10.2.0.0/24");
    let subnet = id(&lab.az("network vnet subnet show -g rg --vnet-name spoke -n nodes"));
    let zone = id(&lab.az(&format!("network private-dns zone create -g rg -n {zone}")));
    let identity = lab.az("identity create -g rg -n control-plane");
    let principal = identity["principalId"].as_str().unwrap();
    let network = subnet.split("/subnets/").next().unwrap();
    for (role, scope) in [("Private DNS Zone Contributor", zone.as_str()), ("Network Contributor", network)] {
        lab.az(&format!(
            "role assignment create --role '{role}' --scope {scope} --assignee-object-id {principal} --assignee-principal-type ServicePrincipal"
        ));
    }
    [subnet, zone, id(&identity)]
}

#[test]
fn without_a_zone_the_public_fqdn_is_the_only_name_and_stays() {
    let Some(lab) = Lab::with_group() else { return };
    let zoneless = lab.az(&format!("{CREATE} -n a --private-dns-zone none"));
    let fqdn = zoneless["fqdn"].as_str().unwrap();
    assert_eq!(
        (&zoneless["privateFqdn"], &zoneless["apiServerAccessProfile"]["privateDnsZone"]),
        (&Value::Null, &json!("none"))
    );
    assert_eq!(lab.asks("internet", fqdn), (true, "10.224.0.4".to_owned()));
    assert_eq!(lab.az("network private-dns zone list"), json!([]));
    says(
        &lab.az_refused(&format!("{CREATE} -n b --private-dns-zone none --disable-public-fqdn")),
        &["(NonePrivateDNSZonePublicFQDNDisabledError)"],
    );
    says(&lab.az_refused("aks update -g rg -n a --disable-public-fqdn"), &["cannot be applied for none mode"]);
    says(
        &lab.az_refused(&format!("{CREATE} -n b --api-server-authorized-ip-ranges 20.1.0.0/16")),
        &["not supported for private cluster"],
    );
}

#[test]
fn an_own_zone_holds_the_record_and_is_linked_to_the_nodes_network() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("dig")) else { return };
    let [subnet, zone, identity] = prepared(&lab, "privatelink.japaneast.azmk8s.io");
    let own = format!("--private-dns-zone {zone} --assign-identity {identity} --vnet-subnet-id {subnet}");
    let cluster = lab.az(&format!("{CREATE} -n a {own} --fqdn-subdomain team"));
    assert_eq!(cluster["privateFqdn"], "team.privatelink.japaneast.azmk8s.io");
    assert_eq!(cluster["apiServerAccessProfile"]["privateDnsZone"], zone);
    assert_eq!(lab.dig("spoke/nodes", "+short team.privatelink.japaneast.azmk8s.io"), "10.2.0.4");
    says(
        &squeeze(&lab.az_table("network private-dns link vnet list -g rg -z privatelink.japaneast.azmk8s.io")),
        &["/virtualNetworks/spoke Completed Succeeded"],
    );
    let refused = lab.az_refused(&format!("{CREATE} -n b --private-dns-zone {zone}"));
    says(&refused, &["(SystemAssignedIdentityNotSupportedForCustomPrivateDNSZone)"]);

    lab.az("aks delete -g rg -n a --yes");
    let left = lab.az("network private-dns record-set a list -g rg -z privatelink.japaneast.azmk8s.io");
    assert_eq!(left, json!([]), "the record goes, the zone stays");
    assert_eq!(lab.az("network private-dns zone list")[0]["id"], zone);
}

#[test]
fn a_sub_zone_is_an_own_zone_too_and_other_names_are_not() {
    let (Some(lab), Some(_)) = (Lab::with_group(), client("dig")) else { return };
    let [_, zone, identity] = prepared(&lab, "team.privatelink.japaneast.azmk8s.io");
    let cluster = lab.az(&format!("{CREATE} -n a --private-dns-zone {zone} --assign-identity {identity}"));
    let private = cluster["privateFqdn"].as_str().unwrap();
    assert!(private.ends_with(".team.privatelink.japaneast.azmk8s.io"), "{private}");
    let inside = lab.inside();
    assert_eq!(lab.dig(&inside, &format!("+short {private}")), "10.224.0.4");

    let wrong = lab.az("network private-dns zone create -g rg -n privatelink.westeurope.azmk8s.io");
    let create = format!("{CREATE} -n b --private-dns-zone {} --assign-identity", wrong["id"].as_str().unwrap());
    says(&lab.az_refused(&format!("{create} {identity}")), &["privatelink.japaneast.azmk8s.io"]);
    let stranger = lab.az("identity create -g rg -n stranger");
    let create =
        format!("{CREATE} -n b --private-dns-zone {zone} --assign-identity {}", stranger["id"].as_str().unwrap());
    says(&lab.az_refused(&create), &["(CustomPrivateDNSZoneMissingPermissionError)"]);
}

#[test]
fn a_public_cluster_is_reached_from_the_authorized_ranges_only() {
    let (Some(lab), Some(_)) = (Lab::behind_proxies(), client("kubectl")) else { return };
    let cluster = lab.az("aks create -g rg -n a --no-ssh-key");
    let fqdn = cluster["fqdn"].as_str().unwrap();
    assert_eq!((&cluster["privateFqdn"], &cluster["apiServerAccessProfile"]), (&Value::Null, &Value::Null));
    let (found, address) = lab.asks("internet", fqdn);
    assert!(found && !address.starts_with("10."), "{address}");
    lab.az_command("aks get-credentials -g rg -n a").output().unwrap();
    says(&lab.kubectl("internet", "get nodes"), &["Ready"]);
    lab.az("aks update -g rg -n a --api-server-authorized-ip-ranges 20.1.0.0/16");
    let (_, text) = crate::bench::refused(&mut lab.at("internet", "kubectl get nodes"));
    says(&text, &["authorized"]);
    lab.az("aks update -g rg -n a --api-server-authorized-ip-ranges ''");
    says(&lab.kubectl("internet", "get nodes"), &["Ready"]);
}
