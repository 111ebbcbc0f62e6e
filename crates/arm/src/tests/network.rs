//! Virtual networks, what stands in them, and what becomes of the ones that point at each other.

use serde_json::{Value, json};

use super::Lab;

const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network";

fn vnet(name: &str) -> String {
    format!("{NETWORK}/virtualNetworks/{name}")
}

fn half(from: &str, to: &str) -> String {
    format!("{}/virtualNetworkPeerings/to-{to}", vnet(from))
}

async fn network(lab: &Lab, name: &str, space: &[&str]) {
    let subnets = space.first().map(|prefix| json!({"name": "default", "properties": {"addressPrefix": prefix}}));
    let properties = json!({"addressSpace": {"addressPrefixes": space}, "subnets": [subnets]});
    lab.made(&vnet(name), json!({"location": "westeurope", "properties": properties})).await;
}

fn peering(lab: &Lab, to: &str) -> Value {
    json!({"properties": {"remoteVirtualNetwork": {"id": lab.full_id(&vnet(to))}}})
}

async fn peer(lab: &Lab, from: &str, to: &str) {
    lab.made(&half(from, to), peering(lab, to)).await;
}

async fn state(lab: &Lab, from: &str, to: &str) -> String {
    let half = lab.get(&half(from, to)).await.body;
    let properties = &half["properties"];
    format!("{} {}", properties["peeringState"].as_str().unwrap(), properties["peeringSyncLevel"].as_str().unwrap())
}

async fn interface(lab: &Lab, name: &str, network: &str) -> Value {
    let subnet = lab.full_id(&format!("{}/subnets/default", vnet(network)));
    let configuration = json!({"name": "ipconfig1", "properties": {"subnet": {"id": subnet}}});
    let body = json!({"location": "westeurope", "properties": {"ipConfigurations": [configuration]}});
    lab.made(&format!("{NETWORK}/networkInterfaces/{name}"), body).await
}

async fn refused_put(lab: &Lab, path: &str, body: Value) -> String {
    lab.words(&lab.put(path, body).await)
}

#[tokio::test]
async fn a_peering_is_initiated_until_its_other_half_is_there() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    network(&lab, "b", &["10.2.0.0/16"]).await;
    peer(&lab, "a", "b").await;
    assert_eq!(state(&lab, "a", "b").await, "Initiated RemoteNotInSync");
    peer(&lab, "b", "a").await;
    assert_eq!(state(&lab, "a", "b").await, "Connected FullyInSync");
    assert_eq!(state(&lab, "b", "a").await, "Connected FullyInSync");
    let shown = lab.get(&vnet("a")).await.body;
    let embedded = &shown["properties"]["virtualNetworkPeerings"][0]["properties"];
    assert_eq!(embedded["remoteAddressSpace"], json!({"addressPrefixes": ["10.2.0.0/16"]}));
    assert_eq!(embedded["peeringState"], "Connected");
    assert_eq!(lab.made(&vnet("a"), shown).await["properties"]["virtualNetworkPeerings"][0]["name"], "to-b");
    assert_eq!(state(&lab, "a", "b").await, "Connected FullyInSync", "a network put as it was read changes nothing");
}

#[tokio::test]
async fn a_half_whose_other_half_is_gone_is_disconnected_until_it_is_written_again() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    network(&lab, "b", &["10.2.0.0/16"]).await;
    peer(&lab, "a", "b").await;
    peer(&lab, "b", "a").await;
    assert_eq!(lab.delete(&half("b", "a")).await.status, 204);
    assert_eq!(state(&lab, "a", "b").await, "Disconnected RemoteNotInSync");
    insta::assert_snapshot!(
        refused_put(&lab, &half("b", "a"), peering(&lab, "a")).await,
        @"400 RemotePeeringIsDisconnected: Cannot create or update peering /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/b/virtualNetworkPeerings/to-a because remote peering /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/a/virtualNetworkPeerings/to-b referencing parent virtual network /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/b is in Disconnected state. Update or re-create the remote peering to get it back to Initiated state. Peering gets Disconnected when remote vnet or remote peering is deleted and re-created."
    );
    let shown = lab.get(&vnet("a")).await.body;
    lab.made(&vnet("a"), shown).await;
    assert_eq!(state(&lab, "a", "b").await, "Disconnected RemoteNotInSync", "its network's PUT is not its own");
    peer(&lab, "a", "b").await;
    assert_eq!(state(&lab, "a", "b").await, "Initiated RemoteNotInSync");
    peer(&lab, "b", "a").await;
    assert_eq!(state(&lab, "a", "b").await, "Connected FullyInSync");
}

