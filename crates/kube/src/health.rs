//! `/livez`, `/readyz` and `/healthz`: whether the parts of the server are well, one by one on request.
//!
//! Source: the Kubernetes documentation "Kubernetes API health endpoints"; the names of the checks are the real server's.

use crate::{objects::ObjectStore, status::Status};

/// What is checked.
const CHECKS: [&str; 5] =
    ["ping", "log", "etcd", "poststarthook/rbac/bootstrap-roles", "poststarthook/start-system-namespaces-controller"];

/// Answers one of the endpoints. `path` is what follows its name; `query` asks for words and leaves checks out.
///
/// # Errors
/// 404 for a check that there is not; 500, in words, when something is not well.
pub(crate) fn answer(objects: &ObjectStore, endpoint: &str, path: &str, query: &str) -> Result<String, Status> {
    let excluded: Vec<&str> = query.split('&').filter_map(|pair| pair.strip_prefix("exclude=")).collect();
    let verbose = query.split('&').any(|pair| pair.split('=').next() == Some("verbose"));
    let well = |check: &str| check != "etcd" || objects.store.get("/kube/").is_ok();
    if !path.is_empty() {
        return match CHECKS.iter().find(|check| **check == path) {
            Some(check) if well(check) => Ok("ok".to_owned()),
            Some(_) => Err(Status::internal("the object store is not available")),
            None => Err(Status::no_such_path()),
        };
    }
    let mut text = String::new();
    let mut failed = false;
    for check in CHECKS {
        text += &if excluded.contains(&check) {
            format!("[+]{check} excluded: ok\n")
        } else if well(check) {
            format!("[+]{check} ok\n")
        } else {
            failed = true;
            format!("[-]{check} failed: reason withheld\n")
        };
    }
    if failed {
        return Err(Status::unexplained(format!("{text}{endpoint} check failed\n")));
    }
    Ok(if verbose { format!("{text}{endpoint} check passed\n") } else { "ok".to_owned() })
}
