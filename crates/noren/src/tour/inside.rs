//! Looks from a network namespace: a process of this program goes there and looks as any client
//! would, with the resolver files of the machine there. Why a connection does not come about, the
//! kernel cannot tell; the model can.

use std::{
    io::{stdin, stdout},
    net::{Ipv4Addr, SocketAddr},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, ensure};
use hickory_proto::rr::RecordType;
use netns::{ClientFiles, Entrance};
use serde::{Deserialize, Serialize};
use tokio::{io::AsyncWriteExt, net::TcpStream, process::Command, time::timeout};

use super::probe::{Connection, HOSTS_FILE, ITS_HOSTS_FILE, Sight, converse};
use crate::{
    client::{dns, kubeconfig::Access},
    lab::{Lab, Stand, VantageStatus},
};

/// How long a connection may take to come about: what is dropped in silence never does.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(700);
/// The port of DNS.
const DNS_PORT: u16 = 53;
/// The port of API servers.
const API_SERVER_PORT: u16 = 443;

/// What the process is asked, on its standard input.
#[derive(Serialize, Deserialize)]
struct Question {
    entrance: Entrance,
    files: ClientFiles,
    names: Vec<String>,
    access: Access,
}

/// What it saw of one name.
#[derive(Serialize, Deserialize)]
struct Seen {
    addresses: Vec<String>,
    dns_status: String,
    connection: Connection,
}

/// Looks at `names` from `vantage`, where a machine of the kernel plane stands.
pub(super) async fn look(
    lab: &Lab,
    vantage: &VantageStatus,
    names: &[String],
    access: &Access,
) -> anyhow::Result<Vec<Sight>> {
    let Stand::Kernel { entrance, files } = lab.stand(&vantage.name).await? else {
        anyhow::bail!("the kernel plane has no machine at {}", vantage.name);
    };
    let question = Question { entrance, files, names: names.to_vec(), access: access.clone() };
    let seen = ask(&question).await.with_context(|| format!("nobody can look from {}", vantage.name))?;
    let sights = seen.into_iter().zip(names).map(|(seen, name)| Sight {
        answered_by: match seen.dns_status.as_str() {
            HOSTS_FILE => ITS_HOSTS_FILE.to_owned(),
            _ => vantage.names.clone(),
        },
        connection: match seen.connection {
            Connection::Refused { why } => {
                Connection::Refused { why: lab.explain(&vantage.name, name, API_SERVER_PORT).unwrap_or(why) }
            }
            other => other,
        },
        addresses: seen.addresses,
        dns_status: seen.dns_status,
    });
    Ok(sights.collect())
}

async fn ask(question: &Question) -> anyhow::Result<Vec<Seen>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(crate::cli::LOOK).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut input = child.stdin.take().context("the process has no input")?;
    input.write_all(&serde_json::to_vec(question)?).await?;
    drop(input);
    let output = child.wait_with_output().await?;
    ensure!(output.status.success(), "the process that looks: {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The process that goes there: reads a question, goes, looks, writes what it saw. Call it before
/// there is a second thread.
pub(crate) fn main() -> anyhow::Result<()> {
    let question: Question = serde_json::from_reader(stdin().lock())?;
    question.entrance.enter(&question.files)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let seen = runtime.block_on(async {
        let mut looks = Vec::new();
        for name in question.names {
            let (files, access) = (question.files.clone(), question.access.clone());
            looks.push(tokio::spawn(async move { see(&files, &name, &access).await }));
        }
        let mut seen = Vec::new();
        for look in looks {
            seen.push(look.await??);
        }
        anyhow::Ok(seen)
    })?;
    Ok(serde_json::to_writer(stdout().lock(), &seen)?)
}

async fn see(files: &ClientFiles, name: &str, access: &Access) -> anyhow::Result<Seen> {
    let (addresses, dns_status) = match hosts_entry(&files.hosts, name) {
        Some(address) => (vec![address], HOSTS_FILE.to_owned()),
        None => resolve(&files.resolv_conf, name).await?,
    };
    let connection = match addresses.first().map(|address| address.parse::<Ipv4Addr>()) {
        None => Connection::Refused { why: dns_status.clone() },
        Some(address) => match timeout(CONNECT_TIMEOUT, TcpStream::connect((address?, API_SERVER_PORT))).await {
            Ok(Ok(stream)) => converse(stream, name, access).await?,
            Ok(Err(error)) => Connection::Refused { why: error.to_string() },
            Err(_) => Connection::Refused { why: "nothing answers".to_owned() },
        },
    };
    Ok(Seen { addresses, dns_status, connection })
}

fn hosts_entry(hosts: &str, name: &str) -> Option<String> {
    hosts.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?;
        words.any(|known| known.eq_ignore_ascii_case(name)).then(|| address.to_owned())
    })
}

/// Asks the servers in order, as a stub resolver does.
async fn resolve(resolv_conf: &str, name: &str) -> anyhow::Result<(Vec<String>, String)> {
    let servers = resolv_conf.lines().filter_map(|line| line.strip_prefix("nameserver ")?.trim().parse().ok());
    for server in servers {
        let server: Ipv4Addr = server;
        if let Ok(reply) = dns::ask(SocketAddr::from((server, DNS_PORT)), name, RecordType::A).await {
            return Ok((reply.addresses(), reply.status));
        }
    }
    Ok((Vec::new(), "no server".to_owned()))
}
