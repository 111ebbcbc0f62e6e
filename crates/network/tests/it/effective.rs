//! Effective routes against a naive reading of the rule: the longest prefix, then the strongest source.

use std::net::Ipv4Addr;

use azure::{Kind, sketch::Sketch};
use ipnet::Ipv4Net;
use network::{EffectiveRoute, Network, RouteSource};
use proptest::prelude::*;

/// Prefixes that overlap a lot.
fn prefix() -> impl Strategy<Value = Ipv4Net> {
    (0..4_u8, 0..4_u8, prop::sample::select(vec![0_u8, 8, 9, 14, 15, 16, 17, 24, 32]))
        .prop_map(|(second, third, length)| Ipv4Net::new(Ipv4Addr::new(10, second, third, 0), length).unwrap().trunc())
}

fn address() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        (0..4_u8, 0..4_u8, 0..3_u8).prop_map(|(b, c, d)| Ipv4Addr::new(10, b, c, d)),
        any::<u32>().prop_map(Ipv4Addr::from),
    ]
}

/// A network 10.0.0.0/15 with a peer 10.2.0.0/16 and a gateway with a site, under a route table.
fn routes(user: &[Ipv4Net], site: Ipv4Net) -> Vec<EffectiveRoute> {
    let texts: Vec<String> = user.iter().map(ToString::to_string).collect();
    let table: Vec<(&str, &str)> = texts.iter().map(|text| (text.as_str(), "None")).collect();
    let sketch = Sketch::new()
        .network("a", "10.0.0.0/15")
        .network("b", "10.2.0.0/16")
        .peering("a", "b")
        .vpn_gateway("gw", "a")
        .site("site", "gw", &site.to_string())
        .route_table("t", &table)
        .routed_by("a/default", "t");
    let network = Network::compile(&sketch.estate());
    network.effective_routes(&sketch.id(Kind::Subnet, "a/default")).to_vec()
}

/// Every route there could be, in no order.
fn candidates(user: &[Ipv4Net], site: Ipv4Net) -> Vec<(Ipv4Net, RouteSource)> {
    let net = |text: &str| text.parse::<Ipv4Net>().unwrap();
    let preferred = [net("10.0.0.0/15"), net("10.2.0.0/16")];
    let system = ["0.0.0.0/0", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map(net);
    let learnt = [net("172.16.201.0/24"), site].into_iter().filter(|p| !preferred.iter().any(|held| held.contains(p)));
    let mut all: Vec<(Ipv4Net, RouteSource)> = learnt.map(|prefix| (prefix, RouteSource::Gateway)).collect();
    all.extend(system.into_iter().chain(preferred).map(|prefix| (prefix, RouteSource::Default)));
    all.extend(user.iter().map(|prefix| (*prefix, RouteSource::User)));
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_longest_prefix_decides_and_of_equal_ones_the_strongest_source(
        user in prop::collection::vec(prefix(), 0..8),
        site in prefix(),
        addresses in prop::collection::vec(address(), 1..20),
    ) {
        let (routes, candidates) = (routes(&user, site), candidates(&user, site));
        for address in addresses {
            let covering = candidates.iter().filter(|(prefix, _)| prefix.contains(&address));
            let expected = covering.max_by_key(|(prefix, source)| (prefix.prefix_len(), *source)).unwrap();
            let chosen = routes.iter().find(|route| route.prefix.contains(&address)).unwrap();
            prop_assert_eq!((chosen.prefix, chosen.source), *expected, "{}", address);
        }
    }

    #[test]
    fn there_is_one_route_for_each_prefix_and_longer_ones_come_first(
        user in prop::collection::vec(prefix(), 0..8),
        site in prefix(),
    ) {
        let routes = routes(&user, site);
        prop_assert!(routes.windows(2).all(|pair| pair[0].prefix.prefix_len() >= pair[1].prefix.prefix_len()));
        let distinct: std::collections::BTreeSet<Ipv4Net> = routes.iter().map(|route| route.prefix).collect();
        prop_assert_eq!(distinct.len(), routes.len());
    }
}
