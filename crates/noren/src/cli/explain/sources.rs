//! Where the estate to explain comes from: files, Azure, another ARM endpoint, or the running lab.

use azure::Estate;
use import::Source;
use network::Network;
use serde_json::Value;

use crate::{cli::LabArgs, failure::Failure};

/// An estate with where it comes from.
pub(super) struct Described {
    /// What is declared, compiled.
    pub(super) network: Network,
    /// Where it comes from, for people.
    pub(super) origin: Vec<String>,
    /// What the sources lack, and what is wrong or not modelled in the estate.
    pub(super) findings: Vec<Value>,
}

/// Reads and compiles the estate that `sources` describe together; without any, the running lab's.
/// What a later source says of a resource counts.
pub(super) async fn load(sources: &[Source], lab: &LabArgs) -> anyhow::Result<Described> {
    let mut estate = Estate::default();
    let (mut origin, mut findings) = (Vec::new(), Vec::new());
    if sources.is_empty() {
        let directory = lab.directory()?;
        let control = crate::client::Control::connect(&directory).map_err(|_| nothing_to_explain(&directory))?;
        estate = control.estate().await?;
        origin.push(format!("the lab in {}", directory.path().display()));
    }
    if !sources.is_empty() {
        let read = import::load_all(sources, &|line| tracing::info!("{line}")).await?;
        estate = read.estate;
        origin.push(read.origin);
        findings.extend(read.findings.iter().filter_map(|finding| serde_json::to_value(finding).ok()));
    }
    let network = Network::compile(&estate);
    findings.extend(network.findings().iter().filter_map(|finding| serde_json::to_value(finding).ok()));
    Ok(Described { network, origin, findings })
}

fn nothing_to_explain(directory: &crate::lab::DataDir) -> Failure {
    Failure::new("there is no estate to explain")
        .because(format!("no `--estate` is given, and no lab runs in {}", directory.path().display()))
        .remedy("name a file, a directory, `-` or `azure` with `--estate`, or start a lab with `noren up`")
}
