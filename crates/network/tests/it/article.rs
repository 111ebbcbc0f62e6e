//! The article's question: two private clusters, six places to stand, which address connects.

use azure::sketch::Sketch;
use network::{Disposition, Host, Network, Vantage};

/// Clusters A (public FQDN on) and B (off) in one network; a peered network with both zones
/// linked, one without; a VPN gateway; two VPN clients, one with a hosts entry.
fn article() -> Network {
    let sketch = Sketch::article().nic("vm-aks", "aks", "10.224.0.10").client(
        "laptop-hosts",
        Some("vpn"),
        &[("10.224.0.5", "b.b-zone.privatelink.japaneast.azmk8s.io")],
    );
    Network::compile(&sketch.estate())
}

fn outcome(network: &Network, vantage: &str, name: &str) -> String {
    let vantage = network.find_vantage(vantage).unwrap().clone();
    let host = Host::Name(name.parse().unwrap());
    network.reach(&vantage, &host, 443).disposition.sentence()
}

#[test]
fn every_place_connects_as_the_article_says() {
    let network = article();
    let names = [
        "a.hcp.japaneast.azmk8s.io",
        "a.a-zone.privatelink.japaneast.azmk8s.io",
        "b.hcp.japaneast.azmk8s.io",
        "b.b-zone.privatelink.japaneast.azmk8s.io",
    ];
    let mut table = String::new();
    for vantage in ["vm-aks", "vm-linked", "vm-unlinked", "laptop", "laptop-hosts", "internet"] {
        for name in names {
            table += &format!("{vantage:<13}{name:<42}{}\n", outcome(&network, vantage, name));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn a_trace_tells_the_whole_way() {
    let network = article();
    let vantage = network.find_vantage("vm-linked").unwrap().clone();
    let host = Host::Name("b.b-zone.privatelink.japaneast.azmk8s.io".parse().unwrap());
    insta::assert_json_snapshot!(network.reach(&vantage, &host, 443));
}

#[test]
fn the_internet_gets_the_private_address_and_no_way_there() {
    let network = article();
    let name = "a.hcp.japaneast.azmk8s.io".parse().unwrap();
    let trace = network.reach(&Vantage::Internet, &Host::Name(name), 443);
    assert_eq!(trace.disposition, Disposition::NoRoute { to: "10.224.0.4".parse().unwrap() });
}
