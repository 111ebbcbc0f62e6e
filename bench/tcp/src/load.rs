//! A server and its clients, over plain sockets.

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use crate::Rounds;

/// Octets in one write.
const BLOCK: usize = 128 * 1024;
/// Who asks for connections side by side, and who accepts them.
const CLIENTS: usize = 4;
const ACCEPTORS: usize = 2;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Measure {
    /// Octets from the server to the client, one connection.
    Download,
    /// Octets from the client to the server, one connection.
    Upload,
    /// Connections that are asked for, greeted by the server, and ended.
    Connections,
}

impl Measure {
    pub(crate) const ALL: [Self; 3] = [Self::Download, Self::Upload, Self::Connections];

    /// What one of them is, in words.
    pub(crate) fn unit(self) -> &'static str {
        match self {
            Self::Download => "download, MB/s",
            Self::Upload => "upload, MB/s",
            Self::Connections => "connections/s",
        }
    }
}

/// How its clients come to a server.
pub(crate) struct Client {
    /// Moves a thread to where they stand.
    pub(crate) enter: Box<dyn Fn() -> Result<()> + Sync>,
    /// Connects from there.
    pub(crate) connect: Box<dyn Fn() -> Result<TcpStream> + Sync>,
}

/// A server that does to every connection what is being measured.
pub(crate) struct Server {
    measured: AtomicU8,
    /// Octets that it has read.
    read: AtomicU64,
}

impl Server {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { measured: AtomicU8::new(Measure::Connections as u8), read: AtomicU64::new(0) })
    }

    /// Serves until the process ends.
    ///
    /// # Errors
    /// There are no descriptors left.
    pub(crate) fn serve(self: &Arc<Self>, listener: &TcpListener) -> io::Result<()> {
        listener.set_nonblocking(false)?;
        for _ in 0..ACCEPTORS {
            let (server, listener) = (Arc::clone(self), listener.try_clone()?);
            thread::spawn(move || {
                while let Ok((stream, _)) = listener.accept() {
                    let server = Arc::clone(&server);
                    match server.measured.load(Ordering::Acquire) {
                        // The client that leaves ends it.
                        download if download == Measure::Download as u8 => _ = thread::spawn(move || send(stream)),
                        upload if upload == Measure::Upload as u8 => _ = thread::spawn(move || server.receive(stream)),
                        _ => _ = (&stream).write_all(b"!"),
                    }
                }
            });
        }
        Ok(())
    }

    fn receive(&self, mut stream: TcpStream) {
        let mut block = vec![0; BLOCK];
        while let Ok(length @ 1..) = stream.read(&mut block) {
            self.read.fetch_add(length as u64, Ordering::Relaxed);
        }
    }

    /// What its clients get in a round: MB/s or connections a second.
    ///
    /// # Errors
    /// A connection fails.
    pub(crate) fn measure(&self, measure: Measure, rounds: Rounds, client: &Client) -> Result<f64> {
        self.measured.store(measure as u8, Ordering::Release);
        let clients = if measure == Measure::Connections { CLIENTS } else { 1 };
        let one = || {
            (client.enter)()?;
            self.one(measure, Duration::from_secs_f64(rounds.seconds), &client.connect)
        };
        thread::scope(|scope| {
            let clients: Vec<_> = (0..clients).map(|_| scope.spawn(one)).collect();
            let panicked = |_| Err(anyhow::anyhow!("a client panicked"));
            clients.into_iter().map(|client| client.join().unwrap_or_else(panicked)).sum()
        })
    }

    fn one(&self, measure: Measure, time: Duration, connect: &dyn Fn() -> Result<TcpStream>) -> Result<f64> {
        match measure {
            Measure::Download => {
                let mut stream = connect()?;
                let mut block = vec![0; BLOCK];
                let (started, mut octets) = (Instant::now(), 0);
                while started.elapsed() < time {
                    let length = stream.read(&mut block)?;
                    ensure!(length > 0, "the server ended the connection");
                    octets += length as u64;
                }
                Ok(mega(octets) / started.elapsed().as_secs_f64())
            }
            Measure::Upload => {
                let mut stream = connect()?;
                let block = vec![0; BLOCK];
                let (started, before) = (Instant::now(), self.read.load(Ordering::Relaxed));
                while started.elapsed() < time {
                    stream.write_all(&block)?;
                }
                Ok(mega(self.read.load(Ordering::Relaxed) - before) / started.elapsed().as_secs_f64())
            }
            Measure::Connections => {
                let (started, mut made) = (Instant::now(), 0);
                while started.elapsed() < time {
                    let mut stream = connect()?;
                    stream.read_exact(&mut [0])?;
                    made += 1;
                }
                Ok(f64::from(made) / started.elapsed().as_secs_f64())
            }
        }
    }
}

/// A connection that leaves no trace in the kernel when it ends, so that ports do not run out.
///
/// # Errors
/// It does not come about.
pub(crate) fn connect(to: std::net::SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(to)?;
    let socket = socket2::SockRef::from(&stream);
    socket.set_linger(Some(Duration::ZERO))?;
    socket.set_tcp_nodelay(true)?;
    Ok(stream)
}

fn send(mut stream: TcpStream) {
    let block = vec![0; BLOCK];
    while stream.write_all(&block).is_ok() {}
}

#[expect(clippy::cast_precision_loss, reason = "a rate is told with three digits")]
fn mega(octets: u64) -> f64 {
    octets as f64 / 1e6
}
