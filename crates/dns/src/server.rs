//! Sockets: each view listens on one loopback port, UDP and TCP, and answers out of the newest
//! network.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use network::{Network, ViewId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::Semaphore,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::message::{Transport, reply};

/// Largest query that is read from a datagram.
const QUERY_MAX: usize = 4096;
/// TCP connections one view may have open.
const CONNECTIONS_MAX: usize = 128;
/// How long a TCP client may be silent.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
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
                Ok(udp) => {
                    tcp.set_nonblocking(true)?;
                    udp.set_nonblocking(true)?;
                    return Ok(BoundView { view, udp, tcp, address: bound });
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Serves a view; must be called inside a tokio runtime.
    pub fn serve(&self, bound: BoundView) -> ServedView {
        let stop = self.shutdown.child_token();
        let BoundView { view, udp, tcp, .. } = bound;
        tokio::spawn(stopping(stop.clone(), serve_udp(Arc::clone(&self.current), view.clone(), udp)));
        tokio::spawn(stopping(stop.clone(), serve_tcp(Arc::clone(&self.current), view, tcp, stop.clone())));
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

async fn serve_udp(current: CurrentNetwork, view: ViewId, socket: std::net::UdpSocket) -> io::Result<()> {
    let socket = UdpSocket::from_std(socket)?;
    let mut buffer = vec![0; QUERY_MAX];
    loop {
        // An error here is about an earlier reply (the client's port is gone), not about us.
        let Ok((length, client)) = socket.recv_from(&mut buffer).await else { continue };
        if let Some(answer) = reply(&current.load(), &view, &buffer[..length], Transport::Udp) {
            let _ = socket.send_to(&answer, client).await;
        }
    }
}

async fn serve_tcp(
    current: CurrentNetwork,
    view: ViewId,
    listener: std::net::TcpListener,
    stop: CancellationToken,
) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let Ok(slot) = Arc::clone(&slots).try_acquire_owned() else { continue };
        let (current, view, stop) = (Arc::clone(&current), view.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                // The client ended or went silent: either way the connection is over.
                _ = converse(&current, &view, stream) => {}
            }
            drop(slot);
        });
    }
}

/// Answers one query after the other (RFC 7766) until the client ends or is silent too long.
async fn converse(current: &CurrentNetwork, view: &ViewId, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let length = timeout(IDLE_TIMEOUT, stream.read_u16()).await??;
        let mut query = vec![0; length.into()];
        timeout(IDLE_TIMEOUT, stream.read_exact(&mut query)).await??;
        let Some(answer) = reply(&current.load(), view, &query, Transport::Tcp) else { return Ok(()) };
        let Ok(length) = u16::try_from(answer.len()) else { return Ok(()) };
        let framed = [&length.to_be_bytes()[..], &answer].concat();
        timeout(IDLE_TIMEOUT, stream.write_all(&framed)).await??;
    }
}
