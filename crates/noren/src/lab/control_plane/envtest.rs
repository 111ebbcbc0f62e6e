//! A `kube-apiserver` and an `etcd` of a cluster's own, on loopback, with their data in the lab's.
//!
//! Started as controller-runtime's envtest does (`pkg/internal/testing/controlplane`), with two differences: what is
//! stored stays, and `etcd` too lets nobody in who does not show a certificate, for others may use this machine. No
//! controllers run and there are no nodes, as with envtest.

use std::{
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use kube::{ClusterSpec, Upstream, UpstreamSpec};
use pki::{Authority, ClientCertificate, Identity, Redacted, ServerCertificate, TokenIssuer};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use super::programs::Programs;
use crate::{
    failure::Failure,
    lab::{DataDir, LIFETIME_DAYS, now},
};

/// How long both may take until they are ready. envtest gives each 20 seconds on an idle machine.
const START_TIME: Duration = Duration::from_secs(120);
/// How long each may take to end by itself.
const STOP_TIME: Duration = Duration::from_secs(2);
/// How often a program that starts is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most lines of a program's log that are told when it has failed.
const LINES_TOLD: usize = 3;

/// A control plane that runs.
pub(super) struct Envtest {
    etcd: Program,
    api_server: Program,
    upstream: Arc<Upstream>,
}

impl Envtest {
    /// Starts both and waits until the API server says that it is ready.
    ///
    /// # Errors
    /// [`Failure`] when either ends or does not get ready, with what it logged last.
    pub(super) async fn start(programs: &Programs, data: &DataDir, spec: &ClusterSpec) -> Result<Self, Failure> {
        let started = Instant::now();
        let failure = |error: anyhow::Error| {
            Failure::new(format!("the control plane of {} cannot be started", spec.name)).because(format!("{error:#}"))
        };
        let place = data.control_planes().join(&spec.id);
        let material = Material::write(data, &place).map_err(failure)?;
        let ports = free_ports().map_err(|error| failure(error.into()))?;
        let etcd = Program::start(&programs.etcd, &place.join("etcd.log"), &etcd_arguments(&place, ports));
        let etcd = etcd.map_err(failure)?;
        let arguments = api_server_arguments(&place, ports, spec);
        let log = place.join("kube-apiserver.log");
        let api_server = Program::start(&programs.api_server, &log, &arguments).map_err(failure)?;
        let upstream = UpstreamSpec {
            server: format!("https://127.0.0.1:{}", ports.api_server),
            authority: Some(material.authority_pem.into()),
            identity: Some(material.administrator),
            ..UpstreamSpec::default()
        };
        let upstream = Upstream::new(&upstream).map_err(|error| failure(error.into()))?;
        let mut made = Self { etcd, api_server, upstream: Arc::new(upstream) };
        while !made.upstream.is_ready().await {
            let ended = [&mut made.etcd, &mut made.api_server].into_iter().find_map(Program::ended);
            if let Some(why) = ended.or_else(|| (started.elapsed() > START_TIME).then(|| made.api_server.late())) {
                made.stop().await;
                return Err(failure(anyhow::anyhow!(why)));
            }
            sleep(LOOK_EVERY).await;
        }
        tracing::info!(cluster = spec.name, elapsed = ?started.elapsed(), "a real control plane runs");
        Ok(made)
    }

    /// Whether both still run.
    pub(super) fn runs(&mut self) -> bool {
        self.etcd.ended().is_none() && self.api_server.ended().is_none()
    }

    /// The way to it.
    pub(super) fn upstream(&self) -> Arc<Upstream> {
        Arc::clone(&self.upstream)
    }

    /// Stops both, the API server first.
    pub(super) async fn stop(self) {
        self.api_server.stop().await;
        self.etcd.stop().await;
    }
}

/// What proves who is who, written anew with each start, save the key of service accounts' tokens.
struct Material {
    authority_pem: String,
    administrator: Redacted<Vec<u8>>,
}

impl Material {
    fn write(data: &DataDir, place: &Path) -> anyhow::Result<Self> {
        let authority = Authority::generate("envtest", now(), LIFETIME_DAYS)?;
        let server = authority.issue_server(&ServerCertificate {
            common_name: "127.0.0.1",
            names: &["localhost".to_owned()],
            addresses: &[Ipv4Addr::LOCALHOST.into()],
            now: now(),
            lifetime_days: LIFETIME_DAYS,
        })?;
        let client = |common_name, organizations: &[String]| {
            authority.issue_client(&ClientCertificate {
                common_name,
                organizations,
                now: now(),
                lifetime_days: LIFETIME_DAYS,
            })
        };
        let write = |name: &str, Identity { certificate_pem, key_pem }: &Identity| {
            data.write(&place.join(format!("{name}.crt")), certificate_pem.as_bytes())?;
            data.write(&place.join(format!("{name}.key")), key_pem.expose().as_bytes())
        };
        write("server", &server)?;
        write("etcd-client", &client("kube-apiserver", &[])?)?;
        data.write(&place.join("ca.crt"), authority.certificate_pem().as_bytes())?;
        let key = place.join("service-account.key");
        if !key.exists() {
            data.write(&key, TokenIssuer::generate()?.to_pem().key.expose().as_bytes())?;
        }
        let Identity { certificate_pem, key_pem } = client("noren", &["system:masters".to_owned()])?;
        Ok(Self {
            authority_pem: authority.certificate_pem().to_owned(),
            administrator: Redacted::new((certificate_pem + "\n" + key_pem.expose()).into_bytes()),
        })
    }
}

/// Where the two listen.
#[derive(Debug, Clone, Copy)]
struct ListenPorts {
    etcd: u16,
    peer: u16,
    api_server: u16,
}

/// Ports that nobody has at this moment, as envtest finds them.
fn free_ports() -> std::io::Result<ListenPorts> {
    // Held at the same time, so that they differ.
    let held = [(); 3].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let [etcd, peer, api_server] = held;
    let port = |listener: std::io::Result<TcpListener>| listener.and_then(|one| one.local_addr()).map(|one| one.port());
    Ok(ListenPorts { etcd: port(etcd)?, peer: port(peer)?, api_server: port(api_server)? })
}

fn etcd_arguments(place: &Path, ports: ListenPorts) -> Vec<String> {
    let (client, peer) = (format!("https://127.0.0.1:{}", ports.etcd), format!("http://127.0.0.1:{}", ports.peer));
    let file = |name: &str| place.join(name).display().to_string();
    vec![
        format!("--data-dir={}", file("etcd")),
        format!("--listen-client-urls={client}"),
        format!("--advertise-client-urls={client}"),
        format!("--listen-peer-urls={peer}"),
        format!("--cert-file={}", file("server.crt")),
        format!("--key-file={}", file("server.key")),
        format!("--trusted-ca-file={}", file("ca.crt")),
        "--client-cert-auth=true".to_owned(),
    ]
}

fn api_server_arguments(place: &Path, ports: ListenPorts, spec: &ClusterSpec) -> Vec<String> {
    let file = |name: &str| place.join(name).display().to_string();
    let issuer = spec.certificate_names.first().map_or("kubernetes.default.svc", String::as_str);
    vec![
        "--bind-address=127.0.0.1".to_owned(),
        "--advertise-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.api_server),
        format!("--cert-dir={}", file("kube-apiserver")),
        format!("--tls-cert-file={}", file("server.crt")),
        format!("--tls-private-key-file={}", file("server.key")),
        format!("--client-ca-file={}", file("ca.crt")),
        format!("--etcd-servers=https://127.0.0.1:{}", ports.etcd),
        format!("--etcd-cafile={}", file("ca.crt")),
        format!("--etcd-certfile={}", file("etcd-client.crt")),
        format!("--etcd-keyfile={}", file("etcd-client.key")),
        format!("--service-cluster-ip-range={}", spec.service_cidr),
        format!("--service-account-issuer=https://{issuer}"),
        format!("--service-account-key-file={}", file("service-account.key")),
        format!("--service-account-signing-key-file={}", file("service-account.key")),
        "--authorization-mode=RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        // Nobody makes the accounts that it would ask for: no controllers run.
        "--disable-admission-plugins=ServiceAccount".to_owned(),
        // An endpoint on loopback is refused by the API's own validation.
        "--endpoint-reconciler-type=none".to_owned(),
    ]
}

/// A program that runs, and where it logs.
struct Program {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Program {
    fn start(program: &Path, log: &Path, arguments: &[String]) -> anyhow::Result<Self> {
        let out = fs_err::File::create(log)?.into_file();
        let mut command = command(program);
        command.args(arguments).stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        // Signals of the terminal are for the lab, which then stops these in their order.
        #[cfg(unix)]
        command.process_group(0);
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let child = command.kill_on_drop(true).spawn();
        let child = child.map_err(|error| anyhow::anyhow!("{} cannot be run: {error}", program.display()))?;
        Ok(Self { name, child, log: log.to_owned() })
    }

    /// What it ended with, if it has.
    fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok()??;
        Some(format!("{} ended ({status}): {}", self.name, self.last_words()))
    }

    fn late(&self) -> String {
        format!("{} is not ready after {} s: {}", self.name, START_TIME.as_secs(), self.last_words())
    }

    fn last_words(&self) -> String {
        let text = fs_err::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
        format!("{} ({})", lines[lines.len().saturating_sub(LINES_TOLD)..].join(" | "), self.log.display())
    }

    async fn stop(mut self) {
        #[cfg(unix)]
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            use nix::{
                sys::signal::{Signal, kill},
                unistd::Pid,
            };
            // It may have ended by itself.
            _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if timeout(STOP_TIME, self.child.wait()).await.is_err() {
            _ = self.child.kill().await;
        }
    }
}

/// The program, ended with the lab even when that is killed, where the system has a tool for it.
fn command(program: &Path) -> Command {
    #[cfg(target_os = "linux")]
    {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if let Some(tool) = std::env::split_paths(&path).map(|place| place.join("setpriv")).find(|tool| tool.is_file())
        {
            let mut command = Command::new(tool);
            command.args(["--pdeathsig", "TERM", "--"]).arg(program);
            return command;
        }
    }
    Command::new(program)
}
