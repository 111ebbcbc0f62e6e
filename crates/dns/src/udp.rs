//! Datagrams, as many at a time as are waiting: one system call takes them, one sends the replies.
//!
//! The buffers belong to the thread, not to the view, so that a view costs no more than its sockets.

use std::{
    array,
    cell::RefCell,
    io::{self, IoSlice, IoSliceMut},
    net::{SocketAddr, SocketAddrV4, SocketAddrV6},
    ops::Range,
    os::fd::AsRawFd,
    sync::Arc,
};

use network::Network;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, SockaddrIn6, SockaddrLike, recvmmsg};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};
use tokio::{io::Interest, net::UdpSocket, task::yield_now};

use crate::{
    message::{Transport, reply},
    server::{QUERY_MAX, View},
};

/// Datagrams taken at a time.
const BATCH: usize = 32;

thread_local! {
    // One for each family: the kernel takes an address to be as long as the one before it.
    static IPV4: RefCell<Batch<SockaddrIn>> = RefCell::new(Batch::new(|address| SocketAddrV4::from(address).into()));
    static IPV6: RefCell<Batch<SockaddrIn6>> = RefCell::new(Batch::new(|address| SocketAddrV6::from(address).into()));
}

/// Answers what comes in at `socket` out of `view` of the newest network.
pub(crate) async fn serve(view: View, socket: std::net::UdpSocket) -> io::Result<()> {
    let socket = Arc::new(UdpSocket::from_std(socket)?);
    let is_ipv4 = socket.local_addr()?.is_ipv4();
    loop {
        socket.readable().await?;
        let network = view.current.load_full();
        if is_ipv4 {
            IPV4.with_borrow_mut(|batch| batch.answer(&network, &view, &socket));
        } else {
            IPV6.with_borrow_mut(|batch| batch.answer(&network, &view, &socket));
        }
        // Other views have their turn before this one goes on.
        yield_now().await;
    }
}

/// The buffers of a batch.
struct Batch<S> {
    headers: MultiHeaders<S>,
    address: fn(S) -> SocketAddrAny,
    queries: Vec<u8>,
    /// How long each query is, and whose.
    incoming: Vec<(usize, SocketAddrAny)>,
    /// The replies, one behind the other.
    replies: Vec<u8>,
    /// Where each reply is, and for whom.
    outgoing: Vec<(Range<usize>, SocketAddrAny)>,
}

impl<S: SockaddrLike + Copy> Batch<S> {
    fn new(address: fn(S) -> SocketAddrAny) -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            address,
            queries: vec![0; BATCH * QUERY_MAX],
            incoming: Vec::with_capacity(BATCH),
            replies: Vec::new(),
            outgoing: Vec::with_capacity(BATCH),
        }
    }

    /// Answers what is waiting, at most [`BATCH`] datagrams.
    fn answer(&mut self, network: &Network, view: &View, socket: &Arc<UdpSocket>) {
        self.receive(socket);
        self.replies.clear();
        self.outgoing.clear();
        for ((length, client), query) in self.incoming.drain(..).zip(self.queries.chunks_exact(QUERY_MAX)) {
            if let Some(relay) = &view.relay
                && let Ok(client) = SocketAddr::try_from(client.clone())
                && relay.takes(network, &view.id, &query[..length], client, socket)
            {
                continue;
            }
            let start = self.replies.len();
            if reply(network, &view.id, &query[..length], Transport::Udp, &mut self.replies) {
                self.outgoing.push((start..self.replies.len(), client));
            }
        }
        self.send(socket);
    }

    fn receive(&mut self, socket: &UdpSocket) {
        let mut rooms = self.queries.chunks_exact_mut(QUERY_MAX);
        let mut slices: [_; BATCH] = array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        // An error here is about an earlier reply (the client's port is gone), not about us.
        let _ = socket.try_io(Interest::READABLE, || {
            let received = recvmmsg(socket.as_raw_fd(), &mut self.headers, &mut slices, MsgFlags::MSG_DONTWAIT, None)?;
            let clients = received.filter_map(|message| Some((message.bytes, (self.address)(message.address?))));
            self.incoming.extend(clients);
            // A batch that is not full took all there was, which saves asking whether there is more.
            if self.incoming.len() < BATCH { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
        });
    }

    fn send(&self, socket: &UdpSocket) {
        let mut slices: [_; BATCH] = array::from_fn(|_| [IoSlice::new(&[])]);
        let mut controls: [_; BATCH] = array::from_fn(|_| SendAncillaryBuffer::default());
        for ((range, _), slice) in self.outgoing.iter().zip(&mut slices) {
            *slice = [IoSlice::new(&self.replies[range.clone()])];
        }
        let mut messages: Vec<_> = (self.outgoing.iter().zip(&slices).zip(&mut controls))
            .map(|(((_, client), slice), control)| MMsgHdr::new_with_addr(client, slice, control))
            .collect();
        let mut rest = messages.as_mut_slice();
        while !rest.is_empty() {
            // A reply that cannot be sent (no way back, no room) is lost, as datagrams may be: the
            // client asks again. Those behind it are not.
            let sent = sendmmsg(socket, rest, SendFlags::DONTWAIT).unwrap_or(0).max(1);
            rest = rest.get_mut(sent..).unwrap_or_default();
        }
    }
}
