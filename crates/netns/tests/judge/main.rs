//! The kernel is the judge: random estates are realised in namespaces, and what real lookups and
//! real connections see from every vantage is what [`network::Network`] said.
//!
//! The proxy plane asks [`network::Network::connect`] for each connection, so that it is compared
//! as well.
//!
//! `NOREN_JUDGE_ESTATES` says how many estates, `NOREN_JUDGE_SEED` where to begin.
#![cfg(target_os = "linux")]
#![expect(clippy::expect_used, clippy::print_stderr, reason = "a judge that cannot go on stops, or says so")]

#[path = "../common/mod.rs"]
mod common;
mod compare;
mod estate;
mod isolation;
mod lab;
mod predict;
mod probe;
mod random;
mod regressions;

use std::collections::BTreeSet;

use network::Network;
use proptest::{
    prelude::ProptestConfig,
    strategy::{Strategy as _, ValueTree as _},
    test_runner::{RngSeed, TestRunner},
};

pub(crate) use crate::common::skip;
use crate::{compare::differences, estate::Estate, lab::Lab};

/// Where every machine says who it is.
pub(crate) const MACHINE_PORT: u16 = 8080;
/// Where DNS servers answer.
pub(crate) const NAME_PORT: u16 = 53;
/// Estates in a run that nobody asked for.
const ESTATES: u32 = 40;
/// How many estates one fabric goes through before a new one judges the last of them from nothing.
const ESTATES_OF_A_FABRIC: u32 = 10;

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

#[test]
fn what_the_network_says_is_what_packets_do() {
    if skip("what_the_network_says_is_what_packets_do") {
        return;
    }
    let estates = number("NOREN_JUDGE_ESTATES").and_then(|count| count.try_into().ok()).unwrap_or(ESTATES);
    let seed = number("NOREN_JUDGE_SEED").unwrap_or(1);
    eprintln!("{estates} estates from seed {seed}");
    let runtime = runtime();
    // The lab that goes from estate to estate, and how many it has been through.
    let mut standing: Option<(Lab, u32)> = None;
    let config = ProptestConfig { rng_seed: RngSeed::Fixed(seed), ..ProptestConfig::default() };
    let mut runner = TestRunner::new(config);
    for number in 0..estates {
        let estate = random::estate().new_tree(&mut runner).expect("an estate").current();
        let network = Network::compile(&estate.sketch().estate());
        let (lab, been) = standing.get_or_insert_with(|| (runtime.block_on(Lab::start()), 0));
        let found = runtime.block_on(async {
            lab.realise(&network).await;
            differences(lab, &network).await
        });
        *been += 1;
        let last = *been == ESTATES_OF_A_FABRIC;
        if last || !found.is_empty() {
            standing = None;
            let from_nothing = runtime.block_on(from_nothing(&estate));
            let case = format!("estate {number} of seed {seed}");
            assert!(
                from_nothing.is_empty() && found.is_empty(),
                "{case}: after the estates before it: {found:#?}\nfrom nothing: {from_nothing:#?}\n{}",
                if from_nothing.is_empty() { estate } else { runtime.block_on(least(estate)) }
            );
        }
    }
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
        "routeDrops",
        "routingLoop",
        "securityRuleDenies",
        "sourceNotAuthorized",
    ];
    let missing: Vec<&str> = ends.into_iter().filter(|end| !seen.contains(*end)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
