//! How many queries a second one core answers: noren's DNS servers beside a bare UDP echo and, where
//! it is installed, NSD with the same records; all in one run, over loopback.
//!
//! Servers run on core 0, the generator on core 1. Since the generator shares the machine with
//! others, the server's own processor time for a query is told too: its inverse is what the core
//! would answer if it did nothing else.

mod echo;
mod load;
mod serve;
mod subject;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{load::Load, subject::Subject};

#[derive(Parser)]
#[command(about = "DNS queries a second on one core, beside NSD and a bare UDP echo")]
struct Arguments {
    /// Rounds; medians are shown.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds each server is asked for in each round.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Virtual networks, each with its own view.
    #[arg(long, default_value_t = 500)]
    views: usize,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Subcommand)]
enum Role {
    /// Only serves, and says where.
    Serve { views: usize },
    /// Only echoes datagrams, and says where.
    Echo,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.role {
        Some(Role::Serve { views }) => serve::run(views),
        Some(Role::Echo) => echo::run(),
        None => compare(&arguments),
    }
}

#[expect(clippy::print_stdout, reason = "a benchmark reports to the terminal")]
fn compare(arguments: &Arguments) -> Result<()> {
    let seconds = arguments.seconds;
    let mut subjects = vec![
        Subject::echo(Load::one(seconds))?,
        Subject::noren("noren, 1 view", 1, Load::one(seconds))?,
        Subject::noren("noren, one view of many", arguments.views, Load::one(seconds))?,
        Subject::noren("noren, all views", arguments.views, Load::many(seconds))?,
    ];
    subjects.extend(Subject::nsd(Load::one(seconds))?);
    load::pin()?;
    for _ in 0..arguments.rounds {
        for subject in &mut subjects {
            subject.measure()?;
        }
    }
    let echo = subjects[0].median().0;
    println!(
        "{:<26}{:>12}{:>9}{:>16}{:>18}{:>10}",
        "", "queries/s", "of echo", "µs CPU a query", "q/s for its CPU", "RSS MB"
    );
    for subject in &subjects {
        let (rate, cpu_us) = subject.median();
        let rss = subject.rss_mb()?;
        println!(
            "{:<26}{rate:>12.0}{:>9.2}{cpu_us:>16.2}{:>18.0}{rss:>10.1}",
            subject.name(),
            rate / echo,
            1e6 / cpu_us
        );
    }
    Ok(())
}
