//! The lab's own controls, under `/lab/`: for whoever can read the control token in its directory.

use bytes::Bytes;
use http::{Method, Response, StatusCode, header, request::Parts};
use pki::Redacted;
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::status::Reporter;

/// Answers `GET /lab/status` and `POST /lab/shutdown`.
pub(super) struct Control {
    reporter: Reporter,
    token: Redacted<String>,
    shutdown: CancellationToken,
}

impl Control {
    /// Controls for whoever shows `token`.
    pub(super) fn new(reporter: Reporter, token: Redacted<String>, shutdown: CancellationToken) -> Self {
        Self { reporter, token, shutdown }
    }

    fn answer(&self, request: &Parts) -> Option<Response<Bytes>> {
        let path = request.uri.path().strip_prefix("/lab/")?;
        if !self.is_owner(request) {
            return Some(reply(StatusCode::UNAUTHORIZED, &json!({"error": "the control token is missing or wrong"})));
        }
        match (&request.method, path) {
            (&Method::GET, "status") => Some(reply(StatusCode::OK, &self.reporter.status())),
            (&Method::POST, "shutdown") => {
                self.shutdown.cancel();
                Some(reply(StatusCode::ACCEPTED, &json!({})))
            }
            _ => Some(reply(StatusCode::NOT_FOUND, &json!({"error": "there is no such control"}))),
        }
    }

    fn is_owner(&self, request: &Parts) -> bool {
        let shown = request.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        pki::constant_time_equal(shown.as_bytes(), self.token.expose().as_bytes())
    }
}

impl arm::ExtraRoutes for Control {
    fn route(&self, request: Parts, _body: Bytes) -> arm::hooks::BoxFuture<Option<Response<Bytes>>> {
        let answer = self.answer(&request);
        Box::pin(std::future::ready(answer))
    }
}

fn reply(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
