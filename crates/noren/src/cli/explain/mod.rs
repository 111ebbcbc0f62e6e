//! `noren explain`: why a client reaches a private cluster or does not, and what to do.

mod sources;

use std::{io::Write, process::ExitCode};

use azure::ResourceId;
use clap::{Args, ValueEnum};
use explain::{fix, fixes, render};
use import::Source;
use network::{Network, Vantage, VantageError};
use serde::Serialize;

use super::LabArgs;
use crate::failure::Failure;

#[derive(Debug, Args)]
pub(super) struct ExplainOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// The cluster: its name, GROUP/NAME, its id or one of its FQDNs [default: all]
    cluster: Option<String>,
    /// Where the client stands: a network interface, a virtual machine, NETWORK/SUBNET, a VPN gateway, `internet` [default: everywhere]
    #[arg(long, value_name = "VANTAGE")]
    from: Option<String>,
    /// What describes the estate: a file or directory (az, Resource Graph, Terraform, ARM), `-`,
    /// `azure[:SUBSCRIPTION,…]` or an ARM endpoint's address; several are taken together [default: the running lab]
    #[arg(long, value_name = "SOURCE")]
    estate: Vec<Source>,
    /// How to print it
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// How an explanation is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people: a tree, or a table
    #[default]
    Text,
    /// For scripts: see docs/explain.md
    Json,
}

/// Explains and prints; exit status 1 when the one client asked about does not connect.
pub(super) async fn run(options: &ExplainOptions, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let described = sources::load(&options.estate, &options.lab).await?;
    let network = &described.network;
    let cluster = options.cluster.as_deref().map(|text| find_cluster(network, text)).transpose()?;
    let vantage = options.from.as_deref().map(|text| find_vantage(network, text)).transpose()?;
    let (Some(cluster), Some(vantage)) = (&cluster, &vantage) else {
        let found = explain::matrix::every(network, vantage.as_ref(), cluster.as_ref());
        match options.output {
            Format::Text => write!(out, "{}", render::table::matrix(&found))?,
            Format::Json => write_json(out, &described, render::json::MatrixJson::new(&found))?,
        }
        return Ok(ExitCode::SUCCESS);
    };
    let Some(found) = explain::explain(network, vantage, cluster) else { return Ok(ExitCode::FAILURE) };
    let fixes = fixes(network, &found);
    let meanwhile = fix::meanwhile(network, &found);
    match options.output {
        Format::Text => write!(out, "{}", render::text::explanation(&found, &fixes, meanwhile.as_ref()))?,
        Format::Json => {
            write_json(out, &described, render::json::ExplanationJson::new(&found, &fixes, meanwhile.as_ref()))?;
        }
    }
    Ok(ExitCode::from(u8::from(found.verdict == explain::Verdict::Fails)))
}

fn write_json(out: &mut impl Write, described: &sources::Described, answer: impl Serialize) -> anyhow::Result<()> {
    let document = render::json::Document::new(described.origin.clone(), described.findings.clone(), answer);
    writeln!(out, "{}", serde_json::to_string_pretty(&document)?)?;
    Ok(())
}

/// The cluster that `text` names.
fn find_cluster(network: &Network, text: &str) -> anyhow::Result<ResourceId> {
    let plain = text.trim_end_matches('.');
    let is_meant = |cluster: &network::Cluster| {
        let id = &cluster.id;
        let in_group = id.group_name().map(|group| format!("{group}/{}", id.name()));
        let fqdns = cluster.fqdn.iter().chain(&cluster.private_fqdn).map(azure::DnsName::as_str);
        let names = [Some(id.name()), Some(id.as_str()), in_group.as_deref()];
        names.into_iter().flatten().chain(fqdns).any(|name| name.eq_ignore_ascii_case(plain))
    };
    let found: Vec<&ResourceId> =
        network.clusters().values().filter(|cluster| is_meant(cluster)).map(|cluster| &cluster.id).collect();
    match found.as_slice() {
        [only] => Ok((*only).clone()),
        [] if plain.to_ascii_lowercase().ends_with(".azmk8s.io") => Err(Failure::new(format!("no cluster here is called {plain}"))
            .because("CLUSTER_DELETED_OR_RECREATED: a cluster that is made again has another hash in its names, and so has one elsewhere")
            .remedy("fetch the kubeconfig again with `az aks get-credentials`, or name the estate that has the cluster")
            .into()),
        [] => {
            let known: Vec<&str> = network.clusters().keys().take(12).map(ResourceId::name).collect();
            let why = if known.is_empty() { "it has no clusters".to_owned() } else { format!("it has {}", known.join(", ")) };
            Err(Failure::new(format!("the estate has no cluster `{text}`")).because(why).into())
        }
        several => {
            let ids: Vec<&str> = several.iter().map(|id| id.as_str()).collect();
            Err(Failure::new(format!("`{text}` names more than one cluster"))
                .because(ids.join(", "))
                .remedy("write the resource group in front, or the whole id")
                .into())
        }
    }
}

fn find_vantage(network: &Network, text: &str) -> anyhow::Result<Vantage> {
    network.find_vantage(text).cloned().map_err(|error| {
        let (why, remedy) = match &error {
            VantageError::Unknown { known, .. } => (format!("there are {}", known.join(", ")), "choose one of them"),
            VantageError::Ambiguous { candidates, .. } => {
                (candidates.join(", "), "write the resource group in front, or the whole id")
            }
        };
        Failure::new(error.to_string()).because(why).remedy(remedy).into()
    })
}
