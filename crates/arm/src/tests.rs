//! Stories through [`ManagementPlane::handle`]: the whole crate but its sockets, on a store in memory.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};
use store::Store;

use crate::{Clock, CommandResult, CommandRunner, ManagementPlane, Options, Pace, hooks::BoxFuture, provider::Work};

const START: i64 = 1_790_000_000;

/// A clock that stands still until it is moved.
#[derive(Clone)]
struct Hand(Arc<AtomicI64>);

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.load(Ordering::SeqCst)).unwrap()
    }
}

/// Runs no command: says which it was asked for.
struct Echo;

impl CommandRunner for Echo {
    fn run(&self, work: Work) -> BoxFuture<CommandResult> {
        let Work::RunCommand { command, .. } = work;
        Box::pin(async move { CommandResult { exit_code: 0, logs: command } })
    }
}

/// A lab whose clock the test holds.
struct Lab {
    plane: ManagementPlane,
    store: Store,
    clock: Hand,
    token: String,
    published: Arc<Mutex<Vec<String>>>,
}

/// An answer, for assertions.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: Value,
}

impl Answer {
    fn of(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    fn code(&self) -> (u16, &str) {
        (self.status, self.body["error"]["code"].as_str().unwrap_or_default())
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn names(&self) -> Vec<&str> {
        self.body["value"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
    }
}

impl Lab {
    async fn new(pace: Pace) -> Self {
        Self::on(Store::in_memory().unwrap(), Hand(Arc::new(AtomicI64::new(START))), pace).await
    }

    async fn on(store: Store, clock: Hand, pace: Pace) -> Self {
        let published = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&published);
        let options = Options {
            pace,
            base_url: "https://localhost:1".into(),
            clock: Arc::new(clock.clone()),
            publish: Arc::new(move |_, ids| {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.extend(ids.iter().map(|id| id.name().to_owned()));
            }),
            runner: Arc::new(Echo),
        };
        let plane = ManagementPlane::open(store.clone(), options).await.unwrap();
        let token = token(&plane).await;
        Self { plane, store, clock, token, published }
    }

    /// The same lab after a restart.
    async fn restarted(self, pace: Pace) -> Self {
        Self::on(self.store, self.clock, pace).await
    }

    async fn pass(&self, seconds: i64) {
        self.clock.0.fetch_add(seconds, Ordering::SeqCst);
        self.plane.settle().await.unwrap();
    }

    /// `path` below the subscription, or a whole URL that an answer gave.
    async fn send(&self, method: &str, path: &str, body: Value, headers: &[(&str, &str)]) -> Answer {
        let subscription = &self.plane.lab().subscription;
        let uri = match path.strip_prefix("https://localhost:1") {
            Some(path) => path.to_owned(),
            None if path.contains('?') => format!("/subscriptions/{subscription}{path}&api-version=2024-11-01"),
            None => format!("/subscriptions/{subscription}{path}?api-version=2024-11-01"),
        };
        let mut request = Request::builder().method(method).uri(uri.replace(' ', "%20"));
        request = request.header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        Answer::of(self.plane.handle(request.body(body).unwrap()).await)
    }

    async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, Value::Null, &[]).await
    }

    async fn put(&self, path: &str, body: Value) -> Answer {
        self.send("PUT", path, body, &[]).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, Value::Null, &[]).await
    }

    async fn group(&self, name: &str) -> Answer {
        self.put(&format!("/resourcegroups/{name}"), json!({"location": "West Europe"})).await
    }
}

async fn token(plane: &ManagementPlane) -> String {
    let principal = plane.service_principal();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope=https://localhost:1//.default",
        principal.client_id,
        principal.secret.expose()
    );
    let request = Request::post(format!("/{}/oauth2/v2.0/token", plane.lab().tenant))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form))
        .unwrap();
    let answer = Answer::of(plane.handle(request).await);
    answer.body["access_token"].as_str().unwrap_or_else(|| panic!("no token: {answer:?}")).to_owned()
}

/// A type noren does not know: kept as a document.
const PLAIN: &str = "/resourceGroups/rg/providers/Microsoft.Odd/things/one";
const CLIENT: &str = "/resourceGroups/rg/providers/Noren.Lab/clients/laptop";

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
    assert_eq!(lab.get("/resources?$top=1").await.names(), ["in-rg"]);
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
async fn with_azures_pace_a_group_goes_slowly() {
    let lab = Lab::new(Pace::Azure).await;
    lab.group("rg").await;
    lab.put(PLAIN, json!({"location": "uksouth"})).await;
    let accepted = lab.delete("/resourceGroups/rg").await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.header("x-go-azure-sdk-skip-polling-delay"), "true");
    assert_eq!(accepted.header("retry-after"), "10");
    let (status, result) = (accepted.header("azure-asyncoperation").to_owned(), accepted.header("location").to_owned());
    assert_eq!(lab.get("/resourceGroups/rg").await.body["properties"]["provisioningState"], "Deleting");
    assert_eq!(lab.put(PLAIN, json!({"location": "uksouth"})).await.code(), (409, "ResourceGroupBeingDeleted"));
    assert_eq!(lab.delete("/resourceGroups/rg").await.header("location"), result, "asked twice, the same operation");

    lab.pass(12).await;
    let polled = lab.get(&status).await;
    assert_eq!((polled.status, &polled.body["status"]), (200, &json!("InProgress")));
    assert_eq!(polled.header("retry-after"), "3");
    assert_eq!(lab.get(&result).await.status, 202);

    lab.pass(3).await;
    let polled = lab.get(&status).await;
    assert_eq!((&polled.body["status"], polled.header("retry-after")), (&json!("Succeeded"), ""));
    assert_eq!(lab.get(&result).await.status, 204);
    assert_eq!(lab.get("/resourceGroups/rg").await.status, 404);
    assert!(lab.plane.estate().is_empty());
}

#[tokio::test]
async fn an_operation_goes_on_after_a_restart() {
    let lab = Lab::new(Pace::Azure).await;
    lab.group("rg").await;
    lab.put(PLAIN, json!({"location": "uksouth"})).await;
    let status = lab.delete("/resourceGroups/rg").await.header("azure-asyncoperation").to_owned();
    let lab = lab.restarted(Pace::Azure).await;
    assert_eq!(lab.get(&status).await.body["status"], "InProgress");
    lab.pass(60).await;
    assert_eq!(lab.get(&status).await.body["status"], "Succeeded");
    assert!(lab.plane.estate().is_empty());

    lab.group("rg").await;
    lab.put(PLAIN, json!({"location": "uksouth"})).await;
    lab.delete("/resourceGroups/rg").await;
    let lab = lab.restarted(Pace::Instant).await;
    assert!(lab.plane.estate().is_empty(), "without Azure's pace it is done at the start");
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
    let addresses: std::collections::BTreeSet<String> = lab.get("/providers/Noren.Lab/clients").await.body["value"]
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
