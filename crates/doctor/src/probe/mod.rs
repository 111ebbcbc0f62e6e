//! The probes: side by side, each with a time limit, they make [`Observations`] and change nothing.
//!
//! Secrets go to the kubeconfig's own server only, on a connection whose certificate was verified against the
//! kubeconfig's authority; every other connection is anonymous.

mod deep;
mod dns;
mod http;
mod local;
mod names;
mod proxy;
mod route;
mod surroundings;
mod tls;
mod way;

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::{Instant, timeout};

pub use surroundings::{Lookup, Surroundings, system_lookup};

use crate::{
    address,
    kubeconfig::Access,
    observation::{
        Cluster, Connection, NameObservation, Observations, Place, ProxyObservation, Request, Target, Tcp, Verdict,
    },
    proxy::choose,
};
use tls::Trust;
use way::Way;

/// What all may take together, unless more is asked for.
const WHOLE: Duration = Duration::from_millis(9500);
/// What `--deep` may take besides.
const DEEPER: Duration = Duration::from_secs(5);
/// How long a TCP connection or a proxy's answer may take.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a TLS handshake may take.
const HANDSHAKE: Duration = Duration::from_millis(1500);
/// How long a request may take on a connection that is there.
const REQUEST: Duration = Duration::from_millis(1500);
/// Addresses that are connected to at most.
const ADDRESSES_MAX: usize = 8;

/// Whether to look further than `kubectl` itself would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// What `kubectl` does.
    Plain,
    /// Large requests and a pod's log besides.
    Deep,
}

/// Hears what is being done, for people who wait.
pub type Progress<'a> = &'a (dyn Fn(&str) + Sync);

/// The time that is left.
#[derive(Clone, Copy)]
struct Budget(Instant);

impl Budget {
    /// The limit of a probe that may take `most`.
    fn limit(self, most: Duration) -> Duration {
        most.min(self.0.saturating_duration_since(Instant::now()))
    }
}

/// Looks at everything between here and the API server.
pub async fn observe(access: &Access, around: &Surroundings, depth: Depth, progress: Progress<'_>) -> Observations {
    let budget = Budget(Instant::now() + WHOLE);
    let trust = Trust::of(access);
    let expected = access.tls_server_name.as_deref().unwrap_or(&access.host);
    let proxy = choose(access.proxy_url.as_deref(), &around.variables, (access.tls, &access.host, access.port));

    let via_proxy = async {
        let Some(proxy) = proxy else { return (None, None) };
        progress(&format!("asks the proxy {}", proxy.url));
        let way = Way::Proxy(proxy.clone(), access.host.clone(), access.port);
        let (outcome, tls) = match timeout(budget.limit(CONNECT), way.open()).await {
            Ok(Ok(stream)) if access.tls => {
                (Ok(()), Some(tls::shake(stream, expected, &trust, budget.limit(HANDSHAKE)).await.0))
            }
            Ok(Ok(_)) => (Ok(()), None),
            Ok(Err(error)) => (Err(Some(error)), None),
            Err(_) => (Err(None), None),
        };
        (Some(ProxyObservation { proxy, outcome: proxy::outcome(outcome), tls }), Some(way))
    };
    let direct = async {
        progress(&format!("looks {} up", access.host));
        let seen = names::ask(access, around).await;
        let addresses = addresses(access, &seen.names);
        for (address, _) in &addresses {
            progress(&format!("connects to {address}"));
        }
        let one = |(address, chosen)| connect(address, chosen, access, expected, &trust, budget);
        let connections = join_all(addresses.into_iter().map(one)).await;
        (seen, connections)
    };
    let ((proxy, way), (seen, connections)) = tokio::join!(via_proxy, direct);

    let met = way.filter(|_| proxy.as_ref().is_some_and(|proxy| is_met(proxy.tls.as_ref(), &proxy.outcome, access)));
    let met = if proxy.is_some() { met } else { met_directly(&connections, access) };
    let mut requests = Vec::new();
    let mut deep = None;
    if let Some(way) = met {
        progress("asks the API server for its version");
        requests = ask_version(access, &way, expected, &trust, budget).await;
        if depth == Depth::Deep && may_send(access, &requests) {
            progress("sends a large request and reads a log");
            let budget = Budget(Instant::now() + DEEPER);
            deep = Some(deep::look(access, &way, expected, &trust, budget).await);
        }
    }
    Observations {
        at: (around.clock)(),
        target: target(access, &trust),
        place: Place {
            hosted_agent: local::hosted_agent(&around.variables),
            azure: seen.azure,
            wsl: local::is_wsl(),
            interfaces: route::interfaces(),
        },
        dns: around.dns.clone(),
        names: seen.names,
        zones: seen.zones,
        proxy,
        connections,
        requests,
        credentials: local::credentials(&access.proof, around.variables.get("PATH").map(String::as_str)),
        deep,
    }
}

