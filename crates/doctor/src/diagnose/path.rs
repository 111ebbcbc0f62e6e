//! Why packets do not come to the API server.

use std::net::IpAddr;

use super::{Finding, behind, fix};
use crate::{
    address::{AddressKind, is_private},
    code::Code,
    observation::{Connection, Observations, Origin, ProxyOutcome, Tcp, Verdict},
};

/// The cause, if the connection goes through a proxy that does not lead there.
pub(super) fn proxy(seen: &Observations) -> Option<Finding> {
    let observed = seen.proxy.as_ref().filter(|proxy| !proxy.wants_credentials())?;
    let from_kubeconfig = observed.proxy.because.contains("kubeconfig");
    let words = match &observed.outcome {
        ProxyOutcome::Refused { answer } => format!("it answers `{answer}`"),
        ProxyOutcome::Unreachable { error } => format!("it is not reached: {error}"),
        ProxyOutcome::Silent => "it does not answer in time".to_owned(),
        ProxyOutcome::Connected => match observed.tls.as_ref().map(|tls| &tls.verdict) {
            Some(Verdict::NotTls) => "behind it nobody speaks TLS".to_owned(),
            Some(Verdict::Cut { error }) => format!("behind it the connection is cut: {error}"),
            Some(Verdict::Silent) => "behind it nobody answers".to_owned(),
            _ => return None,
        },
    };
    let loopback = observed.proxy.host.parse().is_ok_and(|host: IpAddr| host.is_loopback());
    let is_gone = matches!(observed.outcome, ProxyOutcome::Unreachable { .. });
    if from_kubeconfig && (loopback || observed.proxy.host == "localhost") && is_gone {
        return Some(tunnel(Code::TunnelKubeconfig, format!("{} in the kubeconfig: {words}", observed.proxy.url)));
    }
    let finding = Finding::new(Code::ProxyInTheWay)
        .seen(format!("{} sends connections to {}", observed.proxy.because, observed.proxy.url))
        .seen(words);
    let direct = seen.connections.iter().find(|one| one.is_genuine());
    let finding = match direct {
        Some(one) => finding.seen(format!("without it the API server answers at {}", one.address)),
        None => finding.seen("without it the API server is not reached either"),
    };
    Some(if from_kubeconfig {
        finding.command(
            "if this cluster needs no proxy",
            format!("kubectl config unset clusters.{}.proxy-url", seen.target.context),
        )
    } else {
        finding.command(
            "except the API server from the proxy",
            format!("export NO_PROXY=\"$NO_PROXY,{}\"", seen.target.host),
        )
    })
}

/// The cause, if no connection came about.
pub(super) fn cause(seen: &Observations) -> Option<Finding> {
    let chosen: Vec<&Connection> = seen.connections.iter().filter(|one| one.chosen).collect();
    let connected = chosen.iter().any(|one| matches!(one.tcp, Tcp::Connected { .. }));
    let genuine = chosen.iter().any(|one| one.is_genuine());
    if !genuine && let Some(finding) = moved(seen, &chosen) {
        return Some(finding);
    }
    let first = chosen.first()?;
    if seen.target.kind == AddressKind::Loopback && !genuine {
        let cut = |one: &&&Connection| {
            one.tls.as_ref().is_some_and(|tls| matches!(tls.verdict, Verdict::Cut { .. } | Verdict::Silent))
        };
        if !connected || chosen.iter().find(cut).is_some() {
            let code = if seen.target.is_local() { Code::LocalClusterNotRunning } else { Code::TunnelKubeconfig };
            return Some(tunnel(code, words(first, seen.target.port)));
        }
    }
    if connected {
        return foreign(seen, &chosen);
    }
    let finding = |code| Finding::new(code).all_seen(chosen.iter().map(|one| words(one, seen.target.port)));
    let route = first.route.as_ref();
    let neighbours = route.is_some_and(|route| route.on_link) && !seen.place.azure;
    if first.is_private() && neighbours {
        return Some(overlap(finding(Code::AddressOverlap)));
    }
    Some(match &first.tcp {
        Tcp::Refused => finding(Code::ConnectionRefused)
            .command("see whether the cluster runs", fix::show(&seen.target))
            .fix("check the port in the kubeconfig, and whether a firewall rejects the connection"),
        Tcp::Silent if !first.is_private() => finding(Code::AuthorizedIpRanges)
            .command(
                "let this network's public address in",
                "az aks update -g GROUP -n CLUSTER --api-server-authorized-ip-ranges RANGES",
            )
            .fix("or connect from a network that is let in (VPN)")
            .may_be(&["NSG_OR_FIREWALL_BLOCKS_443"]),
        Tcp::Silent if leads_there(first, seen) => blocked(finding, first, seen),
        Tcp::Silent | Tcp::Unreachable { .. } | Tcp::Connected { .. } => no_route(finding(Code::NoRoute), seen),
    })
}

