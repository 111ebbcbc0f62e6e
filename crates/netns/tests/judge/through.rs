//! What a client sees through the proxy of its vantage: CONNECT for one half of the questions, SOCKS5
//! for the other, over real loopback sockets.

use std::{
    io,
    net::{SocketAddr, SocketAddrV4, TcpListener},
    num::NonZeroUsize,
    sync::Arc,
};

use network::{ResourceId, Vantage};
use proxy::{Backend, CurrentNetwork, Proxy, Stream};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use crate::planes::Way;

/// Says which cluster was come to, as the judge's API servers do.
struct Greeter;

impl Backend for Greeter {
    fn open(&self, cluster: &ResourceId) -> io::Result<Box<dyn Stream>> {
        let (near, mut far) = tokio::io::duplex(1024);
        let who = cluster.name().to_owned();
        tokio::spawn(async move { far.write_all(who.as_bytes()).await });
        Ok(Box::new(near))
    }
}

/// The proxy of one vantage; ends when dropped.
pub(crate) struct Door {
    at: SocketAddr,
    _proxy: Proxy,
}

impl Door {
    pub(crate) fn of(vantage: &Vantage, current: CurrentNetwork) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let at = listener.local_addr().expect("an address");
        let proxy = Proxy::start(current, Arc::new(Greeter), NonZeroUsize::MIN).expect("a thread");
        proxy.serve(vantage.clone(), &listener, &CancellationToken::new()).expect("it serves");
        Self { at, _proxy: proxy }
    }

    /// Connects to a name, by CONNECT, which alone tells why there is no address.
    pub(crate) async fn to_name(&self, name: &str, port: u16) -> Way {
        self.connect(&format!("{name}:{port}")).await.expect("an answer")
    }

    /// Connects to an address.
    pub(crate) async fn to_address(&self, to: SocketAddrV4) -> Way {
        let by_socks = to.ip().octets()[3].is_multiple_of(2);
        if by_socks { self.socks(to).await } else { self.connect(&to.to_string()).await }.expect("an answer")
    }

    async fn connect(&self, target: &str) -> io::Result<Way> {
        let mut stream = TcpStream::connect(self.at).await?;
        stream.write_all(format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).expect("a status");
        Ok(match status {
            "200" => Way::ApiServer(body.to_owned()),
            // Packets vanish, or the service does not let this client in: it, too, says nothing.
            "504" | "403" => Way::Silence,
            _ => {
                let trace: serde_json::Value = serde_json::from_str(body).expect("a trace");
                match trace["disposition"].as_str().expect("a word") {
                    "portClosed" | "nameServer" => Way::Somebody,
                    "nameNotFound" => Way::NoSuchName,
                    "noAddress" | "noResolver" | "forwarderUnreachable" | "aliasLoop" => Way::NoAddress,
                    other => panic!("{status} for {other}"),
                }
            }
        })
    }

    async fn socks(&self, to: SocketAddrV4) -> io::Result<Way> {
        let mut stream = TcpStream::connect(self.at).await?;
        let mut request = vec![5, 1, 0, 5, 1, 0, 1];
        request.extend(to.ip().octets());
        request.extend(to.port().to_be_bytes());
        stream.write_all(&request).await?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await?;
        let mut who = String::new();
        stream.read_to_string(&mut who).await?;
        Ok(match answer[3] {
            0 => Way::ApiServer(who),
            5 => Way::Somebody,
            // RFC 1928: not allowed, network unreachable, host unreachable.
            2..=4 => Way::Silence,
            other => panic!("SOCKS reply {other}"),
        })
    }
}
