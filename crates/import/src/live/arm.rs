//! `GET` of a list, page by page, with the patience that ARM asks for.

use std::{fmt, future::Future, time::Duration};

use azure::Json;
use reqwest::Url;
use serde_json::Value;

use crate::Error;

/// Tries of one request, the first one counted.
const TRIES_MAX: u32 = 5;
/// Longest wait between two tries, whatever `Retry-After` says.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// Most pages of one list.
const PAGES_MAX: usize = 2000;
/// The hosts of Azure's own clouds; other endpoints may be a lab.
const CLOUDS: &[&str] = &[".azure.com", ".usgovcloudapi.net", ".chinacloudapi.cn", ".azure.cn"];

/// An answer to one request.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    /// `Retry-After`, in seconds.
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Sends one `GET` with a token.
pub(super) trait Transport: Sync {
    /// # Errors
    /// When there is no token, or no answer.
    fn get(&self, url: &Url) -> impl Future<Output = Result<Reply, Refusal>> + Send;
}

/// Why a list could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Nobody is signed in, or the token is not taken: nothing can be read.
    SignIn(String),
    /// 403.
    NoRight,
    /// 404, or the provider is not registered: there is nothing of the kind.
    NotThere,
    /// Anything else, after all tries.
    Failed(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignIn(reason) | Self::Failed(reason) => f.write_str(reason),
            Self::NoRight => f.write_str("no right to (403)"),
            Self::NotThere => f.write_str("not found (404)"),
        }
    }
}

/// An ARM endpoint.
pub(super) struct Arm<T> {
    base: Url,
    transport: T,
}

impl<T: Transport> Arm<T> {
    /// # Errors
    /// When `base` is no `https` address.
    pub(super) fn new(base: &str, transport: T) -> Result<Self, Error> {
        let base = Url::parse(base).ok().filter(|url| url.scheme() == "https" && url.host().is_some());
        let base = base.ok_or_else(|| Error::Azure { reason: "an ARM endpoint is `https://HOST`".to_owned() })?;
        Ok(Self { base, transport })
    }

    pub(super) fn host(&self) -> &str {
        self.base.host_str().unwrap_or_default()
    }

    pub(super) fn is_public_cloud(&self) -> bool {
        CLOUDS.iter().any(|cloud| self.host().ends_with(cloud))
    }

    /// All items of the list at `path`; of what is no list, that itself.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>, Refusal> {
        let failed = |reason: &str| Refusal::Failed(reason.to_owned());
        let mut url = self.base.join(path).map_err(|_| failed("its id makes no address"))?;
        let mut items = Vec::new();
        for _ in 0..PAGES_MAX {
            let body = self.patiently(&url).await?;
            let mut page: Value =
                serde_json::from_slice(&body).map_err(|error| Refusal::Failed(format!("no JSON came: {error}")))?;
            let Some(Value::Array(value)) = page.get_mut("value").map(Value::take) else {
                return Ok(vec![page]);
            };
            items.extend(value);
            let Some(next) = Json::new(&page).get("nextLink").text() else { return Ok(items) };
            url = self.base.join(next).map_err(|_| failed("its next page has no address"))?;
            if url.origin() != self.base.origin() {
                return Err(failed("its next page lies at another host, to which no token goes"));
            }
        }
        Err(Refusal::Failed(format!("it has more than {PAGES_MAX} pages")))
    }

    /// The body of a successful answer; asks again where ARM says to come back.
    async fn patiently(&self, url: &Url) -> Result<Vec<u8>, Refusal> {
        let mut last = Refusal::Failed(String::new());
        for attempt in 0..TRIES_MAX {
            let mut wait = Duration::from_secs(1 << attempt);
            match self.transport.get(url).await {
                Ok(reply) => match refusal(&reply) {
                    None => return Ok(reply.body),
                    Some((refusal, false)) => return Err(refusal),
                    Some((refusal, true)) => {
                        wait = reply.retry_after.unwrap_or(wait).min(WAIT_MAX);
                        last = refusal;
                    }
                },
                Err(refusal @ Refusal::SignIn(_)) => return Err(refusal),
                Err(refusal) => last = refusal,
            }
            if attempt + 1 < TRIES_MAX {
                tokio::time::sleep(wait).await;
            }
        }
        Err(last)
    }
}

/// What an answer refuses, and whether asking again may help.
fn refusal(reply: &Reply) -> Option<(Refusal, bool)> {
    let body = || serde_json::from_slice::<Value>(&reply.body).unwrap_or_default();
    let said = || {
        let body = body();
        let error = Json::new(&body).get("error");
        let text = |name| error.get(name).text().map(str::to_owned);
        (text("code").unwrap_or_default(), text("message").unwrap_or_default())
    };
    match reply.status {
        200..300 => None,
        401 => {
            let (code, message) = said();
            Some((Refusal::SignIn(format!("the token is not accepted: ({code}) {message}")), false))
        }
        403 => Some((Refusal::NoRight, false)),
        404 => Some((Refusal::NotThere, false)),
        409 if said().0.contains("Registration") || said().0.contains("NotRegistered") => {
            Some((Refusal::NotThere, false))
        }
        status => {
            let (code, message) = said();
            let again = matches!(status, 408 | 429 | 500 | 502 | 503 | 504);
            Some((Refusal::Failed(format!("{status} {code}: {message}")), again))
        }
    }
}
