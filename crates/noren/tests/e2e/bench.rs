//! A lab of the test's own, and the real clients pointed at it.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::OnceLock,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

/// The program under test.
const NOREN: &str = env!("CARGO_BIN_EXE_noren");

/// `nobody`.
const NOBODY: u32 = 65534;
/// Gives a command a `/dev/net/tun` of the mode `$0`, which nobody else sees.
const WITH_TUN: &str = "mount -t tmpfs -o mode=755 tmpfs /dev/net && mknod -m $0 /dev/net/tun c 10 200 && exec \"$@\"";

/// Whose lab it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// The tests' own.
    Own,
    /// `nobody`'s, who has no right of his own.
    Nobody {
        /// The mode of `/dev/net/tun`, if it is not the machine's.
        tun: Option<&'static str>,
    },
}

impl User {
    /// An ordinary user.
    pub(crate) const ORDINARY: Self = Self::Nobody { tun: None };

    /// Lets a file be this user's.
    pub(crate) fn owns(self, path: &Path) {
        if self != Self::Own {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    /// A program run by this user.
    fn runs(self, program: &Path) -> Command {
        let Self::Nobody { tun } = self else { return Command::new(program) };
        let mut command = Command::new("setpriv");
        if let Some(mode) = tun {
            command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", WITH_TUN, mode, "setpriv"]);
        }
        let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
        command.args(ids).args(["--clear-groups", "--"]).arg(program);
        command
    }
}

/// Tells a story once more, as another user's. Who is not root tells it as his own already.
pub(crate) fn told_by(user: User, story: impl FnOnce(User)) {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("the other story is this one: the lab is an ordinary user's already");
    } else if client("setpriv").is_some() {
        match user.runs(Path::new("true")).output() {
            Ok(output) if output.status.success() => story(user),
            refused => {
                assert!(std::env::var_os("CI").is_none(), "root may not become {user:?}: {refused:?}");
                eprintln!("SKIPPED: root may not become {user:?} here: {refused:?}");
            }
        }
    }
}

/// A real client: where it is and what it is called.
#[derive(Debug, Clone)]
pub(crate) struct Client(PathBuf);

impl Client {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

/// The client `name`: where `cargo xtask clients` put it, else on the `PATH`. A missing one is said aloud;
/// under CI it is a failure.
pub(crate) fn client(name: &str) -> Option<Client> {
    let installed = std::env::var_os("NOREN_CLIENTS").map(|clients| PathBuf::from(clients).join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = installed.into_iter().chain(std::env::split_paths(&path)).map(|place| place.join(name));
    let found = found.into_iter().find(|program| program.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "no {name}: `cargo xtask clients` installs it");
        eprintln!("SKIPPED: no {name}; `cargo xtask test` installs it");
    }
    found.map(Client)
}

/// A running lab in a directory of its own; both are gone when it is dropped.
pub(crate) struct Lab {
    directory: tempfile::TempDir,
    /// What `noren up` is told of planes.
    plane: &'static str,
    /// Whose it is.
    pub(crate) user: User,
    process: Option<Child>,
    environment: OnceLock<BTreeMap<String, String>>,
    carried_by: OnceLock<Value>,
}

impl Lab {
    /// Starts a lab on the plane that every machine has, and waits until it says that it is ready.
    pub(crate) fn up() -> Self {
        Self::on("proxy", User::Own)
    }

    fn on(plane: &'static str, user: User) -> Self {
        let directory = tempfile::tempdir().unwrap();
        user.owns(directory.path());
        let (environment, carried_by) = (OnceLock::new(), OnceLock::new());
        let mut lab = Self { directory, plane, user, process: None, environment, carried_by };
        lab.start(&[]);
        lab
    }

    /// A lab on the kernel plane, with the resource group `rg` and `az`; `None`, said aloud, where the machine
    /// has no such plane for `user`. Under CI that is a failure. With `NOREN_TEST_AS_NOBODY` every such lab is an
    /// ordinary user's.
    pub(crate) fn in_kernel(user: User) -> Option<Self> {
        client("az")?;
        let lab = Self::in_kernel_bare(user)?;
        lab.az("group create -n rg -l japaneast");
        Some(lab)
    }

    /// The same without the group, for stories that do without `az`.
    pub(crate) fn in_kernel_bare(user: User) -> Option<Self> {
        let as_nobody = user == User::Own && std::env::var_os("NOREN_TEST_AS_NOBODY").is_some();
        let user = if as_nobody { User::Nobody { tun: Some("666") } } else { user };
        let lab = Self::on("kernel", user);
        let plane = lab.plane();
        if plane["name"] != "kernel" {
            assert!(std::env::var_os("CI").is_none(), "no kernel plane: {plane}");
            eprintln!("SKIPPED: no kernel plane here: {plane}");
            return None;
        }
        Some(lab)
    }

