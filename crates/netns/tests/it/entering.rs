//! Programs at a place, and labs of ordinary users.

use std::{
    io::Read as _,
    os::fd::AsFd as _,
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use netns::ClientFiles;
use network::plan::Place;

use crate::stage::{Stage, helper, machine, skip, world};

/// Runs a shell line at a place as `noren exec` does.
async fn exec(stage: &Stage, place: &Place, line: &str) -> Output {
    let entrance = stage.fabric.enter(place).await.expect("a place");
    let files = ClientFiles { resolv_conf: "nameserver 168.63.129.16\n".into(), hosts: "10.0.0.9 api\n".into() };
    let [entrance, files] =
        [serde_json::to_string(&entrance), serde_json::to_string(&files)].map(|json| json.expect("JSON"));
    let mut command = helper();
    command.args(["enter", &entrance, &files, "bash", "-c", line]);
    tokio::task::spawn_blocking(move || command.output().expect("a shell")).await.expect("no panic")
}

async fn tell() {
    let stage = Stage::set(world()).await;
    let vm = machine("vm-1");
    let hosts = std::fs::read_to_string("/etc/hosts").expect("a hosts file");
    let output =
        exec(&stage, &vm, "cat /etc/resolv.conf /etc/hosts; exec 3<>/dev/tcp/api/443; head -n1 <&3; exit 7").await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said, "nameserver 168.63.129.16\n10.0.0.9 api\n10.0.0.4 240.0.0.1:443\n", "{output:?}");
    assert_eq!(output.status.code(), Some(7), "its exit status");
    let output =
        exec(&stage, &vm, "ip -br addr show eth0 | tr -s ' ' | sed 's/@if[0-9]*//'; ls -d /proc/[0-9]* | wc -l").await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.lines().next().map(str::trim), Some("eth0 UP 10.0.0.4/32"), "{output:?}");
    let processes: u32 = said.lines().nth(1).expect("a number").parse().expect("a number");
    assert!(processes < 10, "it sees the fabric's processes only: {output:?}");
    let output = exec(&stage, &vm, "kill -TERM $$").await;
    assert_eq!(output.status.code(), Some(1), "ended by a signal: {output:?}");
    assert_eq!(std::fs::read_to_string("/etc/hosts").expect("a hosts file"), hosts, "the host's own");
    stage.fabric.stop().await;
}

#[tokio::test]
async fn a_program_stands_at_its_place_with_its_own_resolver_files() {
    if skip("exec") {
        return;
    }
    tell().await;
}

/// Starts a program at a machine that says `here` and stays; gives who started it, as `noren exec` does.
async fn stay(stage: &Stage) -> Child {
    let entrance = stage.fabric.enter(&machine("vm-1")).await.expect("a place");
    let [entrance, files] = [serde_json::to_string(&entrance), serde_json::to_string(&ClientFiles::default())];
    let mut command = helper();
    command.args(["enter", &entrance.expect("JSON"), &files.expect("JSON"), "sh", "-c", "echo here; exec sleep 1000"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("a shell");
    let mut word = [0; 5];
    child.stdout.as_mut().expect("its words").read_exact(&mut word).expect("a word");
    child
}

#[tokio::test]
async fn a_program_that_was_started_at_a_place_ends_with_the_fabric() {
    if skip("exec ends") {
        return;
    }
    let stage = Stage::set(world()).await;
    let mut child = stay(&stage).await;
    stage.fabric.stop().await;
    assert_eq!(child.wait().expect("it has ended").code(), Some(1), "killed");
}

#[tokio::test]
async fn a_program_that_was_started_at_a_place_ends_with_who_started_it() {
    if skip("exec is killed") {
        return;
    }
    let stage = Stage::set(world()).await;
    let mut child = stay(&stage).await;
    child.kill().expect("it runs");
    let mut words = child.stdout.take().expect("its words");
    // They end when nobody is left who could say something.
    let ended = tokio::task::spawn_blocking(move || words.read_to_end(&mut Vec::new()));
    let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
    stage.fabric.stop().await;
    assert_eq!(ended.expect("it has ended").expect("no panic").expect("a pipe"), 0);
    child.wait().expect("it was killed");
}

/// Not a story: what the next one runs as somebody else.
#[tokio::test]
#[ignore = "an ordinary user's lab"]
async fn ordinary_lab() {
    tell().await;
}

#[test]
fn an_ordinary_user_has_the_same_in_a_user_namespace() {
    if skip("ordinary user") {
        return;
    }
    // Copies, since the build's directory may be closed to others.
    let directory = tempfile::tempdir_in("/tmp").expect("a directory");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).expect("an open directory");
    let copy = |from: &std::path::Path, name: &str| {
        let to = directory.path().join(name);
        std::fs::copy(from, &to).expect("a copy");
        to
    };
    let test = copy(&std::env::current_exe().expect("this test"), "test");
    let fabric = copy(helper().get_program().as_ref(), "fabric");
    let line = format!("NETNS_FABRIC={} {} --exact entering::ordinary_lab --ignored", fabric.display(), test.display());
    let output =
        Command::new("su").args(["nobody", "-s", "/bin/sh", "-c", &line]).current_dir("/").output().expect("su");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[tokio::test]
async fn a_capture_shows_a_connections_packets() {
    if skip("capture") {
        return;
    }
    let stage = Stage::set(world()).await;
    let entrance =
        stage.fabric.enter(&Place::Network(crate::stage::id("virtualNetworks", "one"))).await.expect("a place");
    let (end, ends) = std::io::pipe().expect("a pipe");
    let (mut seen, output) = std::io::pipe().expect("a pipe");
    let capture = std::thread::spawn(move || {
        let of = netns::CaptureOf { link: Some(crate::stage::link("vm-1")), ..Default::default() };
        netns::capture(&entrance, &of, output, end.as_fd()).expect("a capture");
    });
    let mut file = vec![0; 24];
    seen.read_exact(&mut file).expect("its beginning");
    assert!(stage.connect(&machine("vm-1"), "10.0.0.9:443").await.stands());
    drop(ends);
    capture.join().expect("a capture");
    seen.read_to_end(&mut file).expect("the rest");
    assert_eq!(file[..4], 0xa1b2_c3d4_u32.to_ne_bytes(), "a pcap file");
    // Destination of the first packet: Ethernet header, then 16 octets into the IP header.
    assert_eq!(file[24 + 16 + 14 + 16..][..4], [10, 0, 0, 9]);
}
