//! What clients see, request by request.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::Request;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Answer, CLIENT, Lab, PLAIN};
use crate::Pace;

#[tokio::test]
async fn a_group_is_made_shown_listed_and_deleted_with_all_that_is_in_it() {
    let lab = Lab::new(Pace::Instant).await;
    let made = lab.group("Rg").await;
    assert_eq!(made.status, 201);
    let subscription = &lab.plane.lab().subscription;
    assert_eq!(
        made.body,
        json!({
            "id": format!("/subscriptions/{subscription}/resourceGroups/Rg"),
            "name": "Rg",
            "type": "Microsoft.Resources/resourceGroups",
            "location": "westeurope",
            "properties": {"provisioningState": "Succeeded"},
        })
    );
    assert_eq!(lab.group("rg").await.status, 200, "the same group, whatever the case");
    assert_eq!(lab.get("/resourceGroups").await.names(), ["Rg"]);
    assert_eq!(lab.send("HEAD", "/resourceGroups/RG", Value::Null, &[]).await.status, 204);

    assert_eq!(lab.put(PLAIN, json!({"location": "westeurope"})).await.status, 201);
    assert_eq!(lab.put(&format!("{PLAIN}/parts/p"), json!({})).await.status, 201);
    assert_eq!(lab.put(CLIENT, json!({})).await.status, 201);
    assert_eq!(lab.get("/resourceGroups/rg/resources").await.names(), ["one", "laptop"]);

    assert_eq!(lab.delete("/resourcegroups/rg").await.status, 200);
    assert_eq!(lab.get(PLAIN).await.code(), (404, "ResourceGroupNotFound"));
    assert_eq!(lab.send("HEAD", "/resourceGroups/rg", Value::Null, &[]).await.status, 404);
    assert_eq!(lab.delete("/resourcegroups/rg").await.code(), (404, "ResourceGroupNotFound"));
    assert!(lab.plane.estate().is_empty());
    let published = lab.published.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(published, ["Rg", "Rg", "one", "p", "laptop", "p", "one", "laptop", "Rg"], "children before parents");
}

#[tokio::test]
async fn what_noren_does_not_know_comes_back_as_it_was() {
    let lab = Lab::new(Pace::Instant).await;
    lab.group("rg").await;
    let body = json!({
        "location": "UK South", "tags": {"a": "b"}, "zones": ["1"],
        "sku": {"name": "x"}, "properties": {"deep": {"odd": [1, null, {"é": 0.5}]}},
    });
    lab.put(PLAIN, body).await;
    let shown =
        lab.get(&PLAIN.to_uppercase().replace("/RESOURCEGROUPS/RG/PROVIDERS", "/resourceGroups/rg/providers")).await;
    assert_eq!(shown.body["location"], "uksouth");
    assert_eq!(shown.body["properties"]["deep"], json!({"odd": [1, null, {"é": 0.5}]}));
    assert_eq!((&shown.body["zones"], &shown.body["sku"]), (&json!(["1"]), &json!({"name": "x"})));

    let patched = lab.send("PATCH", PLAIN, json!({"tags": {"a": null, "c": "d"}}), &[]).await;
    assert_eq!((patched.status, &patched.body["tags"]), (200, &json!({"c": "d"})));
    assert_eq!(patched.body["properties"]["deep"]["odd"][2]["é"], 0.5);
}

