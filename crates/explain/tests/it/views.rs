//! The security view, what would change, rules, pictures.

use azure::{Estate, Kind, sketch::Sketch};
use explain::{
    Matrix, fix,
    render::{findings, json, picture, pipeline},
    rules::{self, Rules},
    security::security,
    what_if::{self, WhatIfError},
};
use network::Network;
use serde_json::json;

use crate::stage::{article, ask, private_name, zone};

fn compiled(sketch: &Sketch) -> (Network, Matrix) {
    let network = Network::compile(&sketch.estate());
    let matrix = Matrix::new(&network);
    (network, matrix)
}

/// What a change of the article's estate changes, in words.
fn tried(text: &str) -> String {
    let (network, matrix) = compiled(&article());
    let (estate, edits, changed) = what_if::apply(text, network.estate()).unwrap();
    let next = network.advance(&estate, &changed);
    let after = matrix.advance(&network, &next);
    let shifts = what_if::difference((&network, &matrix), (&next, &after));
    let words: Vec<String> = edits.iter().map(|edit| format!("if you {}:", edit.describe())).collect();
    words.join("\n") + "\n" + &findings::difference(&shifts)
}

#[test]
fn a_change_is_told_as_who_gains_and_who_loses() {
    let edits = [
        "cluster a: publicFqdn=false",
        "cluster b: publicFqdn=true",
        "link(b, unlinked)",
        "unlink(rg/b-zone.privatelink.japaneast.azmk8s.io, linked)",
        "unpeer(aks, linked)",
        "stop(a)",
        "hosts(laptop, b.b-zone.privatelink.japaneast.azmk8s.io, 10.224.0.5); unpeer(aks, unlinked)",
        "peer(linked, unlinked)",
    ];
    let told: Vec<String> = edits.into_iter().map(|text| format!("--what-if '{text}'\n{}", tried(text))).collect();
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_cannot_be_tried_says_where_and_why() {
    let estate = article().estate();
    let said = [
        "",
        "fly(a)",
        "link(b",
        "link(b)",
        "link(nowhere, aks)",
        "cluster a: publicFqdn=maybe",
        "cluster a",
        "peer(aks, linked); stop(c)",
        "peer(aks, aks)",
        "dns(aks, one)",
        "link(b, linked)",
    ];
    let told: Vec<String> = said
        .into_iter()
        .map(|text| {
            format!(
                "{text:?}: {}",
                what_if::apply(text, &estate).err().map(|error: WhatIfError| error.to_string()).unwrap_or_default()
            )
        })
        .collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// Everything that the security view finds, once.
fn untidy() -> Sketch {
    let sketch = article();
    let (a, b) = (sketch.id(Kind::ManagedCluster, "a"), sketch.id(Kind::ManagedCluster, "b"));
    let access = json!({
        "enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": true,
        "authorizedIPRanges": ["203.0.113.0/24"], "disableRunCommand": true,
    });
    let own_link = sketch.id(Kind::VirtualNetworkLink, &format!("{}/to-aks", zone("b")));
    let identity = sketch.id(Kind::UserAssignedIdentity, "aks-identity");
    let assignment = identity.resource(Kind::RoleAssignment.arm_type(), "other");
    let byo = "privatelink.japaneast.azmk8s.io";
    let owner = sketch.id(Kind::ManagedCluster, "c");
    let zone_id = sketch.id(Kind::PrivateDnsZone, byo);
    sketch
        .amend(a, json!({"apiServerAccessProfile": access}))
        .delete(own_link)
        .zone(byo)
        .link(byo, "unlinked", json!({}))
        .link(byo, "gone", json!({}))
        .a_record(byo, "old-cluster", "10.224.0.50")
        .a_record(&zone("b"), "b", "10.224.0.77")
        .network("twin", "10.224.0.0/12")
        .private_cluster("t", "twin", "10.224.0.4", true)
        .client("old", None, &[("10.1.1.1", "aks-123.hcp.japaneast.azmk8s.io")])
        .put(identity.clone(), &json!({"properties": {"principalId": "p1", "clientId": "c1"}}))
        .put(assignment, &json!({"properties": {
            "scope": "/subscriptions/other", "principalId": "p1",
            "roleDefinitionId": "/providers/Microsoft.Authorization/roleDefinitions/b12aa53e-6015-4669-85d0-8515ebb3ae7f",
        }}))
        .put(owner, &json!({
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity.as_str(): {}}},
            "properties": {
                "fqdn": "c.hcp.japaneast.azmk8s.io",
                "apiServerAccessProfile": {"enablePrivateCluster": true, "privateDNSZone": zone_id},
            },
        }))
        .amend(b, json!({}))
}

#[test]
fn the_security_view_names_what_is_told_orphaned_contradicting_and_shared() {
    let (network, matrix) = compiled(&untidy());
    insta::assert_snapshot!(findings::security(&security(&network, &matrix)));
}