fn target(access: &Access, trust: &Trust) -> Target {
    Target {
        context: access.context.clone(),
        cluster: Cluster::of_user(&access.user, &access.context),
        server: access.server.clone(),
        host: access.host.clone(),
        port: access.port,
        kind: address::recognise(&access.host),
        tls_server_name: access.tls_server_name.clone(),
        insecure: access.insecure,
        authority_error: trust.error().map(str::to_owned),
    }
}

/// Every address that anything gives for the cluster; first those that `kubectl` would take.
fn addresses(access: &Access, names: &[NameObservation]) -> Vec<(IpAddr, bool)> {
    let mut found = Vec::new();
    let mut known = BTreeSet::new();
    let mut add = |address: IpAddr, chosen| {
        if known.insert(address) {
            found.push((address, chosen));
        }
    };
    if let Ok(address) = access.host.parse() {
        add(address, true);
    }
    for address in names.first().iter().flat_map(|name| name.system.addresses()) {
        add(*address, true);
    }
    for name in names {
        let answered = name.answered().flat_map(|(_, addresses)| addresses);
        for address in name.hosts.iter().chain(name.system.addresses()).chain(answered) {
            add(*address, false);
        }
    }
    found.truncate(ADDRESSES_MAX);
    found
}

async fn connect(
    address: IpAddr,
    chosen: bool,
    access: &Access,
    expected: &str,
    trust: &Trust,
    budget: Budget,
) -> Connection {
    let at = SocketAddr::new(address, access.port);
    let begun = Instant::now();
    let opened = timeout(budget.limit(CONNECT), tokio::net::TcpStream::connect(at)).await;
    let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (tcp, tls) = match opened {
        Ok(Ok(stream)) if access.tls => {
            let (tls, _) = tls::shake(Box::new(stream), expected, trust, budget.limit(HANDSHAKE)).await;
            (Tcp::Connected { took_ms }, Some(tls))
        }
        Ok(Ok(_)) => (Tcp::Connected { took_ms }, None),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => (Tcp::Refused, None),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::TimedOut => (Tcp::Silent, None),
        Ok(Err(error)) => (Tcp::Unreachable { error: error.to_string() }, None),
        Err(_) => (Tcp::Silent, None),
    };
    Connection { address, chosen, route: route::to(address), tcp, tls }
}

/// Whether there is a server to speak to, if only anonymously.
fn is_met(tls: Option<&crate::observation::Tls>, outcome: &crate::observation::ProxyOutcome, access: &Access) -> bool {
    let connected = *outcome == crate::observation::ProxyOutcome::Connected;
    connected && (!access.tls || tls.is_some_and(|tls| speaks(&tls.verdict)))
}

fn met_directly(connections: &[Connection], access: &Access) -> Option<Way> {
    let usable = |connection: &&Connection| {
        let connected = matches!(connection.tcp, Tcp::Connected { .. });
        connection.chosen
            && connected
            && (!access.tls || connection.tls.as_ref().is_some_and(|tls| speaks(&tls.verdict)))
    };
    let best = connections.iter().filter(usable).max_by_key(|connection| connection.is_genuine())?;
    Some(Way::Direct(SocketAddr::new(best.address, access.port)))
}

/// Whether there is TLS to speak through, whoever is behind it.
fn speaks(verdict: &Verdict) -> bool {
    !matches!(verdict, Verdict::NotTls | Verdict::Cut { .. } | Verdict::Silent)
}

/// Asks `/version`, first as nobody, then as the user if the server has proved to be the kubeconfig's.
async fn ask_version(access: &Access, way: &Way, expected: &str, trust: &Trust, budget: Budget) -> Vec<Request> {
    let limit = budget.limit(CONNECT + HANDSHAKE + REQUEST).min(Duration::from_millis(1750));
    let anonymous = http::version(access, way, expected, &trust.anonymous(), limit, None).await;
    let mut requests = vec![anonymous];
    if access.tls && !access.insecure && local::has_static_proof(&access.proof) && trust.error().is_none() {
        let limit = budget.limit(CONNECT + HANDSHAKE + REQUEST).min(Duration::from_millis(1750));
        // A key that does not fit its certificate is told by the credentials themselves.
        if let Ok(trust) = trust.with_client(&access.proof) {
            requests.push(http::version(access, way, expected, &trust, limit, Some(&access.proof)).await);
        }
    }
    requests
}

fn may_send(access: &Access, requests: &[Request]) -> bool {
    access.tls
        && requests.iter().any(|request| {
            request.with_credentials
                && matches!(request.outcome, crate::observation::RequestOutcome::Answered { status: 200, .. })
        })
}

/// The time now, by this machine's clock.
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
