//! A cluster on a loopback port, and a `kubectl` that knows it.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddr},
    process::{Command, Output, Stdio},
    sync::Arc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{ApiServer, AuditLevel, AuditLog, Capacity, ClusterSpec, NodeSpec, TokenUser, Upstream, UpstreamSpec};
use pki::{Authority, ClientCertificate, Identity, Redacted, UnixTime};
use store::Store;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::client::TlsStream;

pub(crate) const TOKEN: &str = "a-token-that-only-this-test-knows";

pub(crate) struct Cluster {
    pub(crate) runtime: Runtime,
    address: SocketAddr,
    authority: Authority,
    pub(crate) home: tempfile::TempDir,
}

/// What a command printed.
pub(crate) struct Printed {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

fn now() -> UnixTime {
    UnixTime(jiff::Timestamp::now().as_second())
}

fn node(index: u32) -> NodeSpec {
    NodeSpec {
        name: format!("aks-nodepool1-12345678-vmss00000{index}"),
        pool: "nodepool1".into(),
        mode: "System".into(),
        internal_ip: Ipv4Addr::new(10, 224, 0, 5 + u8::try_from(index).unwrap()).into(),
        vm_size: "Standard_D4s_v3".into(),
        capacity: Capacity { vcpus: 4, memory_mib: 16_384, disk_gib: 128, pods: 110 },
        born: Some(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(47)),
        region: "japaneast".into(),
        zone: None,
        os: "linux".into(),
        version: "1.33.2".into(),
        node_image_version: "AKSUbuntu-2204gen2containerd-202511.01.0".into(),
        node_resource_group: "MC_rg_a_japaneast".into(),
        labels: vec![("team".into(), "a".into())],
        taints: Vec::new(),
    }
}

impl Cluster {
    pub(crate) fn start() -> Self {
        Self::begin(true, None, None)
    }

    /// One without controllers: nothing happens that no client does.
    pub(crate) fn start_bare() -> Self {
        Self::begin(false, None, None)
    }

    /// One that writes requests into files in `directory`.
    pub(crate) fn start_audited(directory: &std::path::Path) -> Self {
        Self::begin(false, None, Some(AuditLog::start(directory.to_owned(), AuditLevel::Request).unwrap()))
    }

    /// One whose control plane is another.
    pub(crate) fn in_front_of(upstream: &UpstreamSpec) -> Self {
        pki::install_provider();
        Self::begin(false, Some(Arc::new(Upstream::new(upstream).unwrap())), None)
    }

    /// This cluster as another's control plane.
    pub(crate) fn as_upstream(&self) -> UpstreamSpec {
        UpstreamSpec {
            server: format!("https://{}", self.address),
            authority: Some(self.authority.certificate_pem().into()),
            identity: Some(std::fs::read(self.home.path().join("client.pem")).unwrap().into()),
            ..UpstreamSpec::default()
        }
    }

    /// A request written by hand, shown a token; each of `replies` awaited before the next is said.
    pub(crate) fn speak(&self, request: &str, replies: &[(&str, &str)]) {
        self.runtime.block_on(async {
            let mut stream = self.say(request).await;
            for (awaited, next) in replies {
                hear(&mut stream, awaited).await;
                stream.write_all(next.as_bytes()).await.unwrap();
            }
        });
    }

