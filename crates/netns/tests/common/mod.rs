//! What every test of the kernel needs: to know whether it can be told here, and to act at a place.

use std::{process::Command, thread};

use netns::Fabric;
use network::plan::Place;

/// Why stories cannot be told here; where they must be, that is a failure.
pub(crate) fn skip(test: &str) -> bool {
    if nix::unistd::geteuid().is_root() {
        return false;
    }
    eprintln!("SKIPPED {test}: it needs root, or `unshare -Urm`");
    assert!(std::env::var_os("CI").is_none(), "{test} must not be skipped here");
    true
}

/// The fabric's process: `NETNS_FABRIC`, or the one that was built along.
pub(crate) fn helper() -> Command {
    let ours = env!("CARGO_BIN_EXE_netns-fabric");
    Command::new(std::env::var_os("NETNS_FABRIC").unwrap_or_else(|| ours.into()))
}

/// Does something at a place.
pub(crate) async fn at<R: Send>(fabric: &Fabric, place: &Place, act: impl FnOnce() -> R + Send) -> R {
    let namespace = fabric.enter(place).await.expect("a place").network().expect("a namespace");
    thread::scope(|scope| {
        let there = scope.spawn(move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).expect("the place is entered");
            act()
        });
        there.join().expect("no panic")
    })
}
