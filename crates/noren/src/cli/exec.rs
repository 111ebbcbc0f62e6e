//! `noren exec` and `noren shell`: run a program that stands at a vantage.
//!
//! On the kernel plane it runs in the namespace of the machine there, with that machine's
//! `resolv.conf` and hosts file: any program does. On the proxy plane it runs here, with the proxy
//! variables that `kubectl`, `helm`, `curl` and the SDKs honour.

use std::{
    ffi::{OsStr, OsString},
    io,
    process::{Command, ExitCode, ExitStatus},
};

use clap::Args;

use super::{Done, LabArgs, dig::find_vantage, doctor::PUBLIC_RESOLVERS};
#[cfg(target_os = "linux")]
use crate::lab::stand_socket;
use crate::{
    failure::Failure,
    lab::{Stand, VantageStatus},
};

/// What a shell answers when there is no such command.
const NOT_FOUND: u8 = 127;
/// What a shell answers when there is one that it may not run.
const NOT_RUN: u8 = 126;
/// What a shell adds to the number of the signal that ended a command.
const SIGNALLED: i32 = 128;

#[derive(Debug, Args)]
pub(super) struct ExecOptions {
    #[command(flatten)]
    at: AtOptions,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(super) struct ShellOptions {
    #[command(flatten)]
    at: AtOptions,
}

#[derive(Debug, Args)]
struct AtOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// Where to stand: a vantage of `noren vantages`, or a virtual machine
    #[arg(long, value_name = "VANTAGE")]
    from: String,
}

/// Runs the command; its exit status is ours.
pub(super) async fn run(options: ExecOptions) -> anyhow::Result<Done> {
    let mut words = options.command.into_iter();
    match words.next() {
        Some(program) => at(&options.at, program, words.collect()).await,
        None => Ok(Done::Exit(ExitCode::SUCCESS)),
    }
}

/// Runs the user's shell.
pub(super) async fn shell(options: &ShellOptions) -> anyhow::Result<Done> {
    let shell = std::env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    at(&options.at, shell, Vec::new()).await
}

async fn at(options: &AtOptions, program: OsString, arguments: Vec<OsString>) -> anyhow::Result<Done> {
    let control = options.lab.connect()?;
    match control.stand(&options.from).await? {
        #[cfg(target_os = "linux")]
        stand @ Stand::Kernel { .. } => {
            let from = options.from.clone();
            Ok(Done::Then(Box::new(move || in_namespace(&from, stand, &program, &arguments))))
        }
        Stand::Proxy { .. } => {
            let status = control.status().await?;
            let mut command = Command::new(&program);
            command.args(arguments);
            through_proxy(&mut command, find_vantage(&status, &options.from)?);
            if let Some(public) = status.views.iter().find(|view| view.network.is_none()) {
                command.env(PUBLIC_RESOLVERS, public.address.to_string());
            }
            Ok(Done::Then(Box::new(move || exit_code(&program, command.status()))))
        }
    }
}

/// Runs the command where the lab says at once how to stand there, which needs no runtime; `None`
/// where it must be asked for more.
#[cfg(target_os = "linux")]
pub(super) fn at_once(options: &ExecOptions) -> Option<anyhow::Result<ExitCode>> {
    let (program, arguments) = options.command.split_first()?;
    let stand = stand_socket::ask(&options.at.lab.directory().ok()?, &options.at.from)?;
    Some(in_namespace(&options.at.from, stand, program, arguments))
}

#[cfg(target_os = "linux")]
fn in_namespace(from: &str, stand: Stand, program: &OsStr, arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let Stand::Kernel { entrance, files } = stand else { anyhow::bail!("no machine stands at {from}") };
    let mut command = Command::new(program);
    command.args(arguments).env("NOREN_VANTAGE", from);
    command.env(PUBLIC_RESOLVERS, network::plan::PUBLIC_DNS.to_string());
    // What a proxy would do here is the namespace's work.
    for name in PROXY_VARIABLES {
        command.env_remove(name);
    }
    exit_code(program, entrance.run(&files, command))
}

/// Variables that would lead a program past the vantage.
#[cfg(target_os = "linux")]
const PROXY_VARIABLES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

fn through_proxy(command: &mut Command, vantage: &VantageStatus) {
    command.env("NOREN_VANTAGE", &vantage.name);
    let (http, socks) = (format!("http://{}", vantage.proxy), format!("socks5h://{}", vantage.proxy));
    for name in ["HTTPS_PROXY", "https_proxy"] {
        command.env(name, &http);
    }
    for name in ["ALL_PROXY", "all_proxy"] {
        command.env(name, &socks);
    }
    // The lab itself, ARM, is on this machine and not behind the vantage.
    for name in ["NO_PROXY", "no_proxy"] {
        command.env(name, "localhost,127.0.0.1");
    }
}

fn exit_code(program: &OsStr, ended: io::Result<ExitStatus>) -> anyhow::Result<ExitCode> {
    match ended {
        Ok(status) => Ok(ExitCode::from(u8::try_from(code(status)).unwrap_or(1))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let text = Failure::new(format!("there is no command `{}`", program.to_string_lossy()))
                .because(format!("it is not on the PATH ({error})"))
                .remedy("install it, or write its path");
            crate::report(&text.into());
            Ok(ExitCode::from(NOT_FOUND))
        }
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let text = Failure::new(format!("`{}` cannot be run", program.to_string_lossy()))
                .because(format!("you may not run it, or nothing of its name on the PATH ({error})"))
                .remedy("look at its permissions and those of its directories and its interpreter");
            crate::report(&text.into());
            Ok(ExitCode::from(NOT_RUN))
        }
        Err(error) => Err(error.into()),
    }
}

fn code(status: ExitStatus) -> i32 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return SIGNALLED + signal;
    }
    status.code().unwrap_or(1)
}