#[tokio::test]
async fn what_pointed_at_a_network_that_goes_is_disconnected() {
    let lab = Lab::with_group().await;
    lab.group("other").await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    network(&lab, "b", &["10.2.0.0/16"]).await;
    let far = "/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/c";
    let space = json!({"addressSpace": {"addressPrefixes": ["10.3.0.0/16"]}});
    lab.made(far, json!({"location": "westeurope", "properties": space})).await;
    peer(&lab, "a", "b").await;
    peer(&lab, "b", "a").await;
    let to_far = json!({"properties": {"remoteVirtualNetwork": {"id": lab.full_id(far)}}});
    lab.made(&half("a", "c"), to_far).await;
    lab.made(&format!("{far}/virtualNetworkPeerings/to-a"), peering(&lab, "a")).await;

    assert_eq!(lab.delete(&vnet("b")).await.status, 204);
    assert_eq!(state(&lab, "a", "b").await, "Disconnected RemoteNotInSync");
    assert_eq!(state(&lab, "a", "c").await, "Connected FullyInSync");
    assert_eq!(lab.delete("/resourceGroups/other").await.status, 200);
    assert_eq!(state(&lab, "a", "c").await, "Disconnected RemoteNotInSync", "a group takes its networks with it");

    network(&lab, "b", &["10.2.0.0/16"]).await;
    assert_eq!(lab.put(&half("b", "a"), peering(&lab, "a")).await.code(), (400, "RemotePeeringIsDisconnected"));
    assert_eq!(lab.delete("/resourceGroups/rg").await.status, 200);
    let lab = lab.restarted(crate::Pace::Instant).await;
    assert!(lab.plane.estate().is_empty(), "networks that point at each other go together, for good");
}

#[tokio::test]
async fn networks_that_share_addresses_are_not_peered() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    network(&lab, "b", &["10.2.0.0/16", "10.1.128.0/24"]).await;
    network(&lab, "c", &["10.2.128.0/24"]).await;
    insta::assert_snapshot!(
        refused_put(&lab, &half("a", "b"), peering(&lab, "b")).await,
        @"400 VnetAddressSpacesOverlap: Cannot create or update peering /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/a/virtualNetworkPeerings/to-b. Virtual networks /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/a and /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/b cannot be peered because their address spaces overlap. Overlapping address prefixes: 10.1.0.0/16, 10.1.128.0/24"
    );
    network(&lab, "b", &["10.2.0.0/16"]).await;
    peer(&lab, "a", "b").await;
    assert_eq!(
        lab.put(&half("a", "c"), peering(&lab, "c")).await.code(),
        (400, "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet"),
        "two peers of one network may not overlap either"
    );
    let again = format!("{}/virtualNetworkPeerings/again", vnet("a"));
    assert_eq!(lab.put(&again, peering(&lab, "b")).await.code(), (400, "AnotherPeeringAlreadyReferencesRemoteVnet"));
    assert_eq!(lab.put(&again, peering(&lab, "a")).await.code(), (400, "VnetCannotBePeeredWithItself"));
    assert_eq!(lab.put(&again, peering(&lab, "nowhere")).await.code(), (400, "InvalidResourceReference"));
    assert_eq!(
        lab.put(&half("a", "b"), peering(&lab, "c")).await.code(),
        (400, "ChangingRemoteVirtualNetworkNotAllowed")
    );
    let wide = json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/8"]}}});
    assert_eq!(lab.put(&vnet("a"), wide).await.code(), (400, "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet"));
}

