//! A lab of the test's own, and the real clients pointed at it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a story fails by a panic, and says what it skips"
)]

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// The program under test.
const NOREN: &str = env!("CARGO_BIN_EXE_noren");

/// A running lab in a directory of its own; both are gone when it is dropped.
pub(crate) struct Lab {
    directory: tempfile::TempDir,
    process: Option<Child>,
}

impl Lab {
    /// Starts a lab and waits until it says that it is ready.
    pub(crate) fn up() -> Self {
        let mut lab = Self { directory: tempfile::tempdir().unwrap(), process: None };
        lab.start();
        lab
    }

    /// Starts the lab on its data.
    pub(crate) fn start(&mut self) {
        let mut process =
            self.noren(&["up"]).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().expect("noren starts");
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

    /// `noren <arguments> --data <the lab's>`, in an environment without a home of its own.
    pub(crate) fn noren(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(NOREN);
        let (first, rest) = arguments.split_first().expect("a subcommand");
        command.arg(first).arg("--data").arg(self.directory.path().join("lab")).args(rest);
        command.env("HOME", self.directory.path());
        command
    }

    /// What `noren <arguments>` prints.
    pub(crate) fn noren_says(&self, arguments: &[&str]) -> String {
        succeed(&mut self.noren(arguments))
    }

    /// A client with the environment that `noren env` sets.
    fn client(&self, program: PathBuf) -> Command {
        let environment: Value = serde_json::from_str(&self.noren_says(&["env", "--json"])).expect("JSON");
        let mut command = Command::new(program);
        command.env("HOME", self.directory.path());
        for (name, value) in environment.as_object().expect("an object of variables") {
            command.env(name, value.as_str().expect("a text"));
        }
        command
    }

    /// `az <line>`, split at spaces.
    pub(crate) fn az(&self, line: &str) -> Output {
        let program = az().expect("the caller checked");
        self.client(program).args(line.split(' ')).output().expect("az starts")
    }

    /// The JSON that `az <line>` prints.
    pub(crate) fn az_json(&self, line: &str) -> Value {
        let output = self.az(line);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "az {line}: {errors}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// What `az <line>` is refused with.
    pub(crate) fn az_refused(&self, line: &str) -> String {
        let output = self.az(line);
        assert!(!output.status.success(), "az {line} should be refused");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// A fresh file of the lab's directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command that must succeed; gives what it prints.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).expect("text")
}

/// `az`: where `cargo xtask clients` put it. `None`, said aloud, where it is not.
pub(crate) fn az() -> Option<PathBuf> {
    let az = std::env::var_os("NOREN_CLIENTS").map(|clients| PathBuf::from(clients).join("bin/az"));
    let az = az.filter(|az| az.exists());
    if az.is_none() {
        eprintln!("skipped: no az; `cargo xtask test` installs it");
    }
    az
}
