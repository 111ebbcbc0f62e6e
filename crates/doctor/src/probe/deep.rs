//! What `--deep` looks at besides, once the user is known to the API server: whether large packets pass, and whether
//! the API server reaches the nodes.

use futures_util::future::join_all;
use serde_json::Value;
use tokio::time::timeout;

use super::{Budget, http, tls::Trust, way::Way};
use crate::{
    kubeconfig::Access,
    observation::{Deep, RequestOutcome},
};

/// Octets of a header: several full packets on every common link, and less than API servers take.
const PADDING: usize = 6000;
/// Smaller paddings, to find out which still passes: with 200 octets of other headers and TLS they fill packets of the
/// usual tunnels (1280 IPv6's least, 1350 and 1400 VPN clients, 1500 Ethernet).
const SMALLER: [u16; 5] = [600, 1000, 1100, 1150, 1250];
/// How long each look may take.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(3);

/// Looks.
pub(super) async fn look(access: &Access, way: &Way, expected: &str, trust: &Trust, budget: Budget) -> Deep {
    let Ok(own) = trust.with_client(&access.proof) else { return Deep::default() };
    let anonymous = trust.anonymous();
    let answers = |padding: usize| {
        let anonymous = &anonymous;
        async move {
            let get = http::get(access, way, expected, anonymous, "/version", None, Some("x".repeat(padding)));
            timeout(budget.limit(LIMIT), get).await.is_ok_and(|answer| answer.is_ok())
        }
    };
    // All at once: those that are lost are waited for.
    let sizes = async {
        let smaller = SMALLER.map(|size| async move { (size, answers(usize::from(size)).await) });
        let (large, smaller) = tokio::join!(answers(PADDING), join_all(smaller));
        let passes = smaller.into_iter().filter(|(_, answered)| *answered).map(|(size, _)| size).max();
        (large, passes.filter(|_| !large))
    };
    let logs = async {
        let get = |path: String| {
            let own = &own;
            async move {
                let get = http::get(access, way, expected, own, &path, Some(&access.proof), None);
                timeout(budget.limit(LIMIT), get).await
            }
        };
        let pods = "/api/v1/pods?limit=1&fieldSelector=status.phase%3DRunning".to_owned();
        let answer = get(pods).await.ok()?.ok()?;
        let list: Value = serde_json::from_slice(&answer.body).ok()?;
        let pod = &list["items"][0]["metadata"];
        let (namespace, name) = (pod["namespace"].as_str()?, pod["name"].as_str()?);
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/log?tailLines=1&limitBytes=1");
        Some(match get(path).await {
            Err(_) => RequestOutcome::Silent,
            Ok(Err(error)) => RequestOutcome::Failed { error },
            // A log's text is nobody's business.
            Ok(Ok(answer)) if answer.status == 200 => {
                RequestOutcome::Answered { status: 200, message: None, kubernetes: true }
            }
            Ok(Ok(answer)) => answer.outcome(),
        })
    };
    let ((large, largest_answered), logs) = tokio::join!(sizes, logs);
    Deep { large_request: Some(large), largest_answered, logs }
}
