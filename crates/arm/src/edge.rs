//! The HTTPS edge: connections, limits and time-outs. It knows nothing of ARM.
//!
//! Everything a client can make it hold is bounded: connections, the time of a handshake, of a
//! header and of a body, the size of both. A reply is one write on a socket without delay
//! (two segments cost a client 45 ms, az-wire §2).

use std::{convert::Infallible, sync::Arc, time::Duration};

use azure::ArmError;
use bytes::Bytes;
use http::{HeaderValue, Request, Version, header::CONNECTION};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    hooks::ExtraRoutes,
    plane::ManagementPlane,
    wire::{self, Response},
};

/// Connections at one time; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 1024;
/// Largest request body; ARM's own limit.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// How much of a larger one is read nevertheless before it is refused over HTTP/2.
const DISCARDED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest request head.
const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Most header lines of a request.
const HEADERS_MAX: usize = 100;
/// Requests at one time on an HTTP/2 connection.
const STREAMS_MAX: u32 = 64;
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// From the end of a reply to the end of the next request's head.
const HEADER_TIME_MAX: Duration = Duration::from_secs(120);
const BODY_TIME_MAX: Duration = Duration::from_secs(30);
/// How long connections may go on after the shutdown.
const GRACE: Duration = Duration::from_secs(5);
/// A header that the metadata service refuses, as Azure's does: the request was not the machine's own.
const FORWARDED: &str = "x-forwarded-for";

impl ManagementPlane {
    /// Serves ARM and Entra ID on `listener` until `shutdown`, then lets what is under way end.
    /// `extra` answers paths below `/lab/`. Operations end when they are due while this runs.
    pub async fn serve(
        &self,
        listener: TcpListener,
        tls: Arc<rustls::ServerConfig>,
        extra: Arc<dyn ExtraRoutes>,
        shutdown: CancellationToken,
    ) {
        let tasks = TaskTracker::new();
        let (plane, stop) = (self.clone(), shutdown.clone());
        tasks.spawn(async move { plane.reconcile(&stop).await });
        let door = Door { edge: Edge { plane: self.clone(), extra }, tls: Some(TlsAcceptor::from(tls)) };
        door.accept(listener, &tasks, shutdown).await;
        tasks.close();
        if timeout(GRACE, tasks.wait()).await.is_err() {
            tracing::warn!("connections were cut off at shutdown");
        }
        self.0.stopping.cancel();
    }

    /// Serves the same on a further listener, until `shutdown`.
    pub async fn serve_also(
        &self,
        listener: TcpListener,
        tls: Arc<rustls::ServerConfig>,
        extra: Arc<dyn ExtraRoutes>,
        shutdown: CancellationToken,
    ) {
        let door = Door { edge: Edge { plane: self.clone(), extra }, tls: Some(TlsAcceptor::from(tls)) };
        door.accept(listener, &TaskTracker::new(), shutdown).await;
    }

    /// Serves a virtual machine's metadata service (169.254.169.254) without TLS until `shutdown`:
    /// tokens of managed identities. Whoever gets to the listener is trusted, as Azure trusts it.
    pub async fn serve_metadata(&self, listener: TcpListener, shutdown: CancellationToken) {
        let edge = Edge { plane: self.clone(), extra: Arc::new(Metadata) };
        Door { edge, tls: None }.accept(listener, &TaskTracker::new(), shutdown).await;
    }
}

/// The metadata service has no controls.
struct Metadata;

impl ExtraRoutes for Metadata {
    fn route(&self, _: http::request::Parts, _: Bytes) -> crate::hooks::BoxFuture<Option<http::Response<Bytes>>> {
        Box::pin(std::future::ready(None))
    }
}

/// What is served on a listener: with TLS everything, without it a machine's metadata.
#[derive(Clone)]
struct Door {
    edge: Edge,
    tls: Option<TlsAcceptor>,
}

impl Door {
    async fn accept(self, listener: TcpListener, tasks: &TaskTracker, shutdown: CancellationToken) {
        let connection = |stream| self.clone().connection(stream, shutdown.clone());
        listen::accept(listener, CONNECTIONS_MAX, tasks, &shutdown, connection).await;
    }

    async fn connection(self, stream: TcpStream, shutdown: CancellationToken) {
        let Some(acceptor) = self.tls else { return self.edge.metadata(stream, shutdown).await };
        match timeout(HANDSHAKE_TIME_MAX, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.edge.requests(stream, shutdown).await,
            Ok(Err(error)) => tracing::debug!(error = &error as &dyn std::error::Error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake took too long"),
        }
    }
}

#[derive(Clone)]
struct Edge {
    plane: ManagementPlane,
    extra: Arc<dyn ExtraRoutes>,
}

impl Edge {
    async fn metadata(self, stream: TcpStream, shutdown: CancellationToken) {
        let service = service_fn(move |request: Request<Incoming>| {
            let edge = self.clone();
            async move { Ok::<_, Infallible>(edge.describe(request).await.map(Full::new)) }
        });
        serve_http1(TokioIo::new(stream), service, shutdown).await;
    }

