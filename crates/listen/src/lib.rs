//! What every server of a lab does before it looks at a request: connections are accepted, so many at a time, and end in
//! good order when the lab does. What is said over them, and how long a client may take, is for who serves them to say.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Pause after `accept` failed, mostly for want of file descriptors.
const RETRY: Duration = Duration::from_millis(50);

/// Accepts connections until `shutdown`, each served in a task of `tasks`; at most `most` at a time, more wait in the
/// listener's queue. They have no delay: without that replies wait for the client's acknowledgement.
pub async fn accept<F>(
    listener: TcpListener,
    most: usize,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
    serve: impl Fn(TcpStream) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(most));
    loop {
        let accepted = async {
            // Nobody closes it.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = shutdown.cancelled() => return,
            accepted = accepted => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "a connection was not accepted");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        // A socket that refuses is slower, no more.
        let _ = stream.set_nodelay(true);
        let served = serve(stream);
        tasks.spawn(async move {
            served.await;
            drop(place);
        });
    }
}

/// Carries a connection to its end. After `shutdown` it answers what it was asked already: `end` tells it so, as
/// `graceful_shutdown` of hyper's connections does.
pub async fn converse<C, E>(connection: C, end: impl FnOnce(Pin<&mut C>), shutdown: &CancellationToken)
where
    C: Future<Output = Result<(), E>>,
    E: std::error::Error + 'static,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            end(connection.as_mut());
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error = &error as &dyn std::error::Error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn so_many_are_served_at_a_time_and_the_next_when_one_has_ended() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let (address, shutdown, tasks) = (listener.local_addr().unwrap(), CancellationToken::new(), TaskTracker::new());
        let (stop, served) = (shutdown.clone(), tasks.clone());
        let accepting = tokio::spawn(async move {
            accept(listener, 1, &served, &stop, |mut stream| async move {
                // Greets, and waits for the end of what the client says.
                stream.write_all(b"!").await.unwrap();
                let _ = stream.read_to_end(&mut Vec::new()).await;
            })
            .await;
        });
        let mut first = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        assert_eq!(first.read_u8().await.unwrap(), b'!');
        let greeted = second.read_u8();
        tokio::pin!(greeted);
        tokio::select! {
            biased;
            _ = &mut greeted => panic!("two are served at a time"),
            () = tokio::task::yield_now() => {}
        }
        drop(first);
        assert_eq!(greeted.await.unwrap(), b'!');
        shutdown.cancel();
        accepting.await.unwrap();
        drop(second);
        tasks.close();
        tasks.wait().await;
    }

    #[tokio::test]
    async fn a_connection_is_told_of_the_shutdown_and_goes_on_to_its_end() {
        let shutdown = CancellationToken::new();
        let (told, hears) = tokio::sync::oneshot::channel();
        let connection = async move {
            hears.await.unwrap();
            Ok::<(), std::io::Error>(())
        };
        shutdown.cancel();
        converse(connection, |_| told.send(()).unwrap(), &shutdown).await;
    }
}
