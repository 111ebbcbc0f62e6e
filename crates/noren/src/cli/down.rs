//! `noren down`: stops the lab and waits until it has stopped.

use std::{io::Write, process::ExitCode, time::Duration};

use anyhow::Context;

use super::LabArgs;

/// How long a lab may take to stop.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Stops the running lab.
pub(super) async fn run(lab: &LabArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let (control, store) = (lab.connect()?, lab.directory()?.store());
    control.shut_down().await?;
    let gone = async {
        while control.answers().await || is_held(&store) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, gone).await.context("the lab does not stop")?;
    writeln!(out, "stopped {}", control.running().url)?;
    Ok(ExitCode::SUCCESS)
}

/// Whether a lab still holds its data: who starts one right after `noren down` must find it free.
fn is_held(store: &std::path::Path) -> bool {
    std::fs::File::open(store).is_ok_and(|file| matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock)))
}
