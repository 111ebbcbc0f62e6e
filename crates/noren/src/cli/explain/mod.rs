//! `noren explain`: why a client reaches a private cluster or does not, and what to do.

mod sources;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use azure::ResourceId;
use clap::{Args, ValueEnum};
use explain::{
    fix, fixes, render,
    rules::{self, Rules},
    what_if,
};
use import::Source;
use network::{Network, Vantage, VantageError};
use serde::Serialize;
use serde_json::{Value, json};

use super::LabArgs;
use crate::failure::Failure;
use sources::Described;

const EXAMPLES: &str = "\
Examples:
  noren explain                               every cluster from everywhere, in the running lab
  noren explain --from vm-spoke aks-prod      one client: names, path, the one cause, its fixes
  noren explain --estate plan.json            a Terraform plan (`terraform show -json`), before anything exists
  noren explain --estate azure --security     what public DNS discloses, in what `az login` may read

Exit status: 0 it connects (or nothing in particular was asked), 1 it does not or a rule is not kept, 2 the command line
makes no sense, 3 it could not be done. docs/explain.md lists causes, edits and rules.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
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
    /// Show what is disclosed, what is orphaned or contradicts itself, and where addresses overlap
    #[arg(long, conflicts_with_all = ["cluster", "from", "what_if", "against", "check"])]
    security: bool,
    /// Show whose answers change if this were so: `cluster A: publicFqdn=false`, `link(ZONE, NETWORK)`,
    /// `peer(A, B)`, `stop(A)`, … (docs/explain.md); several with `;`
    #[arg(long, value_name = "EDITS", conflicts_with_all = ["cluster", "from", "against", "check"])]
    what_if: Option<String>,
    /// Show whose answers are different in this estate; several sources are taken together
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["cluster", "from", "check"])]
    against: Vec<Source>,
    /// Check the rules of a file (docs/explain.md); exit status 1 when one is not kept
    #[arg(long, value_name = "RULES.toml", conflicts_with_all = ["cluster", "from"])]
    check: Option<PathBuf>,
    /// How to print it
    #[arg(long, short, value_enum, default_value_t)]
    output: Format,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Format {
    /// For people: a tree, or a table
    #[default]
    Text,
    /// For scripts: see docs/explain.md
    Json,
    /// The path as a Mermaid flow chart (one cluster from one vantage)
    Mermaid,
    /// The path as a picture (one cluster from one vantage)
    Svg,
    /// A page with picture, cause and fixes (one cluster from one vantage)
    Html,
    /// Checked rules as SARIF 2.1.0 (`--check`)
    Sarif,
    /// Checked rules as JUnit's XML (`--check`)
    Junit,
}

/// Explains and prints. Exit status 1 when the one client asked about does not connect, when
/// a rule is not kept, or when somebody would lose a connection.
pub(super) async fn run(options: &ExplainOptions, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let described = sources::load(&options.estate, &options.lab).await?;
    let answer = Answering { options, described: &described };
    if let Some(rules) = &options.check {
        return answer.check(rules, out);
    }
    if options.security {
        return answer.security(out);
    }
    if let Some(edits) = &options.what_if {
        return answer.what_if(edits, out);
    }
    if !options.against.is_empty() {
        let other = sources::load(&options.against, &options.lab).await?;
        return answer.difference(&other.network, &[], out);
    }
    answer.question(out)
}

/// An estate and what is asked about it.
struct Answering<'a> {
    options: &'a ExplainOptions,
    described: &'a Described,
}