    async fn requests(self, stream: TlsStream<TcpStream>, shutdown: CancellationToken) {
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let io = TokioIo::new(stream);
        let service = service_fn(move |request: Request<Incoming>| {
            let edge = self.clone();
            async move { Ok::<_, Infallible>(edge.respond(request).await.map(Full::new)) }
        });
        if !h2 {
            return serve_http1(io, service, shutdown).await;
        }
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
            .keep_alive_interval(HEADER_TIME_MAX);
        let connection = builder.serve_connection(io, service);
        listen::converse(connection, http2::Connection::graceful_shutdown, &shutdown).await;
    }

    /// Answers a machine that asks for what it is: for tokens, with the secret that only this edge adds.
    async fn describe(self, request: Request<Incoming>) -> Response {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path();
        if !path.to_ascii_lowercase().starts_with("/metadata/identity/") || parts.headers.contains_key(FORWARDED) {
            return wire::refusal(&ArmError::not_found("NotFound", format!("There is no '{path}'.")));
        }
        let Ok(secret) = HeaderValue::from_str(self.plane.identity_secret().expose()) else {
            return wire::refusal(&wire::internal_error());
        };
        parts.headers.insert("x-identity-header", secret);
        match whole(body, parts.version).await {
            Ok(body) => self.plane.handle(Request::from_parts(parts, body)).await,
            Err(refused) => wire::refusal(&refused),
        }
    }

    async fn respond(self, request: Request<Incoming>) -> Response {
        let (parts, body) = request.into_parts();
        let body = match whole(body, parts.version).await {
            Ok(body) => body,
            Err(refused) => {
                let mut response = wire::refusal(&refused);
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                return response;
            }
        };
        if parts.uri.path().starts_with("/lab/") {
            let (head, extra) = (parts.clone(), self.extra);
            // In a task of its own: its panic is this request's and nobody else's.
            let answered = tokio::spawn(async move { extra.route(head, body).await }).await;
            return match answered {
                Ok(Some(response)) => response,
                Ok(None) => {
                    wire::refusal(&ArmError::not_found("NotFound", format!("There is no '{}'.", parts.uri.path())))
                }
                Err(_) => wire::refusal(&wire::internal_error()),
            };
        }
        self.plane.handle(Request::from_parts(parts, body)).await
    }
}

async fn serve_http1<I, S, E>(io: TokioIo<I>, service: S, shutdown: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + 'static,
    S: hyper::service::HttpService<Incoming, ResBody = Full<Bytes>, Error = E>,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let connection = builder.serve_connection(io, service);
    listen::converse(connection, http1::Connection::graceful_shutdown, &shutdown).await;
}

/// Reads on and throws away, up to a bound: clients of HTTP/2 that are still sending (curl 7.88) take an answer that comes
/// before they are through for a broken stream.
async fn discard(mut body: Incoming) {
    let mut left = DISCARDED_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) else { return };
        left = rest;
    }
}