/// Whether this machine has a way into the address's network: a route of its own, or the same network.
fn leads_there(one: &Connection, seen: &Observations) -> bool {
    let Some(route) = &one.route else { return false };
    // Azure's subnets are seldom smaller than this, and a machine knows its own address only.
    let near = match (route.source, one.address) {
        (IpAddr::V4(source), IpAddr::V4(address)) => source.octets()[..3] == address.octets()[..3],
        _ => false,
    };
    route.is_specific() || (seen.place.azure && (near || route.on_link))
}

fn blocked(finding: impl Fn(Code) -> Finding, one: &Connection, seen: &Observations) -> Finding {
    let from_hosts = seen.names.first().is_some_and(|name| name.hosts.contains(&one.address));
    if from_hosts {
        // Nothing else vouches for the address any more, and the way is there.
        let entry = seen.names.first().map(|name| format!("the hosts file gives {} {}", name.name, one.address));
        return stale(finding(Code::StaleRecord).all_seen(entry), None, seen).may_be(behind::NOT_STALE);
    }
    finding(Code::Blocked)
        .fix("look at the network security groups and route tables of both subnets, at a firewall between them, and at the \
              state of the private endpoint's connection")
        .command("see the private endpoint's connections", "az network private-endpoint-connection list --id CLUSTER_ID")
        .may_be(behind::DROPPED)
}

fn no_route(finding: Finding, seen: &Observations) -> Finding {
    let finding = if seen.place.azure {
        finding
            .fix("peer this virtual network with the cluster's, or make a private endpoint for the cluster in this one")
    } else {
        finding.fix("connect the VPN that leads to the cluster's network, or work from a machine in it")
    };
    finding
        .command("or have Azure run the command inside the cluster", fix::command_invoke(&seen.target))
        .may_be(behind::NO_ROUTE)
}

fn overlap(finding: Finding) -> Finding {
    finding
        .fix("use another local network (another Wi-Fi, a phone's hotspot), or give this one other addresses")
        .fix("or reach the cluster through a machine in its network (Bastion, `az aks command invoke`)")
}

/// The API server is met at another address than the name gives.
fn moved(seen: &Observations, chosen: &[&Connection]) -> Option<Finding> {
    let name = seen.names.first().filter(|_| !chosen.is_empty())?;
    let entry = name.hosts.iter().find(|address| chosen.iter().any(|one| one.address == **address));
    let source = if entry.is_some() { "the hosts file gives" } else { "this machine's DNS gives" };
    let held = chosen.iter().map(|one| format!("{source} {} {}", name.name, one.address));
    if let Some(right) = seen.connections.iter().find(|one| !one.chosen && one.is_genuine()) {
        let finding = Finding::new(Code::StaleRecord)
            .all_seen(held)
            .all_seen(chosen.iter().map(|one| words(one, seen.target.port)))
            .seen(format!("the API server answers at {}", right.address));
        return Some(stale(finding, Some(right.address), seen));
    }
    // Not met, but told: the entry contradicts what DNS says of the cluster now.
    let entry = entry?;
    let told = seen.names.iter().flat_map(|name| name.answered().flat_map(|(_, addresses)| addresses.iter().copied()));
    let told: Vec<IpAddr> = told.collect();
    let right = told.first().filter(|_| !told.contains(entry))?;
    let finding = Finding::new(Code::StaleRecord).all_seen(held).seen(format!("DNS has {right} for the cluster now"));
    Some(stale(finding, Some(*right), seen))
}

