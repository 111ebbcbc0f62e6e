//! `noren capture`: the packets that pass at a vantage or come to an endpoint, as a pcap file.

#[cfg(target_os = "linux")]
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use clap::Args;
#[cfg(target_os = "linux")]
use netns::CaptureOf as Of;
#[cfg(target_os = "linux")]
use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};

use super::{Done, LabArgs};
use crate::{
    failure::Failure,
    lab::{Lookout, Stand},
};

#[derive(Debug, Args)]
pub(super) struct CaptureOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// Where to look: a vantage of `noren vantages`, a virtual machine, a private or inbound endpoint, a cluster
    #[arg(long, value_name = "PLACE")]
    at: String,
    /// Where to write them [default: standard output, for `| tcpdump -r -` or `| wireshark -k -i -`]
    #[arg(long, short, value_name = "FILE")]
    write: Option<PathBuf>,
}

/// Writes packets until interrupted.
pub(super) async fn run(options: CaptureOptions) -> anyhow::Result<Done> {
    let Lookout { stand, address } = options.lab.connect()?.look(&options.at).await?;
    match stand {
        #[cfg(target_os = "linux")]
        Stand::Kernel { entrance, .. } => Ok(Done::Then(Box::new(move || {
            let output: Box<dyn std::io::Write> = match &options.write {
                Some(path) => Box::new(fs_err::File::create(path)?),
                None => Box::new(std::io::stdout().lock()),
            };
            // What has passed when somebody interrupts it is written before it ends.
            let mut interrupted = SigSet::empty();
            interrupted.extend([Signal::SIGINT, Signal::SIGTERM]);
            interrupted.thread_block()?;
            let end = SignalFd::with_flags(&interrupted, SfdFlags::SFD_CLOEXEC)?;
            netns::capture(&entrance, &Of { link: None, address }, output, end.as_fd())?;
            Ok(std::process::ExitCode::SUCCESS)
        }))),
        Stand::Proxy { why } => Err(Failure::new("there are no packets to see")
            .because(format!("connections go through the proxies: {why}"))
            .remedy("use a lab on the kernel plane: `noren status` says what it needs")
            .into()),
    }
}
