//! Who answers which name, in which network.

use azure::{Kind, model::RecordType, sketch::Sketch};
use network::{Answer, Network, Outcome, QueryType, RecordData, Silent, ViewId};
use serde_json::{Value, json};

fn ask_type(sketch: &Sketch, view: Option<&str>, name: &str, query: QueryType) -> Answer {
    let network = Network::compile(&sketch.estate());
    let view = view.map_or(ViewId::Public, |name| ViewId::VirtualNetwork(sketch.id(Kind::VirtualNetwork, name)));
    network.answer(&view, &name.parse().unwrap(), query, &mut Silent)
}

fn ask(sketch: &Sketch, view: Option<&str>, name: &str) -> Answer {
    ask_type(sketch, view, name, QueryType::Record(RecordType::A))
}

fn addresses(answer: &Answer) -> Vec<String> {
    answer.addresses().map(|address| address.to_string()).collect()
}

fn linked(options: Value) -> Sketch {
    Sketch::new().network("v", "10.0.0.0/16").zone("corp.example").link("corp.example", "v", options)
}

#[test]
fn a_zone_answers_only_where_it_is_linked() {
    let sketch = linked(json!({})).network("other", "10.1.0.0/16").a_record("corp.example", "db", "10.0.0.9");
    assert_eq!(addresses(&ask(&sketch, Some("v"), "db.corp.example")), ["10.0.0.9"]);
    assert_eq!(ask(&sketch, Some("other"), "db.corp.example").outcome, Outcome::NxDomain);
    assert_eq!(ask(&sketch, None, "db.corp.example").outcome, Outcome::NxDomain);
}

#[test]
fn the_longest_linked_zone_is_the_only_one_asked() {
    let sketch = linked(json!({})).zone("sub.corp.example").link("sub.corp.example", "v", json!({})).a_record(
        "corp.example",
        "x.sub",
        "10.0.0.1",
    );
    assert_eq!(ask(&sketch, Some("v"), "x.sub.corp.example").outcome, Outcome::NxDomain);
}

#[test]
fn an_empty_linked_zone_shadows_public_dns_unless_it_is_of_private_link_and_the_link_redirects() {
    let with = |zone: &str, options: Value| {
        let name = format!("a.{zone}");
        let sketch = Sketch::new().network("aks", "10.224.0.0/16").private_cluster("a", "aks", "10.224.0.4", true);
        let cluster = sketch.id(Kind::ManagedCluster, "a");
        let sketch = sketch.amend(cluster, json!({"fqdn": name})).network("v", "10.0.0.0/16").zone(zone);
        ask(&sketch.link(zone, "v", options), Some("v"), &name)
    };
    let redirect = || json!({"resolutionPolicy": "NxDomainRedirect"});
    let (plain, private_link) = ("hcp.japaneast.azmk8s.io", "privatelink.japaneast.azmk8s.io");
    assert_eq!(with(plain, json!({})).outcome, Outcome::NxDomain);
    assert_eq!(with(plain, redirect()).outcome, Outcome::NxDomain);
    assert_eq!(with(private_link, json!({})).outcome, Outcome::NxDomain);
    assert_eq!(addresses(&with(private_link, redirect())), ["10.224.0.4"]);
}

#[test]
fn aliases_are_followed_into_other_zones_and_into_public_dns() {
    let sketch =
        linked(json!({})).network("aks", "10.224.0.0/16").private_cluster("a", "aks", "10.224.0.4", true).record(
            Kind::RecordCname,
            "corp.example",
            "k8s",
            &json!({"cnameRecord": {"cname": "a.hcp.japaneast.azmk8s.io"}}),
        );
    let answer = ask(&sketch, Some("v"), "k8s.corp.example");
    assert_eq!(addresses(&answer), ["10.224.0.4"]);
    assert_eq!(answer.records.len(), 2);
    assert!(matches!(answer.records[0].data, RecordData::Cname(_)));
}

#[test]
fn an_alias_loop_ends() {
    let cname = |to: &str| json!({"cnameRecord": {"cname": to}});
    let sketch = linked(json!({})).record(Kind::RecordCname, "corp.example", "a", &cname("b.corp.example")).record(
        Kind::RecordCname,
        "corp.example",
        "b",
        &cname("a.corp.example"),
    );
    assert_eq!(ask(&sketch, Some("v"), "a.corp.example").outcome, Outcome::AliasLoop);
}

