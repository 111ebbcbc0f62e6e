//! A question that a view passes on: what is asked of the server behind it, and what the client is
//! told of the answer.

use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, Query, ResponseCode},
    rr::{
        DNSClass,
        rdata::opt::{EdnsCode, EdnsOption},
    },
};
use network::{Forwarding, ForwardingRule, Network, ViewId};

use super::{
    PAYLOAD_MAX, Transport,
    codec::{add_records, empty, finish, wire_name},
    is_transfer, model_name, query_type,
};

/// The EDNS option, one for local use (RFC 6891 §9), in which the lab's views tell each other how often a
/// question was passed on, so that a circle ends at once.
const PASSED_ON: EdnsCode = EdnsCode::Unknown(65_313);
/// How often a question is passed on, as in the model.
const PASSED_ON_MAX: u8 = 4;

/// A question that is passed on.
pub(crate) struct Passed {
    query: Message,
    times: u8,
    transport: Transport,
    forwarding: Forwarding,
}

impl Passed {
    /// The question in `query`, if `view` passes it on; all else is answered by [`super::reply`].
    pub(crate) fn of(network: &Network, view: &ViewId, query: &[u8], transport: Transport) -> Option<Self> {
        let ViewId::VirtualNetwork(id) = view else { return None };
        network.virtual_network(id).filter(|network| !network.forwarding_rules.is_empty())?;
        let query = Message::from_vec(query).ok()?;
        let [question] = query.queries.as_slice() else { return None };
        let asks = query.metadata.message_type == MessageType::Query && query.metadata.op_code == OpCode::Query;
        let known = query.edns.as_ref().is_none_or(|edns| edns.version() == 0);
        if !asks || !known || question.query_class() != DNSClass::IN || is_transfer(question.query_type()) {
            return None;
        }
        let name = model_name(question.name().iter());
        let forwarding = network.forwarding(view, &name, query_type(question.query_type()))?;
        let told = query.edns.as_ref().and_then(|edns| edns.option(PASSED_ON));
        let times = match told {
            Some(EdnsOption::Unknown(_, octets)) => octets.first().copied().unwrap_or_default(),
            _ => 0,
        };
        Some(Self { query, times, transport, forwarding })
    }

    /// The rule that says who is asked.
    pub(crate) fn rule(&self) -> &ForwardingRule {
        &self.forwarding.rule
    }

    /// What they are asked: a whole message, its id 0. Nothing if it goes round in a circle.
    pub(crate) fn question(&self) -> Option<Vec<u8>> {
        if self.times >= PASSED_ON_MAX {
            return None;
        }
        let mut message = Message::new(0, MessageType::Query, OpCode::Query);
        message.metadata.recursion_desired = true;
        message.add_query(self.onward()?);
        let mut edns = Edns::new();
        edns.set_max_payload(PAYLOAD_MAX).set_version(0);
        edns.options_mut().insert(EdnsOption::Unknown(PASSED_ON.into(), vec![self.times + 1]));
        message.set_edns(edns);
        message.to_vec().ok()
    }

    /// What the client is told, given what they answered; `SERVFAIL` if that is nothing, or an answer to
    /// another question.
    pub(crate) fn reply(&self, answer: Option<&[u8]>) -> Option<Vec<u8>> {
        let asked = self.onward()?;
        let answer = answer.and_then(|answer| Message::from_vec(answer).ok());
        let answer = answer.filter(|answer| answer.queries.as_slice() == [asked]);
        let mut reply = empty(&self.query, ResponseCode::ServFail);
        if let Some(answer) = answer {
            reply.metadata.response_code = answer.metadata.response_code;
            add_records(&mut reply, self.query.queries.first()?, &self.forwarding.aliases);
            reply.add_answers(answer.answers);
            reply.add_authorities(answer.authorities);
        }
        finish(reply, &self.query, self.transport)
    }

    /// The question that is left: the client's own, unless aliases led to another name.
    fn onward(&self) -> Option<Query> {
        let mut question = self.query.queries.first()?.clone();
        if !self.forwarding.aliases.is_empty() {
            question.set_name(wire_name(&self.forwarding.name));
        }
        Some(question)
    }
}

#[cfg(test)]
mod tests {
    use azure::sketch::Sketch;
    use hickory_proto::rr::{Name, RData, Record, RecordType, rdata::A};

    use super::*;

    fn network() -> (Network, ViewId) {
        let sketch = Sketch::new().network("v", "10.1.0.0/16").nic("dns", "v", "10.1.0.4");
        let view = ViewId::VirtualNetwork(sketch.id(azure::Kind::VirtualNetwork, "v"));
        let sketch = sketch.resolver("r", "v", "10.1.1.0").ruleset("s", "r", "corp.example.", &[("10.1.0.4", 53)]);
        let sketch = sketch.ruleset_link("s", "v");
        (Network::compile(&sketch.estate()), view)
    }

    fn query(name: &str) -> Message {
        let mut query = Message::new(7, MessageType::Query, OpCode::Query);
        query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
        query
    }

    fn passed(query: &Message) -> Option<Passed> {
        let (network, view) = network();
        Passed::of(&network, &view, &query.to_vec().unwrap(), Transport::Udp)
    }

    #[test]
    fn what_is_passed_on_comes_back_as_the_answer_to_what_was_asked() {
        assert!(passed(&query("other.example.")).is_none(), "no rule covers it");
        let passed = passed(&query("WWW.corp.example.")).unwrap();
        let mut answer = Message::from_vec(&passed.question().unwrap()).unwrap();
        assert_eq!(answer.queries[0].name().to_string(), "WWW.corp.example.");
        let told = |answer: Option<&Message>| {
            let reply = passed.reply(answer.map(|answer| answer.to_vec().unwrap()).as_deref()).unwrap();
            let reply = Message::from_vec(&reply).unwrap();
            assert_eq!((reply.metadata.id, reply.metadata.message_type), (7, MessageType::Response));
            (reply.metadata.response_code, reply.answers.len())
        };
        answer.metadata.message_type = MessageType::Response;
        let address = RData::A(A::new(10, 9, 9, 9));
        answer.add_answer(Record::from_rdata(answer.queries[0].name().clone(), 60, address));
        assert_eq!(told(Some(&answer)), (ResponseCode::NoError, 1));
        assert_eq!(told(None), (ResponseCode::ServFail, 0), "nobody answers");
        assert_eq!(told(Some(&query("evil.example."))), (ResponseCode::ServFail, 0), "an answer to something else");
    }

    #[test]
    fn a_question_that_goes_round_in_a_circle_ends() {
        let mut query = query("www.corp.example.");
        for times in 0..=PASSED_ON_MAX {
            let passed = passed(&query).unwrap();
            assert_eq!(passed.question().is_some(), times < PASSED_ON_MAX);
            query = passed.question().map_or(query, |question| Message::from_vec(&question).unwrap());
        }
    }
}
