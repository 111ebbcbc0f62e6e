//! What is no request of Kubernetes': refused with a `Status` that says why, and nothing is stored.

use serde_json::Value;

use crate::cluster::Cluster;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[test]
fn bodies_that_nobody_can_read_are_refused_with_the_reason() {
    let cluster = Cluster::start_bare();
    let deep = |open: &str, close: &str| format!("{{\"data\":{}{}}}", open.repeat(50_000), close.repeat(50_000));
    let deep_patch =
        format!("[{{\"op\":\"add\",\"path\":\"/data\",\"value\":{}{}}}]", "[".repeat(300), "]".repeat(300));
    // Forty lines that would be a million million entries.
    let names: Vec<String> = (0..40).map(|n| format!("b{n}")).collect();
    let doubled = names.windows(2).map(|pair| format!("{1}: &{1} [*{0}, *{0}]", pair[0], pair[1]));
    let anchors = ["b0: &b0 [x, x]".to_owned()].into_iter().chain(doubled).collect::<Vec<_>>().join("\n");
    let json = "application/json";
    for (method, path, form, body, code, why) in [
        ("POST", MAPS, json, String::new(), 400, "couldn't parse the body"),
        ("POST", MAPS, json, "{".to_owned(), 400, "couldn't parse the body"),
        ("POST", MAPS, json, "[1, 2]".to_owned(), 400, ""),
        ("POST", MAPS, json, "\u{0}\u{1}".to_owned(), 400, "couldn't parse the body"),
        ("POST", MAPS, json, deep("[", "]"), 400, "recursion limit"),
        ("POST", MAPS, json, deep("{\"a\":", "}"), 400, ""),
        ("POST", MAPS, "application/yaml", "a: [".to_owned(), 400, "error parsing YAML"),
        ("POST", MAPS, "application/yaml", anchors, 400, "error parsing YAML"),
        ("POST", MAPS, "application/vnd.kubernetes.protobuf", "k8s\u{0}nonsense".to_owned(), 400, ""),
        ("POST", MAPS, "text/plain", "hello".to_owned(), 415, "unknown format"),
        ("PATCH", "/api/v1/namespaces/default", "application/json-patch+json", deep_patch, 400, ""),
        ("PATCH", "/api/v1/namespaces/default", "application/json-patch+json", "{}".to_owned(), 400, ""),
        ("PATCH", "/api/v1/namespaces/default", json, "{}".to_owned(), 415, ""),
        ("DELETE", "/api/v1/namespaces/default", json, "{".to_owned(), 400, "couldn't parse the body"),
    ] {
        let file = cluster.home.path().join("body");
        std::fs::write(&file, &body).unwrap();
        let form = format!("Content-Type: {form}");
        let said =
            cluster.curl_by(&["--cert", "client.pem", "-X", method, "-H", &form, "--data-binary", "@body"], path);
        let shown: String = body.chars().take(40).collect();
        let (answer, status) = said.rsplit_once('\n').unwrap();
        assert_eq!(status, code.to_string(), "{method} {form} {shown}: {answer}");
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert_eq!(answer["kind"], "Status", "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(why), "{method} {form} {shown}: {answer}");
    }
    let (_, list) = cluster.curl("GET", MAPS, &Value::Null);
    assert_eq!(list["items"], serde_json::json!([]));
}
