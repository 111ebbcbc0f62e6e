//! A client at each vantage, over real loopback sockets, with a backend that names the cluster.

use std::{io, num::NonZeroUsize, sync::Arc};

use arc_swap::ArcSwap;
use azure::sketch::Sketch;
use network::{Network, ResourceId};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use super::{Backend, Proxy, Stream};

/// Threads of a proxy.
const THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// Greets with the cluster's name and closes.
struct Greeter;

impl Backend for Greeter {
    fn open(&self, cluster: &ResourceId) -> io::Result<Box<dyn Stream>> {
        let (near, mut far): (DuplexStream, DuplexStream) = tokio::io::duplex(1024);
        let greeting = format!("this is {}", cluster.name());
        tokio::spawn(async move { far.write_all(greeting.as_bytes()).await });
        Ok(Box::new(near))
    }
}

/// A client that stands somewhere, and the proxy it is connected to.
struct Client {
    stream: TcpStream,
    _proxy: Proxy,
}

impl Client {
    /// Connects to the proxy of `vantage` in front of `backend`.
    async fn connect(sketch: Sketch, vantage: &str, backend: impl Backend) -> Self {
        let network = Network::compile(&sketch.estate());
        let vantage = network.find_vantage(vantage).unwrap().clone();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let current = Arc::new(ArcSwap::from_pointee(network));
        let proxy = Proxy::start(current, Arc::new(backend), THREADS).unwrap();
        proxy.serve(vantage, &listener, &CancellationToken::new()).unwrap();
        Self { stream: TcpStream::connect(address).await.unwrap(), _proxy: proxy }
    }

    /// Connects to the proxy of `vantage` in a lab with cluster `a` in network `aks`.
    async fn stand_at(vantage: &str) -> Self {
        let sketch = Sketch::new()
            .network("aks", "10.224.0.0/16")
            .private_cluster("a", "aks", "10.224.0.4", true)
            .nic("vm", "aks", "10.224.0.9")
            .vpn_gateway("vpn", "aks");
        Self::connect(sketch, vantage, Greeter).await
    }
}

async fn http(vantage: &str, request: &str) -> String {
    let mut client = Client::stand_at(vantage).await;
    client.stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.stream.read_to_string(&mut answer).await.unwrap();
    answer
}

async fn connect(vantage: &str, target: &str) -> String {
    http(vantage, &format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")).await
}

async fn socks(vantage: &str, request: &[u8]) -> Vec<u8> {
    let mut client = Client::stand_at(vantage).await;
    client.stream.write_all(&[5, 1, 0]).await.unwrap();
    client.stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    client.stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer[..2], [5, 0], "no authentication is asked for");
    answer.split_off(2)
}

fn socks_name(name: &str, port: u16) -> Vec<u8> {
    let mut request = vec![5, 1, 0, 3, u8::try_from(name.len()).unwrap()];
    request.extend(name.as_bytes());
    request.extend(port.to_be_bytes());
    request
}

const PRIVATE: &str = "a.a-zone.privatelink.japaneast.azmk8s.io";
const PUBLIC: &str = "a.hcp.japaneast.azmk8s.io";

#[tokio::test]
async fn connect_reaches_the_cluster_by_the_name_the_vantage_can_resolve() {
    for (vantage, name) in [("vm", PRIVATE), ("vm", PUBLIC), ("vpn", PUBLIC)] {
        let answer = connect(vantage, &format!("{name}:443")).await;
        assert_eq!(answer, "HTTP/1.1 200 Connection established\r\n\r\nthis is a", "{vantage} to {name}");
    }
}

