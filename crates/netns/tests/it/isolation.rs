//! The host's network is never touched, and nothing is left behind however the fabric ends.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use netns::{Fabric, Program};
use network::plan::{Place, Plan, RouteTarget, Step};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::stage::{Seen, Stage, gateway, helper, link, machine, network, route, skip, world};

/// What the host would show of a fabric that leaks.
fn host() -> Vec<String> {
    let output = |line: &str| {
        let output = Command::new("sh").args(["-c", line]).output().expect("a shell");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
    vec![
        output("ip -o link"),
        output("ip -o addr"),
        output("ip route"),
        output("ip netns"),
        output("nft list ruleset"),
        mounts,
    ]
}

/// A process and all its descendants.
fn family(root: i32) -> Vec<i32> {
    let parent = |pid: i32| -> Option<i32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
    };
    let pids =
        fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pids: Vec<i32> = pids.collect();
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let of = found[at];
        found.extend(pids.iter().filter(|pid| parent(**pid) == Some(of)));
        at += 1;
    }
    found
}

fn all_gone(pids: &[i32]) -> bool {
    let lives = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // A zombie has ended; burying it is its parent's duty.
        !stat.is_empty() && !stat.contains(") Z ")
    };
    let started = Instant::now();
    while pids.iter().any(lives) {
        if started.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::yield_now();
    }
    true
}

async fn busy_stage() -> (Stage, Vec<i32>) {
    let stage = Stage::set(world()).await;
    let program = Program {
        name: "sleeper".into(),
        place: machine("vm-1"),
        argv: ["sh", "-c", "cat {files}/word; setsid sleep 1000 & exec sleep 1000"].map(str::to_owned).to_vec(),
        files: vec![("word".into(), "hello\n".into())],
    };
    stage.fabric.spawn(program).await.expect("a program");
    let helper = stage.helper().await;
    let started = Instant::now();
    // The server, the first process of the pid namespace, the program and its child.
    while family(helper).len() < 4 {
        assert!(started.elapsed() < Duration::from_secs(10), "the program runs: {:?}", family(helper));
        std::thread::yield_now();
    }
    (stage, family(helper))
}

#[tokio::test]
async fn an_orderly_end_leaves_nothing() {
    if skip("orderly") {
        return;
    }
    let before = host();
    let (stage, family) = busy_stage().await;
    assert_eq!(before, host(), "nor is anything to be seen while it runs");
    stage.fabric.stop().await;
    assert!(all_gone(&family));
    assert_eq!(before, host());
}

#[tokio::test]
async fn a_killed_fabric_leaves_nothing_and_the_lab_learns_of_it() {
    if skip("killed") {
        return;
    }
    let before = host();
    for victim in 0..2 {
        let (stage, family) = busy_stage().await;
        // The server, or the first process of the pid namespace.
        kill(Pid::from_raw(family[victim]), Signal::SIGKILL).expect("it runs");
        stage.fabric.ended().await;
        assert!(stage.fabric.enter(&Place::Backbone).await.is_err());
        assert!(all_gone(&family), "victim {victim}: {family:?}");
        assert_eq!(before, host());
    }
}

/// Not a story: the process that the next one kills.
#[tokio::test]
#[ignore = "a lab to be killed"]
async fn lab() {
    let (_stage, family) = busy_stage().await;
    eprintln!("family {}", serde_json::to_string(&family).expect("JSON"));
    std::future::pending::<()>().await;
}

#[test]
fn a_killed_lab_leaves_nothing() {
    if skip("killed lab") {
        return;
    }
    let before = host();
    let mut lab = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "isolation::lab", "--ignored", "--nocapture"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a lab");
    let mut lines = BufReader::new(lab.stderr.take().expect("its words")).lines();
    let family = lines.find_map(|line| Some(line.ok()?.strip_prefix("family ")?.to_owned())).expect("a family");
    let family: Vec<i32> = serde_json::from_str(&family).expect("numbers");
    lab.kill().expect("it runs");
    lab.wait().expect("it has ended");
    assert!(all_gone(&family), "{family:?}");
    assert_eq!(before, host());
}

#[tokio::test]
async fn a_step_that_fails_says_so_and_the_others_are_carried_out() {
    if skip("halfway") {
        return;
    }
    let before = host();
    let fabric = Fabric::start(helper()).await.expect("a fabric");
    let mut plan = Plan::between(&network::plan::Fabric::default(), &world().fabric());
    plan.steps.insert(
        plan.steps.len() - 2,
        Step::AddRoute(gateway(), route("10.99.0.0/16", RouteTarget::Link(link("nowhere")))),
    );
    let applied = fabric.apply(&plan).await.expect("an answer");
    assert_eq!(applied.failed.iter().map(|failed| failed.step).collect::<Vec<_>>(), [plan.steps.len() - 3]);
    assert_eq!(applied.failed[0].reason, "there is no link nowhere");
    assert_eq!(applied.opened.len(), 4);
    drop(applied);
    // Again: nothing is in the way of what stands.
    plan.steps.remove(plan.steps.len() - 3);
    let applied = fabric.apply(&plan).await.expect("an answer");
    assert_eq!((applied.failed, applied.opened.len()), (Vec::new(), 4));
    fabric.stop().await;
    assert_eq!(before, host());
}

#[tokio::test]
async fn what_runs_at_a_place_ends_with_it() {
    if skip("removed") {
        return;
    }
    let (mut stage, family) = busy_stage().await;
    stage.serve(&machine("vm-2"), "10.0.0.5:80").await;
    stage
        .change(|world| {
            world.spaces.remove(&machine("vm-1"));
            world.veths.retain(|veth| ![&veth.near, &veth.far].iter().any(|end| end.place == machine("vm-1")));
            world.router(&network("one")).interfaces.remove(&link("vm-1"));
        })
        .await;
    assert!(all_gone(&family[2..]), "the programs");
    assert!(stage.fabric.enter(&machine("vm-1")).await.is_err());
    assert!(stage.connect(&machine("vm-3"), "10.0.0.5:80").await.stands(), "others stay");
    assert_eq!(stage.connect(&machine("vm-3"), "10.0.0.4:80").await, Seen::Silence);
}
