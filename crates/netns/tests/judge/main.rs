//! The kernel is the judge: random estates are realised in namespaces, and what real lookups and
//! real connections see from every vantage is what [`network::Network`] said.
//!
//! So is what a client sees through the proxy of its vantage ([`planes`]), and nothing crosses
//! between networks that nothing connects, whatever the model says ([`isolation`]).
//!
//! `NOREN_JUDGE_ESTATES` says how many estates, `NOREN_JUDGE_PLANES` and `NOREN_JUDGE_ISLANDS` how
//! many for the others, `NOREN_JUDGE_SEED` where to begin.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::print_stderr, reason = "a judge that cannot go on stops, or says so")]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod estate;
mod isolation;
mod lab;
mod planes;
mod predict;
mod probe;
mod random;
mod regressions;
mod through;

use std::{collections::BTreeSet, sync::Mutex, thread};

use network::Network;
use proptest::{
    prelude::ProptestConfig,
    strategy::{Strategy, ValueTree as _},
    test_runner::{RngSeed, TestRunner},
};

pub(crate) use crate::common::skip;
use crate::{compare::differences, estate::Estate, lab::Lab};

/// Where every machine says who it is.
pub(crate) const MACHINE_PORT: u16 = 8080;
/// Where DNS servers answer.
pub(crate) const NAME_PORT: u16 = 53;
/// Estates in a run that nobody asked for.
const ESTATES: u32 = 200;
/// How many estates one fabric goes through before a new one judges the last of them from nothing.
const ESTATES_OF_A_FABRIC: usize = 10;
/// Fabrics side by side.
const FABRICS: usize = 6;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A runtime for servers and clients, with as many open sockets as may be.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, most, most).expect("a limit");
    tokio::runtime::Runtime::new().expect("a runtime")
}

/// As many random estates as `name` says, or `otherwise`; and the seed they come from.
fn estates(name: &str, otherwise: u32, random: impl Strategy<Value = Estate>) -> (u64, Vec<(u32, Estate)>) {
    let count = number(name).and_then(|count| count.try_into().ok()).unwrap_or(otherwise);
    let seed = number("NOREN_JUDGE_SEED").unwrap_or(1);
    eprintln!("{count} estates from seed {seed}");
    let config = ProptestConfig { rng_seed: RngSeed::Fixed(seed), ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    let mut random = || random.new_tree(&mut runner).expect("an estate").current();
    (seed, (0..count).map(|number| (number, random())).collect())
}

/// Judges estates in turns of `turn`, several turns side by side: mostly one waits for silence, and
/// others use the time.
///
/// # Panics
/// With everything that the turns found.
fn side_by_side(
    (seed, estates): (u64, Vec<(u32, Estate)>),
    turn: usize,
    judge: impl Fn(&[(u32, Estate)]) -> Result<(), String> + Sync,
) {
    let next = Mutex::new(estates.chunks(turn));
    let turns = || {
        while let Some(some) = { next.lock().expect("no panic").next() } {
            judge(some).map_err(|found| format!("seed {seed}: {found}"))?;
        }
        Ok(())
    };
    let found: Vec<Result<(), String>> = thread::scope(|scope| {
        let judges: Vec<_> = (0..FABRICS).map(|_| scope.spawn(turns)).collect();
        judges.into_iter().map(|judge| judge.join().expect("no panic")).collect()
    });
    let found: Vec<String> = found.into_iter().filter_map(Result::err).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_the_network_says_is_what_packets_do() {
    if skip("what_the_network_says_is_what_packets_do") {
        return;
    }
    let runtime = runtime();
    let estates = estates("NOREN_JUDGE_ESTATES", ESTATES, random::estate());
    side_by_side(estates, ESTATES_OF_A_FABRIC, |some| runtime.block_on(one_fabric(some)));
}

/// Goes from estate to estate with one fabric, and judges the last of them from nothing as well.
async fn one_fabric(estates: &[(u32, Estate)]) -> Result<(), String> {
    let mut lab = Lab::start().await;
    for (place, (number, estate)) in estates.iter().enumerate() {
        let network = Network::compile(&estate.sketch().estate());
        lab.realise(&network).await;
        let found = differences(&lab, &network).await;
        if place + 1 < estates.len() && found.is_empty() {
            continue;
        }
        let from_nothing = from_nothing(estate).await;
        if !(found.is_empty() && from_nothing.is_empty()) {
            let estate = if from_nothing.is_empty() { estate.clone() } else { least(estate.clone()).await };
            return Err(format!(
                "estate {number}: after the estates before it: {found:#?}\nfrom nothing: {from_nothing:#?}\n{estate}"
            ));
        }
    }
    Ok(())
}

/// What a new fabric shows of an estate.
pub(crate) async fn from_nothing(estate: &Estate) -> Vec<String> {
    let network = Network::compile(&estate.sketch().estate());
    let mut lab = Lab::start().await;
    lab.realise(&network).await;
    differences(&lab, &network).await
}

/// As few pieces of an estate as still show a difference: larger parts are left out first.
async fn least(mut estate: Estate) -> Estate {
    let mut part = estate.pieces.len().div_ceil(2);
    while part > 0 {
        let mut from = 0;
        while from < estate.pieces.len() {
            let mut less = estate.clone();
            less.pieces.drain(from..(from + part).min(estate.pieces.len()));
            if from_nothing(&less).await.is_empty() {
                from += part;
            } else {
                estate = less;
            }
        }
        part /= 2;
    }
    estate
}

#[test]
fn the_estates_show_every_way_in_which_a_connection_ends() {
    let mut runner = TestRunner::new(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() });
    let mut seen = BTreeSet::new();
    for _ in 0..100 {
        let estate = random::estate().new_tree(&mut runner).expect("an estate").current();
        seen.extend(compare::ends(&Network::compile(&estate.sketch().estate())));
    }
    let ends = [
        "clusterStopped",
        "connected",
        "endpointNotApproved",
        "forwardedTrafficRefused",
        "machineStopped",
        "nameServer",
        "noAppliance",
        "noGateway",
        "noRoute",
        "nothingThere",
        "peeringBlocks",
        "portClosed",
        "replyLost",
        "replyLost: securityRuleDenies",
        "routeDrops",
        "routingLoop",
        "securityRuleDenies",
        "sourceNotAuthorized",
    ];
    let missing: Vec<&str> = ends.into_iter().filter(|end| !seen.contains(*end)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
