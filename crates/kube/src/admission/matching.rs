//! What policies and webhooks are asked about: rules, selectors, and the conditions that expressions say.
//!
//! Versions of a kind count as one (`matchPolicy: Equivalent`) unless the match is to be exact; objects are shown in the
//! version of the request. Source: k8s.io/apiserver `pkg/admission/plugin/{webhook,policy}/matching`.

use serde_json::{Value, json};

use crate::{
    controllers::selects,
    expressions::{Expression, Known, Scope},
    objects::{ObjectStore, decode},
    request::Objects,
    status::Status,
};

/// A write that is to be judged.
pub(super) struct Request<'a> {
    pub(super) place: &'a Objects<'a>,
    /// `CREATE`, `UPDATE`, `DELETE`.
    pub(super) operation: &'static str,
    /// Null when it goes.
    pub(super) object: Value,
    /// Null when it is new.
    pub(super) before: Value,
    pub(super) dry_run: bool,
}

impl Request<'_> {
    pub(super) fn name(&self) -> &str {
        let named = if self.object.is_null() { &self.before } else { &self.object };
        named["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// What is asked, as reviews and expressions show it, without the objects.
    pub(super) fn shown(&self, store: &ObjectStore, uid: &str) -> Value {
        let row = &*self.place.resource;
        let kind = if self.place.subresource == Some("scale") {
            json!({"group": "autoscaling", "version": "v1", "kind": "Scale"})
        } else {
            json!({"group": row.group, "version": row.version, "kind": row.kind})
        };
        let resource = json!({"group": row.group, "version": row.version, "resource": row.plural});
        let options = match self.operation {
            "CREATE" => "CreateOptions",
            "UPDATE" => "UpdateOptions",
            _ => "DeleteOptions",
        };
        let mut options = json!({"kind": options, "apiVersion": "meta.k8s.io/v1"});
        if self.dry_run {
            options["dryRun"] = json!(["All"]);
        }
        let mut shown = json!({
            "uid": uid, "kind": kind, "resource": resource, "requestKind": kind, "requestResource": resource,
            "name": self.name(), "operation": self.operation, "userInfo": store.user.info(), "dryRun": self.dry_run,
            "options": options,
        });
        if let Some(subresource) = self.place.subresource {
            shown["subResource"] = json!(subresource);
            shown["requestSubResource"] = json!(subresource);
        }
        if let Some(namespace) = self.namespace() {
            shown["namespace"] = json!(namespace);
        }
        shown
    }

    /// The namespace it is about: that of a namespace is itself.
    pub(super) fn namespace(&self) -> Option<&str> {
        if self.place.resource.is_core("Namespace") { Some(self.name()) } else { self.place.namespace }
    }

    /// The names that expressions know, save those of a policy.
    pub(super) fn scope(&self, store: &ObjectStore) -> Scope<'static> {
        let mut scope = Scope::default();
        scope.add("object", &Known::of(&self.object));
        scope.add("oldObject", &Known::of(&self.before));
        scope.add("request", &Known::of(&self.shown(store, "")));
        scope
    }

    /// Whether a rule speaks of it.
    pub(super) fn is_of(&self, rule: &Value, exact: bool) -> bool {
        let row = &*self.place.resource;
        let list = |field: &str| rule[field].as_array().into_iter().flatten().filter_map(Value::as_str);
        let has = |field: &str, wanted: &str| list(field).any(|held| held == "*" || held == wanted);
        let subresource = self.place.subresource.unwrap_or_default();
        let of_resource = list("resources").any(|held| {
            let (resource, sub) = held.split_once('/').unwrap_or((held, ""));
            (resource == "*" || resource == row.plural) && (sub == "*" || sub == subresource)
        });
        let in_namespace = self.place.namespace.is_some() && !row.is_core("Namespace");
        let in_scope = match rule["scope"].as_str() {
            Some("Cluster") => !in_namespace,
            Some("Namespaced") => in_namespace,
            _ => true,
        };
        let named = rule["resourceNames"]
            .as_array()
            .is_none_or(|names| names.is_empty() || names.iter().any(|name| name == self.name()));
        has("operations", self.operation)
            && has("apiGroups", &row.group)
            && (has("apiVersions", &row.version) || !exact)
            && of_resource
            && in_scope
            && named
    }

    /// Whether selectors of namespaces and of objects, none of which select everything, hold.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(super) fn is_selected(&self, store: &ObjectStore, by: &Value) -> Result<bool, Status> {
        let all = |selector: &Value| selector.as_object().is_none_or(serde_json::Map::is_empty);
        let of_object = &by["objectSelector"];
        if !all(of_object) && !selects(of_object, &self.object) && !selects(of_object, &self.before) {
            return Ok(false);
        }
        let of_namespace = &by["namespaceSelector"];
        if all(of_namespace) || self.namespace().is_none() {
            return Ok(true);
        }
        Ok(selects(of_namespace, &self.namespace_object(store)?))
    }

    /// The namespace that it is in; null when it is in none.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(super) fn namespace_object(&self, store: &ObjectStore) -> Result<Value, Status> {
        if self.place.resource.is_core("Namespace") {
            return Ok(if self.object.is_null() { self.before.clone() } else { self.object.clone() });
        }
        let Some(namespace) = self.place.namespace else { return Ok(Value::Null) };
        let entry = store.store.get(&store.namespace_key(namespace))?;
        entry.as_ref().map_or(Ok(Value::Null), decode)
    }
}

