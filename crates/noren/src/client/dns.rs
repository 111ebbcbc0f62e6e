//! A small DNS client: one question over UDP to a server of the lab, over TCP when truncated.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, bail};
use hickory_proto::{
    op::{Message, MessageType, OpCode, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType},
};
use serde::Serialize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UdpSocket},
    time::timeout,
};

/// How long a server on this machine may take.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Largest UDP answer that is read.
const DATAGRAM_MAX: usize = 4096;

/// A server's answer in words.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Reply {
    /// `NOERROR`, `NXDOMAIN`, …
    pub(crate) status: String,
    /// The answer section.
    pub(crate) answers: Vec<AnswerLine>,
    /// The authority section.
    pub(crate) authority: Vec<AnswerLine>,
}

/// One record.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AnswerLine {
    pub(crate) name: String,
    pub(crate) ttl: u32,
    #[serde(rename = "type")]
    pub(crate) record_type: String,
    pub(crate) data: String,
}

impl Reply {
    /// The IPv4 addresses in the answer.
    pub(crate) fn addresses(&self) -> Vec<String> {
        self.answers.iter().filter(|line| line.record_type == "A").map(|line| line.data.clone()).collect()
    }
}

/// Asks `server` for `name`.
pub(crate) async fn ask(server: SocketAddr, name: &str, record_type: RecordType) -> anyhow::Result<Reply> {
    let mut name = Name::from_ascii(name).with_context(|| format!("`{name}` is not a DNS name"))?;
    name.set_fqdn(true);
    let mut query = Message::new(rand::random(), MessageType::Query, OpCode::Query);
    query.metadata.recursion_desired = true;
    query.add_query(Query::query(name, record_type));
    let bytes = query.to_vec()?;

    let answer = timeout(TIMEOUT, over_udp(server, &bytes)).await.context("the DNS server does not answer")??;
    let mut message = Message::from_vec(&answer).context("the DNS server's answer is malformed")?;
    if message.metadata.truncation {
        let answer = timeout(TIMEOUT, over_tcp(server, &bytes)).await.context("the DNS server does not answer")??;
        message = Message::from_vec(&answer).context("the DNS server's answer is malformed")?;
    }
    if message.metadata.id != query.metadata.id {
        bail!("the DNS server answered another question");
    }
    Ok(Reply {
        status: status_name(message.metadata.response_code),
        answers: message.answers.iter().map(line).collect(),
        authority: message.authorities.iter().map(line).collect(),
    })
}

async fn over_udp(server: SocketAddr, query: &[u8]) -> anyhow::Result<Vec<u8>> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).await?;
    socket.connect(server).await?;
    socket.send(query).await?;
    let mut answer = vec![0; DATAGRAM_MAX];
    let length = socket.recv(&mut answer).await?;
    answer.truncate(length);
    Ok(answer)
}

async fn over_tcp(server: SocketAddr, query: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(&u16::try_from(query.len())?.to_be_bytes()).await?;
    stream.write_all(query).await?;
    let mut answer = vec![0; usize::from(stream.read_u16().await?)];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

fn line(record: &Record) -> AnswerLine {
    AnswerLine {
        name: record.name.to_string(),
        ttl: record.ttl,
        record_type: record.record_type().to_string(),
        data: match &record.data {
            RData::A(address) => address.to_string(),
            other => other.to_string(),
        },
    }
}

fn status_name(code: ResponseCode) -> String {
    match code {
        ResponseCode::NoError => "NOERROR".to_owned(),
        ResponseCode::NXDomain => "NXDOMAIN".to_owned(),
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        other => other.to_string(),
    }
}