    pub(crate) async fn say(&self, request: &str) -> TlsStream<TcpStream> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.authority.certificate_der().clone()).unwrap();
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        let head = format!("{request}Host: a\r\nAuthorization: Bearer {TOKEN}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    fn begin(controlled: bool, upstream: Option<Arc<Upstream>>, audit: Option<AuditLog>) -> Self {
        pki::install_provider();
        let runtime = Runtime::new().unwrap();
        let authority = Authority::generate("ca", now(), 30).unwrap();
        let spec = Arc::new(ClusterSpec {
            id: "c1".into(),
            name: "a".into(),
            version: "1.33.2".into(),
            nodes: (0..3).map(node).collect(),
            certificate_names: vec!["localhost".into(), "kubernetes".into()],
            certificate_addresses: vec![Ipv4Addr::LOCALHOST.into()],
            authority: authority.to_pem(),
            tokens: vec![TokenUser {
                token: Redacted::from(TOKEN.to_owned()),
                user: "masterclient".into(),
                groups: vec!["system:masters".into()],
            }],
            service_cidr: "10.0.0.0/16".into(),
        });
        let server = ApiServer::audited(Store::in_memory().unwrap(), Arc::new(jiff::Timestamp::now), audit);
        if controlled {
            runtime.spawn(server.clone().control());
        }
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, spec, upstream) = (server.clone(), Arc::clone(&spec), upstream.clone());
                tokio::spawn(async move {
                    match upstream {
                        Some(upstream) => server.relay(&spec, stream, std::future::ready(Ok(upstream))).await,
                        None => server.serve(&spec, stream).await,
                    }
                });
            }
        });
        let cluster = Self { runtime, address, authority, home: tempfile::tempdir().unwrap() };
        cluster.sign_in_by_certificate(&cluster.authority);
        cluster
    }

    /// Writes a kubeconfig whose user shows a certificate of `authority`.
    pub(crate) fn sign_in_by_certificate(&self, authority: &Authority) {
        self.sign_in_by_certificate_of(authority, now());
    }

    /// Writes a kubeconfig whose user shows a certificate that this cluster's authority signed too long ago.
    pub(crate) fn sign_in_by_expired_certificate(&self) {
        self.sign_in_by_certificate_of(&self.authority, now().plus_seconds(-31 * 86_400));
    }

    fn sign_in_by_certificate_of(&self, authority: &Authority, now: UnixTime) {
        let organizations = ["system:masters".to_owned()];
        let wanted =
            ClientCertificate { common_name: "masterclient", organizations: &organizations, now, lifetime_days: 30 };
        let Identity { certificate_pem, key_pem } = authority.issue_client(&wanted).unwrap();
        std::fs::write(self.home.path().join("client.pem"), certificate_pem.clone() + key_pem.expose()).unwrap();
        let data = |pem: &str| STANDARD.encode(pem);
        self.write_kubeconfig(&format!(
            "client-certificate-data: {}, client-key-data: {}",
            data(&certificate_pem),
            data(key_pem.expose())
        ));
    }

    /// Writes a kubeconfig whose user shows a token.
    pub(crate) fn sign_in_by_token(&self, token: &str) {
        self.write_kubeconfig(&format!("token: {token}"));
    }

    fn write_kubeconfig(&self, user: &str) {
        let authority = STANDARD.encode(self.authority.certificate_pem());
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\n\
             clusters: [{{name: a, cluster: {{server: 'https://{}', certificate-authority-data: {authority}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\ncontexts: [{{name: a, context: {{cluster: a, user: u}}}}]\n",
            self.address
        );
        std::fs::write(self.home.path().join("config"), config).unwrap();
    }

    /// A request of curl's with the last certificate written: the answer's status code and JSON.
    pub(crate) fn curl(&self, method: &str, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        std::fs::write(self.home.path().join("body.json"), body.to_string()).unwrap();
        let text = self.curl_by(
            &[
                "--cert",
                "client.pem",
                "-X",
                method,
                "-H",
                "Content-Type: application/json",
                "--data-binary",
                "@body.json",
            ],
            path,
        );
        let (answer, code) = text.rsplit_once('\n').unwrap();
        (code.parse().unwrap(), serde_json::from_str(answer).unwrap_or_default())
    }

    /// What curl prints with these arguments, run where `client.pem` is, and behind it a line with the status code.
    pub(crate) fn curl_by(&self, arguments: &[&str], path: &str) -> String {
        let home = self.home.path();
        std::fs::write(home.join("ca.pem"), self.authority.certificate_pem()).unwrap();
        let output = Command::new("curl")
            .args(["-sS", "--noproxy", "*", "--cacert", "ca.pem", "-w", "\n%{http_code}"])
            .args(arguments)
            .arg(format!("https://{}{path}", self.address))
            .current_dir(home)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(arguments)
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.home.path().join("config"))
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .stdin(Stdio::null());
        command
    }

    /// Runs helm; `None` where there is none.
    pub(crate) fn helm(&self, line: &str) -> Option<Printed> {
        let installed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/clients/bin/helm");
        let program = if std::path::Path::new(installed).exists() { installed } else { "helm" };
        let mut command = Command::new(program);
        command
            .args(line.split(' '))
            .env("HOME", self.home.path())
            .env("KUBECONFIG", self.home.path().join("config"))
            .env_remove("HTTPS_PROXY")
            .env_remove("https_proxy")
            .current_dir(self.home.path());
        command.output().ok().map(|output| printed(&output))
    }

    pub(crate) fn kubectl(&self, arguments: &[&str]) -> Printed {
        printed(&self.command(arguments).output().unwrap())
    }

    /// Runs kubectl with `input` on its standard input.
    pub(crate) fn kubectl_with(&self, arguments: &[&str], input: &str) -> Printed {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        printed(&child.wait_with_output().unwrap())
    }

    /// Starts kubectl and leaves it running.
    pub(crate) fn start_kubectl(&self, arguments: &[&str]) -> std::process::Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let runtime =
            std::mem::replace(&mut self.runtime, tokio::runtime::Builder::new_current_thread().build().unwrap());
        runtime.shutdown_background();
    }
}

/// Reads until `awaited` was heard.
pub(crate) async fn hear(stream: &mut TlsStream<TcpStream>, awaited: &str) {
    let mut heard = String::new();
    while !heard.contains(awaited) {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "no {awaited:?} in {heard:?}");
        heard += &String::from_utf8_lossy(&bytes[..count]);
    }
}

fn printed(output: &Output) -> Printed {
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    Printed { ok: output.status.success(), text }
}
