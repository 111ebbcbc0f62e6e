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

use super::{Done, LabArgs, dig::find_vantage};
use crate::{
    failure::Failure,
    lab::{Stand, VantageStatus},
};

/// What a shell answers when there is no such command.
const NOT_FOUND: u8 = 127;
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
    let stand = control.stand(&options.from).await?;
    let mut command = Command::new(&program);
    command.args(arguments);
    match stand {
        #[cfg(target_os = "linux")]
        Stand::Kernel { entrance, files } => {
            command.env("NOREN_VANTAGE", &options.from);
            // What a proxy would do here is the namespace's work.
            for name in PROXY_VARIABLES {
                command.env_remove(name);
            }
            Ok(Done::Then(Box::new(move || exit_code(&program, entrance.run(&files, command)))))
        }
        Stand::Proxy { .. } => {
            let status = control.status().await?;
            through_proxy(&mut command, find_vantage(&status, &options.from)?);
            Ok(Done::Then(Box::new(move || exit_code(&program, command.status()))))
        }
    }
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
