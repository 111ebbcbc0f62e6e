//! The straight way and the codec's way hold each other together; nothing that comes in panics.

#![expect(clippy::cast_possible_truncation, reason = "labels and options are short")]

use std::sync::LazyLock;

use azure::{Kind, sketch::Sketch};
use hickory_proto::op::{Message, MessageType};
use network::{Network, ViewId};
use proptest::{
    collection::vec,
    prelude::{Just, Strategy, any, prop_oneof, proptest},
    sample::select,
};
use serde_json::{Value, json};

use super::{Transport, codec, ordinary, reply};

const ZONE: &str = "corp.example";

static NETWORK: LazyLock<(Network, [ViewId; 3])> = LazyLock::new(network);

/// A network that links a zone with records of every type, aliases into it, out of it and round in
/// circles, wildcards, and more records than a datagram holds.
fn network() -> (Network, [ViewId; 3]) {
    let cname = |to: &str| json!({"ttl": 60, "cnameRecord": {"cname": to}});
    let mx = |exchange: &str| json!({"ttl": 60, "mxRecords": [{"preference": 5, "exchange": exchange}]});
    let addresses = |n| (0..n).map(|n| json!({"ipv4Address": format!("10.9.0.{n}")})).collect::<Vec<Value>>();
    let long = ["x".repeat(300), String::new()];
    let sketch = Sketch::new()
        .network("v", "10.0.0.0/16")
        .private_cluster("aks", "v", "10.0.0.4", true)
        .zone(ZONE)
        .link(ZONE, "v", json!({}))
        .a_record(ZONE, "db", "10.0.0.9")
        .a_record(ZONE, "*.apps", "10.0.0.7")
        .a_record(ZONE, "deep.down.apps", "10.0.0.8")
        .record(Kind::RecordA, ZONE, "many", &json!({"ttl": 5, "aRecords": addresses(120)}))
        .record(Kind::RecordA, ZONE, "some", &json!({"ttl": 5, "aRecords": addresses(50)}))
        .record(Kind::RecordAaaa, ZONE, "db", &json!({"ttl": 7, "aaaaRecords": [{"ipv6Address": "fd00::1"}]}))
        .record(Kind::RecordCname, ZONE, "www", &cname("a.db.corp.example"))
        .record(Kind::RecordCname, ZONE, "a.db", &cname("db.corp.example"))
        .record(Kind::RecordCname, ZONE, "far", &cname("aks.hcp.japaneast.azmk8s.io"))
        .record(Kind::RecordCname, ZONE, "lost", &cname("nobody.elsewhere.test"))
        .record(Kind::RecordCname, ZONE, "loop", &cname("loop.corp.example"))
        .record(Kind::RecordTxt, ZONE, "text", &json!({"txtRecords": [{"value": long}, {"value": ["two"]}]}))
        .record(Kind::RecordPtr, ZONE, "back", &json!({"ptrRecords": [{"ptrdname": "db.corp.example"}]}))
        .record(Kind::RecordMx, ZONE, "@", &mx("mail.corp.example"))
        .record(Kind::RecordMx, ZONE, "*.mx", &mx("*.mx.corp.example"))
        .record(
            Kind::RecordSrv,
            ZONE,
            "_s._tcp",
            &json!({"srvRecords": [{"priority": 1, "weight": 2, "port": 443, "target": "db.corp.example"}]}),
        );
    let view = |name: &str| ViewId::VirtualNetwork(sketch.id(Kind::VirtualNetwork, name));
    let views = [view("v"), view("gone"), ViewId::Public];
    (Network::compile(&sketch.estate()), views)
}

/// Labels of a name: one that exists, one beside it, or anything.
fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let known = select(vec![
        "corp.example",
        "db.corp.example",
        "many.corp.example",
        "www.corp.example",
        "far.corp.example",
        "lost.corp.example",
        "loop.corp.example",
        "text.corp.example",
        "back.corp.example",
        "_s._tcp.corp.example",
        "_tcp.corp.example",
        "any.apps.corp.example",
        "*.apps.corp.example",
        "down.apps.corp.example",
        "x.down.apps.corp.example",
        "aks.hcp.japaneast.azmk8s.io",
        "gone.hcp.japaneast.azmk8s.io",
        "aks.aks-zone.privatelink.japaneast.azmk8s.io",
        "azmk8s.io",
        "",
        "example",
    ]);
    let known = known.prop_map(|name: &str| name.split('.').map(|label| label.as_bytes().to_vec()).collect());
    let label = prop_oneof![
        4 => "[a-zA-Z0-9_-]{1,12}".prop_map(String::into_bytes),
        1 => vec(any::<u8>(), 1..=63),
    ];
    let name = (vec(label, 0..4), known).prop_map(|(mut labels, known): (Vec<_>, Vec<Vec<u8>>)| {
        labels.extend(known);
        labels
    });
    // Letters are written in either case (0x20).
    (name, any::<u64>()).prop_map(|(mut labels, upper)| {
        for (place, octet) in labels.iter_mut().flatten().enumerate() {
            if upper >> (place % 64) & 1 == 1 {
                octet.make_ascii_uppercase();
            }
        }
        labels.retain(|label| !label.is_empty());
        labels
    })
}

