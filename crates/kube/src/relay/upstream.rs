//! The control plane that requests go on to: where it is, how it is trusted, as whom it is spoken to.

use std::{error::Error, fmt, net::SocketAddr, time::Duration};

use http::{HeaderMap, HeaderValue, Request, header};
use hyper::body::Incoming;
use pki::Redacted;
use reqwest::{Certificate, Client, Identity, Proxy, Url, redirect};

use crate::status::Status;

/// How long a connection to an upstream may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How a control plane is reached, and with what.
#[derive(Debug, Clone, Default)]
pub struct UpstreamSpec {
    /// Its URL.
    pub server: String,
    /// Its authorities, PEM; `None` means the system's.
    pub authority: Option<Vec<u8>>,
    /// The name its certificate is for, where that is not the URL's, with the address behind the URL.
    pub name: Option<(String, SocketAddr)>,
    /// A client's certificate and its key, PEM.
    pub identity: Option<Redacted<Vec<u8>>>,
    /// What `Authorization` says.
    pub authorization: Option<Redacted<String>>,
    /// The proxy it is behind: `http`, `https` or `socks5`.
    pub proxy: Option<String>,
}

/// Why a control plane cannot be spoken to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UpstreamError(String);

/// A control plane that can be spoken to. Connections are kept for the next request.
#[derive(Debug)]
pub struct Upstream {
    /// Shows the certificate that the upstream gave.
    trusted: Client,
    /// Shows none: who is not known here must not come in on it.
    plain: Client,
    base: Url,
    authorization: Option<HeaderValue>,
}

impl Upstream {
    /// Gets ready for one; nothing is sent yet.
    ///
    /// # Errors
    /// A URL, certificate, key, token or proxy that cannot be used; which.
    pub fn new(spec: &UpstreamSpec) -> Result<Self, UpstreamError> {
        let mut base: Url = spec.server.parse().map_err(|error| wrong("its URL cannot be read", &error))?;
        if let Some((name, _)) = &spec.name {
            base.set_host(Some(name)).map_err(|error| wrong("its name cannot be used", &error))?;
        }
        let authorization = spec.authorization.as_ref().map(|text| HeaderValue::from_str(text.expose()));
        let authorization = authorization.transpose();
        let mut authorization =
            authorization.map_err(|_| wrong("its token cannot be used", &"no header can hold it"))?;
        if let Some(value) = &mut authorization {
            value.set_sensitive(true);
        }
        Ok(Self { trusted: client(spec, true)?, plain: client(spec, false)?, base, authorization })
    }

    /// Its URL.
    pub fn server(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether it is ready to answer: `/readyz` says so.
    pub async fn is_ready(&self) -> bool {
        let mut request = self.trusted.get(self.at("/readyz"));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }

    /// Sends a request on with these headers, `as_known` with its own credentials.
    ///
    /// # Errors
    /// 503 when it cannot be reached.
    pub(super) async fn send(
        &self,
        request: Request<Incoming>,
        mut headers: HeaderMap,
        as_known: bool,
    ) -> Result<reqwest::Response, Status> {
        let (parts, body) = request.into_parts();
        let client = if as_known { &self.trusted } else { &self.plain };
        if let (Some(authorization), true) = (&self.authorization, as_known) {
            headers.insert(header::AUTHORIZATION, authorization.clone());
        }
        let path = parts.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let mut onward = client.request(parts.method, self.at(path)).headers(headers);
        if !hyper::body::Body::is_end_stream(&body) {
            onward = onward.body(reqwest::Body::wrap(body));
        }
        onward.send().await.map_err(|error| {
            Status::unavailable(format!("the control plane at {} cannot be reached: {}", self.server(), chain(&error)))
        })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.server())
    }
}

/// A client for the control plane, `trusted` with the certificate that it gave.
fn client(spec: &UpstreamSpec, trusted: bool) -> Result<Client, UpstreamError> {
    // HTTP/1.1 only: connections of HTTP/2 do not change to the protocols of `exec`.
    let mut builder = Client::builder().http1_only().connect_timeout(CONNECT_TIMEOUT);
    builder = builder.redirect(redirect::Policy::none()).no_proxy();
    if let Some(authority) = &spec.authority {
        let known = Certificate::from_pem_bundle(authority);
        builder = builder.tls_certs_only(known.map_err(|error| wrong("its authority cannot be read", &error))?);
    }
    if let (Some(pem), true) = (&spec.identity, trusted) {
        let identity = Identity::from_pem(pem.expose());
        builder = builder.identity(identity.map_err(|error| wrong("the client certificate cannot be used", &error))?);
    }
    if let Some(proxy) = &spec.proxy {
        builder = builder.proxy(Proxy::all(proxy).map_err(|error| wrong("the proxy cannot be used", &error))?);
    }
    if let Some((name, address)) = &spec.name {
        builder = builder.resolve(name, *address);
    }
    builder.build().map_err(|error| wrong("it cannot be spoken to", &chain(&error)))
}

fn wrong(what: &str, error: &dyn fmt::Display) -> UpstreamError {
    UpstreamError(format!("{what}: {error}"))
}

/// An error and what caused it, the last of which is what a person wants to know.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
