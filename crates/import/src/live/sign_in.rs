//! Who asks: the identity that the Azure SDK finds in the environment, on the machine, or in `az`.

use std::{sync::Arc, time::Duration};

use azure_core::{
    credentials::{AccessToken, Secret, TokenCredential},
    time::OffsetDateTime,
};
use azure_identity::{
    ClientSecretCredential, DeveloperToolsCredential, ManagedIdentityCredential, WorkloadIdentityCredential,
};
use reqwest::{Client, Url, header, redirect};
use tokio::sync::Mutex;

use super::arm::{Refusal, Reply, Transport};
use crate::Error;

/// Longest wait for one answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Longest wait for a token: `az` takes a second or two.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(30);
/// A token that is valid for less is renewed.
const TOKEN_LEFT_MIN: Duration = Duration::from_secs(300);
/// Most bytes of one page.
const PAGE_BYTES_MAX: usize = 64 << 20;

/// A client with the token of whoever is signed in.
pub(super) struct Signed {
    client: Client,
    credential: Arc<dyn TokenCredential>,
    scope: String,
    token: Mutex<Option<AccessToken>>,
}

impl Signed {
    /// For requests to the ARM endpoint `base`. Tokens are asked for that endpoint alone.
    pub(super) fn new(base: &str) -> Result<Self, Error> {
        let client = Client::builder()
            .https_only(true)
            .redirect(redirect::Policy::none())
            .connect_timeout(Duration::from_secs(10))
            .timeout(REQUEST_TIMEOUT)
            .user_agent("noren")
            .build()
            .map_err(|error| Error::Azure { reason: format!("no TLS client: {error}") })?;
        let credential =
            credential().map_err(|error| Error::Azure { reason: format!("nobody can sign in: {error}") })?;
        let scope = format!("{}/.default", base.trim_end_matches('/'));
        Ok(Self { client, credential, scope, token: Mutex::new(None) })
    }

    async fn token(&self) -> Result<String, Refusal> {
        let mut held = self.token.lock().await;
        if let Some(token) = &*held
            && token.expires_on > OffsetDateTime::now_utc() + TOKEN_LEFT_MIN
        {
            return Ok(token.token.secret().to_owned());
        }
        let scopes = [self.scope.as_str()];
        let asked = tokio::time::timeout(SIGN_IN_TIMEOUT, self.credential.get_token(&scopes, None)).await;
        let hint = "sign in with `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET";
        let token = match asked {
            Ok(Ok(token)) => token,
            Ok(Err(error)) => {
                return Err(Refusal::SignIn(format!("there is no token for {}: {error}; {hint}", self.scope)));
            }
            Err(_) => return Err(Refusal::SignIn(format!("no token for {} came in time; {hint}", self.scope))),
        };
        let text = token.token.secret().to_owned();
        *held = Some(token);
        Ok(text)
    }
}

/// The first of: a service principal in the environment, a workload identity, a managed identity that the
/// environment names, and whoever is signed in to `az` or `azd`.
fn credential() -> azure_core::Result<Arc<dyn TokenCredential>> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let principal = set("AZURE_TENANT_ID").zip(set("AZURE_CLIENT_ID")).zip(set("AZURE_CLIENT_SECRET"));
    if let Some(((tenant, client), secret)) = principal {
        // The authority is AZURE_AUTHORITY_HOST, which the SDK reads.
        return Ok(ClientSecretCredential::new(&tenant, client, Secret::new(secret), None)?);
    }
    if set("AZURE_FEDERATED_TOKEN_FILE").is_some() {
        return Ok(WorkloadIdentityCredential::new(None)?);
    }
    if set("IDENTITY_ENDPOINT").is_some() {
        return Ok(ManagedIdentityCredential::new(None)?);
    }
    Ok(DeveloperToolsCredential::new(None)?)
}

impl Transport for Signed {
    async fn get(&self, url: &Url) -> Result<Reply, Refusal> {
        let token = self.token().await?;
        // Where a proxy or the resolver is the cause, it stands at the end of the chain.
        let failed = |error: reqwest::Error| {
            let mut text = error.to_string();
            let mut cause: Option<&dyn std::error::Error> = std::error::Error::source(&error);
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            Refusal::Failed(text)
        };
        let request = self.client.get(url.clone()).bearer_auth(token).header(header::ACCEPT, "application/json");
        let mut response = request.send().await.map_err(failed)?;
        let retry_after =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            body.extend_from_slice(&chunk);
            if body.len() > PAGE_BYTES_MAX {
                return Err(Refusal::Failed(format!("a page is larger than {} MiB", PAGE_BYTES_MAX >> 20)));
            }
        }
        Ok(Reply { status: response.status().as_u16(), retry_after: retry_after.map(Duration::from_secs), body })
    }
}
