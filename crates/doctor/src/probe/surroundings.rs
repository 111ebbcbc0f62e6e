//! What a diagnosis takes from the machine it runs on; tests pass another machine's.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tokio::time::timeout;

use crate::{
    observation::SystemReply,
    resolvers::{self, Configuration, DNS_PORT},
};

/// How long the system's resolver may take.
const SYSTEM_TIMEOUT: Duration = Duration::from_millis(2500);
/// Azure's resolver, in Azure's networks only.
const AZURE_DNS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16));

/// How programs look names up.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, SystemReply> + Send + Sync>;

/// The machine a diagnosis runs on.
#[derive(Clone)]
pub struct Surroundings {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// The hosts file.
    pub hosts: String,
    /// The configured DNS servers.
    pub dns: Configuration,
    /// The system's resolver.
    pub lookup: Lookup,
    /// Public resolvers to compare with; none when nothing may leave this network.
    pub public_resolvers: Vec<SocketAddr>,
    /// Azure's resolver; `None` when nothing may leave this network.
    pub azure_resolver: Option<SocketAddr>,
    /// The clock.
    pub clock: fn() -> Timestamp,
}

impl Surroundings {
    /// This machine. With `offline` no server is asked but the configured ones.
    pub async fn of_this_machine(public_resolvers: Vec<SocketAddr>, offline: bool) -> Self {
        // A variable that is not text is of no program that is looked at.
        let variables =
            std::env::vars_os().filter_map(|(name, text)| Some((name.into_string().ok()?, text.into_string().ok()?)));
        let hosts = if cfg!(windows) { r"C:\Windows\System32\drivers\etc\hosts" } else { "/etc/hosts" };
        Self {
            variables: variables.collect(),
            hosts: fs_err::read_to_string(hosts).unwrap_or_default(),
            dns: resolvers::gather(Path::new("/etc/resolv.conf")).await,
            lookup: system_lookup(),
            public_resolvers: if offline { Vec::new() } else { public_resolvers },
            azure_resolver: (!offline).then_some(SocketAddr::new(AZURE_DNS, DNS_PORT)),
            clock: super::now,
        }
    }
}

/// `getaddrinfo`, with a time limit of ours: the system's own may be half a minute.
pub fn system_lookup() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move {
            match timeout(SYSTEM_TIMEOUT, tokio::net::lookup_host((name, 0))).await {
                Ok(Ok(found)) => {
                    let mut addresses: Vec<IpAddr> = Vec::new();
                    for address in found {
                        if !addresses.contains(&address.ip()) {
                            addresses.push(address.ip());
                        }
                    }
                    SystemReply::Addresses { addresses }
                }
                Ok(Err(error)) => {
                    let text = error.to_string();
                    let words = text.rsplit_once("information: ").map_or(text.as_str(), |(_, words)| words);
                    SystemReply::Failed { error: words.to_owned() }
                }
                Err(_) => SystemReply::Silent,
            }
        })
    })
}
