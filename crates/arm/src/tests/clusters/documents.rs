//! The documents people read, whole, with what is drawn by chance left out.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{CLUSTER, NODES, OWN_ZONE, own_zone, post, prepare_own_zone, wish};
use crate::tests::Lab;

/// The text with everything drawn by chance replaced by what it is.
fn redacted(lab: &Lab, text: &str) -> String {
    let text = text.replace(&lab.plane.lab().subscription, "SUBSCRIPTION").replace(&lab.plane.lab().tenant, "TENANT");
    let mut guids: Vec<String> = Vec::new();
    let mut out = String::new();
    let mut word = String::new();
    let flush = |word: &mut String, out: &mut String, guids: &mut Vec<String>| {
        let hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        let parts: Vec<&str> = word.split('-').collect();
        let at = (0..parts.len()).find(|at| {
            let lengths: Vec<usize> = parts[*at..].iter().take(5).map(|part| part.len()).collect();
            lengths == [8, 4, 4, 4, 12] && parts[*at..*at + 5].iter().all(|part| hex(part))
        });
        let shown: Vec<String> = match at {
            Some(at) => {
                let guid = parts[at..at + 5].join("-");
                let known = guids.iter().position(|known| *known == guid).unwrap_or(guids.len());
                if known == guids.len() {
                    guids.push(guid);
                }
                let named = [format!("GUID{}", known + 1)];
                let before = parts[..at].iter().map(|part| (*part).to_owned());
                before.chain(named).chain(parts[at + 5..].iter().map(|part| (*part).to_owned())).collect()
            }
            None => parts
                .iter()
                .enumerate()
                .map(|(at, part)| match part.len() {
                    32 if hex(part) => "HEX32".to_owned(),
                    24 if hex(part) => "HEX24".to_owned(),
                    8 if at > 0 && ["vnet", "agentpool", "nodepool1"].contains(&parts[at - 1]) => "DIGITS8".to_owned(),
                    8 if at > 0 && parts[at - 1] == "123456" => "HASH8".to_owned(),
                    _ => (*part).to_owned(),
                })
                .collect(),
        };
        out.push_str(&shown.join("-"));
        word.clear();
    };
    for letter in text.chars() {
        if letter.is_ascii_alphanumeric() || letter == '-' {
            word.push(letter);
        } else {
            flush(&mut word, &mut out, &mut guids);
            out.push(letter);
        }
    }
    flush(&mut word, &mut out, &mut guids);
    out
}

fn pretty(lab: &Lab, document: &Value) -> String {
    redacted(lab, &serde_json::to_string_pretty(document).unwrap())
}

/// A kubeconfig with its keys left out.
async fn kubeconfig(lab: &Lab, action: &str) -> String {
    let answer = post(lab, action).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let text = answer.body["kubeconfigs"][0]["value"].as_str().unwrap();
    let text = String::from_utf8(STANDARD.decode(text).unwrap()).unwrap();
    let secret = |line: &str| match line.split_once(": ") {
        Some((name, _)) if name.ends_with("-data") || name.ends_with(" token") => format!("{name}: REDACTED\n"),
        _ => format!("{line}\n"),
    };
    redacted(lab, &text.lines().map(secret).collect::<String>())
}

async fn resources(lab: &Lab, group: &str) -> String {
    let listed = lab.get(&format!("{group}/resources")).await.body;
    let mut lines: Vec<String> = listed["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{} {}\n", one["type"].as_str().unwrap(), one["name"].as_str().unwrap()))
        .collect();
    lines.sort();
    redacted(lab, &lines.concat())
}

#[tokio::test]
async fn a_private_cluster_reads_as_azures() {
    let lab = Lab::with_group().await;
    let made = lab.put(CLUSTER, wish(json!({"enablePrivateCluster": true}))).await;
    assert_eq!(made.status, 201, "{made:?}");
    insta::assert_snapshot!("system_zone", pretty(&lab, &made.body));
    insta::assert_snapshot!("system_zone_resources", resources(&lab, NODES).await);
    insta::assert_snapshot!("system_zone_kubeconfig", kubeconfig(&lab, "listClusterUserCredential").await);
    let public = kubeconfig(&lab, "listClusterUserCredential?server-fqdn=public").await;
    assert!(public.contains("server: https://a-rg-123456-HASH8.hcp.westeurope.azmk8s.io:443\n"), "{public}");
    let admin = kubeconfig(&lab, "listClusterAdminCredential").await;
    assert!(admin.contains("user: clusterAdmin_rg_a\n"), "{admin}");
}

