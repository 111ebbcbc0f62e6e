//! What clients cannot make the server do, whatever they send or leave unread. The only test of its process, since it looks at
//! that process's memory.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]
#![expect(dead_code, reason = "the clusters of the other tests can do more")]

#[path = "../it/cluster.rs"]
mod cluster;

use cluster::Cluster;

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
