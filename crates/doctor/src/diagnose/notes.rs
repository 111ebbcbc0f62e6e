//! What is worth knowing besides the cause, and what works.

use std::collections::BTreeSet;

use super::{Finding, names::say, path, tls};
use crate::{
    code::Code,
    observation::{Credential, Observations, Origin, ProxyOutcome, RequestOutcome, SystemReply, Tcp, Verdict},
};

/// Everything worth knowing.
pub(super) fn all(seen: &Observations) -> Vec<Finding> {
    let mut notes = Vec::new();
    notes.extend(
        path::public_name_is_private(seen).map(|words| Finding::new(Code::PublicFqdnResolvesPrivate).seen(words)),
    );
    if let Some(name) = seen.names.first() {
        if !name.hosts.is_empty() {
            let addresses = name.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            notes.push(Finding::new(Code::HostsEntryUsed).seen(format!("it gives {} {addresses}", name.name)));
        }
        let configured = || name.from(Origin::Configured);
        let kinds: BTreeSet<bool> = configured()
            .filter(|answer| !answer.reply.is_failure())
            .map(|answer| answer.reply.addresses().is_some())
            .collect();
        if kinds.len() > 1 {
            notes.push(Finding::new(Code::DnsServersDisagree).all_seen(configured().map(|answer| say(name, answer))));
        }
    }
    let chosen = |six: bool| seen.connections.iter().filter(move |one| one.chosen && one.address.is_ipv6() == six);
    if chosen(false).any(crate::observation::Connection::is_genuine) {
        let lost = chosen(true).filter(|one| !matches!(one.tcp, Tcp::Connected { .. }));
        let lost: Vec<String> = lost.map(|one| path::words(one, seen.target.port)).collect();
        if !lost.is_empty() {
            let finding = Finding::new(Code::Ipv6NotReached).all_seen(lost);
            notes.push(finding.fix("repair the IPv6 route, or take the AAAA record away"));
        }
    }
    // A private cluster without a public name: what else could have been tried.
    let disabled = seen.names.iter().skip(1).filter(|_| seen.target.is_private_name()).find_map(|other| {
        let answer = other.from(Origin::Public).find(|answer| answer.reply.is_negative())?;
        Some(say(other, answer))
    });
    let unresolved = seen.names.first().is_some_and(|name| name.system.addresses().is_empty());
    notes.extend(disabled.filter(|_| unresolved).map(|words| Finding::new(Code::PublicFqdnDisabled).seen(words)));
    notes.extend(tls::skew(seen).map(|words| Finding::new(Code::ClockSkew).seen(words)));
    if seen.target.insecure {
        notes.push(Finding::new(Code::InsecureTls).fix("put the cluster's authority into the kubeconfig instead"));
    }
    if let Some(proxy) = seen.proxy.as_ref().filter(|proxy| proxy.wants_credentials()) {
        let words = format!(
            "{} asks for its user and password, which only kubectl sends: nothing behind it was seen",
            proxy.proxy.url
        );
        notes.push(Finding::new(Code::CredentialsNotTried).seen(words).command("try", "kubectl get --raw /version"));
    }
    let tried = seen.requests.iter().any(|request| request.with_credentials);
    let exec = seen.credentials.iter().find_map(|one| match one {
        Credential::Exec { command, found: Some(_) } => Some(command),
        _ => None,
    });
    if !tried && !seen.requests.is_empty() {
        if let Some(command) = exec {
            let words = format!("`{command}` gets them, and may want a person; it was not run");
            notes
                .push(Finding::new(Code::CredentialsNotTried).seen(words).command("try", "kubectl get --raw /version"));
        } else if seen.target.insecure {
            notes.push(Finding::new(Code::CredentialsNotTried).seen("the server cannot be told from an impostor"));
        }
    }
    notes
}

/// What works, in the order of a connection.
pub(super) fn works(seen: &Observations) -> Vec<String> {
    let mut works = Vec::new();
    if let Some(proxy) = &seen.proxy {
        if proxy.outcome == ProxyOutcome::Connected {
            works.push(format!("proxy   {} ({}) connects", proxy.proxy.url, proxy.proxy.because));
        }
    } else if let Some(name) = seen.names.first()
        && let SystemReply::Addresses { addresses } = &name.system
    {
        let addresses = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let by = if name.hosts.is_empty() { "" } else { " (hosts file)" };
        works.push(format!("name    {} is {addresses}{by}", name.name));
    }
    let chosen = || seen.connections.iter().filter(|one| one.chosen && seen.proxy.is_none());
    let connected = chosen().filter(|one| matches!(one.tcp, Tcp::Connected { .. }));
    works.extend(connected.map(|one| format!("TCP     {}", path::words(one, seen.target.port))));
    let sessions =
        chosen().filter_map(|one| one.tls.as_ref()).chain(seen.proxy.iter().filter_map(|proxy| proxy.tls.as_ref()));
    let genuine = sessions.filter(|tls| tls.verdict == Verdict::Verified);
    works.extend(
        genuine.map(|tls| {
            format!("TLS     the certificate is for {} and by the kubeconfig's authority", tls.expected_name)
        }),
    );
    for request in &seen.requests {
        if let RequestOutcome::Answered { status, message, kubernetes: true } = &request.outcome {
            let who = if request.with_credentials { "as you" } else { "as nobody" };
            let message = message.as_deref().unwrap_or_default();
            works.push(format!("API     /version {who}: {status} {message}").trim_end().to_owned());
        }
    }
    works
}
