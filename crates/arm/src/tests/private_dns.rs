//! Private DNS zones, their records and their links.

use serde_json::{Value, json};

use super::Lab;

const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network";
const ZONE: &str = "/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/corp.example";

async fn zone() -> Lab {
    let lab = Lab::with_group().await;
    lab.made(ZONE, json!({"location": "global"})).await;
    lab
}

fn a(address: &str) -> Value {
    json!({"properties": {"ttl": 300, "aRecords": [{"ipv4Address": address}]}})
}

async fn network(lab: &Lab, name: &str) -> String {
    let path = format!("{NETWORK}/virtualNetworks/{name}");
    lab.made(
        &path,
        json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}}),
    )
    .await;
    lab.full_id(&path)
}

fn link(network: &str, registering: bool) -> Value {
    json!({"location": "global", "properties": {
        "virtualNetwork": {"id": network}, "registrationEnabled": registering,
    }})
}

#[tokio::test]
async fn a_zone_begins_with_its_start_of_authority_and_counts_what_it_holds() {
    let lab = zone().await;
    lab.made(&format!("{ZONE}/A/www"), a("10.0.0.4")).await;
    let network = network(&lab, "v").await;
    lab.made(&format!("{ZONE}/virtualNetworkLinks/l"), link(&network, true)).await;
    let shown = lab.get(ZONE).await.body;
    let count = |name: &str| shown["properties"][name].as_u64().unwrap();
    assert_eq!(count("numberOfRecordSets"), 2);
    assert_eq!(count("numberOfVirtualNetworkLinks"), 1);
    assert_eq!(count("numberOfVirtualNetworkLinksWithRegistration"), 1);
    let soa = lab.get(&format!("{ZONE}/SOA/@")).await.body;
    insta::assert_snapshot!(
        soa["properties"]["soaRecord"],
        @r#"{"email":"azureprivatedns-host.microsoft.com","expireTime":2419200,"host":"azureprivatedns.net","minimumTtl":10,"refreshTime":3600,"retryTime":300,"serialNumber":1}"#
    );
    let wish = json!({"properties": {"soaRecord": {"email": "admin.corp.example"}, "ttl": 60}});
    let changed = lab.made(&format!("{ZONE}/SOA/@"), wish).await;
    let changed = &changed["properties"]["soaRecord"];
    assert_eq!((&changed["email"], &changed["minimumTtl"]), (&json!("admin.corp.example"), &json!(10)));
    let refused = lab.delete(&format!("{ZONE}/SOA/@")).await;
    assert_eq!(refused.code(), (400, "BadRequest"), "a zone is never without it");
    for name in ["local", "a..example", &format!("{}.example", "x".repeat(64))] {
        let refused = lab.put(&format!("{NETWORK}/privateDnsZones/{name}"), json!({"location": "global"})).await;
        assert_eq!(refused.code(), (400, "BadRequest"), "{name}");
    }
}

