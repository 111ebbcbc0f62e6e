//! Ordinary queries, read from and answered into bytes: one question of class IN, with EDNS
//! version 0 or none. Anything else, and anything malformed, is left to the codec.

use std::iter;

use hickory_proto::rr::RecordType;
use network::{Answer, Authority, DnsName, Network, RecordData, Soa, ViewId};

use super::{
    HEADER, NAME_MAX, PAYLOAD_MAX, Transport, character_strings, find, held_type, is_transfer, model_name, seconds,
};

/// Octets of a question behind its name.
const TYPE_AND_CLASS: usize = 4;
/// The last place a compression pointer can lead to (RFC 1035 §4.1.4).
const POINTER_MAX: u16 = 0x3FFF;
/// A pointer to the question's name, which follows the header.
const QUESTION_POINTER: [u8; 2] = pointer(12);
/// Class IN.
const IN: u16 = 1;
/// The OPT record of a reply: the root, type 41, our payload size; code, version, flags and options 0.
const OPT: [u8; 11] = [0, 0, 41, PAYLOAD_MAX.to_be_bytes()[0], PAYLOAD_MAX.to_be_bytes()[1], 0, 0, 0, 0, 0, 0];
/// EDNS options whose content the codec checks: NSID and client subnet.
const CHECKED_OPTIONS: [u16; 2] = [3, 8];

/// Appends the reply to an ordinary query; `false`, with `out` as it was, for any other.
pub(super) fn reply(network: &Network, view: &ViewId, query: &[u8], transport: Transport, out: &mut Vec<u8>) -> bool {
    let Some(query) = Query::parse(query) else { return false };
    let (code, answer) = find(network, view, &query.name, query.record_type);
    Writer::new(&query, out).write(code.low(), &answer, transport.limit(query.payload).into());
    true
}

/// An ordinary query.
struct Query<'a> {
    header: &'a [u8; HEADER],
    /// The question's octets: name, type, class.
    question: &'a [u8],
    name: DnsName,
    record_type: RecordType,
    /// The payload size announced with EDNS.
    payload: Option<u16>,
}

impl<'a> Query<'a> {
    fn parse(query: &'a [u8]) -> Option<Self> {
        let (header, body) = query.split_first_chunk::<HEADER>()?;
        // Not a response, operation QUERY; one question, at most one record behind it.
        let [_, _, flags, _, 0, 1, 0, 0, 0, 0, 0, n_additional @ (0 | 1)] = header else { return None };
        if flags & 0xF8 != 0 {
            return None;
        }
        let mut rest = body;
        let name = model_name(iter::from_fn(|| {
            let (&length, tail) = rest.split_first()?;
            if !(1..=63).contains(&length) {
                return None;
            }
            let (label, tail) = tail.split_at_checked(length.into())?;
            rest = tail;
            Some(label)
        }));
        let &[0, ref rest @ ..] = rest else { return None };
        if body.len() - rest.len() > NAME_MAX {
            return None;
        }
        let &[type_high, type_low, 0, 1, ref rest @ ..] = rest else { return None };
        let record_type = RecordType::from(u16::from_be_bytes([type_high, type_low]));
        let payload = match (n_additional, rest) {
            (0, []) => None,
            (1, &[0, 0, 41, high, low, _, 0, _, _, size_high, size_low, ref options @ ..])
                if options.len() == usize::from(u16::from_be_bytes([size_high, size_low]))
                    && are_unchecked(options) =>
            {
                Some(u16::from_be_bytes([high, low]))
            }
            _ => return None,
        };
        let question = &body[..body.len() - rest.len()];
        (!is_transfer(record_type)).then_some(Self { header, question, name, record_type, payload })
    }
}

/// Whether these EDNS options are whole and of no consequence.
fn are_unchecked(mut options: &[u8]) -> bool {
    while let &[code_high, code_low, high, low, ref rest @ ..] = options {
        let Some(next) = rest.get(u16::from_be_bytes([high, low]).into()..) else { return false };
        if CHECKED_OPTIONS.contains(&u16::from_be_bytes([code_high, code_low])) {
            return false;
        }
        options = next;
    }
    options.is_empty()
}

/// Writes a reply behind what is in a buffer already.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    query: &'a Query<'a>,
    /// Where the message starts.
    start: usize,
    /// Names written, to which pointers may lead; the question's only once another name is written.
    names: Vec<(u16, &'a str)>,
}

impl<'a> Writer<'a> {
    fn new(query: &'a Query<'a>, out: &'a mut Vec<u8>) -> Self {
        Self { start: out.len(), out, query, names: Vec::new() }
    }

