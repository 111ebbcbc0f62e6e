//! What a change costs in an estate of a thousand networks, and what a question costs in it.
//!
//! *Apart*: a thousand networks with a machine each, none connected. *Hub*: the same, each peered
//! with one hub that has a firewall, a gateway, a private cluster and a route table.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on should stop")]

use azure::{Change, Estate, Kind, sketch::Sketch};
use divan::{Bencher, black_box};
use network::{Host, Network};
use serde_json::json;

const NETWORKS: usize = 1000;

fn main() {
    divan::main();
}

fn prefix(index: usize) -> (usize, usize) {
    (16 + index / 256, index % 256)
}

fn apart() -> Sketch {
    (0..NETWORKS).fold(Sketch::new(), |sketch, index| {
        let (second, third) = prefix(index);
        let name = format!("n{index}");
        sketch.network(&name, &format!("10.{second}.{third}.0/24")).nic(
            &format!("vm{index}"),
            &name,
            &format!("10.{second}.{third}.4"),
        )
    })
}

fn hub() -> Sketch {
    let sketch = apart()
        .network("hub", "10.0.0.0/16")
        .nic_in("fw", "hub", "default", "10.0.0.4", json!({"enableIPForwarding": true}))
        .vpn_gateway("gw", "hub")
        .private_cluster("c", "hub", "10.0.0.5", true)
        .route_table("t", &[("10.0.0.0/8", "10.0.0.4")])
        .security_group("nsg", &[(100, "Inbound", "Deny", "10.99.0.0/16", "*", "*")]);
    (0..NETWORKS).fold(sketch, |sketch, index| {
        let name = format!("n{index}");
        sketch
            .half_peering("hub", &name, json!({}))
            .half_peering(&name, "hub", json!({"allowForwardedTraffic": true}))
            .routed_by(&format!("{name}/default"), "t")
            .guarded_by(Kind::Subnet, &format!("{name}/default"), "nsg")
    })
}

/// Advances the network of `sketch` by what `change` adds to it.
fn advance(bencher: Bencher<'_, '_>, sketch: Sketch, change: impl Fn(Sketch) -> Sketch) {
    let before = sketch.changes().len();
    let estate = sketch.estate();
    let changes: Vec<Change> = change(sketch).changes()[before..].to_vec();
    let network = Network::compile(&estate);
    let next: Estate = estate.apply(2, &changes);
    bencher.bench_local(|| black_box(network.advance(&next, changes.iter().map(Change::id))));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn compile_a_thousand_networks_apart(bencher: Bencher<'_, '_>) {
    let estate = apart().estate();
    bencher.bench_local(|| black_box(Network::compile(&estate)));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn compile_a_hub_with_a_thousand_spokes(bencher: Bencher<'_, '_>) {
    let estate = hub().estate();
    bencher.bench_local(|| black_box(Network::compile(&estate)));
}

#[divan::bench]
fn a_machine_comes_to_one_of_a_thousand_networks(bencher: Bencher<'_, '_>) {
    advance(bencher, apart(), |sketch| sketch.nic("new", "n500", "10.17.244.9"));
}

#[divan::bench]
fn a_machine_comes_to_a_spoke(bencher: Bencher<'_, '_>) {
    advance(bencher, hub(), |sketch| sketch.nic("new", "n500", "10.17.244.9"));
}

#[divan::bench]
fn a_machine_comes_to_the_hub(bencher: Bencher<'_, '_>) {
    advance(bencher, hub(), |sketch| sketch.nic("new", "hub", "10.0.0.9"));
}

#[divan::bench]
fn a_rule_changes_that_guards_every_spoke(bencher: Bencher<'_, '_>) {
    advance(bencher, hub(), |sketch| sketch.security_group("nsg", &[(100, "Inbound", "Allow", "*", "*", "*")]));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn a_route_changes_that_every_spoke_has(bencher: Bencher<'_, '_>) {
    advance(bencher, hub(), |sketch| sketch.route_table("t", &[("10.0.0.0/8", "10.0.0.5")]));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn a_private_endpoint_comes_to_the_hub(bencher: Bencher<'_, '_>) {
    advance(bencher, hub(), |sketch| sketch.private_cluster("d", "hub", "10.0.0.6", true));
}

#[divan::bench(sample_count = 20, sample_size = 1)]
fn a_spoke_is_peered_with_the_hub(bencher: Bencher<'_, '_>) {
    advance(bencher, hub().network("new", "10.200.0.0/16"), |sketch| sketch.peering("hub", "new"));
}

#[divan::bench]
fn from_spoke_to_spoke_through_the_firewall(bencher: Bencher<'_, '_>) {
    let network = Network::compile(&hub().estate());
    let vantage = network.find_vantage("vm0").unwrap().clone();
    let host = Host::Address([10, 19, 231, 4].into());
    bencher.bench_local(|| black_box(network.reach(&vantage, &host, 443)));
}

#[divan::bench]
fn from_a_spoke_to_the_cluster_by_name(bencher: Bencher<'_, '_>) {
    let network = Network::compile(&hub().estate());
    let vantage = network.find_vantage("vm0").unwrap().clone();
    let host = Host::Name("c.hcp.japaneast.azmk8s.io".parse().unwrap());
    bencher.bench_local(|| black_box(network.reach(&vantage, &host, 443)));
}
