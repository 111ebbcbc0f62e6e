//! Admission webhooks: servers that are asked whether a write is to be, and what it is to become.
//!
//! Only addresses of this machine's loopback device are called: a `url` there, or a service of type `ExternalName` that
//! leads there. No container runs in a cluster, so that nobody would answer at any other service. Bodies and time are
//! bounded. Source: k8s.io/apiserver `pkg/admission/plugin/webhook`, whose words these are; k8s.io/api `admission/v1`.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::future::join_all;
use reqwest::{Certificate, Client, redirect};
use serde_json::{Value, json};

use super::matching::{Request, conditions_hold};
use crate::{object, objects::ObjectStore, relay, request::Objects, status::Status};

const GROUP: &str = "admissionregistration.k8s.io";
/// Largest answer of a webhook, in bytes.
const ANSWER_MAX: usize = 3 * 1024 * 1024;
/// Clients kept, each for an authority and a service.
const CLIENTS_MAX: usize = 256;
static CLIENTS: LazyLock<Mutex<HashMap<Target, Client>>> = LazyLock::new(Mutex::default);

/// Whom a webhook's requests go to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Target {
    url: String,
    /// The name of a service and the address that it stands for.
    service: Option<(String, SocketAddr)>,
    authority: String,
}

/// What a webhook answers.
struct Verdict {
    /// Why it refuses.
    refusal: Option<Status>,
    patch: Option<Value>,
    warnings: Vec<String>,
}

impl ObjectStore {
    fn webhooks(&self, plural: &str, request: &Request<'_>) -> Result<Vec<Value>, Status> {
        // Webhooks must not lock out whoever is to change them.
        if request.place.resource.group == GROUP {
            return Ok(Vec::new());
        }
        let configurations = self.stored_of(GROUP, plural, None)?;
        let webhooks = configurations.iter().filter_map(|held| held["webhooks"].as_array());
        Ok(webhooks.flatten().cloned().collect())
    }

    /// Asks the webhooks that change objects, one after the other; once more those that want to see what later ones did.
    /// Gives the warnings.
    ///
    /// # Errors
    /// What a webhook refuses, or why it could not be asked.
    pub(super) async fn ask_mutating(&self, request: &mut Request<'_>) -> Result<Vec<String>, Status> {
        let webhooks = self.webhooks("mutatingwebhookconfigurations", request)?;
        let mut warnings = Vec::new();
        let mut seen: Vec<Option<Value>> = Vec::new();
        for again in [false, true] {
            for (index, webhook) in webhooks.iter().enumerate() {
                if again {
                    let changed = seen[index].as_ref().is_some_and(|seen| *seen != request.object);
                    if webhook["reinvocationPolicy"] != "IfNeeded" || !changed {
                        continue;
                    }
                }
                let verdict = self.ask(webhook, request).await?;
                let asked = verdict.is_some();
                if let Some(verdict) = verdict {
                    warnings.extend(verdict.warnings);
                    if let Some(refusal) = verdict.refusal {
                        return Err(refusal.warned(warnings));
                    }
                    if let Some(patch) = &verdict.patch {
                        request.object = self.patched(webhook, request, patch)?;
                    }
                }
                if !again {
                    seen.push(asked.then(|| request.object.clone()));
                }
            }
        }
        Ok(warnings)
    }

    /// Asks the webhooks that only refuse, all at once. Gives the warnings.
    ///
    /// # Errors
    /// What the first of them refuses, or why it could not be asked.
    pub(super) async fn ask_validating(&self, request: &Request<'_>) -> Result<Vec<String>, Status> {
        let webhooks = self.webhooks("validatingwebhookconfigurations", request)?;
        let mut warnings = Vec::new();
        for verdict in join_all(webhooks.iter().map(|webhook| self.ask(webhook, request))).await {
            let Some(verdict) = verdict? else { continue };
            warnings.extend(verdict.warnings);
            if let Some(refusal) = verdict.refusal {
                return Err(refusal.warned(warnings));
            }
        }
        Ok(warnings)
    }

    /// The object after a webhook's patch, complete again.
    fn patched(&self, webhook: &Value, request: &Request<'_>, patch: &Value) -> Result<Value, Status> {
        let name = webhook["name"].as_str().unwrap_or_default();
        let row = &*request.place.resource;
        let mut object = request.object.clone();
        let operations: Result<json_patch::Patch, _> = serde_json::from_value(patch.clone());
        let applied = operations
            .map_err(|error| error.to_string())
            .and_then(|operations| json_patch::patch(&mut object, &operations).map_err(|error| error.to_string()));
        if let Err(problem) = applied {
            return Err(Status::internal(format!("Internal error occurred: admission webhook {name:?}: {problem}")));
        }
        object::check_envelope(row, &mut object, request.place.namespace, None)?;
        object::check_fields(row, &object, crate::request::FieldValidation::Ignore)?;
        if request.place.subresource.is_none() {
            object::fill_in(row, &mut object, self.now);
        }
        Ok(object)
    }

