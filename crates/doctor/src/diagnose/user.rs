//! Why the API server does not do what is asked, although it is reached.

use jiff::Timestamp;

use super::{Finding, fix, tls};
use crate::{
    code::Code,
    observation::{Credential, Observations, Request, RequestOutcome},
};

/// The cause, if the API server or the user's credentials are at fault.
pub(super) fn cause(seen: &Observations) -> Option<Finding> {
    let anonymous = seen.requests.iter().find(|request| !request.with_credentials)?;
    match &anonymous.outcome {
        RequestOutcome::Answered { status, message, kubernetes } if *status >= 500 || !kubernetes => {
            let words = message.clone().unwrap_or_else(|| "without a word of Kubernetes".to_owned());
            return Some(unhealthy(seen, format!("it answers {status}, {words}")));
        }
        RequestOutcome::Answered { .. } => {}
        RequestOutcome::Failed { error } => return Some(unhealthy(seen, format!("the connection ends: {error}"))),
        RequestOutcome::Silent => return Some(unhealthy(seen, "it does not answer in time".to_owned())),
    }
    match seen.requests.iter().find(|request| request.with_credentials) {
        Some(request) => with_credentials(seen, request).or_else(|| deep(seen)),
        None => without_credentials(seen, anonymous),
    }
}

fn with_credentials(seen: &Observations, request: &Request) -> Option<Finding> {
    let words = match &request.outcome {
        RequestOutcome::Answered { status: 200..=299, .. } => return None,
        RequestOutcome::Answered { status: status @ 500.., message, .. } => {
            return Some(unhealthy(
                seen,
                format!("it answers {status}, {}", message.as_deref().unwrap_or("no message")),
            ));
        }
        RequestOutcome::Answered { status, message, .. } => {
            format!(
                "with the kubeconfig's credentials it answers {status}, {}",
                message.as_deref().unwrap_or("no message")
            )
        }
        RequestOutcome::Failed { error } if error.contains("alert") => {
            format!("it refuses the client certificate: {error}")
        }
        RequestOutcome::Failed { error } => return Some(unhealthy(seen, format!("the connection ends: {error}"))),
        RequestOutcome::Silent => return Some(unhealthy(seen, "it does not answer in time".to_owned())),
    };
    if let Some(skew) = tls::skew(seen) {
        let finding = Finding::new(Code::ClockSkew).seen(words).seen(skew);
        return Some(finding.fix("set this machine's clock, and have it kept by NTP"));
    }
    Some(refused(seen, words))
}

fn without_credentials(seen: &Observations, anonymous: &Request) -> Option<Finding> {
    let missing = seen.credentials.iter().any(|one| match one {
        Credential::Exec { found, .. } => found.is_none(),
        Credential::AuthProvider { .. } | Credential::Unreadable { .. } => true,
        Credential::Certificate { .. } | Credential::Token { .. } | Credential::Basic => false,
    });
    let RequestOutcome::Answered { status, .. } = anonymous.outcome else { return None };
    // Through an unencrypted `kubectl proxy`, being nobody is enough.
    let nobody = seen.credentials.is_empty() && (status == 401 || status == 403);
    (missing || nobody).then(|| refused(seen, format!("it answers {status} to a request without credentials")))
}

fn refused(seen: &Observations, words: String) -> Finding {
    let mut finding = Finding::new(Code::AuthNotNetwork).seen(words);
    let ended = |at: &Timestamp| *at <= seen.at;
    let mut explained = false;
    for credential in &seen.credentials {
        let (evidence, what) = match credential {
            Credential::Certificate { not_after, .. } if ended(not_after) => {
                (format!("the client certificate ended at {not_after}"), None)
            }
            Credential::Token { expires: Some(expires) } if ended(expires) => {
                (format!("the token ended at {expires}"), Some("sign in again"))
            }
            Credential::Exec { command, found: None } => (
                format!("`{command}`, which gets the token, is not on the PATH"),
                Some("install it: `az aks install-cli` brings kubectl and kubelogin"),
            ),
            Credential::AuthProvider { name } => (
                format!("kubectl no longer has the auth provider `{name}`"),
                Some("convert the kubeconfig: `kubelogin convert-kubeconfig`"),
            ),
            Credential::Unreadable { error } => (format!("cannot be read: {error}"), None),
            _ => continue,
        };
        explained = true;
        finding = finding.seen(evidence);
        if let Some(what) = what {
            finding = finding.fix(what);
        }
    }
    if seen.credentials.is_empty() {
        finding = finding.seen("the kubeconfig's user has no credentials");
    } else if !explained {
        finding = finding.fix(
            "the cluster may be another one, its certificates rotated, local accounts disabled, or the tenant \
                               another",
        );
    }
    finding.command("write the kubeconfig anew", fix::kubeconfig(&seen.target))
}

/// Octets of a request besides its padding: IP, TCP, TLS, the other headers.
const OVERHEAD: u16 = 250;

fn deep(seen: &Observations) -> Option<Finding> {
    let deep = seen.deep.as_ref()?;
    if deep.large_request == Some(false) {
        let finding = Finding::new(Code::LargePacketsLost)
            .seen("a request of some 6000 octets was not answered, small ones were");
        let passes = deep.largest_answered.map(|octets| octets + OVERHEAD);
        let finding = finding.all_seen(passes.map(|octets| format!("one that fits a packet of {octets} octets was")));
        let to = passes.unwrap_or(1280);
        let interface =
            seen.connections.iter().filter(|one| one.chosen).find_map(|one| one.route.as_ref()?.interface.clone());
        let command = format!("sudo ip link set dev {} mtu {to}", interface.as_deref().unwrap_or("INTERFACE"));
        return Some(
            finding
                .command("make the MTU of the interface smaller", command)
                .fix("or let ICMP `fragmentation needed` through, by which both ends learn what fits"),
        );
    }
    let words = match deep.logs.as_ref()? {
        // 501 is a server that has no logs to give, not one that does not reach its nodes.
        RequestOutcome::Answered { status: 500 | 502.., message, .. } => {
            format!("reading a pod's log: {}", message.as_deref().unwrap_or("an error without a word"))
        }
        RequestOutcome::Silent => "reading a pod's log takes too long".to_owned(),
        RequestOutcome::Answered { .. } | RequestOutcome::Failed { .. } => return None,
    };
    let finding = Finding::new(Code::LogsExecFail).seen(words);
    Some(
        finding
            .command("look at the tunnel's pods", "kubectl -n kube-system get pods -l component=tunnel -o wide")
            .fix("let the nodes reach the API server's address at 443 and 9000: the tunnel (konnectivity) is opened by them"),
    )
}

fn unhealthy(seen: &Observations, words: String) -> Finding {
    let finding = Finding::new(Code::ApiServerUnhealthy).seen(words);
    finding.command("see how the cluster is", fix::show(&seen.target))
}
