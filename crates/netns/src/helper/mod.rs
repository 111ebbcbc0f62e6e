//! The fabric's process: namespaces of its own, and the lab's requests one after another.
//!
//! Two processes: the server, and the first process of a new pid namespace, in which every program
//! runs that the fabric starts. The kernel ends that namespace with its first process, and the
//! first process with the server.

mod apply;
mod observe;
mod probe;
mod programs;
mod world;

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    os::{
        fd::{AsFd, AsRawFd, OwnedFd},
        unix::net::UnixStream,
    },
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::{
        prctl,
        resource::{Resource, getrlimit, setrlimit},
        signal::{SigSet, Signal},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Gid, Uid},
};

use self::{programs::Programs, world::World};
use crate::wire::{self, Capabilities, Reply, Request, Unavailable};

/// Requests that wait while one is carried out.
const WAITING_MAX: usize = 16;

/// The helper process. Its standard input is a Unix stream socket to the lab; it ends when the
/// other end closes. Call it before the process has a second thread.
pub fn fabric_main() -> ExitCode {
    // Only the first process of a pid namespace is number 1.
    let done = if std::process::id() == 1 { init() } else { serve() };
    if done.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The first process of the pid namespace: buries the orphans.
fn init() -> io::Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The server says a word after this process has asked to end with it: if it died before that,
    // there is no word.
    io::stdin().read_exact(&mut [0])?;
    let mut ended = SigSet::empty();
    ended.add(Signal::SIGCHLD);
    ended.thread_block()?;
    loop {
        while !matches!(waitpid(None, Some(WaitPidFlag::WNOHANG)), Err(_) | Ok(WaitStatus::StillAlive)) {}
        ended.wait()?;
    }
}

/// The other end, for whoever has something to say to it.
#[derive(Clone)]
struct Lab(Arc<Mutex<UnixStream>>);

impl Lab {
    fn say(&self, id: u32, reply: &Reply, descriptors: &[OwnedFd]) {
        let stream = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A lab that is gone is noticed by the one that reads from it.
        let _ = wire::send(&stream, id, reply, descriptors);
    }
}

fn serve() -> io::Result<()> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let lab = Lab(Arc::new(Mutex::new(socket.try_clone()?)));
    let (pids, capabilities) = match stand() {
        Ok(stands) => stands,
        Err(unavailable) => {
            lab.say(0, &Reply::Ready(Err(unavailable)), &[]);
            return Ok(());
        }
    };
    let (user_namespace, stand_ins) = (capabilities.user_namespace, capabilities.stand_ins.is_ok());
    lab.say(0, &Reply::Ready(Ok(capabilities)), &[]);
    let (queue, requests) = mpsc::sync_channel(WAITING_MAX);
    thread::spawn(move || {
        while let Ok(Some((id, request, _))) = wire::receive::<Request>(&socket) {
            if queue.send((id, request)).is_err() {
                break;
            }
        }
        end(ExitCode::SUCCESS);
    });
    let pids = Arc::new(pids);
    let mut world = World { stand_ins, ..World::default() };
    let mut programs = Programs::new(lab.clone(), pids.clone());
    for (id, request) in requests {
        let mut descriptors = Vec::new();
        let reply = match request {
            Request::Apply(steps) => {
                let applied = apply::apply(&mut world, &mut programs, &pids, &steps);
                descriptors = applied.descriptors;
                Reply::Applied { failed: applied.failed, opened: applied.opened }
            }
            Request::Observe(places) => Reply::Drifted(observe::observe(&world, &places)),
            Request::Repair(places) => {
                let failed = observe::repair(&mut world, &mut programs, &pids, &places);
                Reply::Applied { failed, opened: Vec::new() }
            }
            Request::Enter(place) => match world.spaces.get(&place) {
                Some(space) => {
                    Reply::Entrance { user: user_namespace, net: space.namespace.as_raw_fd(), pid: pids.as_raw_fd() }
                }
                None => Reply::Refused(format!("there is no place `{place}`")),
            },
            Request::Open(place, kind) => match apply::open_one(&world, &place, kind) {
                Ok(socket) => {
                    descriptors = vec![socket];
                    Reply::Opened
                }
                Err(error) => Reply::Refused(error.to_string()),
            },
            Request::Inhabited(places) => Reply::Inhabited(observe::inhabited(&world, places)),
            Request::Start(program) => {
                match world.spaces.get(&program.place).map(|space| space.namespace.try_clone()) {
                    Some(Ok(namespace)) => match programs.start(program, namespace) {
                        Ok(()) => Reply::Done,
                        Err(error) => Reply::Refused(error.to_string()),
                    },
                    Some(Err(error)) => Reply::Refused(error.to_string()),
                    None => Reply::Refused(format!("there is no place `{}`", program.place)),
                }
            }
            Request::Stop(name) => {
                programs.stop(&name);
                Reply::Done
            }
        };
        lab.say(id, &reply, &descriptors);
    }
    Ok(())
}