#[tokio::test]
async fn refusals_are_azures() {
    let lab = Lab::new(Pace::Instant).await;
    lab.group("rg").await;
    let client = |name: &str| format!("/resourceGroups/rg/providers/Noren.Lab/clients/{name}");
    let vnet = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v";
    for (method, path, body, expected) in [
        ("GET", vnet, Value::Null, (404, "ResourceNotFound")),
        (
            "PUT",
            "/resourceGroups/no/providers/Microsoft.Network/virtualNetworks/v",
            json!({}),
            (404, "ResourceGroupNotFound"),
        ),
        ("PUT", vnet, json!({}), (400, "LocationRequired")),
        ("PUT", vnet, json!({"location": "atlantis"}), (400, "LocationNotAvailableForResourceType")),
        ("PUT", vnet, json!([]), (400, "InvalidRequestContent")),
        ("PUT", &format!("{PLAIN}/parts/p"), json!({}), (404, "ParentResourceNotFound")),
        ("PUT", "/resourceGroups/rg", json!({"location": "uksouth"}), (409, "InvalidResourceGroupLocation")),
        ("PUT", "/resourceGroups/new", json!({"location": "moon"}), (400, "LocationNotAvailableForResourceGroup")),
        ("PUT", "/resourceGroups/new", json!({}), (400, "LocationRequired")),
        ("PUT", "/resourceGroups/bad.", json!({"location": "uksouth"}), (400, "InvalidResourceGroup")),
        ("PATCH", vnet, json!({}), (404, "ResourceNotFound")),
        ("PUT", "/resources", json!({}), (405, "MethodNotAllowed")),
        ("POST", vnet, json!({}), (404, "ResourceNotFound")),
        ("GET", "/providers/Nobody.Knows", Value::Null, (404, "InvalidResourceNamespace")),
        ("GET", "/resources?$filter=nonsense", Value::Null, (400, "InvalidFilterInQueryString")),
        ("GET", "/resourceGroups/no/resources", Value::Null, (404, "ResourceGroupNotFound")),
        ("GET", &format!("{}/what", client("x")), Value::Null, (404, "ResourceNotFound")),
    ] {
        assert_eq!(lab.send(method, path, body, &[]).await.code(), expected, "{method} {path}");
    }
    assert_eq!(lab.delete(vnet).await.status, 204, "what is not there is deleted");
    let refused = lab.get("/resourceGroups/no").await;
    insta::assert_snapshot!(
        refused.body.to_string(),
        @r#"{"error":{"code":"ResourceGroupNotFound","message":"Resource group 'no' could not be found."}}"#
    );
    let refused = lab.get(vnet).await;
    insta::assert_snapshot!(
        refused.body["error"]["message"].as_str().unwrap(),
        @"The Resource 'Microsoft.Network/virtualNetworks/v' under resource group 'rg' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    );
}

#[tokio::test]
async fn another_subscription_and_no_token_are_refused() {
    let lab = Lab::new(Pace::Instant).await;
    let other = Request::get("/subscriptions/11111111-1111-1111-1111-111111111111?api-version=1")
        .header("authorization", format!("Bearer {}", lab.token));
    let answer = Answer::of(lab.plane.handle(other.body(Bytes::new()).unwrap()).await);
    assert_eq!(answer.code(), (404, "SubscriptionNotFound"));
    let nobody = Request::get("/subscriptions?api-version=1").body(Bytes::new()).unwrap();
    let answer = Answer::of(lab.plane.handle(nobody).await);
    assert_eq!(answer.code(), (401, "AuthenticationFailed"));
    assert!(answer.header("www-authenticate").starts_with("Bearer "));
}

#[tokio::test]
async fn resources_are_listed_by_filter() {
    let lab = Lab::new(Pace::Instant).await;
    for (group, tags) in [("rg", json!({"env": "a"})), ("rg2", json!({"env": "b"}))] {
        lab.group(group).await;
        let path = format!("/resourceGroups/{group}/providers/Microsoft.Odd/things/in-{group}");
        lab.put(&path, json!({"location": "uksouth", "tags": tags})).await;
    }
    lab.put(CLIENT, json!({})).await;
    let names = async |filter: &str| {
        let answer = lab.get(&format!("/resources?$filter={filter}")).await;
        answer.names().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names("resourceGroup eq 'RG'").await, ["in-rg", "laptop"]);
    assert_eq!(names("resourceType eq 'microsoft.odd/things'").await, ["in-rg", "in-rg2"]);
    assert_eq!(names("tagName eq 'env' and tagValue eq 'b'").await, ["in-rg2"]);
    assert_eq!(names("name eq 'laptop'").await, ["laptop"]);
    let first = lab.get("/resources?$top=2&$expand=provisioningState").await;
    assert_eq!(first.names(), ["in-rg", "laptop"]);
    let second = lab.get(first.body["nextLink"].as_str().unwrap()).await;
    assert_eq!((second.names(), second.body.get("nextLink")), (vec!["in-rg2"], None));
    assert_eq!(second.body["value"][0]["provisioningState"], "Succeeded", "the link asks what the request asked");
    let group = lab.get("/resourcegroups?$top=1").await;
    assert_eq!(
        (group.names(), lab.get(group.body["nextLink"].as_str().unwrap()).await.names()),
        (vec!["rg"], vec!["rg2"])
    );
    let tags = lab.get("/tagNames").await.body;
    assert_eq!(
        (&tags["value"][0]["tagName"], &tags["value"][0]["count"]["value"]),
        (&json!("env"), &json!(2)),
        "{tags}"
    );
    assert_eq!(tags["value"][0]["values"][1]["tagValue"], "b");
    let expanded = lab.get("/resources?$top=1&$expand=createdTime,provisioningState").await;
    assert_eq!(expanded.body["value"][0]["provisioningState"], "Succeeded");
    assert_eq!(lab.get("/providers/Microsoft.Odd/things").await.names(), ["in-rg", "in-rg2"]);
    assert_eq!(lab.get("/resourceGroups/rg2/providers/Microsoft.Odd/things").await.names(), ["in-rg2"]);
    assert_eq!(lab.get("/providers/Noren.Lab/clients").await.names(), ["laptop"]);
}

#[tokio::test]
async fn subscriptions_locations_and_namespaces_are_there_for_az() {
    let lab = Lab::new(Pace::Instant).await;
    assert_eq!(lab.get("").await.body["state"], "Enabled");
    let locations = lab.get("/locations").await;
    assert!(locations.names().contains(&"japaneast") && locations.names().len() > 40);
    let namespace = lab.get("/providers/microsoft.network").await;
    assert_eq!(namespace.body["registrationState"], "Registered");
    let registered = lab.send("POST", "/providers/Microsoft.Network/register", Value::Null, &[]).await;
    assert_eq!((registered.status, &registered.body), (200, &namespace.body));
    assert!(lab.get("/providers").await.body["value"].as_array().unwrap().len() > 5);
}

#[tokio::test]
async fn a_change_waits_for_its_preconditions() {
    let lab = Lab::new(Pace::Instant).await;
    lab.group("rg").await;
    let put = async |headers: &[(&str, &str)]| {
        lab.send("PUT", PLAIN, json!({"location": "uksouth", "etag": "\"1\""}), headers).await.status
    };
    assert_eq!(put(&[("if-match", "*")]).await, 412);
    assert_eq!(put(&[("if-none-match", "*")]).await, 201);
    assert_eq!(put(&[("if-none-match", "*")]).await, 412);
    assert_eq!(put(&[("if-match", "\"0\"")]).await, 412);
    assert_eq!(put(&[("if-match", "\"1\"")]).await, 200);
    assert_eq!(
        lab.send("DELETE", PLAIN, Value::Null, &[("if-match", "\"0\"")]).await.code(),
        (412, "PreconditionFailed")
    );
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let lab = Lab::new(Pace::Instant).await;
    lab.group("rg").await;
    lab.put(PLAIN, json!({"location": "uksouth", "properties": {"x": 1}})).await;
    let (before, token, secret) =
        (lab.get(PLAIN).await.body, lab.token.clone(), lab.plane.service_principal().secret.clone());
    let mut lab = lab.restarted(Pace::Instant).await;
    assert_eq!(lab.plane.service_principal().secret, secret);
    lab.token = token;
    assert_eq!(lab.get(PLAIN).await.body, before, "a token of the run before is good as well");
}

#[tokio::test]
async fn changes_at_once_do_not_lose_one_another() {
    let lab = Arc::new(Lab::new(Pace::Instant).await);
    lab.group("rg").await;
    let made = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..50 {
        let (lab, made) = (Arc::clone(&lab), Arc::clone(&made));
        tasks.spawn(async move {
            let path = format!("/resourceGroups/rg/providers/Noren.Lab/clients/c{number}");
            let answer = lab.put(&path, json!({})).await;
            made.fetch_add(usize::from(answer.status == 201), Ordering::SeqCst);
        });
    }
    tasks.join_all().await;
    let addresses: BTreeSet<String> = lab.get("/providers/Noren.Lab/clients").await.body["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|client| client["properties"]["publicIPAddress"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        (made.load(Ordering::SeqCst), addresses.len()),
        (50, 50),
        "each decided on the estate of the one before"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_is_sent_gets_an_answer_in_azures_shape(
        method in "(GET|PUT|PATCH|POST|DELETE|HEAD|TRACE|BREW)",
        path in "(/(S|resourceGroups|rg|providers|Microsoft.Network|Microsoft.ContainerService|Noren.Lab|locations|westeurope|virtualNetworks|managedClusters|privateDnsZones|clients|A|ALL|register|operations|subnets|x|%[0-9a-f]{2}|[!-~]{0,4})){0,10}",
        query in "(\\$(filter|top|expand)=[ -~]{0,12}&?){0,2}",
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "\\{\"location\":\"(westeurope|global|x)?\",\"properties\":(\\{\\}|null|1|\\[\\]|\\{\"subnets\":[\\[1]\\]?\\})\\}".prop_map(String::into_bytes),
        ],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            thread_local! {
                static LAB: std::cell::RefCell<Option<Arc<Lab>>> = const { std::cell::RefCell::new(None) };
            }
            let lab = if let Some(lab) = LAB.with_borrow(Clone::clone) {
                lab
            } else {
                let lab = Arc::new(Lab::new(Pace::Instant).await);
                lab.group("rg").await;
                LAB.set(Some(Arc::clone(&lab)));
                lab
            };
            let path = path.replace("/S", &format!("/subscriptions/{}", lab.plane.lab().subscription));
            let uri = format!("{path}?api-version=1&{query}").replace(' ', "%20");
            let Ok(request) = Request::builder()
                .method(method.as_str())
                .uri(uri)
                .header("authorization", format!("Bearer {}", lab.token))
                .body(Bytes::from(body))
            else {
                return Ok(());
            };
            let response = lab.plane.handle(request).await;
            let status = response.status().as_u16();
            prop_assert!(status < 500, "{status}: {:?}", response.body());
            if status >= 400 && method != "HEAD" && !response.body().is_empty() {
                let body: Value = serde_json::from_slice(response.body()).unwrap();
                let arm = body["error"]["code"].is_string() && body["error"]["message"].is_string();
                prop_assert!(arm || body["error"].is_string(), "{body}");
            }
            Ok(())
        })?;
    }
}
