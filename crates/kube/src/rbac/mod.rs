//! Who may do what: roles and bindings, as the real server decides by them.
//!
//! Source: kubernetes/kubernetes `plugin/pkg/auth/authorizer/rbac`, `pkg/registry/rbac/validation`.

mod bootstrap;
mod escalation;
mod impersonation;
mod request_info;
mod rules;

use std::sync::Arc;

use serde_json::{Value, json};

pub(crate) use bootstrap::objects as default_objects;
pub(crate) use escalation::check as check_escalation;
pub(crate) use impersonation::effective;
pub(crate) use request_info::read as request_of;
pub(crate) use rules::{Request, covers};

use crate::{controllers::selects, objects::ObjectStore, registry, request::Objects, reviews::User, status::Status};

/// The API group of roles and bindings.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

/// A rule and who gave it: the binding and its role, in words.
struct Granted {
    rule: Value,
    by: String,
}

impl ObjectStore {
    /// Whether a user may do something: why, if so.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn allows(&self, user: &User, request: &Request<'_>) -> Result<Option<String>, Status> {
        if user.is_master() {
            return Ok(Some(String::new()));
        }
        let granted = self.granted(user, request.namespace())?;
        Ok(granted.into_iter().find(|granted| covers(&granted.rule, request)).map(|granted| granted.by))
    }

    /// The rules that a user has in a namespace, or everywhere.
    ///
    /// # Errors
    /// 500 when the store fails.
    pub(crate) fn rules_of(&self, user: &User, namespace: &str) -> Result<Vec<Value>, Status> {
        if user.is_master() {
            return Ok(vec![
                json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}),
                json!({"verbs": ["*"], "nonResourceURLs": ["*"]}),
            ]);
        }
        Ok(self.granted(user, Some(namespace))?.into_iter().map(|granted| granted.rule).collect())
    }

    /// The rules of a role.
    ///
    /// # Errors
    /// 500 when the store fails.
    fn rules_of_role(&self, role: &str, namespace: Option<&str>) -> Result<Vec<Value>, Status> {
        let mut granted = Vec::new();
        self.grant(&json!(role), namespace, "", &mut granted)?;
        Ok(granted.into_iter().map(|granted| granted.rule).collect())
    }

    fn granted(&self, user: &User, namespace: Option<&str>) -> Result<Vec<Granted>, Status> {
        let mut granted = Vec::new();
        for binding in self.stored_of(GROUP, "clusterrolebindings", None)? {
            if let Some(subject) = subject(&binding, user, None) {
                let role = &binding["roleRef"]["name"];
                let by = format!(
                    "RBAC: allowed by ClusterRoleBinding {} of ClusterRole {role} to {subject}",
                    binding["metadata"]["name"]
                );
                self.grant(role, None, &by, &mut granted)?;
            }
        }
        let Some(namespace) = namespace else { return Ok(granted) };
        for binding in self.stored_of(GROUP, "rolebindings", Some(namespace))? {
            if let Some(subject) = subject(&binding, user, Some(namespace)) {
                let role = &binding["roleRef"];
                let kind = role["kind"].as_str().unwrap_or_default();
                let name = binding["metadata"]["name"].as_str().unwrap_or_default();
                let by = format!(
                    "RBAC: allowed by RoleBinding \"{name}/{namespace}\" of {kind} {} to {subject}",
                    role["name"]
                );
                let place = (kind == "Role").then_some(namespace);
                self.grant(&role["name"], place, &by, &mut granted)?;
            }
        }
        Ok(granted)
    }

    fn grant(&self, role: &Value, namespace: Option<&str>, by: &str, granted: &mut Vec<Granted>) -> Result<(), Status> {
        let plural = if namespace.is_some() { "roles" } else { "clusterroles" };
        let Some(row) = registry::find(GROUP, "v1", plural) else { return Ok(()) };
        let place = Objects { resource: Arc::clone(row), namespace, name: None, subresource: None };
        let role = match self.get(&place, role.as_str().unwrap_or_default()) {
            Ok(role) => role,
            Err(status) if status.code == 404 => return Ok(()),
            Err(status) => return Err(status),
        };
        let rules = if role["aggregationRule"].is_object() {
            collected(&role, &self.stored_of(GROUP, "clusterroles", None)?).unwrap_or_default()
        } else {
            role["rules"].as_array().cloned().unwrap_or_default()
        };
        granted.extend(rules.into_iter().map(|rule| Granted { rule, by: by.to_owned() }));
        Ok(())
    }
}

/// The rules of a role that is put together from others, each once; `None` for one that is not.
pub(crate) fn collected(role: &Value, all: &[Value]) -> Option<Vec<Value>> {
    let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array()?;
    let name = |role: &Value| role["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let mut collected = Vec::new();
    for selector in selectors {
        let mut selected: Vec<&Value> = all.iter().filter(|other| selects(selector, other)).collect();
        selected.sort_by_key(|other| name(other));
        for rule in selected
            .into_iter()
            .filter(|other| name(other) != name(role))
            .filter_map(|other| other["rules"].as_array())
            .flatten()
        {
            if !collected.contains(rule) {
                collected.push(rule.clone());
            }
        }
    }
    Some(collected)
}

/// The subject of a binding that a user is, in words.
fn subject(binding: &Value, user: &User, namespace: Option<&str>) -> Option<String> {
    let subjects = binding["subjects"].as_array().into_iter().flatten();
    let mut found = subjects.filter_map(|subject| {
        let name = subject["name"].as_str()?;
        let (is_it, shown) = match subject["kind"].as_str()? {
            "User" => (user.name == name, format!("User \"{name}\"")),
            "Group" => (user.groups.iter().any(|group| group == name), format!("Group \"{name}\"")),
            "ServiceAccount" => {
                let place = subject["namespace"].as_str().or(namespace)?;
                let account = format!("system:serviceaccount:{place}:{name}");
                (user.name == account, format!("ServiceAccount \"{name}/{place}\""))
            }
            _ => return None,
        };
        is_it.then_some(shown)
    });
    found.next()
}
