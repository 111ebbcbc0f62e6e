//! What a client sees: real lookups and real connections, all of a vantage at once.

use std::{
    collections::BTreeSet,
    io,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use network::plan::{Place, Standing};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::{io::AsyncReadExt as _, net::UdpSocket, task::JoinSet, time::timeout};

use crate::{NAME_PORT, lab::Lab};

/// How long silence lasts before it is taken for silence.
pub(crate) const SILENCE: Duration = Duration::from_millis(200);

/// How a connection comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    /// Somebody took it, and said who.
    Connected(String),
    /// A DNS server took it.
    NameServer,
    /// Somebody said no.
    Refused,
    /// Nobody said anything.
    Silence,
}

/// What a lookup says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Addresses(BTreeSet<Ipv4Addr>),
    NxDomain,
    NoData,
    /// No answer, or one that says that there is none.
    Failure,
}

/// Connects from a place to everything at once.
pub(crate) async fn connect(lab: &Lab, place: &Place, to: &[SocketAddrV4], patience: Duration) -> Vec<Seen> {
    let sockets = lab
        .at(place, || {
            let begin = |to: &SocketAddrV4| -> io::Result<Socket> {
                let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
                match socket.connect(&(*to).into()) {
                    Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => Err(error),
                    _ => Ok(socket),
                }
            };
            to.iter().map(begin).collect::<Vec<_>>()
        })
        .await;
    let mut waiting = JoinSet::new();
    for (number, (socket, to)) in sockets.into_iter().zip(to).enumerate() {
        let port = to.port();
        waiting.spawn(async move {
            let seen = match socket {
                Ok(socket) => timeout(patience, outcome(socket, port)).await.unwrap_or(Seen::Silence),
                Err(error) => said(&error),
            };
            (number, seen)
        });
    }
    let mut seen = waiting.join_all().await;
    seen.sort_by_key(|(number, _)| *number);
    seen.into_iter().map(|(_, seen)| seen).collect()
}

async fn outcome(socket: Socket, port: u16) -> Seen {
    let mut stream = tokio::net::TcpStream::from_std(socket.into()).expect("a stream");
    if let Err(error) = stream.writable().await {
        return said(&error);
    }
    if let Ok(Some(error)) = stream.take_error() {
        return said(&error);
    }
    if port == NAME_PORT {
        return Seen::NameServer;
    }
    let mut who = String::new();
    match stream.read_to_string(&mut who).await {
        Ok(_) => Seen::Connected(who),
        Err(error) => said(&error),
    }
}

fn said(error: &io::Error) -> Seen {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Seen::Refused,
        _ => Seen::Silence,
    }
}

/// Looks all names up as a client's system would: the hosts file, then one server after another.
pub(crate) async fn look_up(lab: &Lab, standing: &Standing, names: &[&str], patience: Duration) -> Vec<Told> {
    let mut told: Vec<Option<Told>> = names.iter().map(|name| hosts_entry(standing, name)).collect();
    for server in &standing.dns_servers {
        let open: Vec<usize> = (0..names.len()).filter(|number| told[*number].is_none()).collect();
        let sockets = lab
            .at(&standing.place, || {
                let begin = || -> io::Result<std::net::UdpSocket> {
                    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
                    socket.set_nonblocking(true)?;
                    socket.connect(SocketAddrV4::new(*server, NAME_PORT))?;
                    Ok(socket)
                };
                open.iter().map(|_| begin()).collect::<Vec<_>>()
            })
            .await;
        let mut waiting = JoinSet::new();
        for (number, socket) in open.into_iter().zip(sockets) {
            let query = question(u16::try_from(number).expect("a few"), names[number]);
            waiting.spawn(async move {
                let answer = async {
                    let socket = UdpSocket::from_std(socket.ok()?).ok()?;
                    let mut answer = [0; 1500];
                    // Until patience ends, as resolvers do: a datagram may be lost.
                    loop {
                        socket.send(&query).await.ok()?;
                        if let Ok(received) = timeout(SILENCE, socket.recv(&mut answer)).await {
                            return read(&answer[..received.ok()?]);
                        }
                    }
                };
                (number, timeout(patience, answer).await.ok().flatten())
            });
        }
        for (number, answer) in waiting.join_all().await {
            told[number] = answer;
        }
    }
    told.into_iter().map(|told| told.unwrap_or(Told::Failure)).collect()
}

fn hosts_entry(standing: &Standing, name: &str) -> Option<Told> {
    let entry = standing.hosts.iter().find(|(_, names)| names.iter().any(|held| held == name))?;
    Some(Told::Addresses([entry.0].into()))
}

fn question(id: u16, name: &str) -> Vec<u8> {
    let mut message = Message::new(id, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).expect("a name"), RecordType::A));
    message.to_vec().expect("a message")
}

fn read(answer: &[u8]) -> Option<Told> {
    let message = Message::from_vec(answer).ok()?;
    let addresses = message.answers.iter().filter_map(|record| match &record.data {
        RData::A(address) => Some(address.0),
        _ => None,
    });
    let addresses: BTreeSet<Ipv4Addr> = addresses.collect();
    Some(match message.metadata.response_code {
        ResponseCode::NoError if addresses.is_empty() => Told::NoData,
        ResponseCode::NoError => Told::Addresses(addresses),
        ResponseCode::NXDomain => Told::NxDomain,
        _ => Told::Failure,
    })
}
