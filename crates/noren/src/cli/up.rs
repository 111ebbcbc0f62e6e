//! `noren up`: a lab that runs until somebody stops it.

use std::{
    io::Write,
    process::ExitCode,
    time::{Duration, Instant},
};

use arm::Pace;
use clap::{Args, ValueEnum};

use super::{LabArgs, Output, style};
use crate::{
    client::Control,
    lab::{ControlPlane, DataDir, Lab, LabOptions, PlaneChoice, Status},
};

/// How long a lab that answers no more may hold its data: a process that was killed has it until the system has taken
/// its memory apart.
const RELEASE_TIME: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct UpOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// Keep nothing: the lab is gone when it stops
    #[arg(long, conflicts_with = "data")]
    ephemeral: bool,
    /// How long operations take: no longer than the work does, or as long as in Azure
    #[arg(long, value_enum, default_value_t)]
    pace: PaceName,
    /// Which data plane carries connections
    #[arg(long, value_enum, default_value_t)]
    plane: PlaneChoice,
    /// What stands behind clusters' endpoints: `embedded`, `envtest[:DIRECTORY]` (real etcd and kube-apiserver, found
    /// as envtest does) or `kubeconfig:FILE[#CONTEXT]`; the tag `noren.control-plane` of a cluster goes before it
    #[arg(long, value_name = "WHICH", default_value_t)]
    control_plane: ControlPlane,
    /// Write what embedded API servers are asked into `audit` in the lab's directory, a file for each cluster
    #[arg(long, value_enum, value_name = "LEVEL")]
    audit: Option<AuditName>,
    /// How to print where everything listens
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum PaceName {
    /// As fast as the work is done.
    #[default]
    Instant,
    /// As slow as Azure.
    Azure,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum AuditName {
    /// Who asked for what, when, and how it was answered.
    Metadata,
    /// What was sent, too, save secrets, config maps and tokens.
    Request,
}

/// Starts a lab, says where it listens, waits.
pub(super) async fn run(options: UpOptions, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let scratch = options.ephemeral.then(tempfile::tempdir).transpose()?;
    let data = match &scratch {
        Some(scratch) => DataDir::locate(Some(scratch.path().to_owned()))?,
        None => options.lab.directory()?,
    };
    let pace = match options.pace {
        PaceName::Instant => Pace::Instant,
        PaceName::Azure => Pace::Azure,
    };
    wait_for_release(&data).await?;
    let audit = options.audit.map(|level| match level {
        AuditName::Metadata => kube::AuditLevel::Metadata,
        AuditName::Request => kube::AuditLevel::Request,
    });
    let (plane, control_plane) = (options.plane, options.control_plane);
    let options_of_lab = LabOptions { data: Some(data.clone()), pace, plane, control_plane, audit, portal: true };
    let lab = Lab::start(options_of_lab).await?;
    let status = lab.status();
    match options.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string(&status)?)?,
        Output::Table => {
            write!(out, "{}", welcome(&status, &lab.portal_link().unwrap_or_default(), started, scratch.is_some()))?;
        }
    }
    out.flush()?;
    tokio::select! {
        () = lab.stop_requested() => {}
        () = interrupted() => {}
    }
    lab.stop().await;
    if options.output == Output::Table {
        writeln!(out, "stopped")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Waits, not for long, while a lab that does not answer holds `data`. Of one that still does, the start will say so.
async fn wait_for_release(data: &DataDir) -> anyhow::Result<()> {
    let held_by_nobody = async || {
        data.is_held()
            && match Control::connect(data) {
                Ok(holder) => !holder.answers().await,
                Err(_) => true,
            }
    };
    let released = async {
        if held_by_nobody().await {
            writeln!(anstream::stderr(), "waiting for a lab that has ended to let go of {}", data.path().display())?;
        }
        while held_by_nobody().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(RELEASE_TIME, released).await.unwrap_or(Ok(()))
}

fn welcome(status: &Status, portal: &str, started: Instant, ephemeral: bool) -> String {
    let public = status.views.iter().find(|view| view.network.is_none());
    let data = status.data.as_deref().unwrap_or_default();
    // Other shells find a lab at its usual place only.
    let usual = DataDir::locate(None).is_ok_and(|usual| usual.path().to_str() == Some(data));
    let flag = if usual { String::new() } else { format!(" --data {}", shlex::try_quote(data).unwrap_or(data.into())) };
    let mut text = format!(
        "{}\n\n  ARM and Entra ID   {}\n  public DNS         {}\n  portal             {portal}\n                     (works once; `noren portal{flag}` prints another)\n  data               {data}{}\n",
        style::heading(&format!("lab ready in {} ms", started.elapsed().as_millis())),
        status.arm,
        public.map_or_else(|| "not listening".to_owned(), |view| view.address.to_string()),
        if ephemeral { " (gone when the lab stops)" } else { "" },
    );
    text += &format!(
        "  views, vantages    {}, {} (`noren status{flag}` lists them)\n\nIn another shell:\n\n  eval \"$(noren env{flag})\"\n  az group list\n\n",
        status.views.len(),
        status.vantages.len()
    );
    text
}

/// Waits for SIGINT or SIGTERM.
async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
        else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
    #[cfg(not(unix))]
    {
        // Without a handler the process could only be killed, which the store survives too.
        let _ = tokio::signal::ctrl_c().await;
    }
}
