//! `noren capture`: the packets that pass at a vantage, as a pcap file.

use std::path::PathBuf;

use clap::Args;

use super::{Done, LabArgs};
use crate::{failure::Failure, lab::Stand};

#[derive(Debug, Args)]
pub(super) struct CaptureOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// Where to look: a vantage of `noren vantages`, or a virtual machine
    #[arg(long, value_name = "VANTAGE")]
    at: String,
    /// Where to write them [default: standard output, for `| tcpdump -r -` or `| wireshark -k -i -`]
    #[arg(long, short, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Writes packets until interrupted.
pub(super) async fn run(options: CaptureOptions) -> anyhow::Result<Done> {
    match options.lab.connect()?.stand(&options.at).await? {
        #[cfg(target_os = "linux")]
        Stand::Kernel { entrance, .. } => Ok(Done::Then(Box::new(move || {
            let output: Box<dyn std::io::Write> = match &options.write {
                Some(path) => Box::new(fs_err::File::create(path)?),
                None => Box::new(std::io::stdout().lock()),
            };
            netns::capture(&entrance, None, output, || true)?;
            Ok(std::process::ExitCode::SUCCESS)
        }))),
        Stand::Proxy { why } => Err(Failure::new("there are no packets to see")
            .because(format!("connections go through the proxies: {why}"))
            .remedy("use a lab on the kernel plane: `noren status` says what it needs")
            .into()),
    }
}
