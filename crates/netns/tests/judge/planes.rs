//! The two data planes beside each other: from every vantage to every name and address, a real
//! connection in the namespace and one through the vantage's proxy come out the same.

use std::{collections::BTreeMap, net::SocketAddrV4, sync::Mutex};

use network::{Network, Vantage, plan::Standing};

use crate::{
    NAME_PORT,
    compare::{addresses, futures, others, patiently},
    estate::{Estate, NAMES},
    estates,
    lab::Lab,
    probe::{self, Seen, Told},
    random, runtime, side_by_side, skip,
    through::Door,
};

/// Estates in a run that nobody asked for.
const ESTATES: u32 = 24;
const ESTATES_OF_A_FABRIC: usize = 4;
/// Where API servers are, where nobody listens, where names are answered.
const PORTS: [u16; 3] = [443, 80, NAME_PORT];

/// What comes of a connection, in words that both planes have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// To this cluster's API server.
    ApiServer(String),
    /// Somebody is there who is no API server: on the proxy plane that is a refusal.
    Somebody,
    /// Nobody says anything.
    Silence,
    /// The name does not exist.
    NoSuchName,
    /// The name has no address, or nobody can be asked.
    NoAddress,
}

impl Way {
    fn seen(seen: Seen) -> Self {
        match seen {
            Seen::Connected(who) => Self::ApiServer(who),
            Seen::NameServer | Seen::Refused => Self::Somebody,
            Seen::Silence => Self::Silence,
        }
    }
}

#[test]
fn both_planes_connect_refuse_and_are_silent_alike() {
    if skip("both_planes_connect_refuse_and_are_silent_alike") {
        return;
    }
    let runtime = runtime();
    let estates = estates("NOREN_JUDGE_PLANES", ESTATES, random::estate());
    let enough = estates.1.len() >= ESTATES as usize;
    let ways = Mutex::new(BTreeMap::new());
    side_by_side(estates, ESTATES_OF_A_FABRIC, |some| runtime.block_on(one_fabric(some, &ways)));
    let ways = ways.into_inner().expect("no panic");
    for way in ["ApiServer", "Somebody", "Silence", "NoSuchName", "NoAddress"] {
        assert!(!enough || ways.contains_key(way), "no connection shows {way}: {ways:?}");
    }
}

async fn one_fabric(estates: &[(u32, Estate)], ways: &Mutex<BTreeMap<String, usize>>) -> Result<(), String> {
    let mut lab = Lab::start().await;
    for (number, estate) in estates {
        let differences = differences(&mut lab, estate, ways).await;
        if !differences.is_empty() {
            return Err(format!("estate {number}: {differences:#?}\n{estate}"));
        }
    }
    Ok(())
}

/// Where the planes differ; counts how connections end.
async fn differences(lab: &mut Lab, estate: &Estate, ways: &Mutex<BTreeMap<String, usize>>) -> Vec<String> {
    let network = Network::compile(&estate.sketch().estate());
    lab.realise(&network).await;
    let lab = &*lab;
    let judged = futures(network.vantages().iter().map(|vantage| judge(lab, &network, vantage))).await;
    let mut differences = Vec::new();
    for (said, differing) in judged.into_iter().flatten() {
        differences.extend(differing);
        for way in said {
            let word = format!("{way:?}");
            *ways
                .lock()
                .expect("no panic")
                .entry(word.split('(').next().unwrap_or_default().to_owned())
                .or_default() += 1;
        }
    }
    differences
}

/// What the proxy of a vantage says, and where a client that stands there sees something else.
async fn judge(lab: &Lab, network: &Network, vantage: &Vantage) -> Option<(Vec<Way>, Vec<String>)> {
    let standing = Standing::of(network, &lab.planned(), vantage)?;
    let door = Door::of(vantage, lab.current());
    let targets = addresses(network).into_iter().flat_map(|address| PORTS.map(|port| SocketAddrV4::new(address, port)));
    let mut to_addresses = Vec::new();
    for to in others(lab, vantage, &standing, targets.collect()) {
        to_addresses.push((to, door.to_address(to).await));
    }
    let mut to_names = Vec::new();
    for (name, port) in NAMES.iter().flat_map(|name| PORTS.map(|port| (*name, port))) {
        to_names.push(((name, port), door.to_name(name, port).await));
    }
    let ways = to_addresses.iter().map(|(_, way)| way).chain(to_names.iter().map(|(_, way)| way)).cloned().collect();
    let (addresses, names) = tokio::join!(
        patiently(to_addresses, async |asked: &[SocketAddrV4], patience| {
            let seen = probe::connect(lab, &standing.place, asked, patience).await;
            seen.into_iter().map(Way::seen).collect()
        }),
        patiently(to_names, async |asked: &[(&str, u16)], patience| {
            let names: Vec<&str> = asked.iter().map(|(name, _)| *name).collect();
            let told = probe::look_up(lab, &standing, &names, patience).await;
            // A client that is told several addresses takes one after the other; here there is one.
            let first = |told: &Told| match told {
                Told::Addresses(addresses) => addresses.first().copied(),
                _ => None,
            };
            let to =
                told.iter().zip(asked).filter_map(|(told, (_, port))| Some(SocketAddrV4::new(first(told)?, *port)));
            let to: Vec<SocketAddrV4> = to.collect();
            let mut seen = probe::connect(lab, &standing.place, &to, patience).await.into_iter();
            let way = |told| match told {
                Told::Addresses(_) => seen.next().map_or(Way::Silence, Way::seen),
                Told::NxDomain => Way::NoSuchName,
                Told::NoData | Told::Failure => Way::NoAddress,
            };
            told.into_iter().map(way).collect()
        }),
    );
    let addresses = addresses.into_iter().map(|(to, through, seen)| (to.to_string(), through, seen));
    let names = names.into_iter().map(|((name, port), through, seen)| (format!("{name}:{port}"), through, seen));
    let differing = addresses.chain(names).map(|(to, through, seen)| {
        format!("{vantage} to {to}: {through:?} through the proxy, {seen:?} in the namespace")
    });
    Some((ways, differing.collect()))
}
