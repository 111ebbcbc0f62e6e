//! What it costs to explain whole estates: compiling, the matrix and what is made of it, one question,
//! one change; for estates of growing size, so that one sees whether the cost grows with them. In
//! processor time, the matrix by the clock, too: it is made by as many threads as there are processors.

mod estate;

use std::{
    io::Write,
    time::{Duration, Instant},
};

use azure::{Change, Kind, Resource};
use explain::{Matrix, rules};
use network::Network;
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sizes, in clusters.
const SIZES: [usize; 4] = [1_000, 2_500, 5_000, 10_000];
/// How often quick things are done for one number.
const ROUNDS: u32 = 200;
/// How many changes of a kind are measured.
const CHANGES: usize = 20;

/// A change of one resource: what it is called here, the kind of resource, the change.
type Edit = (&'static str, Kind, fn(&Resource) -> Option<Change>);

/// The changes of which each is measured by itself.
const EDITS: [Edit; 10] = [
    ("link", Kind::VirtualNetworkLink, |link| Some(delete(link))),
    ("record", Kind::RecordA, |record| Some(delete(record))),
    ("machine", Kind::NetworkInterface, |nic| nic.id().name().starts_with("vm-").then(|| delete(nic))),
    ("cluster", Kind::ManagedCluster, |cluster| {
        let enabled = cluster.document().value()["properties"]["fqdn"].is_string();
        let fqdn = format!("{}.hcp.japaneast.azmk8s.io", cluster.id().name());
        Some(amended(cluster, |properties| {
            properties["apiServerAccessProfile"]["enablePrivateClusterPublicFQDN"] = json!(!enabled);
            properties["fqdn"] = if enabled { Value::Null } else { json!(fqdn) };
        }))
    }),
    ("stop", Kind::ManagedCluster, |cluster| {
        Some(amended(cluster, |properties| properties["powerState"] = json!({"code": "Stopped"})))
    }),
    ("endpoint", Kind::PrivateEndpoint, |endpoint| Some(delete(endpoint))),
    ("approval", Kind::PrivateEndpoint, |endpoint| {
        Some(amended(endpoint, |properties| {
            let state = json!({"status": "Pending"});
            properties["privateLinkServiceConnections"][0]["properties"]["privateLinkServiceConnectionState"] = state;
        }))
    }),
    ("peering", Kind::Peering, |peering| {
        Some(amended(peering, |properties| properties["allowVirtualNetworkAccess"] = json!(false)))
    }),
    ("routes", Kind::RouteTable, |table| {
        Some(amended(table, |properties| _ = properties["routes"].as_array_mut().map(Vec::pop)))
    }),
    ("group", Kind::NetworkSecurityGroup, |group| {
        Some(amended(group, |properties| {
            properties["securityRules"][0]["properties"]["destinationPortRange"] = json!("443");
        }))
    }),
];

/// A rule for pipelines that hardly anybody keeps.
const RULES: &str = r#"{"version": 1, "rule": [{"id": "all", "require": "connects"}]}"#;

fn main() -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let asked: Vec<usize> = std::env::args().skip(1).map(|size| size.parse()).collect::<Result<_, _>>()?;
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    writeln!(
        out,
        "clusters  networks   links    NICs  resources  compile  matrix  by the clock  classes  question  security    rows     check   RSS"
    )?;
    let mut changes = Vec::new();
    for size in sizes {
        changes.push((size, measure(size, &mut out)?));
    }
    write!(out, "\none change, everything answered again, in milliseconds\nclusters")?;
    for (name, ..) in EDITS {
        write!(out, "{name:>10}")?;
    }
    for (size, times) in changes {
        write!(out, "\n{size:8}")?;
        for time in times {
            write!(out, "{:10.1}", time.as_secs_f64() * 1e3)?;
        }
    }
    writeln!(out)?;
    Ok(())
}

fn measure(clusters: usize, out: &mut impl Write) -> anyhow::Result<Vec<Duration>> {
    let (estate, size) = estate::landing_zones(clusters);
    let (network, compile) = timed(|| Network::compile(&estate))?;
    let clock = Instant::now();
    let (matrix, made) = timed(|| Matrix::new(&network))?;
    let clock = clock.elapsed();
    let question = question(&network)?;
    let changes = EDITS.iter().map(|edit| change(&network, &matrix, edit)).collect::<anyhow::Result<_>>()?;
    let (_, security) = timed(|| explain::security::security(&network, &matrix))?;
    let (_, rows) = timed(|| explain::render::table::matrix(&matrix.rows(None, None)))?;
    let rules: rules::Rules = serde_json::from_str(RULES)?;
    let (_, check) = timed(|| rules::check(&rules, &network, &matrix))?;
    writeln!(
        out,
        "{:8}  {:8}  {:6}  {:6}  {:9}  {:5.2} s {:5.2} s        {:5.2} s  {:7}  {:5.0} µs   {:5.2} s {:5.2} s  {:5.2} s  {:4} MB",
        size.clusters,
        size.networks,
        size.links,
        size.machines,
        size.resources,
        compile.as_secs_f64(),
        made.as_secs_f64(),
        clock.as_secs_f64(),
        matrix.classes().len(),
        question.as_secs_f64() * 1e6,
        security.as_secs_f64(),
        rows.as_secs_f64(),
        check.as_secs_f64(),
        resident_mb(),
    )?;
    out.flush()?;
    Ok(changes)
}

/// One cluster from one vantage, in full.
fn question(network: &Network) -> anyhow::Result<Duration> {
    let vantages: Vec<_> = network.vantages().iter().step_by(97).collect();
    let clusters: Vec<_> = network.clusters().keys().step_by(13).collect();
    let begun = spent()?;
    for (vantage, cluster) in vantages.iter().cycle().zip(clusters.iter().cycle()).take(ROUNDS as usize) {
        std::hint::black_box(explain::explain(network, vantage, cluster));
    }
    Ok(spent()?.saturating_sub(begun) / ROUNDS)
}

/// Of every so many resources of a kind one changes, and everything is answered again: the median.
fn change(network: &Network, matrix: &Matrix, (_, kind, edit): &Edit) -> anyhow::Result<Duration> {
    let held: Vec<_> = network.estate().of_kind(*kind).collect();
    let mut times = Vec::new();
    for resource in held.iter().step_by((held.len() / CHANGES).max(1)) {
        let Some(change) = edit(resource) else { continue };
        let estate = network.estate().apply(2, [&change]);
        let (_, time) = timed(|| {
            let next = network.advance(&estate, [change.id()]);
            matrix.advance(network, &next)
        })?;
        times.push(time);
    }
    times.sort();
    Ok(times.get(times.len() / 2).copied().unwrap_or_default())
}

fn delete(resource: &Resource) -> Change {
    Change::Delete(resource.id().clone())
}

fn amended(resource: &Resource, amend: impl FnOnce(&mut Value)) -> Change {
    let mut document = resource.document().value();
    amend(&mut document["properties"]);
    Change::put(Resource::new(resource.id().clone(), &document))
}

/// What `work` gives, with the processor time that this process has used for it on all its threads:
/// what things cost, however busy the machine is.
fn timed<T>(work: impl FnOnce() -> T) -> anyhow::Result<(T, Duration)> {
    let begun = spent()?;
    let made = work();
    Ok((made, spent()?.saturating_sub(begun)))
}

fn spent() -> anyhow::Result<Duration> {
    Ok(nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID)?.into())
}

/// What the process holds of memory, in megabytes (Linux; zero elsewhere).
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}
