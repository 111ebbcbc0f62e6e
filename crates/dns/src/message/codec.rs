//! Queries of every kind, by way of hickory's messages.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{DNSClass, Name, RData, Record, rdata},
};
use network::{Answer, AnswerRecord, Authority, DnsName, Network, RecordData, ViewId};

use super::{HEADER, PAYLOAD_MAX, Transport, character_strings, find, is_transfer, model_name, seconds};

/// The bit of a header's third octet that says a reply was cut.
const TRUNCATED: u8 = 0x02;

/// The reply to a query in `view`; `None` for what deserves none (responses, noise).
pub(super) fn reply(network: &Network, view: &ViewId, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let header = query.get(..HEADER)?;
    if header[2] & 0x80 != 0 {
        return None;
    }
    let Ok(query) = Message::from_vec(query) else {
        return error(u16::from_be_bytes([header[0], header[1]]), ResponseCode::FormErr).to_vec().ok();
    };
    finish(answer(network, view, &query), &query, transport)
}

/// The reply's octets, with EDNS if the query has it.
pub(super) fn finish(mut reply: Message, query: &Message, transport: Transport) -> Option<Vec<u8>> {
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD_MAX).set_version(0);
        edns.set_rcode_high(reply.metadata.response_code.high());
        reply.set_edns(edns);
    }
    encode(&reply, transport.limit(query.edns.as_ref().map(Edns::max_payload)))
}

/// A reply without records.
pub(super) fn empty(query: &Message, code: ResponseCode) -> Message {
    let mut reply = error(query.metadata.id, code);
    reply.metadata.op_code = query.metadata.op_code;
    reply.metadata.recursion_desired = query.metadata.recursion_desired;
    reply.add_queries(query.queries.iter().cloned());
    reply
}

fn answer(network: &Network, view: &ViewId, query: &Message) -> Message {
    let refuse = |code| empty(query, code);
    if query.metadata.op_code != OpCode::Query {
        return refuse(ResponseCode::NotImp);
    }
    if query.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return refuse(ResponseCode::BADVERS);
    }
    let [question] = query.queries.as_slice() else { return refuse(ResponseCode::FormErr) };
    if question.query_class() != DNSClass::IN || is_transfer(question.query_type()) {
        return refuse(ResponseCode::Refused);
    }
    let name = model_name(question.name().iter());
    let (code, found) = find(network, view, &name, question.query_type());
    let mut reply = refuse(code);
    fill(&mut reply, question, &found);
    reply
}

fn fill(reply: &mut Message, question: &Query, found: &Answer) {
    add_records(reply, question, &found.records);
    if let Some(Authority { zone, soa, ttl_s }) = &found.authority {
        reply.add_authority(Record::from_rdata(wire_name(zone), *ttl_s, rdata(&RecordData::Soa(soa.clone()))));
    }
}

/// Adds the records of an answer.
pub(super) fn add_records(reply: &mut Message, question: &Query, records: &[AnswerRecord]) {
    for record in records {
        // The first owner is the question's name, in the letters the client wrote it.
        let asked = record.name == records[0].name;
        let owner = if asked { question.name().clone() } else { wire_name(&record.name) };
        reply.add_answer(Record::from_rdata(owner, record.ttl_s, rdata(&record.data)));
    }
}

fn error(id: u16, code: ResponseCode) -> Message {
    let mut message = Message::new(id, MessageType::Response, OpCode::Query);
    message.metadata.response_code = code;
    message.metadata.recursion_available = true;
    message
}

/// Encodes a reply; one that does not fit into `limit` octets keeps its question and its OPT record
/// (RFC 6891 §7) and says that it was cut.
fn encode(reply: &Message, limit: u16) -> Option<Vec<u8>> {
    match reply.to_vec() {
        Ok(bytes) if bytes.len() <= limit.into() && bytes[2] & TRUNCATED == 0 => Some(bytes),
        _ => reply.truncate().to_vec().ok(),
    }
}

pub(super) fn wire_name(name: &DnsName) -> Name {
    let mut wire = Name::from_ascii(name.as_str()).unwrap_or_else(|_| Name::root());
    wire.set_fqdn(true);
    wire
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
        RecordData::Txt(texts) => RData::TXT(rdata::TXT::from_bytes(character_strings(texts).collect())),
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