#[tokio::test]
async fn without_its_public_fqdn_a_cluster_has_the_private_one_alone() {
    let lab = Lab::with_group().await;
    let off = json!({"enablePrivateCluster": true, "enablePrivateClusterPublicFQDN": false});
    let made = lab.made(CLUSTER, wish(off)).await;
    insta::assert_snapshot!("public_fqdn_off", pretty(&lab, &made["properties"]));
    assert_eq!(post(&lab, "listClusterUserCredential?server-fqdn=public").await.code(), (400, "BadRequest"));
}

#[tokio::test]
async fn without_a_zone_a_cluster_has_the_public_fqdn_alone() {
    let lab = Lab::with_group().await;
    let made = lab.made(CLUSTER, wish(json!({"enablePrivateCluster": true, "privateDNSZone": "none"}))).await;
    insta::assert_snapshot!("no_zone", pretty(&lab, &made["properties"]));
    insta::assert_snapshot!("no_zone_resources", resources(&lab, NODES).await);
    let text = kubeconfig(&lab, "listClusterUserCredential").await;
    assert!(text.contains("server: https://a-rg-123456-HASH8.hcp.westeurope.azmk8s.io:443\n"), "{text}");
}

#[tokio::test]
async fn a_subdomain_names_the_cluster_in_the_users_zone() {
    let lab = Lab::with_group().await;
    prepare_own_zone(&lab).await;
    let mut body = own_zone(&lab);
    body["properties"].as_object_mut().unwrap().shift_remove("dnsPrefix");
    body["properties"]["fqdnSubdomain"] = json!("api-123456");
    let made = lab.made(CLUSTER, body.clone()).await;
    insta::assert_snapshot!("own_zone", pretty(&lab, &made));
    let record = lab.get(&format!("{OWN_ZONE}/A/api-123456")).await.body;
    assert_eq!(record["properties"]["aRecords"], json!([{"ipv4Address": "10.224.0.4"}]));
    assert_eq!(lab.get(&format!("{OWN_ZONE}/virtualNetworkLinks")).await.names().len(), 1);
    let second = lab.put(&CLUSTER.replace("Clusters/a", "Clusters/b"), body).await;
    assert_eq!(second.code(), (400, "FQDNSubdomainRecordAlreadyExistsError"));
    assert_eq!(lab.delete(CLUSTER).await.status, 204);
    assert_eq!(lab.get(&format!("{OWN_ZONE}/A")).await.names(), [""; 0]);
    assert_eq!(lab.get(&format!("{OWN_ZONE}/virtualNetworkLinks")).await.names(), [""; 0]);
}

#[tokio::test]
async fn a_public_cluster_lets_in_whom_it_authorizes() {
    let lab = Lab::with_group().await;
    let made = lab.made(CLUSTER, wish(json!({"authorizedIPRanges": ["203.0.113.7", "198.51.100.0/24"]}))).await;
    insta::assert_snapshot!("public", pretty(&lab, &made["properties"]));
    insta::assert_snapshot!("public_resources", resources(&lab, NODES).await);
}

#[tokio::test]
async fn a_cluster_put_as_it_was_read_stays_as_it_is() {
    let lab = Lab::with_group().await;
    let mut body = wish(json!({"enablePrivateCluster": true, "oddAccess": [1]}));
    body["oddEnvelope"] = json!({"x": null});
    body["properties"]["oddProperty"] = json!({"deep": [1, {"é": 0.5}]});
    body["properties"]["agentPoolProfiles"][0]["oddPool"] = json!("kept");
    let mut before = lab.made(CLUSTER, body).await;
    let put = lab.made(CLUSTER, before.clone()).await;
    let mut after = lab.get(CLUSTER).await.body;
    assert_eq!(after, put);
    for document in [&mut before, &mut after] {
        document["eTag"].take();
        document["properties"]["agentPoolProfiles"][0]["eTag"].take();
    }
    assert_eq!(after, before);
    assert_eq!(after["oddEnvelope"], json!({"x": null}));
    assert_eq!(after["properties"]["oddProperty"], json!({"deep": [1, {"é": 0.5}]}));
    assert_eq!(after["properties"]["apiServerAccessProfile"]["oddAccess"], json!([1]));
    assert_eq!(after["properties"]["agentPoolProfiles"][0]["oddPool"], "kept");
}
