//! Which DNS servers this machine is configured with, for which names, and what its hosts file says.
//!
//! The parsers are pure; each system's sources are read by [`gather`].

mod hosts;
mod nrpt;
mod resolv_conf;
mod resolvectl;
mod scutil;

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
    time::Duration,
};

use serde::Serialize;
use tokio::{process::Command, time::timeout};

pub use hosts::entries as hosts_entries;

/// The port of DNS.
pub(crate) const DNS_PORT: u16 = 53;
/// systemd-resolved's own listener: what it asks is told by `resolvectl`.
const STUBS: [&str; 2] = ["127.0.0.53", "127.0.0.54"];
/// How long a system's tool may take.
const TOOL_TIMEOUT: Duration = Duration::from_millis(1500);

/// The DNS configuration of a machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Configuration {
    /// The servers, in the order they are asked.
    pub servers: Vec<Server>,
    /// Domains that are tried behind a short name.
    pub search: Vec<String>,
}

/// A configured DNS server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who says so: a file, or a network link.
    pub source: String,
    /// The domains it alone is asked about; none means that it is asked about every name.
    pub domains: Vec<String>,
}

impl Server {
    fn new(address: IpAddr, source: &str) -> Self {
        Self { address: SocketAddr::new(address, DNS_PORT), source: source.to_owned(), domains: Vec::new() }
    }
}

impl Configuration {
    /// Adds the servers and domains that are not there yet.
    fn extend(&mut self, other: Self) {
        for server in other.servers {
            if !self.servers.iter().any(|known| known.address == server.address && known.domains == server.domains) {
                self.servers.push(server);
            }
        }
        for domain in other.search {
            if !self.search.contains(&domain) {
                self.search.push(domain);
            }
        }
    }
}

/// Reads the machine's configuration; what cannot be read is as if it were not there.
pub async fn gather(resolv_conf: &Path) -> Configuration {
    let text = fs_err::read_to_string(resolv_conf).unwrap_or_default();
    let mut configuration = resolv_conf::parse(&text, &resolv_conf.display().to_string());
    if cfg!(target_os = "linux") && configuration.servers.iter().any(|server| is_stub(server.address.ip())) {
        configuration.extend(resolvectl::parse(&tool("resolvectl", &["status", "--no-pager"]).await));
    } else if cfg!(target_os = "macos") {
        configuration.extend(scutil::parse(&tool("scutil", &["--dns"]).await));
    } else if cfg!(windows) {
        let shell = async |script| tool("powershell", &["-NoProfile", "-Command", script]).await;
        let servers = "Get-DnsClientServerAddress | ConvertTo-Json";
        let policy = "Get-DnsClientNrptPolicy -Effective | ConvertTo-Json";
        configuration.extend(nrpt::servers(&shell(servers).await));
        configuration.extend(nrpt::policy(&shell(policy).await));
    }
    configuration
}

fn is_stub(address: IpAddr) -> bool {
    STUBS.contains(&address.to_string().as_str())
}

/// What a system's tool prints; nothing when it is missing, fails or takes long.
async fn tool(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(arguments).stdin(std::process::Stdio::null()).kill_on_drop(true);
    match timeout(TOOL_TIMEOUT, command.output()).await {
        Ok(Ok(output)) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => String::new(),
    }
}
