//! Seeing the packets of a place.

use std::{
    io::{self, Read, Write},
    net::Ipv4Addr,
    os::fd::{AsFd, BorrowedFd},
    time::{SystemTime, UNIX_EPOCH},
};

use network::plan::LinkName;
use nix::{
    errno::Errno,
    libc,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use socket2::{Domain, SockAddr, SockAddrStorage, Socket, Type};

use crate::enter::Entrance;

/// `ETH_P_ALL`.
const EVERY_PROTOCOL: u16 = 0x0003;
/// The longest frame: large sends are not cut into packets between veth ends.
const FRAME_MAX: u32 = 1 << 18;
/// Packets that are read before it is looked whether to end: more than the kernel keeps.
const FRAMES_AT_ONCE: usize = 4096;

/// Which of a place's packets.
#[derive(Debug, Clone, Default)]
pub struct CaptureOf {
    /// Those of this link only.
    pub link: Option<LinkName>,
    /// Those from or to this address only.
    pub address: Option<Ipv4Addr>,
}

impl CaptureOf {
    /// Whether an Ethernet frame is meant.
    fn wants(&self, frame: &[u8]) -> bool {
        const IPV4: &[u8] = &[0x08, 0x00];
        let Some(address) = self.address else { return true };
        let at = |offset: usize| frame.get(offset..offset + 4) == Some(&address.octets());
        frame.get(12..14) == Some(IPV4) && (at(26) || at(30))
    }
}

/// Writes packets that pass at a place as a pcap file until writing fails or `end` can be read or has
/// closed; those that had passed by then are written, too. Afterwards the calling thread is at the place.
///
/// # Errors
/// The place or its link is gone; the output cannot be written.
pub fn capture(entrance: &Entrance, of: &CaptureOf, mut output: impl Write, end: BorrowedFd<'_>) -> io::Result<()> {
    entrance.go()?;
    let protocol = i32::from(EVERY_PROTOCOL.to_be());
    let mut socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol.into()))?;
    if let Some(link) = &of.link {
        bind(&socket, link)?;
    }
    // The header of a pcap file, in this machine's order: version 2.4, no time zone, Ethernet.
    let header = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, FRAME_MAX, 1];
    output.write_all(&header.map(u32::to_ne_bytes).concat())?;
    let mut frame = vec![0; FRAME_MAX as usize];
    loop {
        let ended = wait(&socket, end)?;
        for _ in 0..FRAMES_AT_ONCE {
            let length = match socket.read(&mut frame) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if of.wants(&frame[..length]) {
                write(&mut output, &frame[..length])?;
            }
        }
        if ended {
            return Ok(());
        }
    }
}

/// Waits for a packet or the end; whether it is the end.
fn wait(socket: &Socket, end: BorrowedFd<'_>) -> io::Result<bool> {
    let mut awaited = [PollFd::new(socket.as_fd(), PollFlags::POLLIN), PollFd::new(end, PollFlags::POLLIN)];
    match poll(&mut awaited, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(awaited[1].any().unwrap_or_default()),
        Err(error) => Err(error.into()),
    }
}

/// Writes a packet as it came by now.
fn write(output: &mut impl Write, frame: &[u8]) -> io::Result<()> {
    let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    let seconds = u32::try_from(at.as_secs()).map_err(io::Error::other)?;
    let header = [seconds, at.subsec_micros(), length, length];
    output.write_all(&header.map(u32::to_ne_bytes).concat())?;
    output.write_all(frame)
}

/// Limits the socket to one link.
fn bind(socket: &Socket, link: &LinkName) -> io::Result<()> {
    let index = i32::try_from(nix::net::if_::if_nametoindex(link.as_str())?).map_err(io::Error::other)?;
    let fill = |storage: *mut SockAddrStorage, length: *mut libc::socklen_t| {
        let address = storage.cast::<libc::sockaddr_ll>();
        // SAFETY: the storage is zeroed, aligned and large enough for any address.
        #[expect(unsafe_code, reason = "no crate here spells the address of a packet socket")]
        unsafe {
            (*address).sll_family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
            (*address).sll_protocol = EVERY_PROTOCOL.to_be();
            (*address).sll_ifindex = index;
            *length = u32::try_from(size_of::<libc::sockaddr_ll>()).unwrap_or_default();
        }
        Ok(())
    };
    // SAFETY: `fill` has made an address of the length it says.
    #[expect(unsafe_code, reason = "as above")]
    let ((), address) = unsafe { SockAddr::try_init(fill)? };
    socket.bind(&address)
}