impl Answering<'_> {
    fn question(&self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let (network, format) = (&self.described.network, self.options.output);
        let cluster = self.options.cluster.as_deref().map(|text| find_cluster(network, text)).transpose()?;
        let vantage = self.options.from.as_deref().map(|text| find_vantage(network, text)).transpose()?;
        let (Some(cluster), Some(vantage)) = (&cluster, &vantage) else {
            let rows = explain::Matrix::new(network).rows(vantage.as_ref(), cluster.as_ref());
            match format {
                Format::Text => write!(out, "{}", render::table::matrix(&rows))?,
                Format::Json => self.json(out, render::json::MatrixJson::new(&rows))?,
                _ => return Err(not_for(format, "one cluster from one vantage: name both").into()),
            }
            return Ok(ExitCode::SUCCESS);
        };
        let found = explain::explain(network, vantage, cluster).context("invariant: the cluster was found")?;
        let fixes = fixes(network, &found);
        let meanwhile = fix::meanwhile(network, &found);
        let picture = || render::picture::Picture::new(&found);
        match format {
            Format::Text => write!(out, "{}", render::text::explanation(&found, &fixes, meanwhile.as_ref()))?,
            Format::Json => self.json(out, render::json::ExplanationJson::new(&found, &fixes, meanwhile.as_ref()))?,
            Format::Mermaid => write!(out, "{}", picture().mermaid())?,
            Format::Svg => write!(out, "{}", picture().svg())?,
            Format::Html => write!(out, "{}", render::picture::html(&found, &fixes, meanwhile.as_ref()))?,
            Format::Sarif | Format::Junit => return Err(not_for(format, "rules: name them with `--check`").into()),
        }
        Ok(status(found.verdict != explain::Verdict::Fails))
    }

    fn security(&self, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let network = &self.described.network;
        let view = explain::security::security(network, &explain::Matrix::new(network));
        match self.options.output {
            Format::Text => write!(out, "{}", render::findings::security(&view))?,
            Format::Json => self.json(out, json!({"security": view}))?,
            format => return Err(not_for(format, "one cluster from one vantage, or rules").into()),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn what_if(&self, text: &str, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let network = &self.described.network;
        let (estate, edits, changed) = what_if::apply(text, network.estate()).map_err(|error| {
            Failure::new(format!("`{text}` cannot be tried"))
                .because(error.to_string())
                .remedy("docs/explain.md has the language")
        })?;
        let next = network.advance(&estate, &changed);
        self.difference(&next, &edits.iter().map(explain::Edit::describe).collect::<Vec<_>>(), out)
    }

    /// What becomes of every answer in `next`.
    fn difference(&self, next: &Network, edits: &[String], out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let network = &self.described.network;
        let before = explain::Matrix::new(network);
        let after = if edits.is_empty() { explain::Matrix::new(next) } else { before.advance(network, next) };
        let shifts = what_if::difference((network, &before), (next, &after));
        match self.options.output {
            Format::Text => {
                for edit in edits {
                    writeln!(out, "if you {edit}:")?;
                }
                write!(out, "{}", render::findings::difference(&shifts))?;
            }
            Format::Json => {
                let shifts: Vec<Value> = shifts
                    .iter()
                    .map(|shift| {
                        let mut value = serde_json::to_value(shift)?;
                        value["kind"] = json!(shift.kind());
                        Ok(value)
                    })
                    .collect::<serde_json::Result<_>>()?;
                self.json(out, json!({"edits": edits, "difference": shifts}))?;
            }
            format => return Err(not_for(format, "one cluster from one vantage, or rules").into()),
        }
        Ok(status(!shifts.iter().any(|shift| shift.kind() == "loses")))
    }

    fn check(&self, file: &Path, out: &mut impl Write) -> anyhow::Result<ExitCode> {
        let text = fs_err::read_to_string(file)?;
        let rules: Rules = toml::from_str(&text).map_err(|error| {
            Failure::new(format!("{} is no file of rules", file.display()))
                .because(error.to_string().trim().replace('\n', "\n          "))
                .remedy("docs/explain.md has the format")
        })?;
        if rules.version != rules::VERSION {
            return Err(Failure::new(format!("{} has version {}", file.display(), rules.version))
                .because(format!("this noren reads version {}", rules::VERSION))
                .into());
        }
        let network = &self.described.network;
        let checked = rules::check(&rules, network, &explain::Matrix::new(network));
        match self.options.output {
            Format::Text => write!(out, "{}", render::findings::rules(&checked))?,
            Format::Json => self.json(out, json!({"rules": checked}))?,
            Format::Sarif => {
                let sarif = render::pipeline::sarif(&checked, &self.described.origin, env!("CARGO_PKG_VERSION"));
                writeln!(out, "{}", serde_json::to_string_pretty(&sarif)?)?;
            }
            Format::Junit => write!(out, "{}", render::pipeline::junit(&checked))?,
            format => return Err(not_for(format, "one cluster from one vantage").into()),
        }
        Ok(status(checked.iter().all(|rule| rule.violations.is_empty())))
    }

    fn json(&self, out: &mut impl Write, answer: impl Serialize) -> anyhow::Result<()> {
        let (origin, findings) = (self.described.origin.clone(), self.described.findings.clone());
        let mut out = std::io::BufWriter::new(out);
        serde_json::to_writer_pretty(&mut out, &render::json::Document::new(origin, findings, answer))?;
        writeln!(out)?;
        Ok(out.flush()?)
    }
}

fn status(well: bool) -> ExitCode {
    ExitCode::from(if well { super::OK } else { super::DIFFERS })
}

fn not_for(format: Format, what: &str) -> Failure {
    let name = format.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
    Failure::new(format!("`--output {name}` does not show this")).because(format!("it is for {what}"))
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
        [] if given_up(network, plain).is_some() => Err(zone_given_up(network, plain)),
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

/// The cluster without a private DNS zone whose names begin as `name` does, a private one: it had that name before.
fn given_up<'a>(network: &'a Network, name: &str) -> Option<&'a network::Cluster> {
    let (label, zone) = name.split_once('.')?;
    let private = zone.split('.').any(|part| part.eq_ignore_ascii_case("privatelink"));
    let begins =
        |fqdn: &azure::DnsName| fqdn.as_str().split('.').next().is_some_and(|own| own.eq_ignore_ascii_case(label));
    let mut clusters = network.clusters().values();
    let found = clusters
        .find(|cluster| cluster.private && cluster.private_fqdn.is_none() && cluster.fqdn.as_ref().is_some_and(begins));
    found.filter(|_| private).map(AsRef::as_ref)
}

/// Source: Azure/azure-aks-docs issue 79.
fn zone_given_up(network: &Network, name: &str) -> anyhow::Error {
    let cluster = given_up(network, name).map_or("", |cluster| cluster.id.name());
    Failure::new(format!("{name} is a name that cluster {cluster} no longer has"))
        .because("PRIVATE_DNS_ZONE_NONE_BUT_NAME_CACHED: its private DNS zone was given up (`none`); kubeconfigs and nodes keep the old name until they are made anew")
        .remedy("fetch the kubeconfig again with `az aks get-credentials --overwrite-existing`")
        .into()
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
