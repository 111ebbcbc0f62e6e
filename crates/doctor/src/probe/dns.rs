//! One question to one DNS server: UDP, asked twice, over TCP when truncated.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use azure::DnsName;
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, RecordType},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

use crate::observation::{Authority, Reply};

/// How long an answer may take before the question is asked again.
const PATIENCE: Duration = Duration::from_millis(900);
/// How often a question is asked.
const ATTEMPTS: usize = 2;
/// Largest UDP answer that is read.
const DATAGRAM_MAX: usize = 4096;

/// What `server` says of the addresses of `name`: IPv6 is asked for where there is no IPv4, as private endpoints have.
pub(super) async fn addresses(server: SocketAddr, name: &DnsName) -> Reply {
    match of_family(server, name, RecordType::A).await {
        Reply::NoData { authority } => match of_family(server, name, RecordType::AAAA).await {
            found @ Reply::Addresses { .. } => found,
            _ => Reply::NoData { authority },
        },
        reply => reply,
    }
}

async fn of_family(server: SocketAddr, name: &DnsName, family: RecordType) -> Reply {
    let message = match ask(server, name, family).await {
        Ok(message) => message,
        Err(reply) => return reply,
    };
    match message.metadata.response_code {
        ResponseCode::NXDomain => Reply::NoSuchName { authority: authority_of(&message) },
        ResponseCode::NoError => {
            let mut addresses = Vec::new();
            let mut aliases = Vec::new();
            for record in &message.answers {
                match &record.data {
                    RData::A(address) => addresses.push(IpAddr::V4(address.0)),
                    RData::AAAA(address) => addresses.push(IpAddr::V6(address.0)),
                    RData::CNAME(target) => aliases.push(text(&target.0)),
                    _ => {}
                }
            }
            if addresses.is_empty() {
                Reply::NoData { authority: authority_of(&message) }
            } else {
                Reply::Addresses { addresses, aliases }
            }
        }
        code => Reply::Refused { code: words(code) },
    }
}

/// The authority that `server` names for the zone `zone` itself, and whether it answered at all.
pub(super) async fn authority(server: SocketAddr, zone: &DnsName) -> (bool, Option<Authority>) {
    let Ok(message) = ask(server, zone, RecordType::SOA).await else { return (false, None) };
    let own = message.answers.iter().find_map(|record| match &record.data {
        RData::SOA(soa) if text(&record.name) == zone.as_str() => {
            Some(Authority { zone: text(&record.name), host: text(&soa.mname) })
        }
        _ => None,
    });
    (true, own)
}

fn authority_of(message: &Message) -> Option<Authority> {
    message.authorities.iter().find_map(|record| match &record.data {
        RData::SOA(soa) => Some(Authority { zone: text(&record.name), host: text(&soa.mname) }),
        _ => None,
    })
}

fn text(name: &Name) -> String {
    name.to_string().trim_end_matches('.').to_ascii_lowercase()
}

fn words(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        other => other.to_string(),
    }
}

async fn ask(server: SocketAddr, name: &DnsName, record_type: RecordType) -> Result<Message, Reply> {
    let failed = |error: &dyn std::fmt::Display| Reply::Unreachable { error: error.to_string() };
    let wanted = Name::from_ascii(format!("{name}.")).map_err(|error| failed(&error))?;
    let mut query = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(wanted, record_type));
    let bytes = query.to_vec().map_err(|error| failed(&error))?;
    let mut message = Err(Reply::Silent);
    for _ in 0..ATTEMPTS {
        if let Ok(answer) = timeout(PATIENCE, over_udp(server, &bytes, query.metadata.id)).await {
            message = answer.map_err(|error| failed(&error));
            break;
        }
    }
    match message {
        Ok(message) if message.metadata.truncation => match timeout(PATIENCE, over_tcp(server, &bytes)).await {
            Ok(answer) => answer.map_err(|error| failed(&error)),
            Err(_) => Err(Reply::Silent),
        },
        other => other,
    }
}

async fn over_udp(server: SocketAddr, query: &[u8], id: u16) -> std::io::Result<Message> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; DATAGRAM_MAX];
    loop {
        let length = socket.recv(&mut answer).await?;
        // Noise, or the answer to an earlier question.
        if let Some(message) = answer.get(..length).and_then(|bytes| Message::from_vec(bytes).ok())
            && message.metadata.id == id
        {
            return Ok(message);
        }
    }
}

async fn over_tcp(server: SocketAddr, query: &[u8]) -> std::io::Result<Message> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&u16::try_from(query.len()).map_err(std::io::Error::other)?.to_be_bytes()).await?;
    stream.write_all(query).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Message::from_vec(&answer).map_err(std::io::Error::other)
}
