//! Asks every server about every name the cluster may have.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
};

use azure::DnsName;
use futures_util::future::join_all;

use super::{dns, surroundings::Surroundings};
use crate::{
    address,
    kubeconfig::Access,
    observation::{NameObservation, Origin, ServerAnswer, ZoneAnswer},
    resolvers::{Configuration, hosts_entries},
};

/// Names that are looked up at most.
const NAMES_MAX: usize = 4;

/// What was seen of names.
pub(super) struct Seen {
    pub(super) names: Vec<NameObservation>,
    pub(super) zones: Vec<ZoneAnswer>,
    pub(super) azure: bool,
}

/// Asks for the server's name, the cluster's other names and, for a private one, the zones above it.
pub(super) async fn ask(access: &Access, around: &Surroundings) -> Seen {
    let names = names_of(access);
    let mut zones = address::zones_above(&access.host);
    if !zones.is_empty() {
        // Whether the server answers anything at all.
        zones.push(DnsName::root());
    }
    let seen = join_all(names.into_iter().map(|name| one(name, around)));
    let zones = async {
        let servers: Vec<SocketAddr> = match names_servers(access, around) {
            Some(servers) => servers.into_keys().collect(),
            None => Vec::new(),
        };
        let questions = servers.iter().flat_map(|server| zones.iter().map(move |zone| (*server, zone)));
        join_all(questions.map(|(server, zone)| async move {
            let (answered, authority) = dns::authority(server, zone).await;
            ZoneAnswer { zone: zone.to_string(), server, authority, answered }
        }))
        .await
    };
    // With a name to ask for, its answer says as much.
    let alive = async {
        match around.azure_resolver.filter(|_| access.host.parse::<IpAddr>().is_ok()) {
            Some(server) => dns::authority(server, &DnsName::root()).await.0,
            None => false,
        }
    };
    let (names, zones, alive) = tokio::join!(seen, zones, alive);
    let answers = |name: &NameObservation| name.from(Origin::Azure).any(|answer| !answer.reply.is_failure());
    let azure = alive || names.iter().any(answers);
    Seen { names, zones, azure }
}

/// The server's name, then the names its cluster has besides, as far as they can be told.
fn names_of(access: &Access) -> Vec<DnsName> {
    if access.host.parse::<IpAddr>().is_ok() {
        return Vec::new();
    }
    let mut names: Vec<DnsName> = DnsName::parse(&access.host).into_iter().collect();
    let siblings = access.siblings.iter().filter(|other| address::same_cluster(&access.host, other));
    let others = siblings.filter_map(|name| DnsName::parse(name).ok());
    for name in address::public_name(&access.host).into_iter().chain(others) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.truncate(NAMES_MAX);
    names
}

fn names_servers(access: &Access, around: &Surroundings) -> Option<BTreeMap<SocketAddr, Origin>> {
    let name = DnsName::parse(&access.host).ok()?;
    let mut servers = servers(&name, &around.dns);
    servers.retain(|_, origin| *origin == Origin::Configured);
    Some(servers)
}

/// The configured servers, and whether each would be asked for `name`: those with the longest domain that it lies in,
/// else those for every name.
fn servers(name: &DnsName, dns: &Configuration) -> BTreeMap<SocketAddr, Origin> {
    let fit = |domains: &[String]| {
        if domains.is_empty() {
            return Some(0);
        }
        let within = domains.iter().filter(|domain| DnsName::parse(domain).is_ok_and(|zone| name.is_within(&zone)));
        within.map(String::len).max()
    };
    let best = dns.servers.iter().filter_map(|server| fit(&server.domains)).max().unwrap_or(0);
    let mut origins = BTreeMap::new();
    for server in &dns.servers {
        let loopback = server.address.ip().is_loopback();
        let is_asked = fit(&server.domains) == Some(best) || (loopback && server.domains.is_empty());
        let origin = if is_asked { Origin::Configured } else { Origin::Elsewhere };
        let known = origins.entry(server.address).or_insert(origin);
        *known = origin.min(*known);
    }
    origins
}

async fn one(name: DnsName, around: &Surroundings) -> NameObservation {
    let mut asked: Vec<(SocketAddr, Origin)> = servers(&name, &around.dns).into_iter().collect();
    let order = |server: &SocketAddr| around.dns.servers.iter().position(|known| known.address == *server);
    asked.sort_by_key(|(server, _)| order(server));
    let others = around.public_resolvers.iter().map(|server| (*server, Origin::Public));
    for (server, origin) in others.chain(around.azure_resolver.map(|server| (server, Origin::Azure))) {
        // Azure's resolver is often the configured one as well: then it is both.
        if origin == Origin::Azure || !asked.iter().any(|(known, _)| *known == server) {
            asked.push((server, origin));
        }
    }
    let ask = |(server, origin): (SocketAddr, Origin)| {
        let name = &name;
        async move {
            let reply = dns::addresses(server, name).await;
            // A server that forwards to several may know a name only sometimes.
            let again = origin == Origin::Configured && !reply.is_failure();
            let then = if again { Some(dns::addresses(server, name).await) } else { None };
            let differs = |then: &crate::observation::Reply| {
                !then.is_failure() && then.addresses().is_some() != reply.addresses().is_some()
            };
            let then = then.filter(differs);
            ServerAnswer { server, origin, reply, then }
        }
    };
    let (system, servers) = tokio::join!((around.lookup)(name.to_string()), join_all(asked.into_iter().map(ask)));
    NameObservation { hosts: hosts_entries(&around.hosts, name.as_str()), name: name.to_string(), system, servers }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolvers::Server;

    #[test]
    fn the_servers_of_the_closest_domain_are_asked() {
        let server = |last: u8, domains: &[&str]| Server {
            address: SocketAddr::from(([10, 0, 0, last], 53)),
            source: String::new(),
            domains: domains.iter().map(ToString::to_string).collect(),
        };
        let dns = Configuration { servers: vec![server(1, &[]), server(2, &["azmk8s.io"])], search: Vec::new() };
        let origins = |name: &str| servers(&name.parse().unwrap(), &dns).into_values().collect::<Vec<_>>();
        assert_eq!(origins("a.azmk8s.io"), [Origin::Elsewhere, Origin::Configured]);
        assert_eq!(origins("a.example"), [Origin::Configured, Origin::Elsewhere]);
    }
}
