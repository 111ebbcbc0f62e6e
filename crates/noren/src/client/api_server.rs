//! An API server as a client at a vantage reaches it: through the vantage's proxy, with the
//! credentials of a kubeconfig, its lists as the tables that `kubectl get` prints.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context, bail};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::task::AbortOnDropHandle;

use super::kubeconfig::Access;

/// Largest answer that is read.
const BODY_MAX: usize = 4 * 1024 * 1024;
/// Longest answer to a CONNECT.
const TUNNEL_HEAD_MAX: usize = 16 * 1024;

/// A connection to an API server.
pub(crate) struct ApiServer {
    name: String,
    sender: SendRequest<Empty<&'static [u8]>>,
    _driver: AbortOnDropHandle<Result<(), hyper::Error>>,
}

/// What an API server says no with.
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: http::StatusCode,
    /// `reason` of its `Status`, as `Forbidden`; the words of the HTTP status without one.
    pub(crate) reason: String,
    /// `message` of its `Status`; without one, what it says instead.
    pub(crate) message: String,
}

impl Refusal {
    fn read(status: http::StatusCode, body: &[u8]) -> Self {
        let said: Value = serde_json::from_slice(body).unwrap_or_default();
        let text = |name: &str| said[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let reason = text("reason").unwrap_or_else(|| status.to_string());
        let message = text("message").unwrap_or_else(|| String::from_utf8_lossy(body).trim().to_owned());
        Self { status, reason, message }
    }
}

impl ApiServer {
    /// Makes the TLS handshake on `stream`, with the server's name checked; the inner error is why
    /// it failed.
    pub(crate) async fn connect(
        stream: TcpStream,
        name: &str,
        access: &Access,
    ) -> anyhow::Result<Result<Self, String>> {
        let connector = tokio_rustls::TlsConnector::from(Arc::new(client_config(access)?));
        let server_name = ServerName::try_from(name.to_owned())?;
        let tls = match connector.connect(server_name, stream).await {
            Ok(tls) => tls,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let (sender, connection) = handshake(TokioIo::new(tls)).await?;
        let driver = AbortOnDropHandle::new(tokio::spawn(connection));
        Ok(Ok(Self { name: name.to_owned(), sender, _driver: driver }))
    }

    /// The list at `path` as a `meta.k8s.io` `Table`; the inner error is the API server's refusal.
    pub(crate) async fn table(&mut self, path: &str) -> anyhow::Result<Result<Value, Refusal>> {
        let request = http::Request::get(path)
            .header("host", &self.name)
            .header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
            .body(Empty::new())?;
        let reply = self.sender.send_request(request).await?;
        let status = reply.status();
        let body = Limited::new(reply.into_body(), BODY_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("the answer to {path} cannot be read: {error}"))?.to_bytes();
        if !status.is_success() {
            return Ok(Err(Refusal::read(status, &body)));
        }
        Ok(Ok(serde_json::from_slice(&body)?))
    }
}

/// Opens a tunnel through the vantage's proxy; the inner error is the reason it gives.
pub(crate) async fn tunnel(proxy: SocketAddr, name: &str) -> anyhow::Result<Result<TcpStream, String>> {
    let mut stream = TcpStream::connect(proxy).await.context("the vantage's proxy does not listen")?;
    let request = format!("CONNECT {name}:443 HTTP/1.1\r\nhost: {name}:443\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() > TUNNEL_HEAD_MAX {
            bail!("the vantage's proxy answers at too great length");
        }
        // Byte by byte, so as not to read into the tunnel; the head is short.
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let mut status_line = head.lines().next().unwrap_or_default().splitn(3, ' ').skip(1);
    let status = status_line.next().unwrap_or_default();
    if status == "200" {
        return Ok(Ok(stream));
    }
    let reason = status_line.next().unwrap_or_default();
    // The reason begins with the vantage's name, which the table already shows.
    let reason = reason.split_once(": ").map_or(reason, |(_, why)| why);
    Ok(Err(reason.to_owned()))
}

fn client_config(access: &Access) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&access.authority_pem) {
        roots.add(certificate?)?;
    }
    let chain = CertificateDer::pem_slice_iter(&access.certificate_pem).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&access.key_pem)?;
    Ok(rustls::ClientConfig::builder().with_root_certificates(roots).with_client_auth_cert(chain, key)?)
}