    /// A lab with the resource group `rg` in `japaneast`, and `az` to work with it, on the kernel plane where
    /// the machine has it; `None` where there is no `az`.
    pub(crate) fn with_group() -> Option<Self> {
        Self::grouped("auto")
    }

    /// The same on the proxy plane, whose refusals say why.
    pub(crate) fn behind_proxies() -> Option<Self> {
        Self::grouped("proxy")
    }

    fn grouped(plane: &'static str) -> Option<Self> {
        client("az")?;
        let lab = Self::on(plane, User::Own);
        lab.az("group create -n rg -l japaneast");
        Some(lab)
    }

    /// Which plane carries packets, as it was when it stood or was known not to come.
    pub(crate) fn plane(&self) -> &Value {
        self.carried_by.get_or_init(|| {
            loop {
                let plane = self.status()["plane"].clone();
                if plane["why"] != "it is being made" {
                    return plane;
                }
            }
        })
    }

    /// Starts the lab on its data.
    pub(crate) fn start(&mut self, arguments: &[&str]) {
        let mut process = self.noren(&["up", "--plane", self.plane]);
        let mut process = process.args(arguments).stdout(Stdio::piped()).spawn().expect("noren starts");
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let ready = lines.any(|line| line.is_ok_and(|line| line.contains("ready")));
        assert!(ready, "the lab ended before it was ready");
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
    }

    /// Ends the lab as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// The lab's process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().expect("a running lab").id()
    }

    /// `noren <arguments> --data <the lab's>`, in an environment without a home of its own.
    pub(crate) fn noren(&self, arguments: &[&str]) -> Command {
        let mut command = self.user.runs(Path::new(NOREN));
        command.env_remove("NOREN_DATA").stdin(Stdio::null());
        command.arg(arguments[0]).arg("--data").arg(self.path("lab")).args(&arguments[1..]);
        command.env("HOME", self.directory.path());
        command
    }

    /// What `noren <arguments>` prints.
    pub(crate) fn noren_says(&self, arguments: &[&str]) -> String {
        said(&mut self.noren(arguments))
    }

    /// The lab's state, as `noren status --output json` prints it.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.noren_says(&["status", "--output", "json"])).expect("JSON")
    }

    fn environment(&self) -> &BTreeMap<String, String> {
        self.environment
            .get_or_init(|| serde_json::from_str(&self.noren_says(&["env", "--json"])).expect("an object of texts"))
    }

    /// What `noren env` sets a variable to.
    pub(crate) fn variable(&self, name: &str) -> &str {
        &self.environment()[name]
    }

    /// A program in the environment that `noren env` sets.
    pub(crate) fn program(&self, Client(program): Client) -> Command {
        let mut command = Command::new(program);
        command.envs(self.environment()).env("HOME", self.directory.path()).stdin(Stdio::null());
        command
    }

    /// `noren` in that environment, without a lab of its own.
    pub(crate) fn noren_signed_in(&self) -> Command {
        let mut command = self.program(Client(NOREN.into()));
        command.env_remove("NOREN_DATA");
        command
    }

    /// `az <line>`, its words as a shell would split them.
    pub(crate) fn az_command(&self, line: &str) -> Command {
        let mut command = self.program(client("az").expect("the story asked for it"));
        command.args(words(line));
        command
    }

    /// The JSON that `az <line>` prints.
    pub(crate) fn az(&self, line: &str) -> Value {
        let text = said(&mut self.az_command(line));
        if text.trim().is_empty() { Value::Null } else { serde_json::from_str(&text).expect("JSON") }
    }

    /// The table that `az <line>` prints: headings, then rows; cells are parted by two spaces or more.
    pub(crate) fn az_table(&self, line: &str) -> String {
        said(&mut self.az_command(&format!("{line} -o table")))
    }

    /// What `az <line>` is refused with.
    pub(crate) fn az_refused(&self, line: &str) -> String {
        refused(&mut self.az_command(line)).1
    }

    /// `<line>` at a vantage, by `noren exec`; its first word must be a client that is there.
    pub(crate) fn at(&self, vantage: &str, line: &str) -> Command {
        let line = words(line);
        let Client(program) = client(&line[0]).expect("the story asked for it");
        let mut command = self.user.runs(Path::new(NOREN));
        command.envs(self.environment()).env("HOME", self.directory.path()).stdin(Stdio::null());
        command.args(["exec", "--from", vantage, "--"]).arg(program).args(&line[1..]);
        command
    }

