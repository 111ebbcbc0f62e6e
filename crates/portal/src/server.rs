//! The portal's HTTP/1.1 server on loopback. Everything a client can make it hold is bounded:
//! connections, the time and the size of a head and of a body.

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use hyper::{
    body::{Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::router::{News, Portal, Reply};

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

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Serves `portal` on `listener` until `shutdown`.
pub async fn serve(portal: Arc<Portal>, listener: TcpListener, shutdown: CancellationToken) {
    let connection = |stream| connection(Arc::clone(&portal), stream, shutdown.clone());
    listen::accept(listener, CONNECTIONS_MAX, &TaskTracker::new(), &shutdown, connection).await;
}

async fn connection(portal: Arc<Portal>, stream: TcpStream, shutdown: CancellationToken) {
    let stop = shutdown.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (portal, stop) = (Arc::clone(&portal), stop.clone());
        async move { Ok::<_, Infallible>(respond(&portal, request, stop).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIME_MAX).max_buf_size(HEADER_BYTES_MAX);
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    listen::converse(connection, http1::Connection::graceful_shutdown, &shutdown).await;
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
        Reply::Events(head, news) => {
            let events = StreamBody::new(events(news, shutdown));
            Response::from_parts(head, events.boxed_unsync())
        }
    }
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::new()).boxed_unsync());
    *response.status_mut() = status;
    response
}

/// What pages wait for as server-sent events: the revision and the activity log's number now, then whenever either is
/// another one, the newest if there were several.
fn events(
    news: News,
    shutdown: CancellationToken,
) -> impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>> {
    let News { mut revisions, mut activities } = news;
    revisions.mark_changed();
    activities.mark_changed();
    futures_util::stream::unfold(
        (revisions, activities, shutdown),
        |(mut revisions, mut activities, shutdown)| async move {
            let text = tokio::select! {
                () = shutdown.cancelled() => return None,
                changed = revisions.changed() => {
                    changed.ok()?;
                    format!("data: {}\n\n", *revisions.borrow_and_update())
                }
                changed = activities.changed() => {
                    changed.ok()?;
                    format!("event: activity\ndata: {}\n\n", *activities.borrow_and_update())
                }
                () = tokio::time::sleep(HEARTBEAT) => ": still here\n\n".to_owned(),
            };
            Some((Ok(Frame::data(Bytes::from(text))), (revisions, activities, shutdown)))
        },
    )
}
