//! What the lab and the fabric say to each other: frames of JSON over a Unix stream socket, file
//! descriptors beside them (`SCM_RIGHTS`).
//!
//! A frame is a header of three little-endian `u32` (length of the body, the request it belongs
//! to, number of descriptors), the body, and then one octet for each [`FDS_PER_MESSAGE`]
//! descriptors, which carries them.

use std::{
    io::{self, IoSlice, IoSliceMut, Read, Write},
    mem::MaybeUninit,
    net::SocketAddrV4,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
};

use network::plan::{Place, Step};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// The longest body, in octets: a plan for some ten thousand networks.
const BODY_MAX: usize = 256 << 20;
/// Linux takes 253 in one message (`SCM_MAX_FD`).
const FDS_PER_MESSAGE: usize = 250;
/// The most descriptors in one frame.
const FDS_MAX: usize = 1 << 20;

/// What the lab asks for. Replies carry the number of the request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Carry out these steps.
    Apply(Vec<Step>),
    /// How do these places differ from what was applied?
    Observe(Vec<Place>),
    /// Make these places again what was applied.
    Repair(Vec<Place>),
    /// The way into a place.
    Enter(Place),
    /// Open a socket at a place.
    Open(Place, SocketKind),
    /// In which of these places does a program run?
    Inhabited(Vec<Place>),
    /// Keep a program running at a place.
    Start(Program),
    /// End a program.
    Stop(String),
}

/// What the fabric answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    /// It stands, or cannot. The first message, unasked.
    Ready(Result<Capabilities, Unavailable>),
    /// What failed and which sockets were opened: the numbers of the steps, each with its count of
    /// descriptors, which follow in order.
    Applied { failed: Vec<Failed>, opened: Vec<(usize, usize)> },
    /// What differs.
    Drifted(Vec<Drift>),
    /// The namespaces of a place, as open files of the helper's process; `user` if it has one of its own.
    Entrance { user: bool, net: i32, pid: i32 },
    /// A socket, beside it.
    Opened,
    /// The places in which a program runs.
    Inhabited(Vec<Place>),
    /// Done.
    Done,
    /// Not done, and why.
    Refused(String),
    /// A line that a program wrote. Unasked.
    Line { program: String, line: String },
}

/// A socket, non-blocking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SocketKind {
    /// UDP, not bound.
    Datagrams,
    /// TCP, not connected.
    Stream,
    /// TCP, listening here.
    Listener(SocketAddrV4),
}

/// What this machine lets the fabric do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// It stands in a user namespace of its own: the lab does not run as root.
    pub user_namespace: bool,
    /// Real VPN servers and clients find `/dev/net/tun`; else why not, and what to do.
    pub tun: Result<(), Unavailable>,
    /// The lab can stand in for DNS servers that do not run; else why not, and what to do.
    pub stand_ins: Result<(), Unavailable>,
}

/// Why there is no kernel data plane here, in one line: what is missing, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{missing}: {remedy}")]
pub struct Unavailable {
    /// What is missing, and what the kernel said.
    pub missing: String,
    /// What to do about it.
    pub remedy: String,
}

impl Unavailable {
    pub(crate) fn new(missing: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { missing: missing.into(), remedy: remedy.into() }
    }
}

/// A step that could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Its number in the plan.
    pub step: usize,
    /// What the kernel, or `nft`, said.
    pub reason: String,
}

/// A difference between the kernel and what was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Where.
    pub place: Place,
    /// What is not as it was made: `link m1`, `route 10.1.0.0/16 dev p1`, `filter`.
    pub what: String,
}

/// A program that is kept running at a place: started anew when it ends, with growing pauses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The name by which it is stopped and under which its output is logged; one program a name.
    pub name: String,
    /// Where.
    pub place: Place,
    /// The program and its arguments. `{files}` in them becomes the directory of `files`.
    pub argv: Vec<String>,
    /// Files that it reads, by name. They exist only in the fabric's memory.
    pub files: Vec<(String, String)>,
}

/// Sends a frame.
pub(crate) fn send(
    mut stream: &UnixStream,
    id: u32,
    message: &impl Serialize,
    descriptors: &[OwnedFd],
) -> io::Result<()> {
    let body = serde_json::to_vec(message)?;
    let mut frame = Vec::with_capacity(12 + body.len());
    for number in [body.len(), id as usize, descriptors.len()] {
        frame.extend(u32::try_from(number).map_err(io::Error::other)?.to_le_bytes());
    }
    frame.extend(body);
    stream.write_all(&frame)?;
    for some in descriptors.chunks(FDS_PER_MESSAGE) {
        let some: Vec<BorrowedFd<'_>> = some.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_MESSAGE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&some));
        rustix::net::sendmsg(stream, &[IoSlice::new(&[0])], &mut control, SendFlags::NOSIGNAL)?;
    }
    Ok(())
}

/// Receives a frame; `None` when the other end has closed.
pub(crate) fn receive<M: DeserializeOwned>(mut stream: &UnixStream) -> io::Result<Option<(u32, M, Vec<OwnedFd>)>> {
    let mut header = [0; 12];
    if let Err(error) = stream.read_exact(&mut header) {
        return if error.kind() == io::ErrorKind::UnexpectedEof { Ok(None) } else { Err(error) };
    }
    let [length, id, count] = [0, 4, 8].map(|at| {
        let number: [u8; 4] = std::array::from_fn(|octet| header[at + octet]);
        u32::from_le_bytes(number)
    });
    let (length, count) = (length as usize, count as usize);
    if length > BODY_MAX || count > FDS_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the frame is too long"));
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let mut descriptors = Vec::with_capacity(count);
    while descriptors.len() < count {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FDS_PER_MESSAGE))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut octet = [0];
        let read =
            rustix::net::recvmsg(stream, &mut [IoSliceMut::new(&mut octet)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let before = descriptors.len();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(some) = message {
                descriptors.extend(some);
            }
        }
        if read.bytes == 0 || descriptors.len() == before {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "descriptors are missing: too many open files?"));
        }
    }
    Ok(Some((id, serde_json::from_slice(&body)?, descriptors)))
}
