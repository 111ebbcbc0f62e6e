//! The ways to the API server: straight, or through a proxy.

use std::{io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http_body_util::Empty;
use hyper::{Request, client::conn::http1, header::HOST};
use hyper_util::{
    client::legacy::connect::{HttpConnector, proxy::SocksV5},
    rt::TokioIo,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tower_service::Service;

use super::tls::{self, Trust};
use crate::{observation::Verdict, proxy::Proxy};

/// A connection of whatever kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A way to the API server.
pub(super) enum Way {
    /// To an address.
    Direct(SocketAddr),
    /// Through a proxy, which looks the host up.
    Proxy(Proxy, String, u16),
}

/// Why a way leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum WayError {
    /// The connection itself failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The proxy answered with something else than a connection.
    #[error("{0}")]
    Refused(String),
}

impl Way {
    /// Opens a connection.
    pub(super) async fn open(&self) -> Result<Box<dyn Stream>, WayError> {
        match self {
            Self::Direct(address) => Ok(Box::new(TcpStream::connect(address).await?)),
            Self::Proxy(proxy, host, port) => match proxy.scheme.as_str() {
                "http" => tunnel(TcpStream::connect((proxy.host.as_str(), proxy.port)).await?, host, *port).await,
                "https" => tunnel(encrypted(proxy).await?, host, *port).await,
                "socks5" | "socks5h" => socks(proxy, host, *port).await,
                other => Err(WayError::Refused(format!("proxies of the kind `{other}` are not looked into"))),
            },
        }
    }
}

/// A connection to a proxy that is itself spoken to by TLS, with a certificate that the system believes.
async fn encrypted(proxy: &Proxy) -> Result<impl Stream + 'static, WayError> {
    let stream = TcpStream::connect((proxy.host.as_str(), proxy.port)).await?;
    // The caller limits the whole.
    let (tls, session) = tls::shake(Box::new(stream), &proxy.host, &Trust::system(), Duration::MAX).await;
    match session {
        Some(session) if tls.verdict == Verdict::Verified => Ok(session),
        _ => Err(WayError::Refused("a certificate that this system does not believe".to_owned())),
    }
}

/// HTTP's CONNECT (RFC 9110 §9.3.6).
async fn tunnel(stream: impl Stream + 'static, host: &str, port: u16) -> Result<Box<dyn Stream>, WayError> {
    let refused = |error: hyper::Error| WayError::Refused(format!("no HTTP: {error}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(refused)?;
    tokio::spawn(connection.with_upgrades());
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let request = Request::connect(&authority).header(HOST, &authority).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| WayError::Refused(error.to_string()))?;
    let response = sender.send_request(request).await.map_err(refused)?;
    if !response.status().is_success() {
        let phrase = response.extensions().get::<hyper::ext::ReasonPhrase>();
        let phrase = phrase.map(|phrase| String::from_utf8_lossy(phrase.as_bytes()).into_owned());
        let usual = || response.status().canonical_reason().unwrap_or_default().to_owned();
        return Err(WayError::Refused(format!("{} {}", response.status().as_u16(), phrase.unwrap_or_else(usual))));
    }
    Ok(Box::new(TokioIo::new(hyper::upgrade::on(response).await.map_err(refused)?)))
}

/// SOCKS version 5 (RFC 1928).
async fn socks(proxy: &Proxy, host: &str, port: u16) -> Result<Box<dyn Stream>, WayError> {
    let uri = |text: String| text.parse::<http::Uri>().map_err(|error| WayError::Refused(error.to_string()));
    let bracketed = |host: &str| if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let there = uri(format!("http://{}:{}", bracketed(&proxy.host), proxy.port))?;
    // Whether anybody is there is told apart from what they say.
    drop(TcpStream::connect((proxy.host.as_str(), proxy.port)).await?);
    let mut connector = SocksV5::new(there, HttpConnector::new());
    let stream = connector.call(uri(format!("http://{}:{port}", bracketed(host)))?).await;
    Ok(Box::new(stream.map_err(|error| WayError::Refused(error.to_string()))?.into_inner()))
}
