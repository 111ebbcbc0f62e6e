//! `az aks command invoke`: runs `kubectl` or `helm` against a cluster, from inside.
//!
//! Azure runs the command in a pod; the lab runs it on this machine, so it is held tight: no
//! shell, only these two programs, a directory of its own, an environment of nothing but what they
//! need, a time limit and bounded output. From inside means that the command reaches the API
//! server whatever the vantages can see: a listener on loopback leads straight to it.

use std::{io, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use arm::{CommandResult, CommandRunner, hooks::BoxFuture, provider::Work};
use azure::ResourceId;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use network::Network;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::TcpListener,
    process::Command,
};
use tokio_util::task::AbortOnDropHandle;

use super::backend::Backend;

/// The programs that may be run.
const PROGRAMS: [&str; 2] = ["kubectl", "helm"];
/// How long a command may run.
const TIMEOUT: Duration = Duration::from_secs(300);
/// Most bytes of output kept (Azure keeps 512 KiB).
const LOGS_MAX: u64 = 512 * 1024;
/// Most bytes that a command's files may have when unpacked.
const FILES_MAX: u64 = 64 * 1024 * 1024;
/// What a shell answers when it cannot run a command.
const CANNOT_RUN: i32 = 126;

/// Runs commands in clusters.
pub(super) struct Runner {
    backend: Arc<Backend>,
    network: Arc<ArcSwap<Network>>,
}

impl Runner {
    /// Over the clusters behind `backend`.
    pub(super) fn new(backend: Arc<Backend>, network: Arc<ArcSwap<Network>>) -> Self {
        Self { backend, network }
    }
}

impl CommandRunner for Runner {
    fn run(&self, work: Work) -> BoxFuture<CommandResult> {
        let Work::RunCommand { cluster, command, context } = work;
        let (backend, network) = (Arc::clone(&self.backend), self.network.load_full());
        Box::pin(async move {
            match run(&backend, &network, &cluster, &command, &context).await {
                Ok(result) => result,
                Err(error) => CommandResult { exit_code: CANNOT_RUN, logs: format!("{error:#}\n") },
            }
        })
    }
}

async fn run(
    backend: &Arc<Backend>,
    network: &Network,
    cluster: &ResourceId,
    command: &str,
    context: &str,
) -> anyhow::Result<CommandResult> {
    let words = shlex::split(command).context("the command's quotes do not match")?;
    let [program, arguments @ ..] = words.as_slice() else { bail!("the command is empty") };
    if !PROGRAMS.contains(&program.as_str()) {
        bail!("`{program}` is not run here: only kubectl and helm are, without a shell");
    }
    let directory = tempfile::tempdir()?;
    unpack(context, directory.path()).context("the command's files cannot be unpacked")?;
    let door = Door::open(Arc::clone(backend), cluster.clone()).await?;
    let kubeconfig = directory.path().join(".kubeconfig");
    fs_err::write(&kubeconfig, kubeconfig_inside(network, cluster, door.port)?)?;

    let mut child = Command::new(program)
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", directory.path())
        .env("KUBECONFIG", &kubeconfig)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("`{program}` cannot be run on this machine"))?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let finished = async { tokio::join!(read(stdout), read(stderr), child.wait()) };
    let Ok((stdout, stderr, status)) = tokio::time::timeout(TIMEOUT, finished).await else {
        bail!("the command did not end within {} s", TIMEOUT.as_secs());
    };
    let logs = [stdout?, stderr?].concat();
    Ok(CommandResult {
        exit_code: status?.code().unwrap_or(CANNOT_RUN),
        logs: String::from_utf8_lossy(&logs).into_owned(),
    })
}

async fn read(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(mut stream) = stream else { return Ok(bytes) };
    (&mut stream).take(LOGS_MAX).read_to_end(&mut bytes).await?;
    // The rest is read and dropped, so that the program can end.
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    Ok(bytes)
}

/// Unpacks the zip that clients send along.
fn unpack(context: &str, directory: &std::path::Path) -> anyhow::Result<()> {
    if context.is_empty() {
        return Ok(());
    }
    let mut archive = zip::ZipArchive::new(io::Cursor::new(STANDARD.decode(context)?))?;
    let mut left = FILES_MAX;
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        // A name that leads out of the directory is no name.
        let Some(name) = file.enclosed_name() else { bail!("file {index} of the zip leads outside") };
        let path = directory.join(name);
        if file.is_dir() {
            fs_err::create_dir_all(path)?;
            continue;
        }
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent)?;
        }
        let mut target = fs_err::File::create(path)?;
        let copied = io::copy(&mut io::Read::take(&mut file, left + 1), &mut target)?;
        left = left.checked_sub(copied).context("they are too large")?;
    }
    Ok(())
}

/// A kubeconfig for somebody inside the cluster: the certificate is checked for the service's name.
fn kubeconfig_inside(network: &Network, cluster: &ResourceId, port: u16) -> anyhow::Result<String> {
    let resource = network.estate().get(cluster).context("the cluster is gone")?;
    let credentials =
        arm::providers::container_service::credentials(resource).context("the cluster has no credentials")?;
    let data = |pem: &str| STANDARD.encode(pem);
    Ok(serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "inside",
        "clusters": [{"name": "inside", "cluster": {
            "server": format!("https://127.0.0.1:{port}"),
            "tls-server-name": "kubernetes",
            "certificate-authority-data": data(&credentials.authority.certificate),
        }}],
        "users": [{"name": "inside", "user": {
            "client-certificate-data": data(&credentials.admin.certificate.certificate_pem),
            "client-key-data": data(credentials.admin.certificate.key_pem.expose()),
        }}],
        "contexts": [{"name": "inside", "context": {"cluster": "inside", "user": "inside"}}],
    })
    .to_string())
}

/// A loopback port that leads to one cluster while it is held.
struct Door {
    port: u16,
    _accepting: AbortOnDropHandle<()>,
}

impl Door {
    async fn open(backend: Arc<Backend>, cluster: ResourceId) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let accepting = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let Ok(mut server) = backend.pipe(&cluster) else { return };
                tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
            }
        });
        Ok(Self { port, _accepting: AbortOnDropHandle::new(accepting) })
    }
}
