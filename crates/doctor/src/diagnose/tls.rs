//! Why who answers is not believed.

use super::{Finding, fix, path};
use crate::{
    address::AddressKind,
    code::Code,
    observation::{Certificate, Connection, Observations, Tcp, Tls, Verdict},
};

/// Seconds by which two clocks may differ: Kubernetes and Entra ID allow five minutes.
const SKEW_MAX_S: i64 = 300;
/// Names of a certificate that are shown.
const NAMES_SHOWN: usize = 6;

/// The cause, if TLS did not come about, or with somebody else.
pub(super) fn cause(seen: &Observations) -> Option<Finding> {
    let chosen = seen.connections.iter().filter(|one| one.chosen);
    let best = chosen.filter(|one| matches!(one.tcp, Tcp::Connected { .. })).max_by_key(|one| one.is_genuine());
    let (tls, place) = if let Some(proxy) = &seen.proxy {
        (proxy.tls.as_ref()?, format!("behind {}", proxy.proxy.url))
    } else {
        let best = best?;
        (best.tls.as_ref()?, path::words(best, seen.target.port))
    };
    let new = |code| Finding::new(code).seen(place.clone());
    let shown = tls.certificate.as_ref();
    match &tls.verdict {
        Verdict::Verified => None,
        Verdict::NotTls => Some(new(Code::TlsNotSpoken).fix("check the server's port and scheme in the kubeconfig")),
        Verdict::Cut { error } => Some(cut(new(Code::TlsHandshakeCut).seen(format!("the handshake ends: {error}")))),
        Verdict::Silent => Some(cut(new(Code::TlsHandshakeCut).seen("the handshake is not answered"))),
        _ if seen.target.insecure => None,
        Verdict::UnknownAuthority => Some(unknown(seen, tls, new)),
        Verdict::WrongName => {
            let is_address = seen.target.tls_server_name.is_none() && seen.target.kind == AddressKind::Address;
            let code = if is_address { Code::IpUsed } else { Code::TlsNameMismatch };
            let finding = new(code).all_seen(shown.map(names));
            let name = shown.and_then(|shown| shown.names.iter().find(|name| name.contains(".azmk8s.io"))).cloned();
            Some(finding.command(
                "say which name the certificate is to have, or name it as the server",
                format!(
                    "kubectl config set-cluster {} --tls-server-name={}",
                    seen.target.context,
                    name.as_deref().unwrap_or("NAME")
                ),
            ))
        }
        Verdict::Expired | Verdict::NotYetValid => Some(time(seen, tls, new)),
        Verdict::Unacceptable { error } => {
            let finding = new(Code::TlsUnacceptable).seen(error.clone()).all_seen(shown.map(names));
            Some(finding.fix("see who shows this certificate: AKS's own are accepted"))
        }
    }
}

fn cut(finding: Finding) -> Finding {
    finding
        .fix("a firewall that reads the name in TLS may cut it: let `*.azmk8s.io` through")
        .fix("or large packets are lost on the way: try a smaller MTU on the VPN interface")
        .may_be(&["NSG_OR_FIREWALL_BLOCKS_443", "UDR_NVA_ASYMMETRIC"])
}

fn unknown(seen: &Observations, tls: &Tls, new: impl Fn(Code) -> Finding) -> Finding {
    if let Some(error) = &seen.target.authority_error {
        let finding = new(Code::AuthorityUnreadable).seen(error.clone());
        return finding.command("write the kubeconfig anew", fix::kubeconfig(&seen.target));
    }
    let Some(shown) = &tls.certificate else { return new(Code::TlsIntercepted) };
    let signed = format!("the certificate is signed by `{}`, which is not the kubeconfig's authority", shown.issuer);
    if !shown.is_kubernetes() {
        let code = if seen.proxy.is_some() && seen.connections.iter().any(Connection::is_genuine) {
            Code::ProxyInTheWay
        } else {
            Code::TlsIntercepted
        };
        return new(code).seen(signed).seen(names(shown)).fix(
            "have the proxy or firewall that opens TLS leave the API server's name alone: client certificates cannot \
                  pass through it",
        );
    }
    if shown.is_for(&tls.expected_name) {
        let finding = new(Code::ClusterRecreated).seen(signed).seen(names(shown));
        return finding.command("write the kubeconfig anew", fix::kubeconfig(&seen.target));
    }
    new(Code::StaleRecord)
        .seen("another cluster's API server answers at this address")
        .seen(signed)
        .seen(names(shown))
        .fix("find out the address the cluster has now, and correct the hosts file or the kubeconfig")
        .command("write the kubeconfig anew", fix::kubeconfig(&seen.target))
        .may_be(&["CLUSTER_DELETED_OR_RECREATED", "ADDRESS_SPACE_OVERLAP"])
}

fn time(seen: &Observations, tls: &Tls, new: impl Fn(Code) -> Finding) -> Finding {
    let skew = skew(seen);
    let is_early = tls.verdict == Verdict::NotYetValid;
    let code = if skew.is_some() || is_early { Code::ClockSkew } else { Code::ServerCertificateExpired };
    let valid = tls.certificate.as_ref().map(|shown| {
        format!("the certificate is valid from {} to {}; here it is {}", shown.not_before, shown.not_after, seen.at)
    });
    let finding = new(code).all_seen(valid).all_seen(skew);
    if code == Code::ClockSkew {
        finding.fix("set this machine's clock, and have it kept by NTP")
    } else {
        finding.fix("have the cluster's certificates rotated (`az aks rotate-certs`), then write the kubeconfig anew")
    }
}

/// By how much the two clocks differ, if by too much.
pub(super) fn skew(seen: &Observations) -> Option<String> {
    let there = seen.requests.iter().find_map(|request| request.server_time)?;
    let apart = seen.at.as_second() - there.as_second();
    let word = if apart > 0 { "ahead" } else { "behind" };
    (apart.abs() > SKEW_MAX_S)
        .then(|| format!("the API server's clock says {there}: this one is {} s {word}", apart.abs()))
}

fn names(shown: &Certificate) -> String {
    let more = shown.names.len().saturating_sub(NAMES_SHOWN);
    let some: Vec<&str> = shown.names.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("the certificate is for {}{more}", some.join(", "))
}
