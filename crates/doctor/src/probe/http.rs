//! Requests to the API server.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{
    Request as HttpRequest, Response,
    body::Incoming,
    client::conn::http1,
    header::{ACCEPT, AUTHORIZATION, DATE, HOST, HeaderValue, USER_AGENT},
};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    tls::{self, Trust},
    way::{Stream, Way},
};
use crate::{
    kubeconfig::{Access, Proof},
    observation::{Request, RequestOutcome, Verdict},
};

/// Largest answer that is read, in bytes.
const BODY_MAX: usize = 256 * 1024;

/// What was answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Bytes,
    server_time: Option<Timestamp>,
}

/// Asks `/version`; with `proof` as the user, on a connection that must be believed.
pub(super) async fn version(
    access: &Access,
    way: &Way,
    expected: &str,
    trust: &Trust,
    limit: Duration,
    proof: Option<&Proof>,
) -> Request {
    let (outcome, server_time) = match timeout(limit, get(access, way, expected, trust, "/version", proof, None)).await
    {
        Err(_) => (RequestOutcome::Silent, None),
        Ok(Err(error)) => (RequestOutcome::Failed { error }, None),
        Ok(Ok(answer)) => (answer.outcome(), answer.server_time),
    };
    Request { with_credentials: proof.is_some(), outcome, server_time }
}

impl Answer {
    /// What it means: Kubernetes answers with a version or a `Status`.
    pub(super) fn outcome(&self) -> RequestOutcome {
        let json: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let (version, message) = (json["gitVersion"].as_str(), json["message"].as_str());
        RequestOutcome::Answered {
            status: self.status,
            message: version.or(message).map(|text| text.chars().take(300).collect()),
            kubernetes: version.is_some() || json["kind"] == "Status",
        }
    }
}

/// One GET on a connection of its own. `padding` is sent in a header that nobody reads.
pub(super) async fn get(
    access: &Access,
    way: &Way,
    expected: &str,
    trust: &Trust,
    path: &str,
    proof: Option<&Proof>,
    padding: Option<String>,
) -> Result<Answer, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let stream = way.open().await.map_err(|error| text(&error))?;
    let stream: Box<dyn Stream> = if access.tls {
        // The caller limits the whole.
        let (tls, session) = tls::shake(stream, expected, trust, Duration::MAX).await;
        match session {
            // What is secret goes to a server that is believed, whatever the trust says.
            Some(_) if proof.is_some() && tls.verdict != Verdict::Verified => return Err("not verified".to_owned()),
            Some(session) => Box::new(session),
            None => {
                return Err(match tls.verdict {
                    Verdict::Cut { error } | Verdict::Unacceptable { error } => error,
                    other => format!("{other:?}"),
                });
            }
        }
    } else if proof.is_some() {
        return Err("not encrypted".to_owned());
    } else {
        stream
    };
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| text(&chain(&error)))?;
    tokio::spawn(connection);
    let host = if access.host.contains(':') { format!("[{}]", access.host) } else { access.host.clone() };
    let mut request = HttpRequest::get(path)
        .header(HOST, format!("{host}:{}", access.port))
        .header(USER_AGENT, "noren-doctor")
        .header(ACCEPT, "application/json");
    if let Some(value) = proof.and_then(authorization) {
        request = request.header(AUTHORIZATION, value);
    }
    if let Some(padding) = padding {
        request = request.header("x-padding", padding);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| text(&error))?;
    let response = sender.send_request(request).await.map_err(|error| text(&chain(&error)))?;
    read(response).await
}

async fn read(response: Response<Incoming>) -> Result<Answer, String> {
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    let server_time = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|date| date.timestamp());
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), BODY_MAX).collect().await.map_err(|error| error.to_string())?;
    Ok(Answer { status, body: body.to_bytes(), server_time })
}

/// An error with what caused it: hyper's own words say little.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

fn authorization(proof: &Proof) -> Option<HeaderValue> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = match (&proof.token, &proof.basic) {
        (Some(Ok(token)), _) => format!("Bearer {}", token.expose()),
        (_, Some(basic)) => {
            let (name, password) = basic.expose();
            format!("Basic {}", STANDARD.encode(format!("{name}:{password}")))
        }
        _ => return None,
    };
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
