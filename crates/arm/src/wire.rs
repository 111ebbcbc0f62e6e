//! Answers → HTTP: bodies, Azure's error envelope, and the headers every answer carries.

use std::sync::atomic::{AtomicU64, Ordering};

use azure::ArmError;
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::{
    auth::Unauthenticated,
    operations::{Act, Operation},
};

/// An answer, its body in memory.
pub(crate) type Response = http::Response<Bytes>;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const CORRELATION_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-correlation-request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const RETURN_CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-return-client-request-id");
const AZURE_ASYNC_OPERATION: HeaderName = HeaderName::from_static("azure-asyncoperation");
const RETRY_AFTER_MS: HeaderName = HeaderName::from_static("retry-after-ms");
/// Read by Azure's Go SDK for Terraform, which otherwise waits 10 s before its first question.
const SKIP_POLLING_DELAY: HeaderName = HeaderName::from_static("x-go-azure-sdk-skip-polling-delay");
const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Milliseconds before a client should ask again for the result of a command.
const COMMAND_RETRY_MS: u16 = 250;

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}

/// A JSON body.
pub(crate) fn json(status: StatusCode, value: &Value) -> Response {
    text(status, Bytes::from(value.to_string()))
}

/// A body that is JSON already.
pub(crate) fn text(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Azure's error envelope.
pub(crate) fn refusal(error: &ArmError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &json!({"error": envelope(error)}))
}

/// 401 with its challenge.
pub(crate) fn unauthenticated(refused: &Unauthenticated) -> Response {
    let mut response = refusal(&refused.error);
    if let Ok(challenge) = HeaderValue::from_str(&refused.challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The refusal for what went wrong on this side; says nothing of the inside.
pub(crate) fn internal_error() -> ArmError {
    ArmError::new(
        500,
        "InternalServerError",
        "The server encountered an internal error and was unable to complete the request.",
    )
}

/// An error as the envelope and operations show it.
pub(crate) fn envelope(error: &ArmError) -> Value {
    let mut object = Map::new();
    object.insert("code".into(), json!(error.code));
    object.insert("message".into(), json!(error.message));
    if let Some(target) = &error.target {
        object.insert("target".into(), json!(target));
    }
    if !error.details.is_empty() {
        object.insert("details".into(), error.details.iter().map(envelope).collect());
    }
    Value::Object(object)
}

/// Tells the client where to ask after `operation`, and when.
///
/// `base_url` has no trailing slash; `api_version` is the request's own, as ARM does.
pub(crate) fn poll_at(
    response: &mut Response,
    base_url: &str,
    operation: &Operation,
    api_version: &str,
    now: Timestamp,
) {
    let url = |path: String| HeaderValue::try_from(format!("{base_url}{path}?api-version={api_version}")).ok();
    let headers = response.headers_mut();
    if let Some(location) = url(operation.result_path()) {
        headers.insert(LOCATION, location);
    }
    if operation.act != Act::Command
        && let Some(status) = url(operation.status_path())
    {
        headers.insert(AZURE_ASYNC_OPERATION, status);
    }
    ask_again(response, operation, now);
}

/// When to ask again: on the first answer and on each while the operation is under way. Without it
/// clients wait 30 s (az-wire §2).
pub(crate) fn ask_again(response: &mut Response, operation: &Operation, now: Timestamp) {
    let headers = response.headers_mut();
    match operation.act {
        Act::Command => headers.insert(RETRY_AFTER_MS, HeaderValue::from(COMMAND_RETRY_MS)),
        Act::Write | Act::Delete => headers.insert(RETRY_AFTER, HeaderValue::from(operation.retry_after_s(now))),
    };
    headers.insert(SKIP_POLLING_DELAY, HeaderValue::from_static("true"));
}

/// Puts on what every answer carries.
pub(crate) fn stamp(response: &mut Response, request: &HeaderMap, ids: &RequestIds) {
    let id = ids.next();
    let correlation = request.get(CORRELATION_REQUEST_ID).cloned().unwrap_or_else(|| id.clone());
    let wants_own =
        request.get(RETURN_CLIENT_REQUEST_ID).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(CORRELATION_REQUEST_ID, correlation);
    if wants_own && let Some(own) = request.get(CLIENT_REQUEST_ID) {
        headers.insert(CLIENT_REQUEST_ID, own.clone());
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
}

/// Makes request ids: distinct GUIDs, cheap because nobody has to be unable to guess them.
#[derive(Debug)]
pub(crate) struct RequestIds {
    seed: u64,
    count: AtomicU64,
}

impl RequestIds {
    /// Ids that differ from those of other seeds.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, count: AtomicU64::new(0) }
    }

    fn next(&self) -> HeaderValue {
        let count = self.count.fetch_add(2, Ordering::Relaxed);
        let mut bytes = [0_u8; 16];
        bytes[..8].copy_from_slice(&mix(self.seed.wrapping_add(count)).to_be_bytes());
        bytes[8..].copy_from_slice(&mix(self.seed.wrapping_add(count + 1)).to_be_bytes());
        let id = uuid::Builder::from_random_bytes(bytes).into_uuid();
        let mut text = [0_u8; uuid::fmt::Hyphenated::LENGTH];
        let text = id.hyphenated().encode_lower(&mut text);
        HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("00000000-0000-0000-0000-000000000000"))
    }
}

/// The finaliser of `SplitMix64` (Steele, Lea, Flood 2014) over its counter.
fn mix(count: u64) -> u64 {
    let mut z = count.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_in_azures_envelope() {
        let mut error = ArmError::conflict("A", "b").with_target("c");
        error.details.push(ArmError::bad_request("D", "e"));
        let response = refusal(&error);
        assert_eq!(response.status(), 409);
        insta::assert_snapshot!(
            String::from_utf8_lossy(response.body()),
            @r#"{"error":{"code":"A","message":"b","target":"c","details":[{"code":"D","message":"e"}]}}"#
        );
    }

    #[test]
    fn a_client_gets_its_own_request_id_back_when_it_asks() {
        let ids = RequestIds::new(7);
        let mut request = HeaderMap::new();
        request.insert(CLIENT_REQUEST_ID, HeaderValue::from_static("mine"));
        let mut response = empty(StatusCode::OK);
        stamp(&mut response, &request, &ids);
        assert!(response.headers().get(CLIENT_REQUEST_ID).is_none());
        request.insert(RETURN_CLIENT_REQUEST_ID, HeaderValue::from_static("true"));
        stamp(&mut response, &request, &ids);
        assert_eq!(response.headers()[CLIENT_REQUEST_ID], "mine");
        assert_eq!(response.headers()[REQUEST_ID], response.headers()[CORRELATION_REQUEST_ID]);
        assert_ne!(ids.next(), ids.next());
    }
}