#[test]
fn wildcards_stand_in_below_the_closest_name_that_exists() {
    let sketch = linked(json!({}))
        .a_record("corp.example", "*.apps", "10.0.0.7")
        .a_record("corp.example", "fixed.apps", "10.0.0.8")
        .a_record("corp.example", "deep.down.apps", "10.0.0.9");
    assert_eq!(addresses(&ask(&sketch, Some("v"), "any.apps.corp.example")), ["10.0.0.7"]);
    assert_eq!(addresses(&ask(&sketch, Some("v"), "a.b.apps.corp.example")), ["10.0.0.7"]);
    assert_eq!(addresses(&ask(&sketch, Some("v"), "fixed.apps.corp.example")), ["10.0.0.8"]);
    // `down.apps` exists as an empty non-terminal: neither itself nor what is below it is wild.
    let between = ask(&sketch, Some("v"), "down.apps.corp.example");
    assert_eq!((between.outcome, between.records.len()), (Outcome::NoError, 0));
    assert_eq!(ask(&sketch, Some("v"), "x.down.apps.corp.example").outcome, Outcome::NxDomain);
}

#[test]
fn negative_answers_carry_the_zones_authority() {
    let absent = ask(&linked(json!({})), Some("v"), "nothing.corp.example");
    let authority = absent.authority.unwrap();
    assert_eq!((authority.zone.as_str(), authority.ttl_s), ("corp.example", 10));
    let public = ask(&Sketch::new(), None, "gone.hcp.japaneast.azmk8s.io").authority.unwrap();
    assert_eq!(public.zone.as_str(), "azmk8s.io");
    assert_eq!(ask(&Sketch::new(), None, "www.example").authority.unwrap().zone.as_str(), "");
}

#[test]
fn machines_register_themselves_where_the_link_says_so() {
    let sketch = linked(json!({"registrationEnabled": true})).nic("vm-1", "v", "10.0.0.4");
    assert_eq!(addresses(&ask(&sketch, Some("v"), "vm-1.corp.example")), ["10.0.0.4"]);
    let without = linked(json!({})).nic("vm-1", "v", "10.0.0.4");
    assert_eq!(ask(&without, Some("v"), "vm-1.corp.example").outcome, Outcome::NxDomain);
}

#[test]
fn a_virtual_machine_is_registered_by_its_primary_interface() {
    let sketch = linked(json!({"registrationEnabled": true}))
        .nic("nic-1", "v", "10.0.0.4")
        .nic("nic-2", "v", "10.0.0.5")
        .machine("VM-1", &["nic-1", "nic-2"], true);
    assert_eq!(addresses(&ask(&sketch, Some("v"), "vm-1.corp.example")), ["10.0.0.4"]);
    for name in ["nic-1.corp.example", "nic-2.corp.example"] {
        assert_eq!(ask(&sketch, Some("v"), name).outcome, Outcome::NxDomain, "{name}");
    }
}

#[test]
fn every_record_type_is_answered_as_it_was_written() {
    let sketch = linked(json!({}))
        .record(
            Kind::RecordMx,
            "corp.example",
            "@",
            &json!({"mxRecords": [{"preference": 5, "exchange": "m.example"}]}),
        )
        .record(Kind::RecordTxt, "corp.example", "t", &json!({"txtRecords": [{"value": ["one", "two"]}]}))
        .record(Kind::RecordPtr, "corp.example", "p", &json!({"ptrRecords": [{"ptrdname": "x.example"}]}))
        .record(Kind::RecordAaaa, "corp.example", "six", &json!({"aaaaRecords": [{"ipv6Address": "fd00::1"}]}))
        .record(
            Kind::RecordSrv,
            "corp.example",
            "_s._tcp",
            &json!({"srvRecords": [{"priority": 1, "weight": 2, "port": 443, "target": "t.example"}]}),
        );
    for (name, record_type) in [
        ("corp.example", RecordType::Mx),
        ("t.corp.example", RecordType::Txt),
        ("p.corp.example", RecordType::Ptr),
        ("six.corp.example", RecordType::Aaaa),
        ("_s._tcp.corp.example", RecordType::Srv),
    ] {
        let answer = ask_type(&sketch, Some("v"), name, QueryType::Record(record_type));
        assert_eq!(answer.records.len(), 1, "{name}");
        assert_eq!(answer.records[0].data.record_type(), record_type);
    }
}