const RULES: &str = r#"
version = 1

[[rule]]
id = "ops-reach-all"
description = "every operations machine reaches every cluster by its kubeconfig"
require = "connects"
from = { names = ["vm-aks", "vm-linked"] }

[[rule]]
id = "nothing-disclosed"
require = "no-private-address-in-public-dns"

[[rule]]
id = "vpn-gets-in"
require = "connects-by-any-name"
from = { kinds = ["vpn-client"] }
to = { names = ["a"] }

[[rule]]
id = "internet-stays-out"
require = "no-connection"
from = { kinds = ["internet"] }

[[rule]]
id = "tagged"
require = "connects"
from = { tags = { team = "ops" } }
"#;

#[test]
fn rules_are_checked_and_reported_for_people_and_pipelines() {
    let (network, matrix) = compiled(&article());
    let rules: Rules = toml::from_str(RULES).unwrap();
    let checked = rules::check(&rules, &network, &matrix);
    let sarif = pipeline::sarif(&checked, &["estate.json".to_owned()], "0.0.0");
    let sarif = serde_json::to_string_pretty(&sarif).unwrap();
    insta::assert_snapshot!(format!("{}\n{}\n{sarif}", findings::rules(&checked), pipeline::junit(&checked)));
}

#[test]
fn a_tag_of_the_machine_or_of_its_group_selects_its_interface() {
    let sketch = article().machine("box", &["vm-aks"], true);
    let machine = sketch.id(Kind::VirtualMachine, "box");
    let document = sketch.estate().get(&machine).unwrap().document().value();
    let mut tagged = document;
    tagged["tags"] = json!({"Team": "ops"});
    let (network, matrix) = compiled(&sketch.put(machine, &tagged));
    let rules: Rules = toml::from_str(RULES).unwrap();
    let checked = rules::check(&rules, &network, &matrix);
    let tagged = checked.iter().find(|rule| rule.id == "tagged").unwrap();
    assert_eq!((tagged.asked, tagged.violations.len()), (2, 0), "{:?}", tagged.violations);
}

#[test]
fn a_file_that_is_no_rules_says_what_is_wrong() {
    let wrong = |text: &str| toml::from_str::<Rules>(text).unwrap_err().to_string();
    assert!(wrong("version = 1\n[[rule]]\nid = 'x'\nrequire = 'magic'\n").contains("unknown variant `magic`"));
    assert!(
        wrong("version = 1\n[[rule]]\nid = 'x'\nrequire = 'connects'\nform = {}\n").contains("unknown field `form`")
    );
}

#[test]
fn the_path_is_a_picture_and_always_the_same() {
    let sketch = article();
    let mut all = String::new();
    for (vantage, cluster) in [("vm-linked", "b"), ("vm-unlinked", "b"), ("internet", "a")] {
        let (_, found, _) = ask(&sketch, vantage, cluster);
        let picture = picture::Picture::new(&found);
        assert_eq!(picture.svg(), picture::Picture::new(&found).svg());
        all += &format!("{}\n{}\n", picture.mermaid(), picture.svg());
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_page_stands_alone_and_escapes_what_it_shows() {
    let (network, mut found, fixes) = ask(&article(), "internet", "a");
    found.cause.as_mut().unwrap().sentence = "<script>".to_owned();
    let page = picture::html(&found, &fixes, fix::meanwhile(&network, &found).as_ref());
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>") && !page.contains("http://localhost"));
}

#[test]
fn the_json_keeps_its_schema() {
    let (network, found, fixes) = ask(&article(), "laptop", "b");
    let meanwhile = fix::meanwhile(&network, &found);
    let answer = json::ExplanationJson::new(&found, &fixes, meanwhile.as_ref());
    insta::assert_json_snapshot!("explanation", json::Document::new(vec!["a test".to_owned()], vec![], answer));
    let rows = Matrix::new(&network).rows(None, None);
    insta::assert_json_snapshot!("matrix", json::MatrixJson::new(&rows[..2]));
}

#[test]
fn an_empty_estate_has_an_empty_answer() {
    let network = Network::compile(&Estate::default());
    let matrix = Matrix::new(&network);
    assert!(matrix.rows(None, None).is_empty());
    let view = security(&network, &matrix);
    assert!(view.disclosed.is_empty() && view.contradictions.is_empty() && view.overlaps.is_empty());
    assert_eq!(private_name("a").as_str(), "a.a-zone.privatelink.japaneast.azmk8s.io");
}

#[test]
fn the_manual_has_every_cause_in_its_words() {
    let manual = include_str!("../../../../docs/explain.md");
    for code in explain::Code::ALL {
        let row = format!("| `{}` | {} |", code.as_str(), code.title());
        assert!(manual.contains(&row), "docs/explain.md lacks: {row}");
    }
}
