//! The whole crate but its sockets, on a store in memory: the lab that stories are told in.

mod activity;
mod authorization;
mod clusters;
mod compute;
mod connections;
mod deployments;
mod dns_resolver;
mod identity;
mod network;
mod openvpn;
mod operations;
mod power;
mod private_dns;
mod reference;
mod stories;
mod vpn;

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;
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

    /// The same lab with the group `rg`.
    async fn with_group() -> Self {
        let lab = Self::new(Pace::Instant).await;
        lab.group("rg").await;
        lab
    }

    /// Puts what must succeed and gives the reply's body.
    async fn made(&self, path: &str, body: Value) -> Value {
        let answer = self.put(path, body).await;
        assert!(matches!(answer.status, 200 | 201), "{path}: {answer:?}");
        answer.body
    }

    /// The resource id behind a path below the subscription.
    fn full_id(&self, path: &str) -> String {
        format!("/subscriptions/{}{path}", self.plane.lab().subscription)
    }

    /// A refusal in one line, with `S` for the subscription: `400 Code: message`.
    fn words(&self, answer: &Answer) -> String {
        let (status, code) = answer.code();
        let message = answer.body["error"]["message"].as_str().unwrap_or_default();
        format!("{status} {code}: {message}").replace(&self.plane.lab().subscription, "S")
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
