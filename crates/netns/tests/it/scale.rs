//! A thousand networks.

use std::time::{Duration, Instant};

use netns::{ClientFiles, Fabric};
use network::{
    ViewId,
    plan::{self, Listener, Place, Plan, RouteTarget, Step},
};

use crate::stage::{AZURE_DNS, Stage, World, helper, id, ip, link, machine, network, skip};

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
    let (mut total, mut opened) = (Duration::ZERO, Vec::new());
    // As one plan is carried out, with a look at the clock between its phases.
    let phase = |step: &Step| match step {
        Step::CreateNamespace(_) | Step::SetForwarding(..) => "namespaces",
        Step::SetFilter(..) => "filters",
        Step::CreateVeth(_) => "pairs",
        Step::AddRoute(..) => "routes",
        _ => "listeners",
    };
    for steps in whole.steps.chunk_by(|one, other| phase(one) == phase(other)) {
        let started = Instant::now();
        let applied = fabric.apply(&Plan { steps: steps.to_vec() }).await.expect("an answer");
        assert_eq!(applied.failed, []);
        opened.extend(applied.opened);
        total += started.elapsed();
        eprintln!("{:>6} {:<12} {:?}", steps.len(), phase(&steps[0]), started.elapsed());
    }
    eprintln!("1000 networks: {total:?}, {} listeners", opened.len());
    let mut single = Duration::MAX;
    for number in 0_u8..9 {
        let before = world.fabric();
        world.machine(&network("n500"), &format!("new{number}"), std::net::Ipv4Addr::new(10, 0, 1, number));
        let change = Plan::between(&before, &world.fabric());
        let started = Instant::now();
        let applied = fabric.apply(&change).await.expect("an answer");
        assert_eq!(applied.failed, []);
        eprintln!("one more machine: {:?}, {} steps", started.elapsed(), change.steps.len());
        // The best, since others use this machine as well.
        single = single.min(started.elapsed());
    }
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

#[tokio::test]
#[ignore = "measures; run it with --release and --nocapture"]
async fn entering_costs_less_than_ten_milliseconds() {
    if skip("entering") {
        return;
    }
    let stage = Stage::set(networks(1)).await;
    let entrance = stage.fabric.enter(&machine("m0")).await.expect("a place");
    let [entrance, files] = [serde_json::to_string(&entrance), serde_json::to_string(&ClientFiles::default())];
    let [entrance, files] = [entrance, files].map(|json| json.expect("JSON"));
    let fastest = |mut command: std::process::Command| {
        let run = |_| {
            let started = Instant::now();
            assert!(command.status().expect("a program").success());
            started.elapsed()
        };
        (0..20).map(run).min().expect("a run")
    };
    let mut inside = helper();
    inside.args(["enter", &entrance, &files, "true"]);
    let (inside, outside) = (fastest(inside), fastest(std::process::Command::new("true")));
    eprintln!("inside {inside:?}, outside {outside:?}");
    assert!(inside < outside + Duration::from_millis(10));
}