/// Ends the process whatever its other threads do: they hold nothing that must be put in order.
#[expect(clippy::exit, reason = "all that the fabric made goes with its process")]
fn end(status: ExitCode) {
    std::process::exit(i32::from(status != ExitCode::SUCCESS))
}

/// Makes the namespaces, starts the first process of the pid namespace, tries what is needed.
fn stand() -> Result<(OwnedFd, Capabilities), Unavailable> {
    let user_namespace = isolate()?;
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // With fewer open files there are fewer places; the step that fails says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
    let failed = |error: io::Error| Unavailable::new(format!("no process namespace ({error})"), USER_NAMESPACES);
    let pids = start_init().map_err(failed)?;
    let capabilities = probe::probe(&pids, user_namespace)?;
    Ok((pids, capabilities))
}

const USER_NAMESPACES: &str = "run as root, or allow user namespaces (sysctl user.max_user_namespaces, \
                               kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)";

/// Moves this process into namespaces of its own; whether a user namespace was needed for it.
fn isolate() -> Result<bool, Unavailable> {
    let (user, group) = (Uid::effective(), Gid::effective());
    let spaces = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    let user_namespace = unshare(spaces).is_err();
    if user_namespace {
        let refused = |error: nix::Error| Unavailable::new(format!("no user namespaces ({error})"), USER_NAMESPACES);
        unshare(CloneFlags::CLONE_NEWUSER | spaces).map_err(refused)?;
        let map = |file: &str, text: &str| {
            fs::write(format!("/proc/self/{file}"), text).map_err(|error| {
                Unavailable::new(format!("a user namespace that maps nobody ({file}: {error})"), USER_NAMESPACES)
            })
        };
        map("setgroups", "deny")?;
        map("uid_map", &format!("0 {user} 1"))?;
        map("gid_map", &format!("0 {group} 1"))?;
    }
    let mounts = |error: nix::Error| Unavailable::new(format!("no mount namespace ({error})"), USER_NAMESPACES);
    let none: Option<&str> = None;
    // Nothing that is mounted here reaches the host.
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none).map_err(mounts)?;
    Ok(user_namespace)
}

/// Starts the first process of the pid namespace from a thread that lives as long as it does, since
/// the kernel's signal of a parent's death is the one of a thread's.
fn start_init() -> io::Result<OwnedFd> {
    let (started, init) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let run = || -> io::Result<(Child, OwnedFd)> {
            unshare(CloneFlags::CLONE_NEWPID)?;
            let arguments = std::env::args_os().skip(1);
            let mut command = Command::new("/proc/self/exe");
            let mut init = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
            if let Some(mut input) = init.stdin.take() {
                input.write_all(b"!")?;
            }
            let pids = File::open(format!("/proc/{}/ns/pid", init.id()))?;
            Ok((init, pids.into()))
        };
        match run() {
            Ok((mut init, pids)) => {
                if started.send(Ok(pids)).is_ok() {
                    // Without it no program can run any more.
                    let _ = init.wait();
                    end(ExitCode::FAILURE);
                }
            }
            Err(error) => drop(started.send(Err(error))),
        }
    });
    init.recv().map_err(io::Error::other)?
}
