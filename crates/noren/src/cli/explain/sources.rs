//! Where the estate to explain comes from: files, Azure, another ARM endpoint, or a lab.

use azure::Estate;
use import::Source;
use network::Network;
use serde_json::Value;

use crate::{cli::LabArgs, client::Control, failure::Failure, lab::DataDir};

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
    let mut findings = Vec::new();
    let (estate, origin) = if sources.is_empty() {
        let directory = lab.directory()?;
        let control = Control::connect(&directory).map_err(|_| nothing_to_explain(&directory))?;
        (control.estate().await?, vec![running(&directory)])
    } else if let Some(directory) = lab_directory(sources)? {
        of_lab(&directory).await?
    } else {
        let read = import::load_all(sources, &|line| tracing::info!("{line}")).await?;
        findings.extend(read.findings.iter().filter_map(|finding| serde_json::to_value(finding).ok()));
        (read.estate, vec![read.origin])
    };
    let network = Network::compile(&estate);
    findings.extend(network.findings().iter().filter_map(|finding| serde_json::to_value(finding).ok()));
    Ok(Described { network, origin, findings })
}

/// The lab's directory that is named, if one is.
fn lab_directory(sources: &[Source]) -> anyhow::Result<Option<DataDir>> {
    let named = |source: &Source| match source {
        Source::Path(path) => DataDir::locate(Some(path.clone())).ok().filter(|directory| directory.store().is_file()),
        Source::Stdin | Source::Azure(_) => None,
    };
    let found = sources.iter().find_map(named);
    if let Some(directory) = found.as_ref().filter(|_| sources.len() > 1) {
        return Err(Failure::new(format!("{} is a lab's directory and stands alone", directory.path().display()))
            .because("a lab is a whole estate; what other sources say of its resources would contradict it")
            .remedy("name it alone, and the other estate with `--against`")
            .into());
    }
    Ok(found)
}

/// The estate of the lab in a directory, whether it runs or not.
async fn of_lab(directory: &DataDir) -> anyhow::Result<(Estate, Vec<String>)> {
    if let Some(estate) = crate::lab::estate_at_rest(directory)? {
        return Ok((estate, vec![format!("the stopped lab in {}", directory.path().display())]));
    }
    let control = Control::connect(directory).map_err(|_| {
        Failure::new(format!("the lab in {} cannot be read", directory.path().display()))
            .because("a process has its data and does not answer: it begins, or ends")
            .remedy("try again, or stop it with `noren down`")
    })?;
    Ok((control.estate().await?, vec![running(directory)]))
}

fn running(directory: &DataDir) -> String {
    format!("the lab in {}", directory.path().display())
}

fn nothing_to_explain(directory: &DataDir) -> Failure {
    Failure::new("there is no estate to explain")
        .because(format!("no `--estate` is given, and no lab runs in {}", directory.path().display()))
        .remedy("name a file, a directory, `-` or `azure` with `--estate`, or start a lab with `noren up`")
}
