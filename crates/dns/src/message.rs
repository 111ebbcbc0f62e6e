//! A query's bytes → a reply's bytes. Pure: no sockets.
//!
//! Nearly every query is an ordinary one, read and answered straight in [`ordinary`]; all others
//! go through hickory's messages in [`codec`]. Both ask the one resolver, and their replies mean
//! the same (a property test holds them together). Replies follow RFC 1035, RFC 2308 (negative
//! answers) and RFC 6891 (EDNS).

mod codec;
mod ordinary;
mod passed;
#[cfg(test)]
mod tests;

pub(crate) use self::passed::Passed;
use hickory_proto::{op::ResponseCode, rr::RecordType};
use network::{Answer, DnsName, Network, Outcome, QueryType, RecordType as Held, Silent, ViewId};

/// Largest UDP payload we announce and send (RFC 9715's safe size).
const PAYLOAD_MAX: u16 = 1232;
/// Largest UDP reply to a client without EDNS.
const PLAIN_MAX: u16 = 512;
/// Octets of a DNS header.
const HEADER: usize = 12;
/// Octets of a name on the wire, the root's included (RFC 1035 §2.3.4).
const NAME_MAX: usize = 255;
/// Octets of one of a TXT record's character strings (RFC 1035 §3.3).
const CHARACTER_STRING_MAX: usize = 255;

/// How a reply travels: what it must fit into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Datagrams: 512 octets, with EDNS up to 1232.
    Udp,
    /// A stream: 65,535 octets.
    Tcp,
}

impl Transport {
    /// Octets a reply may have, to a client that announced `payload` with EDNS.
    fn limit(self, payload: Option<u16>) -> u16 {
        match (self, payload) {
            (Self::Tcp, _) => u16::MAX,
            (Self::Udp, None) => PLAIN_MAX,
            (Self::Udp, Some(payload)) => payload.clamp(PLAIN_MAX, PAYLOAD_MAX),
        }
    }
}

/// Appends the reply to a query in `view` to `out`; whether there is one (responses and noise
/// deserve none).
pub fn reply(network: &Network, view: &ViewId, query: &[u8], transport: Transport, out: &mut Vec<u8>) -> bool {
    if ordinary::reply(network, view, query, transport, out) {
        return true;
    }
    let reply = codec::reply(network, view, query, transport);
    out.extend_from_slice(reply.as_deref().unwrap_or_default());
    reply.is_some()
}

/// What the view says of a question.
fn find(network: &Network, view: &ViewId, name: &DnsName, record_type: RecordType) -> (ResponseCode, Answer) {
    let answer = network.answer(view, name, query_type(record_type), &mut Silent);
    let code = match answer.outcome {
        Outcome::NoError => ResponseCode::NoError,
        Outcome::NxDomain => ResponseCode::NXDomain,
        Outcome::AliasLoop | Outcome::NoView | Outcome::ForwarderUnreachable => ResponseCode::ServFail,
    };
    (code, answer)
}

/// The model's form of the name with these labels.
///
/// No record has a label with octets that the model does not hold (blanks, dots, …), so such a
/// name can only be a wildcard's: `*` stands for what ends with the last of these labels.
fn model_name<'a>(labels: impl Iterator<Item = &'a [u8]>) -> DnsName {
    let mut text = [0; NAME_MAX];
    let mut end = 0;
    for label in labels {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let label = if label.iter().all(plain) || (end == 0 && label == b"*") {
            label
        } else {
            end = 0;
            b"*"
        };
        let start = end + usize::from(end > 0);
        if let Some(room) = text.get_mut(end..start + label.len()) {
            room[..start - end].fill(b'.');
            room[start - end..].copy_from_slice(label);
            end = start + label.len();
        }
    }
    let name = str::from_utf8(&text[..end]).ok().and_then(|text| DnsName::parse(text).ok());
    name.unwrap_or_else(DnsName::root)
}

fn query_type(record_type: RecordType) -> QueryType {
    match record_type {
        RecordType::A => QueryType::Record(Held::A),
        RecordType::AAAA => QueryType::Record(Held::Aaaa),
        RecordType::CNAME => QueryType::Record(Held::Cname),
        RecordType::MX => QueryType::Record(Held::Mx),
        RecordType::PTR => QueryType::Record(Held::Ptr),
        RecordType::SOA => QueryType::Record(Held::Soa),
        RecordType::SRV => QueryType::Record(Held::Srv),
        RecordType::TXT => QueryType::Record(Held::Txt),
        RecordType::ANY => QueryType::Any,
        _ => QueryType::Other,
    }
}

fn held_type(held: Held) -> RecordType {
    match held {
        Held::A => RecordType::A,
        Held::Aaaa => RecordType::AAAA,
        Held::Cname => RecordType::CNAME,
        Held::Mx => RecordType::MX,
        Held::Ptr => RecordType::PTR,
        Held::Soa => RecordType::SOA,
        Held::Srv => RecordType::SRV,
        Held::Txt => RecordType::TXT,
    }
}

/// Transfers are refused, whatever is asked for.
fn is_transfer(record_type: RecordType) -> bool {
    matches!(record_type, RecordType::AXFR | RecordType::IXFR)
}

/// A TXT record's texts as character strings: at least one, each as long as one may be.
fn character_strings(texts: &[String]) -> impl Iterator<Item = &[u8]> {
    let strings = texts.iter().flat_map(|text| {
        let octets = text.as_bytes();
        octets.chunks(CHARACTER_STRING_MAX).chain(octets.is_empty().then_some(octets))
    });
    strings.chain(texts.is_empty().then_some(&[][..]))
}

/// Times that hickory's and other people's codecs read as signed.
fn seconds(seconds: u32) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}
