//! Why the server's name does not lead to the API server.

use std::net::{IpAddr, SocketAddr};

use super::{Finding, behind, fix, path};
use crate::{
    address::{AddressKind, Zone, is_private},
    code::Code,
    observation::{Authority, NameObservation, Observations, Origin, Reply, ServerAnswer, SystemReply},
};

/// The cause, if the name gives no address.
pub(super) fn cause(seen: &Observations) -> Option<Finding> {
    let name = seen.names.first()?;
    if !name.system.addresses().is_empty() {
        return None;
    }
    let finding = known_elsewhere(seen, name).unwrap_or_else(|| known_nowhere(seen, name));
    let mut evidence = vec![told(name)];
    evidence.extend(finding.evidence);
    Some(Finding { evidence, ..finding })
}

/// What programs are told, in a sentence.
fn told(name: &NameObservation) -> String {
    match &name.system {
        SystemReply::Failed { error } => format!("looking up {} fails: {error}", name.name),
        SystemReply::Silent => format!("looking up {} takes longer than programs wait", name.name),
        SystemReply::Addresses { .. } => format!("looking up {} gives no address", name.name),
    }
}

/// Somebody gives the name an address, only not to programs here.
fn known_elsewhere(seen: &Observations, name: &NameObservation) -> Option<Finding> {
    let knows = |origin| name.from(origin).find(|answer| answer.reply.addresses().is_some());
    let unsteady = name.from(Origin::Configured).find(|answer| answer.then.is_some());
    if let Some(answer) = unsteady {
        let finding = Finding::new(Code::ConditionalForwardWrongZone).seen(say(name, answer));
        return Some(forwarding(finding.seen("asked again at once, it answers otherwise"), seen));
    }
    if let Some(answer) = knows(Origin::Elsewhere) {
        let server = seen.dns.servers.iter().find(|server| server.address == answer.server);
        let source = server.map_or("another link", |server| server.source.as_str());
        let domains = server.map(|server| server.domains.join(" ")).unwrap_or_default();
        let routed = if domains.is_empty() { "no names".to_owned() } else { format!("`{domains}`") };
        let finding = Finding::new(Code::SplitDns)
            .seen(say(name, answer))
            .seen(format!("{source} sends it {routed}, not this name"));
        let zone = parent(&name.name);
        return Some(
            finding.command(
                "send the cluster's zone to that server",
                format!("sudo resolvectl domain {source} '~{zone}'"),
            ),
        );
    }
    if let Some(answer) = knows(Origin::Configured) {
        let others = name.from(Origin::Configured).filter(|other| other.server != answer.server);
        let finding =
            Finding::new(Code::SplitDns).seen(say(name, answer)).all_seen(others.map(|other| say(name, other)));
        return Some(finding.fix(
            "put that server before the others, or route the cluster's zone to it: the next server \
                                 is asked only when one is silent, not when it says no",
        ));
    }
    if let Some(finding) = failing(seen, name) {
        return Some(finding);
    }
    if seen.target.is_private_name()
        && let Some(answer) = knows(Origin::Azure)
    {
        let configured = name.from(Origin::Configured).map(|other| say(name, other));
        return Some(forwarding(
            Finding::new(Code::CustomDnsBypassesZone).seen(say(name, answer)).all_seen(configured),
            seen,
        ));
    }
    let answer = knows(Origin::Public)?;
    let words = name.from(Origin::Configured).map(|other| say(name, other));
    let addresses = answer.reply.addresses().unwrap_or_default();
    if addresses.iter().all(|address| is_private(*address)) {
        let domain = domain(&name.name);
        let finding = Finding::new(Code::RebindProtection).seen(say(name, answer)).all_seen(words);
        let finding = finding
            .fix(format!(
                "have the resolver let `{domain}` have private addresses (dnsmasq: `rebind-domain-ok=/{domain}/`; \
                          unbound: `private-domain: \"{domain}\"`)"
            ))
            .fix(format!("or use another resolver, as {}", answer.server.ip()));
        return Some(match addresses.first() {
            Some(address) => finding.command("or write it into the hosts file", fix::hosts_line(*address, &name.name)),
            None => finding,
        });
    }
    let finding = Finding::new(Code::NameNotResolvable).seen(say(name, answer)).all_seen(words);
    Some(finding.fix(format!("use a resolver that answers this name, as {}", answer.server.ip())))
}

