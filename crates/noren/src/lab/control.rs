//! The lab's own controls, under `/lab/`: for whoever can read the control token in its directory.
//!
//! `GET status`, `GET estate`, `POST shutdown`, `POST stand` (how to run a program at a vantage), `POST look` (where
//! the packets of a vantage or an endpoint are seen), `POST portal` (a link to the portal that works once).

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode, header, request::Parts};
use pki::Redacted;
use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    running::{PortalLink, StandRequest},
    status::{Reporter, StandError},
};

/// Answers them.
#[derive(Clone)]
pub(super) struct Control {
    reporter: Reporter,
    portal: Option<Arc<portal::Portal>>,
    token: Arc<Redacted<String>>,
    shutdown: CancellationToken,
}

impl Control {
    /// Controls for whoever shows `token`.
    pub(super) fn new(
        reporter: Reporter,
        portal: Option<Arc<portal::Portal>>,
        token: Redacted<String>,
        shutdown: CancellationToken,
    ) -> Self {
        Self { reporter, portal, token: Arc::new(token), shutdown }
    }

    async fn answer(self, request: Parts, body: Bytes) -> Option<Response<Bytes>> {
        let path = request.uri.path().strip_prefix("/lab/")?;
        if !self.is_owner(&request) {
            return Some(reply(StatusCode::UNAUTHORIZED, &json!({"error": "the control token is missing or wrong"})));
        }
        match (&request.method, path) {
            (&Method::GET, "status") => Some(reply(StatusCode::OK, &self.reporter.status())),
            (&Method::GET, "estate") => Some(reply(StatusCode::OK, &self.reporter.estate())),
            (&Method::POST, "shutdown") => {
                self.shutdown.cancel();
                Some(reply(StatusCode::ACCEPTED, &json!({})))
            }
            (&Method::POST, "portal") => {
                self.portal.map(|portal| reply(StatusCode::OK, &PortalLink { url: portal.link() }))
            }
            (&Method::POST, "stand" | "look") => {
                let Ok(StandRequest { vantage }) = serde_json::from_slice(&body) else {
                    return Some(reply(StatusCode::BAD_REQUEST, &json!({"error": "the body names no vantage"})));
                };
                Some(match path {
                    "look" => found(self.reporter.lookout(&vantage).await),
                    _ => found(self.reporter.stand(&vantage).await),
                })
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
    fn route(&self, request: Parts, body: Bytes) -> arm::hooks::BoxFuture<Option<Response<Bytes>>> {
        Box::pin(self.clone().answer(request, body))
    }
}

fn found(found: Result<impl Serialize, StandError>) -> Response<Bytes> {
    match found {
        Ok(found) => reply(StatusCode::OK, &found),
        Err(late @ StandError::Late { .. }) => {
            reply(StatusCode::SERVICE_UNAVAILABLE, &json!({"error": late.to_string()}))
        }
        Err(error @ StandError::Vantage(_)) => reply(StatusCode::NOT_FOUND, &json!({"error": error.to_string()})),
    }
}

fn reply(status: StatusCode, body: &impl Serialize) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(serde_json::to_vec(body).unwrap_or_default()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}
