//! What clients other than kubectl rely on: codes, versions, preconditions, watches.

use serde_json::{Value, json};

use crate::cluster::{Cluster, TOKEN};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str) -> Value {
    json!({"metadata": {"name": name}})
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_write_of_something_older_is_a_conflict() {
    let cluster = Cluster::start();
    let (code, first) = cluster.curl("POST", MAPS, &map("c"));
    assert_eq!(code, 201);
    let path = format!("{MAPS}/c");
    let mut changed = first.clone();
    changed["data"] = json!({"a": "1"});
    assert_eq!(cluster.curl("PUT", &path, &changed).0, 200);
    let (code, refused) = cluster.curl("PUT", &path, &changed);
    assert_eq!((code, &refused["reason"]), (409, &json!("Conflict")));
    let mut unreadable = first.clone();
    unreadable["metadata"]["resourceVersion"] = json!("x");
    assert_eq!(cluster.curl("PUT", &path, &unreadable).0, 400);
    let mut other = map("c");
    other["metadata"]["uid"] = json!("another");
    assert_eq!(cluster.curl("PUT", &path, &other).0, 409);
    assert_eq!(cluster.curl("PUT", &path, &map("c")).0, 200, "without a version it is replaced");
    assert_eq!(cluster.curl("POST", MAPS, &first).0, 500, "what has a version is not new");
}

#[test]
fn a_deletion_is_of_the_object_that_is_meant() {
    let cluster = Cluster::start();
    let (_, object) = cluster.curl("POST", MAPS, &map("c"));
    let path = format!("{MAPS}/c");
    let only = |uid: &Value| json!({"preconditions": {"uid": uid}});
    let (code, refused) = cluster.curl("DELETE", &path, &only(&json!("another")));
    assert_eq!(code, 409, "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("Precondition failed: UID in precondition: another"));
    assert_eq!(cluster.curl("DELETE", &path, &json!({"propagationPolicy": "Sideways"})).0, 422);
    assert_eq!(cluster.curl("DELETE", &path, &json!({"dryRun": ["All"]})).0, 200);
    assert_eq!(cluster.curl("DELETE", &path, &only(&object["metadata"]["uid"])).0, 200);
    assert_eq!(cluster.curl("GET", &path, &Value::Null).0, 404);
}

#[test]
fn all_pages_are_as_of_the_first_ones_version() {
    let cluster = Cluster::start_bare();
    for name in ["a", "b", "c", "d"] {
        cluster.curl("POST", MAPS, &map(name));
    }
    let get = |query: &str| cluster.curl("GET", &format!("{MAPS}?{query}"), &Value::Null);
    let names = |list: &Value| {
        let items = list["items"].as_array().unwrap().iter();
        items.map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, first) = get("limit=1");
    cluster.curl("POST", MAPS, &map("bb"));
    cluster.curl("DELETE", &format!("{MAPS}/c"), &json!({}));
    let token = first["metadata"]["continue"].as_str().unwrap();
    let (_, second) = get(&format!("limit=2&continue={token}"));
    assert_eq!((version(&second), names(&second)), (version(&first), vec!["b".to_owned(), "c".to_owned()]));
    let token = second["metadata"]["continue"].as_str().unwrap();
    let (_, last) = get(&format!("continue={token}"));
    assert_eq!((version(&last), names(&last)), (version(&first), vec!["d".to_owned()]));
    assert!(last["metadata"]["continue"].is_null());
    assert_eq!(names(&get("").1), ["a", "b", "bb", "d"]);
    // A version that was is listed as it was.
    let exact = format!("resourceVersion={}&resourceVersionMatch=Exact", version(&first));
    assert_eq!(names(&get(&exact).1), ["a", "b", "c", "d"]);
    assert_eq!(get("continue=nonsense").0, 400);
}

#[test]
fn a_version_that_is_yet_to_come_is_said_to_be_too_large() {
    let cluster = Cluster::start();
    for query in ["resourceVersion=999999", "watch=1&resourceVersion=999999"] {
        let (code, refused) = cluster.curl("GET", &format!("{MAPS}?{query}"), &Value::Null);
        assert_eq!((code, &refused["details"]["causes"][0]["reason"]), (504, &json!("ResourceVersionTooLarge")));
    }
}

#[test]
fn large_bodies_unknown_forms_and_encoded_paths() {
    let cluster = Cluster::start();
    let mut large = map("large");
    large["data"] = json!({"x": "x".repeat(3 * 1024 * 1024)});
    assert_eq!(cluster.curl("POST", MAPS, &large).0, 413);
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    assert_eq!(cluster.curl("POST", roles, &map("system:reader")).0, 201);
    assert_eq!(cluster.curl("GET", &format!("{roles}/system%3Areader"), &Value::Null).0, 200);
}

#[test]
fn a_certificate_that_is_not_to_be_believed_is_no_credential_and_does_no_harm_beside_a_good_one() {
    let cluster = Cluster::start();
    let get = |arguments: &[&str]| {
        let text = cluster.curl_by(arguments, "/api/v1/nodes?limit=1");
        let (answer, code) = text.rsplit_once('\n').unwrap();
        (code.to_owned(), serde_json::from_str::<Value>(answer).unwrap_or_default())
    };
    let token = format!("Authorization: Bearer {TOKEN}");
    let certificate = ["--cert", "client.pem"];
    let judged = |what: &str| {
        let (code, status) = get(&certificate);
        assert_eq!((code.as_str(), &status["reason"]), ("401", &json!("Unauthorized")), "{what}: {status}");
        assert_eq!(status["kind"], "Status", "{what}");
        assert_eq!(get(&[&certificate[..], &["-H", &token]].concat()).0, "200", "{what}, with a token");
    };
    assert_eq!(get(&[&certificate[..], &["-H", "Authorization: Bearer wrong"]].concat()).0, "200");
    let stranger = pki::Authority::generate("another", pki::UnixTime(jiff::Timestamp::now().as_second()), 30).unwrap();
    cluster.sign_in_by_certificate(&stranger);
    judged("of another authority");
    cluster.sign_in_by_expired_certificate();
    judged("expired");
    assert_eq!(get(&[]).0, "401", "nobody is anonymous");
    assert_eq!(get(&["-H", "Authorization: Basic x"]).0, "401");
}

#[test]
fn a_large_answer_is_compressed_for_whoever_reads_it() {
    let cluster = Cluster::start();
    let mut large = map("large");
    large["data"] = json!({"text": "noren ".repeat(30_000)});
    assert_eq!(cluster.curl("POST", MAPS, &large).0, 201);
    let get = |path: &str, more: &[&str]| {
        let arguments = ["--cert", "client.pem", "-D", "head", "-w", "\n%{size_download}"];
        let text = cluster.curl_by(&[&arguments[..], more].concat(), path);
        let head = std::fs::read_to_string(cluster.home.path().join("head")).unwrap().to_ascii_lowercase();
        let (body, size) = text.rsplit_once('\n').unwrap();
        (head.contains("content-encoding: gzip"), body.len(), size.parse::<usize>().unwrap())
    };
    let path = format!("{MAPS}/large");
    let (compressed, plain, _) = get(&path, &[]);
    assert!(!compressed && plain > 180_000, "{plain} bytes");
    let (compressed, unpacked, sent) = get(&path, &["--compressed"]);
    assert!(compressed && unpacked == plain && sent < plain / 10, "{sent} of {plain} bytes");
    let (compressed, ..) = get("/api/v1/nodes", &["--compressed"]);
    assert!(!compressed, "a short answer goes as it is");
}
