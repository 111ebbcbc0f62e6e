//! What clients cannot make the server do, whatever they send or leave unread. The only test of its process, since it looks at
//! that process's memory.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(dead_code, reason = "the clusters of the other tests can do more")]

#[path = "../it/cluster.rs"]
mod cluster;

use cluster::{Cluster, TOKEN, hear};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::client::TlsStream;

/// Objects, each of `BYTES`, and clients that ask to watch them all and read nothing.
const OBJECTS: usize = 1_000;
const BYTES: usize = 8 * 1024;
const CLIENTS: usize = 100;
/// Memory they may take, in MiB: what all of them ask for is 800 MiB.
const MEMORY_MAX: usize = 300;

/// The memory of this process, in MiB.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
}

impl Cluster {
    /// Connections on each of which the beginning of an answer to a GET was read, and then nothing.
    fn leave_unread(&self, path: &str, count: usize) -> Vec<TlsStream<TcpStream>> {
        self.runtime.block_on(async {
            let mut streams = Vec::new();
            for _ in 0..count {
                let mut stream = self.say(&format!("GET {path} HTTP/1.1\r\n")).await;
                hear(&mut stream, "ADDED").await;
                streams.push(stream);
            }
            streams
        })
    }

    /// Makes the config maps `c0`, `c1`, … of so many bytes each.
    fn fill(&self, count: usize, bytes: usize) {
        self.runtime.block_on(async {
            let mut stream = self.say("GET /version HTTP/1.1\r\n").await;
            hear(&mut stream, "gitVersion").await;
            for index in 0..count {
                let body = format!(r#"{{"metadata":{{"name":"c{index}"}},"data":{{"x":"{}"}}}}"#, "x".repeat(bytes));
                let head = format!(
                    "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {TOKEN}\r\n\
                     Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
                // The object comes back whole; the next answer begins behind it.
                hear(&mut stream, "\"creationTimestamp\"").await;
            }
        });
    }
}

#[test]
fn clients_that_never_read_cost_little_and_nobody_else_waits_for_them() {
    let cluster = Cluster::start_bare();
    cluster.fill(OBJECTS, BYTES);
    let before = memory();
    let silent = cluster.leave_unread("/api/v1/namespaces/default/configmaps?watch=1&sendInitialEvents=true", CLIENTS);
    let taken = memory().saturating_sub(before);
    assert!(taken < MEMORY_MAX, "{taken} MiB");
    let (code, object) = cluster.curl("GET", "/api/v1/namespaces/default/configmaps/c7", &serde_json::Value::Null);
    assert_eq!((code, object["metadata"]["name"].as_str()), (200, Some("c7")));
    drop(silent);
}
