//! `noren kubeconfig`: what `az aks get-credentials` gives, for a client at a vantage.

use std::{io::Write, path::PathBuf, process::ExitCode};

use azure::{Kind, ResourceId};
use clap::Args;

use super::{LabArgs, dig::find_vantage};
use crate::{
    client::{ArmClient, kubeconfig},
    failure::Failure,
    lab::{ClusterStatus, Status},
};

#[derive(Debug, Args)]
pub(super) struct KubeconfigOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// The cluster: its name, or `group/name`
    cluster: String,
    /// Where the client stands: a vantage of `noren status`
    #[arg(long, value_name = "VANTAGE")]
    from: String,
    /// Name the public FQDN instead of the private one
    #[arg(long)]
    public_fqdn: bool,
    /// The administrator's credentials instead of the user's
    #[arg(long)]
    admin: bool,
    /// Write to a file, readable by its owner only, instead of standard output
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,
}

/// Prints or writes the kubeconfig.
pub(super) async fn run(options: &KubeconfigOptions, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let data = options.lab.directory()?;
    let control = options.lab.connect()?;
    let status = control.status().await?;
    let vantage = find_vantage(&status, &options.from)?;
    let cluster = find_cluster(&status, &options.cluster)?;
    let running = control.running();
    let arm = ArmClient::sign_in(&running.url, &fs_err::read(data.authority())?, &running.sign_in).await?;
    let id =
        ResourceId::group(arm.subscription(), &cluster.group).resource(Kind::ManagedCluster.arm_type(), &cluster.name);
    let action = if options.admin { "listClusterAdminCredential" } else { "listClusterUserCredential" };
    let query = if options.public_fqdn { "?server-fqdn=public" } else { "" };
    let reply = arm.post(&id, &format!("{action}{query}")).await?;
    let config =
        kubeconfig::behind_proxy(&kubeconfig::from_credentials(&reply)?, &format!("http://{}", vantage.proxy))?;
    match &options.file {
        Some(file) => data.write(&std::path::absolute(file)?, config.as_bytes())?,
        None => write!(out, "{config}")?,
    }
    Ok(ExitCode::SUCCESS)
}

fn find_cluster<'a>(status: &'a Status, text: &str) -> anyhow::Result<&'a ClusterStatus> {
    let names = |cluster: &&ClusterStatus| {
        cluster.name.eq_ignore_ascii_case(text)
            || format!("{}/{}", cluster.group, cluster.name).eq_ignore_ascii_case(text)
    };
    let found: Vec<&ClusterStatus> = status.clusters.iter().filter(names).collect();
    let list = |clusters: &[&ClusterStatus]| {
        clusters.iter().map(|cluster| format!("{}/{}", cluster.group, cluster.name)).collect::<Vec<_>>().join(", ")
    };
    match found.as_slice() {
        [only] => Ok(only),
        [] if status.clusters.is_empty() => Err(Failure::new(format!("there is no cluster `{text}`"))
            .because("the lab has no cluster yet")
            .remedy("create one with `az aks create --enable-private-cluster`")
            .into()),
        [] => Err(Failure::new(format!("there is no cluster `{text}`"))
            .because(format!("the lab has {}", list(&status.clusters.iter().collect::<Vec<_>>())))
            .remedy("choose one of them, or create it with `az aks create`")
            .into()),
        several => Err(Failure::new(format!("`{text}` names more than one cluster"))
            .because(format!("it is the name of {}", list(several)))
            .remedy("write the resource group in front: `group/name`")
            .into()),
    }
}
