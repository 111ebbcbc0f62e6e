//! Sockets: each view listens on one loopback port, UDP and TCP, and answers out of the newest
//! network.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use network::{Network, ViewId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    message::{Passed, Transport, reply},
    relay::{Forwarder, Relay},
    udp,
};

/// Largest query that is read from a datagram.
pub(crate) const QUERY_MAX: usize = 4096;
/// TCP connections one view may have open.
const CONNECTIONS_MAX: usize = 128;
/// How long a TCP client may be silent.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long accepting pauses after it failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Ports tried before giving up on one that is free for both UDP and TCP.
const PORT_TRIES: usize = 16;

/// The newest network, as it is published.
pub type CurrentNetwork = Arc<ArcSwap<Network>>;

/// Serves DNS views out of the newest network.
#[derive(Clone)]
pub struct Server {
    current: CurrentNetwork,
    shutdown: CancellationToken,
}

/// A view with its sockets, not served yet.
#[derive(Debug)]
pub struct BoundView {
    view: ViewId,
    udp: std::net::UdpSocket,
    tcp: std::net::TcpListener,
    address: SocketAddr,
}

/// A view as its sockets answer out of it.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) current: CurrentNetwork,
    pub(crate) id: ViewId,
    /// Passes on what a forwarding rule covers; without it the model answers that as well.
    pub(crate) relay: Option<Arc<Relay>>,
}

/// A view that is served until this is dropped.
#[derive(Debug)]
pub struct ServedView {
    _stop: DropGuard,
}

impl BoundView {
    /// Where it listens, UDP and TCP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Server {
    /// A server that stops everything on `shutdown`.
    pub fn new(current: CurrentNetwork, shutdown: CancellationToken) -> Self {
        Self { current, shutdown }
    }

    /// Binds UDP and TCP to the same port of `address`; port 0 means any.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn bind(view: ViewId, address: SocketAddr) -> io::Result<BoundView> {
        let tries = if address.port() == 0 { PORT_TRIES } else { 1 };
        let mut last = io::Error::from(io::ErrorKind::AddrInUse);
        for _ in 0..tries {
            let tcp = std::net::TcpListener::bind(address)?;
            let bound = tcp.local_addr()?;
            match std::net::UdpSocket::bind(bound) {
                Ok(udp) => return Self::adopt(view, udp, tcp),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Takes sockets that are bound already, perhaps in another network namespace.
    ///
    /// # Errors
    /// When the two are not bound to the same address, or cannot be made non-blocking.
    pub fn adopt(view: ViewId, udp: std::net::UdpSocket, tcp: std::net::TcpListener) -> io::Result<BoundView> {
        let address = udp.local_addr()?;
        if tcp.local_addr()? != address {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a view's UDP and TCP addresses must be the same"));
        }
        udp.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        Ok(BoundView { view, udp, tcp, address })
    }

    /// Serves a view, with the model's answer for what a forwarding rule covers; must be called inside a
    /// tokio runtime.
    pub fn serve(&self, bound: BoundView) -> ServedView {
        self.start(bound, None)
    }

    /// Serves a view that passes on what a forwarding rule covers; must be called inside a tokio runtime.
    pub fn serve_forwarding(&self, bound: BoundView, forwarder: Arc<dyn Forwarder>) -> ServedView {
        self.start(bound, Some(Arc::new(Relay::new(forwarder))))
    }

    fn start(&self, bound: BoundView, relay: Option<Arc<Relay>>) -> ServedView {
        let stop = self.shutdown.child_token();
        let BoundView { view, udp, tcp, .. } = bound;
        let view = View { current: Arc::clone(&self.current), id: view, relay };
        tokio::spawn(stopping(stop.clone(), udp::serve(view.clone(), udp)));
        tokio::spawn(stopping(stop.clone(), serve_tcp(view, tcp, stop.clone())));
        ServedView { _stop: stop.drop_guard() }
    }
}

async fn stopping(stop: CancellationToken, serving: impl Future<Output = io::Result<()>>) {
    tokio::select! {
        () = stop.cancelled() => {}
        ended = serving => {
            if let Err(error) = ended {
                tracing::error!(%error, "a DNS view cannot be served");
            }
        }
    }
}

async fn serve_tcp(view: View, listener: std::net::TcpListener, stop: CancellationToken) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of file descriptors, most likely: trying again at once would spin.
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let (view, stop) = (view.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // The client ended or went silent: either way the connection is over.
                _ = converse(&view, stream) => {}
            }
            drop(slot);
        });
    }
}

/// Answers one query after the other (RFC 7766) until the client ends or is silent too long.
async fn converse(view: &View, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut query, mut answer) = (Vec::new(), Vec::new());
    loop {
        let length = timeout(IDLE_TIMEOUT, stream.read_u16()).await??;
        query.resize(length.into(), 0);
        timeout(IDLE_TIMEOUT, stream.read_exact(&mut query)).await??;
        answer.clear();
        answer.extend([0; 2]);
        let network = view.current.load_full();
        let relayed = view.relay.as_ref().zip(Passed::of(&network, &view.id, &query, Transport::Tcp));
        match relayed {
            Some((relay, passed)) => answer.extend(relay.pass(&passed).await.unwrap_or_default()),
            None if reply(&network, &view.id, &query, Transport::Tcp, &mut answer) => {}
            None => return Ok(()),
        }
        let Ok(length) = u16::try_from(answer.len() - 2) else { return Ok(()) };
        answer[..2].copy_from_slice(&length.to_be_bytes());
        timeout(IDLE_TIMEOUT, stream.write_all(&answer)).await??;
    }
}
