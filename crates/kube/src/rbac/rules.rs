//! One rule of a role, and what it covers.

use serde_json::Value;

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// Something with objects.
    Resource {
        verb: &'a str,
        group: &'a str,
        resource: &'a str,
        subresource: &'a str,
        namespace: Option<&'a str>,
        name: &'a str,
    },
    /// Anything else, by its path.
    Path { verb: &'a str, path: &'a str },
}

impl<'a> Request<'a> {
    /// The namespace it is about.
    pub(crate) fn namespace(&self) -> Option<&'a str> {
        match self {
            Self::Resource { namespace, .. } => *namespace,
            Self::Path { .. } => None,
        }
    }

    /// Why it is refused, in the real server's words.
    pub(crate) fn refusal(&self, user: &str) -> String {
        match *self {
            Self::Path { verb, path } => format!("forbidden: User {user:?} cannot {verb} path {path:?}"),
            Self::Resource { verb, group, resource, subresource, namespace, name } => {
                let qualified = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
                let named = if name.is_empty() { String::new() } else { format!(" {name:?}") };
                let whole =
                    if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") };
                let place = match namespace {
                    Some(namespace) if !namespace.is_empty() => format!("in the namespace {namespace:?}"),
                    _ => "at the cluster scope".to_owned(),
                };
                format!(
                    "{qualified}{named} is forbidden: User {user:?} cannot {verb} resource {whole:?} in API group \
                     {group:?} {place}"
                )
            }
        }
    }
}

/// Whether a rule covers a request.
pub(crate) fn covers(rule: &Value, request: &Request<'_>) -> bool {
    let list = |field: &str| rule[field].as_array().into_iter().flatten().filter_map(Value::as_str);
    let has = |field: &str, wanted: &str| list(field).any(|held| held == "*" || held == wanted);
    match *request {
        Request::Path { verb, path } => {
            has("verbs", verb)
                && list("nonResourceURLs")
                    .any(|held| held == path || held.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix)))
        }
        Request::Resource { verb, group, resource, subresource, name, .. } => {
            let whole = format!("{resource}/{subresource}");
            let of_resource = list("resources").any(|held| {
                held == "*"
                    || (subresource.is_empty() && held == resource)
                    || (!subresource.is_empty() && held == whole)
                    || (!subresource.is_empty() && held.strip_prefix("*/") == Some(subresource))
            });
            let names = rule["resourceNames"].as_array().is_some_and(|names| !names.is_empty());
            has("verbs", verb)
                && has("apiGroups", group)
                && of_resource
                && (!names || list("resourceNames").any(|held| held == name))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn get<'a>(resource: &'a str, subresource: &'a str, name: &'a str) -> Request<'a> {
        Request::Resource { verb: "get", group: "apps", resource, subresource, namespace: Some("team"), name }
    }

    #[test]
    fn a_rule_covers_its_verbs_groups_resources_and_names() {
        let rule = json!({"verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments", "*/scale"]});
        assert!(covers(&rule, &get("deployments", "", "web")));
        assert!(covers(&rule, &get("replicasets", "scale", "web")));
        assert!(!covers(&rule, &get("deployments", "status", "web")));
        let named = json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "resourceNames": ["web"]});
        assert!(covers(&named, &get("deployments", "", "web")) && !covers(&named, &get("deployments", "", "")));
        let paths = json!({"verbs": ["get"], "nonResourceURLs": ["/healthz", "/openapi/*"]});
        assert!(covers(&paths, &Request::Path { verb: "get", path: "/openapi/v3" }));
        assert!(!covers(&paths, &Request::Path { verb: "get", path: "/metrics" }));
    }

    #[test]
    fn a_refusal_is_worded_as_the_real_ones() {
        assert_eq!(
            get("deployments", "scale", "web").refusal("jane"),
            "deployments.apps \"web\" is forbidden: User \"jane\" cannot get resource \"deployments/scale\" in API group \
             \"apps\" in the namespace \"team\""
        );
        assert_eq!(
            Request::Path { verb: "get", path: "/metrics" }.refusal("jane"),
            "forbidden: User \"jane\" cannot get path \"/metrics\""
        );
    }
}