#[tokio::test]
async fn a_refused_connect_says_why_in_the_reason_phrase_and_the_trace() {
    let answer = connect("vpn", &format!("{PRIVATE}:443")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.lines().next().unwrap();
    assert_eq!(status, format!("HTTP/1.1 502 vpn: public DNS has no name {PRIVATE} (NXDOMAIN)"));
    let trace: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(trace["disposition"], "nameNotFound");
}

#[tokio::test]
async fn what_would_vanish_on_the_way_is_a_gateway_timeout() {
    let answer = connect("internet", &format!("{PUBLIC}:443")).await;
    assert!(answer.starts_with("HTTP/1.1 504 internet: no route leads to 10.224.0.4 from here\r\n"), "{answer}");
}

#[tokio::test]
async fn socks_clients_get_the_reply_code_that_fits() {
    assert_eq!(socks("vm", &socks_name(PRIVATE, 443)).await[10..], *b"this is a");
    assert_eq!(socks("vm", &[5, 1, 0, 1, 10, 224, 0, 4, 1, 187]).await[10..], *b"this is a");
    assert_eq!(socks("vpn", &socks_name(PRIVATE, 443)).await[1], 4, "host unreachable");
    assert_eq!(socks("internet", &socks_name(PUBLIC, 443)).await[1], 3, "network unreachable");
    assert_eq!(socks("vm", &socks_name(PRIVATE, 22)).await[1], 5, "connection refused");
    assert_eq!(socks("vm", &[5, 2, 0, 1, 10, 224, 0, 4, 1, 187]).await[1], 7, "BIND is not supported");
}

#[tokio::test]
async fn what_the_client_sends_early_is_passed_on() {
    struct Echo;
    impl Backend for Echo {
        fn open(&self, _: &ResourceId) -> io::Result<Box<dyn Stream>> {
            let (near, far) = tokio::io::duplex(64);
            tokio::spawn(async move {
                let (mut reader, mut writer) = tokio::io::split(far);
                tokio::io::copy(&mut reader, &mut writer).await
            });
            Ok(Box::new(near))
        }
    }
    let sketch = Sketch::new().network("aks", "10.224.0.0/16").private_cluster("a", "aks", "10.224.0.4", true);
    let mut client = Client::connect(sketch, "aks/default", Echo).await;
    client.stream.write_all(b"CONNECT 10.224.0.4:443 HTTP/1.1\r\n\r\nhello").await.unwrap();
    let mut answer = vec![0; super::connect::ESTABLISHED.len() + 5];
    client.stream.read_exact(&mut answer).await.unwrap();
    assert!(answer.ends_with(b"\r\n\r\nhello"));
}

#[tokio::test]
async fn a_browser_that_strays_here_is_told_what_this_is() {
    let answer = http("vm", "GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 405 only CONNECT is served here"), "{answer}");
    assert!(http("vm", "\u{1}\u{2}\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    assert!(http("vm", &format!("GET /{} HTTP/1.1\r\n", "a".repeat(9000))).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn connections_end_when_the_place_is_gone_or_the_proxy_is() {
    struct Silent;
    impl Backend for Silent {
        fn open(&self, _: &ResourceId) -> io::Result<Box<dyn Stream>> {
            let (near, far) = tokio::io::duplex(64);
            tokio::spawn(async move { tokio::io::copy(&mut { far }, &mut tokio::io::sink()).await });
            Ok(Box::new(near))
        }
    }
    let sketch = Sketch::new().network("aks", "10.224.0.0/16").private_cluster("a", "aks", "10.224.0.4", true);
    let network = Network::compile(&sketch.estate());
    let vantage = network.find_vantage("aks/default").unwrap().clone();
    let current = Arc::new(ArcSwap::from_pointee(network));
    let proxy = Proxy::start(current, Arc::new(Silent), THREADS).unwrap();
    let gone = CancellationToken::new();
    let mut established = Vec::new();
    for shutdown in [gone.clone(), CancellationToken::new()] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        proxy.serve(vantage.clone(), &listener, &shutdown).unwrap();
        stream.write_all(b"CONNECT 10.224.0.4:443 HTTP/1.1\r\n\r\n").await.unwrap();
        stream.read_exact(&mut vec![0; super::connect::ESTABLISHED.len()]).await.unwrap();
        established.push(stream);
    }
    let [first, second] = &mut established[..] else { unreachable!() };
    gone.cancel();
    assert_eq!(first.read(&mut [0]).await.unwrap(), 0);
    drop(proxy);
    assert_eq!(second.read(&mut [0]).await.unwrap(), 0);
}
