//! What it costs to explain whole estates: compiling, the matrix, one question, one change; for
//! estates of growing size, so that one sees whether the cost grows with them. In processor time; the
//! matrix is made by as many threads as there are processors.

mod estate;

use std::{io::Write, time::Duration};

use azure::{Change, Kind, Resource};
use explain::Matrix;
use network::Network;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sizes, in clusters.
const SIZES: [usize; 4] = [1_000, 2_500, 5_000, 10_000];
/// How often quick things are done for one number.
const ROUNDS: u32 = 200;
/// How many changes of a kind are measured.
const CHANGES: usize = 20;

fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let asked: Vec<usize> = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<_, _>>()?;
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    writeln!(
        out,
        "clusters  networks   links    NICs  resources  compile  matrix  classes  question     link  record  machine  security  RSS"
    )?;
    for size in sizes {
        measure(size, &mut out)?;
    }
    Ok(())
}

fn measure(clusters: usize, out: &mut impl Write) -> anyhow::Result<()> {
    let (estate, size) = estate::landing_zones(clusters);
    let begun = spent()?;
    let network = Network::compile(&estate);
    let compile = since(begun)?;
    let begun = spent()?;
    let matrix = Matrix::new(&network);
    let made = since(begun)?;
    let question = question(&network)?;
    let changed = [
        change(&network, &matrix, Kind::VirtualNetworkLink, |link| Some(delete(link)))?,
        change(&network, &matrix, Kind::RecordA, |record| Some(delete(record)))?,
        change(&network, &matrix, Kind::NetworkInterface, delete_machine)?,
    ];
    let begun = spent()?;
    std::hint::black_box(explain::security::security(&network, &matrix));
    let security = since(begun)?;
    let [link, record, machine] = changed.map(|time| time.as_secs_f64() * 1e3);
    writeln!(
        out,
        "{:8}  {:8}  {:6}  {:6}  {:9}  {:5.2} s {:5.2} s  {:7}  {:5.0} µs  {link:4.1} ms {record:4.1} ms  {machine:4.1} ms   {:5.2} s  {:4} MB",
        size.clusters,
        size.networks,
        size.links,
        size.machines,
        size.resources,
        compile.as_secs_f64(),
        made.as_secs_f64(),
        matrix.classes().len(),
        question.as_secs_f64() * 1e6,
        security.as_secs_f64(),
        resident_mb(),
    )?;
    out.flush()?;
    Ok(())
}

/// One cluster from one vantage, in full.
fn question(network: &Network) -> anyhow::Result<Duration> {
    let vantages: Vec<_> = network.vantages().iter().step_by(97).collect();
    let clusters: Vec<_> = network.clusters().keys().step_by(13).collect();
    let begun = spent()?;
    for (vantage, cluster) in vantages.iter().cycle().zip(clusters.iter().cycle()).take(ROUNDS as usize) {
        std::hint::black_box(explain::explain(network, vantage, cluster));
    }
    Ok(since(begun)? / ROUNDS)
}

/// Of every so many resources of a kind one changes, and everything is answered again.
fn change(
    network: &Network,
    matrix: &Matrix,
    kind: Kind,
    edit: impl Fn(&Resource) -> Option<Change>,
) -> anyhow::Result<Duration> {
    let held: Vec<_> = network.estate().of_kind(kind).collect();
    let mut all = Duration::ZERO;
    let mut rounds = 0;
    for resource in held.iter().step_by((held.len() / CHANGES).max(1)) {
        let Some(change) = edit(resource) else { continue };
        let estate = network.estate().apply(2, [&change]);
        let begun = spent()?;
        let next = network.advance(&estate, [change.id()]);
        std::hint::black_box(matrix.advance(network, &next));
        all += since(begun)?;
        rounds += 1;
    }
    Ok(all.checked_div(rounds).unwrap_or_default())
}

fn delete(resource: &Resource) -> Change {
    Change::Delete(resource.id().clone())
}

/// A machine's interface goes; an appliance's and an endpoint's stay.
fn delete_machine(resource: &Resource) -> Option<Change> {
    resource.id().name().starts_with("vm-").then(|| delete(resource))
}

/// The processor time that this process has used, on all its threads: what things cost, however busy
/// the machine is.
fn spent() -> anyhow::Result<Duration> {
    Ok(nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// What it has used since `begun`.
fn since(begun: Duration) -> anyhow::Result<Duration> {
    Ok(spent()?.saturating_sub(begun))
}

/// What the process holds of memory, in megabytes (Linux; zero elsewhere).
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}