    /// What `noren doctor` says at a vantage, with these variables and options.
    pub(crate) fn doctor(&self, vantage: &str, variables: &str, options: &str) -> Value {
        let line = format!("env {variables} {NOREN} doctor --output json {options}");
        let output = self.at(vantage, &line).output().unwrap();
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let said: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}{errors}"));
        assert_eq!(output.status.code(), Some(i32::from(said["healthy"] == false)), "{text}{errors}");
        said
    }

    /// `kubectl <line>` at a vantage.
    pub(crate) fn kubectl(&self, vantage: &str, line: &str) -> String {
        said(&mut self.at(vantage, &format!("kubectl {line}")))
    }

    /// Where the SOCKS5 and CONNECT proxy of a vantage listens.
    pub(crate) fn proxy(&self, vantage: &str) -> String {
        self.find(vantage, "proxy")
    }

    fn find(&self, vantage: &str, field: &str) -> String {
        let status = self.status();
        let found = status["vantages"].as_array().unwrap().iter().find(|one| one["name"] == vantage);
        let found = found.unwrap_or_else(|| panic!("no {vantage} in {}", status["vantages"]));
        found[field].as_str().unwrap().to_owned()
    }

    /// The one vantage that is a subnet of a cluster's own network.
    pub(crate) fn inside(&self) -> String {
        let status = self.status();
        let mut names = status["vantages"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap());
        names.find(|name| name.starts_with("aks-vnet-")).expect("a cluster in a network of its own").to_owned()
    }

    /// What `dig` answers to `question` (a name, its type, options) at a vantage: there, on the kernel plane; on
    /// the proxy plane asked where the vantage's names come from.
    pub(crate) fn dig(&self, vantage: &str, question: &str) -> String {
        let mut command = if self.plane()["name"] == "kernel" {
            self.at(vantage, "dig")
        } else {
            let address = self.find(vantage, "dns");
            let (host, port) = address.split_once(':').unwrap();
            let mut command = self.program(client("dig").expect("the story asked for it"));
            command.arg(format!("@{host}")).args(["-p", port]);
            command
        };
        said(command.arg("+tries=1").args(words(question))).trim().to_owned()
    }

    /// `noren dig` at a vantage: whether there is such a name, and what it says.
    pub(crate) fn asks(&self, vantage: &str, name: &str) -> (bool, String) {
        let output = self.noren(&["dig", "--from", vantage, name, "--short"]).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }

    /// A file of the lab's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program that runs beside the story and is asked to end with it.
pub(crate) struct Background {
    child: Child,
    output: BufReader<ChildStdout>,
    /// What it has printed so far.
    pub(crate) said: String,
}

impl Background {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, said: String::new() }
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Reads until a line contains `words`; whether one did before it ended.
    pub(crate) fn says(&mut self, words: &str) -> bool {
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line).unwrap() == 0 {
                return false;
            }
            self.said += &line;
            if line.contains(words) {
                return true;
            }
        }
    }

    /// Waits for its end; gives all that it printed.
    pub(crate) fn ended(mut self) -> String {
        self.output.read_to_string(&mut self.said).unwrap();
        self.child.wait().unwrap();
        std::mem::take(&mut self.said)
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let pid = Pid::from_raw(self.child.id().try_into().unwrap());
            kill(pid, Signal::SIGTERM).unwrap();
            self.child.wait().unwrap();
        }
    }
}

/// `noren <arguments>`, with no lab in mind.
pub(crate) fn noren(arguments: &[&str]) -> Command {
    let mut command = Command::new(NOREN);
    command.args(arguments).env_remove("NOREN_DATA").stdin(Stdio::null());
    command
}

fn words(line: &str) -> Vec<String> {
    shlex::split(line).expect("quotes that match")
}

fn run(command: &mut Command) -> (Output, String, String) {
    let output = command.output().expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    (output, stdout, stderr)
}

/// Runs a command that must succeed; gives what it prints.
#[track_caller]
pub(crate) fn said(command: &mut Command) -> String {
    let (output, stdout, stderr) = run(command);
    assert!(output.status.success(), "{:?}: {stdout}{stderr}", command.get_args());
    stdout
}

/// Runs a command that must fail; gives its exit status and all it says.
#[track_caller]
pub(crate) fn refused(command: &mut Command) -> (i32, String) {
    let (output, stdout, stderr) = run(command);
    assert!(!output.status.success(), "{:?} should fail: {stdout}", command.get_args());
    (output.status.code().unwrap_or(-1), stdout + &stderr)
}

/// Asserts that `text` contains every one of `parts`.
#[track_caller]
pub(crate) fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in:\n{text}");
    }
}

/// The rows of a table without its padding: cells joined by one space.
pub(crate) fn squeeze(table: &str) -> String {
    table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}
