//! The least that a UDP server can do: what comes in goes back, in the same batches as noren's.

use std::{
    array,
    io::{IoSlice, IoSliceMut, Write as _},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd as _,
};

use anyhow::Result;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, recvmmsg};
use rustix::net::{MMsgHdr, SendAncillaryBuffer, SendFlags, SocketAddrAny, sendmmsg};

const BATCH: usize = 32;
const ROOM: usize = 4096;

/// Echoes until it is killed; prints its port.
pub(crate) fn run() -> Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut out = std::io::stdout();
    writeln!(out, "{}\n", socket.local_addr()?.port())?;
    out.flush()?;
    let mut headers: MultiHeaders<SockaddrIn> = MultiHeaders::preallocate(BATCH, None);
    let mut buffer = vec![0; BATCH * ROOM];
    loop {
        let mut rooms = buffer.chunks_exact_mut(ROOM);
        let mut slices: [_; BATCH] = array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        let received = recvmmsg(socket.as_raw_fd(), &mut headers, &mut slices, MsgFlags::MSG_WAITFORONE, None)?;
        let clients: Vec<(usize, SocketAddrAny)> =
            received.filter_map(|message| Some((message.bytes, SocketAddrV4::from(message.address?).into()))).collect();
        let slices: Vec<_> = (clients.iter().zip(buffer.chunks_exact(ROOM)))
            .map(|((length, _), room)| [IoSlice::new(&room[..*length])])
            .collect();
        let mut controls: [_; BATCH] = array::from_fn(|_| SendAncillaryBuffer::default());
        let mut messages: Vec<_> = (clients.iter().zip(&slices).zip(&mut controls))
            .map(|(((_, client), slice), control)| MMsgHdr::new_with_addr(client, slice, control))
            .collect();
        sendmmsg(&socket, &mut messages, SendFlags::empty())?;
    }
}
