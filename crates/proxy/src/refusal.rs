//! How a refusal is told to the client: a SOCKS reply code, or a CONNECT status with its reason.
//!
//! Go's HTTP client, and so `kubectl`, prints the reason phrase of a refused CONNECT and nothing
//! else: that is where the one sentence goes.

use network::{DNS_PORT, Disposition, Trace};

/// SOCKS5 reply codes, RFC 1928 §6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SocksReply {
    Succeeded = 0x00,
    GeneralFailure = 0x01,
    NotAllowed = 0x02,
    NetworkUnreachable = 0x03,
    HostUnreachable = 0x04,
    ConnectionRefused = 0x05,
    CommandNotSupported = 0x07,
    AddressTypeNotSupported = 0x08,
}

/// The SOCKS reply that comes closest to what happened.
pub(crate) fn socks_reply(disposition: &Disposition) -> SocksReply {
    match disposition {
        Disposition::Connected { .. } => SocksReply::Succeeded,
        Disposition::NoRoute { .. }
        | Disposition::RouteDrops { .. }
        | Disposition::NoGateway { .. }
        | Disposition::NoAppliance { .. }
        | Disposition::RoutingLoop { .. }
        | Disposition::ForwardedTrafficRefused { .. }
        | Disposition::PeeringBlocks { .. } => SocksReply::NetworkUnreachable,
        Disposition::PortClosed { .. } | Disposition::NameServer { port: DNS_PORT, .. } => {
            SocksReply::ConnectionRefused
        }
        Disposition::SourceNotAuthorized { .. } | Disposition::SecurityRuleDenies { .. } => SocksReply::NotAllowed,
        Disposition::NoVantage => SocksReply::GeneralFailure,
        Disposition::NameNotFound { .. }
        | Disposition::NoAddress { .. }
        | Disposition::NoResolver { .. }
        | Disposition::ForwarderUnreachable { .. }
        | Disposition::AliasLoop { .. }
        | Disposition::NothingThere { .. }
        | Disposition::ReplyLost { .. }
        | Disposition::NameServer { .. }
        | Disposition::MachineStopped { .. }
        | Disposition::ClusterStopped { .. }
        | Disposition::EndpointNotApproved { .. } => SocksReply::HostUnreachable,
    }
}

/// The HTTP status: 502 where the name or the far end fails, 504 where packets would vanish, 403
/// where the service refuses this client.
fn http_status(disposition: &Disposition) -> u16 {
    match disposition {
        Disposition::Connected { .. } => 200,
        Disposition::SourceNotAuthorized { .. } => 403,
        Disposition::NameNotFound { .. }
        | Disposition::NoAddress { .. }
        | Disposition::NoResolver { .. }
        | Disposition::ForwarderUnreachable { .. }
        | Disposition::AliasLoop { .. }
        | Disposition::PortClosed { .. }
        | Disposition::NameServer { port: DNS_PORT, .. }
        | Disposition::NoVantage => 502,
        Disposition::NoRoute { .. }
        | Disposition::RouteDrops { .. }
        | Disposition::NoGateway { .. }
        | Disposition::NoAppliance { .. }
        | Disposition::RoutingLoop { .. }
        | Disposition::ForwardedTrafficRefused { .. }
        | Disposition::SecurityRuleDenies { .. }
        | Disposition::ReplyLost { .. }
        | Disposition::NameServer { .. }
        | Disposition::MachineStopped { .. }
        | Disposition::ClusterStopped { .. }
        | Disposition::PeeringBlocks { .. }
        | Disposition::NothingThere { .. }
        | Disposition::EndpointNotApproved { .. } => 504,
    }
}

/// The whole HTTP answer to a CONNECT that is refused: the sentence as the reason phrase, the
/// trace as a JSON body.
pub(crate) fn http_refusal(trace: &Trace) -> Vec<u8> {
    let sentence = format!("{}: {}", trace.vantage, trace.disposition.sentence());
    let body = serde_json::to_string_pretty(trace).unwrap_or_default() + "\n";
    http_answer(http_status(&trace.disposition), &sentence, "application/json", &body)
}

/// A closing HTTP/1.1 answer.
pub(crate) fn http_answer(status: u16, reason: &str, content_type: &str, body: &str) -> Vec<u8> {
    let reason: String = reason.chars().filter(|letter| !letter.is_control()).collect();
    format!(
        "HTTP/1.1 {status} {reason}\r\ncontent-type: {content_type}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
