//! `kill -9` at any moment loses nothing that was acknowledged.

use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Command, Stdio},
};

use store::{Store, Transaction};

/// Set in the child: the store to write to.
const CHILD: &str = "STORE_CRASH_TEST_FILE";

/// Not a test of its own: the process that gets killed. It writes until then.
#[test]
fn child_writes_until_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = Store::open(&PathBuf::from(path)).unwrap();
    for number in 0_u64.. {
        store.commit_blocking(Transaction::new().put(format!("/crash/{number}"), "v")).unwrap();
        println!("acknowledged {number}");
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lab.redb");
    for round in 0..3 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child_writes_until_killed", "--exact", "--nocapture"])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut acknowledged = None;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            if let Some((_, number)) = line.split_once("acknowledged ") {
                acknowledged = Some(number.parse::<u64>().unwrap());
            }
            if acknowledged >= Some(50) {
                break;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Store::open(&path).unwrap();
        for number in 0..=acknowledged.unwrap() {
            assert!(store.get(&format!("/crash/{number}")).unwrap().is_some(), "round {round} lost {number}");
        }
        store.close();
    }
}