/// None of the servers that are asked gives an answer, be it no.
fn failing(seen: &Observations, name: &NameObservation) -> Option<Finding> {
    let configured: Vec<&ServerAnswer> = name.from(Origin::Configured).collect();
    if configured.is_empty() || !configured.iter().all(|answer| answer.reply.is_failure()) {
        return None;
    }
    // A server that answers other questions fails for this zone only.
    let alive = configured.iter().find(|answer| answers_others(seen, answer.server));
    let Some(answer) = alive.filter(|_| seen.target.is_private_name()) else {
        let words = configured.iter().map(|answer| say(name, answer));
        return Some(
            Finding::new(Code::DnsServersSilent)
                .all_seen(words)
                .fix("connect the VPN whose DNS servers these are, or remove them from this machine's configuration")
                .may_be(behind::SILENT),
        );
    };
    let finding = Finding::new(Code::OnPremForwardTo168).seen(say(name, answer));
    Some(finding.seen(format!("{} answers other questions", answer.server.ip())).fix(
        "168.63.129.16 answers inside Azure only: have the server forward the zone to a DNS private resolver's inbound \
         endpoint, or to a DNS server in a linked network",
    ))
}

/// Nobody gives the name an address.
fn known_nowhere(seen: &Observations, name: &NameObservation) -> Finding {
    let words = || name.from(Origin::Configured).map(|answer| say(name, answer));
    let answers = name.from(Origin::Configured).chain(name.from(Origin::Azure));
    let in_zone = answers.into_iter().find(|answer| answer.reply.authority().is_some_and(Authority::is_private_zone));
    if let Some(answer) = in_zone {
        return missing_record(seen, name, answer);
    }
    let private_above = seen.zones.iter().find(|zone| zone.authority.as_ref().is_some_and(Authority::is_private_zone));
    if let Some(zone) = private_above {
        let finding = Finding::new(Code::ConditionalForwardWrongZone).all_seen(words());
        let finding = finding.seen(format!("yet {} knows the private zone {}", zone.server.ip(), zone.zone));
        return forwarding(finding, seen);
    }
    match &seen.target.kind {
        AddressKind::PrivateFqdn { zone, zone_name, .. } => {
            private_name(seen, name, *zone, zone_name).all_seen(words())
        }
        AddressKind::PublicFqdn { .. } => {
            let public = name.from(Origin::Public).map(|answer| say(name, answer));
            let finding = Finding::new(Code::PublicFqdnDisabled).all_seen(words()).all_seen(public);
            finding
                .command("see whether the cluster runs and which names it has", fix::show(&seen.target))
                .command("take the name it has", fix::kubeconfig(&seen.target))
                .may_be(behind::NO_PUBLIC_NAME)
        }
        _ => {
            let finding = Finding::new(Code::NameNotResolvable).all_seen(words());
            finding.fix(
                "check the server's name in the kubeconfig, and whether the DNS that knows it is asked here (VPN, \
                         search domains)",
            )
        }
    }
}

fn private_name(seen: &Observations, name: &NameObservation, zone: Zone, zone_name: &str) -> Finding {
    let other = seen.names.iter().skip(1).find_map(|other| Some((other, public_address(other)?)));
    let link = |finding: Finding| {
        let whose = if zone == Zone::System {
            "the zone is in the cluster's node resource group"
        } else {
            "the zone is your own"
        };
        finding
            .command(
                format!("on a machine in Azure: link the zone to its virtual network ({whose})"),
                fix::link(&seen.target, zone_name),
            )
            .fix(format!(
                "on a VPN or on premises: have DNS forward `{zone_name}` to a DNS private resolver or a DNS server in \
                          a linked network"
            ))
            .may_be(behind::UNKNOWN_NAME)
    };
    let finding = if let Some((other, (address, by))) = other {
        let by = by.map_or_else(|| "this machine".to_owned(), |server| server.ip().to_string());
        let there = seen.connections.iter().find(|one| one.address == address);
        let finding = Finding::new(Code::KubeconfigHasPrivateName)
            .seen(format!("the cluster's public FQDN {} is {address}, says {by}", other.name));
        let finding = match there {
            Some(one) if one.is_genuine() => finding.seen(format!("the API server answers at {address} from here")),
            Some(one) => finding.seen(path::words(one, seen.target.port)).fix(
                "first of all, get a way into the cluster's network (VPN, peering): the address is not reached either",
            ).may_be(behind::NO_WAY_EITHER).may_be(behind::NO_ROUTE),
            None => finding,
        };
        finding
            .command("use the public FQDN", fix::public_kubeconfig(&seen.target))
            .command("or write the address into the hosts file", fix::hosts_line(address, &name.name))
    } else {
        let disabled = seen.names.iter().skip(1).filter_map(|other| {
            let answer = other.from(Origin::Public).find(|answer| answer.reply.is_negative())?;
            Some(format!("its public FQDN is disabled, or the cluster stopped or gone: {}", say(other, answer)))
        });
        Finding::new(Code::PrivateNameNotResolvable)
            .all_seen(disabled)
            .command("see whether the cluster runs", fix::show(&seen.target))
            .may_be(behind::NO_NAME)
    };
    link(finding)
}

