//! `noren dig`: asks a name over the wire, with the name view of a vantage.

use std::{io::Write, process::ExitCode};

use anyhow::Context;
use clap::Args;
use hickory_proto::rr::RecordType;
use serde_json::json;

use super::{LabArgs, Output, style};
use crate::{
    client::dns::{self, AnswerLine, Reply},
    failure::Failure,
    lab::{Status, VantageStatus},
};

#[derive(Debug, Args)]
pub(super) struct DigOptions {
    #[command(flatten)]
    lab: LabArgs,
    /// Where to stand: a vantage of `noren status`
    #[arg(long, value_name = "VANTAGE", default_value = "internet")]
    from: String,
    /// The name to ask
    name: String,
    /// The record type
    #[arg(default_value = "A", value_parser = parse_type)]
    record_type: RecordType,
    /// Print only the answers' data
    #[arg(long, conflicts_with = "output")]
    short: bool,
    /// How to print the answer
    #[arg(long, short, value_enum, default_value_t)]
    output: Output,
}

fn parse_type(text: &str) -> Result<RecordType, String> {
    text.to_ascii_uppercase().parse().map_err(|_| format!("`{text}` is no record type"))
}

/// Asks and prints; exit status 1 when there is no such name.
pub(super) async fn run(options: &DigOptions, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let status = options.lab.connect()?.status().await?;
    let vantage = find_vantage(&status, &options.from)?;
    let (reply, by) = ask(vantage, &options.name, options.record_type).await?;
    match options.output {
        Output::Json => writeln!(out, "{}", json!({"from": vantage.name, "answeredBy": by, "reply": reply}))?,
        Output::Table if options.short => {
            for line in &reply.answers {
                writeln!(out, "{}", line.data)?;
            }
        }
        Output::Table => write!(out, "{}", render(vantage, &reply, &by))?,
    }
    Ok(ExitCode::from(u8::from(reply.status != "NOERROR")))
}

async fn ask(vantage: &VantageStatus, name: &str, record_type: RecordType) -> anyhow::Result<(Reply, String)> {
    let plain = name.trim_end_matches('.').to_ascii_lowercase();
    if record_type == RecordType::A
        && let Some((address, _)) = vantage.hosts.iter().find(|(_, known)| *known == plain)
    {
        let answer = AnswerLine { name: format!("{plain}."), ttl: 0, record_type: "A".into(), data: address.clone() };
        let reply = Reply { status: "NOERROR".into(), answers: vec![answer], authority: Vec::new() };
        return Ok((reply, "its hosts file".to_owned()));
    }
    let server = vantage.dns.with_context(|| format!("{} cannot ask anybody: {}", vantage.name, vantage.names))?;
    Ok((dns::ask(server, name, record_type).await?, format!("{} ({server})", vantage.names)))
}

fn render(vantage: &VantageStatus, reply: &Reply, by: &str) -> String {
    let mut text = format!(";; from {}: {} answers {}\n", vantage.name, by, reply.status);
    let lines: Vec<Vec<String>> = reply
        .answers
        .iter()
        .chain(&reply.authority)
        .map(|line| {
            vec![line.name.clone(), line.ttl.to_string(), "IN".to_owned(), line.record_type.clone(), line.data.clone()]
        })
        .collect();
    text += &style::columns(&lines);
    text
}

/// The vantage that `text` names.
///
/// # Errors
/// When none or several do, with the ones there are.
pub(super) fn find_vantage<'a>(status: &'a Status, text: &str) -> anyhow::Result<&'a VantageStatus> {
    let group = |vantage: &VantageStatus| {
        let id = vantage.id.as_deref().and_then(|id| azure::ResourceId::parse(id).ok())?;
        Some(format!("{}/{}", id.group_name()?, vantage.name))
    };
    let names = |vantage: &&VantageStatus| {
        vantage.name.eq_ignore_ascii_case(text)
            || vantage.id.as_deref().is_some_and(|id| id.eq_ignore_ascii_case(text))
            || group(vantage).is_some_and(|name| name.eq_ignore_ascii_case(text))
    };
    let found: Vec<&VantageStatus> = status.vantages.iter().filter(names).collect();
    match found.as_slice() {
        [only] => Ok(only),
        [] => {
            let known: Vec<&str> = status.vantages.iter().map(|vantage| vantage.name.as_str()).take(12).collect();
            Err(Failure::new(format!("there is no vantage `{text}`"))
                .because(format!("the lab has {}", known.join(", ")))
                .remedy("choose one of them; `noren status` lists all")
                .into())
        }
        several => {
            let names: Vec<String> = several.iter().filter_map(|vantage| group(vantage)).collect();
            Err(Failure::new(format!("`{text}` names more than one vantage"))
                .because(format!("it is the name of {}", names.join(" and ")))
                .remedy("write the resource group in front")
                .into())
        }
    }
}
