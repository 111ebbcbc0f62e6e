//! What operators of a cluster look at: metrics, the audit log, clients that are throttled.

use serde_json::Value;

use crate::{cluster::Cluster, kubectl::ok};

const LIMITED: &str = "
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: closed}
spec: {type: Limited, limited: {nominalConcurrencyShares: 0, limitResponse: {type: Reject}}}
---
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: robots}
spec:
  priorityLevelConfiguration: {name: closed}
  matchingPrecedence: 500
  rules:
  - subjects: [{kind: ServiceAccount, serviceAccount: {namespace: default, name: robot}}]
    resourceRules: [{verbs: [list], apiGroups: [''], resources: [pods], namespaces: ['*']}]
";

/// A cluster with an account that may read, and what curl shows of a path with its token.
fn with_robot(cluster: &Cluster) -> impl Fn(&str) -> String {
    let run = |line: &str| ok(cluster.kubectl(&line.split(' ').collect::<Vec<_>>()));
    run("create serviceaccount robot");
    run("create clusterrolebinding robot --clusterrole=view --serviceaccount=default:robot");
    let shown = format!("Authorization: Bearer {}", run("create token robot").trim());
    move |path| cluster.curl_by(&["-i", "-H", &shown], path)
}

#[test]
fn metrics_are_for_those_who_may_read_them() {
    let cluster = Cluster::start_bare();
    let robot = with_robot(&cluster);
    assert!(robot("/metrics").contains("cannot get path \\\"/metrics\\\""));
    robot("/api/v1/namespaces/default/pods");
    robot("/api/v1/namespaces/default/inventions/of-a-client");
    let text = ok(cluster.kubectl(&["get", "--raw", "/metrics"]));
    let listed = "apiserver_request_total{code=\"200\",component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"pods\",\
                  scope=\"namespace\",subresource=\"\",verb=\"LIST\",version=\"v1\"} 1\n";
    assert!(text.contains(listed), "{text}");
    assert!(text.contains("apiserver_storage_objects{resource=\"serviceaccounts\"} 1\n"), "{text}");
    assert!(text.contains("apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1\n"), "{text}");
    assert!(!text.contains("inventions"), "{text}");
}

#[test]
fn who_is_limited_by_a_priority_level_is_told_to_try_again_later() {
    let cluster = Cluster::start_bare();
    let robot = with_robot(&cluster);
    ok(cluster.kubectl_with(&["apply", "-f", "-"], LIMITED));
    let told = robot("/api/v1/namespaces/default/pods").to_ascii_lowercase();
    assert!(told.contains("retry-after: 1\r\n") && told.trim_end().ends_with("\n429"), "{told}");
    assert!(robot("/api/v1/namespaces/default/services").trim_end().ends_with("\n200"));
    // Who may do everything is exempt.
    ok(cluster.kubectl(&["get", "pods"]));
}

#[test]
fn requests_are_on_record_without_secrets() {
    let home = tempfile::tempdir().unwrap();
    let cluster = Cluster::start_audited(home.path());
    ok(cluster.kubectl(&["create", "secret", "generic", "s", "--from-literal=password=hidden-from-all"]));
    ok(cluster.kubectl(&["create", "namespace", "team", "--as=joe", "--as-group=system:masters"]));
    // The last request is written after those before it.
    let path = home.path().join("c1.log");
    let lines = || std::fs::read_to_string(&path).unwrap_or_default();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !lines().contains("impersonatedUser") && std::time::Instant::now() < deadline {
        std::thread::yield_now();
    }
    let text = lines();
    assert!(!text.contains("hidden-from-all"));
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |resource: &str| {
        events.iter().find(|event| event["verb"] == "create" && event["objectRef"]["resource"] == resource)
    };
    let made = of("namespaces").unwrap();
    assert_eq!(made["user"]["username"], "masterclient");
    assert_eq!(made["impersonatedUser"]["username"], "joe");
    assert_eq!(made["requestObject"]["metadata"]["name"], "team");
    assert_eq!((&made["level"], &made["responseStatus"]["code"]), (&"Request".into(), &201.into()));
    assert_eq!(made["annotations"]["authorization.k8s.io/decision"], "allow");
    assert_eq!(of("secrets").unwrap()["level"], "Metadata");
}
