//! `stand.sock` in the lab's directory: how to stand at a vantage of the kernel plane, told without
//! TLS, whose first handshake takes a process longer than all that `noren exec` does besides.
//!
//! Who asks writes a vantage's name and nothing more; the answer is a [`Stand`] as JSON. Whatever
//! else there is to say, the controls under `/lab/` say: then the answer is empty. Only who may
//! enter the directory gets here.

use std::{
    io::{self, Read as _, Write as _},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixListener,
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use super::{DataDir, running::Stand, status::Reporter};

/// Longest name that is read, and longest answer.
const NAME_MAX: u64 = 4 * 1024;
const ANSWER_MAX: u64 = 1024 * 1024;
/// How long either side waits for the other.
const PATIENCE: Duration = Duration::from_secs(10);
/// Questions that are answered side by side.
const QUESTIONS_MAX: usize = 64;

/// Answers until `shutdown`. Where there can be no such socket (its path is too long), nobody asks.
pub(super) async fn serve(data: DataDir, reporter: Reporter, shutdown: CancellationToken) {
    let path = data.stand_socket();
    // One that stayed behind: who holds the store is the only lab here.
    let _ = fs_err::remove_file(&path);
    let listener = match UnixListener::bind(&path) {
        Ok(listener) => listener,
        Err(error) => return tracing::info!(%error, path = %path.display(), "not listening"),
    };
    let slots = Arc::new(Semaphore::new(QUESTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let reporter = reporter.clone();
        tokio::spawn(async move {
            // Who does not wait for an answer needs none.
            let _ = timeout(PATIENCE, answer(stream, &reporter)).await;
            drop(slot);
        });
    }
    let _ = fs_err::remove_file(&path);
}

async fn answer(mut stream: tokio::net::UnixStream, reporter: &Reporter) -> io::Result<()> {
    let mut name = String::new();
    (&mut stream).take(NAME_MAX).read_to_string(&mut name).await?;
    match reporter.stand(&name).await {
        Ok(stand @ Stand::Kernel { .. }) => stream.write_all(&serde_json::to_vec(&stand)?).await,
        Ok(Stand::Proxy { .. }) | Err(_) => Ok(()),
    }
}

/// How to stand at `vantage` in the lab on `data`; `None` where the controls have to be asked.
pub(crate) fn ask(data: &DataDir, vantage: &str) -> Option<Stand> {
    let mut stream = UnixStream::connect(data.stand_socket()).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.write_all(vantage.as_bytes()).ok()?;
    stream.shutdown(std::net::Shutdown::Write).ok()?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).ok()?;
    serde_json::from_slice(&answer).ok()
}
