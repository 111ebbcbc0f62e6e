//! Descriptions of estates, as the tools that print them print them, and what follows from them.
//!
//! `fixtures/az` is what `az … -o json` printed about a lab; `fixtures/terraform` has the shape that Terraform documents.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

mod az;
mod bad;
mod resource_graph;
mod template;
mod terraform;

use std::{fmt::Write as _, path::PathBuf};

use azure::{DnsName, Estate};
use import::{Error, Imported, Input};
use network::{Host, Network};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The files of a fixture, called by their names.
fn files(name: &str) -> Vec<Input> {
    let mut paths: Vec<PathBuf> = Vec::new();
    let mut directories = vec![fixture(name)];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { directories.push(path) } else { paths.push(path) }
        }
    }
    paths.sort();
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    paths.iter().map(|path| Input::new(name(path), std::fs::read(path).unwrap())).collect()
}

fn from_text(text: impl Into<String>) -> Result<Imported, Error> {
    import::from_inputs(&[Input::new("estate.json", text.into())])
}

/// For each vantage and each name of each cluster, how a connection ends.
fn matrix(estate: &Estate) -> String {
    let network = Network::compile(estate);
    let mut lines = String::new();
    for vantage in network.vantages() {
        for cluster in network.clusters().values() {
            for name in [&cluster.fqdn, &cluster.private_fqdn].into_iter().flatten() {
                let end = network.reach(vantage, &Host::Name(DnsName::clone(name)), 443).disposition.sentence();
                let _ = writeln!(lines, "{:<24} {:<4} {end}", vantage.name(), cluster.id.name());
            }
        }
    }
    lines
}

/// The same answers from both; of what differs, the first line.
fn assert_same(left: &Estate, right: &Estate) {
    let (left, right) = (matrix(left), matrix(right));
    if let Some((left, right)) = left.lines().zip(right.lines()).find(|(left, right)| left != right) {
        panic!("{left}\n{right}");
    }
    assert_eq!(left.lines().count(), right.lines().count());
}

fn codes(imported: &Imported) -> Vec<&'static str> {
    let mut codes: Vec<_> = imported.findings.iter().map(|finding| finding.code).collect();
    codes.dedup();
    codes
}
