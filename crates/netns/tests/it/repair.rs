//! What somebody breaks by hand is seen and made whole.

use network::plan::{Place, RouteTarget};

use crate::stage::{Stage, link, machine, network, skip, world};

#[tokio::test]
async fn what_was_broken_by_hand_is_seen_and_repaired() {
    if skip("repair") {
        return;
    }
    let mut world = world();
    let one = network("one");
    world.router(&one).tables.insert(link("vm-2"), 7);
    let table = |to: &str, target| network::plan::Route { table: 7, to: to.parse().expect("a net"), target };
    world.space(&one).routes.insert(table("10.7.0.0/16", RouteTarget::Blackhole));
    let stage = Stage::set(world).await;
    let places: Vec<Place> = stage.world.spaces.keys().cloned().collect();
    assert_eq!(stage.fabric.observe(&places).await.expect("an answer"), [], "as it was made");
    let damages = [
        ("ip route del 10.1.0.0/16", "route 10.1.0.0/16 dev to-two"),
        ("ip link del vm-1", "link vm-1"),
        ("ip link set gateway down", "link gateway"),
        ("ip neigh del 10.0.0.5 dev vm-2", "link vm-2"),
        ("nft flush ruleset", "filter"),
        ("sysctl -qw net.ipv4.ip_forward=0 || echo 0 > /proc/sys/net/ipv4/ip_forward", "forwarding"),
        ("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter", "sysctl ipv4/conf/all/rp_filter"),
        ("echo 1 > /proc/sys/net/ipv4/conf/vm-1/rp_filter", "sysctl ipv4/conf/vm-1/rp_filter"),
        ("ip rule del fwmark 7", "route blackhole 10.7.0.0/16 table 7"),
        ("ip route add blackhole 10.0.0.9/32", "stray route 10.0.0.9/32 table 254"),
    ];
    for (damage, seen) in damages {
        stage.output(&one, damage).await;
        let drift = stage.fabric.observe(&places).await.expect("an answer");
        assert!(drift.iter().any(|drift| drift.place == one && drift.what == seen), "{damage}: {drift:?}");
        let dirty: Vec<Place> = drift.into_iter().map(|drift| drift.place).collect();
        assert_eq!(stage.fabric.repair(&dirty).await.expect("an answer"), Vec::<String>::new(), "{damage}");
        assert_eq!(stage.fabric.observe(&places).await.expect("an answer"), [], "{damage}: whole again");
        assert!(stage.connect(&machine("vm-1"), "10.0.0.9:443").await.stands(), "{damage}");
        assert!(stage.connect(&machine("vm-3"), "10.0.0.9:443").await.stands(), "{damage}");
        assert!(stage.connect(&crate::stage::client(), "10.0.0.9:443").await.stands(), "{damage}");
    }
}
