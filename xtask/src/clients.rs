//! The real clients that end-to-end tests drive: `az` from its package, the others from the system.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;

/// The release of `az` that the tests were written against.
const AZURE_CLI: &str = "azure-cli==2.91.0";
/// What must be on the `PATH`, and what brings it.
const SYSTEM: &[(&str, &str)] =
    &[("kubectl", "kubectl"), ("dig", "dnsutils"), ("curl", "curl"), ("openvpn", "openvpn"), ("ip", "iproute2")];

/// Installs what is missing; gives the directory whose `bin` holds `az`.
///
/// # Errors
/// When the workspace cannot be found. A client that cannot be had is only named: its tests say so.
pub(crate) fn install() -> Result<PathBuf> {
    let metadata = MetadataCommand::new().no_deps().exec().context("no workspace here")?;
    let clients = metadata.target_directory.as_std_path().join("clients");
    if let Err(error) = azure_cli(&clients) {
        super::say(&format!("== clients: az could not be installed, its tests are skipped: {error:#}"));
    }
    for (program, package) in SYSTEM {
        if Command::new(program).arg("--help").output().is_err() {
            super::say(&format!("== clients: {program} is missing, its tests are skipped (package {package})"));
        }
    }
    Ok(clients)
}

fn azure_cli(clients: &Path) -> Result<()> {
    let marker = clients.join("az-version");
    if fs_err::read_to_string(&marker).is_ok_and(|version| version == AZURE_CLI) {
        return Ok(());
    }
    fs_err::create_dir_all(clients)?;
    super::say(&format!("== clients: installing {AZURE_CLI} (a minute or two)"));
    run(Command::new("python3").args(["-m", "venv"]).arg(clients))?;
    run(Command::new(clients.join("bin/python3")).args(["-m", "pip", "install", "--quiet", AZURE_CLI]))?;
    fs_err::write(&marker, AZURE_CLI)?;
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} could not be started"))?;
    anyhow::ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