#[tokio::test]
async fn a_peered_network_that_grows_is_out_of_sync_until_the_other_half_is_synchronised() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    network(&lab, "b", &["10.2.0.0/16"]).await;
    peer(&lab, "a", "b").await;
    peer(&lab, "b", "a").await;
    let grown = json!({"addressSpace": {"addressPrefixes": ["10.2.0.0/16", "10.20.0.0/16"]}});
    lab.made(&vnet("b"), json!({"location": "westeurope", "properties": grown})).await;
    assert_eq!(state(&lab, "b", "a").await, "Connected RemoteNotInSync");
    assert_eq!(state(&lab, "a", "b").await, "Connected LocalNotInSync");
    let seen = lab.get(&half("a", "b")).await.body;
    assert_eq!(seen["properties"]["remoteAddressSpace"]["addressPrefixes"], json!(["10.2.0.0/16"]));
    assert_eq!(
        seen["properties"]["remoteVirtualNetworkAddressSpace"]["addressPrefixes"],
        json!(["10.2.0.0/16", "10.20.0.0/16"])
    );
    lab.made(&half("a", "b"), peering(&lab, "b")).await;
    assert_eq!(state(&lab, "a", "b").await, "Connected LocalNotInSync", "only who asks for it is synchronised");
    lab.made(&format!("{}?syncRemoteAddressSpace=true", half("a", "b")), peering(&lab, "b")).await;
    assert_eq!(state(&lab, "a", "b").await, "Connected FullyInSync");
    assert_eq!(state(&lab, "b", "a").await, "Connected FullyInSync");
}

#[tokio::test]
async fn a_remote_gateway_is_used_only_where_there_is_one() {
    let lab = Lab::with_group().await;
    network(&lab, "hub", &["10.1.0.0/16"]).await;
    network(&lab, "spoke", &["10.2.0.0/16"]).await;
    let mut body = peering(&lab, "hub");
    body["properties"]["useRemoteGateways"] = json!(true);
    insta::assert_snapshot!(
        refused_put(&lab, &half("spoke", "hub"), body).await,
        @"400 RemoteVnetHasNoGateways: Peering /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/spoke/virtualNetworkPeerings/to-hub cannot have UseRemoteGateways flag set to true because remote virtual network /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/hub referenced by the peering does not have any gateways."
    );
}

#[tokio::test]
async fn a_subnet_in_use_is_neither_deleted_nor_moved() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    let nic = interface(&lab, "vm", "a").await;
    assert_eq!(nic["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.1.0.4");
    let subnet = format!("{}/subnets/default", vnet("a"));
    let in_use = "400 InUseSubnetCannotBeDeleted: Subnet default is in use by /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/networkInterfaces/vm/ipConfigurations/ipconfig1 and cannot be deleted. In order to delete the subnet, delete all the resources within the subnet. See aka.ms/deletesubnet.";
    assert_eq!(lab.words(&lab.delete(&subnet).await), in_use);
    assert_eq!(lab.words(&lab.delete(&vnet("a")).await), in_use);
    let emptied = json!({"location": "westeurope", "properties": {
        "addressSpace": {"addressPrefixes": ["10.1.0.0/16"]}, "subnets": [],
    }});
    assert_eq!(refused_put(&lab, &vnet("a"), emptied).await, in_use);
    insta::assert_snapshot!(
        refused_put(&lab, &subnet, json!({"properties": {"addressPrefix": "10.1.0.0/24"}})).await,
        @"400 InUsePrefixCannotBeDeleted: IpPrefix 10.1.0.0/16 on Subnet default has active allocations and cannot be deleted."
    );
    assert_eq!(lab.delete(&format!("{NETWORK}/networkInterfaces/vm")).await.status, 204);
    assert_eq!(lab.delete(&subnet).await.status, 204);
    assert_eq!(lab.get(&vnet("a")).await.body["properties"]["subnets"], json!([]));
}

#[tokio::test]
async fn a_subnet_says_which_of_its_policies_govern_private_endpoints() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    let subnet = format!("{}/subnets/default", vnet("a"));
    let put = async |policies: Value| {
        let mut properties = json!({"addressPrefix": "10.1.0.0/16"});
        if !policies.is_null() {
            properties["privateEndpointNetworkPolicies"] = policies;
        }
        lab.put(&subnet, json!({"properties": properties})).await
    };
    let held = async || lab.get(&subnet).await.body["properties"]["privateEndpointNetworkPolicies"].clone();
    assert!(put(Value::Null).await.status < 300);
    assert_eq!(held().await, "Disabled", "unless somebody says otherwise");
    for policies in ["Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled", "Disabled"] {
        assert!(put(json!(policies)).await.status < 300);
        assert_eq!(held().await, policies);
    }
    for nonsense in [json!("Sometimes"), json!(true)] {
        let refused = put(nonsense).await;
        assert_eq!(refused.code(), (400, "InvalidRequestFormat"), "{refused:?}");
    }
    assert_eq!(held().await, "Disabled");
}

