//! No packet and no name crosses between networks that nothing connects, whatever the model says.

use azure::sketch::Sketch;
use network::{
    Network, Vantage,
    plan::{Place, Standing},
};
use serde_json::json;

use crate::{
    compare::{differences, futures, targets},
    estates,
    lab::Lab,
    probe::{SILENCE, Seen, Told, connect, look_up},
    random::islands,
    runtime, side_by_side, skip,
};

/// Estates in a run that nobody asked for.
const ESTATES: u32 = 12;
const ESTATES_OF_A_FABRIC: usize = 4;
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
    let runtime = runtime();
    side_by_side(estates("NOREN_JUDGE_ISLANDS", ESTATES, islands()), ESTATES_OF_A_FABRIC, |some| {
        runtime.block_on(async {
            let mut lab = Lab::start().await;
            for (number, estate) in some {
                let network = realise(&mut lab, &with_bystander(estate.sketch())).await;
                let mut found = crossed(&lab, &network).await;
                found.extend(differences(&lab, &network).await);
                if !found.is_empty() {
                    return Err(format!("estate {number}: {found:#?}\n{estate}"));
                }
            }
            Ok(())
        })
    });
}

/// What is asserted of networks apart does not hold of networks that are joined, so that it says something.
#[test]
fn what_crosses_between_networks_that_are_joined_is_noticed() {
    if skip("what_crosses_between_networks_that_are_joined_is_noticed") {
        return;
    }
    let apart = |sketch: Sketch| sketch.network("n0", "172.20.0.0/16").nic("vm-0-0", "n0", "172.20.0.4");
    let joined =
        apart(with_bystander(Sketch::new())).peering("n0", "bystander").link("secret.example", "n0", json!({}));
    runtime().block_on(async {
        let mut lab = Lab::start().await;
        let network = realise(&mut lab, &apart(with_bystander(Sketch::new()))).await;
        assert_eq!(crossed(&lab, &network).await, [""; 0]);
        let network = realise(&mut lab, &joined).await;
        let found = crossed(&lab, &network).await.join("\n");
        for crossing in [
            "vm-0-0 reaches bystander-1 at 10.0.0.4:8080",
            "vm-0-0 reaches hidden at 10.0.0.20:443",
            "vm-0-0 is told Addresses({10.0.0.4})",
            "packets came to machine bystander-2",
        ] {
            assert!(found.contains(crossing), "{crossing}: {found}");
        }
    });
}

async fn realise(lab: &mut Lab, sketch: &Sketch) -> Network {
    let network = Network::compile(&sketch.estate());
    lab.realise(&network).await;
    network
}

/// What every other vantage gets from the bystanders and from networks that are not its own, and to whom of
/// the bystanders a packet came meanwhile.
async fn crossed(lab: &Lab, network: &Network) -> Vec<String> {
    let (bystanders, others): (Vec<&Vantage>, Vec<&Vantage>) =
        network.vantages().iter().partition(|vantage| vantage.name().starts_with("bystander"));
    let machine = |vantage: &&Vantage| match vantage {
        Vantage::Interface(id) => Some(Place::Machine(id.clone())),
        _ => None,
    };
    let bystanders: Vec<Place> = bystanders.iter().filter_map(machine).collect();
    assert_eq!(bystanders.len(), 2, "they are there");
    let mut before = Vec::new();
    for bystander in &bystanders {
        before.push(received(lab, bystander).await);
    }
    let crossings = futures(others.into_iter().map(|vantage| crossings(lab, network, vantage))).await;
    let mut found: Vec<String> = crossings.into_iter().flatten().collect();
    for (bystander, before) in bystanders.iter().zip(before) {
        if received(lab, bystander).await != before {
            found.push(format!("packets came to {bystander}"));
        }
    }
    found
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
