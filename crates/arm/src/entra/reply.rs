//! How Entra ID answers: JSON that no cache keeps, and errors with an `AADSTS` number, as its
//! clients read them.
//!
//! An error description never repeats a secret, an assertion or a token that a client sent.

use azure::ArmError;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Value, json};

/// A refusal of the OAuth endpoints.
///
/// Source of the numbers and wordings: Microsoft's list of AADSTS codes and recorded exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OAuthError {
    /// HTTP status.
    status: StatusCode,
    /// The OAuth 2.0 error, e.g. `invalid_client`.
    error: &'static str,
    /// The number after `AADSTS`.
    number: u32,
    /// The sentence after it.
    description: String,
}

impl OAuthError {
    /// A refusal that a client must not try again.
    pub(super) fn new(status: StatusCode, error: &'static str, number: u32, description: impl Into<String>) -> Self {
        Self { status, error, number, description: description.into() }
    }

    /// 400 `invalid_request`.
    pub(super) fn invalid_request(number: u32, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", number, description)
    }

    /// 400 `invalid_grant`.
    pub(super) fn invalid_grant(number: u32, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_grant", number, description)
    }

    /// 401 `invalid_client`.
    pub(super) fn invalid_client(number: u32, description: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", number, description)
    }

    /// A parameter that is not there.
    pub(super) fn missing(parameter: &str) -> Self {
        Self::invalid_request(900_144, format!("The request body must contain the following parameter: '{parameter}'."))
    }

    /// Number and sentence, without the ids of one reply.
    pub(super) fn sentence(&self) -> String {
        format!("AADSTS{}: {}", self.number, self.description)
    }

    /// The reply. `headers` are the request's: a client's correlation id is given back to it.
    pub(super) fn into_response(self, headers: &HeaderMap, now: Timestamp) -> Response<Bytes> {
        let trace = guid();
        let correlation = correlation_id(headers);
        let time = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let body = json!({
            "error": self.error,
            "error_description":
                format!("{} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {time}", self.sentence()),
            "error_codes": [self.number],
            "timestamp": time,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.number),
        });
        with_request_id(json_reply(self.status, &body), &trace)
    }
}

/// A JSON reply that nobody caches.
pub(super) fn json_reply(status: StatusCode, body: &Value) -> Response<Bytes> {
    text_reply(status, "application/json; charset=utf-8", body.to_string())
}

/// A reply of any type that nobody caches.
pub(super) fn text_reply(status: StatusCode, content_type: &'static str, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// An error in ARM's envelope.
pub(super) fn arm_error_reply(error: &ArmError) -> Response<Bytes> {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    json_reply(status, &json!({ "error": { "code": error.code, "message": error.message } }))
}

/// The reply to a method the endpoint does not know.
pub(super) fn method_not_allowed(
    allowed: &'static str,
    parts: &http::request::Parts,
    now: Timestamp,
) -> Response<Bytes> {
    let error = OAuthError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "invalid_request",
        900_561,
        format!("The endpoint only accepts {allowed} requests. Received a {} request.", parts.method),
    );
    let mut response = error.into_response(&parts.headers, now);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// The client's own correlation id where it sent a GUID (anything else is not repeated), else a new one.
pub(super) fn correlation_id(headers: &HeaderMap) -> String {
    ["client-request-id", "x-ms-client-request-id"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok()?.parse::<uuid::Uuid>().ok())
        .map_or_else(guid, |id| id.to_string())
}

/// A random GUID.
pub(super) fn guid() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn with_request_id(mut response: Response<Bytes>, id: &str) -> Response<Bytes> {
    if let Ok(value) = HeaderValue::from_str(id) {
        response.headers_mut().insert("x-ms-request-id", value);
    }
    response
}
