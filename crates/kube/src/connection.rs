//! One connection behind TLS: HTTP/1.1 or HTTP/2, who asks, and answers as bytes.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    body::{Body as HttpBody, Incoming},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use pki::Subject;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};

use crate::{
    api::{Answer, Api},
    authentication,
    body::Body,
    compression, discovery,
    metrics::Metrics,
    objects::ObjectStore,
    observed::{self, Noted},
    rbac,
    reviews::User,
    server::{ApiServer, ServeError, Tokens},
    spec::ClusterSpec,
    status::Status,
};

/// Largest request body, in bytes: the real server's limit.
const BODY_MAX: usize = 3 * 1024 * 1024;
/// How long a client may take for a request's head and body.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);

/// Answers requests on `stream` until it ends.
///
/// # Errors
/// [`ServeError::Connection`].
pub(crate) async fn serve<S, A, F, B>(stream: S, answer: A) -> Result<(), ServeError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    A: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: HttpBody<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(REQUEST_TIMEOUT);
    builder.http2().timer(TokioTimer::new());
    builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await.map_err(ServeError::Connection)
}

/// A client of the embedded server.
pub(crate) struct Client {
    pub(crate) server: ApiServer,
    pub(crate) spec: Arc<ClusterSpec>,
    /// Whom its certificate proved it to be.
    pub(crate) subject: Option<Subject>,
    pub(crate) metrics: Arc<Metrics>,
}

impl Client {
    /// Answers one request.
    pub(crate) async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let accepts_gzip = compression::accepts_gzip(request.headers());
        let (received, begun) = (self.server.now(), Instant::now());
        let (parts, body) = request.into_parts();
        let under_way = self.metrics.begin(!matches!(parts.method, Method::GET | Method::HEAD));
        let mut noted =
            Noted { objects: self.server.objects(&self.spec), proved: None, user: None, body: Bytes::new() };
        let answer = self.answer(&parts, body, &mut noted).await;
        drop(under_way);
        let message = answer.as_ref().err().map(|status| status.message().to_owned());
        let response = response(answer);
        let (code, took) = (response.status().as_u16(), begun.elapsed());
        self.metrics.count(observed::labels(&parts, &noted.objects), code, took);
        if let Some(log) = self.server.audit() {
            observed::record(log, &parts, &noted, (code, message.as_deref()), (received, took));
        }
        if accepts_gzip { compression::gzipped(response).await } else { response }
    }

    async fn authenticate(&self, objects: &ObjectStore, headers: &HeaderMap) -> Result<Option<User>, Status> {
        let known = authentication::user(self.subject.as_ref(), headers, &self.spec.tokens);
        let (None, Some(token)) = (&known, authentication::web_token(headers)) else { return Ok(known) };
        let found = self.server.account_tokens(&self.spec).await?.verify(objects, token, &[])?;
        Ok(found.map(|(user, _)| user.authenticated()))
    }

    async fn answer(&self, parts: &Parts, body: Incoming, noted: &mut Noted) -> Result<Answer, Status> {
        let proved = self.authenticate(&noted.objects, &parts.headers).await?.ok_or_else(Status::unauthorized)?;
        let user = Arc::new(rbac::effective(&noted.objects, proved.clone(), &parts.headers)?);
        (noted.proved, noted.user) = (Some(proved), Some(Arc::clone(&user)));
        let objects = ObjectStore { user, ..noted.objects.clone() };
        let collected = timeout(REQUEST_TIMEOUT, Limited::new(body, BODY_MAX).collect()).await;
        let body = match collected {
            Ok(Ok(collected)) => collected.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(Status::too_large(BODY_MAX)),
            Ok(Err(_)) | Err(_) => return Err(Status::bad_request("the request body could not be read")),
        };
        let api = Api {
            objects,
            tokens: Arc::new(Tokens { server: self.server.clone(), spec: Arc::clone(&self.spec) }),
            version: self.spec.version.clone(),
            metrics: Arc::clone(&self.metrics),
            seats: Arc::clone(self.server.seats()),
            now: self.server.clock(),
        };
        noted.body = body.clone();
        api.answer(parts, &body).await
    }
}

/// An answer as it goes out.
pub(crate) fn response(answer: Result<Answer, Status>) -> Response<Body> {
    match answer {
        Ok(Answer::Json(status, value, warnings)) => json(status, &value, &warnings),
        Ok(Answer::Discovery(value)) => {
            let mut response = json(StatusCode::OK, &value, &[]);
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(discovery::AGGREGATED));
            response
        }
        Ok(Answer::Bytes(content_type, bytes)) => whole(content_type, bytes),
        Ok(Answer::Lasting(bytes)) => {
            let mut response = whole("application/json", bytes);
            let lasting = HeaderValue::from_static("public, max-age=31536000, immutable");
            response.headers_mut().insert(header::CACHE_CONTROL, lasting);
            response
        }
        Ok(Answer::Watch(stream)) => {
            let mut response = Response::new(Body::watch(stream));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(status) => {
            let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = json(code, &status.to_value(), &status.warnings);
            if let Some(seconds) = status.retry_after() {
                response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
            }
            response
        }
    }
}

fn whole(content_type: &'static str, bytes: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::whole(bytes));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn json(status: StatusCode, value: &serde_json::Value, warnings: &[String]) -> Response<Body> {
    let mut response = Response::new(Body::whole(Bytes::from(value.to_string())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(
        "audit-id",
        HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("")),
    );
    for warning in warnings {
        // RFC 7234 §5.5: 299, no agent, the text quoted.
        let quoted = format!("299 - \"{}\"", warning.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(value) = HeaderValue::from_str(&quoted) {
            headers.append(header::WARNING, value);
        }
    }
    response
}