#[tokio::test]
async fn a_zone_with_links_is_not_deleted_alone_but_with_its_group() {
    let lab = zone().await;
    lab.group("net").await;
    let elsewhere = "/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v";
    lab.made(
        elsewhere,
        json!({"location": "westeurope", "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}}}),
    )
    .await;
    lab.made(&format!("{ZONE}/virtualNetworkLinks/l"), link(&lab.full_id(elsewhere), false)).await;
    insta::assert_snapshot!(
        lab.words(&lab.delete(ZONE).await),
        @"409 CannotDeleteResource: Cannot delete resource while nested resources exist. Some existing nested resource IDs include: 'Microsoft.Network/privateDnsZones/corp.example/virtualNetworkLinks/l'. Please delete all nested resources before deleting this resource."
    );
    assert_eq!(lab.delete("/resourceGroups/rg").await.status, 200);
    assert_eq!(lab.get(elsewhere).await.status, 200);
}

#[tokio::test]
async fn a_network_that_goes_takes_its_links_along() {
    let lab = zone().await;
    let network = network(&lab, "v").await;
    lab.made(&format!("{ZONE}/virtualNetworkLinks/l"), link(&network, false)).await;
    assert_eq!(lab.delete(&format!("{NETWORK}/virtualNetworks/v")).await.status, 204);
    assert_eq!(lab.get(&format!("{ZONE}/virtualNetworkLinks/l")).await.status, 404);
    assert_eq!(lab.delete(ZONE).await.status, 204);
}

#[tokio::test]
async fn a_network_is_linked_once_to_a_zone_of_a_name_and_registers_in_one_zone() {
    let lab = zone().await;
    lab.group("other").await;
    let (first, second) = (network(&lab, "v").await, network(&lab, "w").await);
    let links = format!("{ZONE}/virtualNetworkLinks");
    let made = lab.made(&format!("{links}/l"), link(&first, true)).await;
    assert_eq!(made["properties"]["virtualNetworkLinkState"], "Completed");
    assert_eq!(made["properties"].get("resolutionPolicy"), None);
    assert_eq!(lab.put(&format!("{links}/again"), link(&first, false)).await.code(), (409, "Conflict"));

    let namesake = ZONE.replace("/rg/", "/other/");
    lab.made(&namesake, json!({"location": "global"})).await;
    insta::assert_snapshot!(
        lab.words(&lab.put(&format!("{namesake}/virtualNetworkLinks/l"), link(&first, false)).await),
        @"400 BadRequest: A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual network with 'corp.example' and 'corp.example' zones."
    );
    let below = format!("{NETWORK}/privateDnsZones/sub.corp.example");
    lab.made(&below, json!({"location": "global"})).await;
    insta::assert_snapshot!(
        lab.words(&lab.put(&format!("{below}/virtualNetworkLinks/l"), link(&first, true)).await),
        @"409 Conflict: A virtual network can only be linked to 1 Private DNS zone(s) with auto-registration enabled; conflicting Private DNS zone is 'corp.example'."
    );
    lab.made(&format!("{below}/virtualNetworkLinks/l"), link(&first, false)).await;
    lab.made(&format!("{links}/w"), link(&second, true)).await;
    assert_eq!(lab.put(&format!("{links}/l"), link(&second, true)).await.code(), (400, "BadRequest"));
    assert_eq!(lab.put(&format!("{links}/x"), link(&format!("{second}x"), false)).await.code(), (400, "BadRequest"));
    assert_eq!(lab.put(&format!("{links}/x"), json!({"location": "global"})).await.code(), (400, "BadRequest"));

    let patched =
        lab.send("PATCH", &format!("{links}/l"), json!({"properties": {"registrationEnabled": false}}), &[]).await;
    assert_eq!(patched.status, 200);
    lab.made(&format!("{below}/virtualNetworkLinks/l"), link(&first, true)).await;
}

#[tokio::test]
async fn only_links_of_private_link_zones_have_a_resolution_policy() {
    let lab = zone().await;
    let network = network(&lab, "v").await;
    let with = |policy: &str| {
        let mut document = link(&network, false);
        document["properties"]["resolutionPolicy"] = json!(policy);
        document
    };
    for policy in ["NxDomainRedirect", "Default"] {
        let refused = lab.put(&format!("{ZONE}/virtualNetworkLinks/l"), with(policy)).await;
        assert_eq!(
            lab.words(&refused),
            "400 BadRequest: The ResolutionPolicy property is applicable exclusively to private link zones"
        );
    }
    let zone = format!("{NETWORK}/privateDnsZones/privatelink.japaneast.azmk8s.io");
    lab.made(&zone, json!({"location": "global"})).await;
    let made = lab.made(&format!("{zone}/virtualNetworkLinks/l"), link(&network, false)).await;
    assert_eq!(made["properties"]["resolutionPolicy"], "Default");
    let redirected = json!({"properties": {"resolutionPolicy": "NxDomainRedirect"}});
    let patched = lab.send("PATCH", &format!("{zone}/virtualNetworkLinks/l"), redirected, &[]).await;
    assert_eq!((patched.status, &patched.body["properties"]["resolutionPolicy"]), (200, &json!("NxDomainRedirect")));
}

#[tokio::test]
async fn every_record_type_is_kept_and_listed() {
    let lab = zone().await;
    for (kind, name, properties) in [
        ("A", "www", json!({"aRecords": [{"ipv4Address": "10.0.0.4"}, {"ipv4Address": "10.0.0.5"}]})),
        ("AAAA", "www", json!({"aaaaRecords": [{"ipv6Address": "fd00::1"}]})),
        ("CNAME", "alias", json!({"cnameRecord": {"cname": "www.corp.example"}})),
        ("MX", "@", json!({"mxRecords": [{"preference": 10, "exchange": "mail.corp.example"}]})),
        ("PTR", "4", json!({"ptrRecords": [{"ptrdname": "www.corp.example"}]})),
        (
            "SRV",
            "_ldap._tcp",
            json!({"srvRecords": [{"priority": 1, "weight": 2, "port": 389, "target": "dc.corp.example"}]}),
        ),
        ("TXT", "@", json!({"txtRecords": [{"value": ["a b", "c"]}]})),
        ("A", "*.apps", json!({"aRecords": [{"ipv4Address": "10.0.0.6"}]})),
    ] {
        let made = lab.put(&format!("{ZONE}/{kind}/{name}"), json!({"properties": properties.clone()})).await;
        assert_eq!(made.status, 201, "{kind} {name}: {made:?}");
        let shown = &made.body["properties"];
        for (list, value) in properties.as_object().unwrap() {
            assert_eq!(&shown[list], value);
        }
        let fqdn = if name == "@" { "corp.example.".to_owned() } else { format!("{name}.corp.example.") };
        assert_eq!((&shown["fqdn"], &shown["ttl"]), (&json!(fqdn), &json!(3600)));
        assert_eq!(made.body["type"], format!("Microsoft.Network/privateDnsZones/{kind}"));
    }
    assert_eq!(lab.get(&format!("{ZONE}/A")).await.names(), ["*.apps", "www"]);
    assert_eq!(lab.get(&format!("{ZONE}/A?$top=1")).await.names(), ["*.apps"]);
    assert_eq!(lab.get(&format!("{ZONE}/A?$recordsetnamesuffix=WW")).await.names(), ["www"]);
    assert_eq!(lab.get(&format!("{ZONE}/ALL?$recordsetnamesuffix=_tcp")).await.names(), ["_ldap._tcp"]);
    assert_eq!(lab.get(&format!("{ZONE}/ALL")).await.names().len(), 9, "with the start of authority");
    assert_eq!(lab.get(&format!("{ZONE}/ALL?$top=3")).await.names().len(), 3);
    assert_eq!(lab.get(&format!("{ZONE}/ALL?$top=x")).await.code(), (400, "InvalidQueryParameterValue"));
}

#[tokio::test]
async fn an_empty_record_set_has_its_list_for_clients_to_append_to() {
    let lab = zone().await;
    let made = lab.made(&format!("{ZONE}/A/Www"), json!({"properties": {"ttl": 60}})).await;
    assert_eq!(made["properties"]["aRecords"], json!([]));
    assert_eq!(made["properties"]["fqdn"], "www.corp.example.");
    assert_eq!(lab.put(&format!("{ZONE}/a/WWW"), a("10.0.0.4")).await.status, 200, "names have no case");
}

#[tokio::test]
async fn an_alias_stands_alone_and_not_at_the_apex() {
    let lab = zone().await;
    let alias = json!({"properties": {"ttl": 60, "cnameRecord": {"cname": "elsewhere.example"}}});
    lab.made(&format!("{ZONE}/CNAME/alias"), alias.clone()).await;
    lab.made(&format!("{ZONE}/A/host"), a("10.0.0.4")).await;
    insta::assert_snapshot!(
        lab.words(&lab.put(&format!("{ZONE}/A/alias"), a("10.0.0.4")).await),
        @"409 Conflict: The record could not be created because a CNAME record with the same name already exists in this zone."
    );
    insta::assert_snapshot!(
        lab.words(&lab.put(&format!("{ZONE}/CNAME/host"), alias.clone()).await),
        @"409 Conflict: The CNAME record could not be created because another record with the same name already exists in this zone."
    );
    assert_eq!(lab.put(&format!("{ZONE}/CNAME/@"), alias.clone()).await.code(), (400, "BadRequest"));
    assert_eq!(lab.put(&format!("{ZONE}/CNAME/alias"), alias).await.status, 200);
    assert_eq!(lab.delete(&format!("{ZONE}/CNAME/alias")).await.status, 204);
    lab.made(&format!("{ZONE}/A/alias"), a("10.0.0.4")).await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_is_refused() {
    let lab = zone().await;
    for (path, properties) in [
        ("A/x", json!({"ttl": 60, "aRecords": [{"ipv4Address": "10.0.0.256"}]})),
        ("A/x", json!({"ttl": 60, "aRecords": [{}]})),
        ("A/x", json!({"ttl": 0, "aRecords": []})),
        ("A/x", json!({"ttl": 2_147_483_648_u64, "aRecords": []})),
        ("AAAA/x", json!({"aaaaRecords": [{"ipv6Address": "10.0.0.1"}]})),
        ("CNAME/x", json!({"cnameRecord": {"cname": "a..b"}})),
        ("MX/x", json!({"mxRecords": [{"preference": 70_000, "exchange": "m.example"}]})),
        ("SRV/x", json!({"srvRecords": [{"priority": 1, "weight": 1, "port": 1}]})),
        ("SOA/x", json!({})),
        ("A/a..b", json!({"ttl": 60})),
    ] {
        let refused = lab.put(&format!("{ZONE}/{path}"), json!({"properties": properties})).await;
        assert_eq!(refused.code(), (400, "BadRequest"), "{path} {properties}");
    }
    let orphan = lab.put(&format!("{NETWORK}/privateDnsZones/no.example/A/x"), a("10.0.0.4")).await;
    insta::assert_snapshot!(
        lab.words(&orphan),
        @"404 ParentResourceNotFound: Failed to perform 'write' on resource(s) of type 'privateDnsZones/A', because the parent resource '/subscriptions/S/resourceGroups/rg/providers/Microsoft.Network/privateDnsZones/no.example' could not be found."
    );
}

#[tokio::test]
async fn who_expects_another_state_is_refused_with_412() {
    let lab = zone().await;
    let record = format!("{ZONE}/A/www");
    let put = async |path: &str, body: Value, header: (&str, &str)| lab.send("PUT", path, body, &[header]).await;
    assert_eq!(put(&record, a("10.0.0.4"), ("if-none-match", "*")).await.status, 201);
    insta::assert_snapshot!(
        lab.words(&put(&record, a("10.0.0.5"), ("if-none-match", "*")).await),
        @"412 PreconditionFailed: The Record set www exists already and hence cannot be created again."
    );
    let etag = lab.get(&record).await.body["etag"].as_str().unwrap().to_owned();
    assert_eq!(put(&record, a("10.0.0.5"), ("if-match", &etag)).await.status, 200);
    insta::assert_snapshot!(
        lab.words(&put(&record, a("10.0.0.6"), ("if-match", &etag)).await),
        @"412 PreconditionFailed: The Record set www has been modified (etag mismatch)."
    );
    let refused = lab.send("DELETE", &record, Value::Null, &[("if-match", &etag)]).await;
    assert_eq!(refused.code(), (412, "PreconditionFailed"));
    let shown = lab.get(&record).await.body;
    assert_eq!(shown["properties"]["aRecords"], json!([{"ipv4Address": "10.0.0.5"}]));
    insta::assert_snapshot!(
        lab.words(&put(ZONE, json!({"location": "global"}), ("if-none-match", "*")).await),
        @"412 PreconditionFailed: The Zone corp.example exists already and hence cannot be created again."
    );
    let (network, path) = (network(&lab, "v").await, format!("{ZONE}/virtualNetworkLinks/l"));
    lab.made(&path, link(&network, false)).await;
    insta::assert_snapshot!(
        lab.words(&put(&path, link(&network, false), ("if-match", "x")).await),
        @"412 PreconditionFailed: The Virtual Network link 'l' for the Private DNS zone 'corp.example' has been modified (etag mismatch)."
    );
}

#[tokio::test]
async fn long_listings_go_on_behind_what_was_shown_whatever_comes_and_goes() {
    let lab = zone().await;
    for number in 0..103 {
        lab.made(&format!("{ZONE}/A/w{number:03}"), a("10.0.0.4")).await;
    }
    let first = lab.get(&format!("{ZONE}/A")).await;
    assert_eq!((first.names().len(), first.names()[99]), (100, "w099"));
    let next = first.body["nextLink"].as_str().unwrap();
    lab.delete(&format!("{ZONE}/A/w099")).await;
    lab.made(&format!("{ZONE}/A/a-new-one"), a("10.0.0.4")).await;
    let last = lab.get(next).await;
    assert_eq!((last.names(), last.body.get("nextLink")), (vec!["w100", "w101", "w102"], None));
    let mut page = lab.get(&format!("{ZONE}/ALL?$top=50")).await;
    let mut shown = page.names().len();
    while let Some(next) = page.body["nextLink"].as_str().map(str::to_owned) {
        page = lab.get(&next).await;
        shown += page.names().len();
    }
    assert_eq!(shown, 104, "with the start of authority");
    let strange = lab.get(&format!("{ZONE}/A?$skiptoken=mine")).await;
    assert_eq!(strange.code(), (400, "InvalidQueryParameterValue"));
}