/// The address of another name of the cluster, and who gave it; nobody named: the system.
fn public_address(other: &NameObservation) -> Option<(IpAddr, Option<SocketAddr>)> {
    if let Some(address) = other.system.addresses().first() {
        return Some((*address, None));
    }
    other.answered().find_map(|(answer, addresses)| Some((*addresses.first()?, Some(answer.server))))
}

fn missing_record(seen: &Observations, name: &NameObservation, answer: &ServerAnswer) -> Finding {
    let finding = Finding::new(Code::ZoneLinkedRecordMissing).seen(say(name, answer));
    let zone = answer.reply.authority().map(|of| of.zone.clone()).unwrap_or_default();
    let own = parent(&name.name);
    let finding = if zone == own {
        finding
            .seen(format!("{zone} is the name's own zone and does not have it"))
            .command("start the cluster, if it is stopped", fix::show(&seen.target))
            .fix("a record that was deleted comes back when the cluster is stopped and started")
    } else {
        finding
            .seen(format!("the name's own zone would be {own}; {zone} shadows it"))
            .command("link the name's own zone as well", fix::link(&seen.target, own))
            .fix("or remove the other zone's link")
    };
    finding.may_be(behind::NO_RECORD)
}

fn forwarding(finding: Finding, seen: &Observations) -> Finding {
    let zone = seen.names.first().map(|name| parent(&name.name).to_owned()).unwrap_or_default();
    let base = zone.find("privatelink.").map_or(zone.as_str(), |at| &zone[at..]).to_owned();
    finding
        .fix(format!(
            "have the DNS server forward `{base}` and all below it (or all of `{}`) to 168.63.129.16 from a network \
                      the zone is linked to, or to a DNS private resolver",
            domain(&zone)
        ))
        .may_be(behind::FORWARDED_WRONG)
}

/// Whether a server answered any other question.
fn answers_others(seen: &Observations, server: SocketAddr) -> bool {
    let zones = seen.zones.iter().any(|zone| zone.server == server && zone.answered);
    let names = seen.names.iter().skip(1).flat_map(|name| &name.servers);
    zones || names.into_iter().any(|answer| answer.server == server && !answer.reply.is_failure())
}

/// An answer in a sentence.
pub(super) fn say(name: &NameObservation, answer: &ServerAnswer) -> String {
    let server = if answer.server.port() == 53 { answer.server.ip().to_string() } else { answer.server.to_string() };
    let who = match answer.origin {
        Origin::Configured | Origin::Elsewhere => server,
        Origin::Public => format!("the public resolver {server}"),
        Origin::Azure => format!("Azure's resolver {server}"),
    };
    let of = |authority: &Option<Authority>| {
        authority.as_ref().filter(|of| !of.zone.is_empty()).map(|of| format!(" (zone {})", of.zone)).unwrap_or_default()
    };
    let what = match &answer.reply {
        Reply::Addresses { addresses, .. } => addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        Reply::NoData { authority } => format!("no address{}", of(authority)),
        Reply::NoSuchName { authority } => format!("NXDOMAIN{}", of(authority)),
        Reply::Refused { code } => code.clone(),
        Reply::Silent => return format!("{who} does not answer when asked for {}", name.name),
        Reply::Unreachable { error } => return format!("{who} cannot be asked: {error}"),
    };
    format!("{who} says of {}: {what}", name.name)
}

/// The domain a name is in: all but its first label.
fn parent(name: &str) -> &str {
    name.split_once('.').map_or("", |(_, rest)| rest)
}

/// The cloud's domain that a name ends in: its last two labels.
fn domain(name: &str) -> String {
    let labels: Vec<&str> = name.rsplit('.').take(2).collect();
    labels.into_iter().rev().collect::<Vec<_>>().join(".")
}
