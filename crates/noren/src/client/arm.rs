//! ARM as any client sees it: sign in to Entra ID with a secret, then PUT, GET, POST and DELETE.

use anyhow::Context;
use azure::ResourceId;
use serde_json::{Value, json};

use crate::lab::SignIn;

/// The api-version sent with every request; the lab does not gate on it.
const API_VERSION: &str = "2026-06-01";

/// A signed-in ARM client.
pub(crate) struct ArmClient {
    http: reqwest::Client,
    url: String,
    token: String,
    subscription: String,
}

/// A refusal by ARM.
#[derive(Debug, thiserror::Error)]
#[error("{method} {path}: ({code}) {message}")]
pub(crate) struct Refused {
    method: reqwest::Method,
    path: String,
    /// ARM's code.
    pub(crate) code: String,
    /// ARM's message.
    pub(crate) message: String,
}

impl ArmClient {
    /// Gets a token by the client-credentials flow, as `az login --service-principal` does.
    pub(crate) async fn sign_in(url: &str, authority_pem: &[u8], sign_in: &SignIn) -> anyhow::Result<Self> {
        let http = super::https(authority_pem)?;
        let scope = format!("{url}//.default");
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &sign_in.client_id),
            ("client_secret", &sign_in.client_secret),
            ("scope", &scope),
        ];
        let form = form.map(|(name, value)| format!("{name}={}", percent_encode(value))).join("&");
        let reply = http
            .post(format!("{url}/{}/oauth2/v2.0/token", sign_in.tenant))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
            .send()
            .await?;
        let status = reply.status();
        let body: Value = reply.json().await.context("the token endpoint did not answer with JSON")?;
        let token = body["access_token"].as_str();
        let token = token.with_context(|| format!("sign-in was refused ({status}): {}", body["error_description"]))?;
        let (url, token) = (url.to_owned(), token.to_owned());
        Ok(Self { http, url, token, subscription: sign_in.subscription.clone() })
    }

    /// The lab's subscription.
    pub(crate) fn subscription(&self) -> &str {
        &self.subscription
    }

    /// Creates or replaces a resource.
    pub(crate) async fn put(&self, id: &ResourceId, body: &Value) -> anyhow::Result<Value> {
        self.send(reqwest::Method::PUT, id.as_str(), Some(body)).await
    }

    /// Reads a resource.
    pub(crate) async fn get(&self, id: &ResourceId) -> anyhow::Result<Value> {
        self.send(reqwest::Method::GET, id.as_str(), None).await
    }

    /// Reads a collection.
    pub(crate) async fn list(&self, path: &str) -> anyhow::Result<Vec<Value>> {
        let body = self.send(reqwest::Method::GET, path, None).await?;
        Ok(body["value"].as_array().cloned().unwrap_or_default())
    }

    /// Calls an action; `action` may carry a query.
    pub(crate) async fn post(&self, id: &ResourceId, action: &str) -> anyhow::Result<Value> {
        self.send(reqwest::Method::POST, &format!("{id}/{action}"), Some(&json!({}))).await
    }

    /// Sends any request; `path` may carry a query.
    pub(crate) async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{separator}api-version={API_VERSION}", self.url);
        let mut request = self.http.request(method.clone(), url).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let reply = request.send().await?;
        let status = reply.status();
        let text = reply.text().await?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(value);
        }
        let error = value.get("error").unwrap_or(&value);
        let field = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        let (code, message) = (field("code"), field("message"));
        Err(Refused { method, path: path.to_owned(), code, message }.into())
    }
}

/// RFC 3986 percent-encoding of everything but the unreserved characters.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}
