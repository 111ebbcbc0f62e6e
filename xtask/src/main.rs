//! The project's chores: `cargo xtask test` passes every test, `cargo xtask clients` installs the
//! real clients that the end-to-end tests drive.

mod clients;
#[cfg(test)]
mod fidelity;
mod summary;

use std::{
    process::{Command, ExitCode, Stdio},
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
    /// Formatting, lints and documentation only.
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

/// How many of the checks failed.
fn tidy() -> usize {
    let mut doc = cargo(&["doc", "--workspace", "--no-deps", "--quiet"]);
    doc.env("RUSTDOCFLAGS", "-D warnings");
    let steps = [
        ("fmt", cargo(&["fmt", "--all", "--check"])),
        ("clippy", cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])),
        ("doc", doc),
    ];
    steps.into_iter().filter_map(|(name, command)| (!step(name, command).unwrap_or(false)).then_some(())).count()
}

fn test() -> Result<bool> {
    let untidy = tidy();
    let clients = clients::install()?;
    say("== tests");
    let output = cargo(&["test", "--workspace", "--no-fail-fast"])
        .env("NOREN_CLIENTS", &clients)
        .stderr(Stdio::inherit())
        .output()
        .context("cargo test could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    say(&text);
    let mut summary = summary::read(&text);
    summary.passed += 3 - untidy;
    summary.failed += untidy;
    // A test binary that does not build or dies prints no summary of its own.
    if !output.status.success() && summary.failed == 0 {
        summary.failed = 1;
    }
    say(&format!("{} passed, {} failed", summary.passed, summary.failed));
    Ok(summary.failed == 0)
}
