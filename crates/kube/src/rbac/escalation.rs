//! Nobody gives others more than they have: roles and bindings are checked when they are written.
//!
//! Source: kubernetes/kubernetes `pkg/registry/rbac/clusterrole/policybased`, `rolebinding/policybased`.

use serde_json::Value;

use super::{Request, covers};
use crate::{objects::ObjectStore, reviews::User, status::Status};

/// That a user may write a role or a binding.
///
/// # Errors
/// 403 when it would grant what the user does not have.
pub(crate) fn check(
    store: &ObjectStore,
    user: &User,
    plural: &str,
    object: &Value,
    namespace: Option<&str>,
) -> Result<(), Status> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let (verb, resource, role, rules) = if plural.ends_with("bindings") {
        let reference = &object["roleRef"];
        let role = reference["name"].as_str().unwrap_or_default();
        let resource = if reference["kind"] == "Role" { "roles" } else { "clusterroles" };
        let place = if resource == "roles" { namespace } else { None };
        ("bind", resource, role, store.rules_of_role(role, place)?)
    } else {
        ("escalate", plural, name, object["rules"].as_array().cloned().unwrap_or_default())
    };
    let group = "rbac.authorization.k8s.io";
    let may = Request::Resource { verb, group, resource, subresource: "", namespace, name: role };
    if store.allows(user, &may)?.is_some() {
        return Ok(());
    }
    let held = store.rules_of(user, namespace.unwrap_or_default())?;
    let missing: Vec<String> = rules.iter().filter(|rule| !is_held(rule, &held)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let qualified = format!("{plural}.{group}");
    Err(Status::forbidden(format!(
        "{qualified} {name:?} is forbidden: user {:?} (groups={:?}) is attempting to grant RBAC permissions not currently \
         held:\n{}",
        user.name,
        user.groups,
        missing.join("\n")
    )))
}

/// Whether everything that a rule allows is allowed by rules that somebody has.
fn is_held(rule: &Value, held: &[Value]) -> bool {
    let list =
        |field: &str| -> Vec<&str> { rule[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect() };
    let any = |request: &Request<'_>| held.iter().any(|rule| covers(rule, request));
    let verbs = list("verbs");
    if rule["nonResourceURLs"].is_array() {
        let paths = list("nonResourceURLs");
        return verbs.iter().all(|verb| paths.iter().all(|path| any(&Request::Path { verb, path })));
    }
    let names = if list("resourceNames").is_empty() { vec![""] } else { list("resourceNames") };
    verbs.iter().all(|verb| {
        list("apiGroups").iter().all(|group| {
            list("resources").iter().all(|whole| {
                let (resource, subresource) = whole.split_once('/').unwrap_or((whole, ""));
                names
                    .iter()
                    .all(|name| any(&Request::Resource { verb, group, resource, subresource, namespace: None, name }))
            })
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_granted_must_be_held() {
        let rule = |verbs: &[&str]| json!({"verbs": verbs, "apiGroups": [""], "resources": ["pods"]});
        assert!(is_held(&rule(&["get"]), &[rule(&["get", "list"])]));
        assert!(!is_held(&rule(&["get", "delete"]), &[rule(&["get"])]));
        assert!(!is_held(&rule(&["*"]), &[rule(&["get"])]));
        let everything = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]});
        assert!(is_held(&rule(&["*"]), &[everything]));
    }
}