fn stale(finding: Finding, right: Option<IpAddr>, seen: &Observations) -> Finding {
    let name = seen.target.host.as_str();
    match right {
        Some(address) => finding
            .command("remove the old line", format!("sudo sed -i '/{name}/d' /etc/hosts"))
            .command("and write the new one", fix::hosts_line(address, name)),
        None => finding.command(
            "ask for the private endpoint's address now, and correct the hosts file",
            "az network private-endpoint show -g NODE_RESOURCE_GROUP -n kube-apiserver --query customDnsConfigs",
        ),
    }
}

/// Connected, but to somebody else's machine.
fn foreign(seen: &Observations, chosen: &[&Connection]) -> Option<Finding> {
    let one = chosen.iter().find(|one| matches!(one.tcp, Tcp::Connected { .. }))?;
    let tls = one.tls.as_ref()?;
    let foreign = match &tls.verdict {
        Verdict::UnknownAuthority => tls.certificate.as_ref().is_some_and(|shown| !shown.is_kubernetes()),
        Verdict::NotTls => true,
        _ => false,
    };
    let neighbours = one.route.as_ref().is_some_and(|route| route.on_link) && !seen.place.azure;
    (foreign && neighbours && is_private(one.address)).then(|| {
        overlap(
            Finding::new(Code::AddressOverlap)
                .seen(words(one, seen.target.port))
                .seen("what answers there is not the API server"),
        )
    })
}

fn tunnel(code: Code, evidence: String) -> Finding {
    let finding = Finding::new(code).seen(evidence);
    if code == Code::LocalClusterNotRunning {
        return finding
            .command("see whether its containers run", "docker ps --all")
            .fix("start it (`docker start`, `minikube start`, `k3d cluster start`), or make it anew");
    }
    finding
        .fix("open the tunnel again (`az aks bastion`, `ssh -L`, `kubectl proxy`), and leave it open")
        .fix("or use the kubeconfig that `az aks get-credentials` writes")
}

/// A connection in a sentence.
pub(super) fn words(one: &Connection, port: u16) -> String {
    let address = std::net::SocketAddr::new(one.address, port);
    let way = match &one.route {
        _ if one.address.is_loopback() => "on this machine".to_owned(),
        Some(route) => {
            let interface = route.interface.as_deref().unwrap_or("an interface");
            let by = match route.prefix {
                Some(prefix) if prefix.prefix_len() == 0 => "the default route".to_owned(),
                Some(prefix) => format!("the route to {prefix}"),
                None => "its route".to_owned(),
            };
            format!("by {by}, from {} on {interface}", route.source)
        }
        None => "no route".to_owned(),
    };
    match &one.tcp {
        Tcp::Connected { took_ms } => format!("{address} connects in {took_ms} ms ({way})"),
        Tcp::Refused => format!("{address} refuses the connection ({way})"),
        Tcp::Silent => format!("{address} does not answer ({way})"),
        Tcp::Unreachable { error } => format!("{address} is not reached: {error} ({way})"),
    }
}

/// Whether public DNS or programs give the public name a private address.
pub(super) fn public_name_is_private(seen: &Observations) -> Option<String> {
    let name = seen.names.first().filter(|_| seen.target.is_public_name())?;
    let given = name.system.addresses().iter().copied();
    let public = name.from(Origin::Public).filter_map(|answer| answer.reply.addresses()).flatten().copied();
    let address = given.chain(public).find(|address| is_private(*address))?;
    Some(format!("{} is {address}", name.name))
}
