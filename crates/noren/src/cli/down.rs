//! `noren down`: stops the lab and waits until it has stopped.

use std::{io::Write, process::ExitCode, time::Duration};

use anyhow::Context;

use super::LabArgs;

/// How long a lab may take to stop.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Stops the running lab.
pub(super) async fn run(lab: &LabArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let (control, data) = (lab.connect()?, lab.directory()?);
    control.shut_down().await?;
    // Who starts a lab right after this must find its data free.
    let gone = async {
        while control.answers().await || data.is_held() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, gone).await.context("the lab does not stop")?;
    writeln!(out, "stopped {}", control.running().url)?;
    Ok(ExitCode::SUCCESS)
}