    /// Asks one webhook; `None` when it does not speak of the request, or cannot be asked and need not be.
    async fn ask(&self, webhook: &Value, request: &Request<'_>) -> Result<Option<Verdict>, Status> {
        let name = webhook["name"].as_str().unwrap_or_default();
        let exact = webhook["matchPolicy"] == "Exact";
        let meant = webhook["rules"].as_array().into_iter().flatten().any(|rule| request.is_of(rule, exact));
        if !meant || !request.is_selected(self, webhook)? {
            return Ok(None);
        }
        let ignores = webhook["failurePolicy"] == "Ignore";
        let failed = |problem: String| {
            if ignores {
                tracing::debug!(webhook = name, problem, "a webhook could not be asked, which it allows");
                return Ok(None);
            }
            Err(Status::webhook_failed(&problem))
        };
        if webhook["matchConditions"].is_array() {
            match conditions_hold(&webhook["matchConditions"], &request.scope(self)) {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(problem) => return failed(problem),
            }
        }
        if request.dry_run && !matches!(webhook["sideEffects"].as_str(), Some("None" | "NoneOnDryRun")) {
            return Err(Status::bad_request(format!("admission webhook {name:?} does not support dry run")));
        }
        let timeout = webhook["timeoutSeconds"].as_u64().unwrap_or(10).clamp(1, 30);
        let target = match self.target(&webhook["clientConfig"])? {
            Ok(target) => target,
            Err(problem) => return failed(format!("failed calling webhook {name:?}: {problem}")),
        };
        let uid = uuid::Uuid::new_v4().to_string();
        let mut shown = request.shown(self, &uid);
        shown["object"] = request.object.clone();
        shown["oldObject"] = request.before.clone();
        let review = json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": shown});
        match target.post(&review, timeout).await.and_then(|answer| read(name, &uid, &answer)) {
            Ok(verdict) => Ok(Some(verdict)),
            Err(problem) => failed(format!("failed calling webhook {name:?}: failed to call webhook: {problem}")),
        }
    }

    /// Where a webhook is, or why it cannot be called from here.
    fn target(&self, config: &Value) -> Result<Result<Target, String>, Status> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let authority = STANDARD.decode(text(&config["caBundle"])).unwrap_or_default();
        let authority = String::from_utf8_lossy(&authority).into_owned();
        if let Some(url) = config["url"].as_str() {
            let host = url.parse::<http::Uri>().ok().and_then(|url| url.host().map(str::to_owned)).unwrap_or_default();
            return Ok(match loopback(&host) {
                Some(_) => Ok(Target { url: url.to_owned(), service: None, authority }),
                None => Err(format!("{url:?} is not on this machine: noren calls webhooks at loopback addresses only")),
            });
        }
        let service = &config["service"];
        let (namespace, name) = (text(&service["namespace"]), text(&service["name"]));
        let port = service["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(443);
        let Some(row) = crate::registry::find("", "v1", "services") else { return Ok(Err(String::new())) };
        let place = Objects { resource: row.clone(), namespace: Some(&namespace), name: None, subresource: None };
        let held = match self.get(&place, &name) {
            Ok(held) => held,
            Err(status) if status.code == 404 => {
                return Ok(Err(format!("failed to call webhook: service {name:?} not found")));
            }
            Err(status) => return Err(status),
        };
        let host = format!("{name}.{namespace}.svc");
        let path = text(&service["path"]);
        let external = held["spec"]["externalName"].as_str().and_then(loopback);
        Ok(match external.filter(|_| held["spec"]["type"] == "ExternalName") {
            Some(address) => Ok(Target {
                url: format!("https://{host}:{port}/{}", path.trim_start_matches('/')),
                service: Some((host, SocketAddr::new(address, port))),
                authority,
            }),
            None => Err(format!(
                "failed to call webhook: nobody answers at service {namespace}/{name}: no containers run in this cluster. \
                 A service of type ExternalName that names localhost, or clientConfig.url, leads to a webhook on this machine"
            )),
        })
    }
}

/// The address of a host if it is this machine's loopback device.
fn loopback(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    host.trim_matches(['[', ']']).parse().ok().filter(IpAddr::is_loopback)
}

