//! Programs that are kept running at a place.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufRead, BufReader},
    os::fd::OwnedFd,
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use network::plan::Place;
use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, setns},
};

use super::Lab;
use crate::{
    kernel::namespace,
    wire::{Program, Reply},
};

/// Hidden from programs, and where their files are: nothing of it is on the host.
const DIRECTORY: &str = "/run";
/// The pause after the first end; it doubles with every end that comes soon.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_MAX: Duration = Duration::from_secs(30);
/// The longest line of output that is passed on.
const LINE_MAX: usize = 4096;

/// All programs, by name.
pub(super) struct Programs {
    lab: Lab,
    pids: Arc<OwnedFd>,
    running: BTreeMap<String, (Place, Arc<Running>)>,
    has_directory: bool,
}

#[derive(Default)]
struct Running {
    state: Mutex<State>,
    stopped: Condvar,
}

#[derive(Default)]
struct State {
    stopped: bool,
    child: Option<Child>,
}

impl Running {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Programs {
    pub(super) fn new(lab: Lab, pids: Arc<OwnedFd>) -> Self {
        Self { lab, pids, running: BTreeMap::new(), has_directory: false }
    }

    /// Starts a program; one of the same name is stopped first.
    pub(super) fn start(&mut self, program: Program, namespace: OwnedFd) -> io::Result<()> {
        self.stop(&program.name);
        let directory = self.write_files(&program)?;
        let running = Arc::new(Running::default());
        self.running.insert(program.name.clone(), (program.place.clone(), running.clone()));
        let (lab, pids) = (self.lab.clone(), self.pids.clone());
        thread::Builder::new().name(program.name.clone()).spawn(move || {
            let say = |line: String| {
                lab.say(0, &Reply::Line { program: program.name.clone(), line }, &[]);
            };
            if let Err(error) = namespace::enter(&namespace).and_then(|()| join(&pids)) {
                return say(format!("cannot start: {error}"));
            }
            let argv: Vec<String> = program.argv.iter().map(|word| word.replace("{files}", &directory)).collect();
            keep_running(&argv, &running, &say);
        })?;
        Ok(())
    }

    /// Ends a program. One that does not run is ended already.
    pub(super) fn stop(&mut self, name: &str) {
        let Some((_, running)) = self.running.remove(name) else { return };
        let mut state = running.state();
        state.stopped = true;
        if let Some(child) = &mut state.child {
            // It has ended by itself.
            let _ = child.kill();
            // Its ports and devices are free for the next of its name.
            let _ = child.wait();
        }
        running.stopped.notify_all();
        drop(state);
        let _ = fs::remove_dir_all(PathBuf::from(DIRECTORY).join(name));
    }

    /// Ends the programs of a place.
    pub(super) fn stop_at(&mut self, place: &Place) {
        let names: Vec<String> =
            self.running.iter().filter(|(_, (at, _))| at == place).map(|(name, _)| name.clone()).collect();
        for name in names {
            self.stop(&name);
        }
    }

    fn write_files(&mut self, program: &Program) -> io::Result<String> {
        if !self.has_directory {
            mount(Some("tmpfs"), DIRECTORY, Some("tmpfs"), MsFlags::MS_NOSUID | MsFlags::MS_NODEV, Some("mode=0700"))?;
            self.has_directory = true;
        }
        let plain = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        if !plain(&program.name) || !program.files.iter().all(|(name, _)| plain(name)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name is not the name of a file"));
        }
        let directory = PathBuf::from(DIRECTORY).join(&program.name);
        fs::create_dir_all(&directory)?;
        for (name, contents) in &program.files {
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(directory.join(name))?;
            io::Write::write_all(&mut file, contents.as_bytes())?;
        }
        Ok(directory.to_string_lossy().into_owned())
    }
}

/// Children of the calling thread will be in the fabric's pid namespace.
pub(super) fn join(pids: &OwnedFd) -> io::Result<()> {
    Ok(setns(pids, CloneFlags::CLONE_NEWPID)?)
}

fn keep_running(argv: &[String], running: &Running, say: &impl Fn(String)) {
    let mut pause = PAUSE;
    loop {
        let started = Instant::now();
        match run_once(argv, running, say) {
            Ok(None) => return,
            Ok(Some(status)) => say(format!("ended: {status}")),
            Err(error) => say(format!("cannot start: {error}")),
        }
        pause = if started.elapsed() > PAUSE_MAX { PAUSE } else { pause };
        let state = running.state();
        let wait = running.stopped.wait_timeout_while(state, pause, |state| !state.stopped);
        if wait.map_or(true, |(state, _)| state.stopped) {
            return;
        }
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

/// Runs it to its end; nothing is given if it was stopped.
fn run_once(argv: &[String], running: &Running, say: &impl Fn(String)) -> io::Result<Option<std::process::ExitStatus>> {
    let (program, arguments) =
        argv.split_first().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no program is named"))?;
    let (output, writer) = io::pipe()?;
    {
        let mut state = running.state();
        if state.stopped {
            return Ok(None);
        }
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        state.child = Some(command.spawn()?);
    }
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while io::Read::take(&mut output, LINE_MAX as u64).read_until(b'\n', &mut line)? > 0 {
        say(String::from_utf8_lossy(&line).trim_end().to_owned());
        line.clear();
    }
    // All that could write has closed its output; mostly it has ended as well.
    let mut state = running.state();
    loop {
        if let Some(status) = state.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
            state.child = None;
            return Ok((!state.stopped).then_some(status));
        }
        let waited = running.stopped.wait_timeout(state, Duration::from_millis(20));
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}
