//! What Azure refuses, in its codes.

use serde_json::{Value, json};

use super::{CLUSTER, IDENTITY, NETWORK, OWN_ZONE, own_zone, prepare_own_zone, wish};
use crate::tests::Lab;

async fn subnet(lab: &Lab, prefix: &str) -> String {
    let network = format!("{NETWORK}/virtualNetworks/own");
    let properties = json!({"addressSpace": {"addressPrefixes": [prefix]}});
    lab.made(&network, json!({"location": "westeurope", "properties": properties})).await;
    let subnet = format!("{network}/subnets/nodes");
    lab.made(&subnet, json!({"properties": {"addressPrefix": prefix}})).await;
    lab.full_id(&subnet)
}

#[tokio::test]
async fn what_azure_refuses_of_a_cluster_is_refused_and_changes_nothing() {
    let lab = Lab::with_group().await;
    prepare_own_zone(&lab).await;
    lab.made(&format!("{NETWORK}/privateDnsZones/wrong.example"), json!({"location": "global"})).await;
    let small = subnet(&lab, "10.50.0.0/29").await;
    let before = lab.plane.estate().len();
    let private = || json!({"enablePrivateCluster": true});
    let with = |path: &[&str], value: Value| {
        let mut body = wish(private());
        let mut at = &mut body;
        for name in path {
            at = match name.parse::<usize>() {
                Ok(index) => &mut at[index],
                Err(_) => &mut at[*name],
            };
        }
        *at = value;
        body
    };
    let access = |value: Value| with(&["properties", "apiServerAccessProfile"], value);
    let pool = |name: &str, value: Value| with(&["properties", "agentPoolProfiles", "0", name], value);
    let zone = |path: &str| json!({"enablePrivateCluster": true, "privateDNSZone": lab.full_id(path)});
    let as_user = |access: Value| {
        let mut body = own_zone(&lab);
        body["properties"]["apiServerAccessProfile"] = access;
        body
    };
    let mut stranger = as_user(zone(OWN_ZONE));
    stranger["identity"] =
        json!({"type": "UserAssigned", "userAssignedIdentities": {format!("{}x", lab.full_id(IDENTITY)): {}}});
    let none_off =
        json!({"enablePrivateCluster": true, "privateDNSZone": "none", "enablePrivateClusterPublicFQDN": false});
    for (what, body, code) in [
        ("no zone and no public FQDN", access(none_off), "NonePrivateDNSZonePublicFQDNDisabledError"),
        (
            "own zone, system-assigned identity",
            access(zone(OWN_ZONE)),
            "SystemAssignedIdentityNotSupportedForCustomPrivateDNSZone",
        ),
        ("an identity that is not there", stranger, "FailedIdentityOperation"),
        ("a size of which there are no machines", pool("vmSize", json!("Standard_Nonsense")), "VMSizeNotSupported"),
        (
            "a zone of another name",
            as_user(zone(&format!("{NETWORK}/privateDnsZones/wrong.example"))),
            "InvalidPrivateDNSZoneResourceID",
        ),
        (
            "a zone that is not there",
            as_user(zone(&OWN_ZONE.replace("privatelink", "x.privatelink"))),
            "PrivateDNSZoneResourceNotFoundError",
        ),
        (
            "neither a mode nor a zone",
            access(json!({"enablePrivateCluster": true, "privateDNSZone": "some"})),
            "InvalidPrivateDNSZoneResourceID",
        ),
        (
            "authorized ranges on a private cluster",
            access(json!({"enablePrivateCluster": true, "authorizedIPRanges": ["1.2.3.4"]})),
            "InvalidParameter",
        ),
        ("a zone on a public cluster", access(json!({"privateDNSZone": "system"})), "InvalidParameter"),
        ("a subdomain without an own zone", with(&["properties", "fqdnSubdomain"], json!("x")), "InvalidParameter"),
        ("no DNS prefix", with(&["properties", "dnsPrefix"], Value::Null), "InvalidParameter"),
        ("an unknown version", with(&["properties", "kubernetesVersion"], json!("1.2.3")), "K8sVersionNotSupported"),
        ("a subnet that is not there", pool("vnetSubnetID", json!(format!("{small}x"))), "SubnetNotFound"),
        ("a subnet that is too small", pool("vnetSubnetID", json!(small)), "InsufficientSubnetSize"),
        ("no subnet at all", pool("vnetSubnetID", json!("nodes")), "LinkedInvalidPropertyId"),
        ("no system pool", pool("mode", json!("User")), "MustDefineAtLeastOneSystemPool"),
        ("no node in a system pool", pool("count", json!(0)), "InvalidParameter"),
        ("a pool name Azure does not allow", pool("name", json!("Pool")), "InvalidParameter"),
        ("no pool", with(&["properties", "agentPoolProfiles"], json!([])), "OperationNotAllowed"),
        ("no identity", with(&["identity"], json!({"type": "None"})), "InvalidParameter"),
        (
            "services where the nodes are",
            with(
                &["properties", "networkProfile"],
                json!({"serviceCidr": "10.224.0.0/16", "dnsServiceIP": "10.224.0.10"}),
            ),
            "ServiceCidrOverlapExistingSubnetsCidr",
        ),
        (
            "a node resource group that is there",
            with(&["properties", "nodeResourceGroup"], json!("rg")),
            "NodeResourceGroupSameAsResourceGroup",
        ),
    ] {
        let refused = lab.put(CLUSTER, body).await;
        assert_eq!(refused.code(), (400, code), "{what}: {refused:?}");
        assert_eq!(lab.plane.estate().len(), before, "{what}");
    }
    lab.delete(
        "/resourceGroups/rg/providers/Microsoft.Authorization/roleAssignments/aaaaaaaa-0000-4000-8000-000000000001",
    )
    .await;
    let refused = lab.put(CLUSTER, own_zone(&lab)).await;
    insta::assert_snapshot!(
        lab.words(&refused),
        @"400 CustomPrivateDNSZoneMissingPermissionError: Service principal or user-assigned identity must be given permission to read and write to custom private dns zone /subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/privatelink.westeurope.azmk8s.io. Check access result not allowed for action Microsoft.Network/privateDnsZones/read."
    );
    assert_eq!(
        lab.put(&CLUSTER.replace("Clusters/a", "Clusters/a-"), wish(private())).await.code(),
        (400, "InvalidParameter")
    );
}

