//! A listener for each vantage: SOCKS5 and HTTP CONNECT on one port, told apart by the first byte.
//!
//! Every connection asks the newest network whether and where it leads; only what the model
//! connects is connected. The proxy never resolves or routes by itself.

use std::{io, num::NonZeroUsize, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use network::{Disposition, Host, Network, ResourceId, Silent, Trace, Vantage};
use socket2::SockRef;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{HandshakeError, connect, refusal, relay::relay, socks5, workers::Workers};

/// Time a client has to say where it wants to go.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Octets of a request that are read at once.
const HEAD_ROOM: usize = 1024;
/// Connections one vantage may have open.
const CONNECTIONS_MAX: usize = 1024;
/// How long, and how much, is read from a client that was refused.
const LINGER_TIMEOUT: Duration = Duration::from_secs(1);
const LINGER_BYTES_MAX: u64 = 64 * 1024;

/// A byte stream to a cluster's API server.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// What stands behind the private endpoints and public addresses.
pub trait Backend: Send + Sync + 'static {
    /// Opens a connection to the API server of `cluster`.
    ///
    /// # Errors
    /// When the cluster cannot be served.
    fn open(&self, cluster: &ResourceId) -> io::Result<Box<dyn Stream>>;
}

/// The newest network, as it is published.
pub type CurrentNetwork = Arc<ArcSwap<Network>>;

/// Serves vantages out of the newest network, on threads of its own.
pub struct Proxy {
    service: Service,
    workers: Workers,
}

impl Proxy {
    /// A proxy over `current` in front of `backend`, with so many threads, which end with it.
    ///
    /// # Errors
    /// The system has no more threads or descriptors.
    pub fn start(current: CurrentNetwork, backend: Arc<dyn Backend>, threads: NonZeroUsize) -> io::Result<Self> {
        Ok(Self { service: Service { current, backend }, workers: Workers::start(threads)? })
    }

    /// Accepts connections of clients that stand at `vantage` until `shutdown`.
    ///
    /// # Errors
    /// The listener cannot be shared between the threads.
    pub fn serve(
        &self,
        vantage: Vantage,
        listener: &std::net::TcpListener,
        shutdown: &CancellationToken,
    ) -> io::Result<()> {
        listener.set_nonblocking(true)?;
        // What it accepts is so from the beginning.
        SockRef::from(listener).set_tcp_nodelay(true)?;
        // Whichever thread is free takes a connection; with a socket for each, some would wait for a busy one.
        let listeners = (0..self.workers.count()).map(|_| listener.try_clone()).collect::<io::Result<Vec<_>>>()?;
        let (vantage, slots) = (Arc::new(vantage), Arc::new(Semaphore::new(CONNECTIONS_MAX)));
        self.workers.spawn(listeners.into_iter().map(|listener| {
            let place = Place { vantage: Arc::clone(&vantage), slots: Arc::clone(&slots) };
            self.service.clone().serve(place, listener, shutdown.clone())
        }));
        Ok(())
    }
}

/// Where clients stand, and how many more may.
struct Place {
    vantage: Arc<Vantage>,
    slots: Arc<Semaphore>,
}

/// What is done with a connection.
#[derive(Clone)]
struct Service {
    current: CurrentNetwork,
    backend: Arc<dyn Backend>,
}

impl Service {
    async fn serve(self, at: Place, listener: std::net::TcpListener, shutdown: CancellationToken) {
        match TcpListener::from_std(listener) {
            Ok(listener) => _ = shutdown.run_until_cancelled(self.accept(at, listener, &shutdown)).await,
            Err(error) => tracing::error!(vantage = %at.vantage, %error, "a vantage cannot be served"),
        }
    }

    async fn accept(self, at: Place, listener: TcpListener, shutdown: &CancellationToken) {
        loop {
            // A failed accept (out of descriptors) is the client's loss; a full house, too.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let Ok(slot) = Arc::clone(&at.slots).try_acquire_owned() else { continue };
            let (service, vantage, shutdown) = (self.clone(), Arc::clone(&at.vantage), shutdown.clone());
            tokio::spawn(async move {
                if let Some(Err(error)) = shutdown.run_until_cancelled(service.client(&vantage, stream)).await {
                    tracing::debug!(%vantage, %error, "proxy connection ended");
                }
                drop(slot);
            });
        }
    }

    async fn client(&self, vantage: &Vantage, stream: TcpStream) -> Result<(), HandshakeError> {
        let mut stream = BufReader::with_capacity(HEAD_ROOM, stream);
        let opened = timeout(HANDSHAKE_TIMEOUT, self.handshake(vantage, &mut stream)).await;
        match opened.unwrap_or(Err(HandshakeError::TimedOut)) {
            Ok(Some(server)) => Ok(relay(stream.get_mut(), server).await?),
            Ok(None) => Ok(linger(stream.get_mut()).await?),
            Err(error) => {
                linger(stream.get_mut()).await?;
                Err(error)
            }
        }
    }

    /// The connection the client asked for, which has been told what the client said early; `None`
    /// when it was refused and told so.
    async fn handshake(
        &self,
        vantage: &Vantage,
        stream: &mut BufReader<TcpStream>,
    ) -> Result<Option<Box<dyn Stream>>, HandshakeError> {
        let Some(first) = stream.fill_buf().await?.first().copied() else { return Ok(None) };
        let mut early = Vec::new();
        let opened = if first == socks5::VERSION {
            let (host, port) = socks5::accept(stream).await?;
            let opened = self.open(vantage, &host, port);
            let reply = opened
                .as_ref()
                .map_or_else(|trace| refusal::socks_reply(&trace.disposition), |_| refusal::SocksReply::Succeeded);
            socks5::reply(stream, reply).await?;
            opened
        } else {
            let connect::Connect { host, port, early: said } = connect::accept(stream).await?;
            early = said;
            let opened = self.open(vantage, &host, port);
            match &opened {
                Ok(_) => stream.write_all(connect::ESTABLISHED).await?,
                Err(trace) => stream.write_all(&refusal::http_refusal(trace)).await?,
            }
            opened
        };
        let Ok(mut server) = opened else { return Ok(None) };
        early.extend_from_slice(stream.buffer());
        if !early.is_empty() {
            server.write_all(&early).await?;
        }
        Ok(Some(server))
    }

    fn open(&self, vantage: &Vantage, host: &Host, port: u16) -> Result<Box<dyn Stream>, Box<Trace>> {
        let network = self.current.load();
        let refused = |disposition| Box::new(Trace { disposition, ..network.reach(vantage, host, port) });
        // Only who is refused is told all the reasons.
        match network.connect(vantage, host, port, &mut Silent) {
            Disposition::Connected { cluster, .. } => self.backend.open(&cluster).map_err(|error| {
                tracing::warn!(%cluster, %error, "the API server of a reachable cluster could not be opened");
                refused(Disposition::ClusterStopped { cluster })
            }),
            disposition => Err(refused(disposition)),
        }
    }
}

/// Ends a refused connection so that the client reads the refusal: closing a socket with unread
/// input would reset it, and the reset could overtake the answer.
async fn linger(stream: &mut TcpStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = stream.take(LINGER_BYTES_MAX);
    match timeout(LINGER_TIMEOUT, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await {
        Ok(read) => read.map(drop),
        Err(_) => Ok(()),
    }
}
