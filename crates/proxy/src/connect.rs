//! HTTP CONNECT (RFC 9110 §9.3.6), server side.

use network::Host;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{HandshakeError, refusal::http_answer};

/// Longest request head that is read, in bytes.
const HEAD_MAX: usize = 8 * 1024;
/// Most header fields that are read.
const HEADERS_MAX: usize = 64;

/// What a tunnel that stands begins with.
pub(crate) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// A CONNECT request: the destination and what the client already sent behind the head.
#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) early: Vec<u8>,
}

/// What a request's head says so far.
enum Head {
    Unfinished,
    /// A tunnel to there; its length in octets.
    Tunnel(Host, u16, usize),
    /// It is no request for a tunnel: with this status, the client is told why.
    Refused(u16, &'static str),
}

/// Reads the request; anything but CONNECT is told what this is.
pub(crate) async fn accept<S>(stream: &mut S) -> Result<Connect, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::with_capacity(512);
    loop {
        match parse(&head) {
            Head::Tunnel(host, port, length) => return Ok(Connect { host, port, early: head.split_off(length) }),
            Head::Refused(status, why) => {
                refuse(stream, status, why).await?;
                return Err(HandshakeError::Malformed(why));
            }
            Head::Unfinished if stream.read_buf(&mut head).await? == 0 => {
                return Err(HandshakeError::Malformed("the request ended early"));
            }
            Head::Unfinished => {}
        }
    }
}

/// Apart from waiting, so that header fields take no room in what waits.
fn parse(head: &[u8]) -> Head {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Complete(_)) if request.method != Some("CONNECT") => {
            Head::Refused(405, "only CONNECT is served here: this is a noren vantage, not a web server")
        }
        Ok(httparse::Status::Complete(length)) => match request.path.and_then(authority) {
            Some((host, port)) => Head::Tunnel(host, port, length),
            None => Head::Refused(400, "the CONNECT target is not host:port"),
        },
        Ok(httparse::Status::Partial) if head.len() < HEAD_MAX => Head::Unfinished,
        Ok(httparse::Status::Partial) => Head::Refused(431, "the request head is too large"),
        Err(_) => Head::Refused(400, "this is no HTTP request"),
    }
}

async fn refuse<S: AsyncWrite + Unpin>(stream: &mut S, status: u16, why: &str) -> std::io::Result<()> {
    stream.write_all(&http_answer(status, why, "text/plain", &format!("{why}\n"))).await
}

/// `host:port`.
fn authority(target: &str) -> Option<(Host, u16)> {
    let (host, port) = target.rsplit_once(':')?;
    Some((crate::parse_host(host)?, port.parse().ok()?))
}
