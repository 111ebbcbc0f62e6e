//! noren: private AKS clusters on your own machine, which API server address each client gets,
//! whether it connects, and why not.

mod cli;
mod client;
mod failure;
mod lab;
mod tour;

use std::{io::Write, process::ExitCode, time::Duration};

use clap::Parser;
use tracing_subscriber::EnvFilter;

/// A lab starts on all processors at once, where the system's allocator takes twice as long.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long what runs on beside is given to end: a thread that draws its first random number while
/// the process ends and libcrypto is torn down aborts the process.
const ENDING: Duration = Duration::from_secs(1);

/// Exit status when what was asked could not be done.
const FAILED: u8 = 3;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    #[cfg(target_os = "linux")]
    if let Some(done) = cli.kernel_work().map(|work| work()).or_else(|| cli.done_at_once()) {
        return done.unwrap_or_else(|error| {
            report(&error);
            ExitCode::from(FAILED)
        });
    }
    let filter = EnvFilter::try_from_env("NOREN_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false).init();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report(&error.into());
            return ExitCode::from(FAILED);
        }
    };
    let done = runtime.block_on(cli::run(cli));
    let ended = match done {
        Ok(cli::Done::Then(rest)) => {
            drop(runtime);
            rest()
        }
        Ok(cli::Done::Exit(code)) => {
            runtime.shutdown_timeout(ENDING);
            Ok(code)
        }
        Err(error) => {
            runtime.shutdown_timeout(ENDING);
            Err(error)
        }
    };
    ended.unwrap_or_else(|error| {
        report(&error);
        ExitCode::from(FAILED)
    })
}

/// Says what failed, why, and what to do about it, on standard error.
pub(crate) fn report(error: &anyhow::Error) {
    // Nobody can be told that standard error is gone.
    let _ = writeln!(anstream::stderr(), "error: {error:#}");
}
