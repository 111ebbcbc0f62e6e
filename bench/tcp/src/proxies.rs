//! The proxy plane beside HAProxy in TCP mode, over loopback, with the same server behind both: each
//! a process of its own with as many threads. What noren's clients ask for by CONNECT is part of
//! their connections; HAProxy's clients need ask for nothing.

use std::{
    fs,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    num::NonZeroUsize,
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use arc_swap::ArcSwap;
use azure::{ResourceId, sketch::Sketch};
use network::Network;
use proxy::{Backend, Proxy, Stream};
use tokio_util::sync::CancellationToken;

use crate::{
    Rounds,
    load::{Client, Server, connect},
    rounds::{self, Rival},
};

/// Threads of each proxy.
const THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
/// How long a proxy may take to listen.
const START_MAX: Duration = Duration::from_secs(5);
const REQUEST: &[u8] = b"CONNECT 10.224.0.4:443 HTTP/1.1\r\nHost: 10.224.0.4:443\r\n\r\n";
const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Measures; fails if the proxy plane is slower than HAProxy.
///
/// # Errors
/// HAProxy is missing; a connection fails.
pub(crate) fn compare(rounds: Rounds) -> Result<ExitCode> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let behind = listener.local_addr()?;
    let server = Server::new();
    server.serve(&listener)?;
    let (haproxy, noren) = (haproxy(behind)?, noren(behind)?);
    let rival = |name, client| Rival { name, server: Arc::clone(&server), client };
    let plain = |to: SocketAddr| Client { enter: Box::new(|| Ok(())), connect: Box::new(move || Ok(connect(to)?)) };
    let at = noren.at;
    let by_name = move || {
        let mut stream = connect(at)?;
        stream.write_all(REQUEST)?;
        let mut answer = [0; ESTABLISHED.len()];
        stream.read_exact(&mut answer)?;
        ensure!(answer == ESTABLISHED, "refused: {}", String::from_utf8_lossy(&answer));
        Ok(stream)
    };
    let rivals = [
        rival("noren", Client { enter: Box::new(|| Ok(())), connect: Box::new(by_name) }),
        rival("no proxy", plain(behind)),
        rival("HAProxy", plain(haproxy.at)),
    ];
    let ratios = rounds::compare(&rivals, rounds)?;
    Ok(if ratios.iter().all(|ratio| *ratio >= 1.0) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A running proxy, and where it listens.
struct Running {
    at: SocketAddr,
    process: Child,
    _files: Option<tempfile::TempDir>,
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn haproxy(behind: SocketAddr) -> Result<Running> {
    let files = tempfile::tempdir()?;
    // Free a moment ago.
    let at = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let configuration = format!(
        "global\n nbthread {THREADS}\n maxconn 4096\ndefaults\n mode tcp\n timeout connect 5s\n timeout client 60s\n \
         timeout server 60s\nlisten it\n bind {at}\n server behind {behind}\n"
    );
    let path = files.path().join("haproxy.cfg");
    fs::write(&path, configuration)?;
    let started = Command::new("haproxy").arg("-db").arg("-f").arg(&path).stdin(Stdio::null()).spawn();
    let process = started.context("HAProxy does not start; Debian has it in the package `haproxy`")?;
    let mut running = Running { at, process, _files: Some(files) };
    let started = Instant::now();
    while connect(at).is_err() {
        let ended = running.process.try_wait()?;
        ensure!(ended.is_none() && started.elapsed() < START_MAX, "HAProxy does not listen");
        std::thread::yield_now();
    }
    Ok(running)
}

/// This program in its other role.
fn noren(behind: SocketAddr) -> Result<Running> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["serve-proxy", &behind.port().to_string()]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut process = command.spawn()?;
    let out = process.stdout.take().context("no output")?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    Ok(Running { at: line.trim().parse().context("the proxy does not start")?, process, _files: None })
}

/// A server behind the private endpoint.
struct Behind(SocketAddr);

impl Backend for Behind {
    fn open(&self, _: &ResourceId) -> io::Result<Box<dyn Stream>> {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM.nonblocking(), None)?;
        match socket.connect(&self.0.into()) {
            // It connects while nobody waits: what is written waits for it.
            Err(error) if error.raw_os_error() != Some(nix::libc::EINPROGRESS) => return Err(error),
            _ => {}
        }
        socket.set_tcp_nodelay(true)?;
        Ok(Box::new(tokio::net::TcpStream::from_std(socket.into())?))
    }
}

/// Serves the proxy plane of a machine in front of a server.
///
/// # Errors
/// It cannot listen.
#[expect(clippy::print_stdout, reason = "this is how the other process learns where it listens")]
pub(crate) fn serve(server: u16) -> Result<ExitCode> {
    let sketch = Sketch::new().network("aks", "10.224.0.0/16").nic("vm", "aks", "10.224.0.9");
    let network = Network::compile(&sketch.private_cluster("a", "aks", "10.224.0.4", true).estate());
    let Ok(vantage) = network.find_vantage("vm").cloned() else { bail!("no machine") };
    let behind = Behind(SocketAddr::from((Ipv4Addr::LOCALHOST, server)));
    let proxy = Proxy::start(Arc::new(ArcSwap::from_pointee(network)), Arc::new(behind), THREADS)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let at = listener.local_addr()?;
    proxy.serve(vantage, &listener, &CancellationToken::new())?;
    println!("{at}");
    loop {
        std::thread::park();
    }
}
