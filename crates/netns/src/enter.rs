//! Running a program at a place: its network, its processes' numbers, its own resolver files.

use std::{
    fs::{self, File},
    io,
    os::{
        fd::OwnedFd,
        unix::{fs::MetadataExt, process::CommandExt},
    },
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::{
        prctl,
        signal::{SigSet, Signal, kill},
    },
    unistd::{Pid, getppid},
};
use serde::{Deserialize, Serialize};

/// Where generated files are written before each is bound where it belongs; it is covered for that
/// moment only.
const WORKSHOP: &str = "/tmp";
/// Resolvers of the host that answer by a Unix socket: they would look names up past the place.
const HOST_RESOLVERS: [&str; 2] = ["/run/systemd/resolve", "/run/nscd"];

/// A file that is a namespace. It says which one, since its name may come to mean another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamespaceFile {
    path: PathBuf,
    inode: u64,
}

impl NamespaceFile {
    pub(crate) fn of(path: impl Into<PathBuf>) -> io::Result<Self> {
        let path = path.into();
        Ok(Self { inode: fs::metadata(&path)?.ino(), path })
    }

    fn open(&self) -> io::Result<OwnedFd> {
        let file = File::open(&self.path)?;
        if file.metadata()?.ino() == self.inode {
            Ok(file.into())
        } else {
            Err(io::Error::new(io::ErrorKind::NotFound, "the place is gone"))
        }
    }
}

/// The way into a place, good for processes of the user who runs the fabric (and for root).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entrance {
    pub(crate) user: Option<NamespaceFile>,
    pub(crate) net: NamespaceFile,
    pub(crate) pid: NamespaceFile,
}

/// What a program at a place reads about names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ClientFiles {
    /// `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// `/etc/hosts`.
    pub hosts: String,
}

impl Entrance {
    /// Moves the calling thread to the place's network and into its own mounts.
    ///
    /// # Errors
    /// The place is gone; the process has several threads, of which a user namespace wants one.
    pub(crate) fn go(&self) -> io::Result<()> {
        let user = self.user.as_ref().map(NamespaceFile::open).transpose()?;
        let (net, pid) = (self.network()?, self.pid.open()?);
        if let Some(user) = user {
            setns(user, CloneFlags::CLONE_NEWUSER)?;
        }
        setns(net, CloneFlags::CLONE_NEWNET)?;
        // The thread's children will have their numbers there; it itself keeps its own.
        Ok(setns(pid, CloneFlags::CLONE_NEWPID)?)
    }

    /// The place's network namespace, for who needs nothing else of the place: `setns` takes a thread
    /// there if its process may enter namespaces of the fabric's user namespace.
    ///
    /// # Errors
    /// The place is gone.
    pub fn network(&self) -> io::Result<OwnedFd> {
        self.net.open()
    }

    /// Moves this process to the place, for it and its threads to come, with the place's files. Its
    /// children have the place's process numbers. Call it while the process has one thread.
    ///
    /// # Errors
    /// The place is gone; the files cannot be put in place.
    pub fn enter(&self, files: &ClientFiles) -> io::Result<()> {
        self.go()?;
        furnish(files)
    }

    /// Runs a command at the place, with this process's standard streams, and gives its exit status.
    /// Signals that ask this process to end are passed on; one that leaves it no time to do so ends the
    /// command as well. Call it while the process has one thread; afterwards the process is at the place
    /// and can only end.
    ///
    /// # Errors
    /// The place is gone; the files cannot be put in place; there is no such command.
    pub fn run(&self, files: &ClientFiles, command: Command) -> io::Result<ExitStatus> {
        self.enter(files)?;
        wait(start(command)?)
    }
}

/// Puts the files in place, visible to this process and its children only.
fn furnish(files: &ClientFiles) -> io::Result<()> {
    let none: Option<&str> = None;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)?;
    let wanted = [("/etc/resolv.conf", &files.resolv_conf), ("/etc/hosts", &files.hosts)];
    // Symbolic links are followed before what they lead to is hidden.
    let wanted = wanted.map(|(name, text)| (fs::canonicalize(name).unwrap_or_else(|_| name.into()), text));
    let tmpfs = |at: &str| mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, none);
    for directory in HOST_RESOLVERS.iter().filter(|directory| Path::new(directory).is_dir()) {
        tmpfs(directory)?;
    }
    tmpfs(WORKSHOP)?;
    for (number, (target, text)) in wanted.iter().enumerate() {
        if target.exists() {
            let file = Path::new(WORKSHOP).join(number.to_string());
            fs::write(&file, text)?;
            mount(Some(&file), target, none, MsFlags::MS_BIND, none)?;
        } else if HOST_RESOLVERS.iter().any(|directory| target.starts_with(directory)) {
            fs::write(target, text)?;
        } else {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{} is not there", target.display())));
        }
    }
    Ok(umount2(WORKSHOP, MntFlags::MNT_DETACH)?)
}

fn start(mut command: Command) -> io::Result<Child> {
    let own_processes = || {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        // Who started it has no number here. Whose parent has one was left before it asked for the signal.
        if getppid().as_raw() != 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let none: Option<&str> = None;
        // Where that is not allowed, the program sees the host's list of processes.
        let _ = mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none);
        Ok(())
    };
    // SAFETY: between fork and exec, the closure makes system calls only: their strings are short enough
    // for the stack, it takes no lock and allocates nothing.
    #[expect(unsafe_code, reason = "only a process of the new pid namespace can mount its /proc")]
    unsafe {
        command.pre_exec(own_processes);
    }
    command.spawn()
}

/// Waits for the child and passes signals on to it.
fn wait(mut child: Child) -> io::Result<ExitStatus> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        signals.add(signal);
    }
    signals.thread_block()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match signals.wait()? {
            // A terminal sends these to the child as well.
            Signal::SIGCHLD | Signal::SIGINT | Signal::SIGQUIT => {}
            signal => {
                let pid = Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?);
                // It has ended, which the next round sees.
                let _ = kill(pid, signal);
            }
        }
    }
}
