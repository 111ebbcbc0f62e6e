//! The API server by the clock, over TLS as clients have it: reads, lists, durable writes, watches, and what an idle
//! cluster costs. Prints one line for each.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark that cannot go on should stop, and prints")]

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use kube::{ApiServer, Capacity, ClusterSpec, NodeSpec, TokenUser};
use pki::{Authority, Redacted, UnixTime};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::{Value, json};
use store::Store;

const TOKEN: &str = "a-token-that-only-this-benchmark-knows";
const CONNECTIONS: usize = 32;
const RUN: Duration = Duration::from_secs(3);
const WATCHERS: usize = 1_000;
const IDLE: usize = 1_000;

fn node(index: usize) -> NodeSpec {
    NodeSpec {
        name: format!("aks-nodepool1-12345678-vmss{index:06}"),
        pool: "nodepool1".into(),
        mode: "System".into(),
        internal_ip: Ipv4Addr::from(0x0ae0_0005 + u32::try_from(index).unwrap()).into(),
        vm_size: "Standard_D2s_v3".into(),
        capacity: Capacity { vcpus: 2, memory_mib: 8192, disk_gib: 128, pods: 250 },
        born: None,
        region: "japaneast".into(),
        zone: None,
        os: "linux".into(),
        version: "1.33.2".into(),
        node_image_version: "AKSUbuntu-2204gen2containerd-202511.01.0".into(),
        node_resource_group: "MC_rg_a_japaneast".into(),
        labels: Vec::new(),
        taints: Vec::new(),
    }
}

fn spec(id: &str, nodes: usize, authority: &Authority) -> Arc<ClusterSpec> {
    Arc::new(ClusterSpec {
        id: id.into(),
        name: id.into(),
        version: "1.33.2".into(),
        nodes: (0..nodes).map(node).collect(),
        certificate_names: vec!["localhost".into()],
        certificate_addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        authority: authority.to_pem(),
        tokens: vec![TokenUser {
            token: Redacted::from(TOKEN.to_owned()),
            user: "masterclient".into(),
            groups: vec!["system:masters".into()],
        }],
        service_cidr: "10.0.0.0/16".into(),
    })
}

/// Opens connections to one cluster.
#[derive(Clone)]
struct Client {
    server: ApiServer,
    spec: Arc<ClusterSpec>,
    tls: tokio_rustls::TlsConnector,
}

impl Client {
    fn new(server: &ApiServer, spec: &Arc<ClusterSpec>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(spec.authority.certificate.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Self { server: server.clone(), spec: Arc::clone(spec), tls: Arc::new(config).into() }
    }

    async fn connect(&self) -> SendRequest<Full<Bytes>> {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let (server, spec) = (self.server.clone(), Arc::clone(&self.spec));
        tokio::spawn(async move { server.serve(&spec, far).await });
        let tls = self.tls.connect(ServerName::try_from("localhost").unwrap(), near).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    fn request(method: Method, path: &str, body: &Value) -> Request<Full<Bytes>> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Full::new(body))
            .unwrap()
    }

    /// Requests per second over many connections.
    async fn rate(&self, make: impl Fn(usize) -> Request<Full<Bytes>> + Send + Sync + 'static) -> f64 {
        let (make, done) = (Arc::new(make), Arc::new(AtomicUsize::new(0)));
        let mut senders = Vec::new();
        for _ in 0..CONNECTIONS {
            senders.push(self.connect().await);
        }
        let begun = Instant::now();
        let tasks: Vec<_> = senders
            .into_iter()
            .map(|mut sender| {
                let (make, done) = (Arc::clone(&make), Arc::clone(&done));
                tokio::spawn(async move {
                    while begun.elapsed() < RUN {
                        sender.ready().await.unwrap();
                        let request = make(done.fetch_add(1, Ordering::Relaxed));
                        let response = sender.send_request(request).await.unwrap();
                        assert!(response.status().is_success(), "{}", response.status());
                        response.into_body().collect().await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        #[expect(clippy::cast_precision_loss, reason = "counts are small")]
        let count = done.load(Ordering::Relaxed) as f64;
        count / begun.elapsed().as_secs_f64()
    }
}

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"text": "x".repeat(1024)}})
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::main]
async fn main() {
    pki::install_provider();
    let home = tempfile::tempdir().unwrap();
    let store = Store::open(&home.path().join("store")).unwrap();
    let server = ApiServer::new(store, Arc::new(jiff::Timestamp::now));
    tokio::spawn(server.clone().control());
    let authority = Authority::generate("ca", UnixTime(jiff::Timestamp::now().as_second()), 30).unwrap();

    let begun = Instant::now();
    let client = Client::new(&server, &spec("c1", 100, &authority));
    let mut first = client.connect().await;
    let namespaces =
        first.send_request(Client::request(Method::GET, "/api/v1/namespaces", &Value::Null)).await.unwrap();
    assert!(namespaces.status().is_success());
    println!("new cluster with 100 nodes answers `get ns` after {:?}", begun.elapsed());

    first.send_request(Client::request(Method::POST, MAPS, &map("one"))).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let get = |_| Client::request(Method::GET, &format!("{MAPS}/one"), &Value::Null);
    println!("GET a config map: {:.0}/s", client.rate(get).await);
    let list = |_| Client::request(Method::GET, "/api/v1/nodes", &Value::Null);
    println!("LIST 100 nodes: {:.0}/s", client.rate(list).await);
    let create = |count| Client::request(Method::POST, MAPS, &map(&format!("m{count}")));
    println!("create a config map, durable: {:.0}/s", client.rate(create).await);
    watch_latency(&client).await;

    let before = resident_kib();
    for index in 0..IDLE {
        server.ensure(&spec(&format!("idle{index}"), 3, &authority)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    let each = resident_kib().saturating_sub(before) / u64::try_from(IDLE).unwrap();
    println!("an idle cluster of {IDLE}: {each} KiB");
}

/// How long it takes until each of many watchers has seen a write.
async fn watch_latency(client: &Client) {
    let path = "/api/v1/namespaces/kube-public/configmaps?watch=1&resourceVersion=0";
    let (seen, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..WATCHERS {
        let mut sender = client.connect().await;
        let mut body = sender.send_request(Client::request(Method::GET, path, &Value::Null)).await.unwrap().into_body();
        let seen = seen.clone();
        tokio::spawn(async move {
            let _open = sender;
            while let Some(Ok(frame)) = body.frame().await {
                let text = frame.into_data().unwrap_or_default();
                if text.windows(8).any(|part| part == b"\"w-watch") {
                    let _ = seen.send(Instant::now());
                }
            }
        });
    }
    let mut sender = client.connect().await;
    let mut latencies = Vec::new();
    for round in 0..20 {
        sender.ready().await.unwrap();
        let begun = Instant::now();
        let maps = "/api/v1/namespaces/kube-public/configmaps";
        let request = Client::request(Method::POST, maps, &map(&format!("w-watch{round}")));
        sender.send_request(request).await.unwrap().into_body().collect().await.unwrap();
        for _ in 0..WATCHERS {
            let at = tokio::time::timeout(Duration::from_secs(10), arrivals.recv()).await.unwrap().unwrap();
            latencies.push(at.duration_since(begun));
        }
    }
    latencies.sort();
    let at = |share: usize| latencies[latencies.len() * share / 100 - 1];
    println!("a write reaches {WATCHERS} watchers: p50 {:?}, p99 {:?}", at(50), at(99));
}