/// The whole body, if it is small enough and comes in time.
async fn whole(body: Incoming, version: Version) -> Result<Bytes, ArmError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let too_large = || {
        ArmError::new(
            413,
            "RequestEntityTooLarge",
            format!("The request content size exceeds the maximum size of {} MB.", BODY_BYTES_MAX / (1024 * 1024)),
        )
    };
    if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
        if version == Version::HTTP_2 {
            let _ = timeout(BODY_TIME_MAX, discard(body)).await;
        }
        return Err(too_large());
    }
    match timeout(BODY_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(ArmError::bad_request("InvalidRequestContent", "The request content could not be read.")),
        Err(_) => Err(ArmError::new(408, "RequestTimeout", "The request content did not arrive in time.")),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use azure::Estate;
    use http::StatusCode;
    use hyper::client::conn::http1::{self as client, SendRequest};
    use pki::{Authority, ServerCertificate, UnixTime};
    use store::Store;
    use tokio_rustls::TlsConnector;

    use super::*;
    use crate::{CommandResult, CommandRunner, Options, Pace, SystemClock, hooks::BoxFuture, provider::Work};

    struct Nothing;

    impl CommandRunner for Nothing {
        fn run(&self, _: Work) -> BoxFuture<CommandResult> {
            Box::pin(std::future::pending())
        }
    }

    struct Extra;

    impl ExtraRoutes for Extra {
        fn route(&self, request: http::request::Parts, body: Bytes) -> BoxFuture<Option<http::Response<Bytes>>> {
            Box::pin(async move {
                match request.uri.path() {
                    "/lab/echo" => Some(http::Response::new(body)),
                    "/lab/panic" => panic!("on purpose"),
                    _ => None,
                }
            })
        }
    }

    struct Server {
        address: SocketAddr,
        authority: Authority,
        shutdown: CancellationToken,
        serving: tokio::task::JoinHandle<()>,
    }

    fn now() -> UnixTime {
        UnixTime(jiff::Timestamp::now().as_second())
    }

    async fn server() -> Server {
        let authority = Authority::generate("test", now(), 1).unwrap();
        let wanted = ServerCertificate {
            common_name: "localhost",
            names: &["localhost".to_owned()],
            addresses: &[],
            now: now(),
            lifetime_days: 1,
        };
        let identity = authority.issue_server(&wanted).unwrap();
        let tls = pki::server_config(&identity, None, &[b"http/1.1"]).unwrap();
        let options = Options {
            pace: Pace::Instant,
            base_url: "https://localhost:1".into(),
            clock: Arc::new(SystemClock),
            publish: Arc::new(|_: &Arc<Estate>, _| {}),
            runner: Arc::new(Nothing),
        };
        let plane = ManagementPlane::open(Store::in_memory().unwrap(), options).await.unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
        let stop = shutdown.clone();
        let serving = tokio::spawn(async move { plane.serve(listener, tls, Arc::new(Extra), stop).await });
        Server { address, authority, shutdown, serving }
    }

    impl Server {
        async fn connect(&self) -> SendRequest<Full<Bytes>> {
            self.connect_watched().await.0
        }

        /// A client, and a task that ends when its connection does.
        async fn connect_watched(&self) -> (SendRequest<Full<Bytes>>, tokio::task::JoinHandle<hyper::Result<()>>) {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(self.authority.certificate_der().clone()).unwrap();
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            let tcp = TcpStream::connect(self.address).await.unwrap();
            let name = "localhost".try_into().unwrap();
            let stream = TlsConnector::from(Arc::new(tls)).connect(name, tcp).await.unwrap();
            let (sender, connection) = client::handshake(TokioIo::new(stream)).await.unwrap();
            (sender, tokio::spawn(connection))
        }
    }

    async fn send(
        client: &mut SendRequest<Full<Bytes>>,
        method: &str,
        path: &str,
        body: Vec<u8>,
    ) -> (StatusCode, Bytes) {
        let request = Request::builder().method(method).uri(path).header("host", "localhost");
        client.ready().await.unwrap();
        let response = client.send_request(request.body(Full::from(body)).unwrap()).await.unwrap();
        (response.status(), response.into_body().collect().await.unwrap().to_bytes())
    }

    #[tokio::test]
    async fn one_connection_serves_many_requests_and_survives_a_panic() {
        let server = server().await;
        let mut client = server.connect().await;
        assert_eq!(send(&mut client, "POST", "/lab/echo", b"hi".to_vec()).await, (StatusCode::OK, "hi".into()));
        let (status, body) = send(&mut client, "GET", "/lab/panic", Vec::new()).await;
        assert_eq!(status, 500);
        assert!(body.starts_with(br#"{"error":{"code":"InternalServerError""#));
        assert_eq!(send(&mut client, "GET", "/lab/other", Vec::new()).await.0, 404);
        let (status, _) = send(&mut client, "GET", "/metadata/endpoints?api-version=2022-09-01", Vec::new()).await;
        assert_eq!(status, 200);
        assert_eq!(send(&mut client, "GET", "/subscriptions?api-version=1", Vec::new()).await.0, 401);
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused() {
        let server = server().await;
        let mut client = server.connect().await;
        let (status, body) = send(&mut client, "POST", "/lab/echo", vec![b'x'; BODY_BYTES_MAX]).await;
        assert_eq!((status, body.len()), (StatusCode::OK, BODY_BYTES_MAX), "as large as may be");
        // The server answers and closes without having read everything: a client may see the answer or the close.
        let request = Request::post("/lab/echo").header("host", "localhost").header("expect", "100-continue");
        let body = Full::from(vec![b'x'; BODY_BYTES_MAX + 1]);
        if let Ok(response) = client.send_request(request.body(body).unwrap()).await {
            assert_eq!(response.status(), 413);
        }
        let mut client = server.connect().await;
        assert_eq!(send(&mut client, "POST", "/lab/echo", b"hi".to_vec()).await.0, 200);
    }

    #[tokio::test]
    async fn a_shutdown_ends_idle_connections_at_once() {
        let server = server().await;
        let (mut client, connection) = server.connect_watched().await;
        send(&mut client, "GET", "/lab/echo", Vec::new()).await;
        server.shutdown.cancel();
        server.serving.await.unwrap();
        // Ends because the server closed it: the client is still there to send more.
        let _ = connection.await.unwrap();
        assert!(client.is_closed());
    }
}
