//! What connections cost: through a private endpoint of the kernel plane beside a plain veth, and
//! through the proxy plane beside HAProxy; all in one run, on one machine.
//!
//! Rivals take turns in short rounds; what is told are medians, and the median of the rounds'
//! ratios, which a neighbour who makes the machine slow for a while cannot move.

#[cfg(target_os = "linux")]
mod fabric;
mod load;
mod proxies;
mod rounds;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Throughput and connections a second, beside a plain veth and beside HAProxy")]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Client → private endpoint → server on the kernel plane, beside the same over a plain veth (root).
    #[cfg(target_os = "linux")]
    Fabric(Rounds),
    /// The proxy plane beside HAProxy in TCP mode.
    Proxy(Rounds),
    /// Only serves the proxy plane in front of a server at this port, and says where.
    #[command(hide = true)]
    ServeProxy { server: u16 },
    /// Only is the fabric's process.
    #[cfg(target_os = "linux")]
    #[command(hide = true)]
    Helper,
}

#[derive(Args, Clone, Copy)]
struct Rounds {
    /// Rounds; medians are shown.
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Seconds that each rival has in a round, for each measurement.
    #[arg(long, default_value_t = 0.25)]
    seconds: f64,
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().what {
        #[cfg(target_os = "linux")]
        What::Fabric(rounds) => fabric::compare(rounds),
        What::Proxy(rounds) => proxies::compare(rounds),
        What::ServeProxy { server } => proxies::serve(server),
        // It must still have one thread.
        #[cfg(target_os = "linux")]
        What::Helper => Ok(netns::fabric_main()),
    }
}