/// Whether all `matchConditions` hold.
///
/// # Errors
/// The name of one that fails when none is false, and why.
pub(super) fn conditions_hold(conditions: &Value, scope: &Scope<'_>) -> Result<bool, String> {
    let mut failed = None;
    for condition in conditions.as_array().into_iter().flatten() {
        let name = condition["name"].as_str().unwrap_or_default();
        let expression = Expression::kept(condition["expression"].as_str().unwrap_or_default());
        let held = expression.and_then(|expression| expression.holds(scope).map_err(|error| error.to_string()));
        match held {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(error) => failed = Some(format!("match condition {name:?}: {error}")),
        }
    }
    failed.map_or(Ok(true), Err)
}

/// The expressions of a policy or a webhook that do not compile: their paths, texts and problems.
pub(crate) fn malformed(object: &Value) -> Vec<(String, String, String)> {
    const LISTS: [(&str, &[&str]); 4] = [
        ("matchConditions", &["expression"]),
        ("variables", &["expression"]),
        ("validations", &["expression", "messageExpression"]),
        ("auditAnnotations", &["valueExpression"]),
    ];
    let mut found = Vec::new();
    let mut look = |holder: &Value, path: &str| {
        for (list, fields) in LISTS {
            for (index, item) in holder[list].as_array().into_iter().flatten().enumerate() {
                for field in fields {
                    let Some(text) = item[field].as_str() else { continue };
                    if let Err(problem) = Expression::kept(text) {
                        found.push((format!("{path}.{list}[{index}].{field}"), text.to_owned(), problem));
                    }
                }
            }
        }
    };
    look(&object["spec"], "spec");
    for (index, webhook) in object["webhooks"].as_array().into_iter().flatten().enumerate() {
        look(webhook, &format!("webhooks[{index}]"));
    }
    found
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::registry;

    #[test]
    fn a_rule_speaks_of_operations_groups_versions_resources_and_scopes() {
        let of = |plural: &str, namespace, subresource, rule: Value| {
            let row = registry::built_in().iter().find(|row| row.plural == plural).unwrap();
            let place = Objects { resource: Arc::clone(row), namespace, name: None, subresource };
            let object = json!({"metadata": {"name": "n"}});
            let request = Request { place: &place, operation: "CREATE", object, before: Value::Null, dry_run: false };
            request.is_of(&rule, true)
        };
        let rule = |resources: &[&str], more: Value| {
            let mut rule =
                json!({"operations": ["CREATE"], "apiGroups": ["*"], "apiVersions": ["v1"], "resources": resources});
            for (field, value) in more.as_object().unwrap() {
                rule[field] = value.clone();
            }
            rule
        };
        let team = Some("team");
        assert!(of("pods", team, None, rule(&["pods"], json!({}))));
        assert!(!of("pods", team, Some("status"), rule(&["*"], json!({}))));
        assert!(of("pods", team, Some("status"), rule(&["pods/*"], json!({}))));
        assert!(of("pods", team, Some("status"), rule(&["*/status"], json!({}))));
        assert!(!of("pods", team, None, rule(&["*"], json!({"scope": "Cluster"}))));
        assert!(of("namespaces", None, None, rule(&["*"], json!({"scope": "Cluster"}))));
        assert!(!of("pods", team, None, rule(&["*"], json!({"operations": ["UPDATE"]}))));
        assert!(!of("pods", team, None, rule(&["*"], json!({"resourceNames": ["m"]}))));
        assert!(!of("pods", team, None, rule(&["*"], json!({"apiVersions": ["v2"]}))));
    }
}