#[tokio::test]
async fn what_a_cluster_was_made_with_stays() {
    let lab = Lab::with_group().await;
    lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    let change = async |path: &str, name: &str, value: Value| {
        let mut body = lab.get(CLUSTER).await.body;
        *body.pointer_mut(path).unwrap().as_object_mut().unwrap().entry(name).or_insert(Value::Null) = value;
        let refused = lab.put(CLUSTER, body).await;
        lab.words(&refused)
    };
    let profile = "/properties/apiServerAccessProfile";
    insta::assert_snapshot!(
        change(profile, "enablePrivateCluster", json!(false)).await,
        @"400 InvalidParameter: The value of parameter apiServerAccessProfile.privateDNSZone is invalid. Error details: Invalid private dns zone for public cluster. It should always be empty for public cluster. Please see https://aka.ms/aks-naming-rules for more details."
    );
    insta::assert_snapshot!(
        change("/properties", "dnsPrefix", json!("other")).await,
        @"400 PropertyChangeNotAllowed: Changing property 'dnsPrefix' is not allowed."
    );
    insta::assert_snapshot!(
        change("/properties/networkProfile", "serviceCidr", json!("10.1.0.0/16")).await,
        @"400 PropertyChangeNotAllowed: Changing property 'networkProfile.serviceCidr' is not allowed."
    );
    insta::assert_snapshot!(
        change("/properties/agentPoolProfiles/0", "vmSize", json!("Standard_B2s")).await,
        @"400 PropertyChangeNotAllowed: Changing property 'properties.vmSize' is not allowed."
    );
    let pool = json!({"properties": {"count": 1, "vmSize": "Standard_Nonsense", "mode": "User"}});
    let refused = lab.put(&format!("{CLUSTER}/agentPools/other"), pool).await;
    let words = lab.words(&refused);
    assert!(
        words.starts_with("400 VMSizeNotSupported: Virtual Machine size: 'Standard_Nonsense' is not supported"),
        "{words}"
    );
    assert!(words.contains("in location 'westeurope'. The available VM sizes are 'standard_b1s,"), "{words}");
    let none = change(profile, "privateDNSZone", json!("none")).await;
    assert_eq!(none, "200 : ", "a system zone may be given up");
    assert_eq!(lab.get(CLUSTER).await.body["properties"].get("privateFQDN"), None);
    insta::assert_snapshot!(
        change(profile, "privateDNSZone", json!("system")).await,
        @"400 InvalidPrivateDNSZoneMode: Changing the private DNS zone from 'none' to 'system' is not allowed: it can only be changed to 'none'."
    );
    insta::assert_snapshot!(
        change(profile, "enablePrivateClusterPublicFQDN", json!(false)).await,
        @"400 NonePrivateDNSZonePublicFQDNDisabledError: Private cluster with private DNS zone mode 'none' must keep its public FQDN enabled: without both the API server has no name. Set enablePrivateClusterPublicFQDN to true or use another private DNS zone mode."
    );
}
