//! `noren exec`: runs a command that stands at a vantage, by way of the proxy variables that
//! `kubectl`, `helm`, `curl` and the SDKs honour.

use std::{ffi::OsString, process::ExitCode};

use clap::Args;

use super::{LabArgs, dig::find_vantage};
use crate::failure::Failure;

/// What a shell answers when there is no such command.
const NOT_FOUND: u8 = 127;

#[derive(Debug, Args)]
pub(super) struct ExecOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// Where to stand: a vantage of `noren status`
    #[arg(long, value_name = "VANTAGE")]
    from: String,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the command; its exit status is ours.
pub(super) async fn run(options: &ExecOptions) -> anyhow::Result<ExitCode> {
    let status = options.lab.connect()?.status().await?;
    let vantage = find_vantage(&status, &options.from)?;
    let Some((program, arguments)) = options.command.split_first() else { return Ok(ExitCode::SUCCESS) };
    let (http, socks) = (format!("http://{}", vantage.proxy), format!("socks5h://{}", vantage.proxy));
    let mut command = std::process::Command::new(program);
    command.args(arguments).env("NOREN_VANTAGE", &vantage.name);
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
    let status = tokio::task::spawn_blocking(move || command.status()).await?;
    match status {
        Ok(status) => Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let text = Failure::new(format!("there is no command `{}`", program.to_string_lossy()))
                .because("it is not on the PATH")
                .remedy("install it, or write its path");
            crate::report(&text.into());
            Ok(ExitCode::from(NOT_FOUND))
        }
        Err(error) => Err(error.into()),
    }
}
