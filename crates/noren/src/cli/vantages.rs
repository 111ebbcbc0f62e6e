//! `noren vantages`: the places a client can stand.

use std::{io::Write, process::ExitCode};

use clap::Args;

use super::{LabArgs, Output, style};
use crate::lab::VantageStatus;

#[derive(Debug, Args)]
pub(super) struct VantagesOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// How to print them
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

/// Prints the vantages of the running lab.
pub(super) async fn run(options: &VantagesOptions, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let vantages = options.lab.connect()?.status().await?.vantages;
    match options.output {
        Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(&vantages)?)?,
        Output::Table => write!(out, "{}", table(&vantages))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Each vantage with what it is and whom it asks for names.
pub(super) fn table(vantages: &[VantageStatus]) -> String {
    let mut table = style::table(&["VANTAGE", "IS A", "PROXY", "ASKS", "DNS ON THIS MACHINE"]);
    for vantage in vantages {
        table.add_row([
            vantage.name.clone(),
            vantage.kind.clone(),
            vantage.proxy.to_string(),
            if vantage.hosts.is_empty() { vantage.names.clone() } else { format!("its hosts file, {}", vantage.names) },
            vantage.dns.map_or_else(|| "–".to_owned(), |address| address.to_string()),
        ]);
    }
    style::lines(&table)
}
