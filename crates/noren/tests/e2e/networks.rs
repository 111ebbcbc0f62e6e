//! Virtual networks, subnets, peerings, security groups and route tables, as `az network` makes and shows them.

use serde_json::json;

use crate::bench::{Lab, says, squeeze};

#[test]
fn a_peering_has_two_halves_and_knows_what_became_of_the_other() {
    let Some(lab) = Lab::with_group() else { return };
    for (name, prefix) in [("hub", "10.1.0.0/16"), ("spoke", "10.2.0.0/16"), ("twin", "10.1.128.0/17")] {
        lab.az(&format!("network vnet create -g rg -n {name} --address-prefixes {prefix}"));
    }
    let peer = |near: &str, far: &str| {
        format!(
            "network vnet peering create -g rg -n to-{far} --vnet-name {near} --remote-vnet {far} --allow-vnet-access --query peeringState"
        )
    };
    let show = |near: &str, far: &str| {
        lab.az(&format!("network vnet peering show -g rg -n to-{far} --vnet-name {near} --query peeringState"))
    };
    assert_eq!(lab.az(&peer("hub", "spoke")), "Initiated");
    assert_eq!(lab.az(&peer("spoke", "hub")), "Connected");
    assert_eq!(show("hub", "spoke"), "Connected");
    says(
        &squeeze(&lab.az_table("network vnet peering list -g rg --vnet-name hub")),
        &["False False True to-spoke True Connected FullyInSync Succeeded rg False"],
    );
    lab.az("network vnet peering delete -g rg -n to-hub --vnet-name spoke");
    assert_eq!(show("hub", "spoke"), "Disconnected");
    says(&lab.az_refused(&peer("spoke", "hub")), &["Disconnected"]);
    says(&lab.az_refused(&peer("hub", "twin")), &["(VnetAddressSpacesOverlap)"]);
}

#[test]
fn subnets_lie_in_their_network_and_carry_security_groups_and_route_tables() {
    let Some(lab) = Lab::with_group() else { return };
    let made = lab.az(
        "network vnet create -g rg -n v --address-prefixes 10.1.0.0/16 --subnet-name s --subnet-prefixes 10.1.0.0/24",
    );
    assert_eq!(made["newVNet"]["subnets"][0]["addressPrefix"], "10.1.0.0/24");
    says(&squeeze(&lab.az_table("network vnet list")), &["v rg japaneast 1 10.1.0.0/16"]);
    let subnet = "network vnet subnet create -g rg --vnet-name v -n t --address-prefixes";
    says(&lab.az_refused(&format!("{subnet} 10.9.0.0/24")), &["(NetcfgSubnetRangeOutsideVnet)"]);
    says(&lab.az_refused(&format!("{subnet} 10.1.0.128/25")), &["(NetcfgSubnetRangesOverlap)"]);
    says(&lab.az_refused("network vnet create -g none -n v"), &["(ResourceGroupNotFound)"]);

    lab.az("network nsg create -g rg -n guard");
    lab.az("network nsg rule create -g rg --nsg-name guard -n no-api --priority 100 --access Deny --protocol Tcp --destination-port-ranges 443");
    says(&squeeze(&lab.az_table("network nsg rule list -g rg --nsg-name guard")), &["no-api rg 100"]);
    lab.az("network route-table create -g rg -n routes");
    lab.az("network route-table route create -g rg --route-table-name routes -n def --address-prefix 0.0.0.0/0 --next-hop-type VirtualAppliance --next-hop-ip-address 10.1.0.4");
    assert_eq!(
        lab.az("network route-table show -g rg -n routes --query routes[].nextHopIpAddress"),
        json!(["10.1.0.4"])
    );
    let updated = lab.az("network vnet subnet update -g rg --vnet-name v -n s --nsg guard --route-table routes");
    says(updated["networkSecurityGroup"]["id"].as_str().unwrap(), &["/networkSecurityGroups/guard"]);
    says(updated["routeTable"]["id"].as_str().unwrap(), &["/routeTables/routes"]);
    says(&lab.az_refused("network nsg delete -g rg -n guard"), &["InUse"]);
    lab.az("network vnet update -g rg -n v --dns-servers 10.1.0.5");
    let shown = lab.az("network vnet show -g rg -n v");
    assert_eq!(shown["dhcpOptions"]["dnsServers"], json!(["10.1.0.5"]));
    assert_eq!(shown["subnets"][0]["name"], "s", "an update loses no subnet");
    lab.az("network vnet delete -g rg -n v");
    assert_eq!(lab.az("network vnet list"), json!([]));
}