    fn write(mut self, code: u8, answer: &'a Answer, limit: usize) {
        let [id_high, id_low, flags, ..] = *self.query.header;
        // A response; recursion available, and desired if the client said so.
        let header = [id_high, id_low, 0x80 | flags & 0x01, 0x80 | code, 0, 1, 0, 0, 0, 0, 0, 0];
        self.out.extend_from_slice(&header);
        self.out.extend_from_slice(self.query.question);
        let end_of_question = self.out.len();
        let opt = if self.query.payload.is_some() { &OPT[..] } else { &[] };
        let limit = self.start + limit - opt.len();
        let mut fits = true;
        for record in &answer.records {
            self.record(&record.name, record.ttl_s, &record.data);
            fits = self.out.len() <= limit;
            if !fits {
                break;
            }
        }
        if let Some(Authority { zone, soa, ttl_s }) = answer.authority.as_ref().filter(|_| fits) {
            self.owner(zone, RecordType::SOA, *ttl_s);
            self.sized(|writer| writer.soa(soa));
            fits = self.out.len() <= limit;
        }
        let (mut n_answers, mut n_authorities) = (answer.records.len(), u8::from(answer.authority.is_some()));
        if !fits {
            // What is kept is the question and the OPT record (RFC 6891 §7).
            (n_answers, n_authorities) = (0, 0);
            self.out.truncate(end_of_question);
            self.out[self.start + 2] |= 0x02;
        }
        self.out.extend_from_slice(opt);
        let counts = &mut self.out[self.start + 6..][..6];
        counts[..2].copy_from_slice(&u16::try_from(n_answers).unwrap_or(u16::MAX).to_be_bytes());
        counts[3] = n_authorities;
        counts[5] = u8::from(!opt.is_empty());
    }

    fn record(&mut self, name: &'a DnsName, ttl_s: u32, data: &'a RecordData) {
        self.owner(name, held_type(data.record_type()), ttl_s);
        self.sized(|writer| match data {
            RecordData::A(address) => writer.put(&address.octets()),
            RecordData::Aaaa(address) => writer.put(&address.octets()),
            RecordData::Cname(name) | RecordData::Ptr(name) => writer.name(name),
            RecordData::Mx { preference, exchange } => {
                writer.put(&preference.to_be_bytes());
                writer.name(exchange);
            }
            RecordData::Srv { priority, weight, port, target } => {
                for number in [priority, weight, port] {
                    writer.put(&number.to_be_bytes());
                }
                writer.plain_name(target);
            }
            RecordData::Txt(texts) => character_strings(texts).for_each(|string| writer.string(string)),
            RecordData::Soa(soa) => writer.soa(soa),
        });
    }

    /// A record up to its data. The question's name keeps the letters the client wrote it with.
    fn owner(&mut self, name: &'a DnsName, record_type: RecordType, ttl_s: u32) {
        if *name == self.query.name && !name.as_str().is_empty() {
            self.put(&QUESTION_POINTER);
        } else {
            self.name(name);
        }
        self.put(&u16::from(record_type).to_be_bytes());
        self.put(&IN.to_be_bytes());
        self.put(&ttl_s.to_be_bytes());
    }

    /// Data with its length before it.
    fn sized(&mut self, data: impl FnOnce(&mut Self)) {
        let at = self.out.len();
        self.put(&[0, 0]);
        data(self);
        // More than fits into the length does not fit into any reply, and is cut.
        let length = u16::try_from(self.out.len() - at - 2).unwrap_or(u16::MAX);
        self.out[at..at + 2].copy_from_slice(&length.to_be_bytes());
    }

    fn soa(&mut self, soa: &'a Soa) {
        self.name(&soa.host);
        self.name(&soa.email);
        self.put(&soa.serial.to_be_bytes());
        for time in [soa.refresh_s, soa.retry_s, soa.expire_s] {
            self.put(&seconds(time).to_be_bytes());
        }
        self.put(&soa.minimum_s.to_be_bytes());
    }

    /// A name, compressed.
    fn name(&mut self, name: &'a DnsName) {
        if self.names.is_empty() {
            self.names.reserve(16);
            let end = HEADER + self.query.question.len() - TYPE_AND_CLASS;
            // A leading `*` may stand for other labels on the wire (see `model_name`).
            let asked = labels(&self.query.name).filter(|(label, _)| *label != "*");
            self.names.extend(asked.filter_map(|(_, suffix)| Some((place(end - wire_length(suffix))?, suffix))));
        }
        for (label, suffix) in labels(name) {
            if let Some((at, _)) = self.names.iter().find(|(_, known)| *known == suffix) {
                return self.put(&pointer(*at));
            }
            self.names.extend(place(self.out.len() - self.start).map(|at| (at, suffix)));
            self.string(label.as_bytes());
        }
        self.put(&[0]);
    }

    /// A name where pointers are not allowed (RFC 2782).
    fn plain_name(&mut self, name: &DnsName) {
        labels(name).for_each(|(label, _)| self.string(label.as_bytes()));
        self.put(&[0]);
    }

    /// At most 255 octets with their number before them: a label or a character string.
    fn string(&mut self, octets: &[u8]) {
        self.out.push(u8::try_from(octets.len()).unwrap_or(u8::MAX));
        self.put(octets);
    }

    fn put(&mut self, octets: &[u8]) {
        self.out.extend_from_slice(octets);
    }
}

/// Each label of a name, with the name that starts there.
fn labels(name: &DnsName) -> impl Iterator<Item = (&str, &str)> {
    let named = name.suffixes().filter(|suffix| !suffix.is_empty());
    named.map(|suffix| (suffix.split('.').next().unwrap_or_default(), suffix))
}

/// Octets of a dotted name on the wire, uncompressed.
fn wire_length(name: &str) -> usize {
    name.len() + 2
}

/// A place in the message, if a pointer can lead there.
fn place(at: usize) -> Option<u16> {
    u16::try_from(at).ok().filter(|at| *at <= POINTER_MAX)
}

/// A compression pointer.
const fn pointer(at: u16) -> [u8; 2] {
    (0xC000 | at).to_be_bytes()
}
