//! `noren doctor`: what keeps `kubectl` from an API server. It needs no lab: it looks from where it runs.

use std::{
    io::Write,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
};

use clap::Args;
use doctor::{Access, Depth, KubeconfigError, Surroundings};

use super::{DIFFERS, OK, Output, progress::Progress};
use crate::failure::Failure;

/// The variable with the public resolvers, set for programs that stand in a lab.
pub(super) const PUBLIC_RESOLVERS: &str = "NOREN_PUBLIC_RESOLVERS";
/// What was said on the command line, or in the kubeconfig, cannot be used.
const USAGE: u8 = 2;
/// The port of DNS.
const DNS_PORT: u16 = 53;

const EXAMPLES: &str = "\
Examples:
  noren doctor                                the current context of $KUBECONFIG or ~/.kube/config
  noren doctor --context prod --deep          another context; whether large packets pass, too
  noren doctor --output json | jq .cause      for scripts: docs/doctor.md
  noren exec --from VANTAGE -- noren doctor   in a lab, from where that client stands

It looks the server's names up, connects, reads the certificate, asks /version, and names one cause with what proves it
and what to do. It changes nothing and takes ten seconds at most.

Exit status: 0 nothing is wrong, 1 something is, 2 the command line or the kubeconfig cannot be used.";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DoctorOptions {
    /// The kubeconfig [default: $KUBECONFIG, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context in it [default: the current one]
    #[arg(long)]
    context: Option<String>,
    /// Look further than kubectl itself would: large requests, a pod's log
    #[arg(long)]
    deep: bool,
    /// Ask no DNS server but the configured ones
    #[arg(long)]
    offline: bool,
    /// A public DNS server to compare answers with; may be repeated
    #[arg(
        long = "public-resolver",
        value_name = "ADDRESS",
        env = PUBLIC_RESOLVERS,
        value_delimiter = ',',
        default_value = "1.1.1.1,8.8.8.8,9.9.9.9",
        value_parser = server
    )]
    public_resolvers: Vec<SocketAddr>,
    /// How to print the result
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// An address, with a port if it is not DNS's.
fn server(text: &str) -> Result<SocketAddr, String> {
    let plain = || text.parse().map(|address: IpAddr| SocketAddr::new(address, DNS_PORT));
    text.parse().or_else(|_| plain()).map_err(|_| "an address is wanted, as 1.1.1.1 or 127.0.0.1:5353".to_owned())
}

/// Looks, and says what is wrong. Exit status 1 when something is, 2 when the kubeconfig names no server.
pub(super) async fn run(options: &DoctorOptions, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let access = match doctor::load(&files(options), options.context.as_deref()) {
        Ok(access) => access,
        Err(error) => {
            crate::report(&explained(&error).into());
            return Ok(ExitCode::from(USAGE));
        }
    };
    let (seen, diagnosis) = look(options, &access).await;
    match options.output {
        Output::Table => write!(out, "{}", doctor::text(&seen, &diagnosis))?,
        Output::Json => writeln!(out, "{:#}", doctor::json(&seen, &diagnosis))?,
    }
    Ok(ExitCode::from(if diagnosis.cause.is_none() { OK } else { DIFFERS }))
}

async fn look(options: &DoctorOptions, access: &Access) -> (doctor::Observations, doctor::Diagnosis) {
    let progress = Progress::uncounted(options.output);
    let around = Surroundings::of_this_machine(options.public_resolvers.clone(), options.offline).await;
    let depth = if options.deep { Depth::Deep } else { Depth::Plain };
    let seen = doctor::observe(access, &around, depth, &|what| progress.say(what)).await;
    progress.finish();
    let diagnosis = doctor::diagnose(&seen);
    (seen, diagnosis)
}

fn files(options: &DoctorOptions) -> Vec<PathBuf> {
    if let Some(file) = &options.kubeconfig {
        return vec![file.clone()];
    }
    if let Some(list) = std::env::var_os("KUBECONFIG").filter(|list| !list.is_empty()) {
        return std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
    }
    let home = etcetera::home_dir().unwrap_or_default();
    vec![home.join(".kube").join("config")]
}

/// What kept the kubeconfig from being read, and what to do.
fn explained(error: &KubeconfigError) -> Failure {
    let failure = Failure::new(error.to_string());
    let choose = |failure: Failure, known: &[String], option: &str| {
        failure.because(format!("it has {}", known.join(", "))).remedy(format!("name one of them{option}"))
    };
    match error {
        KubeconfigError::Unreadable { source, .. } => failure
            .because(source.to_string())
            .remedy("name one with --kubeconfig; `az aks get-credentials` writes one"),
        KubeconfigError::Malformed { .. } | KubeconfigError::BadServer { .. } => {
            failure.remedy("correct it, or have `az aks get-credentials` write it anew")
        }
        KubeconfigError::Missing => failure
            .because("without one kubectl and Terraform's provider ask localhost")
            .remedy("name one with --kubeconfig; `az aks get-credentials` writes one"),
        KubeconfigError::NoContext { known } | KubeconfigError::NotFound { what: "context", known, .. } => {
            choose(failure, known, " with --context")
        }
        KubeconfigError::NotFound { known, .. } => choose(failure, known, " in the context"),
    }
}
