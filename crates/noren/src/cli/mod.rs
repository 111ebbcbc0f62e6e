//! The command line: what can be said, and which module does it.

mod capture;
mod dig;
mod doctor;
mod down;
mod env;
mod exec;
mod explain;
mod kubeconfig;
mod portal;
pub(crate) mod progress;
mod status;
pub(crate) mod style;
mod up;
mod vantages;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};

use crate::{
    client::Control,
    lab::{DataDir, PlaneChoice},
};

/// Everything went as asked.
const OK: u8 = 0;
/// What was asked about is not as it should be.
const DIFFERS: u8 = 1;

/// Private AKS clusters on your own machine: which API server address each client gets, whether
/// it connects, and why not.
#[derive(Debug, Parser)]
#[command(name = "noren", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Start with:
  noren tour                                  the whole story in a few seconds, nothing left behind
  noren up                                    a lab that stays; then, in another shell:
  eval \"$(noren env)\"                         az, kubectl and the SDKs find the lab
  az group create -n rg -l japaneast
  az aks create -g rg -n a --enable-private-cluster --no-ssh-key
  noren status                                clusters, vantages, DNS views and where they listen
  noren exec --from aks-vnet-12345678/aks-subnet -- kubectl get nodes";

#[derive(Debug, Subcommand)]
enum Command {
    /// Build the article's two clusters in a lab of its own and show what every client sees
    Tour(TourOptions),
    /// Keep a lab running until Ctrl-C or `noren down`
    Up(up::UpOptions),
    /// Print the settings by which az, kubectl, Terraform and the SDKs find the lab
    Env(env::EnvOptions),
    /// Show where everything listens, the clusters and the vantages
    Status(status::StatusOptions),
    /// Ask a name as a client at a vantage would
    Dig(dig::DigOptions),
    /// Say why a client reaches a private cluster or does not, and what to do: of the lab, Azure or a file
    Explain(explain::ExplainOptions),
    /// Say what keeps kubectl from an API server, from where this runs; no lab and no Azure rights needed
    Doctor(doctor::DoctorOptions),
    /// Print a cluster's kubeconfig for a client at a vantage
    Kubeconfig(kubeconfig::KubeconfigOptions),
    /// List the places a client can stand
    Vantages(vantages::VantagesOptions),
    /// Run a command at a vantage
    Exec(exec::ExecOptions),
    /// Run a shell at a vantage
    Shell(exec::ShellOptions),
    /// Write the packets that pass at a vantage as a pcap file
    Capture(capture::CaptureOptions),
    /// Print a link to the lab's web page that lets one browser in, once
    Portal(LabArgs),
    /// Stop the lab
    Down(LabArgs),
    /// The kernel plane's helper, started by the lab
    #[command(name = FABRIC, hide = true)]
    Fabric,
    /// The process that looks from a namespace, started by the tour
    #[command(name = LOOK, hide = true)]
    Look,
    /// Print a shell's completion script
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// The subcommand by which a lab starts its kernel plane's helper.
pub(crate) const FABRIC: &str = "fabric";

/// The subcommand by which the tour looks from a namespace.
pub(crate) const LOOK: &str = "look";

/// What is left when the asynchronous part is over.
pub(crate) enum Done {
    /// To end.
    Exit(ExitCode),
    /// To do this once the process has one thread again, which entering namespaces wants.
    Then(Box<dyn FnOnce() -> anyhow::Result<ExitCode>>),
}

impl From<ExitCode> for Done {
    fn from(code: ExitCode) -> Self {
        Self::Exit(code)
    }
}

impl Cli {
    /// The work of this process, if it is one of the kernel plane's, which must not have a second
    /// thread.
    #[cfg(target_os = "linux")]
    pub(crate) fn kernel_work(&self) -> Option<fn() -> anyhow::Result<ExitCode>> {
        match self.command {
            Command::Fabric => Some(|| Ok(netns::fabric_main())),
            Command::Look => Some(|| crate::tour::inside::main().map(|()| ExitCode::SUCCESS)),
            _ => None,
        }
    }

    /// What came of a command that is done without a runtime; `None` for all others.
    #[cfg(target_os = "linux")]
    pub(crate) fn done_at_once(&self) -> Option<anyhow::Result<ExitCode>> {
        match &self.command {
            Command::Exec(options) => exec::at_once(options),
            _ => None,
        }
    }
}

const DATA_HELP: &str = "The lab's directory [default: $NOREN_DATA, else the platform's place for application data]";

/// Which lab is meant.
#[derive(Debug, Args)]
struct LabArgs {
    // The variable is read in `DataDir::locate`: a value from it must not conflict with other options.
    #[arg(long, value_name = "DIR", help = DATA_HELP)]
    data: Option<PathBuf>,
}

impl LabArgs {
    fn directory(&self) -> anyhow::Result<DataDir> {
        DataDir::locate(self.data.clone())
    }

    fn connect(&self) -> anyhow::Result<Control> {
        Control::connect(&self.directory()?)
    }
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// For scripts.
    Json,
}

#[derive(Debug, Args)]
struct TourOptions {
    /// Which data plane carries connections
    #[arg(long, value_enum, default_value_t)]
    plane: PlaneChoice,
    /// How to print the result
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// Does what the command line says.
pub(crate) async fn run(cli: Cli) -> anyhow::Result<Done> {
    let mut out = anstream::stdout().lock();
    let code = match cli.command {
        Command::Exec(options) => return exec::run(options).await,
        Command::Shell(options) => return exec::shell(&options).await,
        Command::Capture(options) => return capture::run(options).await,
        Command::Tour(options) => {
            let as_reported = crate::tour::run(options.plane, options.output, &mut out).await?;
            ExitCode::from(if as_reported { OK } else { DIFFERS })
        }
        Command::Up(options) => up::run(options, &mut out).await?,
        Command::Env(options) => env::run(&options, &mut out)?,
        Command::Status(options) => status::run(&options, &mut out).await?,
        Command::Vantages(options) => vantages::run(&options, &mut out).await?,
        Command::Dig(options) => dig::run(&options, &mut out).await?,
        Command::Explain(options) => explain::run(&options, &mut out).await?,
        Command::Doctor(options) => doctor::run(&options, &mut out).await?,
        Command::Kubeconfig(options) => kubeconfig::run(&options, &mut out).await?,
        Command::Portal(lab) => portal::run(&lab, &mut out).await?,
        Command::Down(lab) => down::run(&lab, &mut out).await?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "noren", &mut script);
            out.write_all(&script)?;
            ExitCode::SUCCESS
        }
        Command::Fabric | Command::Look => anyhow::bail!("the kernel data plane is for Linux only"),
    };
    Ok(code.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn help_teaches_the_first_steps() {
        insta::assert_snapshot!(Cli::command().render_help());
    }
}