#[tokio::test]
async fn subnets_lie_inside_their_network_and_apart() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    let subnet = |name: &str| format!("{}/subnets/{name}", vnet("a"));
    for (prefix, code) in [
        ("10.2.0.0/24", "NetcfgSubnetRangeOutsideVnet"),
        ("10.1.5.0/24", "NetcfgSubnetRangesOverlap"),
        ("10.1.5.1/24", "InvalidCIDRNotation"),
        ("ten", "InvalidAddressPrefixFormat"),
    ] {
        let refused = lab.put(&subnet("x"), json!({"properties": {"addressPrefix": prefix}})).await;
        assert_eq!(refused.code(), (400, code), "{prefix}");
    }
    assert_eq!(lab.put(&subnet("x"), json!({})).await.code(), (400, "NoAddressPrefixOrPoolProvided"));
    let spaceless = lab.put(&vnet("spaceless"), json!({"location": "westeurope", "properties": {}})).await;
    assert_eq!(spaceless.code(), (400, "NoAddressPrefixOrPoolProvided"));
    let group = json!({"addressPrefix": "10.1.0.0/16", "networkSecurityGroup": {"id": lab.full_id(&format!("{NETWORK}/networkSecurityGroups/no"))}});
    assert_eq!(
        lab.put(&subnet("default"), json!({"properties": group})).await.code(),
        (400, "InvalidResourceReference")
    );
    let narrow =
        json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.1.0.0/17"]}}});
    assert_eq!(lab.put(&vnet("a"), narrow).await.code(), (400, "NetcfgSubnetRangeOutsideVnet"));
    let twice = json!({"location": "westeurope", "properties": {
        "addressSpace": {"addressPrefixes": ["10.1.0.0/16", "10.1.0.0/24"]},
    }});
    assert_eq!(lab.put(&vnet("a"), twice).await.code(), (400, "OverlappingAddressSpacePrefixes"));
}

