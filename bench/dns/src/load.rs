//! The generator: keeps so many queries under way, and counts the replies.

use std::{
    array,
    io::{IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    os::fd::AsRawFd as _,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use nix::{
    errno::Errno,
    sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg},
};
use rustix::net::{
    MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg, sockopt::set_socket_recv_buffer_size,
};

use crate::serve::{RECORDS, ZONE, record};

const BATCH: usize = 32;
const ROOM: usize = 512;
/// Octets each client's replies may wait in.
const RECEIVE_BUFFER: usize = 1 << 20;
/// Octets of a DNS header.
const HEADER: usize = 12;
/// Silence after which what is under way is taken to be lost.
const PATIENCE: Duration = Duration::from_millis(5);

/// How to ask.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    seconds: f64,
    n_clients: usize,
    /// Queries each client has under way.
    window: usize,
}

/// What came of asking.
pub(crate) struct Outcome {
    pub(crate) n_replies: u32,
    pub(crate) seconds: f64,
}

impl Load {
    /// For one socket: no more under way than its buffer holds.
    pub(crate) fn one(seconds: f64) -> Self {
        Self { seconds, n_clients: 2, window: 64 }
    }

    /// Whether it is for one socket.
    pub(crate) fn is_for_one(self) -> bool {
        self.n_clients == 2
    }

    /// For hundreds of sockets.
    pub(crate) fn many(seconds: f64) -> Self {
        Self { seconds, n_clients: 16, window: 128 }
    }

    /// Asks each of `ports` in turn, and checks that replies are answers (`is_dns`).
    pub(crate) fn run(self, ports: &[u16], is_dns: bool) -> Result<Outcome> {
        let queries: Vec<Vec<u8>> = (0..RECORDS).map(query).collect();
        let addresses: Vec<SocketAddrAny> =
            ports.iter().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, *port)).into()).collect();
        // Every message there will be, so that sending one costs nothing but the system call.
        let n_messages = RECORDS * ports.len().div_ceil(BATCH) * BATCH;
        let slices: Vec<_> = (0..n_messages).map(|index| [IoSlice::new(&queries[index % RECORDS])]).collect();
        let mut controls: Vec<_> = (0..n_messages).map(|_| SendAncillaryBuffer::default()).collect();
        let mut messages: Vec<_> = (slices.iter().zip(&mut controls).enumerate())
            .map(|(index, (slice, control))| {
                MMsgHdr::new_with_addr(&addresses[index % addresses.len()], slice, control)
            })
            .collect();
        let mut clients = Vec::new();
        for _ in 0..self.n_clients {
            clients.push(Client::new()?);
        }
        let mut next = 0;
        let mut n_replies = 0u32;
        let begun = Instant::now();
        let mut heard = begun;
        while begun.elapsed().as_secs_f64() < self.seconds {
            let before = n_replies;
            for client in &mut clients {
                while client.under_way + BATCH <= self.window {
                    client.under_way +=
                        sendmmsg(&client.socket, &mut messages[next..next + BATCH], SendFlags::empty())?;
                    next = (next + BATCH) % n_messages;
                }
                n_replies += u32::try_from(client.receive(is_dns)?)?;
            }
            if n_replies > before {
                heard = Instant::now();
            } else if heard.elapsed() > PATIENCE {
                for client in &mut clients {
                    client.under_way = 0;
                }
                heard = Instant::now();
            }
        }
        Ok(Outcome { n_replies, seconds: begun.elapsed().as_secs_f64() })
    }
}

struct Client {
    socket: UdpSocket,
    headers: MultiHeaders<SockaddrIn>,
    buffer: Vec<u8>,
    under_way: usize,
}

impl Client {
    fn new() -> Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
        let headers = MultiHeaders::preallocate(BATCH, None);
        Ok(Self { socket, headers, buffer: vec![0; BATCH * ROOM], under_way: 0 })
    }

    /// How many replies were waiting.
    fn receive(&mut self, is_dns: bool) -> Result<usize> {
        let mut rooms = self.buffer.chunks_exact_mut(ROOM);
        let mut slices: [_; BATCH] = array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let received =
            match recvmmsg(self.socket.as_raw_fd(), &mut self.headers, &mut slices, MsgFlags::MSG_DONTWAIT, None) {
                Ok(received) => received.count(),
                Err(Errno::EAGAIN) => return Ok(0),
                Err(error) => return Err(std::io::Error::from(error).into()),
            };
        if is_dns {
            for reply in self.buffer.chunks_exact(ROOM).take(received) {
                ensure!(
                    reply[3].trailing_zeros() >= 4 && reply[7] == 1,
                    "a reply is no answer: {:02x?}",
                    &reply[..HEADER]
                );
            }
        }
        self.under_way = self.under_way.saturating_sub(received);
        Ok(received)
    }
}

/// The generator's place, away from the servers'.
pub(crate) fn pin() -> Result<()> {
    let mut cores = nix::sched::CpuSet::new();
    cores.set(1)?;
    Ok(nix::sched::sched_setaffinity(nix::unistd::Pid::from_raw(0), &cores)?)
}

/// A query for a record's address, as resolvers ask: with EDNS.
pub(crate) fn query(index: usize) -> Vec<u8> {
    let mut query =
        [index.to_be_bytes()[6..].try_into().unwrap_or_default(), [1, 0], [0, 1], [0; 2], [0; 2], [0, 1]].concat();
    let (name, _) = record(index);
    for label in name.split('.').chain(ZONE.split('.')) {
        query.push(u8::try_from(label.len()).unwrap_or_default());
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, 1, 0, 1]);
    query.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    query
}
