//! A thousand networks.

use std::time::{Duration, Instant};

use netns::Fabric;
use network::{
    ViewId,
    plan::{self, Listener, Place, Plan, RouteTarget},
};

use crate::stage::{AZURE_DNS, World, helper, id, ip, link, machine, network, skip};

fn networks(count: u16) -> World {
    let mut world = World::default();
    world.backbone();
    for number in 0..count {
        let name = format!("n{number}");
        let place = network(&name);
        let [high, low] = number.to_be_bytes();
        let outbound = std::net::Ipv4Addr::new(198, 18, high, low);
        world.join_backbone(&place, &name, outbound);
        world.route(&place, "168.63.129.16/32", RouteTarget::Local);
        world.route(&place, "10.0.0.0/8", RouteTarget::Blackhole);
        let view = ViewId::VirtualNetwork(id("virtualNetworks", &name));
        world.space(&place).listeners.insert(std::net::SocketAddrV4::new(AZURE_DNS, 53), Listener::Dns(view));
        let router = world.router(&place);
        router.backbone = Some(link("backbone"));
        router.outbound = Some(outbound);
        router.dns.insert(AZURE_DNS);
        world.machine(&place, &format!("m{number}"), ip("10.0.0.4"));
    }
    world
}

#[tokio::test]
#[ignore = "some twenty seconds; run it with --release and --nocapture"]
async fn a_thousand_networks_stand_in_twenty_seconds_and_one_changes_in_fifty_milliseconds() {
    if skip("scale") {
        return;
    }
    let _ = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, hard, hard));
    let fabric = Fabric::start(helper()).await.expect("a fabric");
    let mut world = networks(1000);
    let whole = Plan::between(&plan::Fabric::default(), &world.fabric());
    let mut total = Duration::ZERO;
    let mut opened = Vec::new();
    for kind in whole.steps.chunk_by(|one, other| std::mem::discriminant(one) == std::mem::discriminant(other)) {
        let started = Instant::now();
        let applied = fabric.apply(&Plan { steps: kind.to_vec() }).await.expect("an answer");
        assert_eq!(applied.failed, []);
        opened.extend(applied.opened);
        total += started.elapsed();
        let name = format!("{:?}", std::mem::discriminant(&kind[0]));
        let _ = name;
        let step = kind[0].to_string();
        if kind.len() > 1 {
            eprintln!("{:>6} × {:<60} {:?}", kind.len(), step.chars().take(60).collect::<String>(), started.elapsed());
        }
    }
    eprintln!("1000 networks: {total:?}, {} listeners", opened.len());
    let before = world.fabric();
    let _ = world.router(&network("n500")).inbound_endpoints.insert(ip("10.0.0.9"));
    world.machine(&network("n500"), "new", ip("10.0.0.5"));
    let change = Plan::between(&before, &world.fabric());
    let started = Instant::now();
    let applied = fabric.apply(&change).await.expect("an answer");
    let single = started.elapsed();
    assert_eq!(applied.failed, []);
    eprintln!("one more machine: {single:?}, {} steps", change.steps.len());
    let places: Vec<Place> = world.spaces.keys().cloned().collect();
    let started = Instant::now();
    assert_eq!(fabric.observe(&places).await.expect("an answer"), []);
    eprintln!("looking at {} places: {:?}", places.len(), started.elapsed());
    let entrance = fabric.enter(&machine("m500")).await;
    assert!(entrance.is_ok());
    let started = Instant::now();
    fabric.stop().await;
    eprintln!("the end: {:?}", started.elapsed());
    assert!(total < Duration::from_secs(20), "{total:?}");
    assert!(single < Duration::from_millis(50), "{single:?}");
}
