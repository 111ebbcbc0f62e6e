//! How long one reply takes, from the query's bytes to the reply's, with no sockets.

use std::hint::black_box;

use azure::{Kind, sketch::Sketch};
use divan::{Bencher, counter::ItemsCount};
use dns::{Transport, reply};
use network::{Network, ViewId};
use serde_json::json;

const ZONE: &str = "privatelink.japaneast.azmk8s.io";

fn main() {
    divan::main();
}

/// As many networks as `n`, each with a cluster, all linked to a shared zone; and the last one's view.
fn network(n: u8) -> (Network, ViewId) {
    let cname = json!({"ttl": 60, "cnameRecord": {"cname": format!("db.{ZONE}")}});
    let mut sketch = Sketch::new()
        .zone(ZONE)
        .a_record(ZONE, "db", "10.0.0.9")
        .a_record(ZONE, "*.apps", "10.0.0.7")
        .record(Kind::RecordCname, ZONE, "www", &cname);
    for index in 0..n {
        let name = format!("v{index}");
        sketch = sketch.network(&name, &format!("10.{index}.0.0/16")).link(ZONE, &name, json!({})).private_cluster(
            &format!("aks{index}"),
            &name,
            &format!("10.{index}.0.4"),
            true,
        );
    }
    let view = ViewId::VirtualNetwork(sketch.id(Kind::VirtualNetwork, &format!("v{}", n - 1)));
    (Network::compile(&sketch.estate()), view)
}

/// A query with EDNS and a cookie, as `dig` asks.
fn query(name: &str, record_type: u8) -> Vec<u8> {
    let mut query = vec![7, 7, 1, 0x20, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).unwrap_or_default());
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, record_type, 0, 1]);
    query.extend([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8]);
    query
}

fn run(bencher: Bencher<'_, '_>, name: &str, record_type: u8) {
    let (network, view) = network(200);
    let query = query(name, record_type);
    let mut out = Vec::new();
    bencher.counter(ItemsCount::new(1usize)).bench_local(|| {
        out.clear();
        assert!(reply(&network, &view, black_box(&query), Transport::Udp, &mut out));
        black_box(out.len())
    });
}

#[divan::bench(sample_size = 1000)]
fn address(bencher: Bencher<'_, '_>) {
    run(bencher, "db.privatelink.japaneast.azmk8s.io", 1);
}

#[divan::bench(sample_size = 1000)]
fn address_in_public_dns(bencher: Bencher<'_, '_>) {
    run(bencher, "aks7.hcp.japaneast.azmk8s.io", 1);
}

#[divan::bench(sample_size = 1000)]
fn alias(bencher: Bencher<'_, '_>) {
    run(bencher, "www.privatelink.japaneast.azmk8s.io", 1);
}

#[divan::bench(sample_size = 1000)]
fn wildcard(bencher: Bencher<'_, '_>) {
    run(bencher, "a.b.apps.privatelink.japaneast.azmk8s.io", 1);
}

#[divan::bench(sample_size = 1000)]
fn no_such_name(bencher: Bencher<'_, '_>) {
    run(bencher, "nobody.privatelink.japaneast.azmk8s.io", 1);
}

#[divan::bench(sample_size = 1000)]
fn no_such_type(bencher: Bencher<'_, '_>) {
    run(bencher, "db.privatelink.japaneast.azmk8s.io", 28);
}

/// Not an ordinary query: hickory's messages on both sides.
#[divan::bench(sample_size = 1000)]
fn transfer_refused(bencher: Bencher<'_, '_>) {
    run(bencher, "db.privatelink.japaneast.azmk8s.io", 252);
}
