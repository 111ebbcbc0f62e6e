//! No packet and no name crosses between networks that nothing connects, whatever the model says.

use azure::{Kind, sketch::Sketch};
use network::{
    Network, Vantage,
    plan::{Place, Standing},
};
use proptest::{
    prelude::ProptestConfig,
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{RngSeed, TestRunner},
};
use serde_json::json;

use crate::{
    compare::{differences, targets},
    lab::Lab,
    number,
    probe::{SILENCE, Seen, Told, connect, look_up},
    random::islands,
    runtime, skip,
};

/// Estates in a run that nobody asked for.
const ESTATES: u64 = 6;
const SECRET: &str = "www.secret.example";

/// A network beside the others, with their addresses, that nobody asks for anything.
fn with_bystander(sketch: Sketch) -> Sketch {
    sketch
        .network("bystander", "10.0.0.0/8")
        .nic("bystander-1", "bystander", "10.0.0.4")
        .nic("bystander-2", "bystander", "10.1.0.5")
        .private_cluster("hidden", "bystander", "10.0.0.20", false)
        .zone("secret.example")
        .link("secret.example", "bystander", json!({}))
        .a_record("secret.example", "www", "10.0.0.4")
}

/// How many IPv4 packets have come to a place.
async fn received(lab: &Lab, place: &Place) -> u64 {
    let text = lab.at(place, || std::fs::read_to_string("/proc/thread-self/net/snmp").expect("counters")).await;
    let rows: Vec<Vec<&str>> =
        text.lines().filter(|line| line.starts_with("Ip:")).map(|line| line.split(' ').collect()).collect();
    let column = rows[0].iter().position(|name| *name == "InReceives").expect("a counter");
    rows[1][column].parse().expect("a number")
}

#[test]
fn nothing_crosses_between_networks_that_nothing_connects() {
    if skip("nothing_crosses_between_networks_that_nothing_connects") {
        return;
    }
    let estates = number("NOREN_JUDGE_ISLANDS").unwrap_or(ESTATES);
    let seed = number("NOREN_JUDGE_SEED").unwrap_or(1);
    eprintln!("{estates} estates from seed {seed}");
    let mut runner = TestRunner::new(ProptestConfig { rng_seed: RngSeed::Fixed(seed), ..ProptestConfig::default() });
    runtime().block_on(async {
        let mut lab = Lab::start().await;
        for number in 0..estates {
            let estate = islands().new_tree(&mut runner).expect("an estate").current();
            let sketch = with_bystander(estate.sketch());
            let bystanders =
                ["bystander-1", "bystander-2"].map(|name| Place::Machine(sketch.id(Kind::NetworkInterface, name)));
            let network = Network::compile(&sketch.estate());
            lab.realise(&network).await;
            let mut before = Vec::new();
            for bystander in &bystanders {
                before.push(received(&lab, bystander).await);
            }
            for vantage in network.vantages().iter().filter(|vantage| !vantage.name().starts_with("bystander")) {
                let crossed = crossings(&lab, &network, vantage).await;
                assert!(crossed.is_empty(), "estate {number} of seed {seed}: {crossed:#?}\n{estate}");
            }
            for (bystander, before) in bystanders.iter().zip(before) {
                let after = received(&lab, bystander).await;
                assert_eq!(after, before, "estate {number} of seed {seed}: packets came to {bystander}\n{estate}");
            }
            let differences = differences(&lab, &network).await;
            assert!(differences.is_empty(), "estate {number} of seed {seed}: {differences:#?}\n{estate}");
        }
    });
}

/// What a vantage gets from where it has no way to.
async fn crossings(lab: &Lab, network: &Network, vantage: &Vantage) -> Vec<String> {
    let Some(standing) = Standing::of(network, &lab.planned(), vantage) else { return Vec::new() };
    let targets = targets(network);
    let (seen, told) =
        tokio::join!(connect(lab, &standing.place, &targets, SILENCE), look_up(lab, &standing, &[SECRET], SILENCE));
    // Machines are called `vm-<network>-<slot>`, subnets `n<network>/<name>`; whoever stands outside
    // reaches none.
    let own = match vantage {
        Vantage::Subnet(id) => id.parent().map(|network| network.name().replacen('n', "vm-", 1)),
        _ => vantage.name().rsplit_once('-').map(|(network, _)| network.to_owned()),
    };
    let strangers = targets.iter().zip(seen).filter_map(|(to, seen)| match seen {
        Seen::Connected(who) if who == "hidden" || who.starts_with("bystander") => Some((to, who)),
        Seen::Connected(who) if who.starts_with("vm-") && who.rsplit_once('-').map(|(at, _)| at) != own.as_deref() => {
            Some((to, who))
        }
        _ => None,
    });
    let crossed = strangers.map(|(to, who)| format!("{vantage} reaches {who} at {to}"));
    let heard = told.into_iter().filter(|told| matches!(told, Told::Addresses(_)));
    crossed.chain(heard.map(|told| format!("{vantage} is told {told:?} about {SECRET}"))).collect()
}
