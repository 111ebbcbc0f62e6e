//! Flow schemas and priority levels: how many requests of whom are answered at a time, 429 beyond.
//!
//! A cluster has none by itself and limits nobody. Whoever wants to see a client throttled makes a `PriorityLevelConfiguration`
//! of type `Limited` and a `FlowSchema` that leads there; `nominalConcurrencyShares` are the requests at a time (0 refuses
//! all). Nothing is queued, whatever the level says. `system:masters` are exempt, and watches count only until they begin.
//! Source: k8s.io/apiserver `pkg/util/flowcontrol`, `pkg/server/filters/priority-and-fairness.go`.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde_json::Value;

use crate::{objects::ObjectStore, rbac::Request, reviews::User, status::Status};

const GROUP: &str = "flowcontrol.apiserver.k8s.io";

/// How many requests each level of each cluster answers now.
#[derive(Debug, Default)]
pub(crate) struct Seats(Mutex<HashMap<String, u64>>);

/// A request's seat, until it is dropped.
pub(crate) struct Seat {
    seats: Arc<Seats>,
    level: String,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.level) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.level);
            }
        }
    }
}

/// Takes a seat for a request; `None` where nothing limits it.
///
/// # Errors
/// 429 when its level has none left.
pub(crate) fn seat(
    seats: &Arc<Seats>,
    objects: &ObjectStore,
    user: &User,
    request: &Request<'_>,
) -> Result<Option<Seat>, Status> {
    if user.is_master() {
        return Ok(None);
    }
    let mut schemas = objects.stored_of(GROUP, "flowschemas", None)?;
    if schemas.is_empty() {
        return Ok(None);
    }
    let precedence = |schema: &Value| schema["spec"]["matchingPrecedence"].as_i64().unwrap_or(1000);
    schemas.sort_by_cached_key(|schema| (precedence(schema), schema["metadata"]["name"].to_string()));
    let Some(schema) = schemas.iter().find(|schema| is_meant(schema, user, request)) else { return Ok(None) };
    let wanted = &schema["spec"]["priorityLevelConfiguration"]["name"];
    let levels = objects.stored_of(GROUP, "prioritylevelconfigurations", None)?;
    let Some(level) = levels.iter().find(|level| level["metadata"]["name"] == *wanted) else { return Ok(None) };
    if level["spec"]["type"] != "Limited" {
        return Ok(None);
    }
    let limit = level["spec"]["limited"]["nominalConcurrencyShares"].as_u64().unwrap_or(30);
    let level = format!("{}/{}", objects.cluster, level["metadata"]["uid"].as_str().unwrap_or_default());
    let mut taken = seats.0.lock().unwrap_or_else(PoisonError::into_inner);
    let count = taken.get(&level).copied().unwrap_or(0);
    if count >= limit {
        return Err(Status::too_many_requests());
    }
    taken.insert(level.clone(), count + 1);
    Ok(Some(Seat { seats: Arc::clone(seats), level }))
}

fn is_meant(schema: &Value, user: &User, request: &Request<'_>) -> bool {
    let rules = schema["spec"]["rules"].as_array().into_iter().flatten();
    let mut meant = rules.filter(|rule| {
        let mut subjects = rule["subjects"].as_array().into_iter().flatten();
        subjects.any(|subject| is_subject(subject, user))
    });
    meant.any(|rule| {
        let of = |list: &str| rule[list].as_array().into_iter().flatten();
        match *request {
            Request::Path { verb, path } => of("nonResourceRules").any(|rule| {
                let has = |wanted: &Value, held: &str| wanted == "*" || wanted == held;
                let verbs = rule["verbs"].as_array().into_iter().flatten();
                let mut paths = rule["nonResourceURLs"].as_array().into_iter().flatten().filter_map(Value::as_str);
                verbs.clone().any(|held| has(held, verb))
                    && paths.any(|held| {
                        held == path || held.strip_suffix('*').is_some_and(|prefix| path.starts_with(prefix))
                    })
            }),
            Request::Resource { verb, group, resource, subresource, namespace, .. } => {
                of("resourceRules").any(|rule| {
                    let has = |field: &str, held: &str| {
                        rule[field].as_array().into_iter().flatten().any(|wanted| wanted == "*" || wanted == held)
                    };
                    let whole =
                        if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") };
                    let placed = match namespace.filter(|namespace| !namespace.is_empty()) {
                        Some(namespace) => has("namespaces", namespace),
                        None => rule["clusterScope"] == true,
                    };
                    has("verbs", verb) && has("apiGroups", group) && has("resources", &whole) && placed
                })
            }
        }
    })
}

fn is_subject(subject: &Value, user: &User) -> bool {
    let is = |wanted: &Value, held: &str| wanted == "*" || wanted == held;
    match subject["kind"].as_str() {
        Some("User") => is(&subject["user"]["name"], &user.name),
        Some("Group") => user.groups.iter().any(|group| is(&subject["group"]["name"], group)),
        Some("ServiceAccount") => {
            let account = user.name.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
            let wanted = &subject["serviceAccount"];
            account.is_some_and(|(namespace, name)| wanted["namespace"] == namespace && is(&wanted["name"], name))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_speaks_of_subjects_verbs_resources_and_places() {
        let schema = json!({"spec": {"rules": [{
            "subjects": [{"kind": "ServiceAccount", "serviceAccount": {"namespace": "team", "name": "*"}}],
            "resourceRules": [{"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "namespaces": ["*"]}],
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["/healthz*"]}],
        }]}});
        let user = |name: &str| User { name: name.to_owned(), ..User::default() };
        let account = user("system:serviceaccount:team:robot");
        let list = |namespace| Request::Resource {
            verb: "list",
            group: "",
            resource: "pods",
            subresource: "",
            namespace,
            name: "",
        };
        assert!(is_meant(&schema, &account, &list(Some("any"))));
        assert!(!is_meant(&schema, &account, &list(None)));
        assert!(!is_meant(&schema, &user("joe"), &list(Some("any"))));
        assert!(is_meant(&schema, &account, &Request::Path { verb: "get", path: "/healthz/ping" }));
        assert!(!is_meant(&schema, &account, &Request::Path { verb: "get", path: "/version" }));
    }
}