#[tokio::test]
async fn an_associated_security_group_or_route_table_is_not_deleted() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    let (nsg, table) = (format!("{NETWORK}/networkSecurityGroups/nsg"), format!("{NETWORK}/routeTables/rt"));
    let rule = json!({"name": "ssh", "properties": {
        "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
        "sourcePortRange": "*", "destinationPortRange": "22", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*",
    }});
    lab.made(&nsg, json!({"location": "westeurope", "properties": {"securityRules": [rule]}})).await;
    lab.made(&table, json!({"location": "westeurope"})).await;
    let route = json!({"properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "None"}});
    lab.made(&format!("{table}/routes/default"), route).await;
    let subnet = format!("{}/subnets/default", vnet("a"));
    let associated = json!({"properties": {
        "addressPrefix": "10.1.0.0/16",
        "networkSecurityGroup": {"id": lab.full_id(&nsg)},
        "routeTable": {"id": lab.full_id(&table)},
    }});
    lab.made(&subnet, associated).await;

    let shown = lab.get(&nsg).await.body;
    assert_eq!(shown["properties"]["securityRules"][0]["id"], lab.full_id(&format!("{nsg}/securityRules/ssh")));
    assert_eq!(shown["properties"]["subnets"], json!([{"id": lab.full_id(&subnet)}]));
    assert_eq!(shown["properties"]["defaultSecurityRules"].as_array().unwrap().len(), 6);
    assert_eq!(lab.get(&table).await.body["properties"]["routes"][0]["name"], "default");
    let again = lab.made(&nsg, shown).await;
    assert_eq!(again["properties"]["securityRules"].as_array().unwrap().len(), 1, "put as it was read");

    insta::assert_snapshot!(
        lab.words(&lab.delete(&nsg).await),
        @"400 InUseNetworkSecurityGroupCannotBeDeleted: Network security group /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/networkSecurityGroups/nsg cannot be deleted because it is in use by the following resources: /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/a/subnets/default. In order to delete the Network security group, remove the association with the resource(s). To learn how to do this, see aka.ms/deletensg."
    );
    insta::assert_snapshot!(
        lab.words(&lab.delete(&table).await),
        @"400 InUseRouteTableCannotBeDeleted: Route table rt is in use and cannot be deleted."
    );
    lab.made(&subnet, json!({"properties": {"addressPrefix": "10.1.0.0/16"}})).await;
    assert_eq!((lab.delete(&nsg).await.status, lab.delete(&table).await.status), (204, 204));
    assert_eq!(lab.get(&format!("{nsg}/securityRules/ssh")).await.status, 404);
}

#[tokio::test]
async fn a_security_rule_has_a_priority_of_its_own_and_a_route_leads_somewhere() {
    let lab = Lab::with_group().await;
    let (nsg, table) = (format!("{NETWORK}/networkSecurityGroups/nsg"), format!("{NETWORK}/routeTables/rt"));
    let place = json!({"location": "westeurope"});
    lab.made(&nsg, place.clone()).await;
    lab.made(&table, place).await;
    let rule = |priority: u32, direction: &str| {
        json!({"properties": {
            "priority": priority, "direction": direction, "access": "Allow", "protocol": "Tcp", "sourcePortRange": "*",
            "destinationPortRange": "22", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*",
        }})
    };
    let path = |name: &str| format!("{nsg}/securityRules/{name}");
    lab.made(&path("ssh"), rule(100, "Inbound")).await;
    lab.made(&path("ssh"), rule(100, "Inbound")).await;
    lab.made(&path("out"), rule(100, "Outbound")).await;
    insta::assert_snapshot!(
        refused_put(&lab, &path("more"), rule(100, "Inbound")).await,
        @"400 SecurityRuleConflict: Security rule more conflicts with rule ssh. Rules cannot have the same Priority and Direction."
    );
    insta::assert_snapshot!(
        refused_put(&lab, &path("early"), rule(99, "Inbound")).await,
        @"400 SecurityRuleInvalidPriority: Security rule has invalid Priority. Value provided: 99 Allowed range 100-4096."
    );
    assert_eq!(lab.put(&path("odd"), rule(200, "Sideways")).await.code(), (400, "InvalidRequestFormat"));
    let twice: Vec<Value> = ["a", "b"]
        .into_iter()
        .map(|name| {
            let mut rule = rule(300, "Inbound");
            rule["name"] = json!(name);
            rule
        })
        .collect();
    let body = json!({"location": "westeurope", "properties": {"securityRules": twice}});
    assert_eq!(lab.put(&nsg, body).await.code(), (400, "SecurityRuleConflict"));
    let nowhere = json!({"properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance"}});
    assert_eq!(lab.put(&format!("{table}/routes/r"), nowhere).await.code(), (400, "InvalidRequestFormat"));
}

