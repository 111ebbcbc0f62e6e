//! What is noted of each request when it is answered: counted for `/metrics`, written into the audit log.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, header, request::Parts};
use jiff::Timestamp;
use serde_json::json;

use crate::{
    api,
    audit::{AuditLevel, AuditLog, Event},
    metrics::Labels,
    objects::ObjectStore,
    rbac,
    request::{Objects, Target, decode_path},
    reviews::User,
};

/// What became known of a request while it was answered.
pub(crate) struct Noted {
    pub(crate) objects: ObjectStore,
    /// Whoever was proved to ask.
    pub(crate) proved: Option<User>,
    /// As whom.
    pub(crate) user: Option<Arc<User>>,
    pub(crate) body: Bytes,
}

/// Whether a query asks for something, as in `watch=true`.
fn asks(query: &str, wanted: &str) -> bool {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .any(|(name, value)| name == wanted && matches!(value, "true" | "1" | "All"))
}

/// What a request was, as labels of metrics say it; nothing that a client can make up.
pub(crate) fn labels(parts: &Parts, objects: &ObjectStore) -> Labels {
    let query = parts.uri.query().unwrap_or_default();
    let path = decode_path(parts.uri.path());
    let find = |group: &str, version: &str, plural: &str| objects.kind(group, version, plural);
    let Ok(Target::Objects(found)) = Target::parse(&path, find) else {
        return Labels { verb: plain_verb(&parts.method), ..Labels::default() };
    };
    let Objects { resource, namespace, name, subresource } = found;
    let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let verb = match (&parts.method, name) {
        (&Method::GET | &Method::HEAD, None) if asks(query, "watch") => "WATCH",
        (&Method::GET | &Method::HEAD, None) => "LIST",
        (&Method::DELETE, None) => "DELETECOLLECTION",
        (&Method::PATCH, _) if content_type.is_some_and(|kind| kind.starts_with("application/apply-patch")) => "APPLY",
        (method, _) => plain_verb(method),
    };
    let scope = match (name, namespace) {
        (Some(_), _) => "resource",
        (None, Some(_)) => "namespace",
        (None, None) => "cluster",
    };
    Labels {
        verb,
        group: resource.group.to_string(),
        version: resource.version.to_string(),
        resource: resource.plural.to_string(),
        subresource: subresource.unwrap_or_default().to_owned(),
        scope,
        dry_run: asks(query, "dryRun"),
    }
}

fn plain_verb(method: &Method) -> &'static str {
    match *method {
        Method::GET | Method::HEAD => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Writes a request and how it was answered into an audit log.
pub(crate) fn record(
    log: &AuditLog,
    parts: &Parts,
    noted: &Noted,
    (code, message): (u16, Option<&str>),
    (received, took): (Timestamp, Duration),
) {
    let path = decode_path(parts.uri.path());
    let watch = asks(parts.uri.query().unwrap_or_default(), "watch");
    let version = path.split('/').nth(if path.starts_with("/apis/") { 3 } else { 2 }).unwrap_or_default();
    let nobody = User::default();
    let mut annotations = json!({});
    for (name, text) in &*noted.objects.annotations.lock().unwrap_or_else(PoisonError::into_inner) {
        annotations[*name] = json!(text);
    }
    if noted.user.is_some() {
        annotations["authorization.k8s.io/decision"] = json!(if code == 403 { "forbid" } else { "allow" });
    }
    // Patches have content types of their own, and are JSON or YAML.
    let sent = (log.level == AuditLevel::Request && !noted.body.is_empty()).then_some(&noted.body);
    let body = sent.and_then(|body| api::decode(parts, body).or_else(|_| api::parse_yaml(body)).ok());
    let event = Event {
        id: &uuid::Uuid::new_v4().to_string(),
        uri: parts.uri.to_string(),
        request: rbac::request_of(&parts.method, &path, watch),
        version,
        user: noted.user.as_deref().unwrap_or(&nobody),
        proved: noted.proved.as_ref().filter(|proved| noted.user.as_deref().is_some_and(|user| user != *proved)),
        agent: parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default(),
        body,
        code,
        message,
        received,
        took,
        annotations,
    };
    log.write(&noted.objects.cluster, &event.to_value(log.level));
}