fn record_types() -> impl Strategy<Value = u16> {
    prop_oneof![8 => select(vec![1, 28, 5, 15, 12, 6, 33, 16, 255, 65, 2]), 1 => any::<u16>()]
}

/// An OPT record: payload size, version, flags, options.
fn opt() -> impl Strategy<Value = Option<Vec<u8>>> {
    let version = prop_oneof![9 => Just(0u8), 1 => any::<u8>()];
    let option = (select(vec![3u16, 8, 10, 12, 65001]), vec(any::<u8>(), 0..12));
    let record = (any::<u16>(), any::<u8>(), version, any::<u16>(), vec(option, 0..3));
    let record = record.prop_map(|(payload, code, version, flags, options)| {
        let data: Vec<u8> = options
            .into_iter()
            .flat_map(|(code, data)| [&code.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), &data].concat())
            .collect();
        let head = [&[0, 0, 41], &payload.to_be_bytes()[..], &[code, version]].concat();
        [&head[..], &flags.to_be_bytes(), &(data.len() as u16).to_be_bytes(), &data].concat()
    });
    prop_oneof![Just(None), record.prop_map(Some)]
}

/// Queries as clients write them, and some that no client should.
fn queries() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop_oneof![8 => select(vec![0x0000u16, 0x0100, 0x0120, 0x0110]), 1 => any::<u16>()];
    let class = prop_oneof![12 => Just(1u16), 1 => any::<u16>()];
    (any::<u16>(), flags, names(), record_types(), class, opt()).prop_map(|(id, flags, name, kind, class, opt)| {
        let mut query = [id.to_be_bytes(), flags.to_be_bytes(), [0, 1], [0; 2], [0; 2]].concat();
        query.extend([0, u8::from(opt.is_some())]);
        for label in &name {
            query.push(label.len() as u8);
            query.extend(label);
        }
        query.push(0);
        query.extend([kind.to_be_bytes(), class.to_be_bytes()].concat());
        query.extend(opt.unwrap_or_default());
        query
    })
}

fn transports() -> impl Strategy<Value = Transport> {
    select(vec![Transport::Udp, Transport::Udp, Transport::Tcp])
}

fn straight(network: &Network, view: &ViewId, query: &[u8], transport: Transport) -> Option<Vec<u8>> {
    let mut out = b"before".to_vec();
    let replied = ordinary::reply(network, view, query, transport, &mut out);
    let reply = out.split_off(6);
    assert_eq!(reply.is_empty(), !replied);
    replied.then_some(reply)
}

/// Checks that both ways mean the same; whether the straight one was taken.
fn agree(network: &Network, view: &ViewId, query: &[u8], transport: Transport) -> bool {
    let Some(bytes) = straight(network, view, query, transport) else { return false };
    let by_codec = |transport| codec::reply(network, view, query, transport).expect("a reply");
    let reply = Message::from_vec(&bytes).expect("a message");
    let mut expected = Message::from_vec(&by_codec(transport)).unwrap();
    if expected.metadata.truncation && !reply.metadata.truncation {
        // The codec shortens only names in the very same letters, so its reply may be the longer one.
        assert!(bytes.len() <= super::PAYLOAD_MAX.into() && bytes.len() < by_codec(Transport::Tcp).len());
        expected = Message::from_vec(&by_codec(Transport::Tcp)).unwrap();
    }
    assert_eq!(reply, expected);
    // The letters of the question, and of the names that repeat it, are the client's.
    let question = reply.queries[0].name();
    assert!(question.eq_case(Message::from_vec(query).unwrap().queries[0].name()));
    let owners = reply.answers.iter().map(|record| &record.name);
    assert!(owners.filter(|owner| *owner == question).all(|owner| owner.eq_case(question)));
    true
}

proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 1024, ..Default::default() })]

    #[test]
    fn both_ways_of_answering_mean_the_same(queries in vec((queries(), transports(), 0..3usize), 1..8)) {
        let (network, views) = &*NETWORK;
        for (query, transport, view) in queries {
            agree(network, &views[view], &query, transport);
        }
    }

    #[test]
    fn what_was_damaged_on_the_way_still_means_the_same(
        query in queries(), cut in any::<u16>(), flips in vec((any::<u16>(), any::<u8>()), 0..4), transport in transports(),
    ) {
        let (network, views) = &*NETWORK;
        let mut query = query;
        for (place, value) in flips {
            let place = usize::from(place) % query.len();
            query[place] = value;
        }
        query.truncate(query.len() - usize::from(cut) % 2 * (usize::from(cut) % query.len()));
        if !agree(network, &views[0], &query, transport) {
            reply(network, &views[0], &query, transport, &mut Vec::new());
        }
    }

    #[test]
    fn no_octets_make_it_panic(octets in vec(any::<u8>(), 0..600), transport in transports()) {
        let (network, views) = &*NETWORK;
        let mut out = Vec::new();
        if reply(network, &views[0], &octets, transport, &mut out) {
            let reply = Message::from_vec(&out).expect("a message");
            assert_eq!(reply.metadata.message_type, MessageType::Response);
            assert_eq!(out[..2], octets[..2]);
        }
    }
}

/// `name` asked for with `record_type`, with EDNS or without.
fn query(name: &str, record_type: u16, edns: bool) -> Vec<u8> {
    let mut query = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns)];
    for label in name.split('.').filter(|label| !label.is_empty()) {
        query.push(label.len() as u8);
        query.extend(label.as_bytes());
    }
    query.extend([&[0], &record_type.to_be_bytes()[..], &[0, 1]].concat());
    if edns {
        query.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0]);
    }
    query
}

#[test]
fn ordinary_queries_go_the_straight_way() {
    let (network, views) = &*NETWORK;
    for name in ["db.corp.example", "DB.corp.example", "a b.apps.corp.example", "nobody.test", ""] {
        for record_type in [1, 28, 5, 15, 12, 6, 33, 16, 255, 65, 12345] {
            for edns in [false, true] {
                let query = query(name, record_type, edns);
                assert!(agree(network, &views[0], &query, Transport::Udp), "{name} {record_type} {edns}");
            }
        }
    }
}

#[test]
fn a_reply_is_as_long_as_the_client_can_take_and_no_longer() {
    let (network, views) = &*NETWORK;
    let mut query = query("some.corp.example", 1, true);
    let payload_at = query.len() - 8;
    for payload in 512..=1232u16 {
        query[payload_at..][..2].copy_from_slice(&payload.to_be_bytes());
        assert!(agree(network, &views[0], &query, Transport::Udp));
        assert!(straight(network, &views[0], &query, Transport::Udp).unwrap().len() <= payload.into());
    }
}

#[test]
fn the_target_of_a_service_is_written_in_full() {
    let (network, views) = &*NETWORK;
    let reply = straight(network, &views[0], &query("_s._tcp.corp.example", 33, false), Transport::Udp).unwrap();
    assert!(reply.ends_with(b"\x02db\x04corp\x07example\0"));
}

#[test]
fn a_transfer_is_refused_and_a_later_edns_version_is_told_ours() {
    let (network, views) = &*NETWORK;
    let mut later = query("db.corp.example", 1, true);
    let version = later.len() - 5;
    later[version] = 1;
    for (query, code) in [(query("corp.example", 252, false), 5), (later, 16)] {
        let mut out = Vec::new();
        assert!(reply(network, &views[0], &query, Transport::Udp, &mut out));
        assert_eq!(u16::from(Message::from_vec(&out).unwrap().metadata.response_code), code);
    }
}

#[test]
fn a_name_that_no_record_can_have_is_a_wildcards_or_nobodys() {
    let (network, views) = &*NETWORK;
    let ask = |name| {
        let reply = straight(network, &views[0], &query(name, 1, false), Transport::Udp).unwrap();
        Message::from_vec(&reply).unwrap()
    };
    let wild = ask("a b.apps.corp.example");
    assert_eq!(wild.answers.len(), 1);
    assert_eq!(wild.answers[0].name, *wild.queries[0].name());
    let exchange = straight(network, &views[0], &query("a b.mx.corp.example", 15, false), Transport::Udp).unwrap();
    let exchange = Message::from_vec(&exchange).unwrap().answers[0].data.to_string();
    assert_eq!(exchange, "5 *.mx.corp.example.");
    let nobodys = ask("a b.corp.example");
    assert_eq!(nobodys.authorities[0].name.to_ascii(), "corp.example.");
}
