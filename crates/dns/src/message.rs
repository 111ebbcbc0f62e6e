//! A query's bytes → a reply's bytes. Pure: no sockets.
//!
//! The codec is hickory's; what is answered is the model's. Replies follow RFC 1035, RFC 2308
//! (negative answers) and RFC 6891 (EDNS).

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType, rdata},
    serialize::binary::{BinEncodable, BinEncoder},
};
use network::{Answer, Authority, DnsName, Network, Outcome, QueryType, RecordData, Silent, ViewId};

/// Largest UDP payload we announce and send (RFC 9715's safe size).
const PAYLOAD_MAX: u16 = 1232;
/// Largest UDP reply to a client without EDNS.
const PLAIN_MAX: u16 = 512;
/// Octets of a DNS header.
const HEADER: usize = 12;

/// How a reply travels: what it must fit into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// The reply to a query in `view`; `None` for what deserves none (responses, noise).
pub(crate) fn reply(network: &Network, view: &ViewId, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let header = query.get(..HEADER)?;
    if header[2] & 0x80 != 0 {
        return None;
    }
    let Ok(query) = Message::from_vec(query) else {
        return encode(&error(u16::from_be_bytes([header[0], header[1]]), ResponseCode::FormErr), u16::MAX);
    };
    let mut reply = answer(network, view, &query);
    let limit = match (transport, &query.edns) {
        (Transport::Tcp, _) => u16::MAX,
        (Transport::Udp, None) => PLAIN_MAX,
        (Transport::Udp, Some(edns)) => edns.max_payload().clamp(PLAIN_MAX, PAYLOAD_MAX),
    };
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD_MAX).set_version(0);
        edns.set_rcode_high(reply.metadata.response_code.high());
        reply.set_edns(edns);
    }
    encode(&reply, limit)
}

fn answer(network: &Network, view: &ViewId, query: &Message) -> Message {
    let refuse = |code| {
        let mut refusal = error(query.metadata.id, code);
        refusal.metadata.op_code = query.metadata.op_code;
        refusal.metadata.recursion_desired = query.metadata.recursion_desired;
        refusal.add_queries(query.queries.iter().cloned());
        refusal
    };
    if query.metadata.op_code != OpCode::Query {
        return refuse(ResponseCode::NotImp);
    }
    if query.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return refuse(ResponseCode::BADVERS);
    }
    let [question] = query.queries.as_slice() else { return refuse(ResponseCode::FormErr) };
    let transfer = matches!(question.query_type(), RecordType::AXFR | RecordType::IXFR);
    if question.query_class() != DNSClass::IN || transfer {
        return refuse(ResponseCode::Refused);
    }
    let mut reply = refuse(ResponseCode::NoError);
    let found = match model_name(question.name()) {
        Some(name) => network.answer(view, &name, query_type(question.query_type()), &mut Silent),
        // A name the model cannot hold is a name that nobody has.
        None => network.answer(&ViewId::Public, &DnsName::root(), QueryType::Other, &mut Silent),
    };
    reply.metadata.response_code = match found.outcome {
        Outcome::NoError => ResponseCode::NoError,
        Outcome::NxDomain => ResponseCode::NXDomain,
        Outcome::AliasLoop | Outcome::NoView => ResponseCode::ServFail,
    };
    fill(&mut reply, question, &found);
    reply
}

fn fill(reply: &mut Message, question: &Query, found: &Answer) {
    for (index, record) in found.records.iter().enumerate() {
        // The first owner is the question's name, in the letters the client wrote it.
        let owner = if index == 0 || record.name == found.records[0].name {
            question.name().clone()
        } else {
            wire_name(&record.name)
        };
        reply.add_answer(Record::from_rdata(owner, record.ttl_s, rdata(&record.data)));
    }
    if let Some(Authority { zone, soa, ttl_s }) = &found.authority {
        reply.add_authority(Record::from_rdata(wire_name(zone), *ttl_s, rdata(&RecordData::Soa(soa.clone()))));
    }
}

fn error(id: u16, code: ResponseCode) -> Message {
    let mut message = Message::new(id, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    message.metadata.recursion_available = true;
    message
}

/// Encodes a reply; one that does not fit into `limit` octets is cut and says so.
fn encode(reply: &Message, limit: u16) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(PLAIN_MAX.into());
    let mut encoder = BinEncoder::new(&mut bytes);
    encoder.set_max_size(limit);
    if reply.emit(&mut encoder).is_err() || bytes.len() > usize::from(limit) {
        return reply.truncate().to_vec().ok();
    }
    Some(bytes)
}

/// The model's form of a name on the wire.
fn model_name(name: &Name) -> Option<DnsName> {
    if name.is_root() {
        return Some(DnsName::root());
    }
    DnsName::parse(&name.to_ascii()).ok()
}

fn wire_name(name: &DnsName) -> Name {
    let mut wire = Name::from_ascii(name.as_str()).unwrap_or_else(|_| Name::root());
    wire.set_fqdn(true);
    wire
}

fn query_type(record_type: RecordType) -> QueryType {
    use network::RecordType as Held;
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

fn rdata(data: &RecordData) -> RData {
    match data {
        RecordData::A(address) => RData::A(rdata::A(*address)),
        RecordData::Aaaa(address) => RData::AAAA(rdata::AAAA(*address)),
        RecordData::Cname(name) => RData::CNAME(rdata::CNAME(wire_name(name))),
        RecordData::Mx { preference, exchange } => RData::MX(rdata::MX::new(*preference, wire_name(exchange))),
        RecordData::Ptr(name) => RData::PTR(rdata::PTR(wire_name(name))),
        RecordData::Srv { priority, weight, port, target } => {
            RData::SRV(rdata::SRV::new(*priority, *weight, *port, wire_name(target)))
        }
        RecordData::Txt(texts) => RData::TXT(rdata::TXT::new(texts.clone())),
        RecordData::Soa(soa) => RData::SOA(rdata::SOA::new(
            wire_name(&soa.host),
            wire_name(&soa.email),
            soa.serial,
            seconds(soa.refresh_s),
            seconds(soa.retry_s),
            seconds(soa.expire_s),
            soa.minimum_s,
        )),
    }
}

fn seconds(seconds: u32) -> i32 {
    i32::try_from(seconds).unwrap_or(i32::MAX)
}