impl Target {
    fn client(&self) -> Result<Client, String> {
        let lock = || CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = lock().get(self) {
            return Ok(client.clone());
        }
        let mut builder = Client::builder().redirect(redirect::Policy::none()).no_proxy();
        if !self.authority.is_empty() {
            let known = Certificate::from_pem_bundle(self.authority.as_bytes()).map_err(|error| error.to_string())?;
            builder = builder.tls_certs_only(known);
        }
        // Whatever `localhost` may resolve to elsewhere, here it is the loopback device.
        builder = builder.resolve("localhost", SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0));
        if let Some((name, address)) = &self.service {
            builder = builder.resolve(name, *address);
        }
        let client = builder.build().map_err(|error| error.to_string())?;
        let mut clients = lock();
        if clients.len() >= CLIENTS_MAX {
            clients.clear();
        }
        clients.insert(self.clone(), client.clone());
        Ok(client)
    }

    async fn post(&self, review: &Value, timeout: u64) -> Result<Value, String> {
        let url = format!("{}{}timeout={timeout}s", self.url, if self.url.contains('?') { '&' } else { '?' });
        let wrong = |error: String| format!("Post {url:?}: {error}");
        let request = self.client().map_err(wrong)?.post(&url).timeout(Duration::from_secs(timeout)).json(review);
        let told = |error: reqwest::Error| {
            let what = if error.is_timeout() { "context deadline exceeded".to_owned() } else { relay::cause(&error) };
            wrong(what)
        };
        let mut answer = request.send().await.map_err(told)?;
        if !answer.status().is_success() {
            return Err(wrong(format!("the server answered {}", answer.status())));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(told)? {
            if body.len() + chunk.len() > ANSWER_MAX {
                return Err(wrong(format!("the answer is larger than {ANSWER_MAX} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| wrong(format!("the answer is no JSON: {error}")))
    }
}

/// What an answer says.
fn read(name: &str, uid: &str, answer: &Value) -> Result<Verdict, String> {
    if answer["kind"] != "AdmissionReview" || answer["apiVersion"] != "admission.k8s.io/v1" {
        let got = format!("{}, Kind={}", answer["apiVersion"], answer["kind"]);
        return Err(format!("expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {got}"));
    }
    let response = &answer["response"];
    if response.is_null() {
        return Err("webhook response was absent".to_owned());
    }
    if response["uid"] != uid {
        return Err(format!("expected response.uid={uid:?}, got {}", response["uid"]));
    }
    let warnings = response["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let warnings = warnings.map(str::to_owned).collect();
    if response["allowed"] != true {
        return Ok(Verdict { refusal: Some(Status::webhook_denied(name, &response["status"])), patch: None, warnings });
    }
    let patch = match response["patch"].as_str().filter(|patch| !patch.is_empty()) {
        None => None,
        Some(_) if response["patchType"] != "JSONPatch" => {
            return Err(format!("unsupported patch type {}", response["patchType"]));
        }
        Some(patch) => {
            let bytes = STANDARD.decode(patch).map_err(|error| format!("the patch is no base64: {error}"))?;
            Some(serde_json::from_slice(&bytes).map_err(|error| format!("the patch is no JSON: {error}"))?)
        }
    };
    Ok(Verdict { refusal: None, patch, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_called() {
        for host in ["localhost", "127.0.0.1", "127.8.0.1", "::1", "[::1]", "LOCALHOST"] {
            assert!(loopback(host).is_some(), "{host}");
        }
        for host in ["", "10.0.0.1", "localhost.example.com", "169.254.169.254", "0.0.0.0", "example.com"] {
            assert!(loopback(host).is_none(), "{host}");
        }
    }

    #[test]
    fn an_answer_is_of_its_question_and_says_yes_no_or_how() {
        let answer = |response: Value| json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "response": response});
        let said = |response: Value| read("w", "u", &answer(response));
        let verdict = said(json!({"uid": "u", "allowed": false, "status": {"message": "no", "code": 418}})).unwrap();
        let refusal = verdict.refusal.unwrap();
        assert_eq!((refusal.code, refusal.message()), (418, "admission webhook \"w\" denied the request: no"));
        let verdict = said(json!({"uid": "u", "allowed": false})).unwrap();
        assert_eq!(
            verdict.refusal.unwrap().to_value()["message"],
            "admission webhook \"w\" denied the request without explanation"
        );
        let patch = STANDARD.encode("[]");
        let verdict = said(json!({"uid": "u", "allowed": true, "patchType": "JSONPatch", "patch": patch})).unwrap();
        assert_eq!((verdict.refusal, verdict.patch), (None, Some(json!([]))));
        assert!(said(json!({"uid": "other", "allowed": true})).is_err());
        assert!(read("w", "u", &json!({"kind": "AdmissionReview"})).is_err());
        assert!(said(json!({"uid": "u", "allowed": true, "patchType": "Merge", "patch": "e30="})).is_err());
    }
}
