//! From every vantage to every address and name: what is seen beside what was said.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
    time::Duration,
};

use network::{
    Host, Network, Silent, Vantage,
    plan::{self, Standing},
};

use crate::{
    MACHINE_PORT, NAME_PORT,
    estate::NAMES,
    lab::Lab,
    predict,
    probe::{self, SILENCE, Seen},
};

/// Addresses that are asked in every estate: Azure's DNS, public addresses of nobody, of the fabric
/// itself, addresses in a site and in a tunnel that nobody has.
const ADDRESSES: [Ipv4Addr; 12] = [
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(8, 8, 8, 8),
    Ipv4Addr::new(248, 0, 0, 1),
    Ipv4Addr::new(203, 0, 113, 9),
    Ipv4Addr::new(240, 0, 0, 1),
    Ipv4Addr::new(198, 18, 0, 1),
    Ipv4Addr::new(198, 51, 100, 53),
    Ipv4Addr::new(169, 254, 0, 1),
    Ipv4Addr::new(192, 168, 0, 10),
    Ipv4Addr::new(192, 168, 0, 11),
    Ipv4Addr::new(172, 16, 201, 77),
    Ipv4Addr::new(10, 77, 0, 4),
];
const PORTS: [u16; 3] = [443, MACHINE_PORT, NAME_PORT];

/// Every address that is somebody's, and some that are nobody's.
pub(crate) fn addresses(network: &Network) -> BTreeSet<Ipv4Addr> {
    let mut addresses = BTreeSet::from(ADDRESSES);
    for held in network.virtual_networks().values() {
        addresses.extend(held.interfaces.keys());
        addresses.extend(held.interfaces.values().filter_map(|interface| interface.public_address));
        addresses.extend(held.inbound_endpoints.keys());
        // The subnets' gateways, and an address that nobody has.
        let firsts = held.subnets.iter().flat_map(|subnet| &subnet.prefixes).map(|prefix| u32::from(prefix.network()));
        addresses.extend(firsts.flat_map(|first| [first + 1, first + 14]).map(Ipv4Addr::from));
    }
    addresses
}

/// Every address at every port.
pub(crate) fn targets(network: &Network) -> Vec<SocketAddrV4> {
    let addresses = addresses(network).into_iter();
    addresses.flat_map(|address| PORTS.map(|port| SocketAddrV4::new(address, port))).collect()
}

/// Where the model is wrong about the kernel, or the kernel about the model. A difference counts
/// when it is there however patiently one asks.
pub(crate) async fn differences(lab: &Lab, network: &Network) -> Vec<String> {
    let fabric = lab.planned();
    let targets = targets(network);
    let vantages = network.vantages().iter().map(|vantage| judge(lab, network, &fabric, vantage, &targets));
    let found = futures(vantages).await;
    found.into_iter().flatten().collect()
}

/// Waits for all of them side by side.
pub(crate) async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut all: Vec<_> = all.map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = all.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in all.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(output) = future.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

async fn judge(
    lab: &Lab,
    network: &Network,
    fabric: &plan::Fabric,
    vantage: &Vantage,
    targets: &[SocketAddrV4],
) -> Vec<String> {
    let Some(standing) = Standing::of(network, fabric, vantage) else { return Vec::new() };
    let (connected, told) =
        tokio::join!(connections(lab, network, vantage, &standing, targets), lookups(lab, network, vantage, &standing));
    connected.into_iter().chain(told).collect()
}

async fn connections(
    lab: &Lab,
    network: &Network,
    vantage: &Vantage,
    standing: &Standing,
    targets: &[SocketAddrV4],
) -> Vec<String> {
    let asked = others(lab, vantage, standing, targets.to_vec()).into_iter();
    let said = asked.map(|to| (to, predict::connect(network, vantage, to)));
    let differing = patiently(said.collect(), async |asked: &[SocketAddrV4], patience| {
        probe::connect(lab, &standing.place, asked, patience).await
    });
    let describe = |(to, said, seen)| told_apart(network, vantage, to, &said, &seen);
    differing.await.into_iter().map(describe).collect()
}

/// Who visits a subnet is at an address that is nobody's, and would hear itself: the other targets.
pub(crate) fn others(
    lab: &Lab,
    vantage: &Vantage,
    standing: &Standing,
    mut targets: Vec<SocketAddrV4>,
) -> Vec<SocketAddrV4> {
    let planned = lab.planned();
    let ends = planned.veths.iter().flat_map(|pair| [&pair.near, &pair.far]);
    let visitor = ends.filter(|end| matches!(vantage, Vantage::Subnet(_)) && end.place == standing.place);
    let own: Vec<&Ipv4Addr> = visitor.flat_map(|end| &end.addresses).collect();
    targets.retain(|to| !own.contains(&to.ip()));
    targets
}

async fn lookups(lab: &Lab, network: &Network, vantage: &Vantage, standing: &Standing) -> Vec<String> {
    let said = NAMES.iter().map(|name| (*name, predict::look_up(network, vantage, name)));
    let differing = patiently(said.collect(), async |asked: &[&str], patience| {
        probe::look_up(lab, standing, asked, patience).await
    });
    let describe = |(name, said, told)| format!("{vantage} about {name}: said {said:?}, told {told:?}");
    differing.await.into_iter().map(describe).collect()
}

/// Asks everything, and again with more and more patience where the answer was not what was said,
/// since a machine that others use may take its time; gives what was asked, said and answered where
/// they still differ.
pub(crate) async fn patiently<Q: Copy, A: PartialEq>(
    said: Vec<(Q, A)>,
    ask: impl AsyncFn(&[Q], Duration) -> Vec<A>,
) -> Vec<(Q, A, A)> {
    let mut open: Vec<(Q, A, Option<A>)> = said.into_iter().map(|(question, said)| (question, said, None)).collect();
    for patience in [1, 4, 16, 40].map(|times| SILENCE * times) {
        if open.is_empty() {
            break;
        }
        let questions: Vec<Q> = open.iter().map(|(question, ..)| *question).collect();
        let answers = ask(&questions, patience).await;
        for ((.., answered), answer) in open.iter_mut().zip(answers) {
            *answered = Some(answer);
        }
        open.retain(|(_, said, answered)| answered.as_ref() != Some(said));
    }
    open.into_iter().filter_map(|(question, said, answered)| Some((question, said, answered?))).collect()
}

fn told_apart(network: &Network, vantage: &Vantage, to: SocketAddrV4, said: &Seen, seen: &Seen) -> String {
    let end = network.connect(vantage, &Host::Address(*to.ip()), to.port(), &mut Silent);
    format!("{vantage} to {to}: said {said:?} ({}), seen {seen:?}", end.sentence())
}

/// How the connections of an estate end, in a word each; of replies that are lost, also how.
pub(crate) fn ends(network: &Network) -> BTreeSet<String> {
    let targets = targets(network);
    let vantages = network.vantages().iter().filter(|vantage| !matches!(vantage, Vantage::Subnet(_)));
    let ends = vantages.flat_map(|vantage| {
        targets.iter().map(|to| network.connect(vantage, &Host::Address(*to.ip()), to.port(), &mut Silent))
    });
    let words = ends.flat_map(|end| {
        let end = serde_json::to_value(end).expect("JSON");
        let word = |end: &serde_json::Value| end["disposition"].as_str().map(str::to_owned);
        let lost = word(&end["why"]).map(|why| format!("replyLost: {why}"));
        word(&end).into_iter().chain(lost)
    });
    words.collect()
}
