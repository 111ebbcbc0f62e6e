//! `noren portal`: a fresh link to the lab's web page. It opens nothing.

use std::{io::Write, process::ExitCode};

use super::LabArgs;

/// Prints a link that lets one browser in, once.
pub(super) async fn run(lab: &LabArgs, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    writeln!(out, "{}", lab.connect()?.portal_link().await?)?;
    Ok(ExitCode::SUCCESS)
}
