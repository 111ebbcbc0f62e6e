//! The project's chores: `cargo xtask test` passes every test, `cargo xtask clients` installs the
//! real clients that the end-to-end tests drive.

mod clients;
mod deny;
#[cfg(test)]
mod fidelity;
#[cfg(test)]
mod law;
mod summary;

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, ExitCode, Stdio},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "The project's chores")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Formatting, lints, documentation, every test, end-to-end tests with the real clients.
    Test,
    /// Installs the real clients under `target/clients`.
    Clients,
    /// Formatting, lints, documentation, and what may come into the tree only.
    Tidy,
    /// Every benchmark; results under `target/criterion`.
    Bench,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().chore {
        Chore::Test => test(),
        Chore::Clients => clients::install().map(|_| true),
        Chore::Tidy => Ok(tidy() == 0),
        Chore::Bench => step("bench", cargo(&["bench", "--workspace"])),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "a chore reports to the terminal")]
fn say(line: &str) {
    println!("{line}");
}

fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Runs one step and says how long it took; whether it succeeded.
fn step(name: &str, mut command: Command) -> Result<bool> {
    say(&format!("== {name}"));
    let begun = Instant::now();
    let status = command.status().with_context(|| format!("{name} could not be started"))?;
    say(&format!(
        "== {name}: {} ({:.0} s)",
        if status.success() { "ok" } else { "FAILED" },
        begun.elapsed().as_secs_f32()
    ));
    Ok(status.success())
}

/// The checks that `tidy` makes.
const CHECKS: usize = 4;

/// How many of the checks failed.
fn tidy() -> usize {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    let steps = [
        ("fmt", cargo(&["fmt", "--all", "--check"])),
        ("clippy", cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])),
        ("doc", doc),
    ];
    let mut failed = usize::from(!deny().unwrap_or(false));
    for (name, command) in steps {
        failed += usize::from(!step(name, command).unwrap_or(false));
    }
    failed
}

/// Banned crates, licences, sources.
fn deny() -> Result<bool> {
    if let Some(command) = deny::installed() {
        return step("deny", command);
    }
    let conforms = deny::check()?;
    say(&format!("== deny: {}", if conforms { "ok" } else { "FAILED" }));
    Ok(conforms)
}

fn test() -> Result<bool> {
    // The network is idle while compilers work, and the processors while packages are fetched.
    let installing = thread::spawn(clients::install);
    let untidy = tidy();
    let clients = installing.join().map_err(|_| anyhow::anyhow!("the installation of the clients panicked"))??;
    say("== tests");
    let mut tests = cargo(&["test", "--workspace", "--no-fail-fast"])
        .env("NOREN_CLIENTS", &clients)
        // What the lab itself runs (`az aks command invoke`) is looked up there, behind the system's own.
        .env("PATH", format!("{}:{}", std::env::var("PATH").unwrap_or_default(), clients.join("bin").display()))
        .stdout(Stdio::piped())
        .spawn()
        .context("cargo test could not be started")?;
    let mut summary = summary::Summary { passed: CHECKS - untidy, failed: untidy };
    let mut failed = 0;
    // Said as it comes: a reader sees how far it is.
    for line in BufReader::new(tests.stdout.take().context("cargo test has no output")?).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        say(&line);
        let result = summary::read(&line);
        failed += result.failed;
        summary.add(&result);
    }
    // A test binary that does not build or dies prints no summary of its own.
    if !tests.wait()?.success() && failed == 0 {
        summary.failed += 1;
    }
    say(&format!("{} passed, {} failed", summary.passed, summary.failed));
    Ok(summary.failed == 0)
}