#[tokio::test]
async fn an_interface_gets_the_address_it_asks_for_or_the_next_free_one() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/29"]).await;
    let subnet = lab.full_id(&format!("{}/subnets/default", vnet("a")));
    let wish = |address: &str| {
        let fixed =
            json!({"subnet": {"id": subnet}, "privateIPAllocationMethod": "Static", "privateIPAddress": address});
        json!({"location": "westeurope", "properties": {"ipConfigurations": [{"name": "c", "properties": fixed}]}})
    };
    let nic = |name: &str| format!("{NETWORK}/networkInterfaces/{name}");
    lab.made(&nic("fixed"), wish("10.1.0.4")).await;
    for (address, code) in [
        ("10.2.0.4", "PrivateIPAddressNotInSubnet"),
        ("10.1.0.3", "PrivateIPAddressInReservedRange"),
        ("10.1.0.4", "PrivateIPAddressIsAllocated"),
    ] {
        assert_eq!(lab.put(&nic("x"), wish(address)).await.code(), (400, code), "{address}");
    }
    for (name, address) in [("one", "10.1.0.5"), ("two", "10.1.0.6")] {
        let made = interface(&lab, name, "a").await;
        assert_eq!(made["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], address);
    }
    let full = json!({"location": "westeurope", "properties": {
        "ipConfigurations": [{"name": "c", "properties": {"subnet": {"id": subnet}}}],
    }});
    assert_eq!(lab.put(&nic("three"), full).await.code(), (400, "SubnetIsFull"));
    let shown = lab.get(&nic("one")).await.body;
    let kept = lab.made(&nic("one"), shown).await;
    assert_eq!(kept["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.1.0.5");
}

#[tokio::test]
async fn a_private_endpoint_brings_its_interface_and_takes_it_along() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    let service = "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/Store1";
    lab.made(service, json!({"location": "westeurope"})).await;
    let endpoint = format!("{NETWORK}/privateEndpoints/pe");
    let subnet = lab.full_id(&format!("{}/subnets/default", vnet("a")));
    let connection =
        json!({"name": "c", "properties": {"privateLinkServiceId": lab.full_id(service), "groupIds": ["blob"]}});
    let body = json!({"location": "westeurope", "properties": {
        "subnet": {"id": subnet}, "privateLinkServiceConnections": [connection],
    }});
    let made = lab.made(&endpoint, body).await;
    let state = &made["properties"]["privateLinkServiceConnections"][0]["properties"];
    assert_eq!(state["privateLinkServiceConnectionState"]["status"], "Approved");
    let nic = made["properties"]["networkInterfaces"][0]["id"].as_str().unwrap();
    let nic = nic.split_once("/resourceGroups").map(|(_, rest)| format!("/resourceGroups{rest}")).unwrap();
    assert!(lab.get(&nic).await.body["properties"]["privateEndpoint"]["id"].as_str().unwrap().ends_with("/pe"));
    assert_eq!(lab.delete(&nic).await.code(), (400, "NicInUseWithPrivateEndpoint"));
    assert_eq!(lab.delete(&format!("{}/subnets/default", vnet("a"))).await.code(), (400, "InUseSubnetCannotBeDeleted"));
    assert_eq!(lab.delete(&endpoint).await.status, 204);
    assert_eq!(lab.get(&nic).await.status, 404);
}

#[tokio::test]
async fn a_dns_zone_group_keeps_the_endpoints_record_in_its_zones() {
    let lab = Lab::with_group().await;
    network(&lab, "a", &["10.1.0.0/16"]).await;
    let service = "/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/Store1";
    lab.made(service, json!({"location": "westeurope"})).await;
    let (endpoint, zone) = (
        format!("{NETWORK}/privateEndpoints/pe"),
        format!("{NETWORK}/privateDnsZones/privatelink.blob.core.windows.net"),
    );
    lab.made(&zone, json!({"location": "global"})).await;
    let subnet = lab.full_id(&format!("{}/subnets/default", vnet("a")));
    let connection = json!({"name": "c", "properties": {"privateLinkServiceId": lab.full_id(service)}});
    let body = json!({"location": "westeurope", "properties": {
        "subnet": {"id": subnet}, "privateLinkServiceConnections": [connection],
    }});
    lab.made(&endpoint, body.clone()).await;
    let group = format!("{endpoint}/privateDnsZoneGroups/default");
    let wanted = |zone: &str| {
        json!({"properties": {"privateDnsZoneConfigs": [
            {"name": "blob", "properties": {"privateDnsZoneId": lab.full_id(zone)}},
        ]}})
    };
    let made = lab.made(&group, wanted(&zone)).await;
    let set = &made["properties"]["privateDnsZoneConfigs"][0]["properties"]["recordSets"][0];
    assert_eq!((&set["recordSetName"], &set["ipAddresses"]), (&json!("store1"), &json!(["10.1.0.4"])));
    let record = lab.get(&format!("{zone}/A/store1")).await.body;
    assert_eq!(record["properties"]["aRecords"], json!([{"ipv4Address": "10.1.0.4"}]));
    let creator = record["properties"]["metadata"]["creator"].as_str().unwrap();
    assert!(creator.starts_with("created by private endpoint pe with resource guid "), "{creator}");

    assert_eq!(
        lab.put(&format!("{endpoint}/privateDnsZoneGroups/second"), wanted(&zone)).await.code(),
        (400, "MoreThanOnePrivateDnsZoneGroupPerPrivateEndpointNotAllowed")
    );
    assert_eq!(lab.put(&group, wanted(&format!("{zone}.no"))).await.code(), (400, "InvalidResourceReference"));
    assert_eq!(lab.put(&group, json!({})).await.code(), (400, "InvalidRequestFormat"));
    assert_eq!(lab.delete(&group).await.status, 204);
    assert_eq!(lab.get(&format!("{zone}/A/store1")).await.status, 404);
    lab.made(&group, wanted(&zone)).await;
    assert_eq!(lab.delete(&endpoint).await.status, 204);
    assert_eq!(lab.get(&format!("{zone}/A/store1")).await.status, 404, "with the endpoint goes its record");
}
