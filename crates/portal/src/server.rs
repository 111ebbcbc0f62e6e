//! The portal's HTTP/1.1 server on loopback. Everything a client can make it hold is bounded:
//! connections, the time and the size of a head and of a body.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, sync::watch, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::router::{Portal, Reply};

/// Connections at one time; more wait in the listener's queue.
const CONNECTIONS_MAX: usize = 256;
/// Largest form.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// Largest request head.
const HEADER_BYTES_MAX: usize = 32 * 1024;
const HEADER_TIME_MAX: Duration = Duration::from_secs(60);
const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// A word now and then on a stream of events tells both sides that the other one is there.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// Pause after `accept` failed, mostly for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves `portal` on `listener` until `shutdown`.
pub async fn serve(portal: Arc<Portal>, listener: TcpListener, shutdown: CancellationToken) {
    let connections = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = async {
            let permit = Arc::clone(&connections).acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        let (stream, permit) = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = accepted => match accepted {
                Some((Ok((stream, _)), permit)) => (stream, permit),
                Some((Err(error), _)) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                    continue;
                }
                None => return,
            },
        };
        let (portal, shutdown) = (Arc::clone(&portal), shutdown.clone());
        tokio::spawn(async move {
            // Without it replies wait for the client's acknowledgement; a socket that refuses is slower, no more.
            let _ = stream.set_nodelay(true);
            let stop = shutdown.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let (portal, stop) = (Arc::clone(&portal), stop.clone());
                async move { Ok::<_, Infallible>(respond(&portal, request, stop).await) }
            });
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME_MAX).max_buf_size(HEADER_BYTES_MAX);
            let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = shutdown.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
            }
            drop(permit);
        });
    }
}

async fn respond(portal: &Portal, request: Request<Incoming>, shutdown: CancellationToken) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = match timeout(BODY_TIME_MAX, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return status(StatusCode::PAYLOAD_TOO_LARGE),
        Err(_) => return status(StatusCode::REQUEST_TIMEOUT),
    };
    match portal.answer(&parts, &body).await {
        Reply::Whole(response) => response.map(|bytes| Full::new(bytes).boxed_unsync()),
        Reply::Events(head, revisions) => {
            let events = StreamBody::new(events(revisions, shutdown));
            Response::from_parts(head, events.boxed_unsync())
        }
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// The revisions as server-sent events: the one now, then every later one, the newest if there were several.
fn events(
    mut revisions: watch::Receiver<u64>,
    shutdown: CancellationToken,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    revisions.mark_changed();
    futures_util::stream::unfold((revisions, shutdown), |(mut revisions, shutdown)| async move {
        let text = tokio::select! {
            () = shutdown.cancelled() => return None,
            changed = timeout(HEARTBEAT, revisions.changed()) => match changed {
                Ok(Ok(())) => format!("data: {}\n\n", *revisions.borrow_and_update()),
                Ok(Err(_)) => return None,
                Err(_) => ": still here\n\n".to_owned(),
            },
        };
        Some((Ok(Frame::data(Bytes::from(text))), (revisions, shutdown)))
    })
}
